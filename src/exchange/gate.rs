//! Whether the host of an exchange may be asked now: what it said about that, and how much of its limits is
//! left, for all processes of the user.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::Uri;
use tokio::time::{Instant, sleep};

use crate::model::{Clock, SystemClock, Timestamp};
use crate::net::{ConnectError, Recovery};
use crate::store::shared::{Budget, Pause, Permit, Shared, key};

use super::driver::host;
use super::options::LiveOptions;

/// Who refuses a place or a program (403, 451) is not asked again for so long, unless on another way out.
const REFUSED_FOR: Duration = Duration::from_secs(300);
/// A pause that ends so soon is waited for; a longer one is an error, so that whoever asks learns of it.
const SHORTLY: Duration = Duration::from_secs(1);

/// The way to one host, for requests or for connections. Cheap to clone; clones share what they know.
///
/// Pauses (429, 418, and what the exchange says in words) hold for both kinds, refusals (403, 451) for the
/// kind and the way out that met with them. Both outlive the process where there is a shared directory.
#[derive(Clone)]
pub struct Gate(Arc<Inner>);

struct Inner {
    /// For messages.
    host: String,
    /// With the port: whose limits they are.
    address: String,
    clock: Arc<dyn Clock>,
    budget: Option<Budget>,
    /// The same for requests and connections to one host.
    paused: Known,
    refused: Known,
}

/// What this process was told itself: also kept where nothing can be shared.
type Known = Arc<Mutex<Option<Closed>>>;

#[derive(Clone, Copy)]
struct Closed {
    until: Instant,
    status: Option<u16>,
}

/// What is counted: time per unit and units at once, of one kind.
#[derive(Clone, Copy)]
pub enum Allowance {
    /// Over REST, in the exchange's weight.
    Requests(Duration, u32),
    /// Attempts to connect.
    Connections(Duration, u32),
}

impl Gate {
    /// The way to the host of this URL, with what the processes of this user share about it, and with the
    /// pauses of `other` where that leads to the same host.
    pub fn new(
        url: &Uri,
        allowance: Allowance,
        options: &LiveOptions,
        other: Option<&Gate>,
    ) -> Self {
        let (clock, address) = (options.clock.clone(), host_and_port(url));
        let budget = options.shared_directory.as_ref().map(|directory| {
            let shared = Shared::new(directory, clock.clone());
            let budget = match allowance {
                Allowance::Requests(interval, burst) => shared.budget(&address, interval, burst),
                Allowance::Connections(interval, burst) => {
                    shared.connections(&address, interval, burst)
                }
            };
            budget.by_way(way(url, options))
        });
        let other = other.filter(|other| other.0.address == address);
        Self(Arc::new(Inner {
            host: host(url),
            address,
            clock,
            budget,
            paused: other.map_or_else(Known::default, |other| other.0.paused.clone()),
            refused: Known::default(),
        }))
    }

    /// One that knows only what it is told by this process, and counts nothing.
    pub fn alone(host: &str) -> Self {
        Self(Arc::new(Inner {
            host: host.to_owned(),
            address: String::new(),
            clock: Arc::new(SystemClock),
            budget: None,
            paused: Known::default(),
            refused: Known::default(),
        }))
    }

    /// Whether both lead to the same host.
    pub fn is_beside(&self, other: &Gate) -> bool {
        self.0.address == other.0.address
    }

    /// Errors: [`ConnectError::Paused`] where this process knows that nothing may be sent.
    pub fn check(&self) -> Result<(), ConnectError> {
        match self.known() {
            Some(pause) if pause.left > SHORTLY => Err(self.paused(pause)),
            _ => Ok(()),
        }
    }

    /// Waits until something of this cost may be sent, and counts it.
    ///
    /// Errors: [`ConnectError::Paused`], where the host wants to be left alone.
    pub async fn take(&self, cost: u32) -> Result<(), ConnectError> {
        loop {
            let pause = match (self.known(), &self.0.budget) {
                (Some(pause), _) => pause,
                (None, None) => return Ok(()),
                (None, Some(budget)) => match budget.take(cost).await {
                    Permit::Granted | Permit::Unknown => return Ok(()),
                    Permit::Wait(wait) => {
                        sleep(wait).await;
                        continue;
                    }
                    Permit::Paused(pause) => pause,
                },
            };
            if pause.left > SHORTLY {
                return Err(self.paused(pause));
            }
            sleep(pause.left).await;
        }
    }

    /// What was taken did not reach the host.
    pub async fn give_back(&self, cost: u32) {
        if let Some(budget) = &self.0.budget {
            budget.give_back(cost).await;
        }
    }

    /// The host says how much of its limit is left; see [`crate::net::Pacer::hold`].
    pub async fn hold(&self, free: u32, wait: Duration) {
        if let Some(budget) = &self.0.budget {
            budget.hold(free, wait).await;
        }
    }

    /// Nothing is sent for so long.
    pub async fn pause(&self, pause: Duration, status: Option<u16>) {
        extend(&self.0.paused, pause, status);
        if let Some(budget) = &self.0.budget {
            budget.pause(pause, status).await;
        }
    }

    /// Keeps away where an answer with this error asks for it.
    pub async fn heed(&self, error: &ConnectError) {
        let &ConnectError::Http { status, .. } = error else {
            return;
        };
        match (error.recovery(), status) {
            (Recovery::RetryAfter(pause), _) => self.pause(pause, Some(status)).await,
            (Recovery::Fatal, 403 | 451) => {
                extend(&self.0.refused, REFUSED_FOR, Some(status));
                if let Some(budget) = &self.0.budget {
                    budget.refuse(REFUSED_FOR, status).await;
                }
            }
            _ => {}
        }
    }

    /// The longest of what this process was told.
    fn known(&self) -> Option<Pause> {
        let now = Instant::now();
        [&self.0.paused, &self.0.refused]
            .into_iter()
            .filter_map(|known| *known.lock().unwrap_or_else(PoisonError::into_inner))
            .filter(|closed| closed.until > now)
            .max_by_key(|closed| closed.until)
            .map(|closed| Pause {
                left: closed.until - now,
                status: closed.status,
            })
    }

    fn paused(&self, pause: Pause) -> ConnectError {
        let Pause { left, status } = pause;
        ConnectError::Paused {
            host: self.0.host.clone(),
            status,
            until: later(self.0.clock.now(), left),
            left,
        }
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Gate").field(&self.0.host).finish()
    }
}

/// Never shortens what is known.
fn extend(known: &Known, pause: Duration, status: Option<u16>) {
    let until = Instant::now() + pause;
    let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
    if known.is_none_or(|closed| closed.until < until) {
        *known = Some(Closed { until, status });
    }
}

fn later(moment: Timestamp, by: Duration) -> Timestamp {
    moment.plus_nanos(i64::try_from(by.as_nanos()).unwrap_or(i64::MAX))
}

/// What may make an exchange answer otherwise: the proxy, and what goes along with everything that is sent.
fn way(url: &Uri, options: &LiveOptions) -> u64 {
    let proxy = options.proxies.for_url(url);
    let proxy = proxy.map_or(String::new(), |proxy| proxy.to_string());
    let with_each = options.headers.iter().chain(&options.params);
    let with_each = with_each.flat_map(|(name, value)| [name.as_str(), value]);
    key([proxy.as_str()].into_iter().chain(with_each))
}

/// Whose limits they are.
fn host_and_port(url: &Uri) -> String {
    let port = url.port_u16().unwrap_or(match url.scheme_str() {
        Some("http" | "ws") => 80,
        _ => 443,
    });
    format!("{}:{port}", url.host().unwrap_or_default())
}
