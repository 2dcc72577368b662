//! The raw command line. Parsing does no I/O; defaults that depend on anything are resolved later.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::config::OutputFormat;

use super::error::CliError;
use super::exit;

/// Live crypto market data in the shell
#[derive(Debug, Parser)]
#[command(name = "tickwire", version, about, long_about = None, after_help = exit::TABLE, args_conflicts_with_subcommands = false)]
pub struct Cli {
    #[command(flatten)]
    pub global: GlobalArgs,

    /// Print shell completions, or the man page
    #[arg(long, value_name = "WHAT", exclusive = true)]
    pub generate: Option<Generate>,

    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What `--generate` prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "lower")]
pub enum Generate {
    /// Completions for bash
    Bash,
    /// Completions for zsh
    Zsh,
    /// Completions for fish
    Fish,
    /// Completions for elvish
    Elvish,
    /// Completions for PowerShell
    PowerShell,
    /// The man page
    Man,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Stream prices and trades, or answer once
    Monitor(Box<MonitorArgs>),
    /// Check a condition, or watch it and act
    Alert(Box<AlertArgs>),
    /// List what an exchange trades
    Symbols(SymbolsArgs),
    /// Grade a feed from A to F
    Test(TestArgs),
    /// Serve it all to other programs: WebSocket, HTTP API, dashboard
    Start(StartArgs),
    /// Ask a running server how it is
    Status(StatusArgs),
}

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Global options")]
pub struct GlobalArgs {
    /// Where the data comes from: kraken (default), binance, coinbase, mock, a [[stream]]; server asks a running one
    #[arg(short, long, global = true, value_name = "NAME")]
    pub provider: Option<String>,

    /// Providers that take over, symbol by symbol, while that one is stale or has failed
    #[arg(long, global = true, value_name = "NAMES", value_delimiter = ',')]
    pub fallback: Vec<String>,

    /// Configuration file instead of the default one
    #[arg(short, long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Output format; auto is a table on a terminal, json in a pipe, plain with --field
    #[arg(short, long, global = true, value_name = "FORMAT")]
    pub output: Option<OutputFormat>,

    /// How long to wait: for the answer (default 10s), on a stream for each symbol's first event; a watching alert ends then
    #[arg(long, global = true, value_name = "DUR", value_parser = crate::duration::parse)]
    pub timeout: Option<Duration>,

    /// Oldest value that still counts as an answer; default for alert: 60s
    #[arg(long, global = true, value_name = "DUR", value_parser = crate::duration::parse)]
    pub max_age: Option<Duration>,

    /// Colours on the terminal
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub color: Color,

    /// Only data and errors
    #[arg(short, long, global = true)]
    pub quiet: bool,

    /// More on stderr: -v for connections, -vv for everything
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,

    /// Form of what is told on stderr
    #[arg(long, global = true, value_name = "FORM", default_value = "text")]
    pub log_format: LogFormat,

    /// Proxy for REST and WebSocket: http://, https://, socks5://, socks5h://
    #[arg(long, global = true, value_name = "URL")]
    pub proxy: Option<String>,

    /// The server of -p server and of status [default: the one of the configuration, http://127.0.0.1:8000]
    #[arg(long, global = true, value_name = "URL")]
    pub url: Option<String>,

    /// Seed of the mock market
    #[arg(long, global = true, value_name = "N")]
    pub seed: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    /// Also in a pipe
    Always,
    /// None
    Never,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people
    Text,
    /// One JSON object per line
    Json,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tickwire monitor BTC ETH                      a live table
  tickwire monitor BTC -1 --field price         one number
  tickwire monitor BTC --stream trades | jq     JSON Lines
  tickwire monitor BTC --stream trades --where 'price * size > 100000'
  tickwire monitor BTC --stream candles --interval 5m --history 100
  tickwire monitor BTC --stream candles --interval 1d --since 2026-01-01 --until 2026-02-01 -o csv > btc.csv
  tickwire monitor BTC -1 --field 'rsi(14,1h)'  an indicator
  tickwire monitor BTC --strategy 'sma_cross(10,30)' --interval 1h --since 30d --until now --fee 0.1%
                                                a backtest
  tickwire monitor --portfolio                  what the holdings of the configuration are worth
  tickwire monitor BTC ETH -p mock              without any exchange
  tickwire monitor BTC -p server -1             what a running tickwire start has")]
pub struct MonitorArgs {
    /// Symbols in any spelling: BTC, btc-usd, BTC/USD, BTCUSDT, kraken:BTC/USD; - reads them from stdin
    #[arg(value_name = "SYMBOL")]
    pub symbols: Vec<String>,

    /// The same, separated by commas
    #[arg(
        short = 's',
        long = "symbols",
        value_name = "A,B,C",
        value_delimiter = ','
    )]
    pub list: Vec<String>,

    /// What to follow: ticker, trades, candles [default: ticker; with --strategy only its signals]
    #[arg(long, value_name = "STREAMS", value_delimiter = ',')]
    pub stream: Vec<String>,

    /// How long candles are; the first is what functions and strategies are over unless they say: 1s 5s 15s 1m 3m 5m 15m 30m 1h 2h 4h 6h 8h 12h 1d 1w [default: 1m]
    #[arg(long, value_name = "INTERVALS", value_delimiter = ',')]
    pub interval: Vec<crate::model::Interval>,

    /// What the holdings of the configuration are worth, instead of any symbols
    #[arg(long, conflicts_with_all = ["symbols", "list", "stream", "interval", "history", "since", "until", "strategy", "fee", "slippage", "summary", "filter"])]
    pub portfolio: bool,

    /// First the newest so many closed candles, or trades, of each symbol and interval, then live
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..), allow_hyphen_values = true, conflicts_with_all = ["since", "until", "once"])]
    pub history: Option<u64>,

    /// First the past from this time on, then live: 2026-01-31, 2026-01-31T14:00:00Z, or 2d for two days ago
    #[arg(long, value_name = "TIME", conflicts_with = "once")]
    pub since: Option<String>,

    /// End here; in the past, or now: a download
    #[arg(long, value_name = "TIME", requires = "since")]
    pub until: Option<String>,

    /// Signals of a strategy at the close of each candle: sma_cross(10,30), rsi(14,30,70), macd, bollinger, or the name of one in [strategies]; over --since and --until a backtest
    #[arg(long, value_name = "STRATEGY")]
    pub strategy: Vec<String>,

    /// What each fill of a backtest costs, as in 0.1%
    #[arg(long, value_name = "PERCENT", allow_hyphen_values = true)]
    pub fee: Option<String>,

    /// How much worse than the open of the next candle each fill is, as in 0.05%
    #[arg(long, value_name = "PERCENT", allow_hyphen_values = true)]
    pub slippage: Option<String>,

    /// One fresh event per symbol and stream, then exit
    #[arg(short = '1', long)]
    pub once: bool,

    /// Exit after so many events, all symbols together
    #[arg(short = 'n', long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,

    /// Exit after so long
    #[arg(short, long, value_name = "DUR", value_parser = crate::duration::parse)]
    pub duration: Option<Duration>,

    /// How often the screen is redrawn; nothing with -1
    #[arg(long, value_name = "DUR", default_value = "250ms", value_parser = crate::duration::parse)]
    pub refresh: Duration,

    /// A market summary on stderr that often, told after the table is left; nothing with -1
    #[arg(long, value_name = "DUR", value_parser = crate::duration::parse)]
    pub summary: Option<Duration>,

    /// Only these fields (price, bid, ask, spread, volume_24h, timestamp and more), indicators, or what is computed from them
    #[arg(long, value_name = "A,B")]
    pub field: Vec<String>,

    /// Only events for which this holds, as in price > 50000 and spread_bps < 5
    #[arg(long = "where", value_name = "EXPR")]
    pub filter: Option<String>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tickwire symbols                     everything the provider trades
  tickwire symbols sol --quote USD     what matches
  tickwire symbols --resolve BTC/USD   how each provider names it")]
pub struct SymbolsArgs {
    /// Part of a symbol, or of the exchange's own name for it
    #[arg(value_name = "QUERY")]
    pub query: Option<String>,

    /// Only this base
    #[arg(long, value_name = "ASSET")]
    pub base: Option<String>,

    /// Only this quote
    #[arg(long, value_name = "ASSET")]
    pub quote: Option<String>,

    /// Every exchange, not only the provider
    #[arg(long)]
    pub all_providers: bool,

    /// Ask the exchange anew, whatever the cache has
    #[arg(long)]
    pub update: bool,

    /// How each provider names this symbol
    #[arg(long, value_name = "SYMBOL", conflicts_with_all = ["query", "base", "quote"])]
    pub resolve: Option<String>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tickwire test                              BTC at the default provider, for 10 seconds
  tickwire test BTC ETH -p binance -d 1m     a longer look at two symbols
  tickwire test --drop                       and how it recovers when the line is cut
  tickwire test --min-grade B -q || …        for scripts: 0 passed, 1 too low, 3 unreachable
  tickwire test --explain                    the rule of each check, without a run")]
pub struct TestArgs {
    /// Symbols in any spelling, all of one provider; - reads them from stdin; default: BTC
    #[arg(value_name = "SYMBOL")]
    pub symbols: Vec<String>,

    /// The same, separated by commas
    #[arg(
        short = 's',
        long = "symbols",
        value_name = "A,B,C",
        value_delimiter = ','
    )]
    pub list: Vec<String>,

    /// How long to watch the feed
    #[arg(short, long, value_name = "DUR", default_value = "10s", value_parser = crate::duration::parse)]
    pub duration: Duration,

    /// Cut the connection afterwards, and see how it recovers
    #[arg(long)]
    pub drop: bool,

    /// Print the rule of each check and exit
    #[arg(long)]
    pub explain: bool,

    /// The worst grade that passes
    #[arg(long, value_name = "GRADE", default_value = "D", ignore_case = true)]
    pub min_grade: MinGrade,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "UPPER")]
pub enum MinGrade {
    /// Nothing less than the best
    A,
    /// Good
    B,
    /// Fair
    C,
    /// Poor, but it works
    D,
    /// Anything passes
    F,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tickwire alert BTC 'price > 50000' --once          one look: 0 is true, 1 false, 3 not known
  if tickwire alert BTC 'price > 50000' --once -q; then …
  tickwire alert BTC 'price > 50000' -n 1            wait for it
  tickwire alert BTC ETH 'change_percent_24h < -4%'  watch, a line whenever it becomes true
  tickwire alert BTC 'price > 50000' --once --name high --exec notify-send 'BTC is high'
                                                     for cron: once each time it becomes true
  tickwire alert BTC 'price > open_24h * 102%' --explain
                                                     what it means and fetches, the values now
  tickwire alert BTC 'rsi(14, 1h) < 30 and price > sma(200, 1d)' --once
                                                     from one or two requests per interval
  tickwire alert --once                              every [[alert]] of the configuration

Conditions:
  fields     price, bid, ask, spread, spread_bps, age, change_percent_24h, volume_24h, size, side …
  functions  sma(n), ema(n), rsi(n), macd(f, s, n), macd_signal(f, s, n), bb_upper(n, k), bb_middle(n, k),
             bb_lower(n, k), atr(n), vwap(n), highest(n), lowest(n) over candles of 1m, or of an interval
             that comes last: rsi(14, 1h); pct_change(15m), crosses_above(a, b), crosses_below(a, b)
  elsewhere  ETH/USD.price, kraken:BTC/USD.bid, ETH/USD.sma(20)
  operators  or, and, not; < <= > >= == !=; + - * /; abs(x), min(a, b), max(a, b)
  values     50_000, 0.5, 30s, 15m, buy, 'BTC/USD'; 4% (4 beside a percentage, 0.04 anywhere else)

Quote the whole condition: the shell takes > for itself. In a crontab % ends the command: write
`pct` for it, as in 'change_percent_24h < -4 pct'.")]
pub struct AlertArgs {
    /// Symbols, then the condition: BTC 'price > 50000'; with --condition only symbols
    #[arg(value_name = "SYMBOL|CONDITION")]
    pub words: Vec<String>,

    /// Symbols, separated by commas
    #[arg(
        short = 's',
        long = "symbols",
        visible_alias = "symbol",
        value_name = "A,B,C",
        value_delimiter = ','
    )]
    pub list: Vec<String>,

    /// The condition as a flag: price > 50000 and spread_bps < 10
    #[arg(long, value_name = "EXPR", allow_hyphen_values = true)]
    pub condition: Option<String>,

    /// Check once and exit: 0 true or fired, 1 not, 3 not known
    #[arg(long)]
    pub once: bool,

    /// Exit after so many firings
    #[arg(short = 'n', long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..), conflicts_with = "once")]
    pub count: Option<u64>,

    /// Give the rule a memory over runs: it fires when the condition becomes true, not while it stays so
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,

    /// What the alert says; default: symbol, condition and price
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub message: Option<String>,

    /// Swallow what comes within so long after a firing
    #[arg(long, value_name = "DUR", value_parser = crate::duration::parse)]
    pub cooldown: Option<Duration>,

    /// Fall back so far before it can fire again: 500 or 1%
    #[arg(long, value_name = "MARGIN")]
    pub hysteresis: Option<String>,

    /// Fire only when the condition has held so long
    #[arg(long = "for", value_name = "DUR", value_parser = crate::duration::parse)]
    pub hold: Option<Duration>,

    /// At most so many firings in such a time: 3/1d
    #[arg(long, value_name = "N/DUR")]
    pub max_fires: Option<String>,

    /// What must be true before it can fire again; default: the opposite of the condition
    #[arg(long, value_name = "EXPR", allow_hyphen_values = true)]
    pub rearm: Option<String>,

    /// Whether a named rule looks at the trades, or candles, since its last check
    #[arg(long, value_name = "WHEN", default_value = "on")]
    pub since_last: SinceLast,

    /// Do one of the [actions] of the configuration, or post to an address
    #[arg(long, value_name = "ACTION|URL")]
    pub webhook: Option<String>,

    /// Show a desktop notification
    #[arg(long)]
    pub notify: bool,

    /// Ring the terminal
    #[arg(long)]
    pub bell: bool,

    /// Say what would be done, do nothing, remember nothing
    #[arg(long)]
    pub dry_run: bool,

    /// Print the condition as it was understood, what it fetches, and the values now
    #[arg(long)]
    pub explain: bool,

    /// List the rules with a memory
    #[arg(long = "list", conflicts_with_all = ["words", "condition", "once", "reset", "history", "explain"])]
    pub list_rules: bool,

    /// Forget what a named rule remembers
    #[arg(long, value_name = "NAME", conflicts_with_all = ["words", "condition", "once", "history", "explain"])]
    pub reset: Option<String>,

    /// The last firings of a named rule, and what was swallowed
    #[arg(long, value_name = "NAME", conflicts_with_all = ["words", "condition", "once", "explain"])]
    pub history: Option<String>,

    /// Run a program at each firing, without a shell, the alert as JSON on its stdin. The last flag: it takes the rest of the line
    #[arg(long, value_name = "PROGRAM [ARGS…]", num_args = 1.., allow_hyphen_values = true)]
    pub exec: Vec<OsString>,
}

impl AlertArgs {
    /// Whether it is about what rules remember, which is on this machine.
    pub fn is_about_memory(&self) -> bool {
        self.list_rules || self.reset.is_some() || self.history.is_some()
    }

    /// Whether the `[actions]` of the configuration may be needed, with their secrets.
    pub fn uses_actions(&self) -> bool {
        let condition = self.condition.is_some() || !self.words.is_empty();
        self.webhook.is_some() || !condition && !self.is_about_memory() && !self.explain
    }
}

/// Whether a named rule looks at what happened between two checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SinceLast {
    /// They are judged, in their order
    On,
    /// Only the moment of the check counts
    Off,
}

/// Cuts the arguments at `--exec`: what follows belongs to the program, whatever it looks like.
pub fn split_exec(arguments: &[OsString]) -> (&[OsString], Option<Vec<OsString>>) {
    let alert = arguments.iter().position(|argument| argument == "alert");
    let after = alert.map_or(arguments.len(), |alert| alert + 1);
    let exec = arguments[after..].iter().position(|argument| {
        argument == "--exec" || argument.as_encoded_bytes().starts_with(b"--exec=")
    });
    let Some(at) = exec.map(|at| after + at) else {
        return (arguments, None);
    };
    let mut program = arguments[at + 1..].to_vec();
    // `--exec=PROGRAM`: an option's value is text here, as everywhere.
    if let Some(first) = arguments[at]
        .to_str()
        .and_then(|text| text.strip_prefix("--exec="))
    {
        program.insert(0, first.into());
    }
    (&arguments[..at], Some(program))
}

/// Gives the program back to the command that it was cut from.
///
/// Errors: there is none behind the flag.
pub fn put_exec(cli: &mut Cli, program: Option<Vec<OsString>>) -> Result<(), CliError> {
    let (Some(program), Some(Command::Alert(alert))) = (program, &mut cli.command) else {
        return Ok(());
    };
    if program.first().is_none_or(|program| program.is_empty()) {
        return Err(CliError::usage("usage", "--exec needs a program")
            .hint("--exec PROGRAM ARGS… as the last flag"));
    }
    alert.exec = program;
    Ok(())
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tickwire start -s BTC,ETH                     serve on http://127.0.0.1:8000
  tickwire start -s BTC,ETH -p mock --dashboard without any exchange, and open the page
  tickwire start --port 0                       on a free port, which is told
  tickwire start -c tickwire.toml BTC           with the alerts, strategies and streams of a file

SIGTERM ends it, SIGHUP reads the configuration anew. Alerts, strategies, the portfolio, [[stream]] and [server]
come from there. / is the dashboard, /ws the WebSocket, /api/v1 the HTTP API, /metrics is for Prometheus.")]
pub struct StartArgs {
    /// Symbols to serve, in any spelling; more can be added while it runs
    #[arg(value_name = "SYMBOL")]
    pub symbols: Vec<String>,

    /// The same, separated by commas
    #[arg(
        short = 's',
        long = "symbols",
        value_name = "A,B,C",
        value_delimiter = ','
    )]
    pub list: Vec<String>,

    /// The address to listen on; any other than loopback needs server.token [default: 127.0.0.1]
    #[arg(long, value_name = "ADDRESS")]
    pub host: Option<String>,

    /// The port; 0 takes a free one [default: 8000]
    #[arg(long, value_name = "PORT")]
    pub port: Option<u16>,

    /// Open the dashboard in a browser once it is ready
    #[arg(long, overrides_with = "no_dashboard")]
    pub dashboard: bool,

    /// Do not open it
    #[arg(long)]
    pub no_dashboard: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tickwire status                               a table, feed by feed
  tickwire status --watch                       the same, again and again
  tickwire status -o json | jq .feeds
  tickwire status --url https://ticks.example   another server
  tickwire status -q -o plain > /dev/null || …  for scripts: 0 healthy, 1 degraded, 3 no server")]
pub struct StatusArgs {
    /// The server's host, instead of --url
    #[arg(long, value_name = "HOST")]
    pub host: Option<String>,

    /// The server's port, instead of --url
    #[arg(long, value_name = "PORT")]
    pub port: Option<u16>,

    /// Ask again and again, until stopped
    #[arg(long)]
    pub watch: bool,
}
