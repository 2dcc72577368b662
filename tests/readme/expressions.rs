//! What README says of the language of conditions holds.

use tickwire::expression::{ErrorKind, Expression};

use crate::readme;
use crate::tables::table;

#[test]
fn the_conditions_shown_are_conditions() {
    let shown = table(&readme(), "| condition | true when |");
    assert!(shown.len() >= 8, "{shown:?}");
    for row in shown {
        let condition = row[0].trim_matches('`');
        if let Err(error) = Expression::parse_condition(condition) {
            panic!("{error}");
        }
    }
}

/// The words in backticks between two pieces of README.
fn words(from: &str, to: &str) -> Vec<String> {
    let text = readme().replace('\n', " ");
    let (_, after) = text.split_once(from).expect("the piece before");
    let (between, _) = after.split_once(to).expect("the piece after");
    let words = between.split('`').skip(1).step_by(2);
    words.map(str::to_owned).collect()
}

/// What is said of a call with one, two or three arguments, whichever the function takes.
fn kinds_of_errors(function: &str) -> Vec<Option<ErrorKind>> {
    let calls = ["20", "20, 2", "12, 26, 9", "price, bid"];
    let errors = calls.map(|arguments| {
        let text = format!("{function}({arguments})");
        Expression::parse(&text).err().map(|error| error.kind)
    });
    errors.to_vec()
}

#[test]
fn functions_are_there_or_not_yet_as_told() {
    let there = words("**Functions** are ", "Not available yet");
    assert_eq!(there, ["abs(x)", "min(a, b, …)", "max(a, b, …)"]);
    for function in ["abs", "min", "max"] {
        assert!(kinds_of_errors(function).contains(&None), "{function}");
    }
    let to_come = words("Not available yet", "and the fields of candles");
    assert_eq!(to_come.len(), 15, "{to_come:?}");
    for function in to_come {
        let unavailable = Some(ErrorKind::Unavailable);
        let kinds = kinds_of_errors(&function);
        assert!(kinds.contains(&unavailable), "{function}: {kinds:?}");
    }
}
