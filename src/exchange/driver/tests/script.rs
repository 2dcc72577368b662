//! A server of a test's own, line by line.

use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::io::DuplexStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

pub type Server = WebSocketStream<DuplexStream>;

pub async fn accept(stream: DuplexStream) -> Server {
    tokio_tungstenite::accept_async(stream).await.unwrap()
}

/// The end of the connection ends the script.
pub async fn say(server: &mut Server, text: &str) {
    if server.send(Message::text(text)).await.is_err() {
        std::future::pending().await
    }
}

/// The next request, as JSON.
pub async fn heard(server: &mut Server) -> Value {
    loop {
        match server.next().await {
            Some(Ok(Message::Text(text))) => return serde_json::from_str(&text).unwrap(),
            Some(Ok(_)) => {}
            _ => std::future::pending().await,
        }
    }
}

/// Answers pings, and nothing else.
pub async fn stay(server: &mut Server) {
    loop {
        heard(server).await;
    }
}

pub fn binance_trade(id: u64) -> String {
    format!(
        r#"{{"stream":"btcusdt@trade","data":{{"e":"trade","E":1790000000150,"s":"BTCUSDT","t":{id},"p":"61000.10","q":"0.01500","T":1790000000149,"m":false,"M":true}}}}"#
    )
}
