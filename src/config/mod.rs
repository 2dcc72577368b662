//! The configuration: file, environment and defaults, checked as a whole before anything connects.
//!
//! Owns every name and default of `config.toml`; the table is in `schema.rs`. Flags come on top,
//! in the command line's own code. Invariants: all problems are reported at once, each with its
//! place; secrets never appear in `Debug` output, errors or warnings. Never opens a socket.
//!
//! ```no_run
//! use tickwire::config::{Config, environment};
//! let config = Config::load(None, environment())?;
//! println!("{:?}", config.engine_for("kraken").reconnect_delay);
//! # Ok::<(), tickwire::config::ConfigErrors>(())
//! ```

mod alerts;
mod check;
mod document;
mod environment;
mod error;
mod portfolio;
mod rules;
mod schema;
mod server;
mod settings;
mod streams;
mod text;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use document::Settings;
use environment::Variables;
use error::{Problem, Report};

pub use alerts::{ActionSettings, AlertSettings, AlertWebhook};
pub use environment::environment;
pub use error::{ConfigError, ConfigErrors, Location};
pub use portfolio::PortfolioSettings;
pub use server::{Limits, ServerSettings};
pub use settings::{EngineOverrides, EngineSettings, OutputFormat, ProviderSettings, Rate};
pub use streams::{StreamKind, StreamSettings, StreamSymbol, TimeUnit};
pub use text::redact_url;

use crate::strategy::Definition;

/// What the file and the environment say, environment first.
///
/// Invariant: every value was checked. Names of providers look like names; whether there is such
/// a provider is for whoever knows the providers to say.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    /// Where data comes from without `-p`; `None` = the built-in default.
    pub provider: Option<String>,
    /// Providers to turn to, in order.
    pub fallback: Vec<String>,
    /// How data is written without `-o`; `None` = as [`OutputFormat::Auto`].
    pub output: Option<OutputFormat>,
    /// The log filter of `TICKWIRE_LOG`, as it was written.
    pub log: Option<String>,
    /// `[engine]` over the defaults. For a provider ask [`Config::engine_for`].
    pub engine: EngineSettings,
    /// `[providers.NAME]`, for the names that were given settings.
    pub providers: BTreeMap<String, ProviderSettings>,
    /// `[[alert]]`, in the order of the file.
    pub alerts: Vec<AlertSettings>,
    /// `[actions.NAME]`.
    pub actions: BTreeMap<String, ActionSettings>,
    /// `[strategies.NAME]`. Conditions are as they were written: whether they mean anything is for whoever knows
    /// the language to say.
    pub strategies: BTreeMap<String, Definition>,
    /// `[[stream]]`, in the order of the file.
    pub streams: Vec<StreamSettings>,
    /// `[portfolio]`.
    pub portfolio: PortfolioSettings,
    /// `[server]` over the defaults.
    pub server: ServerSettings,
    /// The file that was read, if one was.
    pub path: Option<PathBuf>,
    /// What is not wrong but should be known: one line each, without a full stop.
    pub warnings: Vec<String>,
}

impl Config {
    /// Reads the file that `named` or `TICKWIRE_CONFIG` names, else the default one if it exists,
    /// then the variables, [`environment()`] in a program. An empty variable counts as unset.
    ///
    /// Of the files that hold secrets only those of providers and streams are read: other sections' may be none of this
    /// command's business, nor readable for it.
    ///
    /// Errors: all problems together; a named file that is missing is one, a default one is not.
    pub fn load(
        named: Option<&Path>,
        env: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigErrors> {
        Self::load_with(named, env, &["providers", "stream"])
    }

    /// As [`Config::load`], and reads the files that hold secrets of `[[alert]]` and `[actions.NAME]` too.
    pub fn load_with_action_secrets(
        named: Option<&Path>,
        env: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigErrors> {
        Self::load_with(named, env, &["providers", "stream", "alert", "actions"])
    }

    /// As [`Config::load`], and reads the file that holds the server's token too.
    pub fn load_with_server_secrets(
        named: Option<&Path>,
        env: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigErrors> {
        Self::load_with(named, env, &["providers", "stream", "server"])
    }

    /// As [`Config::load`], and reads the files of every section: what a server does all at once.
    pub fn load_with_all_secrets(
        named: Option<&Path>,
        env: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigErrors> {
        let sections = ["providers", "server", "alert", "actions", "stream"];
        Self::load_with(named, env, &sections)
    }

    /// `sections`: those whose secrets are read from their files.
    fn load_with(
        named: Option<&Path>,
        env: impl IntoIterator<Item = (String, String)>,
        sections: &[&str],
    ) -> Result<Self, ConfigErrors> {
        let variables = Variables::new(env);
        let mut report = Report::default();
        let mut settings = Settings::default();
        let path = find(named, &variables);
        let text = path.as_ref().and_then(|found| found.read(&mut report));
        let path = path.map(|found| found.path).filter(|_| text.is_some());
        let whole = match (&path, &text) {
            (Some(path), Some(text)) => document::read(path, text, &mut settings, &mut report),
            _ => true,
        };
        variables.apply(&mut settings, &mut report);
        let base = path
            .as_deref()
            .and_then(Path::parent)
            .unwrap_or(Path::new(""));
        rules::read_secrets(base, sections, &mut settings, &mut report);
        if whole {
            // In half a file something is always missing.
            rules::check(&settings, &mut report);
        }
        let config = Self {
            log: variables.get("TICKWIRE_LOG").map(str::to_owned),
            path,
            warnings: std::mem::take(&mut report.warnings),
            ..Self::from_settings(&settings)
        };
        report.into_errors().map_or(Ok(config), Err)
    }

    /// How the engine treats a provider: its own settings, else `[engine]`, else the defaults.
    pub fn engine_for(&self, provider: &str) -> EngineSettings {
        let own = self.providers.get(provider);
        own.map_or_else(|| self.engine.clone(), |own| own.engine.over(&self.engine))
    }

    /// The settings of a provider; all unset where there are none.
    pub fn provider_settings(&self, provider: &str) -> ProviderSettings {
        self.providers.get(provider).cloned().unwrap_or_default()
    }
}

/// A file to read, and who asked for it.
struct Found {
    path: PathBuf,
    /// Where a missing file is reported; a missing default file is not.
    asked: Option<Location>,
}

fn find(named: Option<&Path>, variables: &Variables) -> Option<Found> {
    if let Some(path) = named {
        let asked = Some(Location::File(path.to_owned()));
        return Some(Found {
            path: path.to_owned(),
            asked,
        });
    }
    let variable = "TICKWIRE_CONFIG";
    if let Some(path) = variables.get(variable) {
        let asked = Some(Location::Variable(variable.to_owned()));
        return Some(Found {
            path: path.into(),
            asked,
        });
    }
    let path = variables.default_file()?;
    Some(Found { path, asked: None })
}

impl Found {
    fn read(&self, report: &mut Report) -> Option<String> {
        let error = match std::fs::read_to_string(&self.path) {
            Ok(text) => return Some(text),
            Err(error) => error,
        };
        let missing = matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory);
        if missing && self.asked.is_none() {
            return None;
        }
        let reason = rules::reason(&error);
        match &self.asked {
            Some(variable @ Location::Variable(_)) => {
                let file = text::quote(&self.path.to_string_lossy());
                report.push(
                    variable,
                    Problem::new(format!("cannot read {file}: {reason}")),
                );
            }
            _ => {
                let file = Location::File(self.path.clone());
                report.push(
                    &file,
                    Problem::new(format!("cannot read this file: {reason}")),
                );
            }
        }
        None
    }
}
