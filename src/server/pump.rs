//! Takes every event from the engine, keeps the newest state and hands events to the hub.
//!
//! In this order: whoever is told of an event finds it, or a newer one, in [`Markets`](super::markets::Markets). It
//! waits for nothing but the engine.

use std::time::Duration;

use tokio::time::MissedTickBehavior;

use crate::engine::{Delivery, End, Overflow, Request, Subscription};

use super::state::Ref;

/// Events that wait for the pump: what a busy machine may fall behind before the engine waits for it.
const CAPACITY: usize = 65_536;
/// How often counters are read.
const TICK: Duration = Duration::from_secs(1);

/// The subscription that the pump reads: of nothing yet, [`Streams`](super::streams::Streams) adds to it.
pub fn request() -> Request {
    let delivery = Delivery::Every {
        capacity: CAPACITY,
        overflow: Overflow::default(),
    };
    Request::instruments([]).streams([]).delivery(delivery)
}

/// Runs until the subscription ends, and tells why.
pub async fn run(shared: Ref, mut subscription: Subscription) -> End {
    let mut batch = Vec::new();
    let mut seconds = tokio::time::interval(TICK);
    seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            taken = subscription.next_batch(&mut batch) => {
                if let Err(end) = taken {
                    return end;
                }
                shared.markets.apply(&mut batch);
                shared.health.on_events(&batch, shared.engine.clock().now());
                shared.hub.publish_events(&batch);
            }
            _ = seconds.tick() => shared.health.tick(&shared.engine),
        }
    }
}
