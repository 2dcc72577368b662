//! What signals would have brought.

use crate::model::{Candle, Decimal, Interval, Market, Price, Signal, SignalSide, Timestamp};

use super::Strategy;
use super::account::{Account, Costs, Drawdown};
use super::report::{Report, Summary, percent};

/// Keeps the candles of a span and the signals that were given over it, and does the accounts.
///
/// A signal is filled at the open of the first candle that opens at its time or later: what was decided at the
/// close of one at the open of the next. Where several wait for the same open only the last counts. It does not
/// matter in which order the candles of several markets come, nor when signals arrive: only their times count, so
/// the answers of a program that lags give the same accounts. Whether a program has looked at later candles than the
/// one whose time it gives cannot be known. 40 bytes of memory a candle.
#[derive(Debug, Clone)]
pub struct Backtest {
    strategy: String,
    interval: Interval,
    costs: Costs,
    tapes: Vec<Tape>,
}

/// All of one market.
#[derive(Debug, Clone)]
struct Tape {
    market: Market,
    bars: Vec<Bar>,
    orders: Vec<(Timestamp, SignalSide)>,
}

#[derive(Debug, Clone, Copy)]
struct Bar {
    open_time: Timestamp,
    open: Price,
    close: Price,
}

impl Backtest {
    /// Nothing yet.
    pub fn new(strategy: &Strategy, costs: Costs) -> Self {
        Self {
            strategy: strategy.name().to_string(),
            interval: strategy.interval(),
            costs,
            tapes: Vec::new(),
        }
    }

    /// Takes a candle. A forming one, one of another length than the strategy's, and one not later than the last of
    /// its market are left out.
    pub fn on_candle(&mut self, candle: &Candle) {
        if !candle.closed || candle.interval != self.interval {
            return;
        }
        let bars = &mut self.tape(candle.market).bars;
        if bars
            .last()
            .is_some_and(|last| candle.open_time <= last.open_time)
        {
            return;
        }
        bars.push(Bar {
            open_time: candle.open_time,
            open: candle.open,
            close: candle.close,
        });
    }

    /// Takes a signal.
    pub fn on_signal(&mut self, signal: &Signal) {
        let order = (signal.timestamp, signal.side);
        self.tape(signal.market).orders.push(order);
    }

    /// The accounts: one for each market that had candles, in the order in which they came, and one over all.
    pub fn report(&self) -> Report {
        let tapes = self.tapes.iter().filter(|tape| !tape.bars.is_empty());
        let mut runs: Vec<_> = tapes.map(|tape| Run::new(tape, self.costs)).collect();
        let mut drawdown = Drawdown::new();
        while let Some(next) = runs.iter().filter_map(Run::next_open).min() {
            let due = runs.iter_mut().filter(|run| run.next_open() == Some(next));
            due.for_each(Run::step);
            drawdown.see(mean(runs.iter().map(Run::equity)));
        }
        let markets: Vec<_> = runs.iter().map(|run| run.summary(self.interval)).collect();
        let total = (markets.len() > 1).then(|| {
            let holds = runs.iter().map(|run| run.hold.equity(run.last_close()));
            Summary {
                market: None,
                from: markets
                    .iter()
                    .map(|one| one.from)
                    .min()
                    .unwrap_or(markets[0].from),
                until: markets
                    .iter()
                    .map(|one| one.until)
                    .max()
                    .unwrap_or(markets[0].until),
                candles: markets.iter().map(|one| one.candles).sum(),
                trades: markets.iter().map(|one| one.trades).sum(),
                wins: markets.iter().map(|one| one.wins).sum(),
                open: markets.iter().map(|one| one.open).sum(),
                unfilled: markets.iter().map(|one| one.unfilled).sum(),
                last_close: None,
                return_percent: gain(mean(runs.iter().map(Run::equity))),
                hold_percent: gain(mean(holds)),
                drawdown_percent: percent(drawdown.worst),
                fees_percent: percent(mean(runs.iter().map(|run| run.account.fees))),
            }
        });
        Report {
            strategy: self.strategy.clone(),
            interval: self.interval,
            costs: self.costs,
            markets,
            total,
        }
    }

    fn tape(&mut self, market: Market) -> &mut Tape {
        let place = self.tapes.iter().position(|tape| tape.market == market);
        let place = place.unwrap_or_else(|| {
            self.tapes.push(Tape {
                market,
                bars: Vec::new(),
                orders: Vec::new(),
            });
            self.tapes.len() - 1
        });
        &mut self.tapes[place]
    }
}

/// One market from its first candle to the last.
struct Run<'a> {
    tape: &'a Tape,
    /// By time.
    orders: Vec<(Timestamp, SignalSide)>,
    account: Account,
    /// Buys at the first open and stays, at the same costs.
    hold: Account,
    drawdown: Drawdown,
    bars_done: usize,
    orders_done: usize,
}

impl<'a> Run<'a> {
    fn new(tape: &'a Tape, costs: Costs) -> Self {
        let mut orders = tape.orders.clone();
        orders.sort_by_key(|(at, _)| *at);
        Self {
            tape,
            orders,
            account: Account::new(costs),
            hold: Account::new(costs),
            drawdown: Drawdown::new(),
            bars_done: 0,
            orders_done: 0,
        }
    }

    fn next_open(&self) -> Option<Timestamp> {
        self.tape.bars.get(self.bars_done).map(|bar| bar.open_time)
    }

    /// Goes through the next candle: fills at its open, marks at its close.
    fn step(&mut self) {
        let bar = self.tape.bars[self.bars_done];
        let open = bar.open.decimal();
        // Nothing can be bought for nothing: then the next open is waited for.
        if open > Decimal::ZERO {
            self.hold.fill(SignalSide::Buy, open);
            let due = self.orders[self.orders_done..]
                .iter()
                .take_while(|(at, _)| *at <= bar.open_time)
                .count();
            self.orders_done += due;
            if due > 0 {
                self.account.fill(self.orders[self.orders_done - 1].1, open);
            }
        }
        self.bars_done += 1;
        self.drawdown.see(self.equity());
    }

    /// At the last close; the capital before the first.
    fn equity(&self) -> Decimal {
        self.account.equity(self.last_close())
    }

    fn last_close(&self) -> Decimal {
        let last = self
            .bars_done
            .checked_sub(1)
            .map(|last| self.tape.bars[last]);
        last.map_or(Decimal::ZERO, |bar| bar.close.decimal())
    }

    fn summary(&self, interval: Interval) -> Summary {
        let bars = &self.tape.bars;
        let (first, last) = (bars[0], bars[bars.len() - 1]);
        let close = last.close.decimal();
        let waiting = self.orders[self.orders_done..].last();
        Summary {
            market: Some(self.tape.market),
            from: first.open_time,
            until: interval.close_of(last.open_time),
            candles: bars.len() as u64,
            trades: self.account.trades + u64::from(self.account.is_long()),
            wins: self.account.wins + u64::from(self.account.is_winning(close)),
            open: self.account.is_long().into(),
            unfilled: waiting
                .is_some_and(|(_, side)| self.account.acts_on(*side))
                .into(),
            last_close: Some(last.close),
            return_percent: gain(self.equity()),
            hold_percent: gain(self.hold.equity(close)),
            drawdown_percent: percent(self.drawdown.worst),
            fees_percent: percent(self.account.fees),
        }
    }
}

fn gain(equity: Decimal) -> Decimal {
    percent(equity - Decimal::ONE)
}

fn mean(values: impl ExactSizeIterator<Item = Decimal>) -> Decimal {
    let count = Decimal::from(values.len().max(1));
    values.fold(Decimal::ZERO, |sum, value| sum.saturating_add(value)) / count
}
