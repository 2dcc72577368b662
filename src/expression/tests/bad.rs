//! What is told about texts that are no expressions, word for word.

use super::*;

/// Text and caret after a bar, then the mistake and perhaps a hint.
fn described(text: &str) -> String {
    let error = Expression::parse(text).expect_err(text);
    let pointed: Vec<_> = error
        .caret()
        .lines()
        .map(|line| format!("|{line}"))
        .collect();
    let hint = error.hint.iter().map(|hint| format!("\nhint: {hint}"));
    let message = format!("{:?}: {}", error.kind, error.message);
    format!(
        "{}\n{message}{}",
        pointed.join("\n"),
        hint.collect::<String>()
    )
}

#[test]
fn every_mistake_is_told_with_its_place() {
    let corpus = include_str!("bad.txt");
    let cases: Vec<_> = corpus.trim_end().split("\n\n").collect();
    for case in &cases {
        let text = case.lines().next().and_then(|line| line.strip_prefix('|'));
        assert_eq!(described(text.expect("a text after a bar")), **case);
    }
    assert!(cases.len() >= 60, "{}", cases.len());
}

#[test]
fn a_mistake_is_one_line_with_its_column() {
    let error = Expression::parse("price > and 3").unwrap_err();
    assert_eq!(
        error.to_string(),
        "`price > and 3`: column 9: expected a value, found `and`"
    );
    assert_eq!((error.column, error.width), (9, 3));
}

#[test]
fn columns_count_characters_and_the_caret_counts_cells() {
    let error = Expression::parse("symbol == '币安' and").unwrap_err();
    assert_eq!(error.column, 19);
    assert_eq!(error.caret(), "symbol == '币安' and\n                    ^");
}

#[test]
fn nothing_in_a_text_can_move_the_cursor() {
    let error = Expression::parse("price\t>\n\u{202e}\u{1b}[31m 5").unwrap_err();
    assert_eq!(error.caret(), "price > \u{fffd} [31m 5\n        ^");
    assert_eq!(
        error.to_string(),
        "`price > \u{fffd} [31m 5`: column 9: unexpected `\u{fffd}`"
    );
}

#[test]
fn a_condition_must_be_a_yes_or_no() {
    for (text, message, width) in [
        ("price", "a number, not a yes/no", 5),
        (" 'price > 5'", "a text, not a yes/no", 11),
        ("age + 3", "a duration, not a yes/no", 7),
    ] {
        let error = Expression::parse_condition(text).unwrap_err();
        assert_eq!(error.kind, ErrorKind::NotACondition);
        assert_eq!((error.message.as_str(), error.width), (message, width));
        let hint = error.hint.expect("a hint");
        assert!(
            hint.contains("tickwire alert BTC 'price > 50000'"),
            "{hint}"
        );
    }
    assert!(Expression::parse_condition("price > 5").is_ok());
    assert_eq!(
        Expression::parse_condition("prise > 5").unwrap_err().kind,
        ErrorKind::Unknown
    );
}

#[test]
fn a_text_beyond_the_limit_is_not_even_read() {
    let exactly = format!("price > 1{}", " ".repeat(1024 - 9));
    assert!(Expression::parse(&exactly).is_ok());
    for text in ["(".repeat(1_000_000), format!("{exactly} ")] {
        let error = Expression::parse(&text).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Limit);
        assert!(error.message.ends_with("bytes are too long (1024 at most)"));
        assert!(error.text.len() < 100);
    }
}

#[test]
fn there_are_as_many_nodes_as_allowed_and_no_more() {
    let sum = |terms: usize| vec!["1"; terms].join("+");
    // 32 numbers and 31 operators, and then one sign.
    assert!(Expression::parse(&format!("-{}", sum(32))).is_ok());
    let error = Expression::parse(&sum(33)).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Limit);
    assert_eq!(error.message, "more than 64 names, values and operators");
}

#[test]
fn nesting_is_bounded_for_every_form_of_it() {
    for (open, close) in [
        ("(", ")"),
        ("-", ""),
        ("abs(", ")"),
        ("min(1, ", ")"),
        ("1 + (", ")"),
    ] {
        let nested = |levels: usize| format!("{}1{}", open.repeat(levels), close.repeat(levels));
        assert!(Expression::parse(&nested(16)).is_ok(), "{open}");
        let error = Expression::parse(&nested(17)).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Limit, "{open}");
        assert_eq!(error.message, "more than 16 levels of nesting");
    }
    let negated = |levels: usize| format!("{}true", "not ".repeat(levels));
    assert!(Expression::parse(&negated(16)).is_ok());
    assert!(Expression::parse(&negated(17)).is_err());
    // Beside each other they do not add up.
    assert!(Expression::parse(&["-(-1)"; 12].join("-")).is_ok());
    // The thousand that the length allows, with and without their ends.
    for text in [
        "(".repeat(1024),
        "-".repeat(1024),
        "not ".repeat(256),
        "1+(".repeat(300),
    ] {
        assert_eq!(Expression::parse(&text).unwrap_err().kind, ErrorKind::Limit);
    }
}

#[test]
fn the_deepest_expression_needs_little_stack() {
    let level = "true or true and not (";
    let text = format!("{}true{}", level.repeat(8), ")".repeat(8));
    let reader = std::thread::Builder::new().stack_size(512 * 1024);
    let read = reader.spawn(move || {
        let expression = Expression::parse(&text).expect("within every limit");
        expression.holds(&|_| Value::Null)
    });
    assert_eq!(read.unwrap().join().unwrap(), Truth::True);
}
