//! A world in which the commands of README run.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use tickwire::sim::{Listing, Sim, SimConfig, Venue};

use crate::blocks::Line;
use crate::root;

/// No command of README takes longer.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Runs commands against simulated exchanges, in a home and a working directory of its own.
pub struct Stage {
    _runtime: tokio::runtime::Runtime,
    sims: Vec<(Venue, Sim)>,
    pub variables: Vec<(String, String)>,
    folder: tempfile::TempDir,
}

impl Stage {
    pub fn new() -> Self {
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
                // Ten years: README has dates that do not move.
                candle_history: 5_256_000,
                ..SimConfig::new(venue)
            };
            let sim = runtime.block_on(Sim::start(config)).expect("a port");
            let variable = |key| format!("TICKWIRE_PROVIDERS__{name}__{key}");
            variables.push((variable("REST_URL"), sim.rest_url()));
            variables.push((variable("WS_URL"), sim.ws_url()));
            if venue == Venue::Kraken {
                sim.add_listing(Listing::new("EUR", "USD", "1.0841", 5, 8));
            }
            sims.push((venue, sim));
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
            sims,
            variables,
            folder,
        };
        stage.reset();
        stage
    }

    /// An empty home, and the files of a checkout that commands of README read.
    pub fn reset(&self) {
        for name in ["home", "work"] {
            let path = self.folder.path().join(name);
            let _ = fs::remove_dir_all(&path);
            fs::create_dir(path).expect("the folder is ours");
        }
        let strategies = "examples/strategies";
        fs::create_dir_all(self.work().join(strategies)).expect("the folder is ours");
        for file in ["config.example.toml", "examples/strategies/model.py"] {
            fs::copy(root().join(file), self.work().join(file)).expect("a file of the checkout");
        }
    }

    /// An exchange, to make it misbehave.
    pub fn sim(&self, venue: Venue) -> &Sim {
        let mut sims = self.sims.iter();
        let found = sims.find(|(of, _)| *of == venue);
        &found.expect("every exchange is simulated").1
    }

    pub fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    pub fn work(&self) -> PathBuf {
        self.folder.path().join("work")
    }

    pub fn shell(&self, script: &str) -> Command {
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
    pub fn run(&self, line: &Line) -> Outcome {
        let endless = line.exit == 0 && is_endless(&line.text);
        let is_server = is_server(&line.text);
        // `exec`: the signal has to reach tickwire and not the shell.
        let exec = if endless { "exec " } else { "" };
        let mut command = self.shell(&format!("{exec}{}", line.text));
        if is_server {
            // Its own port is taken perhaps, and what is shown is that of a server without settings.
            let settings = [("SERVER__PORT", "0"), ("CONFIG", "/dev/null")];
            command.envs(settings.map(|(name, value)| (format!("TICKWIRE_{name}"), value)));
        }
        let mut child = command.spawn().expect("sh starts");
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let (sender, enough) = std::sync::mpsc::channel();
        let ready = sender.clone();
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
            let mut reader = BufReader::new(stderr.expect("stderr is piped"));
            while reader.read_line(&mut text).expect("output is UTF-8") > 0 {
                if is_server && text.contains(READY) {
                    let _ = ready.send(());
                }
            }
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

#[derive(Debug)]
pub struct Outcome {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

/// A stream that nothing in the command ends.
fn is_endless(command: &str) -> bool {
    if is_server(command) {
        return true;
    }
    let ends = [
        "-1",
        "--once",
        "-n",
        "--count",
        "-d",
        "--duration",
        "--until",
        "|",
        "--help",
    ];
    command.starts_with("tickwire monitor") && !command.split(' ').any(|word| ends.contains(&word))
}

/// What a server says once it can be asked, before its address.
pub const READY: &str = "tickwire: ready on http://";

pub fn is_server(command: &str) -> bool {
    command.starts_with("tickwire start")
}

pub fn terminate(child: &Child) {
    let kill = format!("kill -TERM {}", child.id());
    let status = Command::new("sh").args(["-c", &kill]).status();
    assert!(status.expect("sh starts").success(), "{kill}");
}

pub fn wait(child: &mut Child, what: &str) -> ExitStatus {
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
