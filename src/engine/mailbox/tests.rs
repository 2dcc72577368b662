//! Full queues, slow readers, ends.

use super::*;
use crate::model::{Origin, Side, Ticker, Trade};

fn market() -> Market {
    Market::new(Exchange::new("mailbox-test"), "BTC", "USD")
}

fn trades(ids: std::ops::Range<u64>) -> Vec<Event> {
    let trade = |id| {
        Event::Trade(Trade {
            market: market(),
            id,
            price: "1".parse().unwrap(),
            size: "1".parse().unwrap(),
            side: Side::Buy,
            timestamp: Timestamp::from_nanos(id as i64),
            received_at: Timestamp::from_nanos(0),
            origin: Origin::Stream,
            replayed: false,
            suspect: false,
        })
    };
    ids.map(trade).collect()
}

fn ids(events: &[Event]) -> Vec<u64> {
    events
        .iter()
        .filter_map(|e| {
            if let Event::Trade(t) = e {
                Some(t.id)
            } else {
                None
            }
        })
        .collect()
}

impl Mailbox {
    /// Offers until everything is taken, as the engine does.
    async fn push(&self, events: &mut Vec<Event>) {
        while let Some(full) = self.offer(events) {
            match full.until {
                Some(until) => drop(tokio::time::timeout_at(until, self.room()).await),
                None => self.room().await,
            }
        }
    }
}

fn every(capacity: usize, overflow: Overflow) -> Arc<Mailbox> {
    Arc::new(Mailbox::new(Delivery::Every { capacity, overflow }))
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_is_waited_for_and_then_told_what_it_missed() {
    let mailbox = every(10, Overflow::WaitThenGap(SLOW_READER_PATIENCE));
    let started = Instant::now();
    mailbox.push(&mut trades(0..25)).await;
    assert_eq!(started.elapsed(), SLOW_READER_PATIENCE);
    // Patience is used up: no second wait until the queue was half empty.
    mailbox.push(&mut trades(25..30)).await;
    assert_eq!(started.elapsed(), SLOW_READER_PATIENCE);
    let mut taken = Vec::new();
    mailbox.take(&mut taken).await.unwrap();
    assert_eq!(ids(&taken), (0..10).collect::<Vec<_>>());
    let Some(Event::Gap(gap)) = taken.last() else {
        panic!("no gap in {taken:?}")
    };
    assert_eq!(
        (gap.from_id, gap.to_id, gap.missing, gap.reason),
        (Some(10), Some(29), Some(20), GapReason::SlowConsumer)
    );
    assert_eq!(gap.from, Some(Timestamp::from_nanos(9)));
    mailbox.push(&mut trades(30..32)).await;
    mailbox.take(&mut taken).await.unwrap();
    assert_eq!(ids(&taken), [30, 31]);
    assert_eq!(mailbox.load(), (0, 20));
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_comes_back_in_time_misses_nothing() {
    let mailbox = every(10, Overflow::WaitThenGap(SLOW_READER_PATIENCE));
    let pusher = tokio::spawn({
        let mailbox = mailbox.clone();
        async move { mailbox.push(&mut trades(0..25)).await }
    });
    let (mut all, mut taken) = (Vec::new(), Vec::new());
    while all.len() < 25 {
        tokio::time::sleep(Duration::from_secs(2)).await;
        mailbox.take(&mut taken).await.unwrap();
        all.extend(ids(&taken));
    }
    pusher.await.unwrap();
    assert_eq!(all, (0..25).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_disconnecting_queue_ends_and_keeps_what_it_had() {
    let mailbox = every(3, Overflow::Disconnect);
    mailbox.push(&mut trades(0..9)).await;
    let mut taken = Vec::new();
    mailbox.take(&mut taken).await.unwrap();
    assert_eq!(ids(&taken), [0, 1, 2]);
    assert_eq!(mailbox.take(&mut taken).await, Err(End::TooSlow));
}

#[tokio::test]
async fn latest_keeps_one_state_per_market() {
    let mailbox = Mailbox::new(Delivery::Latest);
    for at in 0..1_000 {
        let ticker = Ticker::empty(market(), Timestamp::from_nanos(at));
        mailbox
            .push(&mut vec![Event::Ticker(Arc::new(ticker))])
            .await;
    }
    let mut taken = Vec::new();
    mailbox.take(&mut taken).await.unwrap();
    assert_eq!(taken.len(), 1);
    assert_eq!(taken[0].received_at(), Some(Timestamp::from_nanos(999)));
}

#[tokio::test]
async fn the_end_comes_after_everything_that_was_put_in() {
    let mailbox = every(10, Overflow::Wait);
    mailbox.push(&mut trades(0..2)).await;
    mailbox.end(End::Stopped);
    let mut taken = Vec::new();
    mailbox.take(&mut taken).await.unwrap();
    assert_eq!(ids(&taken), [0, 1]);
    assert_eq!(mailbox.take(&mut taken).await, Err(End::Stopped));
}

fn minute(minute: i64, closed: bool) -> Event {
    use crate::model::{Candle, Interval, Origin};
    let unit = "1".parse().unwrap();
    Event::Candle(std::sync::Arc::new(Candle {
        market: Market::new(Exchange::new("test"), "BTC", "USD"),
        interval: Interval::M1,
        open_time: Timestamp::from_nanos(minute * Interval::M1.nanos()),
        open: unit,
        high: unit,
        low: unit,
        close: unit,
        volume: "1".parse().unwrap(),
        quote_volume: None,
        trades: None,
        closed,
        complete: true,
        origin: Origin::Stream,
        timestamp: None,
        received_at: Timestamp::from_nanos(0),
    }))
}

#[tokio::test]
async fn a_forming_candle_that_is_dropped_is_no_loss() {
    let mailbox = every(1, Overflow::WaitThenGap(Duration::ZERO));
    mailbox
        .push(&mut vec![
            minute(0, true),
            minute(1, false),
            minute(1, false),
        ])
        .await;
    let mut taken = Vec::new();
    mailbox.take(&mut taken).await.unwrap();
    assert_eq!(taken, [minute(0, true)]);
    assert_eq!(mailbox.load().1, 2);
    mailbox
        .push(&mut vec![
            minute(1, true),
            minute(2, true),
            minute(3, false),
        ])
        .await;
    mailbox.take(&mut taken).await.unwrap();
    let [_, Event::Gap(gap)] = &taken[..] else {
        panic!("{taken:?}")
    };
    assert_eq!(gap.missing, Some(1));
}

#[tokio::test]
async fn a_forming_candle_does_not_take_the_place_of_a_closed_one() {
    let mailbox = Mailbox::new(Delivery::Latest);
    let all = [
        (0, false),
        (0, true),
        (1, false),
        (1, true),
        (2, false),
        (2, false),
    ];
    mailbox.offer(&mut all.map(|(at, closed)| minute(at, closed)).into());
    let mut batch = Vec::new();
    mailbox.take(&mut batch).await.unwrap();
    let kept = [(0, true), (1, true), (2, false)];
    assert_eq!(batch, kept.map(|(at, closed)| minute(at, closed)));
}
