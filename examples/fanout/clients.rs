//! The clients, in a process of their own so that what they take is not counted as the server's.

use std::collections::HashMap;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tickwire::model::{Clock, SystemClock, Timestamp};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{sleep, timeout_at};

use super::market::SYMBOLS;
use super::measure::Histogram;

/// Who comes.
#[derive(Default)]
pub struct Crowd {
    /// Read everything.
    pub good: usize,
    /// The good ones join every trade instead of 20 symbols each.
    pub whole: bool,
    /// Read nothing, or 1 kB/s, in turn.
    pub slow: usize,
    /// Connections that never finish their request.
    pub half: usize,
    /// Send as fast as they can, and come again.
    pub floods: usize,
    /// One more good one twice a second, for how long it waits for its welcome.
    pub guests: bool,
    /// How long, after all have come.
    pub seconds: u64,
}

/// The running process.
pub struct Running(Child);

impl Crowd {
    pub fn start(&self, port: u16) -> Running {
        let own = std::env::current_exe().expect("a path of this program");
        // The other core, where there is a way to say so.
        let mut command = Command::new("sh");
        command.args([
            "-c",
            "command -v taskset >/dev/null && exec taskset -c 1 \"$@\" || exec \"$@\"",
            "sh",
        ]);
        command.arg(own).arg("clients");
        for number in [
            port.into(),
            self.good,
            self.whole.into(),
            self.slow,
            self.half,
            self.floods,
            self.guests.into(),
            self.seconds as usize,
        ] {
            command.arg(number.to_string());
        }
        Running(command.stdout(Stdio::piped()).spawn().expect("started"))
    }
}

impl Running {
    /// Waits for what they have seen.
    pub fn finish(&mut self) -> Value {
        let output = self.0.stdout.take().expect("piped");
        let seen = serde_json::from_reader(output).unwrap_or(Value::Null);
        self.0.wait().expect("a child of this process");
        seen
    }
}

/// What all good clients have seen.
#[derive(Default)]
struct Seen {
    messages: u64,
    /// Trades whose number did not follow the one before.
    lost_trades: u64,
    /// Connections that ended.
    ended: u64,
}

/// Runs clients as their arguments say.
pub fn run(arguments: &[String]) {
    let numbers = arguments.iter().map(|a| a.parse().expect("a number"));
    let numbers: Vec<usize> = numbers.collect();
    let [port, good, whole, slow, half, floods, has_guests, seconds] = numbers[..] else {
        panic!("eight numbers");
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.expect("a runtime").block_on(async {
        let (report, mut reports) = mpsc::unbounded_channel();
        let duration = Duration::from_secs(seconds as u64 + 3);
        for n in 0..good {
            let (report, rooms) = (report.clone(), rooms_of(n, whole == 1));
            tokio::spawn(async move {
                let line = connect(port as u16).await;
                let _ = report.send(read(line, rooms, duration, whole == 1).await);
            });
        }
        for n in 0..slow {
            tokio::spawn(dawdle(port as u16, n % 2 == 0));
        }
        let mut held = Vec::new();
        for _ in 0..half {
            let mut line = TcpStream::connect(("127.0.0.1", port as u16))
                .await
                .expect("a line");
            let _ = line.write_all(b"GET /ws HTTP/1.1\r\nHost: local").await;
            held.push(line);
        }
        for _ in 0..floods {
            tokio::spawn(flood(port as u16));
        }
        drop(report);
        let guests = (has_guests == 1).then(|| tokio::spawn(guests(port as u16, seconds)));
        let (mut all, mut latency) = (Seen::default(), Histogram::new());
        while let Some((seen, own)) = reports.recv().await {
            all.messages += seen.messages;
            all.lost_trades += seen.lost_trades;
            all.ended += seen.ended;
            latency.merge(&own);
        }
        let guests = match guests {
            Some(guests) => guests.await.expect("no panic"),
            None => Value::Null,
        };
        if good == 0 {
            sleep(duration).await;
        }
        println!(
            "{}",
            json!({
                "messages": all.messages, "lost_trades": all.lost_trades, "ended": all.ended,
                "latency": latency.json(), "connecting": guests,
            })
        );
    });
}

/// What a good client joins: every trade, or 20 symbols.
fn rooms_of(n: usize, whole: bool) -> Vec<String> {
    if whole {
        return vec!["trades".into()];
    }
    let symbols = (0..20).map(|i| (n * 7 + i * 20) % SYMBOLS);
    symbols
        .flat_map(|s| ["prices", "trades"].map(|room| format!("{room}:S{s:03}/USD")))
        .collect()
}

/// Connections that are being made: a server lets go of more that say nothing yet.
static CONNECTING: Semaphore = Semaphore::const_new(50);

async fn connect(port: u16) -> TcpStream {
    let _turn = CONNECTING.acquire().await.expect("it is never closed");
    let mut line = TcpStream::connect(("127.0.0.1", port))
        .await
        .expect("a line");
    let request = "GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    line.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(line.read_u8().await.expect("an answer"));
    }
    line
}

/// Masked with zeros, which is a mask.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    assert!(payload.len() < 126);
    [&[first, 0x80 | payload.len() as u8, 0, 0, 0, 0], payload].concat()
}

fn join(room: &str) -> Vec<u8> {
    frame(
        0x81,
        format!(r#"{{"type":"join_room","room":"{room}"}}"#).as_bytes(),
    )
}

/// Reads everything, answers pings, and looks whether trades follow each other.
async fn read(
    mut line: TcpStream,
    rooms: Vec<String>,
    duration: Duration,
    whole: bool,
) -> (Seen, Histogram) {
    let (mut seen, mut latency) = (Seen::default(), Histogram::new());
    let mut ids = HashMap::new();
    // No faster than is allowed.
    for (n, rooms) in rooms.chunks(15).enumerate() {
        if n > 0 {
            sleep(Duration::from_secs(1)).await;
        }
        for room in rooms {
            line.write_all(&join(room)).await.expect("sent");
        }
    }
    let end = tokio::time::Instant::now() + duration;
    let (mut buffer, mut filled) = (vec![0; 256 * 1024], 0);
    while let Ok(read) = timeout_at(end, line.read(&mut buffer[filled..])).await {
        let Ok(read @ 1..) = read else {
            seen.ended += 1;
            break;
        };
        filled += read;
        let mut at = 0;
        while let Some((opcode, start, length)) = header(&buffer[at..filled]) {
            let payload = &buffer[at + start..at + start + length];
            match opcode {
                0x9 => line.write_all(&frame(0x8a, payload)).await.expect("sent"),
                0x1 => {
                    seen.messages += 1;
                    // In a flood the clients must not be what is measured.
                    if !whole {
                        look(payload, &mut ids, &mut seen, &mut latency);
                    }
                }
                _ => {}
            }
            at += start + length;
        }
        buffer.copy_within(at..filled, 0);
        filled -= at;
    }
    (seen, latency)
}

/// The opcode, where the payload begins, and how long it is; `None` where not all of it is there.
fn header(bytes: &[u8]) -> Option<(u8, usize, usize)> {
    let (start, length) = match *bytes.get(1)? {
        126 => (
            4,
            u16::from_be_bytes(*bytes.get(2..)?.first_chunk()?) as usize,
        ),
        127 => (
            10,
            u64::from_be_bytes(*bytes.get(2..)?.first_chunk()?) as usize,
        ),
        short => (2, short as usize),
    };
    (bytes.len() >= start + length).then_some((bytes[0] & 0xf, start, length))
}

fn look(payload: &[u8], ids: &mut HashMap<String, u64>, seen: &mut Seen, latency: &mut Histogram) {
    let text = std::str::from_utf8(payload).expect("text");
    let part = |after: &str| Some(text.rsplit_once(after)?.1.split_once('"')?.0);
    let published = part(r#","timestamp":""#).and_then(Timestamp::parse);
    if let Some(published) = published
        && (text.starts_with(r#"{"type":"trade""#) || text.starts_with(r#"{"type":"price_update""#))
    {
        let passed = SystemClock.now().seconds_since(published).max(0.0);
        latency.add(Duration::from_secs_f64(passed));
    }
    if text.starts_with(r#"{"type":"trade""#) {
        let symbol = part(r#""symbol":""#).expect("a symbol").to_owned();
        let id: u64 = part(r#""id":""#)
            .and_then(|id| id.parse().ok())
            .expect("an id");
        let before = ids.insert(symbol, id);
        seen.lost_trades += before.map_or(0, |before| id - before - 1);
    }
}

/// Joins every trade and reads nothing, or 1 kB/s.
async fn dawdle(port: u16, reads: bool) {
    let mut line = connect(port).await;
    line.write_all(&join("trades")).await.expect("sent");
    let mut buffer = [0; 1_000];
    loop {
        sleep(Duration::from_secs(1)).await;
        if reads && !matches!(line.read(&mut buffer).await, Ok(1..)) {
            return;
        }
    }
}

/// Sends without end, and comes again when it is sent away.
async fn flood(port: u16) {
    let messages = frame(0x81, br#"{"type":"ping","data":"flood"}"#).repeat(100);
    loop {
        let mut line = connect(port).await;
        while line.write_all(&messages).await.is_ok() {
            tokio::task::yield_now().await;
        }
        sleep(Duration::from_millis(10)).await;
    }
}

/// One good client after another: how long each waits for its welcome.
async fn guests(port: u16, seconds: usize) -> Value {
    let mut waits = Histogram::new();
    for _ in 0..seconds * 2 {
        let begin = Instant::now();
        let mut line = connect(port).await;
        let mut first = [0; 64];
        line.read_exact(&mut first).await.expect("a welcome");
        waits.add(begin.elapsed());
        sleep(Duration::from_millis(500)).await;
    }
    waits.json()
}
