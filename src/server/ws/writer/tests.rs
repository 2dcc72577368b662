use proptest::prelude::*;
use std::sync::Arc;
use tokio::time::Instant;

use super::*;
use crate::model::{Event, Exchange, Market, Origin, Side, SystemClock, Ticker, Timestamp, Trade};
use crate::server::hub::queue::{Bounds, Queue};
use crate::server::hub::spec::Spec;

/// What happens to a queue.
#[derive(Debug, Clone)]
enum Step {
    Trade,
    /// Of this of three markets.
    Ticker(usize),
    Reply,
    /// Takes so many.
    Take(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => Just(Step::Trade),
        3 => (0..3usize).prop_map(Step::Ticker),
        1 => Just(Step::Reply),
        2 => (1..12usize).prop_map(Step::Take),
    ]
}

fn market(i: usize) -> Market {
    Market::new(Exchange::new("writertest"), ["A", "B", "C"][i], "USD")
}

fn trade(id: u64) -> Event {
    let at = Timestamp::from_nanos(0);
    Event::Trade(Trade {
        market: market(0),
        id,
        price: "1.10".parse().expect("a price"),
        size: "2".parse().expect("a size"),
        side: Side::Buy,
        timestamp: at,
        received_at: at,
        origin: Origin::Stream,
        replayed: false,
        suspect: false,
    })
}

/// One client: its queue, and everything that it received.
struct Client {
    queue: Queue,
    numbering: Numbering<'static>,
    received: Vec<serde_json::Value>,
    now: Instant,
}

impl Client {
    fn new(messages: usize) -> Self {
        let bounds = Bounds {
            messages,
            bytes: 1 << 20,
        };
        Self {
            queue: Queue::new(bounds),
            numbering: Numbering::new(&SystemClock),
            received: Vec::new(),
            now: Instant::now(),
        }
    }

    fn push(&mut self, event: &Event, spec: Option<Arc<Spec>>) {
        let (room, pen) = (Room::Trades, &mut Pen::default());
        let message = Told::of_event(room, event, Timestamp::from_nanos(0), pen);
        self.queue.push(Arc::new(message), spec, self.now);
    }

    fn reply(&mut self) {
        let pong = Told::new(Room::Status, "pong", "{}", Timestamp::from_nanos(0));
        self.queue.reply(Arc::new(pong));
    }

    fn take(&mut self, count: usize) {
        let (mut entries, now) = (Vec::new(), self.now);
        let loss = self.queue.take_loss(now);
        self.queue.take(count, usize::MAX, now, &mut entries);
        let notice = loss.map(|loss| self.numbering.notice(&loss));
        let texts = entries.iter().filter_map(|e| self.numbering.text(e));
        let texts: Vec<_> = notice.into_iter().chain(texts).collect();
        let values = texts.iter().map(|text| serde_json::from_str(text));
        let values: Result<Vec<_>, _> = values.collect();
        self.received.extend(values.expect("JSON"));
    }

    fn of(&self, kind: &str) -> impl Iterator<Item = &serde_json::Value> {
        self.received.iter().filter(move |m| m["type"] == kind)
    }
}

proptest! {
    /// Every trade comes once and in order, or is counted; the holes in the numbers are just what was missed, each
    /// right before it is told. A ticker that a newer one has replaced was not missed.
    #[test]
    fn whatever_a_client_missed_it_is_told_exactly(
        steps in prop::collection::vec(step(), 0..200),
        bound in 1..20usize,
    ) {
        let mut client = Client::new(bound);
        let (mut trades, mut tickers, mut replies) = (0, 0, 0u64);
        for step in steps {
            match step {
                Step::Trade => {
                    trades += 1;
                    client.push(&trade(trades), None);
                }
                Step::Ticker(i) => {
                    tickers += 1;
                    let ticker = Ticker::empty(market(i), Timestamp::from_nanos(tickers));
                    client.push(&Event::Ticker(Arc::new(ticker)), None);
                }
                Step::Reply => {
                    replies += 1;
                    client.reply();
                }
                Step::Take(count) => client.take(count),
            }
        }
        client.take(usize::MAX);
        let ids: Vec<u64> = client
            .of("trade")
            .map(|m| m["data"]["id"].as_str().expect("an id").parse().expect("a number"))
            .collect();
        prop_assert!(ids.windows(2).all(|w| w[0] < w[1]), "in order, none twice: {ids:?}");
        let dropped: u64 = client.of("dropped").map(|m| m["data"]["count"].as_u64().expect("a count")).sum();
        prop_assert_eq!(ids.len() as u64 + dropped, trades);
        prop_assert_eq!(client.of("pong").count() as u64, replies);

        let numbers: Vec<_> = client.received.iter().map(|m| m["seq"].as_u64().expect("a number")).collect();
        let mut expected = 1;
        for (message, number) in client.received.iter().zip(&numbers) {
            let lost = message["data"]["count"].as_u64().unwrap_or(0);
            prop_assert_eq!(*number, expected + lost, "{:?}", numbers);
            expected = number + 1;
        }
        let conflated = tickers as u64 - client.of("ticker").count() as u64 - client.of("price_update").count() as u64;
        prop_assert_eq!(client.queue.totals().conflated, conflated);
    }
}

#[test]
fn what_a_client_does_not_want_leaves_no_hole() {
    let mut client = Client::new(100);
    let fields = ["id".to_owned(), "price * size".to_owned()];
    let spec = Spec::new(Room::Trades, Some("id > 2 and id != 4"), Some(&fields));
    let spec = spec.expect("of the language").map(Arc::new);
    for id in 1..=5 {
        client.push(&trade(id), spec.clone());
    }
    client.reply();
    client.take(usize::MAX);
    let told: Vec<_> = client
        .received
        .iter()
        .map(|m| format!("{} {} {}", m["seq"], m["type"], m["data"]))
        .collect();
    assert_eq!(
        told,
        [
            r#"1 "trade" {"id":"3","price * size":2.2}"#,
            r#"2 "trade" {"id":"5","price * size":2.2}"#,
            r#"3 "pong" {}"#
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_client_is_pinged_at_once_and_then_every_15_s() {
    use crate::server::testing::{Scripted, serve};

    let shared = serve(&[Scripted::new("writerpings", &[("A", "USD")])]).await;
    let registered = shared.hub.register();
    let pulse = Pulse::new(Instant::now());
    let (sender, mut sent) = tokio::sync::mpsc::unbounded_channel();
    let mut sink = Box::pin(futures_util::sink::unfold(
        sender,
        |sender, message: Message| async move { sender.send(message).map(|()| sender) },
    ));
    let writing = write(&shared, registered.client(), &pulse, &mut sink);
    let waited = tokio::time::timeout(Duration::from_secs(46), writing).await;
    assert!(waited.is_err(), "it writes until the line is cut");
    let mut pings = 0;
    while let Ok(message) = sent.try_recv() {
        pings += usize::from(matches!(message, Message::Ping(_)));
    }
    assert_eq!(pings, 4);
}
