//! What one socket of any venue does when something happens.
use super::{
    binance, coinbase,
    config::Venue,
    core::{Core, Event},
    faults::Stream,
    http::Request,
    kraken,
    market::Info,
    outbox::Outbox,
};

/// The shared state and the socket's frames.
pub(super) struct Ctx<'a> {
    pub core: &'a Core,
    pub out: &'a mut Outbox,
}

impl Ctx<'_> {
    pub fn ack(&mut self, text: String) {
        self.out.ack(self.core, text);
    }

    pub fn data(&mut self, text: String) {
        self.out.data(self.core, text);
    }

    /// Whether a fault keeps this pair silent.
    pub fn muted(&self, info: &Info) -> bool {
        let faults = self.core.faults();
        named(&faults.mute_symbols, info) || named(&faults.stall_symbols, info)
    }

    /// A subscription brings a stalled pair back.
    pub fn revive(&self, info: &Info) {
        let stalled = &mut self.core.faults().stall_symbols;
        stalled.remove(&info.canonical);
        stalled.remove(&info.native);
    }

    /// Whether a fault keeps this stream of a pair silent.
    pub fn mutes(&self, info: &Info, stream: Stream) -> bool {
        let faults = self.core.faults();
        // asked for every event, and mostly there is none
        !faults.mute_streams.is_empty()
            && [&info.canonical, &info.native]
                .into_iter()
                .any(|name| faults.mute_streams.contains(&(name.clone(), stream)))
    }

    /// Whether a fault refuses this pair.
    pub fn refused(&self, info: &Info) -> bool {
        let faults = self.core.faults();
        named(&faults.refuse_symbols, info)
    }
}

fn named(set: &std::collections::HashSet<String>, info: &Info) -> bool {
    set.contains(&info.canonical) || set.contains(&info.native)
}

/// The subscriptions of one socket.
pub(super) enum Session {
    Binance(binance::Session),
    Coinbase(coinbase::Session),
    Kraken(kraken::Session),
}

impl Session {
    /// The session for an upgrade request, unless its path is unknown.
    pub fn open(core: &Core, request: &Request) -> Option<Self> {
        match core.venue {
            Venue::Binance => binance::Session::open(core, request).map(Self::Binance),
            Venue::Coinbase => {
                (request.path == "/").then(|| Self::Coinbase(coinbase::Session::default()))
            }
            Venue::Kraken => {
                (request.path == "/v2").then(|| Self::Kraken(kraken::Session::default()))
            }
        }
    }

    pub fn on_open(&mut self, ctx: &mut Ctx<'_>) {
        if let Self::Kraken(session) = self {
            session.on_open(ctx);
        }
    }

    pub fn on_text(&mut self, text: &str, ctx: &mut Ctx<'_>) {
        match self {
            Self::Binance(session) => session.on_text(text, ctx),
            Self::Coinbase(session) => session.on_text(text, ctx),
            Self::Kraken(session) => session.on_text(text, ctx),
        }
    }

    pub fn on_event(&mut self, event: &Event, ctx: &mut Ctx<'_>) {
        if ctx.muted(&event.view.info) {
            return;
        }
        match self {
            Self::Binance(session) => session.on_event(event, ctx),
            Self::Coinbase(session) => session.on_event(event, ctx),
            Self::Kraken(session) => session.on_event(event, ctx),
        }
    }

    /// Once per venue second; `second` counts from 1.
    pub fn on_second(&mut self, second: u64, ctx: &mut Ctx<'_>) {
        match self {
            Self::Binance(session) => session.on_second(second, ctx),
            Self::Coinbase(session) => session.on_second(second, ctx),
            Self::Kraken(session) => session.on_second(ctx),
        }
    }

    /// When (venue's time, ns) [`Session::on_clock`] next has something to do.
    pub fn due_ns(&self) -> Option<i64> {
        match self {
            Self::Binance(session) => session.due_ns(),
            Self::Coinbase(_) | Self::Kraken(_) => None,
        }
    }

    /// The venue's clock went on.
    pub fn on_clock(&mut self, ctx: &mut Ctx<'_>) {
        if let Self::Binance(session) = self {
            session.on_clock(ctx);
        }
    }

    /// The venue announces that it will close the connection.
    pub fn on_shutdown(&mut self, ctx: &mut Ctx<'_>) {
        if let Self::Binance(session) = self {
            session.on_shutdown(ctx);
        }
    }

    /// The venue tells the state of its system, which has changed.
    pub fn on_system(&mut self, ctx: &mut Ctx<'_>) {
        if let Self::Kraken(session) = self {
            session.on_open(ctx);
        }
    }
}
