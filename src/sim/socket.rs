//! One WebSocket connection: reading, writing, limits, pings.
use super::{
    config::Venue,
    core::{Core, Order},
    faults::Cut,
    outbox::{Outbox, PongDeadline},
    session::{Ctx, Session},
    tally::Window,
};
use futures_util::{SinkExt, StreamExt};
use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::mpsc,
    time::{Instant, interval_at, sleep, sleep_until, timeout},
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        self, Message,
        protocol::{CloseFrame, Role, frame::coding::CloseCode},
    },
};

/// How long a closing socket waits for the client's close frame.
const CLOSE_WAIT: Duration = Duration::from_secs(1);

/// What ends a connection's loop.
enum End {
    /// The socket is closed or broken.
    Gone,
    /// Close with this code and reason.
    Close(u16, String),
    /// Reset the transport.
    Reset,
    /// Keep the socket, do nothing more.
    Vanish,
}

pub(super) struct Socket<S> {
    core: Arc<Core>,
    ws: WebSocketStream<Gate<S>>,
    out: Outbox,
    session: Session,
    frames_in: Window,
    deadline: PongDeadline,
    seconds: u64,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Socket<S> {
    /// Takes over a stream after its upgrade; `early` are bytes already read from it.
    pub async fn new(core: Arc<Core>, stream: S, early: Vec<u8>, session: Session) -> Self {
        let gate = Gate {
            inner: stream,
            core: Arc::clone(&core),
        };
        let ws = WebSocketStream::from_partially_read(gate, early, Role::Server, None).await;
        Self {
            core,
            ws,
            out: Outbox::default(),
            session,
            frames_in: Window::default(),
            deadline: PongDeadline::new(),
            seconds: 0,
        }
    }

    /// Serves until the connection ends; `reset` prepares the stream for a reset.
    pub async fn run(mut self, reset: fn(&S)) {
        let (id, orders) = self.core.register();
        let core = Arc::clone(&self.core);
        let open = Registration { core: &core, id };
        match self.serve(orders).await {
            End::Gone => {}
            End::Close(code, reason) => {
                // a closing socket is not open, however long the client takes to answer
                drop(open);
                self.close(code, reason).await;
            }
            End::Reset => reset(&self.ws.get_ref().inner),
            // the caller drops this future when the exchange stops
            End::Vanish => std::future::pending().await,
        }
    }

    async fn serve(&mut self, mut orders: mpsc::UnboundedReceiver<Order>) -> End {
        if self.core.faults().flap {
            return End::Close(1001, "going away".to_owned());
        }
        self.session.on_open(&mut Ctx {
            core: &self.core,
            out: &mut self.out,
        });
        let second = self.core.second;
        let mut seconds = interval_at(Instant::now() + second, second);
        let mut batch = Vec::new();
        loop {
            if self.flush().await.is_err() {
                return End::Gone;
            }
            if let Some((code, reason)) = self.out.closing.take() {
                return End::Close(code, reason);
            }
            let due = self.out.due();
            let release = sleep_until(due.unwrap_or_else(Instant::now));
            let clock_due = self.session.due_ns().map(|at| self.core.until(at));
            let clock = sleep(clock_due.unwrap_or_default());
            let ended = tokio::select! {
                // in this order: the same inputs give the same frames, and a flood of trades
                // keeps nothing else waiting
                biased;
                _ = seconds.tick() => self.on_second(),
                () = release, if due.is_some() => { self.out.release(); None }
                message = self.ws.next() => self.on_message(message).await,
                () = clock, if clock_due.is_some() => self.on_clock(),
                _ = orders.recv_many(&mut batch, 64) => {
                    batch.drain(..).find_map(|order| self.on_order(&order))
                }
            };
            if let Some(end) = ended {
                return end;
            }
        }
    }

    async fn flush(&mut self) -> Result<(), tungstenite::Error> {
        while let Some(frame) = self.out.frames.pop_front() {
            self.ws.feed(frame).await?;
        }
        self.ws.flush().await
    }

    fn on_order(&mut self, order: &Order) -> Option<End> {
        let ctx = &mut Ctx {
            core: &self.core,
            out: &mut self.out,
        };
        match order {
            Order::Event(event) => self.session.on_event(event, ctx),
            Order::Text(text) => self.out.plain(text.clone()),
            Order::Binary(bytes) => self.out.frames.push_back(Message::Binary(bytes.clone())),
            Order::Shutdown => self.session.on_shutdown(ctx),
            Order::System => self.session.on_system(ctx),
            Order::Clock => self.session.on_clock(ctx),
            Order::Cut(Cut::Close(code)) => return Some(End::Close(*code, String::new())),
            Order::Cut(Cut::Reset) => return Some(End::Reset),
            Order::Cut(Cut::Vanish) => return Some(End::Vanish),
        }
        None
    }

    fn on_clock(&mut self) -> Option<End> {
        self.session.on_clock(&mut Ctx {
            core: &self.core,
            out: &mut self.out,
        });
        None
    }

    async fn on_message(
        &mut self,
        message: Option<Result<Message, tungstenite::Error>>,
    ) -> Option<End> {
        let Some(Ok(message)) = message else {
            return Some(End::Gone);
        };
        match &message {
            Message::Close(_) => {
                // sends the reply the protocol queued
                let _ = timeout(CLOSE_WAIT, self.ws.flush()).await;
                return Some(End::Gone);
            }
            Message::Ping(_) => self.core.counters().pings_received += 1,
            Message::Pong(payload) => {
                self.core.counters().pongs_received += 1;
                self.deadline.pong(payload);
            }
            Message::Text(_) | Message::Binary(_) | Message::Frame(_) => {}
        }
        if let Some(end) = self.limit_rate() {
            return Some(end);
        }
        if let Message::Text(text) = &message {
            self.session.on_text(
                text,
                &mut Ctx {
                    core: &self.core,
                    out: &mut self.out,
                },
            );
        }
        None
    }

    /// Counts a frame from the client against the venue's limit.
    fn limit_rate(&mut self) -> Option<End> {
        let count = self.frames_in.note(self.core.second);
        let mut counters = self.core.counters();
        counters.max_frames_per_second = counters.max_frames_per_second.max(count);
        let limit = match self.core.venue {
            Venue::Binance => 5,
            Venue::Coinbase => 100,
            // undocumented; the budget clients are told to keep
            Venue::Kraken => 10,
        };
        if count <= limit {
            return None;
        }
        counters
            .rule_violations
            .push(format!("{count} control messages within 1 s"));
        drop(counters);
        match self.core.venue {
            Venue::Binance => Some(End::Close(1008, "Too many requests".to_owned())),
            Venue::Coinbase => Some(End::Close(1008, "ErrSlowRead".to_owned())),
            Venue::Kraken => {
                self.out
                    .plain("{\"Error\":\"Exceeded msg rate\"}".to_owned());
                None
            }
        }
    }

    fn on_second(&mut self) -> Option<End> {
        self.seconds += 1;
        let ctx = &mut Ctx {
            core: &self.core,
            out: &mut self.out,
        };
        self.session.on_second(self.seconds, ctx);
        self.out.spoke = false;
        let faults = self.core.faults();
        if faults.lifetime.is_some_and(|most| self.seconds >= most) {
            return Some(End::Close(1001, "too old".to_owned()));
        }
        let (every_second, strict) = (
            faults.server_ping || faults.require_pong,
            faults.require_pong,
        );
        drop(faults);
        let binance = self.core.venue == Venue::Binance;
        if every_second || (binance && self.seconds.is_multiple_of(20)) {
            self.out.frames.push_back(self.deadline.ping());
        }
        let limit = match (strict, binance) {
            (true, _) => 3,
            (false, true) => 60,
            (false, false) => return None,
        };
        if self.deadline.missed(self.core.second * limit) {
            self.core.violation(format!("no pong within {limit} s"));
            return Some(End::Reset);
        }
        None
    }

    async fn close(&mut self, code: u16, reason: String) {
        let frame = CloseFrame {
            code: CloseCode::from(code),
            reason: reason.into(),
        };
        let farewell = async {
            self.ws.close(Some(frame)).await?;
            while let Some(message) = self.ws.next().await {
                message?;
            }
            Ok::<(), tungstenite::Error>(())
        };
        // the connection is over whatever the client answers
        let _ = timeout(CLOSE_WAIT, farewell).await;
    }
}

/// Forgets the socket when its task ends in any way.
struct Registration<'a> {
    core: &'a Core,
    id: u64,
}

impl Drop for Registration<'_> {
    fn drop(&mut self) {
        self.core.unregister(self.id);
    }
}

/// A stream that swallows what is written while the `silence` fault is on: even the pongs that
/// the WebSocket layer sends by itself.
pub(super) struct Gate<S> {
    inner: S,
    core: Arc<Core>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Gate<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Gate<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.core.faults().silence {
            return Poll::Ready(Ok(buf.len()));
        }
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
