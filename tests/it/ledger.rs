//! The promise about trades, held against what the exchange knows.

use tickwire::sim::{Repair, Side, Sim, Told, Verdict, verify};

use crate::support::{Record, Running};

/// What was printed of one symbol of one exchange: from its first trade to its last each one once, in order,
/// or told as missing.
#[track_caller]
pub fn keeps_promise(sim: &Sim, exchange: &str, symbol: &str, printed: &[Record]) -> Verdict {
    let ledger = sim.ledger(symbol);
    let is_of = |record: &&Record| {
        record.raw("symbol") == format!("{symbol:?}") && record.text("exchange") == exchange
    };
    let told: Vec<Told> = printed
        .iter()
        .filter(is_of)
        .filter_map(|record| match record.text("type").as_str() {
            "trade" => Some(trade(record)),
            "gap" if record.text("stream") == "trades" => Some(gap(record)),
            _ => None,
        })
        .collect();
    let ids = told.iter().filter_map(|told| match told {
        Told::Trade { id, .. } => Some(*id),
        Told::Gap { .. } => None,
    });
    let last = ids.max().unwrap_or_else(|| panic!("no trades of {symbol}"));
    verify(&ledger, &told, last).unwrap_or_else(|breaches| {
        panic!(
            "{exchange}:{symbol}:\n{}\n{printed:#?}",
            breaches.join("\n")
        )
    })
}

fn trade(record: &Record) -> Told {
    Told::Trade {
        id: record.number("id"),
        price: record.raw("price").to_owned(),
        size: record.raw("size").to_owned(),
        side: match record.text("side").as_str() {
            "buy" => Side::Buy,
            _ => Side::Sell,
        },
        repaired: record.text("origin") == "repair",
    }
}

fn gap(record: &Record) -> Told {
    let is_known = |key: &str| record.raw(key) != "null";
    let ids = is_known("from_id").then(|| (record.number("from_id"), record.number("to_id")));
    Told::Gap {
        ids,
        missing: is_known("missing").then(|| record.number("missing")),
        recovered: record.number("recovered"),
        state: match record.text("state").as_str() {
            "repaired" => Repair::Repaired,
            "partial" => Repair::Partial,
            _ => Repair::Unrepairable,
        },
    }
}

/// Ends a stream as a user does; all that it printed.
pub async fn end(running: Running) -> Vec<Record> {
    running.signal("INT").await;
    running.end().await.exits(0).records()
}

/// Reads on until so many more trades of a symbol.
pub async fn trades(running: &mut Running, symbol: &str, n: usize) {
    for _ in 0..n {
        running
            .until(|r| r.is("trade") && r.text("symbol") == symbol)
            .await;
    }
}

/// Reads on until this state is told of a symbol.
pub async fn state(running: &mut Running, symbol: &str, state: &str) -> Record {
    let symbol = format!("{symbol:?}");
    let wanted =
        |r: &Record| r.is("status") && r.raw("symbol") == symbol && r.text("state") == state;
    running.until(wanted).await
}

/// The states that were told, each with its symbol (`*`: all).
pub fn states(printed: &[Record]) -> Vec<(String, String)> {
    let states = printed.iter().filter(|record| record.is("status"));
    states
        .map(|record| {
            let symbol = match record.raw("symbol") {
                "null" => "*".to_owned(),
                _ => record.text("symbol"),
            };
            (symbol, record.text("state"))
        })
        .collect()
}

/// The gaps that were told of a symbol.
pub fn gaps<'a>(printed: &'a [Record], symbol: &str) -> Vec<&'a Record> {
    let is_gap = |record: &&Record| record.is("gap") && record.text("symbol") == symbol;
    printed.iter().filter(is_gap).collect()
}
