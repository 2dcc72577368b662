//! `[strategies.NAME]`.

use super::*;
use crate::model::Interval;

#[test]
fn conditions_and_programs_are_read() {
    let config = load(
        "[strategies.dip]\nbuy = \"price < 5\"\nsell = \"price > 6\"\ninterval = \"1h\"\n\
         [strategies.model]\ncommand = [\"./model.py\", \"hush\"]",
        &[],
    );
    let dip = Definition::Conditions {
        buy: "price < 5".into(),
        sell: "price > 6".into(),
        interval: Some(Interval::H1),
    };
    assert_eq!(config.strategies["dip"], dip);
    let model = Definition::Program(vec!["./model.py".into(), "hush".into()]);
    assert_eq!(config.strategies["model"], model);
    assert!(
        !format!("{config:?}").contains("hush"),
        "arguments may hold secrets"
    );
}

#[test]
fn a_variable_can_define_one() {
    let config = load(
        "",
        &[
            ("TICKWIRE_STRATEGIES__DIP__BUY", "price < 5"),
            ("TICKWIRE_STRATEGIES__DIP__SELL", "price > 6"),
        ],
    );
    let dip = Definition::Conditions {
        buy: "price < 5".into(),
        sell: "price > 6".into(),
        interval: None,
    };
    assert_eq!(config.strategies["dip"], dip);
}
