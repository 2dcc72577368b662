//! The table of what is held.

use super::*;
use crate::model::{Instrument, parse_decimal};
use crate::portfolio::{Holding, Pairs, Portfolio, Rate, Unpriced, Valuation};
use crate::sink::table::HoldingsTable;

fn valuation(costs: bool) -> Valuation {
    let dec = |text: &str| parse_decimal(text).unwrap();
    let listed = [
        ("BTC", "USD"),
        ("FOO", "USDT"),
        ("USDT", "USD"),
        ("ETH", "USD"),
    ];
    let listed = listed.map(|(base, quote)| Arc::new(Instrument::new(KRAKEN, base, quote, "")));
    let holding = |asset: &str, amount: &str, cost: Option<&str>| {
        let cost = cost.filter(|_| costs).map(dec);
        (
            asset.to_owned(),
            Holding {
                amount: dec(amount),
                cost,
            },
        )
    };
    let portfolio = Portfolio {
        quote: "USD".into(),
        holdings: vec![
            holding("BTC", "2.0", Some("30000")),
            holding("ETH", "10.5", None),
            holding("FOO", "123456.789", Some("0.60")),
            holding("NOSUCH", "1", None),
            holding("USD", "100.50", None),
        ],
    };
    let routes = portfolio.routes(&Pairs::new(&listed));
    let rate = |price: &str, open: &str| {
        Ok(Rate {
            price: dec(price),
            open: Some(dec(open)),
        })
    };
    Valuation::new(&portfolio, &routes, &|market| match market.base() {
        "BTC" => rate("97123.40", "96000"),
        "FOO" => rate("0.5012", "0.5100"),
        "USDT" => rate("0.9990", "1.0001"),
        _ => Err(Unpriced::Stale),
    })
}

fn painted(table: &mut HoldingsTable, width: u16, height: u16) -> Vec<String> {
    let area = Rect::new(0, 0, width, height);
    let mut buffer = Buffer::empty(area);
    table.render(area, &mut buffer, at(0), true);
    let line = |y| {
        let cells = (0..width).map(|x| buffer[(x, y)].symbol().to_owned());
        cells.collect::<String>().trim_end().to_owned()
    };
    (0..height).map(line).collect()
}

#[test]
fn eighty_columns_hold_what_matters_and_costs_bring_the_profit() {
    let mut table = HoldingsTable::new("kraken", valuation(false));
    let lines = painted(&mut table, 80, 10);
    assert_eq!(
        lines,
        [
            "tickwire  kraken  portfolio in USD                                  14:13:20 UTC",
            "ASSET       AMOUNT       PRICE      VALUE       24H  24H %",
            "BTC            2.0    97123.40  194246.80  +2246.80  +1.17",
            "ETH           10.5           -          -         -      -  stale",
            "FOO     123456.789  0.50069880   61814.67  -1154.59  -1.83  via USDT",
            "NOSUCH           1           -          -         -      -  no pair",
            "USD         100.50           1     100.50      0.00   0.00",
            "TOTAL                           256161.97  +1092.21  +0.43  partial",
            "",
            "                                                                          q quit",
        ]
    );
    table.show(valuation(true));
    let wide = painted(&mut table, 120, 10);
    assert!(wide[1].contains("PROFIT  PROFIT %"), "{wide:?}");
    assert!(wide[2].contains("+134246.80   +223.74"), "{wide:?}");
}

#[test]
fn every_size_shows_what_fits_and_none_panics() {
    let mut table = HoldingsTable::new("kraken", valuation(true));
    for width in 0..130 {
        for height in 0..12 {
            for line in painted(&mut table, width, height) {
                assert!(line.chars().count() <= usize::from(width));
            }
        }
    }
    let narrow = painted(&mut table, 26, 8).join("\n");
    assert!(
        narrow.contains("194246.80") && narrow.contains("+1.17"),
        "{narrow}"
    );
    assert!(!narrow.contains("PROFIT"), "{narrow}");
}

#[test]
fn rows_scroll_and_the_total_stays() {
    let mut table = HoldingsTable::new("kraken", valuation(false));
    let first = painted(&mut table, 80, 6);
    assert!(
        first[2].starts_with("BTC") && first[4].starts_with("TOTAL"),
        "{first:?}"
    );
    assert!(first[5].contains("1-2/5"), "{first:?}");
    let end = Input::Key(KeyEvent::new(KeyCode::End, KeyModifiers::NONE));
    assert_eq!(table.input(&end), Action::Redraw);
    assert_eq!(table.input(&end), Action::Nothing);
    let last = painted(&mut table, 80, 6);
    assert!(
        last[3].starts_with("USD") && last[4].starts_with("TOTAL"),
        "{last:?}"
    );
    let quit = Input::Key(KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL));
    assert_eq!(table.input(&quit), Action::Quit);
}

#[test]
fn as_text_it_is_the_same_without_a_screen() {
    let text = HoldingsTable::new("kraken", valuation(false)).to_text(0);
    assert_eq!(text.lines().count(), 7);
    assert!(text.starts_with("ASSET       AMOUNT       PRICE"), "{text}");
    assert!(text.ends_with("+0.43  partial\n"), "{text}");
}

#[test]
fn a_name_cannot_speak_to_the_terminal() {
    let mut hostile = valuation(false);
    hostile.holdings[0].symbol = "A\x1b]0;x\x07".into();
    hostile.quote = "Q\x1b[2J".into();
    let mut table = HoldingsTable::new("kraken", hostile);
    let text = table.to_text(0) + &painted(&mut table, 80, 10).join("");
    assert!(!text.contains('\x1b') && !text.contains('\x07'), "{text:?}");
}
