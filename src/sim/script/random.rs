//! Scripts that nobody would think of.
use super::{
    Line, Script, When,
    action::{Action, Refusal},
};
use crate::sim::Stream;
use std::time::Duration;

/// What a random script may do.
#[derive(Clone, Debug)]
pub struct ScriptLimits {
    /// Canonical symbols to trade in.
    pub symbols: Vec<String>,
    /// Until everything is well again.
    pub length: Duration,
    /// The most things that go wrong.
    pub troubles: usize,
}

pub(super) fn script(seed: u64, limits: &ScriptLimits) -> Script {
    let mut rng = fastrand::Rng::with_seed(seed);
    let length = whole_millis(limits.length);
    let mut lines: Vec<Line> = limits
        .symbols
        .iter()
        .map(|symbol| Line {
            when: When::Every {
                period: Duration::from_millis(rng.u64(50..2_000)),
                within: None,
            },
            action: Action::Trade(symbol.clone(), rng.usize(1..=6)),
        })
        .collect();
    for _ in 0..rng.usize(1..=limits.troubles.max(1)) {
        lines.extend(trouble(&mut rng, limits, length));
    }
    lines.push(Line {
        when: When::At(Duration::from_millis(length)),
        action: Action::Heal,
    });
    Script { lines }
}

fn trouble(rng: &mut fastrand::Rng, limits: &ScriptLimits, length: u64) -> Vec<Line> {
    let at = rng.u64(0..length.max(1));
    let millis = Duration::from_millis;
    let action = match rng.u8(0..25) {
        0 | 1 => Action::Reset,
        2 => Action::Fin,
        3 => Action::Close(*pick(rng, &[1000, 1001, 1008, 1011, 1012, 1013, 4000])),
        4 => Action::Vanish,
        5 => Action::Listen(false),
        6 => {
            let (up, down) = *pick(rng, &[(true, false), (false, true), (true, true)]);
            Action::Blackhole { up, down }
        }
        7 => Action::Delay(millis(rng.u64(1..1_500))),
        8 => Action::Slice(Some((rng.usize(1..200), millis(rng.u64(0..3))))),
        9 | 10 => Action::Drop(rng.u8(1..40)),
        11 => Action::Duplicate(rng.u8(1..60)),
        12 | 13 => Action::Reorder(rng.u8(1..60)),
        14 => Action::Mute(
            pick(rng, &limits.symbols).clone(),
            *pick(rng, &[None, Some(Stream::Trades), Some(Stream::Ticker)]),
        ),
        15 => Action::Rest(Some(refusal(rng))),
        16 => Action::RestDelay(millis(rng.u64(1..4_000))),
        17 => Action::RestLag(rng.usize(1..30)),
        18 => Action::Handshake(Some(refusal(rng))),
        19 => Action::FreezeClock(true),
        20 => Action::Shutdown,
        21 => Action::DropAcks(true),
        // for a client the end of sockets: it stays away for longer than any script is
        22 => Action::Handshake(Some(Refusal {
            status: *pick(rng, &[403, 451]),
            retry_after: None,
        })),
        23 => return restart(rng, at, length),
        _ => Action::AckDelay(millis(rng.u64(1..3_000))),
    };
    let when = match action.undo() {
        // so long that what watches over the line has to act, or so short that it must not
        Some(_) => {
            let span = *pick(rng, &[1_000, 5_000, 20_000]);
            let to = (at + rng.u64(1..span)).min(length);
            When::FromTo(millis(at), millis(to))
        }
        None if rng.u8(0..4) == 0 => When::Every {
            period: millis(rng.u64(1_000..10_000)),
            within: Some((millis(at), millis((at + 20_000).min(length)))),
        },
        None => When::At(millis(at)),
    };
    vec![Line { when, action }]
}

/// The exchange goes, and comes back.
fn restart(rng: &mut fastrand::Rng, at: u64, length: u64) -> Vec<Line> {
    let millis = Duration::from_millis;
    let back = (at + rng.u64(1..10_000)).min(length);
    let ending = pick(rng, &[Action::Reset, Action::Fin, Action::Close(1012)]).clone();
    vec![
        Line {
            when: When::FromTo(millis(at), millis(back)),
            action: Action::Listen(false),
        },
        Line {
            when: When::At(millis(at)),
            action: ending,
        },
    ]
}

/// Not those that a client takes for final.
fn refusal(rng: &mut fastrand::Rng) -> Refusal {
    let status = *pick(rng, &[429, 500, 502, 503]);
    Refusal {
        status,
        retry_after: (status == 429 || rng.bool()).then(|| rng.u64(1..8)),
    }
}

fn pick<'a, T>(rng: &mut fastrand::Rng, of: &'a [T]) -> &'a T {
    &of[rng.usize(0..of.len())]
}

fn whole_millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
