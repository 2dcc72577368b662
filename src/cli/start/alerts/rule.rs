//! One rule of a server: as it was asked for, and as clients see it. Pure.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::config::{AlertSettings, AlertWebhook, Config};
use crate::server::ApiError;
use crate::server::requests::{AlertView, NewAlert};

use super::super::super::alert::{self, Spec, Standing};
use super::super::super::error::CliError;
use super::super::super::exit::Exit;

/// The longest name that clients may give.
const NAME_MAX: usize = 64;

/// Who wanted a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The file. It is remembered over runs.
    Config,
    /// A client. It lives as long as the server does.
    Api,
}

impl Origin {
    /// As clients are told.
    pub fn name(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::Api => "api",
        }
    }
}

/// A rule as it was asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Wanted {
    pub origin: Origin,
    pub settings: AlertSettings,
    /// Names in `[actions]`, beside what the settings want.
    pub actions: Vec<String>,
}

impl Wanted {
    /// One of the file.
    pub fn of_config(settings: &AlertSettings) -> Self {
        Self {
            origin: Origin::Config,
            settings: settings.clone(),
            actions: Vec::new(),
        }
    }

    /// One of a client.
    pub fn of_client(new: NewAlert, name: String) -> Self {
        Self {
            origin: Origin::Api,
            settings: AlertSettings {
                name,
                symbols: new.symbol.into_iter().collect(),
                condition: new.condition,
                message: new.message,
                cooldown: new.cooldown,
                hysteresis: new.hysteresis,
                hold: new.hold,
                ..AlertSettings::default()
            },
            actions: new.actions,
        }
    }

    /// The rule with its actions.
    ///
    /// Errors: an expression that is wrong, no symbol, or an action that is not there.
    pub fn spec(&self, config: &Config, provider: &str) -> Result<Spec, CliError> {
        let mut spec = alert::spec(&self.settings, provider)?;
        let mut actions = alert::actions_of(&self.settings, config)?;
        for name in &self.actions {
            actions.push(alert::named_action(name, config)?);
        }
        spec.actions = alert::each_once(actions);
        spec.is_remembered = self.origin == Origin::Config;
        Ok(spec)
    }

    /// Whether what it uses of the configuration is the same in both.
    pub fn is_same_in(&self, old: &Config, new: &Config) -> bool {
        let own = match &self.settings.webhook {
            Some(AlertWebhook::Action(name)) => Some(name),
            _ => None,
        };
        let mut used = own.into_iter().chain(&self.actions);
        used.all(|name| old.actions.get(name) == new.actions.get(name))
    }

    /// Names of actions, or their kinds where they have none.
    fn action_names(&self) -> Vec<String> {
        let settings = &self.settings;
        let webhook = settings.webhook.as_ref().map(|webhook| match webhook {
            AlertWebhook::Url(_) => "webhook".to_owned(),
            AlertWebhook::Action(name) => name.clone(),
        });
        let notify = settings.notify.then(|| "notify".to_owned());
        let exec = settings.exec.as_ref().map(|_| "exec".to_owned());
        let own = webhook.into_iter().chain(notify).chain(exec);
        own.chain(self.actions.iter().cloned()).collect()
    }
}

/// A rule that the server keeps, whether it can be watched or not.
pub struct Rule {
    pub wanted: Wanted,
    pub standing: Arc<Standing>,
    pub stop: CancellationToken,
}

impl Rule {
    /// One that nobody watches yet.
    pub fn new(wanted: Wanted, standing: Arc<Standing>) -> Self {
        Self {
            wanted,
            standing,
            stop: CancellationToken::new(),
        }
    }

    pub fn name(&self) -> &str {
        &self.wanted.settings.name
    }

    /// As clients see it. `provider`: the server's own.
    pub fn view(&self, provider: &str) -> AlertView {
        let (settings, seen) = (&self.wanted.settings, self.standing.seen());
        let own = settings.provider.as_deref().unwrap_or(provider);
        let provider = match seen.markets.first() {
            Some(market) => market.exchange().name(),
            None => own,
        };
        let symbols = match seen.markets.as_slice() {
            [] => settings.symbols.clone(),
            markets => {
                let name = |market: &crate::model::Market| match market.exchange().name() {
                    exchange if exchange == provider => market.symbol().to_owned(),
                    _ => market.to_string(),
                };
                markets.iter().map(name).collect()
            }
        };
        AlertView {
            name: settings.name.clone(),
            provider: provider.to_owned(),
            symbols,
            condition: settings.condition.clone(),
            message: settings.message.clone(),
            state: seen.state.name(),
            fired: seen.fired,
            last_fired: seen.last_fired.map(|at| at.to_string()),
            error: seen.why.or(seen.trouble),
            origin: self.wanted.origin.name(),
            actions: self.wanted.action_names(),
        }
    }
}

/// Whether clients may give this name.
pub fn check_name(name: &str) -> Result<(), ApiError> {
    let is_good = |c: char| c.is_ascii_alphanumeric() || ".-_".contains(c);
    if !name.is_empty() && name.len() <= NAME_MAX && name.chars().all(is_good) {
        return Ok(());
    }
    Err(ApiError::bad_request(format!(
        "name: at most {NAME_MAX} letters, digits, dots, hyphens and underscores"
    )))
}

/// An error of a rule, for the client that wanted it.
pub fn refused(error: CliError) -> ApiError {
    // Other hints are about the command line.
    let is_hint_of_use = matches!(error.code, "expression" | "unknown_symbol");
    let message = match error.hint.filter(|_| is_hint_of_use) {
        Some(hint) => format!("{}; {hint}", error.message),
        None => error.message,
    };
    match (error.code, error.exit) {
        ("expression", _) => ApiError::unprocessable("bad_expression", message),
        ("unknown_symbol", _) => ApiError::unprocessable("unknown_symbol", message),
        ("ambiguous_symbol", _) => ApiError::unprocessable("ambiguous_symbol", message),
        ("unknown_provider", _) => ApiError::unprocessable("unknown_provider", message),
        (_, Exit::Usage) => ApiError::bad_request(message),
        _ => ApiError::unavailable(message),
    }
}
