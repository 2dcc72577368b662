//! The program as a process.

use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// Longest wait for anything that must happen.
pub const WAIT: Duration = Duration::from_secs(60);

/// A home for the program.
pub struct Home(TempDir);

impl Home {
    pub fn new(config: &str) -> Self {
        let home = TempDir::new().unwrap();
        std::fs::write(home.path().join("config.toml"), config).unwrap();
        Self(home)
    }

    /// `start` on this port (0: a free one), once it is ready; with its URL.
    pub async fn start(&self, port: u16) -> (Child, String) {
        let home = self.0.path();
        let mut child = Command::new(env!("CARGO_BIN_EXE_tickwire"))
            .args(["start", "-s", "BTC,ETH,SOL", "-p", "mock", "--port"])
            .arg(port.to_string())
            .arg("--config")
            .arg(home.join("config.toml"))
            .env_clear()
            .env("HOME", home)
            .env("XDG_STATE_HOME", home.join("state"))
            .env("XDG_CACHE_HOME", home.join("cache"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let ready = async {
            loop {
                let line = lines.next_line().await.unwrap().expect("it runs");
                if let Some((_, rest)) = line.split_once("ready on ") {
                    break rest.split(' ').next().unwrap().to_owned();
                }
            }
        };
        let url = timeout(WAIT, ready).await.expect("it is ready in time");
        // Whoever does not read it would stop it.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        (child, url)
    }
}
