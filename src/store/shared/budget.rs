//! How often one host may be asked by all processes together, and whether at all.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::time::Duration;

use crate::model::Timestamp;

use super::budget_state::{Bucket, State};
use super::{SHORTLY, Shared, key};

/// More than a state has.
const FILE_MAX: u64 = 1_024;

/// The budget of one host, for requests or for connections: the same rate limit as [`crate::net::Pacer`],
/// kept in a file. What the host said about being asked is kept along with it, and holds for both.
#[derive(Clone)]
pub struct Budget {
    shared: Shared,
    name: String,
    bucket: Bucket,
    /// Of the way out.
    way: u64,
}

/// Whether a request may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permit {
    /// It may, and is counted.
    Granted,
    /// Not now: ask again after this.
    Wait(Duration),
    /// The host wants to be left alone.
    Paused(Pause),
    /// There is no shared budget to be had.
    Unknown,
}

/// A time in which nothing is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pause {
    /// How much of it is left.
    pub left: Duration,
    /// The HTTP status by which the host asked for it; `None`: in another way.
    pub status: Option<u16>,
}

impl Shared {
    /// The budget of requests to `host` (with its port). `interval`: time per unit of cost; `burst`: at least 1.
    pub fn budget(&self, host: &str, interval: Duration, burst: u32) -> Budget {
        self.of(host, Bucket::requests(interval, burst))
    }

    /// The budget of connections to `host` (with its port), apart from that of requests.
    pub fn connections(&self, host: &str, interval: Duration, burst: u32) -> Budget {
        self.of(host, Bucket::connections(interval, burst))
    }

    fn of(&self, host: &str, bucket: Bucket) -> Budget {
        Budget {
            shared: self.clone(),
            name: format!("budget-{:016x}", key([host])),
            bucket,
            way: 0,
        }
    }
}

impl Budget {
    /// The same, for those who go this way out (a [`key`] of the proxy and the like): a refusal holds for
    /// them alone.
    pub fn by_way(self, way: u64) -> Self {
        Self { way, ..self }
    }

    /// Takes `cost` units if they are there.
    pub async fn take(&self, cost: u32) -> Permit {
        let take = |state: &mut State, now| {
            if let Some(pause) = state.pause(now, self.bucket.lane, self.way) {
                return Permit::Paused(pause);
            }
            match state.take(now, &self.bucket, cost) {
                Ok(()) => Permit::Granted,
                Err(wait) => Permit::Wait(wait),
            }
        };
        self.change(take).await.unwrap_or(Permit::Unknown)
    }

    /// Takes back what was granted for a request that never reached the host: where there is no way to it,
    /// those who try must not make each other wait.
    pub async fn give_back(&self, cost: u32) {
        let give_back = |state: &mut State, _| state.give_back(&self.bucket, cost);
        self.change(give_back).await;
    }

    /// The host says how much of its limit is left; see [`crate::net::Pacer::hold`].
    pub async fn hold(&self, free: u32, wait: Duration) {
        let hold = |state: &mut State, now| state.hold(now, &self.bucket, free, wait);
        self.change(hold).await;
    }

    /// Nothing is sent to the host for so long, neither requests nor connections. Never shortens a pause.
    /// `status`: the HTTP status by which it asked for that.
    pub async fn pause(&self, pause: Duration, status: Option<u16>) {
        self.change(|state, now| state.pause_for(now, pause, status))
            .await;
    }

    /// The host refuses to serve us on this way: nothing of this kind is sent on it for so long.
    pub async fn refuse(&self, pause: Duration, status: u16) {
        self.change(|state, now| state.refuse(now, self.bucket.lane, self.way, pause, status))
            .await;
    }

    /// Reads, changes and writes the state; the lock is held no longer than that takes.
    async fn change<T>(&self, change: impl FnOnce(&mut State, i64) -> T) -> Option<T> {
        let mut file = self.shared.locked(&self.name, SHORTLY).await?;
        // After the lock was had: else another's state may look as if it came from the future.
        let now = self.shared.clock.now();
        let changed = change_file(&mut file, now, change);
        if let Err(error) = &changed {
            tracing::debug!(name = self.name, %error, "a budget cannot be kept");
        }
        changed.ok()
    }
}

fn change_file<T>(
    file: &mut File,
    now: Timestamp,
    change: impl FnOnce(&mut State, i64) -> T,
) -> io::Result<T> {
    let now = now.nanos();
    let mut bytes = Vec::new();
    file.take(FILE_MAX).read_to_end(&mut bytes)?;
    let mut state = State::parse(&bytes).unwrap_or_default().seen_at(now);
    let changed = change(&mut state, now);
    let text = state.to_text(now);
    file.rewind()?;
    file.write_all(text.as_bytes())?;
    file.set_len(text.len() as u64)?;
    Ok(changed)
}
