//! Candles that are made of shorter ones.

use super::super::*;
use super::support::*;
use crate::model::Interval::{M1, M3};

fn bench() -> Bench {
    Bench::new(&[M3], &traits(KRAKEN, false))
}

/// Those of three minutes.
fn long(told: &str) -> String {
    let told = told
        .split(", ")
        .filter(|told| told.starts_with("3m") || told.starts_with('['));
    told.collect::<Vec<_>>().join(", ")
}

#[test]
fn shorter_candles_add_up() {
    let mut bench = bench();
    assert_eq!(
        long(&bench.state(10, 0, "5 6 5 6 2 2")),
        "3m~@0 5 6 5 6 2 2"
    );
    assert_eq!(
        long(&bench.state(70, 60, "6 6 4 5 1 1")),
        "3m~@0 5 6 4 5 3 3"
    );
    assert_eq!(
        long(&bench.state(80, 60, "6 9 4 9 2 2")),
        "3m~@0 5 9 4 9 4 4"
    );
    let told = bench.state(190, 180, "7 7 7 7 1 1");
    assert_eq!(long(&told), "3m@0 5 9 4 9 4 4, 3m~@180 7 7 7 7 1 1");
}

#[test]
fn the_last_part_ends_the_whole() {
    let mut bench = Bench::new(&[M3], &traits(&[M1], true));
    bench.state(60, 0, "5 6 5 6 2 2.");
    bench.state(120, 60, "6 6 6 6 0 0.");
    assert_eq!(
        long(&bench.state(180, 120, "7 7 7 7 1 1.")),
        "3m@0 5 7 5 7 3 3"
    );
}

#[test]
fn a_part_without_trades_says_nothing_beside_others() {
    let mut bench = Bench::new(&[M3], &traits(&[M1], true));
    bench.state(60, 0, "5 5 5 5 0 0.");
    bench.state(120, 60, "8 9 8 9 2 2.");
    assert_eq!(
        long(&bench.state(180, 120, "9 9 9 9 0 0.")),
        "3m@0 8 9 8 9 2 2"
    );
    for (open_time, values) in [
        (180, "9 9 9 9 0 0."),
        (240, "9 9 9 9 0 0."),
        (300, "9 9 9 9 0 0."),
    ] {
        let told = long(&bench.state(open_time + 60, open_time, values));
        assert_eq!(
            told.contains("3m@180 9 9 9 9 0 0"),
            open_time == 300,
            "{told}"
        );
    }
}

#[test]
fn one_that_was_begun_in_its_middle_is_completed_from_the_parts_before() {
    let mut bench = bench();
    assert_eq!(
        long(&bench.state(130, 120, "6 6 6 6 1 1")),
        "3m~@0 6 6 6 6 1 1?"
    );
    let (ticket, interval, asked) = bench.asked_rows();
    assert_eq!((interval, asked), (M1, span(0, 120)));
    let told = bench.answer(ticket, rows(asked, [row(0, "2 9 2 5 4 4")]));
    assert_eq!(long(&told), "3m~@0 2 9 2 6 5 5");
    assert_eq!(
        long(&bench.state(190, 180, "7 7 7 7 1 1")),
        "3m@0 2 9 2 6 5 5, 3m~@180 7 7 7 7 1 1"
    );
}

#[test]
fn one_with_a_part_that_is_not_complete_is_asked_for_as_a_whole() {
    let mut bench = bench();
    bench.state(10, 0, "5 6 5 6 2 2");
    bench.state(70, 60, "6 6 6 6 2 2");
    bench.lost(M1);
    bench.state(190, 180, "7 7 7 7 1 1");
    let refused = Err(ProviderError::Refused("not this one".into()));
    let (ticket, interval, _) = bench.asked_rows();
    assert_eq!(interval, M1);
    assert_eq!(
        bench.answer(ticket, refused).split(", ").next(),
        Some("@60 6 6 6 6 2 2?")
    );
    let (ticket, interval, asked) = bench.asked_rows();
    assert_eq!((interval, asked), (M3, span(0, 180)));
    let whole = crate::model::Candle {
        interval: M3,
        ..row(0, "5 8 5 6 5 5")
    };
    assert_eq!(
        long(&bench.answer(ticket, rows(asked, [whole]))),
        "3m+@0 5 8 5 6 5 5, 3m~@180 7 7 7 7 1 1"
    );
}
