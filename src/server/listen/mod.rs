//! Listens, and serves connections within their limits.
//!
//! One loop per listener, and one task per connection. Whoever connects and says nothing is let go first when there are
//! too many of that kind, so that they never stand in the way of those who speak.

mod gate;
mod socket;

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::pin;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use self::gate::{Gate, Refused, Seat};
use self::socket::Socket;
use super::guard::Caller;
use super::state::Ref;

/// How long the head of a request may take, and how long a connection may do nothing between requests.
const HEAD_DEADLINE: Duration = Duration::from_secs(5);

/// The longest head of a request, in bytes, and the most headers in it.
const HEAD: usize = 16 * 1024;
const HEADERS: usize = 64;

/// How long connections may go on once the server stops.
const DRAIN: Duration = Duration::from_secs(5);

/// How long to wait where no connection can be taken for want of files or memory.
const EXHAUSTED: Duration = Duration::from_millis(100);

/// How long those who are turned away are listened to: a connection that is closed on unread data loses the answer.
const FAREWELL: Duration = Duration::from_secs(1);

/// Listens there. `localhost` is 127.0.0.1 and, where there is IPv6, `[::1]` on the same port. Port 0 takes a free one.
///
/// Errors: the name is not known, the port is in use or not allowed.
pub async fn bind(host: &str, port: u16) -> io::Result<Vec<TcpListener>> {
    if !host.eq_ignore_ascii_case("localhost") {
        let host = host.trim_matches(['[', ']']);
        return Ok(vec![TcpListener::bind((host, port)).await?]);
    }
    let first = TcpListener::bind((IpAddr::V4(Ipv4Addr::LOCALHOST), port)).await?;
    let port = first.local_addr()?.port();
    match TcpListener::bind((IpAddr::V6(Ipv6Addr::LOCALHOST), port)).await {
        Ok(second) => Ok(vec![first, second]),
        // Somebody else's, who would get what is meant for this server.
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Err(error),
        Err(_) => Ok(vec![first]),
    }
}

/// Lets this process have so many files and sockets open, as far as the system allows. The usual 1,024 is less than the
/// clients that a server may have, and a feed that finds none left cannot connect again.
pub fn allow_open_files(wanted: u64) {
    let limit = getrlimit(Resource::Nofile);
    let most = limit.maximum.map_or(wanted, |maximum| maximum.min(wanted));
    if limit.current.is_some_and(|current| current < most) {
        let current = Some(most);
        // Where it cannot be had the server takes fewer clients.
        let _ = setrlimit(Resource::Nofile, Rlimit { current, ..limit });
    }
}

/// Serves until `shutdown`, then lets connections end what they are at, for 5 s at most.
///
/// Connections that became WebSockets are counted as long as they are open, and are closed by those who serve them.
pub async fn run(
    listeners: Vec<TcpListener>,
    shared: Ref,
    app: Router,
    shutdown: CancellationToken,
) {
    let server = Server {
        gate: Gate::new(&shared.limits),
        app,
        shutdown,
        abort: CancellationToken::new(),
    };
    let loops = listeners
        .into_iter()
        .map(|listener| server.accept(listener));
    futures_util::future::join_all(loops).await;
    let ended = server.gate.all_left();
    if tokio::time::timeout(DRAIN, ended).await.is_err() {
        server.abort.cancel();
    }
}

#[derive(Clone)]
struct Server {
    gate: Gate,
    app: Router,
    shutdown: CancellationToken,
    /// Connections end at once.
    abort: CancellationToken,
}

impl Server {
    async fn accept(&self, listener: TcpListener) {
        loop {
            let accepted = tokio::select! {
                biased;
                () = self.shutdown.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => self.admit(stream, peer),
                Err(error) if is_of_the_peer(&error) => {}
                Err(_) => tokio::time::sleep(EXHAUSTED).await,
            }
        }
    }

    fn admit(&self, stream: TcpStream, peer: SocketAddr) {
        match self.gate.enter(peer.ip()) {
            Ok(seat) => {
                let server = self.clone();
                self.gate
                    .spawn(async move { server.serve(stream, peer, seat).await });
            }
            Err(refused) => self.turn_away(stream, refused),
        }
    }

    fn turn_away(&self, mut stream: TcpStream, refused: Refused) {
        let Some(place) = self.gate.may_say_goodbye() else {
            return;
        };
        tokio::spawn(async move {
            let _place = place;
            let goodbye = async {
                stream.write_all(refused.answer().as_bytes()).await?;
                stream.shutdown().await?;
                let mut ignored = [0; 1_024];
                while stream.read(&mut ignored).await? > 0 {}
                io::Result::Ok(())
            };
            // Whether it was heard makes no difference.
            let _ = tokio::time::timeout(FAREWELL, goodbye).await;
        });
    }

    async fn serve(&self, stream: TcpStream, peer: SocketAddr, seat: Seat) {
        // Without it small answers wait for the acknowledgement of the ones before.
        let _ = stream.set_nodelay(true);
        let Ok(local) = stream.local_addr() else {
            return;
        };
        let caller = Caller { peer, local };
        let quiet = self.gate.wait_for_head();
        let (evicted, spoken) = (quiet.evicted(), quiet.spoken());
        let app = self.app.clone();
        let service = service_fn(move |mut request: Request<Incoming>| {
            spoken.say();
            request.extensions_mut().insert(caller);
            app.clone().oneshot(request.map(Body::new))
        });
        let io = TokioIo::new(Socket::new(stream, seat));
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_DEADLINE)
            .max_header_size(HEAD)
            .max_headers(HEADERS)
            .serve_connection(io, service)
            .with_upgrades();
        let mut connection = pin!(connection);
        tokio::select! {
            // How it ended is the client's affair: it broke off, or sent what is not HTTP.
            _ = connection.as_mut() => return,
            () = evicted.cancelled() => return,
            () = self.shutdown.cancelled() => connection.as_mut().graceful_shutdown(),
        }
        tokio::select! {
            _ = connection => {}
            () = self.abort.cancelled() => {}
        }
    }
}

/// It was gone before it was taken: nothing is wrong here.
fn is_of_the_peer(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}
