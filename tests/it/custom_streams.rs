//! `[[stream]]`: a WebSocket that tickwire does not know, as a provider.

use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpListener;

use crate::support::World;

/// Waits for the subscription, says all of it to each that connects, and stays.
async fn serve(texts: Vec<String>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let texts = texts.clone();
            tokio::spawn(async move {
                let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
                let asked = socket.next().await.unwrap().unwrap();
                assert_eq!(asked.to_text().unwrap(), r#"{"sub":"btc_usd"}"#);
                for text in texts {
                    if socket.send(text.into()).await.is_err() {
                        return;
                    }
                }
                while let Some(Ok(_)) = socket.next().await {}
            });
        }
    });
    url
}

fn config(url: &str) -> String {
    format!(
        r#"
        [[stream]]
        name = "venue"
        url = "{url}"
        subscribe = '{{"sub":"{{symbol}}"}}'
        symbols = {{ btc_usd = "BTC/USD" }}
        type = "ticker"
        where = {{ "/kind" = "quote" }}
        map = {{ price = "/p", bid = "/b", timestamp = "/t" }}
        time_unit = "ms"
        "#
    )
}

fn quotes() -> Vec<String> {
    let quote = |n: i64| {
        let time = 1_790_000_000_000_i64 + n;
        format!(r#"{{"kind":"quote","p":"1.5{n}0","b":1.500000000000000000{n},"t":{time}}}"#)
    };
    let mut texts = vec![r#"{"kind":"hello"}"#.to_owned(), "noise".to_owned()];
    texts.extend((1..4).map(quote));
    texts
}

#[tokio::test]
async fn a_stream_of_the_configuration_is_a_provider_with_exact_digits() {
    let world = World::new().config(&config(&serve(quotes()).await));
    let done = world
        .run("monitor BTC -p venue -n 3 --field exchange,symbol,price,bid,timestamp")
        .await
        .exits(0);
    let line = |n| {
        format!("venue\tBTC/USD\t1.5{n}0\t1.500000000000000000{n}\t2026-09-21T14:13:20.00{n}000Z")
    };
    assert_eq!(done.lines(), [line(1), line(2), line(3)]);
}

#[tokio::test]
async fn one_price_of_it_is_enough() {
    let world = World::new().config(&config(&serve(quotes()).await));
    let done = world
        .run("monitor venue:btc_usd -1 --field bid")
        .await
        .exits(0);
    assert!(
        done.stdout.starts_with("1.5000000000000000"),
        "{}",
        done.stdout
    );
    let symbols = world.run("symbols -p venue -o plain").await.exits(0);
    assert_eq!(symbols.lines(), ["BTC/USD"]);
}

#[tokio::test]
async fn an_unknown_provider_is_told_with_the_streams_there_are() {
    let world = World::new().config(&config("ws://127.0.0.1:9"));
    let done = world.run("monitor BTC -p venu -n 1").await.exits(2);
    done.says("did you mean venue?");
}
