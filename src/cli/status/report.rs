//! What a server said of itself, and the forms in which it is shown. What it leaves out is shown as not known.

use comfy_table::presets::NOTHING;
use comfy_table::{Cell, CellAlignment, ContentArrangement, Table};
use serde::Deserialize;

use crate::config::OutputFormat;
use crate::sink::lines::{csv_text, plain_text};

/// The columns of plain and csv, in their order.
const COLUMNS: [&str; 9] = [
    "provider",
    "state",
    "age",
    "rate",
    "latency_p50",
    "latency_p99",
    "gaps",
    "reconnects",
    "uptime",
];

/// An answer of `/status`.
pub struct Report {
    /// As it came, on one line.
    json: String,
    status: Status,
}

#[derive(Deserialize)]
struct Status {
    status: String,
    version: String,
    provider: String,
    uptime: Option<f64>,
    #[serde(default)]
    feeds: Vec<Feed>,
    #[serde(default)]
    clients: Vec<Client>,
    #[serde(default)]
    bus: Bus,
    #[serde(default)]
    streams: Counts,
    #[serde(default)]
    alerts: Counts,
    #[serde(default)]
    strategies: Counts,
    #[serde(default)]
    process: Process,
}

#[derive(Deserialize)]
struct Feed {
    provider: String,
    state: Option<String>,
    reason: Option<String>,
    uptime: Option<f64>,
    rate: Option<f64>,
    age: Option<f64>,
    latency_ms: Option<Latency>,
    gaps: Option<u64>,
    reconnects: Option<u64>,
}

#[derive(Deserialize)]
struct Latency {
    p50: Option<f64>,
    p99: Option<f64>,
}

#[derive(Deserialize)]
struct Client {
    queue: Option<u64>,
    dropped: Option<u64>,
}

#[derive(Deserialize, Default)]
struct Bus {
    published: Option<u64>,
    delivered: Option<u64>,
    subscriptions: Option<u64>,
    queued: Option<u64>,
    dropped: Option<u64>,
}

#[derive(Deserialize, Default)]
struct Counts {
    running: Option<u64>,
    rules: Option<u64>,
    fired: Option<u64>,
}

#[derive(Deserialize, Default)]
struct Process {
    pid: Option<u64>,
    memory_bytes: Option<u64>,
    cpu_seconds: Option<f64>,
}

impl Report {
    /// `None`: this is not how a server says how it is.
    pub fn read(body: &str) -> Option<Self> {
        let status = serde_json::from_str(body).ok()?;
        let json = one_line(body.trim());
        Some(Self { json, status })
    }

    pub fn is_healthy(&self) -> bool {
        self.status.status == "healthy"
    }

    /// `with_header`: the columns have not been named yet.
    pub fn render(&self, format: OutputFormat, with_header: bool) -> Vec<u8> {
        let mut out = Vec::new();
        match format {
            OutputFormat::Json => out.extend_from_slice(self.json.as_bytes()),
            OutputFormat::Plain => {
                self.rows(b'\t', plain_text, &mut out);
                return out;
            }
            OutputFormat::Csv => {
                if with_header {
                    out.extend_from_slice(COLUMNS.join(",").as_bytes());
                    out.push(b'\n');
                }
                self.rows(b',', |text, out| csv_text(&clean(text), out), &mut out);
                return out;
            }
            OutputFormat::Table | OutputFormat::Auto => {
                out.extend_from_slice(self.table().as_bytes());
                out.extend_from_slice(self.summary().as_bytes());
            }
        }
        out.push(b'\n');
        out
    }

    fn rows(&self, separator: u8, write: impl Fn(&str, &mut Vec<u8>), out: &mut Vec<u8>) {
        for feed in &self.status.feeds {
            for (n, value) in feed.values().iter().enumerate() {
                if n > 0 {
                    out.push(separator);
                }
                write(value, out);
            }
            out.push(b'\n');
        }
    }

    fn table(&self) -> String {
        let mut table = Table::new();
        table
            .load_style(NOTHING)
            .set_content_arrangement(ContentArrangement::Disabled)
            .set_header([
                "FEED",
                "STATE",
                "AGE",
                "RATE",
                "P50",
                "P99",
                "GAPS",
                "RECONNECTS",
                "UPTIME",
                "",
            ]);
        for feed in &self.status.feeds {
            table.add_row(feed.cells().map(|text| Cell::new(clean(&text))));
        }
        for index in 2..=8 {
            if let Some(column) = table.column_mut(index) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        let lines = table.lines();
        lines.map(|line| format!("{}\n", line.trim_end())).collect()
    }

    fn summary(&self) -> String {
        let status = &self.status;
        let sum =
            |of: fn(&Client) -> Option<u64>| status.clients.iter().filter_map(of).sum::<u64>();
        let (bus, process) = (&status.bus, &status.process);
        let known =
            |label: &str, value: Option<String>| value.map(|value| format!("{label} {value}"));
        let count = |value: Option<u64>| value.map(|value| value.to_string());
        let lines = [
            (
                "server",
                vec![
                    Some(status.status.clone()),
                    Some(format!("tickwire {}", status.version)),
                    known("up", status.uptime.map(spell)),
                    Some(format!("provider {}", status.provider)),
                ],
            ),
            (
                "clients",
                vec![
                    Some(status.clients.len().to_string()),
                    known("queued", Some(sum(|client| client.queue).to_string())),
                    known("dropped", Some(sum(|client| client.dropped).to_string())),
                ],
            ),
            (
                "bus",
                vec![
                    known("published", count(bus.published)),
                    known("delivered", count(bus.delivered)),
                    known("subscriptions", count(bus.subscriptions)),
                    known("queued", count(bus.queued)),
                    known("dropped", count(bus.dropped)),
                ],
            ),
            (
                "running",
                vec![
                    known("streams", count(status.streams.running)),
                    known("alerts", count(status.alerts.rules)),
                    known("fired", count(status.alerts.fired)),
                    known("strategies", count(status.strategies.running)),
                ],
            ),
            (
                "process",
                vec![
                    known("pid", count(process.pid)),
                    known("memory", process.memory_bytes.map(mebibytes)),
                    known("cpu", process.cpu_seconds.map(spell)),
                ],
            ),
        ];
        let lines = lines.into_iter().filter_map(|(name, parts)| {
            let parts: Vec<_> = parts.into_iter().flatten().collect();
            (!parts.is_empty()).then(|| format!("\n {name:<9}{}", clean(&parts.join(" · "))))
        });
        lines.collect()
    }
}

impl Feed {
    fn latency(&self, of: fn(&Latency) -> Option<f64>) -> Option<f64> {
        of(self.latency_ms.as_ref()?)
    }

    /// For programs: seconds, milliseconds, events a second; empty where it is not known.
    fn values(&self) -> [String; COLUMNS.len()] {
        let number = |value: Option<f64>| value.map(|value| value.to_string()).unwrap_or_default();
        let count = |value: Option<u64>| value.map(|value| value.to_string()).unwrap_or_default();
        [
            self.provider.clone(),
            self.state.clone().unwrap_or_default(),
            number(self.age),
            number(self.rate),
            number(self.latency(|latency| latency.p50)),
            number(self.latency(|latency| latency.p99)),
            count(self.gaps),
            count(self.reconnects),
            number(self.uptime),
        ]
    }

    /// For people.
    fn cells(&self) -> [String; COLUMNS.len() + 1] {
        let dash = || "–".to_owned();
        let shown = |value: Option<f64>, unit: &str, digits: usize| {
            value.map_or_else(dash, |value| format!("{value:.digits$}{unit}"))
        };
        let count = |value: Option<u64>| value.map_or_else(dash, |value| value.to_string());
        [
            self.provider.clone(),
            self.state.clone().unwrap_or_else(dash),
            shown(self.age, "s", 1),
            shown(self.rate, "/s", 1),
            shown(self.latency(|latency| latency.p50), "ms", 1),
            shown(self.latency(|latency| latency.p99), "ms", 1),
            count(self.gaps),
            count(self.reconnects),
            self.uptime.map_or_else(dash, spell),
            self.reason.clone().unwrap_or_default(),
        ]
    }
}

/// The two largest units of a time in seconds.
fn spell(seconds: f64) -> String {
    // Saturates.
    let seconds = seconds as u64;
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, minutes) => format!("{minutes}m {}s", seconds % 60),
        (0, hours, minutes) => format!("{hours}h {minutes}m"),
        (days, hours, _) => format!("{days}d {hours}h"),
    }
}

fn mebibytes(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / (1024.0 * 1024.0))
}

/// Nothing in it speaks to the terminal.
fn clean(text: &str) -> String {
    let mut clean = Vec::new();
    plain_text(text, &mut clean);
    String::from_utf8_lossy(&clean).into_owned()
}

/// The same JSON without line breaks. Outside of strings control characters are only white space; inside of them only
/// those are left that JSON lets stand, which become escapes.
fn one_line(json: &str) -> String {
    let mut line = String::with_capacity(json.len());
    for c in json.chars() {
        match c {
            '\n' | '\r' | '\t' => line.push(' '),
            c if c.is_control() => line.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => line.push(c),
        }
    }
    line
}

#[cfg(test)]
mod tests;
