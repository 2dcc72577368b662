//! From a name to a connected socket.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::net::{TcpSocket, TcpStream, lookup_host};
use tokio::time::{Instant, sleep, timeout};

use super::dial::DialTimes;
use super::error::{ConnectError, Phase, resolver_text};
use super::guard;
use super::target::Target;
use super::webhook_url::refusal;

/// For name resolution.
const DNS_TIMEOUT: Duration = Duration::from_secs(5);
/// For TCP, over all addresses of a host together.
const TCP_TIMEOUT: Duration = Duration::from_secs(5);
/// How long one address may stay silent before the next one is tried beside it.
/// RFC 8305 section 5 recommends 250 ms.
const NEXT_ADDRESS_DELAY: Duration = Duration::from_millis(250);

/// Resolves and connects. Nagle's algorithm is off, keepalive is on.
pub(super) async fn connect(target: &Target) -> Result<(TcpStream, DialTimes), ConnectError> {
    let began = Instant::now();
    let addresses = resolve(target).await?;
    let resolved = Instant::now();
    let host = target.authority();
    match timeout(TCP_TIMEOUT, race(interleave(addresses))).await {
        Ok(Ok(stream)) => {
            let is_name = target.host.parse::<IpAddr>().is_err();
            let times = DialTimes {
                dns: is_name.then(|| resolved - began),
                tcp: Some(resolved.elapsed()),
                ..DialTimes::default()
            };
            // A socket that cannot do this works all the same, only slower.
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(%error, "cannot set TCP_NODELAY");
            }
            Ok((stream, times))
        }
        Ok(Err(error)) => Err(ConnectError::tcp(&host, &error)),
        Err(_) => Err(ConnectError::Timeout {
            host,
            phase: Phase::Connect,
        }),
    }
}

/// All addresses of a host, in the resolver's order; never empty. Of a guarded one every address is allowed:
/// whoever connects to these needs no second, perhaps different, answer.
pub(super) async fn resolve(target: &Target) -> Result<Vec<SocketAddr>, ConnectError> {
    let host = target.authority();
    match timeout(
        DNS_TIMEOUT,
        lookup_host((target.host.as_str(), target.port)),
    )
    .await
    {
        Ok(Ok(found)) => {
            let addresses: Vec<_> = found.collect();
            if addresses.is_empty() {
                return Err(ConnectError::Dns {
                    host,
                    why: "it has no address".into(),
                });
            }
            if target.guarded {
                addresses.iter().try_for_each(|address| {
                    guard::check_address(address.ip()).map_err(|what| ConnectError::Invalid {
                        why: refusal(&address.ip().to_string(), what),
                        what: host.clone(),
                    })
                })?;
            }
            Ok(addresses)
        }
        Ok(Err(error)) => Err(ConnectError::Dns {
            host,
            why: resolver_text(&error),
        }),
        Err(_) => Err(ConnectError::Timeout {
            host,
            phase: Phase::Dns,
        }),
    }
}

/// Alternates the address families, beginning with the one that the resolver put first.
fn interleave(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let first_is_v4 = addresses.first().is_some_and(SocketAddr::is_ipv4);
    let (first, second): (Vec<_>, Vec<_>) = addresses
        .into_iter()
        .partition(|address| address.is_ipv4() == first_is_v4);
    let mut first = first.into_iter();
    let mut second = second.into_iter();
    let mut out = Vec::new();
    loop {
        let pair = (first.next(), second.next());
        if pair == (None, None) {
            return out;
        }
        out.extend(pair.0);
        out.extend(pair.1);
    }
}

/// Happy eyeballs: the first address to answer wins; the rest is dropped.
async fn race(addresses: Vec<SocketAddr>) -> io::Result<TcpStream> {
    let mut waiting = addresses.into_iter();
    let mut running = FuturesUnordered::new();
    let mut reason: Option<io::Error> = None;
    loop {
        if let Some(address) = waiting.next() {
            running.push(connect_one(address));
        } else if running.is_empty() {
            return Err(reason.unwrap_or_else(|| io::ErrorKind::AddrNotAvailable.into()));
        }
        let patience = async {
            if waiting.len() == 0 {
                std::future::pending().await
            } else {
                sleep(NEXT_ADDRESS_DELAY).await
            }
        };
        tokio::select! {
            Some(result) = running.next() => match result {
                Ok(stream) => return Ok(stream),
                // A refusal says more than "network is unreachable" of a family that this machine lacks.
                Err(error) => {
                    let known = reason.as_ref().map(io::Error::kind);
                    if known != Some(io::ErrorKind::ConnectionRefused) {
                        reason = Some(error);
                    }
                }
            },
            () = patience => {}
        }
    }
}

async fn connect_one(address: SocketAddr) -> io::Result<TcpStream> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    // At the system's pace (hours): a net under the pings of the protocols above.
    if let Err(error) = socket.set_keepalive(true) {
        tracing::debug!(%error, "cannot set SO_KEEPALIVE");
    }
    socket.connect(address).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(list: &[&str]) -> Vec<SocketAddr> {
        list.iter().map(|a| a.parse().unwrap()).collect()
    }

    #[test]
    fn address_families_alternate_from_the_resolvers_first_choice() {
        assert_eq!(
            interleave(addresses(&[
                "[::1]:1",
                "[::2]:1",
                "[::3]:1",
                "127.0.0.1:1",
                "127.0.0.2:1"
            ])),
            addresses(&[
                "[::1]:1",
                "127.0.0.1:1",
                "[::2]:1",
                "127.0.0.2:1",
                "[::3]:1"
            ])
        );
        assert_eq!(
            interleave(addresses(&["1.1.1.1:1", "[::1]:1"])),
            addresses(&["1.1.1.1:1", "[::1]:1"])
        );
    }

    #[tokio::test]
    async fn a_refused_address_gives_way_to_the_next_and_a_silent_one_does_too() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let good = listener.local_addr().unwrap();
        let closed = {
            let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            gone.local_addr().unwrap()
        };
        // A listener whose backlog is full answers no further SYN: a blackhole on loopback.
        let silent = TcpSocket::new_v4().unwrap();
        silent.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let silent = silent.listen(0).unwrap();
        let blackhole = silent.local_addr().unwrap();
        let mut fill = Vec::new();
        // Not for ever, should some system never fill up.
        while fill.len() < 64
            && let Ok(Ok(stream)) =
                timeout(Duration::from_millis(200), connect_one(blackhole)).await
        {
            fill.push(stream);
        }

        let stream = timeout(Duration::from_secs(5), race(vec![closed, blackhole, good]))
            .await
            .expect("the good address was tried")
            .unwrap();
        assert_eq!(stream.peer_addr().unwrap(), good);

        let error = race(vec![closed]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    }
}
