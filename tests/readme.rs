//! README tells the truth: its commands run and end as it says, what they print is what it shows, and its
//! tables are those of the program.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tickwire::exchange::binance::Binance;
use tickwire::exchange::coinbase::Coinbase;
use tickwire::exchange::kraken::Kraken;
use tickwire::exchange::mock::Mock;
use tickwire::exchange::{Adapter, Profile};
use tickwire::feed::Provider;
use tickwire::model::{
    Event, Exchange, Field, Gap, GapReason, GapState, JsonWriter, Market, Status, StatusState,
    Stream, Timestamp,
};
use tickwire::sim::{Sim, SimConfig, Venue};

/// No command of README takes longer.
const PATIENCE: Duration = Duration::from_secs(30);

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn readme() -> String {
    fs::read_to_string(root().join("README.md")).expect("README.md exists")
}

/// A fenced block.
#[derive(Debug)]
struct Block {
    language: String,
    text: String,
    /// Whether only blank lines are between it and the block before.
    follows: bool,
}

fn blocks(text: &str) -> Vec<Block> {
    let (mut blocks, mut open, mut between) = (Vec::<Block>::new(), false, false);
    for line in text.lines() {
        match line.strip_prefix("```") {
            Some(_) if open => (open, between) = (false, true),
            Some(language) => {
                open = true;
                blocks.push(Block {
                    language: language.into(),
                    text: String::new(),
                    follows: between,
                });
            }
            None if open => {
                let block = blocks.last_mut().expect("a block is open");
                block.text.push_str(line);
                block.text.push('\n');
            }
            None => between &= line.is_empty(),
        }
    }
    assert!(!open, "a fenced block has no end");
    blocks
}

/// One line of an `sh` block.
#[derive(Debug)]
struct Line {
    text: String,
    /// From a comment like `# exit 2`; without one it is 0.
    exit: i32,
}

fn commands(block: &Block) -> Vec<Line> {
    let lines = block.text.lines().filter(|line| !line.trim().is_empty());
    lines
        .map(|line| match line.rsplit_once("  # exit ") {
            Some((text, code)) => Line {
                text: text.into(),
                exit: code.trim().parse().expect("`# exit N`"),
            },
            None => Line {
                text: line.into(),
                exit: 0,
            },
        })
        .collect()
}

fn sh_blocks(blocks: &[Block]) -> impl Iterator<Item = &Block> {
    blocks.iter().filter(|block| block.language == "sh")
}

/// Runs commands against simulated exchanges, in a home and a working directory of its own.
struct Stage {
    _runtime: tokio::runtime::Runtime,
    _sims: Vec<Sim>,
    variables: Vec<(String, String)>,
    folder: tempfile::TempDir,
}

impl Stage {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime starts");
        let (mut sims, mut variables) = (Vec::new(), Vec::new());
        for (name, venue) in [
            ("KRAKEN", Venue::Kraken),
            ("BINANCE", Venue::Binance),
            ("COINBASE", Venue::Coinbase),
        ] {
            let config = SimConfig {
                rate: 10.0,
                ..SimConfig::new(venue)
            };
            let sim = runtime.block_on(Sim::start(config)).expect("a port");
            let variable = |key| format!("TICKWIRE_PROVIDERS__{name}__{key}");
            variables.push((variable("REST_URL"), sim.rest_url()));
            variables.push((variable("WS_URL"), sim.ws_url()));
            sims.push(sim);
        }
        let folder = tempfile::tempdir().expect("a temporary folder");
        let programs = folder.path().join("bin");
        fs::create_dir(&programs).expect("the folder is ours");
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_tickwire"), programs.join("tickwire"))
            .expect("the folder is ours");
        let path = std::env::var("PATH").expect("there is a PATH");
        variables.push(("PATH".into(), format!("{}:{path}", programs.display())));
        let stage = Self {
            _runtime: runtime,
            _sims: sims,
            variables,
            folder,
        };
        stage.reset();
        stage
    }

    /// An empty home, and the files of a checkout that commands of README read.
    fn reset(&self) {
        for name in ["home", "work"] {
            let path = self.folder.path().join(name);
            let _ = fs::remove_dir_all(&path);
            fs::create_dir(path).expect("the folder is ours");
        }
        let file = "config.example.toml";
        fs::copy(root().join(file), self.work().join(file)).expect("a file of the checkout");
    }

    fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    fn work(&self) -> PathBuf {
        self.folder.path().join("work")
    }

    fn shell(&self, script: &str) -> Command {
        let mut command = Command::new("sh");
        command
            .args(["-c", script])
            .env_clear()
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .env("HOME", self.home())
            .env("XDG_CONFIG_HOME", self.home().join(".config"))
            .env("XDG_CACHE_HOME", self.home().join(".cache"))
            .env("XDG_STATE_HOME", self.home().join(".local/state"))
            .env("XDG_DATA_HOME", self.home().join(".local/share"))
            .current_dir(self.work())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs a command to its end; one without an end is stopped, by SIGTERM, once it has printed a few lines.
    fn run(&self, line: &Line) -> Outcome {
        let endless = line.exit == 0 && is_endless(&line.text);
        // `exec`: the signal has to reach tickwire and not the shell.
        let exec = if endless { "exec " } else { "" };
        let mut child = self
            .shell(&format!("{exec}{}", line.text))
            .spawn()
            .expect("sh starts");
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let (sender, enough) = std::sync::mpsc::channel();
        let stdout = std::thread::spawn(move || {
            let mut text = String::new();
            let mut reader = BufReader::new(stdout.expect("stdout is piped"));
            while reader.read_line(&mut text).expect("output is UTF-8") > 0 {
                if text.lines().count() == 5 {
                    let _ = sender.send(());
                }
            }
            text
        });
        let stderr = std::thread::spawn(move || {
            let mut text = String::new();
            let mut stderr = stderr.expect("stderr is piped");
            stderr.read_to_string(&mut text).expect("output is UTF-8");
            text
        });
        if endless {
            let came = enough.recv_timeout(PATIENCE);
            terminate(&child);
            assert!(came.is_ok(), "{}: prints too little", line.text);
        }
        let status = wait(&mut child, &line.text);
        Outcome {
            status,
            stdout: stdout.join().expect("stdout was read"),
            stderr: stderr.join().expect("stderr was read"),
        }
    }
}

struct Outcome {
    status: ExitStatus,
    stdout: String,
    stderr: String,
}

/// Whether output goes elsewhere: a `>` that is not in quotes.
fn is_redirected(command: &str) -> bool {
    command
        .split('\'')
        .step_by(2)
        .any(|part| part.contains('>'))
}

/// A stream that nothing in the command ends.
fn is_endless(command: &str) -> bool {
    let ends = [
        "-1",
        "--once",
        "-n",
        "--count",
        "-d",
        "--duration",
        "|",
        "--help",
    ];
    command.starts_with("tickwire monitor") && !command.split(' ').any(|word| ends.contains(&word))
}

fn terminate(child: &Child) {
    let kill = format!("kill -TERM {}", child.id());
    let status = Command::new("sh").args(["-c", &kill]).status();
    assert!(status.expect("sh starts").success(), "{kill}");
}

fn wait(child: &mut Child, what: &str) -> ExitStatus {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(status) = child.try_wait().expect("it is our child") {
            return status;
        }
        if Instant::now() > deadline {
            let _ = child.kill();
            panic!("{what}: does not end");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Times differ from run to run; nothing else does.
fn without_times(text: &str) -> String {
    const TIME: &str = "0000-00-00T00:00:00.000000Z";
    let is_time = |text: &str| {
        text.len() == TIME.len()
            && text.bytes().zip(TIME.bytes()).all(|(byte, pattern)| {
                if pattern == b'0' {
                    byte.is_ascii_digit()
                } else {
                    byte == pattern
                }
            })
    };
    let (mut masked, mut rest) = (String::new(), text);
    while let Some(first) = rest.chars().next() {
        if rest.get(..TIME.len()).is_some_and(is_time) {
            masked.push_str("TIME");
            rest = &rest[TIME.len()..];
        } else {
            masked.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    masked
}

/// `cargo run --release -- …` is the binary.
fn as_installed(command: &str) -> String {
    command.replace("cargo run --release --", "tickwire")
}

#[test]
fn commands_end_as_told_and_print_what_is_shown() {
    let text = readme();
    let blocks = blocks(&text);
    let stage = Stage::new();
    let (mut ran, mut compared) = (0, 0);
    for (n, block) in blocks
        .iter()
        .enumerate()
        .filter(|(_, block)| block.language == "sh")
    {
        stage.reset();
        let mut last = None;
        for mut line in commands(block) {
            line.text = as_installed(&line.text);
            if checks_itself(&line.text) {
                continue;
            }
            let outcome = stage.run(&line);
            assert_eq!(
                outcome.status.code(),
                Some(line.exit),
                "{}: {}",
                line.text,
                outcome.stderr
            );
            ran += 1;
            let silent = is_redirected(&line.text) && !line.text.contains("2>&1")
                || ["mkdir", "cp"]
                    .iter()
                    .any(|program| line.text.starts_with(program));
            assert_eq!(
                outcome.stdout.is_empty(),
                silent,
                "{}: {}",
                line.text,
                outcome.stderr
            );
            last = Some((line, outcome));
        }
        let shown = blocks
            .get(n + 1)
            .filter(|next| next.follows && ["text", "json"].contains(&next.language.as_str()));
        if let Some(shown) = shown {
            let (line, outcome) = last.expect("output is shown below a command that runs");
            assert_eq!(
                without_times(&outcome.stdout),
                without_times(&shown.text),
                "the output of {}",
                line.text
            );
            compared += 1;
        }
    }
    assert!(ran >= 15, "README has lost its commands: {ran}");
    assert!(compared >= 5, "README has lost its outputs: {compared}");
}

/// Commands that build, install or test: running them from inside of a test would be no test. They are
/// checked for what they name.
fn checks_itself(command: &str) -> bool {
    let words: Vec<_> = command.split_whitespace().collect();
    let manifest: toml::Table = fs::read_to_string(root().join("Cargo.toml"))
        .expect("Cargo.toml exists")
        .parse()
        .expect("Cargo.toml is TOML");
    match words.as_slice() {
        ["cargo", "install", "--path", ".", "--locked"] => {
            assert!(root().join("Cargo.lock").exists() && root().join("src/main.rs").exists());
        }
        ["cargo", "run", "--example", example, "--features", feature] => {
            assert!(
                root().join(format!("examples/{example}.rs")).exists(),
                "{command}"
            );
            assert!(
                manifest["features"].get(*feature).is_some(),
                "no feature {feature}"
            );
        }
        ["./scripts/test", ..] => {
            for script in ["scripts/test", ".ci/run"] {
                is_a_script(&root().join(script));
            }
        }
        ["cargo", ..] => panic!("README has a command that this test cannot check: {command}"),
        _ => return false,
    }
    true
}

fn is_a_script(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    let mode = fs::metadata(path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        .permissions()
        .mode();
    assert!(mode & 0o111 != 0, "{} cannot be run", path.display());
    match Command::new("bash").arg("-n").arg(path).status() {
        Ok(status) => assert!(status.success(), "{} is no bash script", path.display()),
        Err(error) => eprintln!("skipped: bash -n {}: {error}", path.display()),
    }
}

#[test]
fn the_first_command_works_offline_and_the_test_command_is_there() {
    let text = readme();
    let blocks = blocks(&text);
    let lines: Vec<_> = sh_blocks(&blocks)
        .flat_map(commands)
        .map(|line| line.text)
        .collect();
    assert_eq!(lines[0], "cargo run --release -- monitor BTC ETH -p mock");
    assert!(lines.contains(&"./scripts/test".to_string()));
}

#[test]
fn the_first_command_needs_no_network() {
    let mut stage = Stage::new();
    stage.variables.retain(|(name, _)| name == "PATH");
    // Whatever would be asked is refused at once.
    stage
        .variables
        .push(("HTTPS_PROXY".into(), "http://127.0.0.1:1".into()));
    let line = |text: &str| Line {
        text: text.into(),
        exit: 0,
    };
    let outcome = stage.run(&line("tickwire monitor BTC ETH -p mock"));
    assert_eq!(outcome.status.code(), Some(0), "{}", outcome.stderr);
    // And that would be seen: without -p mock it is "cannot know".
    let outcome = stage.run(&line("tickwire monitor BTC ETH -1"));
    assert_eq!(outcome.status.code(), Some(3), "{}", outcome.stderr);
    assert!(
        outcome
            .stderr
            .starts_with("tickwire: error: no list of what kraken trades: "),
        "{}",
        outcome.stderr
    );
}

/// The rows of the table whose header begins with these cells, without the header.
fn table(text: &str, header: &str) -> Vec<Vec<String>> {
    let mut lines = text.lines().skip_while(|line| !line.starts_with(header));
    assert!(lines.next().is_some(), "README has no table {header}");
    assert!(
        lines.next().is_some_and(|line| line.starts_with("|---")),
        "{header} is no table"
    );
    lines
        .take_while(|line| line.starts_with('|'))
        .map(|line| {
            let cells = line.trim_matches('|').split(" | ");
            cells
                .map(|cell| cell.trim_matches([' ', '|']).to_string())
                .collect()
        })
        .collect()
}

/// The first column of the table of fields below this line, without backticks.
fn fields_below(text: &str, start: &str) -> Vec<String> {
    let (_, below) = text
        .split_once(start)
        .unwrap_or_else(|| panic!("README has no `{start}`"));
    table(below, "| field | meaning |")
        .into_iter()
        .map(|row| row[0].trim_matches('`').to_string())
        .collect()
}

fn keys(line: &str) -> Vec<String> {
    // In the order in which they are written, which a parsed object would not keep.
    let object: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"));
    let mut keys: Vec<_> = object.keys().cloned().collect();
    keys.sort_by_key(|key| line.find(&format!("\"{key}\":")));
    keys
}

#[test]
fn the_exit_codes_are_those_of_the_help() {
    let help = Command::new(env!("CARGO_BIN_EXE_tickwire"))
        .arg("--help")
        .env_clear()
        .output()
        .expect("the binary runs");
    let help = String::from_utf8(help.stdout).expect("help is UTF-8");
    let (_, codes) = help
        .split_once("Exit codes:\n")
        .expect("help has the exit codes");
    let of_help: Vec<Vec<String>> = codes
        .lines()
        .map(|line| {
            let (code, meaning) = line.trim().split_once("  ").expect("two columns");
            vec![code.trim().into(), meaning.trim().into()]
        })
        .collect();
    assert_eq!(table(&readme(), "| code | meaning |"), of_help);
}

#[test]
fn ticker_and_trade_have_the_fields_that_are_listed() {
    let text = readme();
    let names = |stream| -> Vec<String> {
        Field::of(stream)
            .iter()
            .map(|field| field.name().to_string())
            .collect()
    };
    let stage = Stage::new();
    for (stream, kind) in [(Stream::Ticker, "ticker"), (Stream::Trades, "trade")] {
        let listed = fields_below(&text, &format!("`{kind}`: "));
        assert_eq!(listed, names(stream));
        let outcome = stage.run(&Line {
            text: format!("tickwire monitor BTC -p kraken -n 1 --stream {kind}"),
            exit: 0,
        });
        let printed = outcome
            .stdout
            .lines()
            .next()
            .unwrap_or_else(|| panic!("{}", outcome.stderr));
        assert_eq!(keys(printed), listed);
    }
    for field in Field::ALL {
        let listed = Stream::ALL
            .iter()
            .any(|&stream| Field::of(stream).contains(field));
        let extra = text
            .lines()
            .skip_while(|line| !line.starts_with("Two more fields"))
            .take(2)
            .any(|line| line.contains(&format!("`{}`", field.name())));
        assert!(listed != extra, "{} is not described once", field.name());
    }
}

#[test]
fn gap_and_status_have_the_fields_that_are_listed() {
    let text = readme();
    let market = Market::new(Exchange::new("kraken"), "BTC", "USD");
    let gap = Event::Gap(Arc::new(Gap {
        market,
        stream: Stream::Trades,
        from_id: None,
        to_id: None,
        from: None,
        to: None,
        missing: None,
        recovered: 0,
        state: GapState::Unrepairable,
        reason: GapReason::RepairOff,
    }));
    let status = |state| {
        Event::Status(Arc::new(Status {
            exchange: market.exchange(),
            market: None,
            state,
            attempt: 1,
            reason: None,
            timestamp: Timestamp::from_nanos(0),
        }))
    };
    for (event, kind) in [(gap, "gap"), (status(StatusState::Stale), "status")] {
        let mut json = Vec::new();
        JsonWriter::default().write(&event, &mut json);
        let json = String::from_utf8(json).expect("JSON is UTF-8");
        assert_eq!(fields_below(&text, &format!("`{kind}`: ")), keys(&json));
    }
    let words = [
        GapState::Unrepairable.name(),
        GapReason::RepairOff.name(),
        GapReason::SlowConsumer.name(),
        StatusState::Connected.name(),
        StatusState::Stale.name(),
        StatusState::Reconnecting.name(),
        StatusState::Failed.name(),
    ];
    for word in words {
        assert!(
            text.contains(&format!("`{word}`")),
            "{word} is not described"
        );
    }
}

#[test]
fn symbols_have_the_fields_that_are_listed() {
    let outcome = Stage::new().run(&Line {
        text: "tickwire symbols --base BTC -p mock".into(),
        exit: 0,
    });
    let listed = fields_below(&readme(), "`symbols` prints one object");
    assert_eq!(keys(outcome.stdout.trim_end()), listed);
}

#[test]
fn the_plain_columns_are_as_described() {
    let main: Vec<_> = Field::main(Stream::Ticker)
        .iter()
        .map(|f| f.name())
        .collect();
    let described = [
        ("exchange", "exchange"),
        ("symbol", "symbol"),
        ("price", "price"),
        ("bid", "bid"),
        ("ask", "ask"),
        ("change in per cent", "change_percent_24h"),
        ("volume", "volume_24h"),
        ("time", "timestamp"),
    ];
    assert_eq!(main, described.map(|(_, field)| field));
    let sentence = described.map(|(words, _)| words).join(", ");
    let text = readme().replace('\n', " ");
    assert!(text.contains(&format!("values: {sentence}.")), "{sentence}");
}

#[test]
fn the_table_of_exchanges_is_that_of_the_adapters() {
    let profiles: [(Exchange, Profile); 3] = [
        (Adapter::exchange(&Kraken), Kraken.profile()),
        (Adapter::exchange(&Binance), Binance.profile()),
        (Adapter::exchange(&Coinbase), Coinbase.profile()),
    ];
    let text = readme();
    let limits = table(&text, "| provider | quotes of a bare base |");
    let addresses = table(&text, "| provider | REST | WebSocket |");
    assert_eq!((limits.len(), addresses.len()), (4, 3));
    for (n, (exchange, profile)) in profiles.into_iter().enumerate() {
        let name = format!("`{exchange}`");
        let rate = 1.0 / profile.limits.rest_interval.as_secs_f64();
        let burst = profile.limits.rest_burst;
        let budget = match exchange.name() {
            "binance" => format!("weight {rate}/s, bursts of {burst}"),
            _ if rate == 1.0 => format!("1 request/s, bursts of {burst}"),
            _ => format!("{rate} requests/s, bursts of {burst}"),
        };
        let given = [profile.stream_fields, profile.rest_fields].concat();
        let missing: Vec<_> = Field::TICKER_NUMBERS
            .iter()
            .filter(|field| !given.contains(field))
            .map(|field| format!("`{}`", field.name()))
            .collect();
        let mut row = vec![
            name.clone(),
            profile.quotes.join(", "),
            profile.limits.topics_per_connection.to_string(),
            budget,
        ];
        row.push(missing.join(", "));
        assert_eq!(limits[n], row);
        let address = |url: &str| format!("`{url}`");
        assert_eq!(
            addresses[n],
            [name, address(&profile.rest_url), address(&profile.ws_url)]
        );
    }
    assert_eq!(limits[3][..2], ["`mock`", "USD"]);
    assert_eq!(Mock::default().traits().quotes, ["USD"]);
}

#[test]
fn the_configuration_shown_is_accepted_and_does_what_it_says() {
    let text = readme();
    let blocks = blocks(&text);
    let shown: Vec<_> = blocks
        .iter()
        .filter(|block| block.language == "toml")
        .collect();
    assert_eq!(shown.len(), 1, "one block of configuration");
    let stage = Stage::new();
    fs::write(stage.work().join("shown.toml"), &shown[0].text).expect("the folder is ours");
    let run = |text: &str| {
        let outcome = stage.run(&Line {
            text: text.into(),
            exit: 0,
        });
        assert_eq!(outcome.status.code(), Some(0), "{text}: {}", outcome.stderr);
        outcome.stdout
    };
    let monitor = "tickwire -c shown.toml monitor BTC -p mock -n 1000";
    let first = run(monitor);
    assert_eq!(first.lines().count(), 1000);
    assert!(
        first.contains("\"timestamp\":\"2026-01-01T00:00:00.000000Z\""),
        "{first:.300}"
    );
    assert_eq!(first, run(monitor));
    assert_eq!(
        run("tickwire -c shown.toml monitor BTC -1 --field exchange,symbol"),
        "{\"exchange\":\"binance\",\"symbol\":\"BTC/USDT\"}\n"
    );
}

#[test]
fn every_option_that_is_named_exists() {
    let mut help = String::new();
    for arguments in [
        &["--help"][..],
        &["monitor", "--help"],
        &["symbols", "--help"],
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_tickwire"))
            .args(arguments)
            .env_clear()
            .output()
            .expect("the binary runs");
        help.push_str(&String::from_utf8(output.stdout).expect("help is UTF-8"));
    }
    // The only digit that is an option; others are numbers in expressions.
    let short = |c: char| c.is_ascii_alphabetic() || c == '1';
    let options = |text: &str| -> BTreeSet<String> {
        text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-')
            .filter(|word| {
                word.strip_prefix("--")
                    .is_some_and(|name| name.starts_with(|c: char| c.is_ascii_lowercase()))
                    || (word.len() == 2 && word.starts_with('-') && word.ends_with(short))
            })
            .map(str::to_string)
            .collect()
    };
    let of_binary = options(&help);
    // Those of cargo, mkdir and scripts/test.
    let others = [
        "--release",
        "--path",
        "--locked",
        "--open",
        "--example",
        "--features",
        "--install",
    ];
    let text = readme();
    let (mut named, mut fenced) = (BTreeSet::new(), false);
    for line in text.lines() {
        if line.starts_with("```") {
            fenced = line.len() > 3;
        } else if fenced && line.contains("tickwire ") {
            let commands = line.split("tickwire ").skip(1);
            let own = commands.map(|command| command.split(['|', '>', ')']).next());
            named.extend(own.flatten().flat_map(options));
        } else if !fenced {
            named.extend(line.split('`').skip(1).step_by(2).flat_map(options));
        }
    }
    let unknown: Vec<_> = named
        .iter()
        .filter(|name| !of_binary.contains(*name) && !others.contains(&name.as_str()))
        .collect();
    assert!(named.len() >= 20, "README names options: {named:?}");
    assert!(unknown.is_empty(), "README names {unknown:?}");
}

#[test]
fn files_that_are_linked_exist() {
    let text = readme();
    let links: Vec<_> = text
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next())
        .filter(|target| !target.starts_with("https://"))
        .collect();
    assert!(links.len() >= 4, "{links:?}");
    let headings: Vec<_> = text
        .lines()
        .filter(|line| line.starts_with('#'))
        .map(|line| {
            line.trim_start_matches(['#', ' '])
                .to_lowercase()
                .replace(' ', "-")
        })
        .collect();
    for link in links {
        if let Some(heading) = link.strip_prefix('#') {
            assert!(
                headings.iter().any(|known| known == heading),
                "README links {link}"
            );
            continue;
        }
        assert!(root().join(link).exists(), "README links {link}");
    }
}
