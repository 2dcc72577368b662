//! The tables of README are those of the program.

use std::process::Command;
use std::sync::Arc;

use tickwire::exchange::binance::Binance;
use tickwire::exchange::coinbase::Coinbase;
use tickwire::exchange::kraken::Kraken;
use tickwire::exchange::mock::Mock;
use tickwire::exchange::{Adapter, Profile};
use tickwire::feed::Provider;
use tickwire::grade::RULES;
use tickwire::model::{
    Event, Exchange, Field, Gap, GapReason, GapState, Interval, JsonWriter, Market, Status,
    StatusState, Stream, Timestamp,
};

use crate::blocks::Line;
use crate::readme;
use crate::stage::Stage;

/// The rows of the table whose header begins with these cells, without the header.
pub fn table(text: &str, header: &str) -> Vec<Vec<String>> {
    let mut lines = text.lines().skip_while(|line| !line.starts_with(header));
    assert!(lines.next().is_some(), "README has no table {header}");
    assert!(
        lines.next().is_some_and(|line| line.starts_with("|---")),
        "{header} is no table"
    );
    lines
        .take_while(|line| line.starts_with('|'))
        .map(|line| {
            let cells = line.trim_matches('|').split(" | ");
            cells
                .map(|cell| cell.trim_matches([' ', '|']).to_string())
                .collect()
        })
        .collect()
}

/// The first column of the table of fields below this line, without backticks.
fn fields_below(text: &str, start: &str) -> Vec<String> {
    let (_, below) = text
        .split_once(start)
        .unwrap_or_else(|| panic!("README has no `{start}`"));
    table(below, "| field | meaning |")
        .into_iter()
        .map(|row| row[0].trim_matches('`').to_string())
        .collect()
}

fn keys(line: &str) -> Vec<String> {
    // In the order in which they are written, which a parsed object would not keep.
    let object: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"));
    let mut keys: Vec<_> = object.keys().cloned().collect();
    keys.sort_by_key(|key| line.find(&format!("\"{key}\":")));
    keys
}

#[test]
fn the_exit_codes_are_those_of_the_help() {
    let help = Command::new(env!("CARGO_BIN_EXE_tickwire"))
        .arg("--help")
        .env_clear()
        .output()
        .expect("the binary runs");
    let help = String::from_utf8(help.stdout).expect("help is UTF-8");
    let (_, codes) = help
        .split_once("Exit codes:\n")
        .expect("help has the exit codes");
    let of_help: Vec<Vec<String>> = codes
        .lines()
        .map(|line| {
            let (code, meaning) = line.trim().split_once("  ").expect("two columns");
            vec![code.trim().into(), meaning.trim().into()]
        })
        .collect();
    assert_eq!(table(&readme(), "| code | meaning |"), of_help);
}

#[test]
fn ticker_trade_and_candle_have_the_fields_that_are_listed() {
    let text = readme();
    let names = |stream| -> Vec<String> {
        Field::of(stream)
            .iter()
            .map(|field| field.name().to_string())
            .collect()
    };
    let stage = Stage::new();
    for (stream, kind) in [
        (Stream::Ticker, "ticker"),
        (Stream::Trades, "trade"),
        (Stream::Candles(Interval::M1), "candle"),
    ] {
        let listed = fields_below(&text, &format!("`{kind}`: "));
        assert_eq!(listed, names(stream));
        let outcome = stage.run(&Line::new(format!(
            "tickwire monitor BTC -p kraken -n 1 --stream {kind}"
        )));
        let printed = outcome
            .stdout
            .lines()
            .next()
            .unwrap_or_else(|| panic!("{}", outcome.stderr));
        assert_eq!(keys(printed), listed);
    }
    for field in Field::ALL {
        let listed = Stream::all().any(|stream| Field::of(stream).contains(field))
            || Field::SIGNAL.contains(field);
        let extra = text
            .lines()
            .skip_while(|line| !line.starts_with("Two more fields"))
            .take(2)
            .any(|line| line.contains(&format!("`{}`", field.name())));
        assert!(listed != extra, "{} is not described once", field.name());
    }
}

#[test]
fn gap_and_status_have_the_fields_that_are_listed() {
    let text = readme();
    let market = Market::new(Exchange::new("kraken"), "BTC", "USD");
    let gap = Event::Gap(Arc::new(Gap {
        market,
        // The one that has all of them.
        stream: Stream::Candles(Interval::M1),
        from_id: None,
        to_id: None,
        from: None,
        to: None,
        missing: None,
        recovered: 0,
        state: GapState::Unrepairable,
        reason: GapReason::RepairOff,
    }));
    let status = |state| {
        Event::Status(Arc::new(Status {
            exchange: market.exchange(),
            market: None,
            state,
            attempt: 1,
            reason: None,
            stand_in: None,
            timestamp: Timestamp::from_nanos(0),
        }))
    };
    for (event, kind) in [(gap, "gap"), (status(StatusState::Stale), "status")] {
        let mut json = Vec::new();
        JsonWriter::default().write(&event, &mut json);
        let json = String::from_utf8(json).expect("JSON is UTF-8");
        assert_eq!(fields_below(&text, &format!("`{kind}`: ")), keys(&json));
    }
    let words = [
        GapState::Repaired.name(),
        GapState::Partial.name(),
        GapState::Unrepairable.name(),
    ];
    for word in words {
        assert!(
            text.contains(&format!("`{word}`")),
            "{word} is not described"
        );
    }
    let described = |header: &str| -> Vec<String> {
        let rows = table(&text, header).into_iter();
        rows.map(|row| row[0].trim_matches('`').to_string())
            .collect()
    };
    let reasons = [
        GapReason::Reconnect,
        GapReason::Stall,
        GapReason::IdHole,
        GapReason::SlowConsumer,
        GapReason::SourceLimit,
        GapReason::RepairOff,
    ];
    assert_eq!(
        described("| reason of a `gap` |"),
        reasons.map(GapReason::name)
    );
    let states = [
        StatusState::Reconnecting,
        StatusState::Stale,
        StatusState::Quiet,
        StatusState::Fallback,
        StatusState::Connected,
        StatusState::Failed,
    ];
    assert_eq!(
        described("| state of a `status` |"),
        states.map(StatusState::name)
    );
}

#[test]
fn the_checks_of_a_feed_are_those_of_the_program() {
    let rules: Vec<_> = RULES
        .iter()
        .map(|rule| vec![format!("`{}`", rule.name), rule.about.into(), rule.text()])
        .collect();
    assert_eq!(table(&readme(), "| check | what | rule |"), rules);
}

#[test]
fn symbols_have_the_fields_that_are_listed() {
    let outcome = Stage::new().run(&Line::new("tickwire symbols --base BTC -p mock"));
    let listed = fields_below(&readme(), "`symbols` prints one object");
    assert_eq!(keys(outcome.stdout.trim_end()), listed);
}

#[test]
fn an_alert_has_the_fields_that_are_listed() {
    let outcome = Stage::new().run(&Line::new("tickwire alert BTC 'price > 1' --once -p mock"));
    let listed = fields_below(&readme(), "`alert`: ");
    assert_eq!(keys(outcome.stdout.trim_end()), listed);
}

#[test]
fn a_signal_has_the_fields_that_are_listed() {
    let outcome = Stage::new().run(&Line::new(
        "tickwire monitor BTC -p mock --strategy macd --since 1d --until now -n 1",
    ));
    let listed = fields_below(&readme(), "`signal`: ");
    assert_eq!(keys(outcome.stdout.trim_end()), listed);
}

#[test]
fn the_lengths_of_candles_are_those_of_the_adapters() {
    let profiles = [Kraken.profile(), Binance.profile(), Coinbase.profile()];
    let text = readme();
    let rows = table(&text, "| provider | lengths it streams |");
    assert_eq!(rows.len(), profiles.len() + 1);
    let lengths = |all: &[Interval]| match all {
        [] => "none".to_string(),
        all => all.iter().map(|i| i.name()).collect::<Vec<_>>().join(" "),
    };
    for (row, profile) in rows.iter().zip(profiles) {
        let candles = profile.candles;
        let reach = candles.reach.map_or("all".into(), |rows| {
            format!("the newest {rows} rows of a length")
        });
        assert_eq!(
            row[1..],
            [
                lengths(candles.streams),
                lengths(candles.history),
                candles.page.to_string(),
                reach
            ]
        );
    }
    assert!(Mock::default().traits().candles.is_empty());
    let all = lengths(&Interval::ALL);
    assert!(text.replace('\n', " ").contains(&all), "{all}");
}

#[test]
fn the_plain_columns_are_as_described() {
    let main: Vec<_> = Field::main(Stream::Ticker)
        .iter()
        .map(|f| f.name())
        .collect();
    let described = [
        ("exchange", "exchange"),
        ("symbol", "symbol"),
        ("price", "price"),
        ("bid", "bid"),
        ("ask", "ask"),
        ("change in per cent", "change_percent_24h"),
        ("volume", "volume_24h"),
        ("time", "timestamp"),
    ];
    assert_eq!(main, described.map(|(_, field)| field));
    let sentence = described.map(|(words, _)| words).join(", ");
    let text = readme().replace('\n', " ");
    assert!(text.contains(&format!("values: {sentence}.")), "{sentence}");
}

#[test]
fn the_table_of_exchanges_is_that_of_the_adapters() {
    let profiles: [(Exchange, Profile); 3] = [
        (Adapter::exchange(&Kraken), Kraken.profile()),
        (Adapter::exchange(&Binance), Binance.profile()),
        (Adapter::exchange(&Coinbase), Coinbase.profile()),
    ];
    let text = readme();
    let limits = table(&text, "| provider | quotes of a bare base |");
    let addresses = table(&text, "| provider | REST | WebSocket |");
    assert_eq!((limits.len(), addresses.len()), (4, 3));
    for (n, (exchange, profile)) in profiles.into_iter().enumerate() {
        let name = format!("`{exchange}`");
        let rate = 1.0 / profile.limits.rest_interval.as_secs_f64();
        let burst = profile.limits.rest_burst;
        let budget = match exchange.name() {
            "binance" => format!("weight {rate}/s, bursts of {burst}"),
            _ if rate == 1.0 => format!("1 request/s, bursts of {burst}"),
            _ => format!("{rate} requests/s, bursts of {burst}"),
        };
        let given = [profile.stream_fields, profile.rest_fields].concat();
        let missing: Vec<_> = Field::TICKER_NUMBERS
            .iter()
            .filter(|field| !given.contains(field))
            .map(|field| format!("`{}`", field.name()))
            .collect();
        let mut row = vec![
            name.clone(),
            profile.quotes.join(", "),
            profile.limits.topics_per_connection.to_string(),
            budget,
        ];
        row.push(missing.join(", "));
        assert_eq!(limits[n], row);
        let address = |url: &str| format!("`{url}`");
        assert_eq!(
            addresses[n],
            [name, address(&profile.rest_url), address(&profile.ws_url)]
        );
    }
    assert_eq!(limits[3][..2], ["`mock`", "USD"]);
    assert_eq!(Mock::default().traits().quotes, ["USD"]);
}
