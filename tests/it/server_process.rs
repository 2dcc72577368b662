//! A running `tickwire start`, and a small HTTP client for it that tidies nothing up.

use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStderr};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use futures_util::{SinkExt, StreamExt};

use super::support::{WAIT, World};

/// The server as a process.
pub struct Server {
    pub child: Child,
    /// `127.0.0.1:41234`.
    pub address: String,
    pub stderr: BufReader<ChildStderr>,
    /// What it has told before it was ready.
    pub told: String,
}

impl Server {
    /// `start --port 0` with these arguments, once it is ready.
    pub async fn start(world: &World, arguments: &str) -> Self {
        Self::run(world, &format!("start --port 0 {arguments}")).await
    }

    /// The same with the whole command line.
    pub async fn run(world: &World, arguments: &str) -> Self {
        let mut command = world.command(arguments);
        let mut child = command.stdout(Stdio::null()).spawn().unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut told = String::new();
        let address = loop {
            let mut line = String::new();
            let read = timeout(WAIT, stderr.read_line(&mut line)).await;
            let n = read.expect("a line in time").unwrap();
            told.push_str(&line);
            assert!(n > 0, "it has ended: {told}");
            if let Some((_, rest)) = line.split_once("http://") {
                let end = |c: char| !(c.is_ascii_digit() || ".:[]".contains(c));
                break rest.split(end).next().unwrap().to_owned();
            }
        };
        Self {
            child,
            address,
            stderr,
            told,
        }
    }

    /// The next line on stderr that contains this.
    pub async fn says(&mut self, text: &str) -> String {
        let found = async {
            loop {
                let mut line = String::new();
                let n = self.stderr.read_line(&mut line).await.unwrap();
                assert!(n > 0, "no {text:?} before its end: {}", self.told);
                self.told.push_str(&line);
                if line.contains(text) {
                    break line;
                }
            }
        };
        timeout(WAIT, found).await.expect("a line in time")
    }

    pub fn signal(&self, name: &str) {
        let pid = self.child.id().expect("still running").to_string();
        let sent = std::process::Command::new("kill")
            .args([&format!("-{name}"), &pid])
            .status();
        assert!(sent.unwrap().success());
    }

    /// Its exit code.
    pub async fn ends(&mut self) -> i32 {
        let ended = timeout(WAIT, self.child.wait()).await;
        ended.expect("an end in time").unwrap().code().unwrap_or(-1)
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, "", "").await
    }

    pub async fn post(&self, path: &str, body: &str) -> Answer {
        self.ask("POST", path, "Content-Type: application/json\r\n", body)
            .await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.ask("DELETE", path, "Content-Type: application/json\r\n", "")
            .await
    }

    /// One request; `headers` end with CR LF each.
    pub async fn ask(&self, method: &str, path: &str, headers: &str, body: &str) -> Answer {
        let (address, size) = (&self.address, body.len());
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {address}\r\n{headers}Content-Length: {size}\r\nConnection: close\r\n\r\n{body}"
        );
        self.raw(request.as_bytes()).await
    }

    /// These bytes, and the answer to them.
    pub async fn raw(&self, request: &[u8]) -> Answer {
        let mut socket = TcpStream::connect(&self.address).await.unwrap();
        let _ = socket.write_all(request).await;
        let mut answer = Vec::new();
        let read = timeout(WAIT, socket.read_to_end(&mut answer)).await;
        let _ = read.expect("an answer in time");
        Answer::parse(&String::from_utf8_lossy(&answer))
    }

    /// Asks until the answer is so.
    pub async fn until(&self, path: &str, wanted: impl Fn(&Answer) -> bool) -> Answer {
        let asked = async {
            loop {
                let answer = self.get(path).await;
                if wanted(&answer) {
                    break answer;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        timeout(WAIT, asked).await.expect("such an answer in time")
    }

    pub async fn socket(&self) -> Socket {
        let (socket, _) = connect_async(format!("ws://{}/ws", self.address))
            .await
            .unwrap();
        Socket(socket)
    }
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    fn parse(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((text, ""));
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
        let chunked = head.to_lowercase().contains("transfer-encoding: chunked");
        Self {
            status: status.unwrap_or(0),
            head: head.to_owned(),
            body: if chunked {
                unchunked(body)
            } else {
                body.to_owned()
            },
        }
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    /// Itself, having this status.
    #[track_caller]
    pub fn is(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self:#?}");
        self
    }
}

fn unchunked(mut body: &str) -> String {
    let mut whole = String::new();
    while let Some((size, rest)) = body.split_once("\r\n") {
        let size = usize::from_str_radix(size.trim(), 16).unwrap_or(0);
        if size == 0 || rest.len() < size {
            break;
        }
        whole.push_str(&rest[..size]);
        body = rest[size..].trim_start_matches("\r\n");
    }
    whole
}

/// A WebSocket client.
pub struct Socket(pub WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    pub async fn send(&mut self, text: &str) {
        self.0.send(Message::text(text)).await.unwrap();
    }

    pub async fn join(&mut self, room: &str) {
        self.send(&format!(r#"{{"type":"join_room","room":"{room}"}}"#))
            .await;
        self.until("joined").await;
    }

    /// The next message of this type.
    pub async fn until(&mut self, kind: &str) -> Value {
        self.find(|message| message["type"] == kind).await
    }

    /// The next message for which this holds.
    pub async fn find(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        let found = async {
            loop {
                let message = self.0.next().await.expect("it is open").unwrap();
                if let Message::Text(text) = message {
                    let message: Value = serde_json::from_str(&text).unwrap();
                    if wanted(&message) {
                        break message;
                    }
                }
            }
        };
        timeout(WAIT, found).await.expect("such a message in time")
    }

    /// The code with which it is closed.
    pub async fn closed(&mut self) -> Option<u16> {
        let closed = async {
            loop {
                match self.0.next().await {
                    Some(Ok(Message::Close(frame))) => {
                        break frame.map(|frame| u16::from(frame.code));
                    }
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => break None,
                }
            }
        };
        timeout(WAIT, closed).await.expect("a close in time")
    }
}
