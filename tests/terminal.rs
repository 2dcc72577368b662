//! The live table in a real terminal: tmux plays the terminal. Without tmux the tests say that they are
//! skipped.

use std::process::{Command, Output};
use std::time::{Duration, Instant};

use tickwire::sim::{Cut, Sim, SimConfig, Venue};

/// A terminal of this size in which a shell runs; gone when it is dropped.
struct Terminal {
    socket: String,
    home: tempfile::TempDir,
}

impl Terminal {
    /// `None`, with a visible line, where there is no tmux.
    fn open(name: &str, columns: u16, rows: u16) -> Option<Self> {
        if Command::new("tmux").arg("-V").output().is_err() {
            eprintln!("skipped: tmux is not installed");
            return None;
        }
        let home = tempfile::tempdir().unwrap();
        let socket = format!("tickwire-{}-{name}", std::process::id());
        let terminal = Self { socket, home };
        let (columns, rows) = (columns.to_string(), rows.to_string());
        let home = format!("HOME={}", terminal.home.path().display());
        let shell = [
            "new-session",
            "-d",
            "-x",
            &columns,
            "-y",
            &rows,
            "env",
            "-i",
            &home,
            "TERM=screen-256color",
            "PS1=ready> ",
            "sh",
        ];
        assert!(terminal.tmux(&shell).status.success());
        terminal.until(|screen| screen.contains("ready>"));
        Some(terminal)
    }

    fn tmux(&self, arguments: &[&str]) -> Output {
        Command::new("tmux")
            .args(["-L", &self.socket, "-f", "/dev/null"])
            .args(arguments)
            .output()
            .unwrap()
    }

    fn run(&self, arguments: &str) {
        self.keys(&format!(
            "{} {arguments}; echo code=$?",
            env!("CARGO_BIN_EXE_tickwire")
        ));
        self.tmux(&["send-keys", "Enter"]);
    }

    fn keys(&self, text: &str) {
        self.tmux(&["send-keys", "-l", text]);
    }

    fn resize(&self, columns: u16, rows: u16) {
        self.tmux(&[
            "resize-window",
            "-x",
            &columns.to_string(),
            "-y",
            &rows.to_string(),
        ]);
    }

    fn screen(&self) -> String {
        String::from_utf8_lossy(&self.tmux(&["capture-pane", "-p"]).stdout).into_owned()
    }

    /// Waits until the screen is as it should be.
    fn until(&self, expected: impl Fn(&str) -> bool) -> String {
        let started = Instant::now();
        loop {
            let screen = self.screen();
            if expected(&screen) {
                return screen;
            }
            assert!(
                started.elapsed() < Duration::from_secs(20),
                "the screen stayed at:\n{screen}"
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// What tmux knows of the terminal's state.
    fn state(&self, format: &str) -> String {
        String::from_utf8_lossy(&self.tmux(&["display-message", "-p", format]).stdout)
            .trim()
            .to_owned()
    }

    fn assert_restored(&self) {
        assert_eq!(self.state("#{alternate_on} #{cursor_flag}"), "0 1");
        // A line that is typed now is echoed and run: raw mode is off.
        self.keys("echo a''live");
        self.tmux(&["send-keys", "Enter"]);
        self.until(|screen| screen.contains("alive"));
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.tmux(&["kill-server"]);
    }
}

fn is_live(screen: &str) -> bool {
    screen.contains("SYMBOL")
        && screen.contains("BTC/USD")
        && (screen.contains('▲') || screen.contains('▼'))
}

#[test]
fn the_table_lives_in_place_and_gives_the_terminal_back() {
    let Some(terminal) = Terminal::open("quit", 100, 20) else {
        return;
    };
    terminal.run("monitor BTC ETH -p mock");
    let screen = terminal.until(is_live);
    assert!(
        screen.contains("mock") && screen.contains("ETH/USD"),
        "{screen}"
    );
    assert_eq!(terminal.state("#{alternate_on}"), "1");
    terminal.keys("q");
    // The command line itself holds `code=$?`. Nobody asked for an end that was missed, and the last
    // prices stay behind.
    let left = terminal.until(|screen| screen.contains("code=0"));
    assert!(left.contains("BTC/USD"), "{left}");
    terminal.assert_restored();
}

#[test]
fn it_survives_40_columns_and_being_resized_to_nothing_and_back() {
    let Some(terminal) = Terminal::open("resize", 40, 10) else {
        return;
    };
    terminal.run("monitor BTC ETH SOL -p mock");
    let screen = terminal.until(is_live);
    assert!(
        screen.lines().all(|line| line.chars().count() <= 40),
        "{screen}"
    );
    for (columns, rows) in [(1, 1), (200, 50), (3, 2), (40, 10), (120, 30)] {
        terminal.resize(columns, rows);
        std::thread::sleep(Duration::from_millis(100));
    }
    let screen = terminal.until(|screen| is_live(screen) && screen.contains("SPREAD"));
    assert!(screen.contains("SOL/USD"), "{screen}");
    terminal.keys("q");
    terminal.until(|screen| screen.contains("code=0"));
    terminal.assert_restored();
}

#[test]
fn ctrl_c_and_a_signal_give_the_terminal_back() {
    let Some(terminal) = Terminal::open("signals", 80, 20) else {
        return;
    };
    terminal.run("monitor BTC -p mock -n 100000");
    terminal.until(is_live);
    terminal.tmux(&["send-keys", "C-c"]);
    // An end was asked for, and was not reached.
    terminal.until(|screen| screen.contains("code=130"));
    terminal.assert_restored();
    terminal.tmux(&["send-keys", "clear", "Enter"]);
    terminal.run("monitor BTC -p mock");
    terminal.until(is_live);
    let shell = terminal.state("#{pane_pid}");
    let children = std::fs::read_to_string(format!("/proc/{shell}/task/{shell}/children")).unwrap();
    let kill = format!("kill -TERM {}", children.trim());
    assert!(
        Command::new("sh")
            .args(["-c", &kill])
            .status()
            .unwrap()
            .success()
    );
    terminal.until(|screen| screen.contains("code=0"));
    terminal.assert_restored();
}

#[test]
fn what_belongs_on_stderr_is_told_after_the_table() {
    let Some(terminal) = Terminal::open("held", 120, 30) else {
        return;
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let config = SimConfig {
        rate: 20.0,
        ..SimConfig::new(Venue::Coinbase)
    };
    let sim = runtime.block_on(Sim::start(config)).unwrap();
    for (name, url) in [("REST", sim.rest_url()), ("WS", sim.ws_url())] {
        terminal.keys(&format!(
            "export TICKWIRE_PROVIDERS__COINBASE__{name}_URL={url}"
        ));
        terminal.tmux(&["send-keys", "Enter"]);
    }
    terminal.run("monitor BTC -p coinbase --summary 100ms 2>~/err");
    terminal.until(is_live);
    sim.cut_all(Cut::Reset);
    terminal.until(|screen| screen.contains("reconnecting") || sim.counters().upgrades > 1);
    std::thread::sleep(Duration::from_millis(500));
    terminal.keys("q");
    terminal.until(|screen| screen.contains("code=0"));
    let told = std::fs::read_to_string(terminal.home.path().join("err")).unwrap();
    assert!(told.contains("tickwire: coinbase reconnecting"), "{told}");
    // On the way, and at the end.
    assert!(told.matches("BTC/USD: ").count() >= 2, "{told}");
    assert!(!told.contains('\u{1b}'), "{told}");
}

#[test]
fn a_dumb_terminal_and_no_color_get_no_escape_codes() {
    let Some(terminal) = Terminal::open("dumb", 120, 20) else {
        return;
    };
    terminal.run("monitor BTC -p mock -n 2 -c /dev/null");
    terminal.until(|screen| screen.contains("code=0"));
    terminal.tmux(&["send-keys", "clear; export TERM=dumb", "Enter"]);
    terminal.run("monitor BTC -p mock -n 2");
    let screen = terminal.until(|screen| screen.contains("code=0"));
    assert!(
        screen.contains("mock\tBTC/USD") || screen.contains("mock    BTC/USD"),
        "{screen}"
    );
}

#[test]
fn holdings_live_in_place_and_stay_behind() {
    let Some(terminal) = Terminal::open("portfolio", 80, 12) else {
        return;
    };
    let held = "TICKWIRE_PORTFOLIO__HOLDINGS__BTC=2.0 TICKWIRE_PORTFOLIO__HOLDINGS__NOSUCH=1";
    terminal.keys(&format!("export {held}; "));
    terminal.run("monitor --portfolio -p mock");

    let screen = terminal.until(|screen| screen.contains("no pair") && screen.contains("partial"));
    assert!(screen.contains("portfolio in USD"), "{screen}");
    assert!(screen.contains("TOTAL"), "{screen}");
    assert_eq!(terminal.state("#{alternate_on}"), "1");
    terminal.keys("q");
    let left = terminal.until(|screen| screen.contains("code=0"));
    assert!(left.contains("TOTAL"), "{left}");
    terminal.assert_restored();
}
