//! What a script does: each thing, how it is undone, and how it is written.
use super::Time;
use crate::sim::{Cut, Faults, LineFaults, Proxy, Sim, Stream};
use std::{fmt, time::Duration};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Trade(String, usize),
    Quote(String),
    Reset,
    Fin,
    Close(u16),
    Vanish,
    Shutdown,
    Listen(bool),
    Blackhole { up: bool, down: bool },
    Delay(Duration),
    Slice(Option<(usize, Duration)>),
    Drop(u8),
    Duplicate(u8),
    Reorder(u8),
    Mute(String, Option<Stream>),
    Unmute(String, Option<Stream>),
    Rest(Option<Refusal>),
    RestDelay(Duration),
    RestLag(usize),
    Handshake(Option<Refusal>),
    AckDelay(Duration),
    DropAcks(bool),
    FreezeClock(bool),
    Heal,
}

/// An HTTP status in place of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub status: u16,
    /// Seconds.
    pub retry_after: Option<u64>,
}

/// Seconds. `Retry-After` can be that of another refusal at the same time.
const SHARED: u64 = 10;

impl Refusal {
    /// For how long a client leaves the exchange alone after it.
    fn pause(self) -> Duration {
        let own = match self.status {
            429 => 60,
            403 | 418 | 451 => 300,
            _ => 0,
        };
        Duration::from_secs(self.retry_after.map_or(own, |own| own.max(SHARED)))
    }
}

impl Action {
    /// What brings back how it was without this; `None` for what only happens.
    pub fn undo(&self) -> Option<Self> {
        Some(match self {
            Self::Listen(listen) => Self::Listen(!listen),
            Self::Blackhole { .. } => Self::Blackhole {
                up: false,
                down: false,
            },
            Self::Delay(_) => Self::Delay(Duration::ZERO),
            Self::Slice(_) => Self::Slice(None),
            Self::Drop(_) => Self::Drop(0),
            Self::Duplicate(_) => Self::Duplicate(0),
            Self::Reorder(_) => Self::Reorder(0),
            Self::Mute(symbol, stream) => Self::Unmute(symbol.clone(), *stream),
            Self::Unmute(symbol, stream) => Self::Mute(symbol.clone(), *stream),
            Self::Rest(_) => Self::Rest(None),
            Self::RestDelay(_) => Self::RestDelay(Duration::ZERO),
            Self::RestLag(_) => Self::RestLag(0),
            Self::Handshake(_) => Self::Handshake(None),
            Self::AckDelay(_) => Self::AckDelay(Duration::ZERO),
            Self::DropAcks(lost) => Self::DropAcks(!lost),
            Self::FreezeClock(frozen) => Self::FreezeClock(!frozen),
            Self::Trade(..)
            | Self::Quote(_)
            | Self::Reset
            | Self::Fin
            | Self::Close(_)
            | Self::Vanish
            | Self::Shutdown
            | Self::Heal => return None,
        })
    }

    /// Whether REST fails, is late or tells less than there is while this lasts, and for how much longer a
    /// polite client leaves it alone. What happens in a moment costs a request, which can be repeated.
    pub fn hinders_rest(&self) -> Option<Duration> {
        match self {
            Self::Rest(Some(refusal)) => Some(refusal.pause()),
            Self::Listen(false)
            | Self::Blackhole { .. }
            | Self::Delay(_)
            | Self::Slice(_)
            | Self::RestDelay(_)
            | Self::RestLag(_) => Some(Duration::ZERO),
            _ => None,
        }
    }

    pub fn apply(&self, sim: &Sim, proxy: &Proxy) {
        match self.clone() {
            Self::Trade(symbol, n) => {
                sim.trade(&symbol, n);
            }
            Self::Quote(symbol) => sim.move_quote(&symbol),
            Self::Reset => proxy.reset(),
            Self::Fin => proxy.finish(),
            Self::Close(code) => sim.cut_all(Cut::Close(code)),
            Self::Vanish => sim.cut_all(Cut::Vanish),
            Self::Shutdown => sim.announce_shutdown(),
            Self::Listen(listen) => proxy.change(|line| line.refuse = !listen),
            Self::Blackhole { up, down } => proxy.change(|line| {
                line.blackhole_up = up;
                line.blackhole_down = down;
            }),
            Self::Delay(delay) => proxy.change(|line| line.delay = delay),
            Self::Slice(slice) => proxy.change(|line| line.slice = slice),
            Self::Drop(percent) => proxy.change(|line| line.drop_percent = percent),
            Self::Duplicate(percent) => proxy.change(|line| line.duplicate_percent = percent),
            Self::Reorder(percent) => proxy.change(|line| line.reorder_percent = percent),
            Self::Mute(symbol, stream) => proxy.change(|line| {
                line.mute.insert((symbol, stream));
            }),
            Self::Unmute(symbol, stream) => proxy.change(|line| {
                line.mute.remove(&(symbol, stream));
            }),
            Self::Rest(refusal) => {
                let mut faults = sim.faults();
                faults.rest_status = refusal.map(|refusal| (refusal.status, "{}".to_owned()));
                retry_after(&mut faults, refusal);
            }
            Self::RestDelay(delay) => sim.faults().rest_delay = some(delay),
            Self::RestLag(trades) => sim.faults().rest_trades_lag = trades,
            Self::Handshake(refusal) => {
                let mut faults = sim.faults();
                faults.handshake_status = refusal.map(|refusal| refusal.status);
                retry_after(&mut faults, refusal);
            }
            Self::AckDelay(delay) => sim.faults().ack_delay = some(delay),
            Self::DropAcks(lost) => sim.faults().drop_acks = lost,
            Self::FreezeClock(frozen) => sim.faults().freeze_clock = frozen,
            Self::Heal => {
                proxy.change(|line| *line = LineFaults::default());
                *sim.faults() = Faults::default();
            }
        }
    }
}

/// The same goes with both kinds of refusals: one must not take away the other's.
fn retry_after(faults: &mut Faults, refusal: Option<Refusal>) {
    let remains = faults.rest_status.is_some() || faults.handshake_status.is_some();
    let new = refusal.and_then(|refusal| refusal.retry_after);
    faults.retry_after = new.or(faults.retry_after.filter(|_| remains));
}

fn some(delay: Duration) -> Option<Duration> {
    (!delay.is_zero()).then_some(delay)
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Trade(symbol, n) => write!(f, "trade {symbol} {n}"),
            Self::Quote(symbol) => write!(f, "quote {symbol}"),
            Self::Reset => f.write_str("reset"),
            Self::Fin => f.write_str("fin"),
            Self::Close(code) => write!(f, "close {code}"),
            Self::Vanish => f.write_str("vanish"),
            Self::Shutdown => f.write_str("shutdown"),
            Self::Listen(true) => f.write_str("listen"),
            Self::Listen(false) => f.write_str("stop-listening"),
            Self::Blackhole { up, down } => f.write_str(match (up, down) {
                (true, true) => "blackhole both",
                (true, false) => "blackhole up",
                (false, true) => "blackhole down",
                (false, false) => "blackhole off",
            }),
            Self::Delay(delay) => write!(f, "delay {}", Time(*delay)),
            Self::Slice(Some((bytes, pause))) => write!(f, "slice {bytes} {}", Time(*pause)),
            Self::Slice(None) => f.write_str("slice off"),
            Self::Drop(percent) => write!(f, "drop {percent}%"),
            Self::Duplicate(percent) => write!(f, "duplicate {percent}%"),
            Self::Reorder(percent) => write!(f, "reorder {percent}%"),
            Self::Mute(symbol, stream) => write!(f, "mute {symbol}{}", Of(*stream)),
            Self::Unmute(symbol, stream) => write!(f, "unmute {symbol}{}", Of(*stream)),
            Self::Rest(refusal) => write!(f, "rest {}", Status(*refusal)),
            Self::RestDelay(delay) => write!(f, "rest-delay {}", Time(*delay)),
            Self::RestLag(trades) => write!(f, "rest-lag {trades}"),
            Self::Handshake(refusal) => write!(f, "handshake {}", Status(*refusal)),
            Self::AckDelay(delay) => write!(f, "ack-delay {}", Time(*delay)),
            Self::DropAcks(true) => f.write_str("drop-acks"),
            Self::DropAcks(false) => f.write_str("drop-acks off"),
            Self::FreezeClock(true) => f.write_str("freeze-clock"),
            Self::FreezeClock(false) => f.write_str("freeze-clock off"),
            Self::Heal => f.write_str("heal"),
        }
    }
}

/// One stream, or nothing for all of them.
struct Of(Option<Stream>);

impl fmt::Display for Of {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(stream) => write!(f, " {}", stream.word()),
            None => Ok(()),
        }
    }
}

struct Status(Option<Refusal>);

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(refusal) = self.0 else {
            return f.write_str("ok");
        };
        write!(f, "{}", refusal.status)?;
        match refusal.retry_after {
            Some(seconds) => write!(f, " retry-after {seconds}"),
            None => Ok(()),
        }
    }
}
