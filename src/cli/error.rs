//! What went wrong, as the user is told: one line, perhaps a hint, and an exit code.

use crate::config::ConfigError;
use crate::engine::EngineError;
use crate::expression::ExpressionError;
use crate::feed::ProviderError;
use crate::symbols::{ListError, ResolveError, Unresolved};

use super::exit::Exit;

/// What can be done without any exchange.
pub const OFFLINE_HINT: &str = "tickwire monitor BTC ETH -p mock works offline";

/// An error that ends a command.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct CliError {
    /// The exit code.
    pub exit: Exit,
    /// A stable word for scripts.
    pub code: &'static str,
    /// `WHAT: WHY`, one line.
    pub message: String,
    /// Lines that show the place, for people.
    pub detail: Vec<String>,
    /// How to mend it.
    pub hint: Option<String>,
    /// Whether the same may work later.
    pub retryable: bool,
}

impl CliError {
    /// The request is wrong.
    pub fn usage(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            exit: Exit::Usage,
            code,
            message: message.into(),
            detail: Vec::new(),
            hint: None,
            retryable: false,
        }
    }

    /// It cannot be known now.
    pub fn unknown(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            exit: Exit::Unknown,
            code,
            message: message.into(),
            detail: Vec::new(),
            hint: None,
            retryable: true,
        }
    }

    /// It could not be done.
    pub fn failed(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            exit: Exit::Failed,
            code,
            message: message.into(),
            detail: Vec::new(),
            hint: None,
            retryable: false,
        }
    }

    /// With a hint.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The lines that are printed: text, or one JSON object.
    pub fn render(&self, json: bool) -> Vec<String> {
        if json {
            let object = serde_json::json!({
                "level": "error",
                "code": self.code,
                "message": self.message,
                "hint": self.hint,
                "retryable": self.retryable,
            });
            return vec![object.to_string()];
        }
        let hint = self.hint.iter().map(|hint| format!("hint: {hint}"));
        std::iter::once(format!("tickwire: error: {}", self.message))
            .chain(self.detail.iter().map(|line| format!("  {line}")))
            .chain(hint)
            .collect()
    }
}

/// How much of a text of an exchange is told.
const CLIP: usize = 200;

/// What an exchange said, cut where it goes on for long.
pub fn clipped(text: &str) -> String {
    match text.char_indices().nth(CLIP) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_string(),
    }
}

/// What should not happen: the chain of causes on one line.
impl From<anyhow::Error> for CliError {
    fn from(error: anyhow::Error) -> Self {
        CliError::failed("internal", format!("{error:#}"))
    }
}

impl From<ListError> for CliError {
    fn from(error: ListError) -> Self {
        let name = error.exchange.name();
        let reason = clipped(&error.source.to_string());
        let message = format!("no list of what {name} trades: {reason}");
        let cli = CliError::unknown(error.source.code(), message);
        match error.source {
            ProviderError::Unreachable(_) => cli.hint(OFFLINE_HINT),
            ProviderError::Setup(why) if why.contains("certificate") => {
                cli.hint("SSL_CERT_FILE names a file of further certificates to trust")
            }
            ProviderError::Setup(_) => cli
                .hint("see --proxy, HTTPS_PROXY, NO_PROXY and the addresses of the configuration"),
            ProviderError::Blocked(_) => {
                let hint = format!(
                    "the exchange does not serve this place: try another provider, or providers.{name}.rest_url"
                );
                CliError {
                    retryable: false,
                    ..cli
                }
                .hint(hint)
            }
            _ => cli,
        }
    }
}

impl From<Unresolved> for CliError {
    fn from(error: Unresolved) -> Self {
        let message = error.to_string();
        match error {
            Unresolved::Unknown {
                exchange, nearest, ..
            } => {
                let list = format!("tickwire symbols -p {exchange} lists them");
                let hint = match nearest.as_slice() {
                    [] => list,
                    names => format!("did you mean {}? {list}", clipped(&names.join(", "))),
                };
                CliError::usage("unknown_symbol", message).hint(hint)
            }
            Unresolved::Ambiguous { .. } => {
                CliError::usage("ambiguous_symbol", message).hint("write it as BASE/QUOTE")
            }
        }
    }
}

impl CliError {
    /// An expression that is wrong, with the place. `what`: where it was given, as in `--where`.
    pub fn expression(what: &str, error: &ExpressionError) -> Self {
        Self {
            detail: error.caret().lines().map(str::to_owned).collect(),
            hint: error.hint.clone(),
            ..Self::usage("expression", format!("{what}: {error}"))
        }
    }
}

impl From<EngineError> for CliError {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::UnknownProvider(name) => unknown_provider(&name),
            EngineError::Resolve(ResolveError::List(list)) => list.into(),
            EngineError::Resolve(ResolveError::Unresolved(unresolved)) => unresolved.into(),
            other => CliError::failed("internal", other.to_string()),
        }
    }
}

impl From<ConfigError> for CliError {
    fn from(error: ConfigError) -> Self {
        let cli = CliError::usage("config", format!("{}: {}", error.location, error.message));
        CliError {
            hint: error.hint,
            ..cli
        }
    }
}

/// A provider that does not exist, with the nearest of those that come with the program.
pub fn unknown_provider(name: &str) -> CliError {
    let known: Vec<_> = crate::app::provider_names().collect();
    unknown_provider_of(name, &known)
}

/// A provider that is not among these, with the nearest that is.
pub fn unknown_provider_of(name: &str, known: &[&str]) -> CliError {
    let error = CliError::usage("unknown_provider", format!("no provider `{name}`"));
    let near = known
        .iter()
        .find(|known| strsim::damerau_levenshtein(known, name) <= 2);
    match near {
        Some(near) => error.hint(format!(
            "did you mean {near}? There are {}",
            known.join(", ")
        )),
        None => error.hint(format!("there are {}", known.join(", "))),
    }
}
