//! What fits at which size.

use super::*;

#[test]
fn forty_columns_show_symbol_price_and_change() {
    assert_eq!(
        screen(&mut tickers(), 40, 6, 6_400),
        [
            "tickwire  kraken  2 symbols    14:13:26Z",
            " SYMBOL        PRICE  24H %  AGE",
            " BTC/USD ▲ 97125.40  -0.51% 0.4s",
            " ETH/USD ▼  3450.000 -0.51% 0.4s",
            "",
            "                                  q quit",
        ]
    );
}

#[test]
fn eighty_columns_add_bid_and_ask() {
    assert_eq!(
        screen(&mut tickers(), 80, 5, 6_400),
        [
            "tickwire  kraken  2 symbols  0.0 events/s                           14:13:26 UTC",
            " SYMBOL         PRICE   24H %       BID       ASK   AGE  TREND         STATE",
            " BTC/USD  ▲ 97125.40   -0.51%  97123.3   97125.50  0.4s  ▁█            connected",
            " ETH/USD  ▼  3450.000  -0.51%   3449.99   3450.01  0.4s  █▁            connected",
            "                                                       s order: as asked  q quit",
        ]
    );
}

#[test]
fn a_hundred_and_twenty_columns_add_trend_state_and_spread() {
    assert_eq!(
        screen(&mut tickers(), 120, 5, 6_400),
        [
            "tickwire  kraken  2 symbols  0.0 events/s                                                                   14:13:26 UTC",
            " SYMBOL         PRICE   24H %       BID       ASK  SPREAD         VOLUME   AGE  TREND                          STATE",
            " BTC/USD  ▲ 97125.40   -0.51%  97123.3   97125.50    2.20  1834.22871943  0.4s  ▁█                             connected",
            " ETH/USD  ▼  3450.000  -0.51%   3449.99   3450.01    0.02  1834.22871943  0.4s  █▁                             connected",
            "                                                                                               s order: as asked  q quit",
        ]
    );
}

#[test]
fn two_hundred_columns_give_the_rest_to_the_trend() {
    let lines = screen(&mut tickers(), 200, 5, 6_400);
    let trend = format!("TREND{}STATE", " ".repeat(57));
    assert!(lines[1].ends_with(&trend), "{}", lines[1]);
    assert!(lines[0].ends_with("14:13:26 UTC") && lines[0].chars().count() == 200);
}

#[test]
fn no_size_is_too_small_or_too_large() {
    let mut state = tickers();
    state.apply(
        &status(None, StatusState::Reconnecting, 3, "no route"),
        at(0),
    );
    for width in (0..60).chain([80, 119, 500, 1_000]) {
        for height in [0, 1, 2, 3, 4, 5, 30] {
            let area = Rect::new(0, 0, width, height);
            state.render(area, &mut Buffer::empty(area), at(0), false);
        }
    }
    // An area that is larger than the buffer, as in the midst of a resize.
    let mut small = Buffer::empty(Rect::new(0, 0, 10, 2));
    state.render(Rect::new(0, 0, 80, 24), &mut small, at(0), true);
    assert_eq!(screen(&mut tickers(), 1, 1, 0), ["…"]);
    assert_eq!(screen(&mut tickers(), 20, 1, 0), [" BTC/USD ▲ 97125.40"]);
}

#[test]
fn a_number_that_does_not_fit_is_never_cut_silently() {
    for width in 1..120 {
        for line in screen(&mut tickers(), width, 6, 6_400) {
            let shown = line.contains("97125.40") || line.contains('…');
            assert!(shown || !line.contains("97"), "{width}: {line}");
        }
    }
}

#[test]
fn narrower_screens_never_gain_a_column() {
    let mut before = 0;
    for width in 10..200 {
        let titles = screen(&mut tickers(), width, 5, 0).swap_remove(1);
        let columns = titles.replace("24H %", "24H").split_whitespace().count();
        assert!(columns >= before, "{width}: {titles}");
        before = columns;
    }
    assert_eq!(before, 10);
}

#[test]
fn digits_stay_as_sent_and_decimal_points_stand_below_each_other() {
    let (btc, shib) = (market("BTC"), market("SHIB"));
    let mut state = TableState::new(vec![btc, shib], &[Stream::Ticker]);
    state.apply(&ticker(btc, "97123.40", "97123", "97124.5", 0), at(0));
    state.apply(
        &ticker(shib, "0.00001230", "0.00001229", "0.00001231", 0),
        at(0),
    );
    let lines = screen(&mut state, 200, 5, 0);
    assert_eq!(
        lines[2].find("97123.40").unwrap() + 5,
        lines[3].find("0.00001230").unwrap() + 1
    );
    assert!(lines[2].contains(" 97123          "), "{}", lines[2]);
    for text in [
        "0.00001230",
        "0.00001229",
        "0.00001231",
        "0.00000002",
        "1834.22871943",
    ] {
        assert!(lines[3].contains(text), "{text}: {}", lines[3]);
    }
    // Where there is no room for that, the digits are what stays.
    let narrow = screen(&mut state, 28, 5, 0);
    assert!(narrow[3].contains("0.00001230"), "{narrow:?}");
}

#[test]
fn the_plain_table_has_all_rows_and_fits() {
    let mut state = tickers();
    assert_eq!(
        state.to_text(80, at(6_400)),
        "\
SYMBOL         PRICE   24H %       BID       ASK  SPREAD         VOLUME   AGE
BTC/USD  ▲ 97125.40   -0.51%  97123.3   97125.50    2.20  1834.22871943  0.4s
ETH/USD  ▼  3450.000  -0.51%   3449.99   3450.01    0.02  1834.22871943  0.4s
"
    );
    assert_eq!(
        state.to_text(30, at(6_400)),
        "\
SYMBOL        PRICE  24H %
BTC/USD ▲ 97125.40  -0.51%
ETH/USD ▼  3450.000 -0.51%
"
    );
    state.apply(&status(None, StatusState::Failed, 0, "451"), at(0));
    assert!(state.to_text(0, at(6_400)).contains("failed: 451\n"));
}
