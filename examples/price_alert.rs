//! Tells when a condition becomes true, three times. Runs against the mock; name a real exchange to make it serious.
//!
//! `cargo run --example price_alert -- BTC 'price < 96_910 and spread_bps < 5'`

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use tickwire::alert::{Board, Policy, Rule, Tracker};
use tickwire::engine::{Engine, Request};
use tickwire::exchange::mock::Mock;
use tickwire::expression::Expression;
use tickwire::model::{Clock, Event, SystemClock};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let symbol = arguments.next().unwrap_or_else(|| "BTC".into());
    let condition = arguments.next();
    let condition = condition.as_deref().unwrap_or("price < 96_910");

    // Whatever is wrong with the condition is found before anything is connected.
    let rule = Rule {
        name: None,
        condition: Expression::parse_condition(condition)?,
        rearm: None,
        // It has to fall back a little before it fires again.
        margin: Some("0.002%".parse()?),
        policy: Policy {
            cooldown: Some(Duration::from_secs(1)),
            ..Policy::default()
        },
        message: None,
    };
    let engine = Engine::builder().provider(Mock::default()).build();
    let instrument = engine.resolve(&symbol).await?;
    let tracker = Tracker::new(Arc::new(rule), instrument.market, &|_| None)
        .ok_or("this example knows one market only")?;

    // Only what the rule reads is asked for.
    let mut streams: Vec<_> = tracker.slots().filter_map(|slot| slot.stream).collect();
    streams.sort();
    streams.dedup();
    let request = Request::instruments([instrument]).streams(streams);
    let mut events = engine.subscribe(request).await?;
    let (mut board, mut told) = (Board::default(), 0);
    board.add(tracker);
    while told < 3 {
        let Some(event) = events.next().await else {
            break;
        };
        // A feed in trouble knows nothing: say so instead of staying silent.
        if let Event::Gap(_) | Event::Status(_) = event {
            eprintln!("{event:?}");
        }
        board.apply(&event, SystemClock.now(), |_, outcome| {
            if outcome.verdict.is_fired() {
                println!("{} {}", outcome.alert.timestamp, outcome.alert.message);
                told += 1;
            }
        });
    }
    engine.shutdown().await;
    Ok(())
}
