//! Rules at the pace of a busy market: 1,000 rules over 50 symbols, 5,000 events; each event asks the rules of its
//! symbol. `cargo bench --bench expression` shows the cost of one event, and that computing allocates nothing.

use std::hint::black_box;
use std::sync::Arc;

use divan::counter::ItemsCount;
use divan::{AllocProfiler, Bencher};
use tickwire::alert::{Board, Policy, Rule, Tracker};
use tickwire::expression::{Expression, Truth};
use tickwire::model::{
    Decimal, Event, Exchange, Market, Origin, Side, Ticker, Timestamp, Trade, Value, parse_decimal,
};

#[global_allocator]
static ALLOCATIONS: AllocProfiler = AllocProfiler::system();

const SYMBOLS: usize = 50;
const RULES: usize = 1_000;
const EVENTS: usize = 5_000;

/// What people watch for; `N` is a price.
const CONDITIONS: [&str; 5] = [
    "price > N",
    "price > N and spread_bps < 5",
    "change_percent_24h < -5% or price < N * 98%",
    "not (bid < N) and ask - bid < price * 0.1% and age < 30s",
    "abs(price - (high_24h + low_24h) / 2) > max(spread, N / 100)",
];

fn main() {
    divan::main();
}

fn now() -> Timestamp {
    Timestamp::from_nanos(1_790_000_000_200_000_000)
}

/// The rules of each symbol.
fn rules() -> Vec<Vec<Expression>> {
    let rule = |n: usize| {
        let price = 50_000 + n % 1_000;
        let text = CONDITIONS[n % CONDITIONS.len()].replace('N', &price.to_string());
        Expression::parse_condition(&text).expect("a condition")
    };
    let of_symbol = |symbol| {
        (0..RULES / SYMBOLS)
            .map(|n| rule(symbol * 31 + n))
            .collect()
    };
    (0..SYMBOLS).map(of_symbol).collect()
}

/// Events with the number of their symbol.
fn events() -> Vec<(usize, Event)> {
    let event = |n: usize| {
        let symbol = n % SYMBOLS;
        let market = Market::new(Exchange::new("bench"), &format!("A{symbol}"), "USD");
        let decimal = |text: String| parse_decimal(&text).expect("a number");
        let price =
            |cents: usize| Some(decimal(format!("{}.{:02}", 50_000 + n % 977, cents)).into());
        let ticker = Ticker {
            price: price(10),
            bid: price(5),
            ask: price(15),
            high_24h: price(90),
            low_24h: price(1),
            change_percent_24h: Some(decimal(format!("-{}.25", n % 9))),
            ..Ticker::empty(market, now())
        };
        (symbol, Event::Ticker(Arc::new(ticker)))
    };
    (0..EVENTS).map(event).collect()
}

fn holds(rule: &Expression, event: &Event) -> Truth {
    rule.holds(&|place| rule.operands()[place].value(event, now()))
}

#[divan::bench]
fn every_event_asks_the_rules_of_its_symbol(bencher: Bencher<'_, '_>) {
    let (rules, events) = (rules(), events());
    bencher.counter(ItemsCount::new(EVENTS)).bench_local(|| {
        let asked = events
            .iter()
            .flat_map(|(symbol, event)| rules[*symbol].iter().map(move |rule| holds(rule, event)));
        asked.filter(|truth| *truth == Truth::True).count()
    });
}

#[divan::bench(args = CONDITIONS)]
fn one_rule(bencher: Bencher<'_, '_>, text: &str) {
    let rule = Expression::parse(&text.replace('N', "50500")).expect("an expression");
    let (_, event) = events().swap_remove(7);
    bencher.bench_local(|| holds(black_box(&rule), black_box(&event)));
}

#[divan::bench(args = CONDITIONS)]
fn nothing_is_known(bencher: Bencher<'_, '_>, text: &str) {
    let rule = Expression::parse(&text.replace('N', "50500")).expect("an expression");
    bencher.bench_local(|| black_box(&rule).holds(&|_| Value::Null));
}

#[divan::bench(args = CONDITIONS)]
fn reading(text: &str) -> bool {
    Expression::parse(&black_box(text).replace('N', "50500")).is_ok()
}

/// All rules on one board, with what they remember; every second event is a trade.
fn board() -> Board {
    let mut board = Board::default();
    for (symbol, rules) in rules().into_iter().enumerate() {
        let market = Market::new(Exchange::new("bench"), &format!("A{symbol}"), "USD");
        for condition in rules {
            let rule = Rule {
                name: None,
                condition,
                rearm: None,
                margin: None,
                policy: Policy::default(),
                message: None,
            };
            board.add(Tracker::new(Arc::new(rule), market, &|_| None).expect("one market"));
        }
    }
    board
}

fn trade_of(event: &Event, id: usize) -> Event {
    let Event::Ticker(ticker) = event else {
        unreachable!("only tickers are made");
    };
    Event::Trade(Trade {
        market: ticker.market,
        id: id as u64,
        price: ticker.price.expect("it has one"),
        size: Decimal::ONE.into(),
        side: Side::Buy,
        timestamp: ticker.received_at,
        received_at: ticker.received_at,
        origin: Origin::Stream,
        replayed: false,
        suspect: false,
    })
}

#[divan::bench]
fn a_board_of_all_rules_takes_tickers_and_trades(bencher: Bencher<'_, '_>) {
    let events: Vec<Event> = events()
        .into_iter()
        .enumerate()
        .map(|(n, (_, event))| {
            if (n / SYMBOLS).is_multiple_of(2) {
                event
            } else {
                trade_of(&event, n)
            }
        })
        .collect();
    let mut board = board();
    bencher.counter(ItemsCount::new(EVENTS)).bench_local(|| {
        let mut edges = 0;
        for event in &events {
            board.apply(event, now(), |_, _| edges += 1);
        }
        black_box(edges)
    });
}
