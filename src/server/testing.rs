//! A server without sockets, over a source that does what a test says.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream, StreamExt};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tower::ServiceExt;

use crate::config::{Limits, ServerSettings};
use crate::engine::Engine;
use crate::feed::{
    Answer, Batch, Command, FeedIo, Page, Pages, Provider, ProviderError, Span, Traits,
};
use crate::model::{
    Candle, Clock, Event, Exchange, Field, Instrument, Interval, Market, Origin, Side, Status,
    StatusState, Stream, Ticker, Timestamp, Trade,
};

use super::pump;
use super::state::{Ref, Shared};

/// The wall clock of a test: it goes with virtual time.
pub struct Wall(Instant);

/// Where it begins: 2026-09-21T14:13:20Z.
pub const BEGIN: i64 = 1_790_000_000_000_000_000;

impl Default for Wall {
    fn default() -> Self {
        Self(Instant::now())
    }
}

impl Clock for Wall {
    fn now(&self) -> Timestamp {
        Timestamp::from_nanos(BEGIN + self.0.elapsed().as_nanos() as i64)
    }
}

/// A source that does what a test says.
#[derive(Clone)]
pub struct Scripted(Arc<Inner>);

struct Inner {
    exchange: Exchange,
    pairs: Vec<(&'static str, &'static str)>,
    said: Mutex<Said>,
}

#[derive(Default)]
struct Said {
    events: Option<mpsc::Sender<Batch>>,
    commands: Vec<String>,
    questions: Vec<String>,
    tickers: HashMap<Market, Ticker>,
    trades: Vec<Trade>,
    candles: Vec<Candle>,
    delay: Duration,
    error: Option<ProviderError>,
}

impl Scripted {
    pub fn new(name: &'static str, pairs: &[(&'static str, &'static str)]) -> Self {
        Self(Arc::new(Inner {
            exchange: Exchange::new(name),
            pairs: pairs.to_vec(),
            said: Mutex::default(),
        }))
    }

    fn said(&self) -> std::sync::MutexGuard<'_, Said> {
        self.0.said.lock().unwrap()
    }

    pub fn market(&self, base: &str, quote: &str) -> Market {
        Market::new(self.0.exchange, base, quote)
    }

    /// What the engine has asked of the feed: `+BTC/USD ticker`, `-…`.
    pub fn commands(&self) -> Vec<String> {
        std::mem::take(&mut self.said().commands)
    }

    /// What was asked over REST.
    pub fn questions(&self) -> Vec<String> {
        std::mem::take(&mut self.said().questions)
    }

    /// The live stream says this. Something must be subscribed.
    pub async fn say(&self, events: Vec<Event>) {
        let sender = self.said().events.clone();
        let sender = sender.expect("nothing is subscribed");
        sender.send(events.into()).await.unwrap();
        settle().await;
    }

    pub fn answer_ticker(&self, ticker: Ticker) {
        self.said().tickers.insert(ticker.market, ticker);
    }

    pub fn answer_trades(&self, trades: Vec<Trade>) {
        self.said().trades = trades;
    }

    pub fn answer_candles(&self, candles: Vec<Candle>) {
        self.said().candles = candles;
    }

    /// Every answer takes so long.
    pub fn delay(&self, delay: Duration) {
        self.said().delay = delay;
    }

    /// Every question gets this.
    pub fn fail(&self, error: ProviderError) {
        self.said().error = Some(error);
    }

    async fn ask(&self, question: String) -> Result<(), ProviderError> {
        let (delay, error) = {
            let mut said = self.said();
            said.questions.push(question);
            (said.delay, said.error.clone())
        };
        tokio::time::sleep(delay).await;
        error.map_or(Ok(()), Err)
    }
}

impl Provider for Scripted {
    fn exchange(&self) -> Exchange {
        self.0.exchange
    }

    fn traits(&self) -> Traits {
        Traits {
            quotes: vec!["USD".into(), "USDT".into()],
            asset_aliases: &[],
            contiguous_ids: true,
            can_wait: false,
            own_clock: false,
            invented: false,
            stream_fields: Field::TICKER_NUMBERS,
            rest_fields: Field::TICKER_NUMBERS,
            silence: None,
            candles: &Interval::ALL,
            empty_candles: false,
            list_source: None,
        }
    }

    fn instruments(&self) -> BoxFuture<'_, Result<Vec<Instrument>, ProviderError>> {
        let of = |(base, quote): &(&str, &str)| Instrument {
            tick_size: Some("0.10".parse().unwrap()),
            ..Instrument::new(self.0.exchange, base, quote, format!("{base}{quote}"))
        };
        let list = self.0.pairs.iter().map(of).collect();
        Box::pin(std::future::ready(Ok(list)))
    }

    fn tickers(&self, of: Vec<Arc<Instrument>>) -> BoxStream<'_, Answer<Ticker>> {
        let ask = move |instrument: Arc<Instrument>| async move {
            let answer = self.ask(format!("ticker {}", instrument.market.symbol()));
            let ticker = answer.await.and_then(|()| {
                let known = self.said().tickers.get(&instrument.market).cloned();
                known.ok_or_else(|| ProviderError::Unreachable("secret.example: no route".into()))
            });
            (instrument, ticker)
        };
        stream::iter(of).then(ask).boxed()
    }

    fn trades<'a>(
        &'a self,
        of: &'a Instrument,
        _: usize,
    ) -> BoxFuture<'a, Result<Vec<Trade>, ProviderError>> {
        Box::pin(async move {
            self.ask(format!("trades {}", of.market.symbol())).await?;
            Ok(self.said().trades.clone())
        })
    }

    fn candle_history(
        &self,
        of: Arc<Instrument>,
        interval: Interval,
        span: Span,
        _: Timestamp,
    ) -> Pages<'_, Candle> {
        let page = async move {
            let symbol = of.market.symbol();
            self.ask(format!("candles {symbol} {interval} {}", span.from))
                .await?;
            let is_in = |candle: &&Candle| {
                let is_of = candle.market == of.market && candle.interval == interval;
                is_of && span.from <= candle.open_time && candle.open_time < span.until
            };
            let items: Vec<Candle> = self.said().candles.iter().filter(is_in).cloned().collect();
            let end = items.last().map_or(span.from, Candle::close_time);
            Ok(Page {
                covers: Span {
                    until: end.min(span.until),
                    ..span
                },
                items,
                forming: None,
            })
        };
        stream::once(page).boxed()
    }

    fn run(self: Arc<Self>, mut io: FeedIo) -> BoxFuture<'static, ()> {
        self.said().events = Some(io.events.clone());
        Box::pin(async move {
            loop {
                let command = tokio::select! {
                    () = io.cancel.cancelled() => None,
                    command = io.commands.recv() => command,
                };
                let (sign, topics) = match command {
                    Some(Command::Subscribe(topics)) => ('+', topics),
                    Some(Command::Unsubscribe(topics)) => ('-', topics),
                    Some(_) => continue,
                    None => break,
                };
                let name = |stream: Stream| super::health::stream_name(stream);
                let told = topics.iter().map(|topic| {
                    let symbol = topic.instrument.market.symbol();
                    format!("{sign}{symbol} {}", name(topic.stream))
                });
                self.said().commands.extend(told);
            }
            self.said().events = None;
        })
    }
}

/// Lets everything that is ready run.
pub async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

/// A server over these sources, the first being the default; those after it can stand in.
pub async fn serve(sources: &[Scripted]) -> Ref {
    let mut builder = Engine::builder().clock(Arc::new(Wall::default()));
    for source in sources {
        builder = builder.provider(source.clone());
    }
    let names = sources.iter().map(|source| source.exchange().name());
    let names: Vec<String> = names.map(str::to_owned).collect();
    serve_engine(builder.build(), names, Limits::default()).await
}

/// A server over this engine.
pub async fn serve_engine(engine: Engine, providers: Vec<String>, limits: Limits) -> Ref {
    let settings = ServerSettings {
        limits,
        ..ServerSettings::default()
    };
    let made = Shared::new(engine, &providers[0], providers[1..].to_vec(), &settings).await;
    let (shared, ends) = made.unwrap();
    tokio::spawn(pump::run(shared.clone(), ends.subscription));
    settle().await;
    shared
}

/// Asks the market routes: `GET /prices`, `POST /streams {…}`.
pub async fn ask(shared: &Ref, what: &str) -> (StatusCode, String) {
    let (method, rest) = what.split_once(' ').unwrap();
    let (uri, body) = rest.split_once(' ').unwrap_or((rest, ""));
    let request = Request::builder()
        .method(method)
        .uri(uri)
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from(body.to_owned()))
        .unwrap();
    let app = super::http::market::routes().with_state(shared.clone());
    let response = app.oneshot(request).await.unwrap();
    let status = response.status();
    let body = axum::body::to_bytes(response.into_body(), 16 << 20).await;
    let body = String::from_utf8(body.unwrap().to_vec()).unwrap();
    (status, body)
}

pub fn at(seconds: i64) -> Timestamp {
    Timestamp::from_nanos(BEGIN + seconds * 1_000_000_000)
}

pub fn ticker(market: Market, price: &str) -> Ticker {
    Ticker {
        price: Some(price.parse().unwrap()),
        timestamp: Some(at(0)),
        ..Ticker::empty(market, at(0))
    }
}

pub fn trade(market: Market, id: u64) -> Trade {
    Trade {
        market,
        id,
        price: "100.10".parse().unwrap(),
        size: "0.50".parse().unwrap(),
        side: Side::Buy,
        timestamp: at(id as i64),
        received_at: at(id as i64),
        origin: Origin::Stream,
        replayed: false,
        suspect: false,
    }
}

/// The candle that opens so many intervals after the interval in which the test begins.
pub fn candle(market: Market, interval: Interval, place: i64, price: &str, closed: bool) -> Candle {
    let price = price.parse().unwrap();
    let open = interval.open_of(at(0));
    Candle {
        market,
        interval,
        open_time: open.plus_nanos(place * interval.nanos()),
        open: price,
        high: price,
        low: price,
        close: price,
        volume: "1.0".parse().unwrap(),
        quote_volume: None,
        trades: None,
        closed,
        complete: true,
        origin: if closed {
            Origin::History
        } else {
            Origin::Stream
        },
        timestamp: None,
        received_at: at(0),
    }
}

pub fn status(exchange: Exchange, market: Option<Market>, state: StatusState) -> Event {
    Event::Status(Arc::new(Status {
        exchange,
        market,
        state,
        attempt: 1,
        reason: Some("why".into()),
        stand_in: None,
        timestamp: at(0),
    }))
}
