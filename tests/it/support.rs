//! Runs the binary in a world of its own: an empty home, only the variables that a test sets, loopback
//! exchanges. Every wait is bounded.

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use tempfile::TempDir;
use tickwire::sim::{Sim, SimConfig, Venue};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdout, Command};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Longest wait for anything that must happen.
pub const WAIT: Duration = Duration::from_secs(30);

pub const VENUES: [Venue; 3] = [Venue::Kraken, Venue::Binance, Venue::Coinbase];

pub fn name(venue: Venue) -> &'static str {
    match venue {
        Venue::Kraken => "kraken",
        Venue::Binance => "binance",
        Venue::Coinbase => "coinbase",
    }
}

/// What the simulated exchange quotes in.
pub fn quote(venue: Venue) -> &'static str {
    if venue == Venue::Binance {
        "USDT"
    } else {
        "USD"
    }
}

/// The path of the list of symbols.
pub fn list_path(venue: Venue) -> &'static str {
    match venue {
        Venue::Kraken => "/0/public/AssetPairs",
        Venue::Binance => "/api/v3/exchangeInfo",
        Venue::Coinbase => "/products",
    }
}

/// How often the list of symbols was asked for.
pub fn list_requests(sim: &Sim, venue: Venue) -> u64 {
    let rest = sim.counters().rest;
    rest.get(list_path(venue)).copied().unwrap_or(0)
}

pub async fn start(venue: Venue) -> Sim {
    Sim::start(SimConfig::new(venue)).await.unwrap()
}

/// An exchange where every pair trades so often in a second.
pub async fn start_at_rate(venue: Venue, rate: f64) -> Sim {
    let config = SimConfig {
        rate,
        ..SimConfig::new(venue)
    };
    Sim::start(config).await.unwrap()
}

/// A home and an environment.
pub struct World {
    home: TempDir,
    variables: Vec<(String, String)>,
}

impl World {
    /// Without any network: exchanges are at a port that refuses.
    pub fn new() -> Self {
        let world = Self {
            home: TempDir::new().unwrap(),
            variables: Vec::new(),
        };
        VENUES.into_iter().fold(world, |world, venue| {
            world.urls(venue, "http://127.0.0.1:1", "ws://127.0.0.1:1/v2")
        })
    }

    /// Like [`World::new`], with this exchange.
    pub fn with(venue: Venue, sim: &Sim) -> Self {
        Self::new().and(venue, sim)
    }

    pub fn and(self, venue: Venue, sim: &Sim) -> Self {
        self.urls(venue, &sim.rest_url(), &sim.ws_url())
    }

    /// With the socket at another name than REST, as exchanges have it: a pause that one of them asks for is
    /// not the other's.
    pub fn with_hosts_apart(self, venue: Venue, sim: &Sim) -> Self {
        let ws = sim.ws_url().replace("127.0.0.1", "localhost");
        self.urls(venue, &sim.rest_url(), &ws)
    }

    fn urls(self, venue: Venue, rest: &str, ws: &str) -> Self {
        let variable = |what| format!("TICKWIRE_PROVIDERS__{}__{what}", name(venue).to_uppercase());
        self.env(&variable("REST_URL"), rest)
            .env(&variable("WS_URL"), ws)
            .env("TICKWIRE_PROVIDER", name(venue))
    }

    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.variables.retain(|(known, _)| known != name);
        self.variables.push((name.into(), value.into()));
        self
    }

    pub fn without(mut self, name: &str) -> Self {
        self.variables.retain(|(known, _)| known != name);
        self
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// The folder of the symbol lists.
    pub fn cache(&self) -> PathBuf {
        self.path("cache/tickwire/symbols")
    }

    /// Writes the default configuration file.
    pub fn config(self, text: &str) -> Self {
        let folder = self.path("config/tickwire");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("config.toml"), text).unwrap();
        self
    }

    /// The program with these arguments, separated by spaces.
    pub fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tickwire"));
        command
            .args(arguments.split_whitespace())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.home.path())
            .env("XDG_CONFIG_HOME", self.path("config"))
            .env("XDG_CACHE_HOME", self.path("cache"))
            .env("XDG_STATE_HOME", self.path("state"))
            .envs(self.variables.iter().cloned())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    /// The same with arguments that hold spaces.
    pub fn command_of(&self, arguments: &[&str]) -> Command {
        let mut command = self.command("");
        command.args(arguments);
        command
    }

    /// `alert` with these arguments, to its end.
    pub async fn alert(&self, arguments: &[&str]) -> Done {
        finish(self.command_of(&[&["alert"], arguments].concat())).await
    }

    /// Runs it to its end.
    pub async fn run(&self, arguments: &str) -> Done {
        finish(self.command(arguments)).await
    }

    /// Runs it to its end with this on stdin.
    pub async fn run_with_input(&self, arguments: &str, input: &str) -> Done {
        let mut child = self
            .command(arguments)
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(input.as_bytes()).await.unwrap();
        drop(stdin);
        let output = timeout(WAIT, child.wait_with_output()).await;
        Done::new(output.expect("an end in time").unwrap())
    }

    /// Starts it; its lines are read one by one.
    pub fn spawn(&self, arguments: &str) -> Running {
        Running::new(self.command(arguments).spawn().unwrap())
    }
}

/// Runs a command to its end.
pub async fn finish(mut command: Command) -> Done {
    let output = timeout(WAIT, command.output()).await;
    Done::new(output.expect("an end in time").unwrap())
}

/// A program that has ended.
#[derive(Debug)]
pub struct Done {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

impl Done {
    fn new(output: std::process::Output) -> Self {
        Self {
            status: output.status,
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// The exit code; panics where it died of a signal.
    #[track_caller]
    pub fn code(&self) -> i32 {
        self.status
            .code()
            .unwrap_or_else(|| panic!("no exit code: {self:?}"))
    }

    /// Itself, having ended with this code.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.status.code(), Some(code), "{self:#?}");
        self
    }

    /// Itself, having said this on stderr.
    #[track_caller]
    pub fn says(self, text: &str) -> Self {
        assert!(self.stderr.contains(text), "no {text:?} in {self:#?}");
        self
    }

    /// Itself, with nothing on stdout.
    #[track_caller]
    pub fn prints_nothing(self) -> Self {
        assert_eq!(self.stdout, "", "{self:#?}");
        self
    }

    pub fn lines(&self) -> Vec<&str> {
        self.stdout.lines().collect()
    }

    #[track_caller]
    pub fn records(&self) -> Vec<Record> {
        self.stdout.lines().map(Record::parse).collect()
    }
}

/// A program that runs.
pub struct Running {
    child: Child,
    stdout: Option<BufReader<ChildStdout>>,
    stderr: JoinHandle<String>,
    /// What was read so far.
    pub read: String,
}

impl Running {
    pub fn new(mut child: Child) -> Self {
        let stdout = child.stdout.take().map(BufReader::new);
        let mut stderr = child.stderr.take().unwrap();
        let stderr = tokio::spawn(async move {
            let mut text = String::new();
            let _ = stderr.read_to_string(&mut text).await;
            text
        });
        Self {
            child,
            stdout,
            stderr,
            read: String::new(),
        }
    }

    /// The next line; `None` at the end of the output.
    pub async fn next_line(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = self.stdout.as_mut().unwrap().read_line(&mut line);
        let n = timeout(WAIT, read).await.expect("a line in time").unwrap();
        self.read.push_str(&line);
        (n > 0).then(|| line.trim_end_matches('\n').to_owned())
    }

    /// The next line as a record.
    pub async fn record(&mut self) -> Record {
        Record::parse(&self.next_line().await.expect("one more line"))
    }

    /// Reads on until a record for which this holds.
    pub async fn until(&mut self, mut wanted: impl FnMut(&Record) -> bool) -> Record {
        let found = async {
            loop {
                let record = self.record().await;
                if wanted(&record) {
                    break record;
                }
            }
        };
        // Others may come for ever.
        if let Ok(found) = timeout(WAIT, found).await {
            return found;
        }
        let lines: Vec<_> = self.read.lines().rev().take(20).collect();
        panic!("no such record in time; the newest are {lines:#?}");
    }

    pub async fn signal(&self, signal: &str) {
        let pid = self.child.id().expect("still running").to_string();
        let kill = format!("kill -{signal} {pid}");
        let sent = Command::new("sh").args(["-c", &kill]).status().await;
        assert!(sent.unwrap().success());
    }

    /// The most memory it has had so far; `None` once it has ended.
    pub fn peak_kib(&self) -> Option<u64> {
        let status = format!("/proc/{}/status", self.child.id()?);
        let status = std::fs::read_to_string(status).ok()?;
        let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
        line.split_whitespace().nth(1)?.parse().ok()
    }

    /// Stops reading for good.
    pub fn close_stdout(&mut self) {
        self.stdout = None;
    }

    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Reads the rest and waits for the end.
    pub async fn end(mut self) -> Done {
        let mut stdout = self.read;
        if let Some(pipe) = &mut self.stdout {
            let rest = timeout(WAIT, pipe.read_to_string(&mut stdout)).await;
            rest.expect("the end of stdout in time").unwrap();
        }
        let status = timeout(WAIT, self.child.wait()).await;
        let stderr = timeout(WAIT, self.stderr).await;
        Done {
            status: status.expect("an end in time").unwrap(),
            stdout,
            stderr: stderr.expect("the end of stderr in time").unwrap(),
        }
    }
}

/// One JSON object, its values as they were written: digits are compared as text.
#[derive(Debug, Clone, PartialEq)]
pub struct Record(Vec<(String, String)>);

impl Record {
    #[track_caller]
    pub fn parse(line: &str) -> Self {
        let fields = serde_json::Deserializer::from_str(line).deserialize_map(Fields);
        Self(fields.unwrap_or_else(|error| panic!("{error}: {line}")))
    }

    pub fn keys(&self) -> Vec<&str> {
        self.0.iter().map(|(key, _)| key.as_str()).collect()
    }

    /// The value as it was written.
    #[track_caller]
    pub fn raw(&self, key: &str) -> &str {
        let found = self.0.iter().find(|(known, _)| known == key);
        found.map_or_else(|| panic!("no {key} in {self:?}"), |(_, value)| value)
    }

    /// The value of a string.
    #[track_caller]
    pub fn text(&self, key: &str) -> String {
        serde_json::from_str(self.raw(key)).unwrap_or_else(|_| panic!("{key} in {self:?}"))
    }

    pub fn is(&self, kind: &str) -> bool {
        self.text("type") == kind
    }

    /// An id or a count.
    #[track_caller]
    pub fn number(&self, key: &str) -> u64 {
        let raw = self.raw(key).trim_matches('"');
        raw.parse().unwrap_or_else(|_| panic!("{key} in {self:?}"))
    }
}

struct Fields;

impl<'de> Visitor<'de> for Fields {
    type Value = Vec<(String, String)>;

    fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields = Vec::new();
        while let Some((key, value)) = map.next_entry::<String, Box<RawValue>>()? {
            fields.push((key, value.get().to_owned()));
        }
        Ok(fields)
    }
}

/// Waits until something that the program does can be seen at the exchange.
pub async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let wait = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(WAIT, wait)
        .await
        .unwrap_or_else(|_| panic!("never: {what}"));
}

/// The files of a folder; none where it does not exist.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    entries.map(|entry| entry.unwrap().path()).collect()
}

/// Whether two numbers are the same. Exchanges differ in zeros at the end: Kraken's REST sends more than
/// its socket, Coinbase's tickers fewer than its trades.
pub fn same_number(a: &str, b: &str) -> bool {
    let trim = |text: &str| text.trim_end_matches('0').trim_end_matches('.').to_owned();
    trim(a) == trim(b)
}
