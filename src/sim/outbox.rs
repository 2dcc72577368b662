//! Frames waiting to be sent on one socket, and the faults applied to them.
use super::{
    core::Core,
    market::{Info, Tick},
};
use bytes::Bytes;
use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::{
    Message,
    protocol::frame::{
        Frame,
        coding::{Data, OpCode},
    },
};

const BIG_FRAME: usize = 2 * 1024 * 1024;

#[derive(Default)]
pub(super) struct Outbox {
    pub frames: VecDeque<Message>,
    /// Set when the venue ends the connection.
    pub closing: Option<(u16, String)>,
    /// Whether any text went out since the last venue second.
    pub spoke: bool,
    delayed: Vec<(Instant, String)>,
    held: Vec<String>,
    held_until: Option<Instant>,
    data_frames: u64,
    garbage_sent: usize,
    swapped: HashMap<String, Tick>,
}

impl Outbox {
    /// A frame no fault touches: heartbeats, status, replies to pings.
    pub fn plain(&mut self, text: String) {
        self.spoke = true;
        self.frames.push_back(Message::text(text));
    }

    /// The reply to a subscribe or unsubscribe message.
    pub fn ack(&mut self, core: &Core, text: String) {
        let faults = core.faults();
        let (delay, drop) = (faults.ack_delay, faults.drop_acks);
        let out_of_order = faults.acks_out_of_order;
        std::mem::drop(faults);
        if drop {
            return;
        }
        if let Some(delay) = delay {
            self.delayed.push((Instant::now() + delay, text));
        } else if out_of_order {
            self.held.push(text);
            self.held_until
                .get_or_insert_with(|| Instant::now() + core.second / 2);
        } else {
            self.plain(text);
        }
    }

    /// A message with market data.
    pub fn data(&mut self, core: &Core, text: String) {
        let mut faults = core.faults();
        let big = std::mem::take(&mut faults.big_frame);
        let (every, extra_keys) = (faults.garbage_every, faults.extra_keys);
        std::mem::drop(faults);
        if big {
            self.frames.push_back(Message::text("x".repeat(BIG_FRAME)));
        }
        self.data_frames += 1;
        if every > 0 && self.data_frames.is_multiple_of(every) {
            self.frames.push_back(garbage(self.garbage_sent, &text));
            self.garbage_sent += 1;
        }
        self.plain(if extra_keys {
            with_extra_keys(&text)
        } else {
            text
        });
    }

    /// What the trade faults leave of `ticks`, in the order to send.
    pub fn mangle(&mut self, core: &Core, info: &Info, ticks: &[Tick]) -> Vec<Tick> {
        let faults = core.faults();
        let hit = |every: u64, tick: &Tick| every > 0 && tick.trade.id.is_multiple_of(every);
        let mut sent = Vec::with_capacity(ticks.len());
        for tick in ticks {
            if hit(faults.drop_trades_every, tick) {
                continue;
            }
            let late = self.swapped.remove(&info.native);
            if late.is_none() && hit(faults.swap_every, tick) {
                self.swapped.insert(info.native.clone(), *tick);
                continue;
            }
            sent.push(*tick);
            if hit(faults.duplicate_every, tick) {
                sent.push(*tick);
            }
            sent.extend(late);
        }
        sent
    }

    /// Ends the connection after what is queued.
    pub fn close(&mut self, code: u16, reason: &str) {
        self.closing.get_or_insert((code, reason.to_owned()));
    }

    /// When [`Outbox::release`] next has something to do.
    pub fn due(&self) -> Option<Instant> {
        let delayed = self.delayed.iter().map(|(at, _)| *at);
        delayed.chain(self.held_until).min()
    }

    /// Queues the replies whose time has come.
    pub fn release(&mut self) {
        let now = Instant::now();
        for (_, text) in self
            .delayed
            .extract_if(.., |(at, _)| *at <= now)
            .collect::<Vec<_>>()
        {
            self.plain(text);
        }
        if self.held_until.is_some_and(|at| at <= now) {
            self.held_until = None;
            while let Some(text) = self.held.pop() {
                self.plain(text);
            }
        }
    }
}

/// The `index`th kind of bad frame; some are made from the good frame that follows.
fn garbage(index: usize, good: &str) -> Message {
    match index % 9 {
        0 => Message::text("{\"e\":\"trade\",,]"),
        1 => Message::text(
            good.chars()
                .take(good.chars().count() / 2)
                .collect::<String>(),
        ),
        2 => Message::text(
            "{\"e\":\"zzUnknown\",\"type\":\"zz_unknown\",\"channel\":\"zz_unknown\",\"data\":[]}",
        ),
        3 => Message::text("{\"zz_new_key\":{\"a\":[1,null,\"x\"]},\"zz_other\":true}"),
        4 => Message::binary(Bytes::from_static(&[0x00, 0xff, 0x7b, 0x22, 0x80])),
        5 => Message::text(wrong_types(good)),
        6 => Message::text(format!("{}{}", "[".repeat(5000), "]".repeat(5000))),
        7 => Message::text(""),
        _ => {
            let bytes = Bytes::from_static(b"{\"e\":\"\xff\xfe\xc3\x28\"}");
            Message::Frame(Frame::message(bytes, OpCode::Data(Data::Text), true))
        }
    }
}

/// The same message with prices, sizes and ids turned into objects.
fn wrong_types(good: &str) -> String {
    let mut text = good.to_owned();
    for key in [
        "p", "c", "b", "price", "qty", "size", "bid", "last", "trade_id", "t",
    ] {
        let pattern = format!("\"{key}\":");
        text = text.replace(&pattern, &format!("{pattern}{{\"zz\":1}},\"zz_{key}\":"));
    }
    text
}

/// Adds unknown members at the top and in the payload.
fn with_extra_keys(text: &str) -> String {
    const EXTRA: &str = "\"zz_new_key\":{\"a\":[1,null,\"x\"],\"b\":1.5e-7},";
    let inner = text
        .replacen("\"data\":{", &format!("\"data\":{{{EXTRA}"), 1)
        .replacen("\"data\":[{", &format!("\"data\":[{{{EXTRA}"), 1);
    inner.replacen('{', &format!("{{{EXTRA}"), 1)
}

/// How long a client may leave a ping unanswered.
pub(super) struct PongDeadline {
    since: Option<Instant>,
    sent: u64,
}

impl PongDeadline {
    pub fn new() -> Self {
        Self {
            since: None,
            sent: 0,
        }
    }

    /// The next ping; its payload must come back.
    pub fn ping(&mut self) -> Message {
        self.sent += 1;
        self.since.get_or_insert_with(Instant::now);
        Message::Ping(Bytes::from(self.sent.to_string()))
    }

    /// Whether this pong answers a ping that was sent; unsolicited pongs do not count.
    pub fn pong(&mut self, payload: &[u8]) {
        let number = std::str::from_utf8(payload)
            .ok()
            .and_then(|text| text.parse().ok());
        if number.is_some_and(|number: u64| number > 0 && number <= self.sent) {
            self.since = None;
        }
    }

    pub fn missed(&self, limit: Duration) -> bool {
        self.since.is_some_and(|since| since.elapsed() > limit)
    }
}
