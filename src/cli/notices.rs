//! What is told on stderr beside the data: log lines, notices, summaries.

use std::io::Write;
use std::sync::Mutex;

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

use super::error::{CliError, printable};

/// How to talk on stderr.
#[derive(Debug, Clone, Copy)]
pub struct Notices {
    /// One JSON object per line.
    pub json: bool,
    /// Only what must be said.
    pub quiet: bool,
}

impl Notices {
    /// Tells an error.
    pub fn error(&self, error: &CliError) {
        line(&error.render(self.json));
    }

    /// Tells all of these but the last, which is returned: whoever ends the program tells it.
    pub fn all_but_last(&self, mut errors: Vec<CliError>) -> Option<CliError> {
        let last = errors.pop();
        errors.iter().for_each(|error| self.error(error));
        last
    }

    /// Tells something that must not be missed, also under `--quiet`.
    pub fn warn(&self, code: &str, message: &str) {
        if self.json {
            line(
                &serde_json::json!({"level": "warn", "code": code, "message": message}).to_string(),
            );
        } else {
            line(&format!("tickwire: {}", printable(message)));
        }
    }

    /// Tells something that is good to know.
    pub fn say(&self, code: &str, message: &str) {
        if self.quiet {
            return;
        }
        if self.json {
            line(
                &serde_json::json!({"level": "info", "code": code, "message": message}).to_string(),
            );
        } else {
            line(message);
        }
    }
}

/// Lines that wait while a screen is open; `None`: there is none.
static HELD: Mutex<Option<Vec<String>>> = Mutex::new(None);
/// How many are kept.
const HELD_MAX: usize = 100;

/// A closed stderr is nobody's loss.
fn line(text: &str) {
    let mut held = HELD.lock().expect("no holder of this lock panics");
    match held.as_mut() {
        Some(lines) if lines.len() < HELD_MAX => lines.push(text.to_string()),
        Some(_) => {}
        None => {
            let _ = writeln!(std::io::stderr().lock(), "{text}");
        }
    }
}

/// While this lives nothing is written to stderr: it would draw over the screen. Told when it ends.
pub struct Held(());

impl Held {
    /// Begins to hold lines back.
    pub fn start() -> Self {
        *HELD.lock().expect("no holder of this lock panics") = Some(Vec::new());
        Self(())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let lines = HELD.lock().expect("no holder of this lock panics").take();
        lines.into_iter().flatten().for_each(|text| line(&text));
    }
}

/// Sends `tracing` to stderr. `filter` (from `TICKWIRE_LOG`) wins over the flags.
///
/// Errors: a filter that cannot be read.
pub fn init_log(notices: Notices, verbose: u8, filter: Option<&str>) -> Result<(), CliError> {
    let level = match (notices.quiet, verbose) {
        (true, _) => LevelFilter::ERROR,
        (_, 0) => LevelFilter::WARN,
        (_, 1) => LevelFilter::INFO,
        _ => LevelFilter::DEBUG,
    };
    let targets = match filter {
        Some(filter) => filter.parse().map_err(|_| {
            CliError::usage(
                "config",
                format!("TICKWIRE_LOG: `{filter}` is not a log filter"),
            )
            .hint("write warn, debug or tickwire=trace")
        })?,
        None => Targets::new().with_target("tickwire", level),
    };
    // Library users and tests may have a subscriber of their own: then that one is used.
    let _ = tracing_subscriber::registry()
        .with(Log { json: notices.json }.with_filter(targets))
        .try_init();
    Ok(())
}

struct Log {
    json: bool,
}

impl<S: Subscriber> Layer<S> for Log {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut parts = Parts::default();
        event.record(&mut parts);
        let level = match *event.metadata().level() {
            Level::ERROR => "error",
            Level::WARN => "warning",
            Level::INFO => "info",
            Level::DEBUG => "debug",
            Level::TRACE => "trace",
        };
        if self.json {
            let level = if level == "warning" { "warn" } else { level };
            let mut object =
                serde_json::json!({"level": level, "code": "log", "message": parts.message});
            for (name, value) in parts.fields {
                object[name] = value.into();
            }
            return line(&object.to_string());
        }
        let fields: String = parts
            .fields
            .iter()
            .map(|(name, value)| format!(" {name}={value}"))
            .collect();
        line(&format!(
            "tickwire: {level}: {}{}",
            printable(&parts.message),
            printable(&fields)
        ));
    }
}

#[derive(Default)]
struct Parts {
    message: String,
    fields: Vec<(&'static str, String)>,
}

impl Visit for Parts {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        let text = format!("{value:?}");
        match field.name() {
            "message" => self.message = text,
            name => self.fields.push((name, text)),
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.fields.push((field.name(), value.to_string()));
    }
}
