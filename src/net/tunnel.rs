//! Through a proxy: HTTP CONNECT and SOCKS5.

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, timeout};
use tokio_socks::TargetAddr;
use tokio_socks::tcp::Socks5Stream;

use super::USER_AGENT;
use super::dial::{BoxStream, DialTimes};
use super::error::{ConnectError, Phase, one_line, plain_text};
use super::proxy::{Proxy, ProxyScheme};
use super::target::Target;
use super::tls::Tls;
use super::{dial, tcp};

/// For the proxy's answer: it resolves and connects by itself, each of which may take five seconds.
const PROXY_TIMEOUT: Duration = Duration::from_secs(10);
/// The longest reply head to CONNECT.
const HEAD_MAX: usize = 16 * 1024;
/// The most header lines in it.
const HEADERS_MAX: usize = 100;

/// Opens a connection to `target` through `proxy`. Every failure of the proxy names the proxy.
pub(super) async fn connect(
    proxy: &Proxy,
    target: &Target,
    tls: &Tls,
) -> Result<(BoxStream, DialTimes), ConnectError> {
    let door = Target {
        host: proxy.host().to_owned(),
        port: proxy.port(),
        tls: proxy.scheme() == ProxyScheme::Https,
        // The proxy's address comes from the user alone.
        guarded: false,
    };
    let (tcp, times) = tcp::connect(&door).await.map_err(|error| {
        let why = match error {
            ConnectError::Dns { why, .. } => format!("cannot resolve the name: {why}"),
            ConnectError::Refused { .. } => "connection refused".into(),
            ConnectError::Timeout { phase, .. } => format!("{phase} timed out"),
            ConnectError::Tcp { why, .. } => why,
            other => other.to_string(),
        };
        failure(proxy, target, why)
    })?;
    let connected = Instant::now();
    let handshake = async {
        match proxy.scheme() {
            ProxyScheme::Http => http_connect(tcp, proxy, target).await,
            ProxyScheme::Https => {
                // A certificate failure here is about the proxy, and says so by its host.
                let stream = dial::tls_connect(tcp, &door, tls).await?;
                http_connect(stream, proxy, target).await
            }
            ProxyScheme::Socks5 | ProxyScheme::Socks5h => socks5(tcp, proxy, target).await,
        }
    };
    let tunnel = timeout(PROXY_TIMEOUT, handshake)
        .await
        .unwrap_or_else(|_| {
            Err(ConnectError::Timeout {
                host: target.authority(),
                phase: Phase::Proxy,
            })
        })?;
    let proxy = Some(connected.elapsed());
    Ok((tunnel, DialTimes { proxy, ..times }))
}

fn failure(proxy: &Proxy, target: &Target, why: String) -> ConnectError {
    ConnectError::Proxy {
        host: target.authority(),
        proxy: proxy.to_string(),
        status: None,
        why,
    }
}

fn unauthorised(proxy: &Proxy, target: &Target) -> ConnectError {
    ConnectError::ProxyAuth {
        host: target.authority(),
        proxy: proxy.to_string(),
    }
}

/// Source: RFC 9110 section 9.3.6.
async fn http_connect<S>(
    mut stream: S,
    proxy: &Proxy,
    target: &Target,
) -> Result<BoxStream, ConnectError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let io = |error: io::Error| failure(proxy, target, plain_text(&error));
    let authority = target.authority();
    let mut request = format!(
        "CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\nUser-Agent: {USER_AGENT}\r\n"
    )
    .into_bytes();
    if let Some(auth) = proxy.basic_auth() {
        request.extend_from_slice(b"Proxy-Authorization: ");
        request.extend_from_slice(auth.as_bytes());
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"\r\n");
    stream.write_all(&request).await.map_err(io)?;
    stream.flush().await.map_err(io)?;

    let mut head = Vec::with_capacity(1024);
    let mut chunk = [0; 1024];
    loop {
        let read = stream.read(&mut chunk).await.map_err(io)?;
        if read == 0 {
            return Err(failure(proxy, target, "closed without an answer".into()));
        }
        head.extend_from_slice(&chunk[..read]);
        let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let mut reply = httparse::Response::new(&mut headers);
        match reply.parse(&head) {
            Ok(httparse::Status::Complete(length)) => {
                let status = reply.code.unwrap_or_default();
                return match status {
                    // In a tunnel we speak first, be it TLS or an upgrade.
                    200..=299 if head.len() > length => {
                        Err(failure(proxy, target, "data before the tunnel".into()))
                    }
                    200..=299 => Ok(Box::new(stream)),
                    407 => Err(unauthorised(proxy, target)),
                    _ => Err(ConnectError::Proxy {
                        host: authority,
                        proxy: proxy.to_string(),
                        status: Some(status),
                        why: format!("answered HTTP {status} to CONNECT"),
                    }),
                };
            }
            Ok(httparse::Status::Partial) if head.len() < HEAD_MAX => {}
            Ok(httparse::Status::Partial) => {
                return Err(failure(proxy, target, "its answer has no end".into()));
            }
            Err(_) => return Err(failure(proxy, target, "its answer is not HTTP".into())),
        }
    }
}

/// Source: RFC 1928, RFC 1929.
async fn socks5<S>(stream: S, proxy: &Proxy, target: &Target) -> Result<BoxStream, ConnectError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let address = match target.host.parse::<IpAddr>() {
        Ok(ip) => TargetAddr::Ip((ip, target.port).into()),
        Err(_) if proxy.scheme() == ProxyScheme::Socks5h => {
            TargetAddr::Domain(target.host.as_str().into(), target.port)
        }
        Err(_) => {
            let addresses = tcp::resolve(target).await?;
            // There is one try, and which families the proxy has is unknown: IPv4 is the safer guess.
            let best = addresses.iter().find(|address| address.is_ipv4());
            TargetAddr::Ip(*best.unwrap_or(&addresses[0]))
        }
    };
    let result = match proxy.socks_auth() {
        Some((user, password)) => {
            Socks5Stream::connect_with_password_and_socket(stream, address, user, password).await
        }
        None => Socks5Stream::connect_with_socket(stream, address).await,
    };
    use tokio_socks::Error;
    match result {
        Ok(stream) => Ok(Box::new(stream.into_inner())),
        Err(
            Error::PasswordAuthFailure(_)
            | Error::NoAcceptableAuthMethods
            | Error::AuthorizationRequired
            | Error::InvalidAuthValues(_),
        ) => Err(unauthorised(proxy, target)),
        Err(Error::Io(error)) => Err(failure(proxy, target, plain_text(&error))),
        Err(error) => {
            let text = one_line(&error.to_string());
            Err(failure(proxy, target, format!("SOCKS5: {text}")))
        }
    }
}
