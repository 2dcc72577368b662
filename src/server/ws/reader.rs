//! Reads what a client asks, and does it.

use axum::extract::ws::Message;
use futures_util::{Stream, StreamExt};
use tokio::time::Instant;

use crate::server::hub::{Registered, message};
use crate::server::{ApiError, Shared};

use super::command::Ask;
use super::goodbye::Goodbye;
use super::pulse::{Allowance, Pulse};
use super::rooms::Rooms;

/// After so many messages that cannot be understood there will be no sense in the next one either.
const MAX_ERRORS: u32 = 10;

/// Reads until the client leaves or has to.
pub async fn read(
    shared: &Shared,
    registered: &Registered<'_>,
    pulse: &Pulse,
    stream: &mut (impl Stream<Item = Result<Message, axum::Error>> + Unpin),
) -> Goodbye {
    let mut rooms = Rooms::new(shared, registered);
    let mut allowance = Allowance::new(shared.limits.messages_per_second, Instant::now());
    let mut errors = 0;
    while let Some(message) = stream.next().await {
        let message = match message {
            Ok(message) => message,
            Err(error) => return Goodbye::after(error),
        };
        let now = Instant::now();
        // Answered already by the one below; all that is left is to read on until the line is closed.
        if matches!(message, Message::Close(_)) {
            continue;
        }
        if !allowance.take(now) {
            return Goodbye::TooFast;
        }
        match message {
            Message::Text(text) => match Ask::read(&text) {
                Ok(ask) => obey(ask, &mut rooms, registered).await,
                Err(error) => {
                    tell(&error, None, registered);
                    errors += 1;
                    if errors >= MAX_ERRORS {
                        return Goodbye::TooManyErrors;
                    }
                }
            },
            Message::Pong(_) => pulse.on_pong(now),
            Message::Binary(_) => return Goodbye::Binary,
            Message::Ping(_) | Message::Close(_) => {}
        }
    }
    Goodbye::Gone
}

async fn obey(ask: Ask, rooms: &mut Rooms<'_>, registered: &Registered<'_>) {
    match ask {
        Ask::Join {
            room,
            filter,
            fields,
            interval,
        } => {
            let joined = rooms.join(
                &room,
                filter.as_deref(),
                fields.as_deref(),
                interval.as_deref(),
            );
            if let Err(error) = joined.await {
                tell(&error, Some(&room), registered);
            }
        }
        Ask::Leave { room, interval } => {
            if let Err(error) = rooms.leave(&room, interval.as_deref()).await {
                tell(&error, Some(&room), registered);
            }
        }
        Ask::Ping { data } => registered.client().reply("pong", &data),
    }
}

fn tell(error: &ApiError, room: Option<&str>, registered: &Registered<'_>) {
    // Of a name without end nothing comes back.
    let room = room.filter(|room| room.len() <= 128);
    let data = message::error_data(error.code, &error.message, room);
    registered.client().reply("error", &data);
}
