//! A line that misbehaves: a proxy between any client and a simulated exchange.
//!
//! It knows enough of HTTP and WebSocket to lose, double, swap and mute single messages with market data on
//! their way to the client. What is below that (bytes late, in pieces, not at all; resets) it does both
//! ways. Handshakes, REST, answers to subscriptions and control frames are never lost singly: a line over
//! TCP does not do that.
mod frames;
mod lane;
mod pipe;
#[cfg(test)]
mod tests;

pub use pipe::Pipe;

use self::lane::{Lane, Way};
use super::{Sim, Stream};
use std::{
    collections::HashSet,
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
    time::sleep,
};

/// Bytes that a pipe holds each way.
const PIPE: usize = 64 * 1024;

/// What is wrong with the line; the default is nothing. Percentages are chances for each message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LineFaults {
    /// New connections are refused.
    pub refuse: bool,
    /// Every byte is so late, each way; a new connection too.
    pub delay: Duration,
    /// Bytes arrive in pieces of so many, with so long between them, each way.
    pub slice: Option<(usize, Duration)>,
    /// Nothing from the client arrives; it is kept, as TCP would send it again.
    pub blackhole_up: bool,
    /// Nothing from the exchange arrives; it is kept.
    pub blackhole_down: bool,
    /// Messages with market data that are lost.
    pub drop_percent: u8,
    /// Messages with market data that come twice.
    pub duplicate_percent: u8,
    /// Messages with market data that come after the next one.
    pub reorder_percent: u8,
    /// Symbols (`BTC/USD`, in any spelling) whose market data is lost: one stream of them, or all.
    pub mute: HashSet<(String, Option<Stream>)>,
}

/// How [`Proxy::reset`] and [`Proxy::finish`] end connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    Reset,
    Finish,
}

/// A proxy; clones share its state. The same seed and traffic give the same faults.
///
/// ```
/// use tickwire::sim::{Proxy, Sim, SimConfig, Venue};
/// use tokio::io::{AsyncReadExt, AsyncWriteExt};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let sim = Sim::new(SimConfig::new(Venue::Coinbase));
/// let proxy = Proxy::new(7);
/// proxy.change(|line| line.slice = Some((3, std::time::Duration::ZERO)));
///
/// let mut client = proxy.connect(&sim).await?;
/// client.write_all(b"GET /time HTTP/1.1\r\nuser-agent: doc\r\nconnection: close\r\n\r\n").await?;
/// let mut answer = String::new();
/// client.read_to_string(&mut answer).await?;
/// assert!(answer.starts_with("HTTP/1.1 200 OK"));
///
/// proxy.change(|line| line.refuse = true);
/// assert!(proxy.connect(&sim).await.is_err());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Proxy(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    seed: u64,
    faults: watch::Sender<LineFaults>,
    endings: watch::Sender<Ending>,
    connections: AtomicU64,
}

impl Proxy {
    /// A line in order.
    pub fn new(seed: u64) -> Self {
        Self(Arc::new(Shared {
            seed,
            faults: watch::Sender::default(),
            // the value counts for those only who saw it change
            endings: watch::Sender::new(Ending::Finish),
            connections: AtomicU64::new(0),
        }))
    }

    /// Changes what is wrong, for open connections too.
    pub fn change(&self, change: impl FnOnce(&mut LineFaults)) {
        self.0.faults.send_modify(change);
    }

    /// What is wrong now.
    pub fn faults(&self) -> LineFaults {
        self.0.faults.borrow().clone()
    }

    /// Connections that were carried so far.
    pub fn connections(&self) -> u64 {
        self.0.connections.load(Ordering::Relaxed)
    }

    /// Resets every open connection (RST). What was on its way is lost.
    pub fn reset(&self) {
        self.0.endings.send_replace(Ending::Reset);
    }

    /// Ends every open connection without a word (FIN). What was on its way is lost.
    pub fn finish(&self) {
        self.0.endings.send_replace(Ending::Finish);
    }

    /// Connects to an exchange over a pipe in memory.
    ///
    /// Waits while there is a black hole, as a TCP connect does until it gives up: how long, is the caller's
    /// choice.
    ///
    /// # Errors
    /// `ConnectionRefused` where the line says so.
    pub async fn connect(&self, sim: &Sim) -> io::Result<Pipe> {
        self.reach().await?;
        let (client, near) = Pipe::pair(PIPE);
        let (far, server) = tokio::io::duplex(PIPE);
        let (proxy, sim) = (self.clone(), sim.clone());
        tokio::spawn(async move { sim.serve(server).await });
        tokio::spawn(async move { proxy.carry(near, far, Pipe::reset).await });
        Ok(client)
    }

    /// Listens on an ephemeral port of 127.0.0.1, in front of an exchange that does so, too.
    ///
    /// # Errors
    /// When no port can be bound, or the exchange has none.
    pub async fn listen(&self, sim: &Sim) -> io::Result<ProxyListener> {
        let upstream = sim.server.address.ok_or(io::ErrorKind::AddrNotAvailable)?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = listener.local_addr()?.port();
        let accepting = tokio::spawn(accept(self.clone(), listener, upstream));
        Ok(ProxyListener {
            port,
            upstream: upstream.port(),
            accepting,
        })
    }

    /// Waits until a new connection comes through.
    async fn reach(&self) -> io::Result<()> {
        let mut faults = self.0.faults.subscribe();
        loop {
            let (refuse, hole, delay) = {
                let line = faults.borrow_and_update();
                let hole = line.blackhole_up || line.blackhole_down;
                (line.refuse, hole, line.delay)
            };
            if hole {
                // the sender is ours: it is not gone
                let _ = faults.changed().await;
                continue;
            }
            if !delay.is_zero() {
                sleep(2 * delay).await;
            }
            return match refuse {
                true => Err(io::ErrorKind::ConnectionRefused.into()),
                false => Ok(()),
            };
        }
    }

    /// Carries one connection until it ends; `reset` makes the coming close of the client's side a reset.
    async fn carry<C, S>(&self, mut client: C, server: S, reset: fn(&C))
    where
        C: AsyncRead + AsyncWrite + Unpin,
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let number = self.0.connections.fetch_add(1, Ordering::Relaxed);
        let mut endings = self.0.endings.subscribe();
        let lane = |way| {
            let rng = fastrand::Rng::with_seed(self.0.seed ^ number.rotate_left(17));
            Lane::new(way, self.0.faults.subscribe(), rng)
        };
        let ended_by = {
            let (client_read, client_write) = tokio::io::split(&mut client);
            let (server_read, server_write) = tokio::io::split(server);
            let up = lane(Way::Up).run(client_read, server_write);
            let down = lane(Way::Down).run(server_read, client_write);
            tokio::select! {
                biased;
                // the sender is ours: it is not gone
                _ = endings.changed() => Some(*endings.borrow()),
                // one broken way breaks the other, too
                _ = async { tokio::try_join!(up, down) } => None,
            }
        };
        if ended_by == Some(Ending::Reset) {
            reset(&client);
        }
    }
}

/// A proxy's port; it stops accepting when this is dropped. Open connections stay.
#[derive(Debug)]
pub struct ProxyListener {
    port: u16,
    upstream: u16,
    accepting: JoinHandle<()>,
}

impl ProxyListener {
    /// The same URL through the proxy: of [`Sim::rest_url`] or [`Sim::ws_url`].
    pub fn url(&self, direct: &str) -> String {
        direct.replace(&format!(":{}", self.upstream), &format!(":{}", self.port))
    }
}

impl Drop for ProxyListener {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(proxy: Proxy, listener: TcpListener, upstream: SocketAddr) {
    loop {
        // a client that gave up while queued is no reason to stop
        let Ok((client, _)) = listener.accept().await else {
            continue;
        };
        let proxy = proxy.clone();
        tokio::spawn(async move {
            let reached = proxy.reach().await;
            match (reached, TcpStream::connect(upstream).await) {
                (Ok(()), Ok(server)) => {
                    // small messages must not wait for each other
                    let _ = (client.set_nodelay(true), server.set_nodelay(true));
                    proxy.carry(client, server, super::reset).await;
                }
                _ => super::reset(&client),
            }
        });
    }
}
