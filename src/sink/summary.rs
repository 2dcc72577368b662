//! What happened to each market over a while: count, low, high, change.

use crate::model::{Decimal, Event, Market, Price, exact_sub, ratio};

/// Folds events into one line per market.
#[derive(Debug, Default)]
pub struct Summary {
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    market: Market,
    count: u64,
    gaps: u64,
    prices: Option<Prices>,
}

#[derive(Debug)]
struct Prices {
    first: Price,
    last: Price,
    low: Price,
    high: Price,
}

impl Row {
    fn new(market: Market) -> Self {
        Self {
            market,
            count: 0,
            gaps: 0,
            prices: None,
        }
    }
}

impl Summary {
    /// A summary that names these markets also where nothing happens.
    pub fn new(markets: impl IntoIterator<Item = Market>) -> Self {
        Self {
            rows: markets.into_iter().map(Row::new).collect(),
        }
    }

    /// Takes one event. Whoever stands in for a market gets a line, too.
    pub fn add(&mut self, event: &Event) {
        if let Event::Status(status) = event
            && let Some(other) = status.stand_in
            && self.rows.iter().all(|row| row.market != other)
        {
            self.rows.push(Row::new(other));
        }
        let Some(row) = event
            .market()
            .and_then(|market| self.rows.iter_mut().find(|row| row.market == market))
        else {
            return;
        };
        let price = match event {
            Event::Ticker(ticker) => ticker.price,
            Event::Trade(trade) => Some(trade.price),
            Event::Candle(candle) => Some(candle.close),
            Event::Gap(gap) => {
                row.gaps += u64::from(gap.is_loss());
                return;
            }
            Event::Status(_) | Event::Signal(_) => return,
        };
        row.count += 1;
        let Some(price) = price else { return };
        match &mut row.prices {
            Some(prices) => {
                prices.last = price;
                prices.low = prices.low.min(price);
                prices.high = prices.high.max(price);
            }
            None => {
                row.prices = Some(Prices {
                    first: price,
                    last: price,
                    low: price,
                    high: price,
                })
            }
        }
    }

    /// One line per market.
    pub fn lines(&self) -> impl Iterator<Item = String> + '_ {
        let exchange = self.rows.first().map(|row| row.market.exchange());
        let several = self
            .rows
            .iter()
            .any(|row| Some(row.market.exchange()) != exchange);
        self.rows.iter().map(move |row| {
            let name = if several {
                row.market.to_string()
            } else {
                row.market.symbol().to_string()
            };
            let plural = if row.count == 1 { "" } else { "s" };
            let mut line = format!("{name}: {} event{plural}", row.count);
            if let Some(Prices {
                first,
                last,
                low,
                high,
            }) = &row.prices
            {
                let change = exact_sub(last.decimal(), first.decimal())
                    .map(signed)
                    .unwrap_or_default();
                let percent = exact_sub(last.decimal(), first.decimal())
                    .and_then(|d| ratio(d, first.decimal(), 100));
                let percent = percent
                    .map(|p| format!(" ({}%)", signed(p)))
                    .unwrap_or_default();
                line.push_str(&format!(
                    ", last {last}, low {low}, high {high}, change {change}{percent}"
                ));
            }
            if row.gaps > 0 {
                line.push_str(&format!(
                    ", {} gap{}",
                    row.gaps,
                    if row.gaps == 1 { "" } else { "s" }
                ));
            }
            line
        })
    }
}

fn signed(number: Decimal) -> String {
    let sign = if number > Decimal::ZERO { "+" } else { "" };
    format!("{sign}{}", Price::from(number))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Exchange, Ticker, Timestamp};
    use std::sync::Arc;

    #[test]
    fn low_high_and_change_are_those_of_the_prices() {
        let market = Market::new(Exchange::new("kraken"), "BTC", "USD");
        let mut summary =
            Summary::new([market, Market::new(Exchange::new("kraken"), "ETH", "USD")]);
        for price in ["100.0", "90.5", "110.0", "101.0"] {
            let mut ticker = Ticker::empty(market, Timestamp::from_nanos(0));
            ticker.price = Some(price.parse().unwrap());
            summary.add(&Event::Ticker(Arc::new(ticker)));
        }
        let lines: Vec<_> = summary.lines().collect();
        assert_eq!(
            lines[0],
            "BTC/USD: 4 events, last 101.0, low 90.5, high 110.0, change +1.0 (+1.0000%)"
        );
        assert_eq!(lines[1], "ETH/USD: 0 events");
    }
}
