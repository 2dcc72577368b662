//! A running `tickwire start`, for what README does with one.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::Child;

use crate::stage::{PATIENCE, READY, Stage, terminate, wait};

/// Where README has its server.
pub const ADDRESS: &str = "127.0.0.1:8000";
const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// Ends with this.
pub struct Server {
    child: Child,
    pub address: String,
}

impl Server {
    /// A command that starts one, once it is ready.
    pub fn start(stage: &Stage, command: &str) -> Self {
        let mut child = stage
            .shell(&format!("exec {command} --port 0"))
            .spawn()
            .expect("sh starts");
        let stderr = child.stderr.take().expect("stderr is piped");
        let (sender, ready) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            // Read to the end: a full pipe would stop it.
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        let mut told = String::new();
        let address = loop {
            let line = ready.recv_timeout(PATIENCE);
            let line = line.unwrap_or_else(|error| panic!("{command}: {error}: {told}"));
            if let Some(rest) = line.strip_prefix(READY) {
                let (address, _) = rest.split_once(' ').expect("more follows");
                break address.to_owned();
            }
            told.push_str(&line);
        };
        Self { child, address }
    }

    /// One of an invented market.
    pub fn of_mock(stage: &Stage, variables: &str) -> Self {
        let variables = format!("TICKWIRE_CONFIG=/dev/null {variables}");
        let command = "tickwire start -s BTC,ETH -p mock";
        Self::start(stage, &format!("env {variables} {command}"))
    }

    /// The status and the body of an answer.
    pub fn ask(&self, method: &str, path: &str) -> (u16, String) {
        let mut socket = TcpStream::connect(&self.address).expect("it listens");
        let _ = socket.set_read_timeout(Some(PATIENCE));
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{{}}",
            self.address
        );
        socket.write_all(head.as_bytes()).expect("it reads");
        let mut answer = String::new();
        socket.read_to_string(&mut answer).expect("it answers");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
        (status.expect("a status"), body.to_owned())
    }

    /// Until it has something to tell.
    pub fn warm_up(&self) {
        let asked = std::time::Instant::now();
        while !self.ask("GET", "/api/v1/prices").1.contains("ETH/USD") {
            assert!(asked.elapsed() < PATIENCE, "it has no prices");
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }

    pub fn stop(mut self) {
        terminate(&self.child);
        let status = wait(&mut self.child, "tickwire start");
        assert_eq!(status.code(), Some(0));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether a command takes for granted that a server runs.
pub fn asks_a_server(command: &str) -> bool {
    [ADDRESS, "tickwire status", "-p server"]
        .iter()
        .any(|sign| command.contains(sign))
}

/// Those that commands ask, started when the first one does: without and with a token.
#[derive(Default)]
pub struct Servers {
    open: Option<Server>,
    guarded: Option<Server>,
}

impl Servers {
    /// The command with the address of a server that runs.
    pub fn asked_by(&mut self, command: &str, stage: &Stage) -> String {
        let (server, variables) = match command.contains("server-token") {
            true => {
                let path = stage.work().join("server-token");
                fs::write(path, TOKEN).expect("the folder is ours");
                let variables = format!("TICKWIRE_SERVER__TOKEN={TOKEN}");
                (&mut self.guarded, variables)
            }
            false => (&mut self.open, String::new()),
        };
        let server = server.get_or_insert_with(|| {
            let server = Server::of_mock(stage, &variables);
            if variables.is_empty() {
                server.warm_up();
            }
            server
        });
        let (_, port) = server.address.rsplit_once(':').expect("a port");
        let command = command.replace(ADDRESS, &server.address);
        format!("export TICKWIRE_SERVER__PORT={port}; {command}")
    }
}
