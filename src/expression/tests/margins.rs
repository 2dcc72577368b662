//! What still holds within a margin.

use super::*;

fn within(text: &str, margin: &str) -> Truth {
    let expression = expression(text);
    expression.holds_within(margin.parse().unwrap(), &|place| {
        market(&expression.operands()[place])
    })
}

#[test]
fn each_comparison_is_eased_its_own_way() {
    // The price is 50000.10.
    for (text, margin, held) in [
        ("price > 50100", "100", true),
        ("price > 50100.1", "100", false),
        ("price >= 50100.1", "100", true),
        ("price < 49900.2", "100", true),
        ("price < 49900.1", "100", false),
        ("price <= 49900.1", "100", true),
        ("price == 50100.1", "100", true),
        ("price == 50100.2", "100", false),
        ("price == 49900.1", "100", true),
        ("price != 50000.1", "100", false),
        ("price != 50000.2", "100", true),
        // Of the right side.
        ("price > 50500", "1%", true),
        ("price > 50500", "0.9%", false),
        ("price < 49510", "1%", true),
        ("price > -1", "1%", true),
        // In points where percentages are compared; the change is −4.0.
        ("change_percent_24h < -5%", "1%", false),
        ("change_percent_24h <= -5%", "1%", true),
        ("change_percent_24h < -4.5", "1%", true),
        ("change_percent_24h < -5%", "100", false),
        // Every part of a condition.
        ("price > 50100 and ask > 50100", "100", true),
        ("price > 50100 or ask > 60000", "100", true),
    ] {
        assert_eq!(
            within(text, margin),
            Some(held).into(),
            "{text} within {margin}"
        );
    }
}

#[test]
fn under_a_not_comparisons_are_tightened() {
    for (text, margin, held) in [
        ("not price > 50000", "0", false),
        ("not price > 50000", "1", true),
        ("not not price > 50100", "100", true),
        ("not (price > 50000 or ask < 50000.21)", "1", true),
        ("not price != 50001", "1", true),
        ("not price == 50000.1", "1", false),
    ] {
        assert_eq!(
            within(text, margin),
            Some(held).into(),
            "{text} within {margin}"
        );
    }
}

#[test]
fn margins_are_not_for_durations_texts_times_and_answers() {
    for text in [
        "age > 31",
        "side == sell",
        "received_at < timestamp",
        "received_at - timestamp > 1",
        "(price > 50100) == true",
    ] {
        assert_eq!(within(text, "1000"), Truth::False, "{text}");
        assert_eq!(within(text, "100%"), Truth::False, "{text}");
    }
}

#[test]
fn what_is_unknown_stays_so_and_no_margin_is_too_large() {
    assert_eq!(within("high_24h > 1", "100"), Truth::Unknown);
    let most = Decimal::MAX.to_string();
    assert_eq!(within(&format!("price < {most}"), &most), Truth::True);
    assert_eq!(within(&format!("price > -{most}"), &most), Truth::True);
    assert_eq!(
        within(&format!("price < {most}"), &format!("{most}%")),
        Truth::True
    );
}
