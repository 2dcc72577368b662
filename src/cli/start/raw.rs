//! Messages of raw streams, handed to the clients that have joined them.

use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;

use crate::exchange::custom::RawMessage;
use crate::model::write_json_string;
use crate::server::{Room, Shared};

use super::super::Ctx;

/// Passes them on until `cancel`.
pub async fn run(ctx: &Ctx, shared: &Shared, cancel: CancellationToken) {
    let mut messages = ctx.raw.subscribe();
    loop {
        let message = tokio::select! {
            message = messages.recv() => message,
            () = cancel.cancelled() => return,
        };
        match message {
            Ok(message) => pass_on(shared, &message),
            Err(RecvError::Lagged(missed)) => {
                let told =
                    format!("{missed} messages of raw streams were dropped: they came too fast");
                ctx.notices.warn("raw", &told);
            }
            Err(RecvError::Closed) => return cancel.cancelled().await,
        }
    }
}

fn pass_on(shared: &Shared, message: &RawMessage) {
    let name = message.stream.name();
    let topics = shared.streams.raw(name).unwrap_or_default();
    // Gone from the configuration meanwhile.
    let Some(first) = topics.first() else {
        return;
    };
    let mut data = b"{\"stream\":".to_vec();
    write_json_string(name, &mut data);
    data.extend_from_slice(b",\"message\":");
    data.extend_from_slice(message.json.as_bytes());
    data.extend_from_slice(format!(",\"received_at\":\"{}\"}}", message.received_at).as_bytes());
    let data = String::from_utf8(data).expect("made of texts");
    let market = Some(first.instrument.market);
    shared.hub.publish(Room::Raw, "raw", market, data);
}
