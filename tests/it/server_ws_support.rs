//! The WebSocket handler on loopback, and a client that writes frames byte by byte.

use std::time::Duration;

use axum::Router;
use axum::extract::{State, WebSocketUpgrade};
use axum::routing::any;
use tickwire::config::{Limits, ServerSettings};
use tickwire::engine::Engine;
use tickwire::exchange::mock::Mock;
use tickwire::server::state::Ref;
use tickwire::server::{Shared, ws};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

pub const WAIT: Duration = Duration::from_secs(30);

/// A server without anything but `/ws`.
pub struct Server {
    pub shared: Ref,
    pub port: u16,
}

impl Server {
    pub async fn start(limits: Limits) -> Self {
        let settings = ServerSettings {
            limits,
            ..ServerSettings::default()
        };
        let engine = Engine::builder().provider(Mock::default()).build();
        let shared = Shared::bare(engine, "mock", &settings).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let upgrade = |State(shared): State<Ref>, upgrade: WebSocketUpgrade| async move {
            ws::serve(shared, upgrade).await
        };
        let app = Router::new().route("/ws", any(upgrade));
        let app = app.with_state(shared.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { shared, port }
    }
}

/// One frame as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    pub opcode: u8,
    pub payload: Vec<u8>,
}

/// A connection without any library.
pub struct Raw {
    stream: TcpStream,
    /// Pings are kept from the tests, which are about other frames.
    pub pings: usize,
}

impl Raw {
    /// Connected, and greeted.
    pub async fn connect(server: &Server) -> Self {
        let mut raw = Self::connect_with(server, "").await;
        assert_eq!(raw.message().await.unwrap()["type"], "welcome");
        raw
    }

    /// The same, not yet greeted and with further headers.
    pub async fn connect_with(server: &Server, headers: &str) -> Self {
        let (stream, answer) = handshake(server, "GET", headers, UPGRADE).await;
        assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
        assert!(!answer.to_lowercase().contains("extensions"), "{answer}");
        Self { stream, pings: 0 }
    }

    pub async fn send(&mut self, bytes: &[u8]) {
        // The server may have closed already: what it said is what counts.
        let _ = timeout(WAIT, self.stream.write_all(bytes)).await.unwrap();
    }

    pub async fn finish_writing(&mut self) {
        let _ = self.stream.shutdown().await;
    }

    /// The next frame that is no ping; `None` at the end.
    pub async fn frame(&mut self) -> Option<Frame> {
        loop {
            let frame = timeout(WAIT, self.any_frame())
                .await
                .expect("a frame in time");
            match frame {
                Some(frame) if frame.opcode == 0x9 => self.pings += 1,
                other => return other,
            }
        }
    }

    async fn any_frame(&mut self) -> Option<Frame> {
        let mut head = [0; 2];
        self.stream.read_exact(&mut head).await.ok()?;
        assert_eq!(head[0] & 0x70, 0, "no extension was agreed on");
        assert_eq!(head[1] & 0x80, 0, "a server does not mask");
        let length = match head[1] {
            126 => self.stream.read_u16().await.ok()? as usize,
            127 => self.stream.read_u64().await.ok()? as usize,
            short => short as usize,
        };
        let mut payload = vec![0; length];
        self.stream.read_exact(&mut payload).await.ok()?;
        Some(Frame {
            opcode: head[0] & 0xf,
            payload,
        })
    }

    /// The next text as JSON; `None` where the connection ends before.
    pub async fn message(&mut self) -> Option<serde_json::Value> {
        loop {
            let frame = self.frame().await?;
            match frame.opcode {
                0x1 => return Some(serde_json::from_slice(&frame.payload).expect("JSON")),
                0x8 => return None,
                _ => {}
            }
        }
    }

    /// The payload of the close frame, after whatever else comes; `None`: it ended without one.
    pub async fn close(&mut self) -> Option<Vec<u8>> {
        loop {
            let frame = self.frame().await?;
            if frame.opcode == 0x8 {
                return Some(frame.payload);
            }
        }
    }
}

pub const UPGRADE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/// Sends a request for `/ws` and reads the head of the answer.
pub async fn handshake(
    server: &Server,
    method: &str,
    headers: &str,
    upgrade: &str,
) -> (TcpStream, String) {
    let mut stream = TcpStream::connect(("127.0.0.1", server.port))
        .await
        .unwrap();
    let request = format!("{method} /ws HTTP/1.1\r\nHost: localhost\r\n{upgrade}{headers}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        let byte = timeout(WAIT, stream.read_u8()).await.unwrap();
        answer.push(byte.expect("an answer"));
    }
    (stream, String::from_utf8(answer).unwrap())
}

/// The frame of a client: first byte with FIN and opcode, masked, the shortest length.
pub fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        short @ 0..126 => frame.push(0x80 | short as u8),
        middle @ 126..0x1_0000 => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&(middle as u16).to_be_bytes());
        }
        long => {
            frame.push(0x80 | 127);
            frame.extend_from_slice(&(long as u64).to_be_bytes());
        }
    }
    let key = [0x37, 0xfa, 0x21, 0x3d];
    frame.extend_from_slice(&key);
    frame.extend(payload.iter().zip(key.iter().cycle()).map(|(b, k)| b ^ k));
    frame
}

pub fn text(payload: &str) -> Vec<u8> {
    masked(0x81, payload.as_bytes())
}
