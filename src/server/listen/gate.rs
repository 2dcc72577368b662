//! How many connections there may be: in all, of one address, and of those that have not said anything yet.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

use crate::config::Limits;
use crate::server::guard::machine;

/// Connections whose first request has not come. One more lets the one go that has waited longest: an honest client
/// speaks at once.
const QUIET: usize = 100;

/// Those turned away that are told why at one time; the others are closed without a word.
const GOODBYES: usize = 64;

/// Counts connections.
#[derive(Clone)]
pub(super) struct Gate {
    seats: Arc<Semaphore>,
    per_address: usize,
    addresses: Arc<Mutex<HashMap<IpAddr, usize>>>,
    quiet: Arc<Mutex<Quiet>>,
    goodbyes: Arc<Semaphore>,
    tracker: TaskTracker,
}

/// Why there is no seat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    Full,
    FullForAddress,
}

impl Refused {
    /// The whole answer, made without looking at the request.
    pub fn answer(self) -> String {
        let message = match self {
            Self::Full => "too many clients are connected",
            Self::FullForAddress => "too many connections from this address",
        };
        let body = format!("{{\"error\":{{\"code\":\"unavailable\",\"message\":\"{message}\"}}}}");
        format!(
            "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\ncontent-length: {}\r\nretry-after: 5\r\ncache-control: no-store\r\nx-content-type-options: nosniff\r\nconnection: close\r\n\r\n{body}",
            body.len()
        )
    }
}

impl Gate {
    pub fn new(limits: &Limits) -> Self {
        let seats = limits.clients.clamp(1, Semaphore::MAX_PERMITS);
        Self {
            seats: Arc::new(Semaphore::new(seats)),
            per_address: limits.clients_per_address,
            addresses: Arc::default(),
            quiet: Arc::default(),
            goodbyes: Arc::new(Semaphore::new(GOODBYES)),
            tracker: TaskTracker::new(),
        }
    }

    /// A seat, kept until it is dropped. Loopback has no limit of its own.
    pub fn enter(&self, address: IpAddr) -> Result<Seat, Refused> {
        let permit = self.seats.clone().try_acquire_owned();
        let permit = permit.map_err(|_| Refused::Full)?;
        let machine = machine(address);
        let is_loopback = address.to_canonical().is_loopback();
        let counted = (!is_loopback).then(|| self.count(machine)).transpose()?;
        Ok(Seat {
            _permit: permit,
            _counted: counted,
            _token: self.tracker.token(),
        })
    }

    fn count(&self, machine: IpAddr) -> Result<Counted, Refused> {
        let mut addresses = lock(&self.addresses);
        let count = addresses.entry(machine).or_insert(0);
        if *count >= self.per_address {
            return Err(Refused::FullForAddress);
        }
        *count += 1;
        Ok(Counted {
            machine,
            addresses: self.addresses.clone(),
        })
    }

    /// A new connection, quiet so far.
    pub fn wait_for_head(&self) -> Waiting {
        let evicted = CancellationToken::new();
        let mut quiet = lock(&self.quiet);
        let number = quiet.next;
        quiet.next += 1;
        quiet.waiting.insert(number, evicted.clone());
        if quiet.waiting.len() > QUIET
            && let Some((_, longest)) = quiet.waiting.pop_first()
        {
            longest.cancel();
        }
        Waiting(Spoken {
            number,
            evicted,
            quiet: self.quiet.clone(),
        })
    }

    /// Whether one that is turned away can be told so.
    pub fn may_say_goodbye(&self) -> Option<OwnedSemaphorePermit> {
        self.goodbyes.clone().try_acquire_owned().ok()
    }

    pub fn spawn(&self, connection: impl Future<Output = ()> + Send + 'static) {
        self.tracker.spawn(connection);
    }

    /// Ends when no seat is taken.
    pub async fn all_left(&self) {
        self.tracker.close();
        self.tracker.wait().await;
    }
}

/// A connection's right to be there.
pub(super) struct Seat {
    _permit: OwnedSemaphorePermit,
    _counted: Option<Counted>,
    _token: TaskTrackerToken,
}

struct Counted {
    machine: IpAddr,
    addresses: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut addresses = lock(&self.addresses);
        if let Some(count) = addresses.get_mut(&self.machine) {
            *count -= 1;
            if *count == 0 {
                addresses.remove(&self.machine);
            }
        }
    }
}

#[derive(Default)]
struct Quiet {
    /// By age.
    waiting: BTreeMap<u64, CancellationToken>,
    next: u64,
}

/// A connection that has not said anything.
pub(super) struct Waiting(Spoken);

impl Waiting {
    /// Cancelled when it has to go.
    pub fn evicted(&self) -> CancellationToken {
        self.0.evicted.clone()
    }

    /// For the one who hears it.
    pub fn spoken(self) -> Spoken {
        self.0
    }
}

/// Ends the waiting: when something was said, or when the connection is gone.
pub(super) struct Spoken {
    number: u64,
    evicted: CancellationToken,
    quiet: Arc<Mutex<Quiet>>,
}

impl Spoken {
    /// The first request has come.
    pub fn say(&self) {
        lock(&self.quiet).waiting.remove(&self.number);
    }
}

impl Drop for Spoken {
    fn drop(&mut self) {
        self.say();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate(clients: usize, per_address: usize) -> Gate {
        Gate::new(&Limits {
            clients,
            clients_per_address: per_address,
            ..Limits::default()
        })
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn seats_are_free_again_when_they_are_left() {
        let gate = gate(2, 50);
        let here = address("127.0.0.1");
        let first = gate.enter(here).ok();
        let _second = gate.enter(here).ok().unwrap();
        assert_eq!(gate.enter(here).err(), Some(Refused::Full));
        drop(first);
        assert!(gate.enter(here).is_ok());
    }

    #[test]
    fn one_address_gets_its_share_and_loopback_all_of_it() {
        let gate = gate(10, 1);
        let _loopback = [gate.enter(address("127.0.0.1")), gate.enter(address("::1"))];
        let there = gate.enter(address("2001:db8::1"));
        let neighbour = address("2001:db8::2");
        assert_eq!(gate.enter(neighbour).err(), Some(Refused::FullForAddress));
        assert!(gate.enter(address("192.0.2.1")).is_ok());
        drop(there);
        assert!(gate.enter(neighbour).is_ok());
        assert!(lock(&gate.addresses).is_empty());
    }

    #[test]
    fn the_one_that_has_been_quiet_longest_goes_first() {
        let gate = gate(1_000, 50);
        let mut all: Vec<_> = (0..QUIET).map(|_| gate.wait_for_head()).collect();
        let longest = all[0].evicted();
        let next = all[1].evicted();
        all.push(gate.wait_for_head());
        assert!(longest.is_cancelled() && !next.is_cancelled());
        // One that speaks makes room, and so does one that is gone.
        all.remove(1).spoken().say();
        drop(all.remove(1));
        let third = all[1].evicted();
        all.extend((0..2).map(|_| gate.wait_for_head()));
        assert!(!third.is_cancelled());
        all.push(gate.wait_for_head());
        assert!(third.is_cancelled());
    }

    #[test]
    fn the_answer_to_those_who_find_no_seat_is_whole() {
        for refused in [Refused::Full, Refused::FullForAddress] {
            let answer = refused.answer();
            let (head, body) = answer.split_once("\r\n\r\n").unwrap();
            assert!(head.contains("retry-after: 5"));
            assert!(head.contains(&format!("content-length: {}", body.len())));
        }
    }
}
