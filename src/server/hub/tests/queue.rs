use std::time::Duration;

use super::super::queue::{Bounds, Queue};
use super::*;

const BOUNDS: Bounds = Bounds {
    messages: 4,
    bytes: 100_000,
};

fn message(event: &Event, at: Instant) -> Arc<Message> {
    let (room, pen) = (Room::Trades, &mut Pen::default());
    let message = Message::of_event(room, event, Timestamp::from_nanos(0), pen);
    Arc::new(message.published_at(at))
}

fn push(queue: &mut Queue, event: &Event, now: Instant) {
    queue.push(message(event, now), None, now);
}

fn numbers(queue: &mut Queue, now: Instant) -> Vec<u64> {
    let mut entries = Vec::new();
    queue.take(usize::MAX, usize::MAX, now, &mut entries);
    entries.into_iter().map(|entry| entry.number).collect()
}

#[test]
fn a_waiting_state_is_replaced_by_a_newer_one_and_nothing_else_is() {
    let (mut queue, now) = (Queue::new(BOUNDS), Instant::now());
    for event in [
        ticker("BTC/USD", 1),
        ticker("ETH/USD", 2),
        ticker("BTC/USD", 3),
        trade("BTC/USD", 4),
        candle("BTC/USD", Interval::M1, false),
        candle("BTC/USD", Interval::M5, false),
        candle("BTC/USD", Interval::M1, true),
        candle("BTC/USD", Interval::M1, false),
        ticker("ETH/USD", 9),
    ] {
        push(&mut queue, &event, now);
    }
    assert_eq!(queue.len(), 6);
    assert_eq!(numbers(&mut queue, now), [3, 4, 6, 7, 8, 9]);
    assert_eq!(queue.totals().conflated, 3);
    assert_eq!(queue.totals().dropped, 0);
    assert!(queue.is_empty());
    // What was taken out is no longer replaced.
    push(&mut queue, &ticker("BTC/USD", 10), now);
    assert_eq!(numbers(&mut queue, now), [10]);
    assert_eq!(queue.totals().conflated, 3);
}

#[test]
fn any_number_of_states_takes_no_more_room_than_there_are_markets() {
    let (mut queue, now) = (Queue::new(BOUNDS), Instant::now());
    for price in 0..100_000 {
        push(
            &mut queue,
            &ticker(["BTC/USD", "ETH/USD"][price % 2], 1),
            now,
        );
        assert!(queue.places() <= 65, "{}", queue.places());
    }
    assert_eq!(queue.len(), 2);
    assert_eq!(numbers(&mut queue, now), [99_999, 100_000]);
}

#[test]
fn the_oldest_of_a_flow_go_first_and_it_is_told_how_many() {
    let (mut queue, now) = (Queue::new(BOUNDS), Instant::now());
    for id in 1..=7 {
        push(&mut queue, &trade("BTC/USD", id), now);
    }
    push(&mut queue, &ticker("BTC/USD", 8), now);
    let loss = queue.take_loss(now).expect("three");
    assert_eq!((loss.count, loss.rooms), (3, vec![Room::Trades]));
    assert_eq!(queue.take_loss(now), None, "told once");
    assert_eq!(numbers(&mut queue, now), [4, 5, 6, 7, 8]);
}

#[test]
fn bytes_count_as_messages_do() {
    let size = message(&trade("BTC/USD", 1), Instant::now()).bytes();
    let bounds = Bounds {
        messages: 100,
        bytes: 3 * size,
    };
    let (mut queue, now) = (Queue::new(bounds), Instant::now());
    for id in 1..=5 {
        push(&mut queue, &trade("BTC/USD", id), now);
    }
    assert_eq!(numbers(&mut queue, now), [3, 4, 5]);
}

#[test]
fn what_has_waited_for_more_than_5_s_is_dropped_even_where_nothing_follows() {
    let (mut queue, start) = (Queue::new(BOUNDS), Instant::now());
    push(&mut queue, &trade("BTC/USD", 1), start);
    push(&mut queue, &ticker("BTC/USD", 2), start);
    push(
        &mut queue,
        &trade("BTC/USD", 3),
        start + Duration::from_secs(3),
    );
    let later = start + Duration::from_secs(6);
    assert_eq!(queue.take_loss(later).map(|loss| loss.count), Some(1));
    assert_eq!(numbers(&mut queue, later), [2, 3], "a state does not age");
}

#[test]
fn a_notice_goes_out_even_where_nothing_else_is_left() {
    let (mut queue, start) = (Queue::new(BOUNDS), Instant::now());
    push(&mut queue, &trade("BTC/USD", 1), start);
    let later = start + Duration::from_secs(6);
    assert_eq!(queue.take_loss(later).map(|loss| loss.count), Some(1));
    assert_eq!(numbers(&mut queue, later), [0; 0]);
}

#[test]
fn after_three_notices_the_next_loss_is_one_too_many() {
    let (mut queue, now) = (Queue::new(BOUNDS), Instant::now());
    for round in 1..=4 {
        for id in 1..=5 {
            push(&mut queue, &trade("BTC/USD", id), now);
        }
        assert_eq!(queue.is_hopeless(now), round == 4, "round {round}");
        assert!(queue.take_loss(now).is_some());
        numbers(&mut queue, now);
    }
}

#[test]
fn losses_of_long_ago_are_forgiven() {
    let (mut queue, mut now) = (Queue::new(BOUNDS), Instant::now());
    for _ in 0..10 {
        for id in 1..=5 {
            push(&mut queue, &trade("BTC/USD", id), now);
        }
        assert!(!queue.is_hopeless(now));
        assert!(queue.take_loss(now).is_some());
        numbers(&mut queue, now);
        now += Duration::from_secs(61);
        numbers(&mut queue, now);
    }
}

#[test]
fn half_a_minute_behind_is_too_long() {
    let (mut queue, start) = (Queue::new(BOUNDS), Instant::now());
    let after = |seconds| start + Duration::from_secs(seconds);
    for id in 1..=5 {
        push(&mut queue, &trade("BTC/USD", id), start);
    }
    assert!(!queue.is_hopeless(after(29)));
    assert!(queue.is_hopeless(after(30)));
    numbers(&mut queue, after(1));
    assert!(!queue.is_hopeless(after(30)), "it has caught up");
}

#[test]
fn answers_are_never_dropped_but_one_who_does_not_read_them_is_hopeless() {
    let (mut queue, now) = (Queue::new(BOUNDS), Instant::now());
    let answer = || {
        Arc::new(Message::new(
            Room::Status,
            "pong",
            "{}",
            Timestamp::from_nanos(0),
        ))
    };
    for _ in 0..256 {
        queue.reply(answer());
    }
    let later = now + Duration::from_secs(20);
    assert!(!queue.is_hopeless(later));
    queue.reply(answer());
    assert!(queue.is_hopeless(later));
    assert_eq!(numbers(&mut queue, later).len(), 257);
}
