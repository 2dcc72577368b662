//! What is told on stderr beside the data: log lines, notices, summaries.

use std::collections::VecDeque;
use std::io::Write;
use std::sync::Mutex;

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

use super::error::{CliError, clipped};

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
        write(error.render(self.json));
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
                serde_json::json!({"level": "warn", "code": code, "message": message}).to_string(),
            );
        } else {
            line(format!("tickwire: {message}"));
        }
    }

    /// Tells that a server is ready, and where, also under `--quiet`: its port may be known to nobody yet.
    pub fn ready(&self, url: &str, message: &str) {
        if self.json {
            line(
                serde_json::json!({"level": "info", "code": "ready", "message": message, "url": url})
                    .to_string(),
            );
        } else {
            line(format!("tickwire: {message}"));
        }
    }

    /// Tells something that is good to know.
    pub fn say(&self, code: &str, message: &str) {
        if !self.quiet {
            self.tell(code, message);
        }
    }

    /// Tells something without which the program is of no use, also under `--quiet`.
    pub fn tell(&self, code: &str, message: &str) {
        if self.json {
            line(
                serde_json::json!({"level": "info", "code": code, "message": message}).to_string(),
            );
        } else {
            line(message.to_string());
        }
    }
}

/// The newest lines of those that wait while a screen is open.
#[derive(Default)]
struct Waiting {
    lines: VecDeque<String>,
    /// How many there were before them.
    left_out: u64,
}

impl Waiting {
    fn push(&mut self, line: String) {
        if self.lines.len() == HELD_MAX {
            self.lines.pop_front();
            self.left_out += 1;
        }
        self.lines.push_back(line);
    }
}

/// `None`: no screen is open.
static HELD: Mutex<Option<Waiting>> = Mutex::new(None);
/// How many are kept.
const HELD_MAX: usize = 100;

fn line(text: String) {
    write([text]);
}

/// The one way to stderr. Each text stays one line, whatever an exchange put into it. A closed stderr is
/// nobody's loss.
fn write(lines: impl IntoIterator<Item = String>) {
    let mut held = HELD.lock().expect("no holder of this lock panics");
    for text in lines {
        let text = printable(&text);
        match held.as_mut() {
            Some(waiting) => waiting.push(text),
            None => {
                // In one piece: nothing else on the terminal comes between a line and its end.
                let _ = std::io::stderr()
                    .lock()
                    .write_all(format!("{text}\n").as_bytes());
            }
        }
    }
}

/// Without what ends a line or speaks to the terminal: exchanges and files are not to be trusted with it.
fn printable(text: &str) -> String {
    let unsafe_char = |c: char| {
        // Also what turns the direction of the text, and the other ends of lines.
        c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars()
        .map(|c| if unsafe_char(c) { ' ' } else { c })
        .collect()
}

/// While this lives nothing is written to stderr: it would draw over the screen. Told when it ends.
pub struct Held(Notices);

impl Held {
    /// Begins to hold lines back.
    pub fn start(notices: Notices) -> Self {
        *HELD.lock().expect("no holder of this lock panics") = Some(Waiting::default());
        Self(notices)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let waiting = HELD.lock().expect("no holder of this lock panics").take();
        let waiting = waiting.unwrap_or_default();
        if waiting.left_out > 0 {
            let message = format!("{} earlier lines were left out", waiting.left_out);
            self.0.warn("left_out", &message);
        }
        write(waiting.lines);
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
                object[name] = clipped(&value).into();
            }
            return line(object.to_string());
        }
        let fields: String = parts
            .fields
            .iter()
            .map(|(name, value)| format!(" {name}={}", clipped(value)))
            .collect();
        line(format!("tickwire: {level}: {}{fields}", parts.message));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_can_forge_a_line_or_speak_to_the_terminal() {
        let text = "a\n\x1b]0;b\x07c\r\u{9b}2Jd\u{2028}e\u{202e}f";
        assert_eq!(printable(text), "a  ]0;b c  2Jd e f");
        let json = serde_json::json!({"message": text}).to_string();
        assert!(serde_json::from_str::<serde_json::Value>(&printable(&json)).is_ok());
    }

    #[test]
    fn the_newest_lines_are_kept_and_the_others_counted() {
        let mut waiting = Waiting::default();
        (0..250).for_each(|n| waiting.push(n.to_string()));
        assert_eq!(waiting.left_out, 150);
        assert_eq!(waiting.lines.len(), HELD_MAX);
        assert_eq!(waiting.lines.front().map(String::as_str), Some("150"));
    }
}
