//! What the tests of `alert` share: a market that trades only when told to, its memory on disk, and a receiver
//! of webhooks.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tickwire::model::Timestamp;
use tickwire::sim::{Sim, Venue};
use tickwire::store::{AlertStore, State};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::support::{Done, Record, Running, World, eventually, quote, start};

/// A pair that trades only when told to.
pub struct Market {
    pub sim: Sim,
    pub world: World,
    pub symbol: String,
}

impl Market {
    /// Its last price is this one, its list of symbols is known already. Requests need not wait for each
    /// other: many a test would take minutes by Kraken's one a second.
    pub async fn open(venue: Venue, price: &str) -> Self {
        let mut market = Self::open_with_limits(venue, price).await;
        market.world = market.world.env("TICKWIRE_ENGINE__RATE_LIMIT", "1000");
        market
    }

    /// The same at the pace that the exchange allows.
    pub async fn open_with_limits(venue: Venue, price: &str) -> Self {
        let sim = start(venue).await;
        let market = Self {
            world: World::with(venue, &sim),
            symbol: format!("BTC/{}", quote(venue)),
            sim,
        };
        market.print(&[price]);
        let list = market.world.run("symbols -o plain -q").await;
        list.exits(0);
        market
    }

    pub fn print(&self, prices: &[&str]) {
        self.print_of(&self.symbol, prices);
    }

    pub fn print_of(&self, symbol: &str, prices: &[&str]) {
        assert_eq!(self.sim.print(symbol, prices).len(), prices.len());
        // Times of trades are told in milliseconds, and marks without an id go by time.
        std::thread::sleep(Duration::from_millis(5));
    }

    /// One check of the rule named `rule` by a cron line.
    pub async fn check(&self, condition: &str, flags: &[&str]) -> Done {
        self.world.alert(&check(condition, flags)).await
    }

    /// A watch of this rule; it has subscribed by then.
    pub async fn watch(&self, condition: &str, flags: &[&str]) -> Running {
        self.watching(&[&["BTC", condition], flags].concat()).await
    }

    /// The same with any arguments of `alert`.
    pub async fn watching(&self, arguments: &[&str]) -> Running {
        let before = self.sim.counters().subscribes;
        let mut command = self.world.command_of(&[&["alert"], arguments].concat());
        let running = Running::new(command.spawn().unwrap());
        eventually("it watches", || self.sim.counters().subscribes > before).await;
        running
    }

    pub fn store(&self) -> AlertStore {
        store(&self.world)
    }

    /// What is remembered of a rule.
    #[track_caller]
    pub fn state(&self, name: &str) -> State {
        self.store().read(name).unwrap().expect("a memory")
    }
}

/// Rules of a configuration with these keys, each with the name of its place.
pub fn rules(n: usize, keys: impl Fn(usize) -> String) -> String {
    let rule = |i| format!("[[alert]]\nname = \"rule {i}\"\n{}\n", keys(i));
    (0..n).map(rule).collect()
}

/// The ids of what a rule has fired, oldest first.
pub fn fired(state: &State) -> Vec<&str> {
    let fired = state.history.iter().filter(|past| past.outcome == "fired");
    fired.map(|past| past.id.as_str()).collect()
}

/// The arguments of such a check.
pub fn check<'a>(condition: &'a str, flags: &[&'a str]) -> Vec<&'a str> {
    [&["BTC", condition, "--once", "--name", "rule"], flags].concat()
}

/// The folder of the memories.
pub fn memories(world: &World) -> PathBuf {
    world.path("state/tickwire/alerts")
}

pub fn store(world: &World) -> AlertStore {
    AlertStore::new(memories(world))
}

/// Changes what is remembered of a rule.
pub async fn edit(world: &World, name: &str, change: impl FnOnce(&mut State)) {
    let mut locked = store(world).lock(name, crate::support::WAIT).await.unwrap();
    change(&mut locked);
    locked.save().unwrap();
}

/// As if the claims of processes that died had run out.
pub fn free_claims(state: &mut State) {
    let actions = state
        .outbox
        .iter_mut()
        .flat_map(|firing| &mut firing.actions);
    for action in actions {
        action.claimed_until = action.claimed_until.map(|_| Timestamp::from_nanos(0));
    }
}

/// The prices of the firings that a run has told, without zeros at their ends.
pub fn prices(done: &Done) -> Vec<String> {
    done.records().iter().map(price).collect()
}

pub fn price(record: &Record) -> String {
    let digits = record.raw("price");
    match digits.contains('.') {
        true => digits
            .trim_end_matches('0')
            .trim_end_matches('.')
            .to_owned(),
        false => digits.to_owned(),
    }
}

/// A program that appends a line to a file. The last argument is the file.
pub const APPEND_ID: &str = r#"printf '%s\n' "$TICKWIRE_ID" >> "$0""#;

/// The lines of a file; none where there is no file.
pub fn lines_of(path: &std::path::Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// One request that a receiver got.
#[derive(Debug, Clone)]
pub struct Post {
    pub head: String,
    pub body: String,
}

impl Post {
    /// The value of a header.
    #[track_caller]
    pub fn header(&self, name: &str) -> &str {
        let of = |line: &'_ str| {
            let (key, _) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then_some(key.len() + 1)
        };
        let mut lines = self.head.lines();
        let found = lines.find_map(|line| of(line).map(|at| line[at..].trim()));
        found.unwrap_or_else(|| panic!("no {name} in {self:?}"))
    }
}

/// Takes what is posted to it, on loopback. Ends with the runtime.
pub struct Receiver {
    address: String,
    posts: Arc<Mutex<Vec<Post>>>,
    replies: Arc<Mutex<VecDeque<&'static str>>>,
}

impl Receiver {
    /// Answers 200.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let receiver = Self {
            address: listener.local_addr().unwrap().to_string(),
            posts: Arc::default(),
            replies: Arc::default(),
        };
        let (posts, replies) = (receiver.posts.clone(), receiver.replies.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(receive(stream, posts.clone(), replies.clone()));
            }
        });
        receiver
    }

    /// The next answers: a status line's rest and headers, as in `500 Oops`.
    pub fn reply(&self, with: &[&'static str]) {
        self.replies.lock().unwrap().extend(with);
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.address)
    }

    pub fn posts(&self) -> Vec<Post> {
        self.posts.lock().unwrap().clone()
    }
}

async fn receive(
    mut stream: TcpStream,
    posts: Arc<Mutex<Vec<Post>>>,
    replies: Arc<Mutex<VecDeque<&'static str>>>,
) {
    let (mut bytes, mut chunk) = (Vec::new(), [0; 4096]);
    let post = loop {
        let Ok(read @ 1..) = stream.read(&mut chunk).await else {
            return;
        };
        bytes.extend_from_slice(&chunk[..read]);
        let text = String::from_utf8_lossy(&bytes);
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let post = Post {
            head: head.to_owned(),
            body: body.to_owned(),
        };
        let length: usize = match head.to_ascii_lowercase().contains("content-length:") {
            true => post.header("content-length").parse().unwrap(),
            false => 0,
        };
        if body.len() >= length {
            break post;
        }
    };
    posts.lock().unwrap().push(post);
    let reply = replies.lock().unwrap().pop_front().unwrap_or("200 OK");
    let answer = format!("HTTP/1.1 {reply}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    let _ = stream.write_all(answer.as_bytes()).await;
}
