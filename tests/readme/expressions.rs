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

/// What is said of calls with arguments of which some fit the function.
fn kinds_of_errors(function: &str) -> Vec<Option<ErrorKind>> {
    let calls = ["20", "20, 2", "12, 26, 9", "price, bid", "15m", "price"];
    let errors = calls.map(|arguments| {
        let text = format!("{function}({arguments})");
        Expression::parse(&text).err().map(|error| error.kind)
    });
    errors.to_vec()
}

#[test]
fn functions_are_there_as_told() {
    let mut there = words("**Functions** are ", "Not available yet");
    let text = readme();
    let indicators = table(&text, "| function | definition |");
    there.extend(indicators.iter().map(|row| row[0].trim_matches('`').into()));
    assert!(there.len() >= 18, "{there:?}");
    for call in there {
        let (function, _) = call.split_once('(').expect("a call");
        assert!(kinds_of_errors(function).contains(&None), "{function}");
    }
    let to_come = words("Not available yet", "**Operators**");
    assert_eq!(to_come, ["bids", "asks", "mid"]);
    for field in to_come {
        let error = Expression::parse(&field).err().map(|error| error.kind);
        assert_eq!(error, Some(ErrorKind::Unavailable), "{field}");
    }
}
