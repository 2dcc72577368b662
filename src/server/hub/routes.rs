//! Who has joined which room.

use std::collections::HashMap;
use std::sync::Arc;

use crate::model::{Event, Exchange, Interval, Market, Stream};

use super::super::rooms::Room;
use super::spec::Spec;

/// A room, or what a client wants of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Place {
    /// Which room.
    pub room: Room,
    /// Only this market's; `None`: of all that are served.
    pub market: Option<Market>,
    /// Only candles of this length.
    pub interval: Option<Interval>,
}

impl Place {
    /// All that is told in a room.
    pub fn whole(room: Room) -> Self {
        Self {
            room,
            market: None,
            interval: None,
        }
    }

    fn of(market: Market, stream: Stream) -> Self {
        let room = match stream {
            Stream::Ticker => Room::Prices,
            Stream::Trades => Room::Trades,
            Stream::Candles(_) => Room::Candles,
        };
        Self {
            room,
            market: Some(market),
            interval: stream.interval(),
        }
    }
}

/// Where an event is told.
pub enum Audience {
    /// In a room, and by those who joined a part of it.
    Place(Place),
    /// In `status`, and by everybody whom this exchange, or this market, concerns.
    Concerned(Exchange, Option<Market>),
}

impl Audience {
    /// Of this event.
    pub fn of(event: &Event) -> Self {
        match event {
            Event::Ticker(ticker) => Self::Place(Place::of(ticker.market, Stream::Ticker)),
            Event::Trade(trade) => Self::Place(Place::of(trade.market, Stream::Trades)),
            Event::Candle(candle) => {
                Self::Place(Place::of(candle.market, Stream::Candles(candle.interval)))
            }
            Event::Gap(gap) => Self::Place(Place::of(gap.market, gap.stream)),
            Event::Signal(signal) => Self::Place(Place {
                room: Room::Signals,
                market: Some(signal.market),
                interval: None,
            }),
            Event::Status(status) => Self::Concerned(status.exchange, status.market),
        }
    }
}

/// Somebody who has joined.
#[derive(Debug)]
pub struct Member {
    /// The client's place in the hub's table.
    pub slot: usize,
    /// What of it.
    pub spec: Option<Arc<Spec>>,
}

/// All members of all rooms, by market.
#[derive(Debug, Default)]
pub struct Routes(HashMap<Option<Market>, Vec<(Place, Vec<Member>)>>);

impl Routes {
    /// Joins, or wants something else of it.
    pub fn join(&mut self, place: Place, member: Member) {
        let rooms = self.0.entry(place.market).or_default();
        let at = rooms.iter().position(|(p, _)| *p == place);
        let at = at.unwrap_or_else(|| {
            rooms.push((place, Vec::new()));
            rooms.len() - 1
        });
        let members = &mut rooms[at].1;
        match members.iter_mut().find(|m| m.slot == member.slot) {
            Some(before) => *before = member,
            None => members.push(member),
        }
    }

    /// Leaves.
    pub fn leave(&mut self, place: Place, slot: usize) {
        let Some(rooms) = self.0.get_mut(&place.market) else {
            return;
        };
        for (_, members) in rooms.iter_mut().filter(|(p, _)| *p == place) {
            if let Some(at) = members.iter().position(|m| m.slot == slot) {
                members.swap_remove(at);
            }
        }
        rooms.retain(|(_, members)| !members.is_empty());
        if rooms.is_empty() {
            self.0.remove(&place.market);
        }
    }

    /// Everybody who has to be told, those of the narrowest place first; some more than once.
    pub fn members(&self, audience: &Audience, mut tell: impl FnMut(&Member)) {
        match audience {
            Audience::Place(place) => self.members_of(place, &mut tell),
            Audience::Concerned(exchange, market) => {
                self.concerned(*exchange, *market, &mut tell);
            }
        }
    }

    fn members_of(&self, place: &Place, tell: &mut impl FnMut(&Member)) {
        let own = place.market.is_some().then_some(place.market);
        for market in own.into_iter().chain([None]) {
            let Some(rooms) = self.0.get(&market) else {
                continue;
            };
            let lengths = place.interval.is_some().then_some(place.interval);
            for interval in lengths.into_iter().chain([None]) {
                let of = |p: &Place| p.room == place.room && p.interval == interval;
                let rooms = rooms.iter().filter(|(p, _)| of(p));
                rooms.flat_map(|(_, members)| members).for_each(&mut *tell);
            }
        }
    }

    fn concerned(
        &self,
        exchange: Exchange,
        market: Option<Market>,
        tell: &mut impl FnMut(&Member),
    ) {
        for (of, rooms) in &self.0 {
            let concerned = match (of, market) {
                (None, _) => true,
                (Some(of), Some(market)) => *of == market,
                (Some(of), None) => of.exchange() == exchange,
            };
            if !concerned {
                continue;
            }
            let rooms = rooms
                .iter()
                .filter(|(p, _)| p.room.is_of_symbols() || p.room == Room::Status);
            rooms.flat_map(|(_, members)| members).for_each(&mut *tell);
        }
    }
}
