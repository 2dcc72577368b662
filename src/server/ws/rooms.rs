//! Joining and leaving: what is asked in words becomes a place in the hub and streams that run.

use std::collections::HashMap;
use std::time::Duration;

use axum::http::StatusCode;

use crate::feed::Topic;
use crate::model::{Interval, Market, Stream, write_json_string};
use crate::server::http::lookup;
use crate::server::hub::spec::Spec;
use crate::server::hub::{Place, Registered};
use crate::server::streams::Lease;
use crate::server::{ApiError, Room, Shared};

/// How long joining may take: lists of symbols may have to be fetched.
const DEADLINE: Duration = Duration::from_secs(15);
/// The longest symbol with its provider.
const MAX_SYMBOL: usize = 64;
/// Candles of a symbol for which no length is named.
const DEFAULT_INTERVAL: Interval = Interval::M1;

/// The rooms that one client has joined.
pub struct Rooms<'a> {
    shared: &'a Shared,
    registered: &'a Registered<'a>,
    /// With what runs for them; `None` for those that are not of one symbol.
    joined: HashMap<Place, Option<Lease>>,
}

/// What is meant by a room.
struct Meant {
    place: Place,
    /// What has to run for it.
    topics: Vec<Topic>,
}

impl<'a> Rooms<'a> {
    /// None yet.
    pub fn new(shared: &'a Shared, registered: &'a Registered<'a>) -> Self {
        Self {
            shared,
            registered,
            joined: HashMap::new(),
        }
    }

    /// Joins a room, and makes the server serve its symbol.
    ///
    /// Errors: no such room, symbol, interval or field; too many symbols; what is needed cannot be had in time.
    pub async fn join(
        &mut self,
        room: &str,
        filter: Option<&str>,
        fields: Option<&[String]>,
        interval: Option<&str>,
    ) -> Result<(), ApiError> {
        let work = async {
            let meant = self.meaning(room, interval).await?;
            let spec = Spec::new(meant.place.room, filter, fields)?;
            let is_new = !self.joined.contains_key(&meant.place);
            if is_new {
                self.check_count(&meant.place)?;
                let lease = match meant.topics.is_empty() {
                    true => None,
                    false => Some(self.shared.streams.acquire(meant.topics).await?),
                };
                self.joined.insert(meant.place, lease);
            }
            let answer = answer(room, meant.place.interval);
            self.registered.join(meant.place, spec, &answer);
            Ok(())
        };
        let slow = |_| {
            let why = "the list of symbols could not be had in time, try again";
            ApiError::new(StatusCode::GATEWAY_TIMEOUT, "timeout", why)
        };
        tokio::time::timeout(DEADLINE, work).await.map_err(slow)?
    }

    /// Leaves a room; of candles without an interval: all lengths. Where it had not joined nothing changes.
    ///
    /// Errors: no such room or symbol.
    pub async fn leave(&mut self, room: &str, interval: Option<&str>) -> Result<(), ApiError> {
        let meaning = tokio::time::timeout(DEADLINE, self.meaning(room, interval));
        let slow = |_| ApiError::unavailable("the list of symbols could not be had in time");
        let Meant { place, .. } = meaning.await.map_err(slow)??;
        let is_meant = |p: &Place| {
            let same = p.room == place.room && p.market == place.market;
            same && (interval.is_none() || p.interval == place.interval)
        };
        let places: Vec<_> = self.joined.keys().copied().filter(is_meant).collect();
        for place in places {
            self.registered.leave(place);
            self.joined.remove(&place);
        }
        let left = answer(room, place.interval.filter(|_| interval.is_some()));
        self.registered.client().reply("left", &left);
        Ok(())
    }

    async fn meaning(&self, text: &str, interval: Option<&str>) -> Result<Meant, ApiError> {
        if text.len() > MAX_SYMBOL + 16 {
            return Err(unknown_room("the name of the room is too long"));
        }
        let (room, symbol) = Room::parse(text).ok_or_else(|| {
            let names = joinable().collect::<Vec<_>>().join(", ");
            unknown_room(format!(
                "no room `{text}`, there are {names}, and prices:BTC/USD for one symbol"
            ))
        })?;
        if room == Room::Book {
            let why = "order books are not served";
            return Err(ApiError::unprocessable("unsupported", why));
        }
        if let (Room::Raw, Some(name)) = (room, symbol) {
            return self.raw(name);
        }
        let interval = match (interval, room) {
            (None, Room::Candles) => symbol.map(|_| DEFAULT_INTERVAL),
            (None, _) => None,
            (Some(text), Room::Candles) => Some(length(text)?),
            (Some(_), _) => return Err(ApiError::bad_request("`interval` is for candles only")),
        };
        let Some(symbol) = symbol else {
            let place = Place {
                interval,
                ..Place::whole(room)
            };
            return Ok(Meant {
                place,
                topics: Vec::new(),
            });
        };
        let stream = match (room, interval) {
            (Room::Trades, _) => Stream::Trades,
            (_, Some(interval)) => Stream::Candles(interval),
            _ => Stream::Ticker,
        };
        let instrument = lookup::instrument(self.shared, None, symbol).await?;
        let place = Place {
            room,
            market: Some(instrument.market),
            interval,
        };
        let topics = vec![Topic { instrument, stream }];
        Ok(Meant { place, topics })
    }

    /// A stream of the configuration's own stands under the first of its markets.
    fn raw(&self, name: &str) -> Result<Meant, ApiError> {
        let topics = self.shared.streams.raw(name);
        let topics = topics.filter(|topics| !topics.is_empty()).ok_or_else(|| {
            unknown_room(
                "no raw stream of this name in the configuration; others are told in prices, trades, candles",
            )
        })?;
        let place = Place {
            market: Some(topics[0].instrument.market),
            ..Place::whole(Room::Raw)
        };
        Ok(Meant { place, topics })
    }

    fn check_count(&self, place: &Place) -> Result<(), ApiError> {
        let most = self.shared.limits.symbols_per_client;
        let markets = self.joined.keys().filter_map(|place| place.market);
        let mut markets: Vec<Market> = markets.chain(place.market).collect();
        markets.sort_by_key(|market| market.index());
        markets.dedup();
        // Lengths of candles count, too: each is a stream of its own.
        if markets.len() > most || self.joined.len() >= 4 * most + Room::ALL.len() {
            let why = format!("{most} symbols are joined already, leave some");
            return Err(ApiError::unprocessable("too_many_symbols", why));
        }
        Ok(())
    }
}

/// Rooms that can be joined.
pub fn joinable() -> impl Iterator<Item = &'static str> {
    let rooms = Room::ALL.into_iter();
    rooms.filter(|room| *room != Room::Book).map(Room::name)
}

fn length(text: &str) -> Result<Interval, ApiError> {
    text.parse().map_err(|_| {
        let names: Vec<_> = Interval::ALL.iter().map(|i| i.name()).collect();
        let why = format!("no such interval, there are {}", names.join(", "));
        ApiError::unprocessable("bad_interval", why)
    })
}

fn unknown_room(why: impl Into<std::borrow::Cow<'static, str>>) -> ApiError {
    ApiError::unprocessable("unknown_room", why)
}

/// `data` of `joined` and `left`: the room as it was asked for.
fn answer(room: &str, interval: Option<Interval>) -> String {
    let mut data = b"{\"room\":".to_vec();
    write_json_string(room, &mut data);
    if let Some(interval) = interval {
        data.extend_from_slice(b",\"interval\":");
        write_json_string(interval.name(), &mut data);
    }
    data.push(b'}');
    String::from_utf8(data).expect("made of texts")
}
