//! Reads any text as an expression. What can be read is computed with values made of the same bytes, shown as a
//! tree, and read again from its own text.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tickwire::expression::{Crossings, Expression, Margin, Truth, split_top_level};
use tickwire::model::{Decimal, Interval, Timestamp, Value};

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    for part in split_top_level(text) {
        let _ = Expression::parse(part);
    }
    match Expression::parse(text) {
        Ok(expression) => compute(&expression, data),
        Err(error) => {
            assert!((1..=error.text.chars().count() + 1).contains(&error.column));
            assert_eq!(error.caret().lines().count(), 2);
            assert!(!error.to_string().contains(char::is_control));
        }
    }
});

fn compute(expression: &Expression, data: &[u8]) {
    let input = |operand: usize| value(data, operand);
    let tree = expression.explain(&input);
    let again = Expression::parse(expression.text()).expect("its own text can be read");
    assert_eq!(tree, again.explain(&input));
    assert_eq!(expression.evaluate(&input), again.evaluate(&input));
    assert_eq!(expression.needs(Interval::M1), again.needs(Interval::M1));
    let mut crossings = Crossings::new(expression);
    crossings.observe(&|operand| value(data, operand + 1));
    crossings.observe(&input);
    if !expression.has_crossings() {
        assert_eq!(crossings.evaluate(&input), expression.evaluate(&input));
    }
    if crossings.holds(&input) == Truth::True {
        for margin in [
            Margin::Absolute(Decimal::ONE),
            Margin::Percent(Decimal::MAX),
        ] {
            assert_eq!(crossings.holds_within(margin, &input), Truth::True);
        }
    }
}

/// Some value for this operand, of any type: also of the wrong one.
fn value(data: &[u8], operand: usize) -> Value {
    let byte = |n: usize| data[(operand * 7 + n) % data.len()];
    let number = i64::from_le_bytes(std::array::from_fn(byte));
    match byte(8) % 6 {
        0 => Value::Null,
        1 => Value::Time(Timestamp::from_nanos(number)),
        2 => Value::Text("buy".into()),
        3 => Value::YesNo(number % 2 == 0),
        4 => Value::Number(Decimal::new(number, 28)),
        _ => Value::Number(Decimal::new(number, u32::from(byte(9) % 10))),
    }
}
