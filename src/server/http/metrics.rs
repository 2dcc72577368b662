//! `GET /metrics`: what `/status` tells, in the text form of Prometheus.
//!
//! Every answer is made anew by a recorder of its own: the figures are kept elsewhere, and a feed that is gone leaves
//! no series behind.

use std::fmt::Write as _;

use axum::extract::State;
use axum::http::header::{CONTENT_TYPE, HeaderValue};
use axum::response::{IntoResponse, Response};
use metrics::{counter, describe_counter, describe_gauge, gauge, with_local_recorder};
use metrics_exporter_prometheus::PrometheusBuilder;

use crate::server::guard::Caller;
use crate::server::health::FeedHealth;
use crate::server::state::Ref;

use super::status::Status;

const KIND: &str = "text/plain; version=0.0.4; charset=utf-8";

/// `GET /metrics`
pub async fn metrics(State(shared): State<Ref>) -> Response {
    let status = Status::of(&shared, Caller::default()).await;
    let started = shared.started_at.nanos() as f64 / 1e9;
    let text = render(&status, started);
    ([(CONTENT_TYPE, HeaderValue::from_static(KIND))], text).into_response()
}

fn render(status: &Status, started: f64) -> String {
    let recorder = PrometheusBuilder::new().build_recorder();
    with_local_recorder(&recorder, || {
        for feed in &status.feeds {
            set_feed(feed);
        }
        set_server(status);
        set_process(status, started);
    });
    let mut text = recorder.handle().render();
    // Counters of the recorder hold whole numbers only.
    let _ = write!(
        text,
        "# HELP process_cpu_seconds_total Processor time of all threads\n# TYPE process_cpu_seconds_total counter\nprocess_cpu_seconds_total {}\n",
        status.process.cpu_seconds
    );
    text
}

fn set_feed(feed: &FeedHealth) {
    let provider = feed.provider;
    let count = |name: &'static str, help: &'static str, value: u64| {
        describe_counter!(name, help);
        counter!(name, "provider" => provider).absolute(value);
    };
    count(
        "tickwire_feed_messages_total",
        "Frames received",
        feed.messages,
    );
    count(
        "tickwire_feed_bytes_total",
        "Bytes of text in them",
        feed.bytes,
    );
    count(
        "tickwire_feed_bad_frames_total",
        "Frames that could not be understood",
        feed.bad_frames,
    );
    count(
        "tickwire_feed_connects_total",
        "Connections opened",
        feed.connects,
    );
    count(
        "tickwire_feed_reconnects_total",
        "Connections made anew after a loss",
        feed.reconnects,
    );
    count(
        "tickwire_feed_gaps_total",
        "Holes, repaired or not",
        feed.gaps,
    );
    count(
        "tickwire_feed_missing_total",
        "Events that stay missing",
        feed.missing,
    );
    count(
        "tickwire_feed_repairs_total",
        "Holes of which something was fetched",
        feed.repairs,
    );
    count(
        "tickwire_feed_recovered_total",
        "Events fetched for them",
        feed.recovered,
    );

    let measure = |name: &'static str, help: &'static str, value: f64| {
        describe_gauge!(name, help);
        gauge!(name, "provider" => provider).set(value);
    };
    let is_up = matches!(feed.state, "connected" | "quiet");
    measure(
        "tickwire_feed_up",
        "1 while it is connected and fresh",
        f64::from(u8::from(is_up)),
    );
    measure(
        "tickwire_feed_uptime_seconds",
        "Since it works",
        feed.uptime,
    );
    measure(
        "tickwire_feed_symbols",
        "Symbols served",
        feed.symbols.len() as f64,
    );
    if let Some(age) = feed.age {
        measure("tickwire_feed_age_seconds", "Since the last event", age);
    }
    let latency = &feed.latency_ms;
    describe_gauge!(
        "tickwire_feed_latency_seconds",
        "From the exchange's time of an event to its arrival, over the last minutes"
    );
    for (quantile, value) in [
        ("0.5", latency.p50),
        ("0.9", latency.p90),
        ("0.99", latency.p99),
        ("1", latency.max),
    ] {
        if let Some(milliseconds) = value {
            let labels = [("provider", provider), ("quantile", quantile)];
            gauge!("tickwire_feed_latency_seconds", &labels).set(milliseconds / 1e3);
        }
    }
    describe_gauge!(
        "tickwire_symbol_age_seconds",
        "Since the symbol's value was confirmed"
    );
    for symbol in &feed.symbols {
        if let Some(age) = symbol.age {
            let labels = [("provider", provider), ("symbol", symbol.symbol)];
            gauge!("tickwire_symbol_age_seconds", &labels).set(age);
        }
    }
}

fn set_server(status: &Status) {
    describe_gauge!("tickwire_build_info", "1, with the version");
    gauge!("tickwire_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    let bus = &status.bus;
    count(
        "tickwire_bus_published_total",
        "Events that the engine handed out",
        bus.published,
    );
    count(
        "tickwire_bus_delivered_total",
        "Messages put into queues of clients",
        bus.delivered,
    );
    count(
        "tickwire_bus_dropped_total",
        "Events that subscribers and clients missed",
        bus.dropped,
    );
    measure(
        "tickwire_bus_subscriptions",
        "Subscribers of the engine and joined rooms",
        bus.subscriptions as f64,
    );
    measure(
        "tickwire_bus_queued",
        "Events and messages that wait",
        bus.queued as f64,
    );

    measure(
        "tickwire_clients",
        "WebSocket clients",
        status.clients.len() as f64,
    );
    count(
        "tickwire_client_dropped_total",
        "Messages that clients were too slow for",
        status.client_dropped,
    );
    count(
        "tickwire_client_sent_total",
        "Messages that clients were sent",
        status.client_sent,
    );

    measure(
        "tickwire_streams_running",
        "Streams that run",
        status.streams.running as f64,
    );
    measure(
        "tickwire_streams_stopped",
        "Streams that were stopped",
        status.streams.stopped as f64,
    );
    if let Some(rules) = status.alerts.rules {
        measure("tickwire_alert_rules", "Rules", rules as f64);
    }
    if let Some(running) = status.strategies.running {
        measure(
            "tickwire_strategies_running",
            "Strategies that run",
            running as f64,
        );
    }
    measure(
        "tickwire_uptime_seconds",
        "Since the server runs",
        status.uptime,
    );
}

fn set_process(status: &Status, started: f64) {
    let process = &status.process;
    let known = |name: &'static str, help: &'static str, value: Option<u64>| {
        if let Some(value) = value {
            measure(name, help, value as f64);
        }
    };
    known(
        "process_resident_memory_bytes",
        "Resident memory",
        process.memory_bytes,
    );
    known(
        "process_open_fds",
        "Open files and sockets",
        process.open_files,
    );
    known("process_threads", "Threads", process.threads);
    measure(
        "process_start_time_seconds",
        "Start, in seconds since 1970",
        started,
    );
}

fn count(name: &'static str, help: &'static str, value: u64) {
    describe_counter!(name, help);
    counter!(name).absolute(value);
}

fn measure(name: &'static str, help: &'static str, value: f64) {
    describe_gauge!(name, help);
    gauge!(name).set(value);
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use crate::server::health::{LatencySummary, SymbolHealth};

    use super::*;

    fn feed(provider: &'static str, symbol: &'static str) -> FeedHealth {
        FeedHealth {
            provider,
            state: "connected",
            reason: None,
            uptime: 10.0,
            messages: 18_446_744_073_709,
            rate: 1.0,
            bytes: 2,
            bad_frames: 0,
            connects: 1,
            reconnects: 0,
            age: Some(0.25),
            latency_ms: LatencySummary {
                p50: Some(1.5),
                p90: None,
                p99: Some(3.0),
                max: Some(4.0),
            },
            delivery_ms: LatencySummary::default(),
            gaps: 0,
            missing: 0,
            repairs: 0,
            recovered: 0,
            symbols: vec![SymbolHealth {
                symbol,
                state: "connected",
                reason: None,
                age: Some(0.5),
                streams: Vec::new(),
                events: 1,
            }],
        }
    }

    /// Holds the text to the format: one HELP and TYPE for a name before its series, each series once.
    fn parse(text: &str) -> HashMap<String, f64> {
        let (mut types, mut helps, mut series) = (HashMap::new(), HashSet::new(), HashMap::new());
        for line in text.lines().filter(|line| !line.is_empty()) {
            if let Some(help) = line.strip_prefix("# HELP ") {
                let (name, words) = help.split_once(' ').expect("a help has words");
                assert!(!words.is_empty() && helps.insert(name.to_owned()), "{line}");
            } else if let Some(kind) = line.strip_prefix("# TYPE ") {
                let (name, kind) = kind.split_once(' ').expect("a type has a name");
                assert!(matches!(kind, "counter" | "gauge"), "{line}");
                assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
                assert!(
                    types.insert(name.to_owned(), kind.to_owned()).is_none(),
                    "{line}"
                );
            } else {
                let (id, value) = line.rsplit_once(' ').expect("a series has a value");
                let name = id.split('{').next().expect("there is a first part");
                let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
                assert!(name.chars().all(fits), "{line}");
                assert!(types.contains_key(name) && helps.contains(name), "{line}");
                assert!(!name.contains("_ms") && !name.contains("_milli"), "{line}");
                let value = value.parse().expect("a value is a number");
                assert!(series.insert(id.to_owned(), value).is_none(), "{line}");
            }
        }
        series
    }

    #[test]
    fn the_text_holds_to_the_format_and_to_the_figures() {
        let hostile = "A\"B\\C\nD/USD";
        let feeds = vec![feed("kraken", "BTC/USD"), feed("mock", hostile)];
        let series = parse(&render(&Status::example(feeds), 1e9));
        let expected = [
            (
                "tickwire_feed_messages_total{provider=\"kraken\"}",
                18_446_744_073_709.0,
            ),
            ("tickwire_feed_up{provider=\"mock\"}", 1.0),
            ("tickwire_feed_age_seconds{provider=\"kraken\"}", 0.25),
            (
                "tickwire_feed_latency_seconds{provider=\"kraken\",quantile=\"0.5\"}",
                0.0015,
            ),
            (
                "tickwire_symbol_age_seconds{provider=\"kraken\",symbol=\"BTC/USD\"}",
                0.5,
            ),
            ("tickwire_clients", 0.0),
            ("tickwire_client_dropped_total", 7.0),
            ("tickwire_bus_published_total", 1.0),
            ("process_start_time_seconds", 1e9),
        ];
        for (id, value) in expected {
            assert_eq!(series.get(id), Some(&value), "{id} in {series:#?}");
        }
        let absent = "tickwire_feed_latency_seconds{provider=\"kraken\",quantile=\"0.9\"}";
        assert!(!series.contains_key(absent));
        assert!(series["process_cpu_seconds_total"] > 0.0);
    }

    #[test]
    fn a_feed_that_is_gone_leaves_nothing_behind() {
        let _ = render(&Status::example(vec![feed("kraken", "BTC/USD")]), 0.0);
        let text = render(&Status::example(Vec::new()), 0.0);
        assert!(!text.contains("kraken"), "{text}");
    }
}
