//! The REST side of the three exchanges as far as the past goes: one ledger of trades, with the limits and habits of
//! each.

mod ledger;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

pub use ledger::{Bar, Sold, bars, filled, ledger, price, size};

use super::support::NOW;
use super::{binance, coinbase, kraken};
use crate::exchange::binance::Binance;
use crate::exchange::coinbase::Coinbase;
use crate::exchange::kraken::Kraken;
use crate::exchange::protocol::Adapter;
use crate::exchange::rest::Rest;
use crate::exchange::{Live, LiveOptions};
use crate::model::{Clock, Instrument, Interval, Timestamp};
use crate::sim::Venue;

pub const VENUES: [Venue; 3] = [Venue::Binance, Venue::Coinbase, Venue::Kraken];
const SECOND: i64 = 1_000_000_000;
const MILLI: i64 = 1_000_000;

#[derive(Default)]
pub struct Habits {
    /// Whether a page of Kraken's begins with the trades at its moment.
    pub since_is_included: bool,
    /// Whether old trades are there by id.
    pub has_no_old_trades: bool,
    /// Candles that begin then cannot be read.
    pub unreadable: Option<Timestamp>,
    /// After so many answers nothing is answered.
    pub answers: Option<usize>,
}

pub struct Archive {
    pub live: Live,
    pub rest: Arc<Rest>,
    pub instrument: Arc<Instrument>,
    pub ledger: Vec<Sold>,
    asked: Arc<Mutex<Vec<String>>>,
}

struct Desk {
    venue: Venue,
    ledger: Vec<Sold>,
    habits: Habits,
    asked: Arc<Mutex<Vec<String>>>,
    bars: Mutex<BTreeMap<Interval, Arc<BTreeMap<Timestamp, Bar>>>>,
}

struct Now;

impl Clock for Now {
    fn now(&self) -> Timestamp {
        NOW
    }
}

impl Archive {
    pub async fn open(venue: Venue, ledger: Vec<Sold>) -> Self {
        Self::with(venue, ledger, Habits::default()).await
    }

    pub async fn with(venue: Venue, ledger: Vec<Sold>, habits: Habits) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let options = LiveOptions {
            rest_url: Some(format!("http://{}", listener.local_addr().unwrap())),
            rate_limit: Some(100_000.0),
            clock: Arc::new(Now),
            ..LiveOptions::default()
        };
        let desk = Arc::new(Desk {
            venue,
            ledger: ledger.clone(),
            habits,
            asked: asked.clone(),
            bars: Mutex::default(),
        });
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(serve(socket, desk.clone()));
            }
        });
        let adapter: Arc<dyn Adapter> = match venue {
            Venue::Binance => Arc::new(Binance),
            Venue::Coinbase => Arc::new(Coinbase),
            Venue::Kraken => Arc::new(Kraken),
        };
        let rest = Rest::new(adapter.clone(), &adapter.profile(), &options).unwrap();
        let (live, instrument) = match venue {
            Venue::Binance => (Live::new(Binance, options), binance::instrument("BTC")),
            Venue::Coinbase => (Live::new(Coinbase, options), coinbase::instrument("BTC")),
            Venue::Kraken => (Live::new(Kraken, options), kraken::instrument("BTC")),
        };
        Self {
            live: live.unwrap(),
            rest: Arc::new(rest),
            instrument,
            ledger,
            asked,
        }
    }

    /// Requests so far whose path has this in it.
    pub fn asked(&self, what: &str) -> usize {
        let asked = self.asked.lock().unwrap();
        asked.iter().filter(|path| path.contains(what)).count()
    }
}

async fn serve(mut socket: TcpStream, desk: Arc<Desk>) {
    let (mut request, mut buffer) = (Vec::new(), [0; 4_096]);
    while let Ok(read @ 1..) = socket.read(&mut buffer).await {
        request.extend_from_slice(&buffer[..read]);
        while let Some(end) = request.windows(4).position(|w| w == b"\r\n\r\n") {
            let head = String::from_utf8(request.drain(..end + 4).collect()).unwrap();
            let path = head.split(' ').nth(1).unwrap();
            let count = {
                let mut asked = desk.asked.lock().unwrap();
                asked.push(path.to_owned());
                asked.len()
            };
            let (status, body) = match desk.habits.answers {
                Some(most) if count > most => (500, "{}".to_owned()),
                _ => desk.answer(path).map_or_else(
                    |why| {
                        (
                            400,
                            format!(r#"{{"message":"{why}","msg":"{why}","code":-1}}"#),
                        )
                    },
                    |body| (200, body),
                ),
            };
            let reply = format!(
                "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            );
            if socket.write_all(reply.as_bytes()).await.is_err() {
                return;
            }
        }
    }
}

impl Desk {
    fn answer(&self, path: &str) -> Result<String, String> {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let query: BTreeMap<&str, &str> = query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .collect();
        let number = |key: &str| query.get(key).map(|text| text.parse::<i64>().unwrap());
        match path {
            "/api/v3/klines" => self.klines(
                query["interval"].parse()?,
                number("startTime").unwrap(),
                number("endTime").unwrap_or(i64::MAX),
                number("limit").unwrap(),
            ),
            "/0/public/OHLC" => self.ohlc(number("interval").unwrap(), number("since").unwrap()),
            "/products/BTC-USD/candles" => {
                let time = |key: &str| Timestamp::parse(query[key]).expect("ISO 8601");
                self.candles(number("granularity").unwrap(), time("start"), time("end"))
            }
            "/0/public/Trades" => self.trades_since(number("since").unwrap_or(0)),
            "/products/BTC-USD/trades" | "/api/v3/trades" => {
                self.newest(number("limit").unwrap(), number("after"))
            }
            "/api/v3/historicalTrades" => {
                if self.habits.has_no_old_trades {
                    return Err("not here".into());
                }
                self.trades_from(number("fromId").unwrap() as u64, number("limit").unwrap())
            }
            "/api/v3/aggTrades" => self.aggregates(number("startTime"), number("fromId")),
            other => Err(format!("nothing at {other}")),
        }
    }

    fn bars(&self, interval: Interval) -> Arc<BTreeMap<Timestamp, Bar>> {
        let mut known = self.bars.lock().unwrap();
        let new = || {
            let bars = bars(&self.ledger, interval);
            Arc::new(match self.venue {
                Venue::Coinbase => bars,
                _ => filled(&bars, interval),
            })
        };
        known.entry(interval).or_insert_with(new).clone()
    }

    fn klines(
        &self,
        interval: Interval,
        from: i64,
        until: i64,
        limit: i64,
    ) -> Result<String, String> {
        if !(1..=1_000).contains(&limit) {
            return Err("limit".into());
        }
        let bars = self.bars(interval);
        let rows = bars.iter().filter(|(at, _)| {
            let millis = at.nanos() / MILLI;
            (from..=until).contains(&millis)
        });
        let row = |(at, bar): (&Timestamp, &Bar)| {
            let open = at.nanos() / MILLI;
            format!(
                r#"[{open},"{}","{}","{}","{}","{}",{},"{}.{:05}",{},"0","0","0"]"#,
                price(bar.open),
                price(bar.high),
                price(bar.low),
                price(bar.close),
                size(bar.volume),
                open + interval.nanos() / MILLI - 1,
                bar.quote / 100_000,
                bar.quote % 100_000,
                bar.trades
            )
        };
        Ok(list(rows.take(limit as usize).map(row)))
    }

    fn ohlc(&self, minutes: i64, since: i64) -> Result<String, String> {
        let length = std::time::Duration::from_secs(minutes as u64 * 60);
        let interval = Interval::of_length(length)
            .filter(|known| [1, 5, 15, 30, 60, 240, 1_440].contains(&(known.nanos() / SECOND / 60)))
            .ok_or("EGeneral:Invalid arguments")?;
        let bars = self.bars(interval);
        let rows: Vec<_> = bars
            .iter()
            .skip(bars.len().saturating_sub(720))
            .filter(|(at, _)| at.nanos() / SECOND > since)
            .collect();
        let row = |(at, bar): (&Timestamp, &Bar)| {
            format!(
                r#"[{},"{}","{}","{}","{}","0.0","{}",{}]"#,
                at.nanos() / SECOND,
                price(bar.open),
                price(bar.high),
                price(bar.low),
                price(bar.close),
                size(bar.volume),
                bar.trades
            )
        };
        let rows = list(rows.into_iter().map(row));
        Ok(format!(
            r#"{{"error":[],"result":{{"XXBTZUSD":{rows},"last":1}}}}"#
        ))
    }

    /// Two rows before the first are told, too.
    fn candles(&self, seconds: i64, start: Timestamp, end: Timestamp) -> Result<String, String> {
        if ![60, 300, 900, 3_600, 21_600, 86_400].contains(&seconds) {
            return Err("Unsupported granularity".into());
        }
        let length = seconds * SECOND;
        if (end.nanos() - start.nanos()) / length + 1 > 300 {
            return Err("granularity too small for the requested time range".into());
        }
        let interval = Interval::of_length(std::time::Duration::from_secs(seconds as u64)).unwrap();
        let bars = self.bars(interval);
        let rows = bars.range(start.plus_nanos(-2 * length)..=end).rev();
        let row = |(at, bar): (&Timestamp, &Bar)| {
            if self.habits.unreadable == Some(*at) {
                return "[0]".to_owned();
            }
            format!(
                "[{},{},{},{},{},{}]",
                at.nanos() / SECOND,
                price(bar.low),
                price(bar.high),
                price(bar.open),
                price(bar.close),
                size(bar.volume)
            )
        };
        Ok(list(rows.map(row)))
    }

    fn trades_since(&self, since: i64) -> Result<String, String> {
        let first = match self.habits.since_is_included {
            true => self.ledger.partition_point(|sold| sold.nanos < since),
            false => self.ledger.partition_point(|sold| sold.nanos <= since),
        };
        let row = |sold: &Sold| {
            format!(
                r#"["{}","{}",{}.{:09},"b","l","",{}]"#,
                price(sold.cents),
                size(sold.size),
                sold.nanos / SECOND,
                sold.nanos % SECOND,
                sold.id
            )
        };
        let rows = list(self.ledger[first..].iter().take(1_000).map(row));
        Ok(format!(
            r#"{{"error":[],"result":{{"XXBTZUSD":{rows},"last":"1"}}}}"#
        ))
    }

    fn newest(&self, limit: i64, after: Option<i64>) -> Result<String, String> {
        if !(1..=1_000).contains(&limit) {
            return Err("limit".into());
        }
        let end = after.map_or(self.ledger.len(), |after| {
            self.ledger.partition_point(|sold| (sold.id as i64) < after)
        });
        let rows = self.ledger[..end].iter().rev().take(limit as usize);
        let row = |sold: &Sold| {
            format!(
                r#"{{"trade_id":{},"side":"sell","size":"{}","price":"{}","time":"{}"}}"#,
                sold.id,
                size(sold.size),
                price(sold.cents),
                Timestamp::from_nanos(sold.nanos)
            )
        };
        Ok(list(rows.map(row)))
    }

    fn trades_from(&self, id: u64, limit: i64) -> Result<String, String> {
        if !(1..=1_000).contains(&limit) {
            return Err("limit".into());
        }
        let first = self.ledger.partition_point(|sold| sold.id < id);
        let rows = self.ledger[first..].iter().take(limit as usize);
        let row = |sold: &Sold| {
            format!(
                r#"{{"id":{},"price":"{}","qty":"{}","time":{},"isBuyerMaker":false}}"#,
                sold.id,
                price(sold.cents),
                size(sold.size),
                sold.nanos / MILLI
            )
        };
        Ok(list(rows.map(row)))
    }

    /// Trades at one moment with ids that are next to each other are one.
    fn aggregates(&self, start: Option<i64>, from_id: Option<i64>) -> Result<String, String> {
        let groups: Vec<&[Sold]> = self.ledger.chunk_by(|a, b| a.nanos == b.nanos).collect();
        let rows = groups.iter().enumerate().filter(|(n, group)| {
            start.is_none_or(|start| group[0].nanos / MILLI >= start)
                && from_id.is_none_or(|id| *n as i64 >= id)
        });
        let row = |(n, group): (usize, &&[Sold])| {
            let total = group.iter().map(|sold| sold.size).sum();
            format!(
                r#"{{"a":{n},"p":"{}","q":"{}","f":{},"l":{},"T":{},"m":false,"M":true}}"#,
                price(group[0].cents),
                size(total),
                group[0].id,
                group[group.len() - 1].id,
                group[0].nanos / MILLI
            )
        };
        Ok(list(rows.take(1_000).map(row)))
    }
}

fn list(rows: impl Iterator<Item = String>) -> String {
    format!("[{}]", rows.collect::<Vec<_>>().join(","))
}
