//! What events make of the rows.

use super::*;

#[test]
fn the_arrow_and_the_colour_tell_the_last_change_and_stand_out_for_a_second() {
    let mut state = tickers();
    let fresh = buffer(&mut state, 40, 6, 6_400);
    let (up, down) = (&fresh[(9, 2)], &fresh[(9, 3)]);
    assert_eq!((up.symbol(), up.fg), ("▲", Color::Green));
    assert_eq!((down.symbol(), down.fg), ("▼", Color::Red));
    assert!(up.modifier.contains(Modifier::BOLD));
    let later = buffer(&mut state, 40, 6, 8_000);
    assert_eq!(later[(9, 2)].symbol(), "▲");
    assert!(!later[(9, 2)].modifier.contains(Modifier::BOLD));

    let area = Rect::new(0, 0, 40, 6);
    let mut plain = Buffer::empty(area);
    state.render(area, &mut plain, at(6_400), false);
    assert!(plain.content.iter().all(|cell| cell.fg == Color::Reset));
    // The same price again is no change.
    state.apply(
        &ticker(market("BTC"), "97125.4", "1", "2", 9_000),
        at(9_000),
    );
    assert!(screen(&mut state, 40, 6, 9_000)[2].contains("▲ 97125.4"));
}

#[test]
fn trades_show_price_size_and_side() {
    let btc = market("BTC");
    let mut state = TableState::new(vec![btc], &[Stream::Trades]);
    state.apply(&trade(btc, 1, "100.10", Side::Buy, 0), at(0));
    state.apply(&trade(btc, 2, "100.00", Side::Sell, 1_000), at(1_000));
    assert_eq!(
        &screen(&mut state, 60, 4, 1_500)[1..3],
        [
            " SYMBOL     PRICE   SIZE SIDE  AGE TREND           STATE",
            " BTC/USD ▼ 100.00 0.0150 sell 0.5s ▄               connected",
        ]
    );
}

#[test]
fn with_both_streams_there_is_one_row_and_an_older_ticker_does_not_take_the_price_back() {
    let btc = market("BTC");
    let mut state = TableState::new(vec![btc], &[Stream::Ticker, Stream::Trades]);
    state.apply(&trade(btc, 1, "100.10", Side::Buy, 1_000), at(1_000));
    state.apply(&ticker(btc, "99.00", "98", "99", 500), at(1_100));
    let lines = screen(&mut state, 100, 5, 1_100);
    assert!(
        lines[2].contains("100.10") && lines[2].contains("buy"),
        "{lines:?}"
    );
    assert_eq!(lines[3], "");
    state.apply(&ticker(btc, "99.00", "98", "99", 5_000), at(5_000));
    assert!(screen(&mut state, 100, 5, 5_000)[2].contains("▼  99.00"));
    // A trade that is told late is older than what is shown.
    state.apply(&trade(btc, 0, "50.00", Side::Buy, 100), at(5_100));
    assert!(screen(&mut state, 100, 5, 5_100)[2].contains("▼  99.00"));
}

#[test]
fn trouble_is_marked_named_and_over_when_it_is_over() {
    let mut state = tickers();
    state.apply(
        &status(None, StatusState::Reconnecting, 2, "connection refused"),
        at(2_000),
    );
    let lines = screen(&mut state, 60, 5, 7_000);
    assert!(lines[2].starts_with("!BTC/USD"), "{lines:?}");
    assert!(
        lines[4].starts_with("kraken reconnecting (2): connection refused"),
        "{lines:?}"
    );
    let wide = screen(&mut state, 200, 5, 7_000);
    assert!(
        wide[2].ends_with("reconnecting (2): connection refused"),
        "{wide:?}"
    );

    state.apply(&status(None, StatusState::Connected, 0, ""), at(3_000));
    let lines = screen(&mut state, 200, 5, 7_000);
    assert!(
        lines[2].starts_with(" BTC/USD") && lines[2].ends_with("connected"),
        "{lines:?}"
    );
    assert!(
        lines[4].starts_with("14:13:22 kraken connected"),
        "{lines:?}"
    );
}

#[test]
fn a_refused_symbol_stays_refused_and_a_silent_one_recovers_with_data() {
    let mut state = tickers();
    let (btc, eth) = (market("BTC"), market("ETH"));
    state.apply(
        &status(Some(btc), StatusState::Failed, 0, "unknown pair"),
        at(2_000),
    );
    state.apply(&status(Some(eth), StatusState::Stale, 0, ""), at(2_000));
    let lines = screen(&mut state, 200, 5, 7_000);
    assert!(lines[2].ends_with("failed: unknown pair"), "{lines:?}");
    assert!(lines[3].ends_with("stale"), "{lines:?}");
    assert!(
        lines[4].starts_with("BTC/USD failed: unknown pair (and 1 more)"),
        "{lines:?}"
    );
    state.apply(&ticker(eth, "1", "1", "2", 9_000), at(9_000));
    state.apply(&status(None, StatusState::Connected, 0, ""), at(9_000));
    let lines = screen(&mut state, 200, 5, 9_000);
    assert!(
        lines[2].starts_with('!') && lines[3].starts_with(' '),
        "{lines:?}"
    );
}

#[test]
fn gaps_are_counted_and_told() {
    let mut state = tickers();
    state.apply(&gap(market("BTC"), Some(12)), at(0));
    state.apply(&gap(market("BTC"), None), at(1_000));
    state.apply(&gap(market("ETH"), Some(1)), at(3_000));
    let lines = screen(&mut state, 200, 5, 7_000);
    assert!(lines[2].ends_with("connected, 2 gaps"), "{lines:?}");
    assert!(lines[3].ends_with("connected, 1 gap"), "{lines:?}");
    assert!(
        lines[4].starts_with("14:13:23 ETH/USD gap in trades: 1 missing, not fetched again"),
        "{lines:?}"
    );
}

#[test]
fn a_market_without_data_waits() {
    let mut state = TableState::new(vec![market("BTC")], &[Stream::Ticker]);
    let lines = screen(&mut state, 140, 4, 0);
    assert!(
        lines[2].contains("waiting") && lines[2].contains(" - "),
        "{lines:?}"
    );
    state.apply(&ticker(market("ETH"), "1", "1", "2", 0), at(0));
    assert_eq!(screen(&mut state, 140, 4, 0), lines);
}

#[test]
fn what_an_exchange_sends_cannot_drive_the_terminal() {
    let evil = Market::new(KRAKEN, "E\x1b[2JVIL\u{202e}", "比特币\r\n");
    let mut state = TableState::new(vec![evil], &[Stream::Ticker]);
    state.apply(&ticker(evil, "1.5", "1", "2", 0), at(0));
    state.apply(
        &status(Some(evil), StatusState::Failed, 0, "\x1b]0;owned\x07\nline"),
        at(0),
    );
    for width in 1..200 {
        let buffer = buffer(&mut state, width, 6, 0);
        let text: String = buffer.content.iter().map(|cell| cell.symbol()).collect();
        assert!(!text.contains(|c: char| c.is_control() || c == '\u{202e}'));
    }
    let text = state.to_text(0, at(0));
    assert!(
        !text.contains(|c: char| c != '\n' && c.is_control()),
        "{text:?}"
    );
    assert_eq!(text.lines().count(), 2);
}

#[test]
fn several_exchanges_are_named_with_each_symbol() {
    let (ours, theirs) = (market("BTC"), Market::new(BINANCE, "BTC", "USDT"));
    let mut state = TableState::new(vec![ours, theirs], &[Stream::Ticker]);
    state.apply(&status(None, StatusState::Failed, 0, "451"), at(0));
    let lines = screen(&mut state, 80, 5, 0);
    assert!(
        lines[0].starts_with("tickwire  kraken, binance  2 symbols"),
        "{lines:?}"
    );
    assert!(lines[2].starts_with("!kraken:BTC/USD"), "{lines:?}");
    assert!(lines[3].starts_with(" binance:BTC/USDT"), "{lines:?}");
}
