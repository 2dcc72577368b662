//! HTTP/1.1 by hand: requests, keep-alive, upgrades, and faults down to bytes.
use super::{
    binance, coinbase, config::Venue, core::Core, kraken, session::Session, socket::Socket,
};
use std::{fmt::Write as _, io, sync::Arc};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

/// Longest request head read.
const MAX_HEAD: usize = 64 * 1024;

#[derive(Debug, Default)]
pub(super) struct Request {
    pub method: String,
    /// Without the query.
    pub path: String,
    /// Percent-decoded, in order.
    pub query: Vec<(String, String)>,
    /// Names in lower case.
    headers: Vec<(String, String)>,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }

    /// A query parameter; the first one of that name.
    pub fn param(&self, name: &str) -> Option<&str> {
        let found = self.query.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }

    fn wants_websocket(&self) -> bool {
        self.header("upgrade")
            .is_some_and(|value| value.eq_ignore_ascii_case("websocket"))
    }

    fn wants_close(&self) -> bool {
        self.header("connection")
            .is_some_and(|value| value.eq_ignore_ascii_case("close"))
    }
}

#[derive(Debug)]
pub(super) struct Response {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: String,
}

impl Response {
    pub fn json(body: String) -> Self {
        Self::status(200, body)
    }

    pub fn status(status: u16, body: String) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body,
        }
    }

    pub fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        self.headers.push((name, value.to_string()));
        self
    }

    fn head(&self) -> String {
        let kind = if self.body.starts_with('<') {
            "text/html"
        } else {
            "application/json"
        };
        let (status, length) = (self.status, self.body.len());
        let mut head = format!(
            "HTTP/1.1 {status} {}\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n",
            reason(status)
        );
        for (name, value) in &self.headers {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        head + "\r\n"
    }
}

/// Serves one connection until it ends or the exchange stops.
pub(super) async fn serve<S>(core: Arc<Core>, stream: S, reset: fn(&S))
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    core.counters().connections += 1;
    core.ensure_generator();
    let mut stop = core.stop.clone();
    if *stop.borrow() {
        return;
    }
    tokio::select! {
        biased;
        _ = stop.changed() => {}
        // a broken connection is the client's business
        _ = connection(&core, stream, reset) => {}
    }
}

async fn connection<S>(core: &Arc<Core>, mut stream: S, reset: fn(&S)) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut early = Vec::new();
    while let Some(request) = read_request(&mut stream, &mut early).await? {
        if request.wants_websocket() {
            return upgrade(core, stream, early, &request, reset).await;
        }
        let Some(response) = answer(core, &request) else {
            return std::future::pending().await;
        };
        if !send(core, &mut stream, &response).await? || request.wants_close() {
            break;
        }
    }
    stream.shutdown().await
}

/// Reads one request; bytes after it stay in `early`. `None` at the end of the stream.
async fn read_request<S>(stream: &mut S, early: &mut Vec<u8>) -> io::Result<Option<Request>>
where
    S: AsyncRead + Unpin,
{
    loop {
        if let Some((request, used)) = parse(early)? {
            early.drain(..used);
            return Ok(Some(request));
        }
        if early.len() > MAX_HEAD {
            return Err(io::ErrorKind::InvalidData.into());
        }
        if stream.read_buf(early).await? == 0 {
            return Ok(None);
        }
    }
}

/// A complete request with its body, and the bytes it took.
fn parse(bytes: &[u8]) -> io::Result<Option<(Request, usize)>> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut head = httparse::Request::new(&mut headers);
    let status = head.parse(bytes).map_err(|_| io::ErrorKind::InvalidData)?;
    let httparse::Status::Complete(length) = status else {
        return Ok(None);
    };
    let (path, query) = split_query(head.path.unwrap_or("/"));
    let request = Request {
        method: head.method.unwrap_or_default().to_owned(),
        path,
        query,
        headers: head
            .headers
            .iter()
            .map(|header| {
                let value = String::from_utf8_lossy(header.value).into_owned();
                (header.name.to_ascii_lowercase(), value)
            })
            .collect(),
    };
    let body = request
        .header("content-length")
        .and_then(|text| text.parse().ok())
        .unwrap_or(0);
    let used = length + body;
    Ok((bytes.len() >= used).then_some((request, used)))
}

fn split_query(target: &str) -> (String, Vec<(String, String)>) {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let pairs = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (percent_decode(key), percent_decode(value))
        });
    (path.to_owned(), pairs.collect())
}

fn percent_decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let hex = tail.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match (first, hex.and_then(|hex| u8::from_str_radix(hex, 16).ok())) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            (b'+', _) => {
                bytes.push(b' ');
                rest = tail;
            }
            _ => {
                bytes.push(first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The answer to a REST request, faults included; `None` for silence.
fn answer(core: &Core, request: &Request) -> Option<Response> {
    *core
        .counters()
        .rest
        .entry(request.path.clone())
        .or_default() += 1;
    let mut faults = core.faults();
    if let Some((status, body)) = faults.rest_status.clone() {
        let response = Response::status(status, body);
        return Some(match faults.retry_after {
            Some(seconds) => response.with("retry-after", seconds),
            None => response,
        });
    }
    if let Some(left) = &mut faults.rest_trades_answers
        && request.path.to_lowercase().ends_with("trades")
    {
        match left.checked_sub(1) {
            Some(fewer) => *left = fewer,
            None if faults.rest_trades_then_silence => return None,
            None => return Some(Response::status(503, "{}".to_owned())),
        }
    }
    if let Some(left) = &mut faults.rest_candles_answers
        && asks_for_candles(&request.path)
    {
        match left.checked_sub(1) {
            Some(fewer) => *left = fewer,
            None => {
                let status = faults.rest_candles_status.unwrap_or(503);
                let response = Response::status(status, "{}".to_owned());
                return Some(match faults.retry_after {
                    Some(seconds) => response.with("retry-after", seconds),
                    None => response,
                });
            }
        }
    }
    drop(faults);
    if request.method != "GET" {
        return Some(Response::status(405, "{}".to_owned()));
    }
    Some(match core.venue {
        Venue::Binance => binance::respond(core, request),
        Venue::Coinbase => coinbase::respond(core, request),
        Venue::Kraken => kraken::respond(core, request),
    })
}

fn asks_for_candles(path: &str) -> bool {
    ["/klines", "/OHLC", "/candles"]
        .iter()
        .any(|end| path.ends_with(end))
}

/// Sends a response; whether the connection may go on.
async fn send<S>(core: &Core, stream: &mut S, response: &Response) -> io::Result<bool>
where
    S: AsyncWrite + Unpin,
{
    let (delay, slow_body, truncate) = {
        let faults = core.faults();
        (
            faults.rest_delay,
            faults.rest_slow_body,
            faults.rest_truncate,
        )
    };
    if let Some(delay) = delay {
        tokio::time::sleep(delay).await;
    }
    let (first, second) = response.body.as_bytes().split_at(response.body.len() / 2);
    stream.write_all(response.head().as_bytes()).await?;
    stream.write_all(first).await?;
    if let Some(pause) = slow_body {
        stream.flush().await?;
        tokio::time::sleep(pause).await;
    }
    if !truncate {
        stream.write_all(second).await?;
    }
    stream.flush().await?;
    Ok(!truncate)
}

/// Answers a WebSocket handshake and serves the socket.
async fn upgrade<S>(
    core: &Arc<Core>,
    mut stream: S,
    early: Vec<u8>,
    request: &Request,
    reset: fn(&S),
) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (silent, status, retry_after) = {
        let faults = core.faults();
        (
            faults.accept_then_silence,
            faults.handshake_status,
            faults.retry_after,
        )
    };
    if silent {
        return std::future::pending().await;
    }
    if let Some(status) = status {
        let mut response = Response::status(status, "{}".to_owned());
        if let Some(seconds) = retry_after {
            response = response.with("retry-after", seconds);
        }
        return refuse(stream, &response).await;
    }
    let key = request.header("sec-websocket-key");
    let (Some(key), Some(session)) = (key, Session::open(core, request)) else {
        return refuse(stream, &Response::status(404, "{}".to_owned())).await;
    };
    let accept = derive_accept_key(key.as_bytes());
    let head = format!(
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\
         sec-websocket-accept: {accept}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await?;
    stream.flush().await?;
    core.note_upgrade();
    let socket = Socket::new(Arc::clone(core), stream, early, session).await;
    socket.run(reset).await;
    Ok(())
}

/// Refuses a handshake and closes.
async fn refuse<S: AsyncWrite + Unpin>(mut stream: S, response: &Response) -> io::Result<()> {
    let text = response.head() + &response.body;
    stream.write_all(text.as_bytes()).await?;
    stream.shutdown().await
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        418 => "I'm a teapot",
        429 => "Too Many Requests",
        451 => "Unavailable For Legal Reasons",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        _ => "Status",
    }
}
