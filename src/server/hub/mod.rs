//! Hands events to the clients that have joined their rooms.
//!
//! Owns rooms, the clients' queues and what those who join are told first. Publishing costs in proportion to the
//! clients that are interested; it never waits for one of them and never writes the same data twice. What a client
//! cannot take is conflated or dropped within its own [`queue`].

pub mod client;
pub mod message;
pub mod queue;
mod routes;
pub mod spec;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::Limits;
use crate::model::{Clock as _, Event, Market, SystemClock, Ticker, Timestamp};

use super::rooms::Room;
use client::Delivery;
pub use client::{Client, ClientView};
use message::{Message, Pen};
use queue::{Bounds, Totals};
pub use routes::Place;
use routes::{Audience, Member, Routes};
use spec::Spec;

/// Events that are handed out at once: while it lasts nobody can join.
const BATCH: usize = 512;
/// How long clients may take to say goodbye.
const FAREWELL: Duration = Duration::from_secs(2);

/// All clients and their queues. Publishing never waits for one of them.
pub struct Hub {
    bounds: Bounds,
    state: Mutex<State>,
    next_id: AtomicU64,
    closing: CancellationToken,
    aborting: CancellationToken,
    connections: TaskTracker,
}

#[derive(Default)]
struct State {
    routes: Routes,
    /// Clients; a free slot is used again.
    clients: Vec<Option<Seat>>,
    /// The newest ticker of each market that was told, so that one who joins sees just what others have seen.
    tickers: HashMap<Market, Latest>,
    portfolio: Option<Arc<Message>>,
    pen: Pen,
    /// Clients that get something of the batch.
    touched: Vec<usize>,
    /// Counts what is handed out.
    serial: u64,
    totals: HubTotals,
    /// Of clients that have left.
    left: Totals,
}

struct Seat {
    client: Arc<Client>,
    places: Vec<Place>,
    /// What it gets of this batch.
    deliveries: Vec<Delivery>,
    /// What it was given last: an event that reaches it in two ways is told once.
    served: u64,
}

struct Latest {
    ticker: Arc<Ticker>,
    /// Written when somebody wants it.
    message: Option<Arc<Message>>,
}

/// What the hub has done since the start.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct HubTotals {
    /// Events and other things that were handed in.
    pub published: u64,
    /// Messages put into queues.
    pub delivered: u64,
    /// Messages that clients were sent.
    pub sent: u64,
    /// Messages that clients were too slow for.
    pub dropped: u64,
    /// States that were replaced while they waited.
    pub conflated: u64,
    /// Messages that wait now.
    pub queued: u64,
    /// Rooms that are joined now, each by each client.
    pub subscriptions: u64,
}

impl Hub {
    /// Without clients.
    pub fn new(limits: &Limits) -> Self {
        Self {
            bounds: Bounds {
                messages: limits.queue_messages,
                bytes: limits.queue_bytes,
            },
            state: Mutex::default(),
            next_id: AtomicU64::new(1),
            closing: CancellationToken::new(),
            aborting: CancellationToken::new(),
            connections: TaskTracker::new(),
        }
    }

    /// Hands out market data and what concerns it, in order.
    pub fn publish_events(&self, events: &[Event]) {
        let (now, timestamp) = (Instant::now(), SystemClock.now());
        for batch in events.chunks(BATCH) {
            let mut state = self.state();
            for event in batch {
                state.hand_out_event(event, timestamp);
            }
            state.deliver(now);
        }
    }

    /// Hands out anything else: `data` is one JSON object, `kind` the type of the message.
    pub fn publish(&self, room: Room, kind: &'static str, market: Option<Market>, data: String) {
        let message = Arc::new(Message::new(room, kind, &data, SystemClock.now()));
        let place = Place {
            market,
            ..Place::whole(room)
        };
        let mut state = self.state();
        if room == Room::Portfolio {
            state.portfolio = Some(message.clone());
        }
        state.hand_out(&Audience::Place(place), |_| message.clone());
        state.deliver(Instant::now());
    }

    /// No longer served: those who join are not told of it.
    pub fn forget(&self, market: Market) {
        self.state().tickers.remove(&market);
    }

    /// Markets whose tickers were told, in the order of their names.
    pub fn markets(&self) -> Vec<Market> {
        let mut markets: Vec<_> = self.state().tickers.keys().copied().collect();
        markets.sort_by_key(|market| (market.exchange(), market.symbol()));
        markets
    }

    /// A new client. Leaves when it is dropped.
    pub fn register(self: &Hub) -> Registered<'_> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let client = Arc::new(Client::new(id, self.bounds));
        let seat = Seat {
            client: client.clone(),
            places: Vec::new(),
            deliveries: Vec::new(),
            served: 0,
        };
        let clients = &mut self.state().clients;
        let free = clients.iter().position(Option::is_none);
        let slot = free.unwrap_or_else(|| {
            clients.push(None);
            clients.len() - 1
        });
        clients[slot] = Some(seat);
        Registered {
            hub: self,
            slot,
            client,
        }
    }

    /// All clients.
    pub fn clients(&self) -> Vec<ClientView> {
        let clients: Vec<_> = {
            let state = self.state();
            let seats = state.clients.iter().flatten();
            seats.map(|seat| seat.client.clone()).collect()
        };
        clients.iter().map(|client| client.view()).collect()
    }

    /// What has been done since the start.
    pub fn totals(&self) -> HubTotals {
        let state = self.state();
        let mut totals = state.totals;
        let seats = state.clients.iter().flatten();
        let counts = seats.map(|seat| (seat.client.totals(), seat.places.len()));
        for ((client, queued), places) in counts.chain([((state.left, 0), 0)]) {
            totals.sent += client.sent;
            totals.dropped += client.dropped;
            totals.conflated += client.conflated;
            totals.queued += queued as u64;
            totals.subscriptions += places as u64;
        }
        totals
    }

    /// Says goodbye to every client; after 2 s those that are left are cut off, as new ones are.
    pub async fn shutdown(&self) {
        self.closing.cancel();
        self.connections.close();
        let _ = tokio::time::timeout(FAREWELL, self.connections.wait()).await;
        self.aborting.cancel();
        self.connections.wait().await;
    }

    /// Cancelled when clients are to be sent away.
    pub fn closing(&self) -> &CancellationToken {
        &self.closing
    }

    /// Runs a connection until it ends or is cut off.
    pub async fn attend(&self, connection: impl Future<Output = ()>) {
        let cut_off = self.aborting.run_until_cancelled(connection);
        self.connections.track_future(cut_off).await;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder of this lock panics")
    }
}

/// A client that is registered.
pub struct Registered<'a> {
    hub: &'a Hub,
    slot: usize,
    client: Arc<Client>,
}

impl Registered<'_> {
    /// Its queue.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Joins; the answer comes first, then the newest state, then what changes. Nothing is lost and nothing told
    /// twice in between. Once joined it means another wish.
    pub fn join(&self, place: Place, spec: Option<Spec>, answer: &str) {
        let spec = spec.map(Arc::new);
        let mut state = self.hub.state();
        self.client.reply("joined", answer);
        let member = Member {
            slot: self.slot,
            spec: spec.clone(),
        };
        state.routes.join(place, member);
        let seat = state.seat(self.slot);
        if !seat.places.contains(&place) {
            seat.places.push(place);
        }
        self.count_rooms(seat.places.len());
        let newest = state.newest(place);
        let mut deliveries: Vec<_> = newest.into_iter().map(|m| (m, spec.clone())).collect();
        self.client.deliver(&mut deliveries, Instant::now());
    }

    /// Leaves; `false` where it had not joined.
    pub fn leave(&self, place: Place) -> bool {
        let mut state = self.hub.state();
        state.routes.leave(place, self.slot);
        let places = &mut state.seat(self.slot).places;
        let before = places.len();
        places.retain(|p| *p != place);
        self.count_rooms(places.len());
        places.len() < before
    }

    fn count_rooms(&self, count: usize) {
        self.client.rooms.store(count, Ordering::Relaxed);
    }
}

impl Drop for Registered<'_> {
    fn drop(&mut self) {
        let mut state = self.hub.state();
        let seat = state.clients[self.slot].take();
        for place in seat.into_iter().flat_map(|seat| seat.places) {
            state.routes.leave(place, self.slot);
        }
        let (totals, _) = self.client.totals();
        state.left.sent += totals.sent;
        state.left.dropped += totals.dropped;
        state.left.conflated += totals.conflated;
    }
}

impl State {
    fn hand_out_event(&mut self, event: &Event, timestamp: Timestamp) {
        let audience = Audience::of(event);
        let room = match &audience {
            Audience::Place(place) => place.room,
            Audience::Concerned(..) => Room::Status,
        };
        let write = |pen: &mut Pen| Arc::new(Message::of_event(room, event, timestamp, pen));
        let message = self.hand_out(&audience, write);
        if let Event::Ticker(ticker) = event {
            let ticker = ticker.clone();
            self.tickers
                .insert(ticker.market, Latest { ticker, message });
        }
    }

    /// Puts one thing aside for everybody it concerns. It is written only where there is somebody; returned then.
    fn hand_out(
        &mut self,
        audience: &Audience,
        write: impl FnOnce(&mut Pen) -> Arc<Message>,
    ) -> Option<Arc<Message>> {
        self.totals.published += 1;
        self.serial += 1;
        let Self {
            routes,
            clients,
            pen,
            touched,
            serial,
            ..
        } = self;
        let mut write = Some(write);
        let mut message = None;
        let mut delivered = 0;
        routes.members(audience, |member| {
            let seat = clients[member.slot].as_mut();
            let seat = seat.expect("one who leaves leaves all rooms");
            if seat.served == *serial {
                return;
            }
            seat.served = *serial;
            if seat.deliveries.is_empty() {
                touched.push(member.slot);
            }
            if let Some(write) = write.take() {
                message = Some(write(pen));
            }
            let message = message.clone().expect("written for the first one");
            seat.deliveries.push((message, member.spec.clone()));
            delivered += 1;
        });
        self.totals.delivered += delivered;
        message
    }

    /// Puts everything into the queues: one lock and one wake-up for each client.
    fn deliver(&mut self, now: Instant) {
        for slot in self.touched.drain(..) {
            let seat = self.clients[slot].as_mut();
            let seat = seat.expect("nobody leaves within a batch");
            seat.client.deliver(&mut seat.deliveries, now);
            if seat.deliveries.capacity() > 256 {
                seat.deliveries.shrink_to(32);
            }
        }
    }

    fn seat(&mut self, slot: usize) -> &mut Seat {
        let seat = self.clients[slot].as_mut();
        seat.expect("taken until the client is dropped")
    }

    /// What one who joins is told first.
    fn newest(&mut self, place: Place) -> Vec<Arc<Message>> {
        match place.room {
            Room::Portfolio => self.portfolio.iter().cloned().collect(),
            Room::Prices => {
                let pen = &mut self.pen;
                let mut write = |latest: &mut Latest| {
                    let message = latest.message.get_or_insert_with(|| {
                        let event = Event::Ticker(latest.ticker.clone());
                        let now = SystemClock.now();
                        Arc::new(Message::of_event(Room::Prices, &event, now, pen))
                    });
                    message.clone()
                };
                match place.market {
                    Some(market) => {
                        let latest = self.tickers.get_mut(&market);
                        latest.map(&mut write).into_iter().collect()
                    }
                    None => self.tickers.values_mut().map(write).collect(),
                }
            }
            _ => Vec::new(),
        }
    }
}

impl std::fmt::Debug for Hub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let clients = self.state().clients.iter().flatten().count();
        f.debug_struct("Hub").field("clients", &clients).finish()
    }
}
