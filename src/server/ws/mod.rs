//! One WebSocket client: its connection from the upgrade to the last frame.
//!
//! One task each, with two sides that work at the same time: one reads what the client asks, the other writes what
//! waits in its queue. What the client is told goes through that queue, answers included, so that the order is one.

mod command;
mod goodbye;
mod pulse;
mod reader;
mod rooms;
mod writer;

use std::time::Duration;

use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::response::Response;
use futures_util::{Sink, SinkExt, Stream, StreamExt};
use tokio::time::Instant;

use crate::model::write_json_string;

use super::hub::Client;
use super::state::{Ref, Shared};
use goodbye::Goodbye;
use pulse::Pulse;

/// Read at once: clients say little.
const READ_BUFFER: usize = 4 * 1024;
/// Written at once where much waits.
const WRITE_BUFFER: usize = 32 * 1024;
/// Far more than what is written between two looks at whether the line takes it.
const MAX_WRITE_BUFFER: usize = 4 * 1024 * 1024;
/// How long the last frame may take, and then the client's answer.
const LAST_FRAME: Duration = Duration::from_secs(1);
/// How often is looked whether a client still keeps up.
const LOOK: Duration = Duration::from_secs(1);

/// Makes the request a WebSocket connection. Who may connect was checked before.
pub async fn serve(shared: Ref, upgrade: WebSocketUpgrade) -> Response {
    let most = shared.limits.message_bytes;
    upgrade
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(WRITE_BUFFER)
        .max_write_buffer_size(MAX_WRITE_BUFFER)
        .max_message_size(most)
        .max_frame_size(most)
        .on_upgrade(move |socket| async move {
            let connection = connection(&shared, socket);
            shared.hub.attend(connection).await;
        })
}

async fn connection(shared: &Shared, socket: WebSocket) {
    let registered = shared.hub.register();
    let client = registered.client();
    client.reply("welcome", &welcome(shared));
    let pulse = Pulse::new(Instant::now());
    let (mut sink, mut stream) = socket.split();
    let goodbye = tokio::select! {
        goodbye = reader::read(shared, &registered, &pulse, &mut stream) => goodbye,
        goodbye = writer::write(shared, client, &pulse, &mut sink) => goodbye,
        goodbye = watch(client, &pulse) => goodbye,
        () = shared.hub.closing().cancelled() => Goodbye::Stopping,
    };
    // No longer in any room: what is published from now on is not for this client.
    drop(registered);
    part(goodbye, sink, stream).await;
}

/// Ends for a client that does not keep up.
async fn watch(client: &Client, pulse: &Pulse) -> Goodbye {
    let mut looks = tokio::time::interval(LOOK);
    loop {
        looks.tick().await;
        let now = Instant::now();
        if client.is_hopeless() || pulse.is_stuck(now) {
            return Goodbye::TooSlow;
        }
        if pulse.is_silent(now) {
            return Goodbye::NoPong;
        }
    }
}

/// Sends the last frame and waits for the answer, both not for long.
async fn part(
    goodbye: Goodbye,
    mut sink: impl Sink<Message> + Unpin,
    mut stream: impl Stream + Unpin,
) {
    let Some(frame) = goodbye.frame() else {
        return;
    };
    let frame = Message::Close(Some(frame));
    let sent = tokio::time::timeout(LAST_FRAME, sink.send(frame)).await;
    if !matches!(sent, Ok(Ok(()))) {
        return;
    }
    if goodbye == Goodbye::TooFast {
        // Reading on would do just what it wants. Unread, it has to wait, and can still see why.
        tokio::time::sleep(LAST_FRAME).await;
        return;
    }
    let rest = async { while stream.next().await.is_some() {} };
    // A client that does not answer is left without.
    let _ = tokio::time::timeout(LAST_FRAME, rest).await;
}

/// `data` of the first message.
fn welcome(shared: &Shared) -> String {
    let mut data = Vec::with_capacity(256);
    let mut text = |key: &str, value: &str| {
        data.extend_from_slice(key.as_bytes());
        write_json_string(value, &mut data);
    };
    text("{\"version\":", env!("CARGO_PKG_VERSION"));
    text(",\"provider\":", &shared.provider);
    list(",\"rooms\":[", rooms::joinable(), &mut data);
    let name = |market: crate::model::Market| {
        if market.exchange().name() == shared.provider {
            market.symbol().to_owned()
        } else {
            market.to_string()
        }
    };
    let markets = shared.hub.markets().into_iter().map(name);
    list(",\"symbols\":[", markets, &mut data);
    data.push(b'}');
    String::from_utf8(data).expect("made of texts")
}

fn list(key: &str, values: impl Iterator<Item = impl AsRef<str>>, data: &mut Vec<u8>) {
    data.extend_from_slice(key.as_bytes());
    for (i, value) in values.enumerate() {
        if i > 0 {
            data.push(b',');
        }
        write_json_string(value.as_ref(), data);
    }
    data.push(b']');
}
