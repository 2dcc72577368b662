//! From flags and `[[alert]]` to rules with their actions. Pure.

use std::sync::Arc;
use std::time::Duration;

use crate::action::Action;
use crate::alert::{MaxFires, Policy, Rule};
use crate::config::{AlertSettings, Config};
use crate::expression::{Expression, Margin, Reference};

use super::super::args::AlertArgs;
use super::super::error::CliError;
use super::actions::actions;

/// The key of the line on stdout in a rule's outbox. Beside it stand those of the actions.
pub const LINE: &str = "line";

/// One rule, what it watches and what it does.
pub struct Spec {
    pub rule: Arc<Rule>,
    pub provider: String,
    /// As they were written; empty where the condition names its own.
    pub symbols: Vec<String>,
    /// By their keys in the outbox.
    pub actions: Vec<(String, Action)>,
    /// Whether it is remembered over runs, where it has a name.
    pub is_remembered: bool,
}

impl Spec {
    /// By what name it is remembered over runs; `None`: it is not.
    pub fn memory(&self) -> Option<&String> {
        self.rule.name.as_ref().filter(|_| self.is_remembered)
    }

    /// Every symbol to look up, with its provider: those of the rule, then those of its references.
    pub fn lookups(&self) -> Vec<String> {
        let own = self.symbols.iter().map(|symbol| self.lookup(symbol));
        let references = self
            .rule
            .references()
            .filter_map(|reference| self.reference(reference));
        own.chain(references).collect()
    }

    /// A symbol with its provider in front.
    pub fn lookup(&self, symbol: &str) -> String {
        match symbol.contains(':') {
            true => symbol.to_owned(),
            false => format!("{}:{symbol}", self.provider),
        }
    }

    /// The same for a reference; `None` for the rule's own symbol.
    pub fn reference(&self, reference: &Reference) -> Option<String> {
        match reference {
            Reference::Own => None,
            Reference::Other { provider, symbol } => {
                let provider = provider.as_deref().unwrap_or(&self.provider);
                Some(format!("{provider}:{symbol}"))
            }
        }
    }
}

/// The rules that these arguments are about.
///
/// Errors: all that is wrong with any of them.
pub fn specs(
    args: &AlertArgs,
    symbols: Vec<String>,
    condition: Option<String>,
    config: &Config,
    provider: &str,
) -> Result<Vec<Spec>, Vec<CliError>> {
    if let Some(condition) = condition {
        check_words(args, &symbols, &condition).map_err(|error| vec![error])?;
        let settings = from_flags(args, symbols, condition);
        let spec = with_flags(&settings, args, config, provider);
        return spec.map(|spec| vec![spec]).map_err(|error| vec![error]);
    }
    let chosen = from_config(args, &symbols, config).map_err(|error| vec![error])?;
    let (mut specs, mut errors) = (Vec::new(), Vec::new());
    for settings in chosen {
        match with_flags(settings, args, config, provider) {
            Ok(spec) => specs.push(spec),
            Err(error) => errors.push(named(error, &settings.name)),
        }
    }
    if errors.is_empty() {
        Ok(specs)
    } else {
        Err(errors)
    }
}

fn named(error: CliError, name: &str) -> CliError {
    CliError {
        message: format!("{name}: {}", error.message),
        ..error
    }
}

/// The symbols, and the condition where one was given. `expand` puts what stdin has in the place of `-`.
pub fn words(
    args: &AlertArgs,
    expand: impl Fn(&[String]) -> Result<Vec<String>, CliError>,
) -> Result<(Vec<String>, Option<String>), CliError> {
    let mut words = args.words.clone();
    let condition = match &args.condition {
        Some(condition) => Some(condition.clone()),
        None => words.pop(),
    };
    words.extend(args.list.iter().cloned());
    let symbols = expand(&words)?;
    if symbols.iter().any(String::is_empty) {
        return Err(CliError::usage("usage", "a symbol is empty")
            .hint("tickwire alert BTC 'price > 50000' --once"));
    }
    Ok((symbols, condition))
}

/// What looks like a mistake in the words, before they are taken for symbols and a condition.
fn check_words(args: &AlertArgs, symbols: &[String], condition: &str) -> Result<(), CliError> {
    let example = "tickwire alert BTC 'price > 50000' --once";
    if args.name.as_ref().is_some_and(String::is_empty) {
        return Err(CliError::usage(
            "usage",
            "--name is empty: a rule without a name remembers nothing",
        )
        .hint("leave --name out, or look whether a variable is unset"));
    }
    let is_symbol = |c: char| c.is_alphanumeric() && !c.is_lowercase() || "/:-".contains(c);
    if args.condition.is_none() && symbols.is_empty() && condition.chars().all(is_symbol) {
        return Err(CliError::usage("usage", "no condition given").hint(example));
    }
    let second = symbols
        .iter()
        .find(|symbol| symbol.contains(['<', '>', '=', ' ']));
    if let Some(second) = second {
        let message =
            format!("`{second}` is not a symbol, and there is a condition already: `{condition}`");
        return Err(CliError::usage("usage", message).hint(example));
    }
    Ok(())
}

fn from_flags(args: &AlertArgs, symbols: Vec<String>, condition: String) -> AlertSettings {
    AlertSettings {
        name: args.name.clone().unwrap_or_default(),
        provider: None,
        symbols,
        condition,
        message: args.message.clone(),
        cooldown: args.cooldown,
        hysteresis: args.hysteresis.clone(),
        hold: args.hold,
        max_fires: args.max_fires.clone(),
        rearm: args.rearm.clone(),
        exec: None,
        webhook: None,
        notify: false,
    }
}

/// All rules of the configuration, or the one that `--name` names.
fn from_config<'a>(
    args: &AlertArgs,
    symbols: &[String],
    config: &'a Config,
) -> Result<Vec<&'a AlertSettings>, CliError> {
    let example = "tickwire alert BTC 'price > 50000' --once";
    if !symbols.is_empty() {
        return Err(CliError::usage("usage", "symbols without a condition").hint(example));
    }
    if let Some(flag) = flag_of_a_rule(args) {
        return Err(CliError::usage(
            "usage",
            format!("{flag} belongs to a condition, and none was given"),
        )
        .hint("in the configuration it is a key of [[alert]]"));
    }
    if config.alerts.is_empty() {
        return Err(CliError::usage(
            "usage",
            "no condition given, and no [[alert]] in the configuration",
        )
        .hint(example));
    }
    let Some(name) = &args.name else {
        return Ok(config.alerts.iter().collect());
    };
    let found: Vec<_> = config.alerts.iter().filter(|a| a.name == *name).collect();
    if found.is_empty() {
        let names = config.alerts.iter().map(|alert| alert.name.as_str());
        let near = names
            .clone()
            .min_by_key(|known| strsim::damerau_levenshtein(known, name));
        let names: Vec<_> = names.collect();
        return Err(CliError::usage(
            "unknown_alert",
            format!("no [[alert]] is named `{name}`, and no condition was given"),
        )
        .hint(format!(
            "did you mean {}? there are {}",
            near.unwrap_or_default(),
            names.join(", ")
        )));
    }
    Ok(found)
}

/// A flag that says more about a rule of the command line.
fn flag_of_a_rule(args: &AlertArgs) -> Option<&'static str> {
    let flags = [
        (args.message.is_some(), "--message"),
        (args.cooldown.is_some(), "--cooldown"),
        (args.hysteresis.is_some(), "--hysteresis"),
        (args.hold.is_some(), "--for"),
        (args.max_fires.is_some(), "--max-fires"),
        (args.rearm.is_some(), "--rearm"),
    ];
    flags
        .iter()
        .find(|(given, _)| *given)
        .map(|(_, flag)| *flag)
}

fn with_flags(
    settings: &AlertSettings,
    args: &AlertArgs,
    config: &Config,
    provider: &str,
) -> Result<Spec, CliError> {
    let mut spec = spec(settings, provider)?;
    if spec.rule.name.is_none() && args.once {
        let flag = flag_of_a_rule(args).filter(|flag| *flag != "--message");
        if let Some(flag) = flag {
            return Err(CliError::usage(
                "usage",
                format!("{flag} with --once: a rule without a name remembers nothing"),
            )
            .hint("give it a --name"));
        }
    }
    spec.actions = actions(settings, args, config)?;
    Ok(spec)
}

/// The rule of these settings, without actions.
///
/// Errors: an expression or a text that is wrong, or no symbol.
pub fn spec(settings: &AlertSettings, provider: &str) -> Result<Spec, CliError> {
    let rule = rule(settings)?;
    let references = |reference: &Reference| *reference != Reference::Own;
    if settings.symbols.is_empty() && !rule.references().any(references) {
        return Err(CliError::usage("usage", "no symbol given")
            .hint("tickwire alert BTC 'price > 50000', or name it: 'BTC/USD.price > 50000'"));
    }
    if settings.symbols.is_empty() && rule.references().any(|r| *r == Reference::Own) {
        return Err(CliError::usage(
            "usage",
            format!(
                "no symbol given, and `{}` reads a field without one",
                settings.condition
            ),
        )
        .hint("tickwire alert BTC 'price > 50000'"));
    }
    Ok(Spec {
        rule: Arc::new(rule),
        provider: settings
            .provider
            .clone()
            .unwrap_or_else(|| provider.to_owned()),
        symbols: settings.symbols.clone(),
        actions: Vec::new(),
        is_remembered: true,
    })
}

fn rule(settings: &AlertSettings) -> Result<Rule, CliError> {
    let wrong = |what: &str, why: String| CliError::usage("usage", format!("{what}: {why}"));
    let condition = Expression::parse_condition(&settings.condition)
        .map_err(|error| CliError::expression("condition", &error))?;
    let rearm = settings.rearm.as_deref().map(Expression::parse_condition);
    let rearm = rearm
        .transpose()
        .map_err(|error| CliError::expression("rearm", &error))?;
    let margin = settings.hysteresis.as_deref().map(str::parse::<Margin>);
    let margin = margin
        .transpose()
        .map_err(|why| wrong("hysteresis", why.to_string()))?;
    let max_fires = settings.max_fires.as_deref().map(str::parse::<MaxFires>);
    let max_fires = max_fires
        .transpose()
        .map_err(|why| wrong("max-fires", why.to_string()))?;
    let some = |duration: Option<Duration>| duration.filter(|length| !length.is_zero());
    Ok(Rule {
        name: name(&settings.name)?,
        condition,
        rearm,
        margin,
        policy: Policy {
            cooldown: some(settings.cooldown),
            hold: some(settings.hold),
            max_fires,
        },
        message: settings.message.clone(),
    })
}

fn name(name: &str) -> Result<Option<String>, CliError> {
    if name.is_empty() {
        return Ok(None);
    }
    if name.chars().count() > 200 || name.chars().any(char::is_control) || name.trim() != name {
        return Err(CliError::usage(
            "usage",
            format!(
                "name: `{}` cannot be one",
                super::super::error::clipped(name)
            ),
        )
        .hint("at most 200 characters, without control characters and blanks at the ends"));
    }
    Ok(Some(name.to_owned()))
}
