//! A WebSocket over any byte stream.
//!
//! Uses the protocol state of tungstenite directly instead of the ready-made async stream, for one
//! reason: that one ends at the first text frame that is not UTF-8, and a bad frame must never cut a
//! connection. Reading without a waker per message comes as a bonus.

use std::io::{self, Read, Write};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Uri};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::error::{CapacityError, Error as WsError};
use tokio_tungstenite::tungstenite::handshake::client::generate_request;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig, WebSocketContext};
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

use crate::net::{ConnectError, USER_AGENT, retry_after};

/// Coinbase's book snapshots pass 1 MiB; nothing that we want comes near this.
const MESSAGE_MAX: usize = 16 << 20;
/// A reply head beyond this is not from a WebSocket server.
const HEAD_MAX: usize = 16 << 10;
/// A peer that does not take a control message for so long is gone.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// For saying goodbye: the end of the program must not wait for it.
const CLOSE_TIMEOUT: Duration = Duration::from_millis(500);

pub(super) struct Socket<S> {
    stream: S,
    protocol: WebSocketContext,
    /// Until when the peer has to take what is queued; `None` where nothing is.
    write_deadline: Option<Instant>,
}

/// What came in.
#[derive(Debug)]
pub(super) enum Incoming {
    Text(Utf8Bytes),
    /// A binary frame.
    Bytes(Bytes),
    /// A ping (answered already) or a pong: a sign of life, no data.
    Control,
    /// A text frame that is not UTF-8; the connection goes on.
    Bad,
    /// The peer said goodbye, perhaps with a code and a reason.
    Close(Option<(u16, String)>),
}

impl<S: AsyncRead + AsyncWrite + Unpin> Socket<S> {
    /// The opening handshake. The caller sets the deadline.
    pub async fn open(
        mut stream: S,
        url: &Uri,
        headers: &[(String, String)],
    ) -> Result<Self, ConnectError> {
        let host = host(url);
        let protocol = |why: String| ConnectError::Protocol {
            host: host.clone(),
            why,
        };
        let broken = |error: io::Error| ConnectError::Tcp {
            host: host.clone(),
            why: error.to_string(),
        };
        let (request, key) = request(url, headers).map_err(protocol)?;
        stream.write_all(&request).await.map_err(broken)?;
        stream.flush().await.map_err(broken)?;
        let mut head = Vec::with_capacity(1_024);
        let body = loop {
            if let Some(length) = head_length(&head) {
                break length;
            }
            if head.len() > HEAD_MAX {
                return Err(protocol("the answer to the upgrade is too long".into()));
            }
            if stream.read_buf(&mut head).await.map_err(broken)? == 0 {
                return Err(protocol("closed during the upgrade".into()));
            }
        };
        check_reply(&head[..body], &key, &host)?;
        let config = WebSocketConfig::default()
            .max_message_size(Some(MESSAGE_MAX))
            .max_frame_size(Some(MESSAGE_MAX));
        let rest = head.split_off(body);
        Ok(Self {
            stream,
            protocol: WebSocketContext::from_partially_read(rest, Role::Client, Some(config)),
            write_deadline: None,
        })
    }

    /// The next thing that comes in. Cancel safe.
    pub async fn next(&mut self) -> Result<Incoming, String> {
        std::future::poll_fn(|context| self.poll_next(context)).await
    }

    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Result<Incoming, String>> {
        let Self {
            stream, protocol, ..
        } = self;
        let result = protocol.read(&mut Blocking {
            stream: Pin::new(stream),
            context,
        });
        Poll::Ready(Ok(match result {
            Ok(Message::Text(text)) => Incoming::Text(text),
            Ok(Message::Binary(bytes)) => Incoming::Bytes(bytes),
            Ok(Message::Close(frame)) => Incoming::Close(
                frame.map(|frame| (frame.code.into(), frame.reason.as_str().to_owned())),
            ),
            Ok(_) => Incoming::Control,
            Err(WsError::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                return Poll::Pending;
            }
            Err(WsError::Utf8(_)) => Incoming::Bad,
            Err(WsError::ConnectionClosed | WsError::AlreadyClosed) => Incoming::Close(None),
            Err(error) => return Poll::Ready(Err(describe(&error))),
        }))
    }

    /// Queues a message; [`Socket::flush`] sends it.
    pub fn queue(&mut self, message: Message) -> Result<(), String> {
        self.write_deadline
            .get_or_insert_with(|| Instant::now() + WRITE_TIMEOUT);
        // The next flush registers the real waker.
        let mut stream = Blocking {
            stream: Pin::new(&mut self.stream),
            context: &mut Context::from_waker(Waker::noop()),
        };
        match self.protocol.write(&mut stream, message) {
            // A write that would block has queued the message.
            Err(WsError::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(WsError::ConnectionClosed) => Ok(()),
            other => other.map_err(|error| describe(&error)),
        }
    }

    /// Whether something is queued.
    pub fn has_queued(&self) -> bool {
        self.write_deadline.is_some()
    }

    /// Sends what is queued. Cancel safe: whoever comes back goes on, under the same deadline.
    pub async fn flush(&mut self) -> Result<(), String> {
        let Some(deadline) = self.write_deadline else {
            return Ok(());
        };
        let Self {
            stream, protocol, ..
        } = self;
        let flush = std::future::poll_fn(|context| {
            let mut stream = Blocking {
                stream: Pin::new(&mut *stream),
                context,
            };
            match protocol.flush(&mut stream) {
                Err(WsError::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                    Poll::Pending
                }
                Err(WsError::ConnectionClosed) => Poll::Ready(Ok(())),
                other => Poll::Ready(other.map_err(|error| describe(&error))),
            }
        });
        let flushed = tokio::time::timeout_at(deadline, flush)
            .await
            .unwrap_or_else(|_| Err("does not read what we send".into()));
        self.write_deadline = None;
        flushed
    }

    /// Says goodbye and closes, without waiting for an answer, nor long for a peer that does not read.
    pub async fn close(mut self) {
        let goodbye = async {
            if self.queue(Message::Close(None)).is_ok() && self.flush().await.is_ok() {
                let _ = self.stream.shutdown().await;
            }
        };
        let _ = tokio::time::timeout(CLOSE_TIMEOUT, goodbye).await;
    }
}

/// Host and port of a URL. Never the user and password that can stand before them.
pub(in crate::exchange) fn host(url: &Uri) -> String {
    let authority = url.authority().map_or("", |authority| authority.as_str());
    authority.rsplit('@').next().unwrap_or_default().to_owned()
}

fn describe(error: &WsError) -> String {
    match error {
        WsError::Io(error) => error.to_string(),
        WsError::Protocol(error) => format!("broken WebSocket: {error}").to_lowercase(),
        WsError::Capacity(CapacityError::MessageTooLong { .. }) => {
            "a message of more than 16 MiB".into()
        }
        other => other.to_string(),
    }
}

fn request(url: &Uri, headers: &[(String, String)]) -> Result<(Vec<u8>, String), String> {
    let mut request = url
        .into_client_request()
        .map_err(|error| error.to_string())?;
    let map = request.headers_mut();
    map.insert(
        http::header::USER_AGENT,
        HeaderValue::from_static(USER_AGENT),
    );
    for (name, value) in headers {
        let name: HeaderName = name
            .parse()
            .map_err(|_| "a header name of the configuration is not valid")?;
        let value: HeaderValue = value
            .parse()
            .map_err(|_| "a header value of the configuration is not valid")?;
        map.insert(name, value);
    }
    generate_request(request).map_err(|error| error.to_string())
}

fn head_length(bytes: &[u8]) -> Option<usize> {
    bytes
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .map(|at| at + 4)
}

fn check_reply(head: &[u8], key: &str, host: &str) -> Result<(), ConnectError> {
    let protocol = |why: &str| ConnectError::Protocol {
        host: host.to_owned(),
        why: why.to_owned(),
    };
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut reply = httparse::Response::new(&mut headers);
    reply
        .parse(head)
        .map_err(|_| protocol("the answer to the upgrade is not HTTP"))?;
    let header = |name: &str| {
        let found = reply
            .headers
            .iter()
            .find(|h| h.name.eq_ignore_ascii_case(name));
        found
            .and_then(|h| std::str::from_utf8(h.value).ok())
            .map(str::trim)
    };
    match reply.code {
        Some(101) => {}
        Some(status) => {
            let retry_after =
                header("retry-after").and_then(|value| retry_after(value, jiff::Timestamp::now()));
            return Err(ConnectError::Http {
                host: host.to_owned(),
                status,
                retry_after,
            });
        }
        None => return Err(protocol("the answer to the upgrade has no status")),
    }
    if !header("upgrade").is_some_and(|value| value.eq_ignore_ascii_case("websocket")) {
        return Err(protocol("does not upgrade to WebSocket"));
    }
    if header("sec-websocket-accept") != Some(derive_accept_key(key.as_bytes()).as_str()) {
        return Err(protocol("answered the upgrade with a wrong key"));
    }
    Ok(())
}

/// An async stream as a blocking one that says "would block".
struct Blocking<'a, 'b, S> {
    stream: Pin<&'a mut S>,
    context: &'a mut Context<'b>,
}

impl<S: AsyncRead> Read for Blocking<'_, '_, S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut buffer = ReadBuf::new(buffer);
        match self.stream.as_mut().poll_read(self.context, &mut buffer) {
            Poll::Ready(result) => result.map(|()| buffer.filled().len()),
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }
}

impl<S: AsyncWrite> Write for Blocking<'_, '_, S> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        match self.stream.as_mut().poll_write(self.context, buffer) {
            Poll::Ready(result) => result,
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self.stream.as_mut().poll_flush(self.context) {
            Poll::Ready(result) => result,
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }
}
