//! What README says of the server is so.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::process::{Command, Stdio};

use tokio_tungstenite::tungstenite;

use crate::alerts::write_settings;
use crate::blocks::{Line, blocks_of};
use crate::receiver::Receiver;
use crate::serving::{ADDRESS, Server};
use crate::stage::{PATIENCE, Stage};
use crate::tables::table;
use crate::{readme, root};

/// What stands in backticks.
fn quoted(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

#[test]
fn routes_are_there_and_answer_as_listed() {
    let stage = Stage::new();
    let server = Server::of_mock(&stage, "");
    server.warm_up();
    let rows = table(&readme(), "| route | what it does | answer |");
    assert!(rows.len() >= 18, "{rows:?}");
    for row in rows {
        let route = quoted(&row[0])[0];
        let (method, path) = route.split_once(' ').expect("a method and a path");
        let (status, body) = server.ask(method, path);
        if method != "GET" {
            // The body is empty, and there is nothing of that name.
            let is_route = status != 405 && !body.contains("there is nothing here");
            assert!(is_route, "{route}: {status} {body}");
            continue;
        }
        assert_eq!(status, 200, "{route}: {body}");
        if row[2].contains("](#") || row[2] == "text" {
            continue;
        }
        let object: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(&body).unwrap_or_else(|error| panic!("{route}: {error}: {body}"));
        for key in object.keys() {
            let listed = quoted(&row[2]).contains(&key.as_str());
            assert!(listed, "{route} answers {key}, too");
        }
    }
    server.stop();
}

#[test]
fn metrics_are_those_that_are_listed() {
    let stage = Stage::new();
    let server = Server::of_mock(&stage, "");
    server.warm_up();
    let (_, text) = server.ask("GET", "/metrics");
    let told = text
        .lines()
        .filter(|line| line.starts_with(|c: char| c.is_alphabetic()));
    let told: BTreeSet<&str> = told
        .filter_map(|line| line.split(['{', ' ']).next())
        .collect();
    let rows = table(&readme(), "| metric | what it counts or measures |");
    let listed: BTreeSet<&str> = rows.iter().map(|row| quoted(&row[0])[0]).collect();
    assert_eq!(told, listed);
}

#[test]
fn rooms_are_those_of_the_welcome() {
    let stage = Stage::new();
    let server = Server::of_mock(&stage, "");
    let stream = TcpStream::connect(&server.address).expect("it listens");
    let _ = stream.set_read_timeout(Some(PATIENCE));
    let url = format!("ws://{}/ws", server.address);
    let (mut socket, _) = tungstenite::client(url, stream).expect("it is a WebSocket");
    let welcome = loop {
        match socket.read().expect("a message") {
            tungstenite::Message::Text(text) => break text.to_string(),
            _ => continue,
        }
    };
    let welcome: serde_json::Value = serde_json::from_str(&welcome).expect("JSON");
    let rooms = welcome["data"]["rooms"].as_array().expect("a list");
    let mut rooms: Vec<_> = rooms.iter().filter_map(|room| room.as_str()).collect();
    rooms.push("stream:NAME");
    let text = readme();
    let rows = table(&text, "| room | what is told there |");
    let listed: Vec<_> = rows.iter().map(|row| quoted(&row[0])[0]).collect();
    assert_eq!(listed, rooms);
    let rows = table(&text, "| the server sends | `data` |");
    let row = rows.iter().find(|row| quoted(&row[0]) == ["welcome"]);
    let members = quoted(&row.expect("welcome is described")[1]);
    let data = welcome["data"].as_object().expect("an object");
    let told: BTreeSet<_> = data.keys().map(String::as_str).collect();
    assert_eq!(told, members.into_iter().collect());
}

#[test]
fn limits_are_those_of_the_settings() {
    let example = fs::read_to_string(root().join("config.example.toml")).expect("it exists");
    let example: toml::Table = example.parse().expect("it is TOML");
    let limits = example["server"]["limits"].as_table().expect("a table");
    let rows = table(&readme(), "| key | default | of what |");
    let listed: BTreeSet<_> = rows
        .iter()
        .map(|row| (quoted(&row[0])[0].to_owned(), row[1].clone()))
        .collect();
    let known = limits
        .iter()
        .map(|(key, value)| (key.clone(), value.to_string()));
    assert_eq!(listed, known.collect());
}

#[test]
fn close_codes_are_those_that_are_sent() {
    let source = fs::read_to_string(root().join("src/server/ws/goodbye.rs")).expect("it exists");
    let sent = source.lines().filter_map(|line| {
        let (_, pair) = line.split_once("=> (")?;
        let (code, reason) = pair.strip_suffix("\"),")?.split_once(", \"")?;
        Some((code.to_owned(), reason.to_owned()))
    });
    let rows = table(&readme(), "| code | reason |");
    let listed: BTreeSet<_> = rows
        .iter()
        .map(|row| (row[0].clone(), row[1].clone()))
        .collect();
    assert!(!listed.is_empty());
    assert_eq!(listed, sent.collect());
}

#[test]
fn the_clients_that_are_shown_print_something() {
    let stage = Stage::new();
    let server = Server::of_mock(&stage, "");
    let clients = [
        ("python", "python3", &["-u", "-c"][..], "import websockets"),
        (
            "js",
            "node",
            &["--experimental-websocket", "-e"],
            "WebSocket",
        ),
    ];
    for (language, program, flags, needed) in clients {
        let run = |text: &str| {
            let mut command = Command::new(program);
            command.args(flags).arg(text).stderr(Stdio::null());
            command
        };
        if !run(needed)
            .output()
            .is_ok_and(|output| output.status.success())
        {
            eprintln!("skipped: there is no {program} with a WebSocket");
            continue;
        }
        let shown = &blocks_of(language)[0].text;
        assert!(shown.contains(ADDRESS), "{shown}");
        let text = shown.replace(ADDRESS, &server.address);
        let child = run(&text).stdout(Stdio::piped()).spawn();
        let mut child = child.expect("it was there just now");
        let mut lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        let (sender, first) = std::sync::mpsc::channel();
        std::thread::spawn(move || sender.send(lines.next()));
        let line = first.recv_timeout(PATIENCE);
        let _ = child.kill();
        let _ = child.wait();
        let line = line.ok().flatten().and_then(Result::ok);
        let line = line.unwrap_or_else(|| panic!("{program} has printed nothing"));
        assert!(!line.contains("undefined") && line.contains(' '), "{line}");
    }
}

#[test]
fn the_settings_shown_are_accepted() {
    let (stage, receiver) = (Stage::new(), Receiver::start());
    let sections = ["Who may ask", "Streams of your own"];
    let mut shown = blocks_of("toml");
    shown.retain(|block| sections.contains(&&*block.section));
    assert_eq!(shown.len(), sections.len());
    for block in shown {
        let path = stage.work().join("shown.toml");
        write_settings(&path, &block.text, &receiver);
        fs::write(stage.work().join("server-token"), "0123456789abcdef").expect("it is ours");
        let text = "tickwire -c shown.toml start -s BTC -p mock";
        let outcome = stage.run(&Line::new("tickwire -c shown.toml symbols -p mock"));
        assert_eq!(outcome.status.code(), Some(0), "{}", outcome.stderr);
        Server::start(&stage, text).stop();
    }
}

#[test]
fn the_service_of_the_server_starts_with_its_token_and_without_a_home() {
    let mut units = blocks_of("ini");
    units.retain(|unit| unit.section == "As a service of systemd");
    assert_eq!(units.len(), 1);
    let unit = &units[0].text;
    let setting = |key: &str| {
        let line = unit.lines().find_map(|line| line.strip_prefix(key));
        line.unwrap_or_else(|| panic!("the unit has no {key}"))
    };
    let installed = "/usr/local/bin/tickwire";
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("tickwire.service");
    let here = unit.replace(installed, env!("CARGO_BIN_EXE_tickwire"));
    fs::write(path, here).expect("the folder is ours");
    let verify = Command::new("systemd-analyze")
        .args(["verify", "./tickwire.service"])
        .current_dir(folder.path())
        .output();
    match verify {
        Ok(output) => {
            let told = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{told}");
            assert!(!told.contains("tickwire.service"), "{told}");
        }
        Err(error) => eprintln!("skipped: systemd-analyze: {error}"),
    }
    let stage = Stage::new();
    let state = stage.work().join("state");
    fs::create_dir(&state).expect("the folder is ours");
    fs::write(state.join("token"), "0123456789abcdef").expect("the folder is ours");
    let installed = "/usr/local/bin/tickwire -c /etc/tickwire/config.toml";
    let command = setting("ExecStart=").replace(installed, "tickwire -c /dev/null -p mock");
    let place = state.to_string_lossy();
    let environment = setting("Environment=").replace("%d", &place);
    let unset = "-u HOME -u XDG_STATE_HOME -u XDG_CACHE_HOME -u XDG_CONFIG_HOME -u XDG_DATA_HOME";
    let directories = format!("STATE_DIRECTORY={place} CACHE_DIRECTORY={place}");
    let command = format!("env {unset} {directories} {environment} {command}");
    let server = Server::start(&stage, &command);
    assert_eq!(server.ask("GET", "/health").0, 401);
    server.stop();
}
