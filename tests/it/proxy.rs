//! Proxies: REST and WebSocket go the same way, never silently direct, and no secret is ever shown.

use std::sync::{Arc, Mutex};

use tickwire::sim::{Sim, Venue};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

use crate::support::{Done, VENUES, World, files, start};

const SECRET: &str = "canary-5fd1";

/// A proxy on loopback and what was asked of it.
struct Proxy {
    port: u16,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    async fn http() -> Self {
        Self::start(|stream, seen| async move { http(stream, seen).await }).await
    }

    async fn socks() -> Self {
        Self::start(|stream, seen| async move { socks(stream, seen).await }).await
    }

    async fn start<F, Fut>(serve: F) -> Self
    where
        F: Fn(TcpStream, Arc<Mutex<Vec<String>>>) -> Fut + Send + 'static,
        Fut: Future<Output = std::io::Result<()>> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = seen.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, log.clone()));
            }
        });
        Self { port, seen }
    }

    fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }

    /// Everything that reached the exchange came through here.
    #[track_caller]
    fn carried_all_of(&self, sim: &Sim) {
        let counters = sim.counters();
        assert_eq!(
            self.seen().len() as u64,
            counters.connections,
            "{:?}",
            self.seen()
        );
        assert!(
            counters.upgrades > 0 && !counters.rest.is_empty(),
            "{counters:?}"
        );
    }
}

async fn head(stream: &mut (impl AsyncRead + Unpin)) -> std::io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    Ok(String::from_utf8(head).unwrap())
}

/// CONNECT and nothing else: a proxy need not forward plain HTTP.
async fn http(mut client: TcpStream, seen: Arc<Mutex<Vec<String>>>) -> std::io::Result<()> {
    let head = head(&mut client).await?;
    let authority = head.split(' ').nth(1).unwrap();
    let auth = head.to_lowercase().contains("proxy-authorization: basic ");
    let method = head.split(' ').next().unwrap();
    let entry = format!("{method}{}", if auth { " with password" } else { "" });
    seen.lock().unwrap().push(entry);
    if method != "CONNECT" {
        let no = b"HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n";
        return client.write_all(no).await;
    }
    let mut server = TcpStream::connect(authority).await?;
    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
    copy_bidirectional(&mut client, &mut server).await.map(drop)
}

async fn socks(mut client: TcpStream, seen: Arc<Mutex<Vec<String>>>) -> std::io::Result<()> {
    let mut entry = "SOCKS".to_owned();
    let mut greeting = [0; 2];
    client.read_exact(&mut greeting).await?;
    let mut methods = vec![0; greeting[1].into()];
    client.read_exact(&mut methods).await?;
    if methods.contains(&2) {
        client.write_all(&[5, 2]).await?;
        for _ in 0..2 {
            // version (once) and length, then the text
            if entry == "SOCKS" {
                client.read_u8().await?;
            }
            let length = client.read_u8().await?;
            let mut text = vec![0; length.into()];
            client.read_exact(&mut text).await?;
            entry.push_str(&format!(" {}", String::from_utf8(text).unwrap()));
        }
        client.write_all(&[1, 0]).await?;
    } else {
        client.write_all(&[5, 0]).await?;
    }
    let mut request = [0; 4];
    client.read_exact(&mut request).await?;
    let host = match request[3] {
        1 => {
            let mut address = [0; 4];
            client.read_exact(&mut address).await?;
            std::net::Ipv4Addr::from(address).to_string()
        }
        _ => {
            let length = client.read_u8().await?;
            let mut name = vec![0; length.into()];
            client.read_exact(&mut name).await?;
            String::from_utf8(name).unwrap()
        }
    };
    let port = client.read_u16().await?;
    seen.lock().unwrap().push(entry);
    // Whatever the name, it means loopback here.
    let host = if host.ends_with(".invalid") {
        "127.0.0.1"
    } else {
        host.as_str()
    };
    let mut server = TcpStream::connect((host, port)).await?;
    client.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await?;
    copy_bidirectional(&mut client, &mut server).await.map(drop)
}

/// A stream that uses REST and WebSocket.
const STREAM: &str = "monitor BTC ETH -1 -o json -vv";

#[track_caller]
fn keeps_the_secret(done: &Done, world: &World) {
    for text in [&done.stdout, &done.stderr] {
        assert!(!text.contains(SECRET), "{done:#?}");
    }
    for file in files(&world.cache()) {
        assert!(!file.to_string_lossy().contains(SECRET));
        let text = std::fs::read_to_string(file).unwrap();
        assert!(!text.contains(SECRET), "{text}");
    }
}

#[tokio::test]
async fn rest_and_websocket_go_through_an_http_proxy() {
    for venue in VENUES {
        let (sim, proxy) = (start(venue).await, Proxy::http().await);
        let world = World::with(venue, &sim);
        let url = format!("http://user:{SECRET}@127.0.0.1:{}", proxy.port);
        let done = world.run(&format!("{STREAM} --proxy {url}")).await.exits(0);
        proxy.carried_all_of(&sim);
        assert!(
            proxy
                .seen()
                .iter()
                .all(|entry| entry == "CONNECT with password")
        );
        keeps_the_secret(&done, &world);
    }
}

#[tokio::test]
async fn https_proxy_counts_for_plain_addresses_too() {
    let (sim, proxy) = (start(Venue::Kraken).await, Proxy::http().await);
    let url = format!("http://127.0.0.1:{}", proxy.port);
    let world = World::with(Venue::Kraken, &sim).env("HTTPS_PROXY", &url);
    world.run(STREAM).await.exits(0);
    proxy.carried_all_of(&sim);

    let sim = start(Venue::Kraken).await;
    let world = World::with(Venue::Kraken, &sim).env("HTTPS_PROXY", "http://127.0.0.1:1");
    let done = world.run(&format!("{STREAM} --timeout 2s")).await.exits(3);
    done.says("proxy http://127.0.0.1:1");
    assert_eq!(sim.counters().connections, 0);
}

#[tokio::test]
async fn rest_and_websocket_go_through_a_socks_proxy() {
    for scheme in ["socks5", "socks5h"] {
        for user in ["", &format!("user:{SECRET}@")] {
            let (sim, proxy) = (start(Venue::Kraken).await, Proxy::socks().await);
            let url = format!("{scheme}://{user}127.0.0.1:{}", proxy.port);
            let world = World::with(Venue::Kraken, &sim).env("ALL_PROXY", &url);
            let done = world.run(STREAM).await.exits(0);
            proxy.carried_all_of(&sim);
            let entry = if user.is_empty() {
                "SOCKS".to_owned()
            } else {
                format!("SOCKS user {SECRET}")
            };
            assert!(
                proxy.seen().iter().all(|seen| *seen == entry),
                "{:?}",
                proxy.seen()
            );
            keeps_the_secret(&done, &world);
        }
    }
}

#[tokio::test]
async fn names_are_resolved_by_the_proxy_where_it_is_asked_to() {
    let (sim, proxy) = (start(Venue::Kraken).await, Proxy::socks().await);
    let named = |url: String| url.replace("127.0.0.1", "exchange.invalid");
    let world = World::new()
        .env("TICKWIRE_PROVIDER", "kraken")
        .env(
            "TICKWIRE_PROVIDERS__KRAKEN__REST_URL",
            &named(sim.rest_url()),
        )
        .env("TICKWIRE_PROVIDERS__KRAKEN__WS_URL", &named(sim.ws_url()))
        .env("ALL_PROXY", &format!("socks5h://127.0.0.1:{}", proxy.port));
    world.run(STREAM).await.exits(0);
    proxy.carried_all_of(&sim);
}

#[tokio::test]
async fn exceptions_go_direct() {
    let (sim, proxy) = (start(Venue::Kraken).await, Proxy::http().await);
    let url = format!("http://127.0.0.1:{}", proxy.port);
    let world = World::with(Venue::Kraken, &sim).env("ALL_PROXY", &url);
    let world = world.env("NO_PROXY", "example.com,127.0.0.0/8");
    world.run(STREAM).await.exits(0);
    assert_eq!(proxy.seen(), [] as [String; 0]);
    assert!(sim.counters().upgrades > 0);
    // What is said on the command line holds in spite of it.
    let before = sim.counters().connections;
    world.run(&format!("{STREAM} --proxy {url}")).await.exits(0);
    assert_eq!(
        proxy.seen().len() as u64,
        sim.counters().connections - before
    );
}

#[tokio::test]
async fn a_proxy_that_is_away_is_3_and_never_gone_around() {
    let sim = start(Venue::Kraken).await;
    let world = World::with(Venue::Kraken, &sim);
    for scheme in ["http", "socks5", "socks5h"] {
        let url = format!("{scheme}://user:{SECRET}@127.0.0.1:1");
        let done = world
            .run(&format!("{STREAM} --timeout 2s --proxy {url}"))
            .await
            .exits(3);
        keeps_the_secret(&done, &world);
        let done = done.prints_nothing().says("127.0.0.1:1");
        let cached = World::with(Venue::Kraken, &sim);
        assert_eq!(sim.counters().connections, 0, "{done:#?}");
        drop(cached);
    }
    // The same with a list at hand: neither REST nor the socket goes around it.
    world.run("symbols -o plain").await.exits(0);
    let before = sim.counters().connections;
    let world = world.env("ALL_PROXY", &format!("http://user:{SECRET}@127.0.0.1:1"));
    for command in [STREAM, "monitor BTC -vv"] {
        let done = world
            .run(&format!("{command} --timeout 1500ms"))
            .await
            .exits(3);
        keeps_the_secret(&done, &world);
        done.says("proxy http://127.0.0.1:1");
    }
    assert_eq!(sim.counters().connections, before);
}

#[tokio::test]
async fn a_proxy_that_cannot_be_understood_is_2_without_its_secret() {
    let world = World::new();
    for url in [
        format!("ftp://user:{SECRET}@proxy:21"),
        format!("http://user:{SECRET}#x@proxy"),
        format!("http://user:{SECRET}@proxy:port"),
        format!("user:{SECRET}@"),
    ] {
        let done = world
            .run(&format!("monitor BTC --proxy {url}"))
            .await
            .exits(2);
        keeps_the_secret(&done, &world);
        let world = World::new().env("ALL_PROXY", &url);
        let done = world.run("monitor BTC").await.exits(2);
        keeps_the_secret(&done, &world);
    }
}

#[tokio::test]
async fn secrets_of_the_configuration_are_never_shown() {
    let sim = start(Venue::Coinbase).await;
    let config = format!(
        "[providers.coinbase.headers]\nX-Key = \"{SECRET}\"\n[providers.coinbase.params]\ntoken = \"{SECRET}\"\n"
    );
    let world = World::with(Venue::Coinbase, &sim).config(&config);
    for fault in [None, Some(403), Some(500)] {
        sim.faults().handshake_status = fault;
        sim.faults().rest_status = fault.map(|status| (status, "{}".into()));
        for command in [
            STREAM,
            "symbols --update -vv",
            "monitor BTC -n 1 -vv --timeout 1s",
        ] {
            let done = world.run(&format!("{command} --timeout 1s")).await;
            keeps_the_secret(&done, &world);
        }
    }
    // In an address, too.
    let secret_url = |url: String| url.replace("://", &format!("://user:{SECRET}@"));
    let world = World::new()
        .env("TICKWIRE_PROVIDER", "kraken")
        .env(
            "TICKWIRE_PROVIDERS__KRAKEN__REST_URL",
            &secret_url(sim.rest_url()),
        )
        .env(
            "TICKWIRE_PROVIDERS__KRAKEN__WS_URL",
            &secret_url(sim.ws_url()),
        );
    for command in [STREAM, "symbols -vv"] {
        let done = world.run(&format!("{command} --timeout 1s")).await;
        keeps_the_secret(&done, &world);
    }
    let sim = start(Venue::Kraken).await;
    let world = world.env(
        "TICKWIRE_PROVIDERS__KRAKEN__REST_URL",
        &secret_url(sim.rest_url()),
    );
    let done = world.run("symbols -vv -o plain").await.exits(0);
    assert_eq!(files(&world.cache()).len(), 1);
    keeps_the_secret(&done, &world);
}
