//! What must hold between settings, and the files that hold secrets.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use super::EngineSettings;
use super::check::{Kind, Raw, Value};
use super::document::{Setting, Settings};
use super::error::{Location, Problem, Report};
use super::portfolio;
use super::text::{dotted, nearest, quote};
use crate::action::Template;
use crate::duration;
use crate::net::WebhookUrl;

/// Test systems: provider, REST address, WebSocket address.
///
/// Source: Binance "Spot Test Network", Coinbase Exchange "Sandbox".
pub(super) const TESTNETS: &[(&str, &str, &str)] = &[
    (
        "binance",
        "https://testnet.binance.vision",
        "wss://stream.testnet.binance.vision",
    ),
    (
        "coinbase",
        "https://api-public.sandbox.exchange.coinbase.com",
        "wss://ws-feed-public.sandbox.exchange.coinbase.com",
    ),
];

/// Providers known to have none; others may be registered by users of the library.
const WITHOUT_TESTNET: &[&str] = &["kraken", "mock", "server", "replay", "redis"];

/// Checks everything that takes more than one setting.
pub(super) fn check(settings: &Settings, report: &mut Report) {
    delays(settings, &["engine"], report);
    for provider in settings.names(&["providers"]) {
        delays(settings, &["providers", provider], report);
        testnet(settings, provider, report);
    }
    fallback(settings, report);
    alerts(settings, report);
    portfolio::check(settings, report);
    actions(settings, report);
    for (section, either, or) in [
        ("actions", "webhook", "exec"),
        ("strategies", "buy", "command"),
        ("strategies", "sell", "command"),
        ("strategies", "interval", "command"),
    ] {
        for name in settings.names(&[section]) {
            not_both(settings, section, name, either, or, report);
        }
    }
    for name in settings.names(&["actions"]) {
        one_of(settings, "actions", name, &["webhook", "exec"], report);
    }
    for name in settings.names(&["strategies"]) {
        strategy(settings, name, report);
    }
    super::streams::check(settings, report);
}

/// The first wait must not be longer than the longest.
fn delays(settings: &Settings, section: &[&str], report: &mut Report) {
    // A delay that was refused has been reported; the default in its place proves nothing.
    let path: Vec<String> = section.iter().map(|&name| name.to_owned()).collect();
    if settings.troubled.contains(&path) || settings.troubled.contains(&["engine".to_owned()][..]) {
        return;
    }
    let defaults = EngineSettings::default();
    let get = |key: &str, default: Duration| {
        let own = settings.get(&[section, &[key]].concat());
        match own.or_else(|| settings.get(&["engine", key])) {
            Some(Setting {
                value: Value::Duration(length),
                ..
            }) => (own, *length),
            _ => (own, default),
        }
    };
    let (first, delay) = get("reconnect_delay", defaults.reconnect_delay);
    let (longest, max) = get("reconnect_max_delay", defaults.reconnect_max_delay);
    let Some(setting) = first.or(longest) else {
        return;
    };
    if delay > max {
        let section = section.join(".");
        let (delay, max) = (duration::format(delay), duration::format(max));
        let message = format!(
            "`{section}.reconnect_delay`: {delay} is longer than reconnect_max_delay, {max}"
        );
        report.push(&setting.location, Problem::new(message));
    }
}

fn testnet(settings: &Settings, provider: &str, report: &mut Report) {
    if let Some(Setting {
        value: Value::Bool(true),
        location,
        ..
    }) = settings.get(&["providers", provider, "testnet"])
        && WITHOUT_TESTNET.contains(&provider)
    {
        let names: Vec<&str> = TESTNETS.iter().map(|(name, ..)| *name).collect();
        let message = format!("`providers.{provider}.testnet`: {provider} has no testnet");
        let hint = format!("there is one for {}", names.join(" and "));
        report.push(location, Problem::new(message).hint(hint));
    }
}

fn fallback(settings: &Settings, report: &mut Report) {
    if let Some(Setting {
        value: Value::List(names),
        location,
        ..
    }) = settings.get(&["fallback"])
    {
        for (index, name) in names.iter().enumerate() {
            if names[..index].contains(name) {
                report.push(
                    location,
                    Problem::new(format!("`fallback`: `{name}` stands there twice")),
                );
            }
        }
    }
}

/// Every rule has a name of its own and a condition; the actions it names exist.
fn alerts(settings: &Settings, report: &mut Report) {
    let mut named: BTreeMap<&str, &Location> = BTreeMap::new();
    let actions = settings.names(&["actions"]);
    for index in settings.names(&["alert"]) {
        let text = |key| match settings.get(&["alert", index, key]) {
            Some(Setting {
                value: Value::Text(text),
                location,
                ..
            }) => Some((text.as_str(), location)),
            _ => None,
        };
        for key in ["name", "condition"] {
            if settings.get(&["alert", index, key]).is_none()
                && let Some(location) = settings
                    .tables
                    .get(&["alert".to_owned(), index.to_owned()][..])
                && !settings
                    .troubled
                    .contains(&["alert".to_owned(), index.to_owned()][..])
            {
                report.push(
                    location,
                    Problem::new(format!("an [[alert]] needs a `{key}`")),
                );
            }
        }
        if let Some((name, location)) = text("name")
            && let Some(first) = named.insert(name, location)
        {
            let message = format!("two alerts are named {}, the other at {first}", quote(name));
            report.push(location, Problem::new(message));
        }
        if let Some((action, location)) = text("webhook")
            && !action.contains("://")
            && !actions.contains(action)
        {
            let hint = nearest(action, actions.iter().copied())
                .map(|near| format!("did you mean `{near}`?"));
            let message = format!("`alert.webhook`: there is no [actions.{action}]");
            report.push(location, Problem::new(message).hint(hint));
        }
    }
}

/// Headers that a webhook's request sets by itself.
const OURS: &[&str] = &[
    "connection",
    "content-length",
    "idempotency-key",
    "transfer-encoding",
];

/// What is posted, and where, can be: addresses, templates, headers.
fn actions(settings: &Settings, report: &mut Report) {
    for (path, setting) in &settings.values {
        let names: Vec<&str> = path.iter().map(String::as_str).collect();
        let (["alert", _, key] | ["actions", _, key] | ["actions", _, key, _]) = names[..] else {
            continue;
        };
        let wrong = match (key, &setting.value) {
            ("webhook", Value::Text(text)) if text.contains("://") => WebhookUrl::parse(text).err(),
            ("template", Value::Text(text)) => Template::parse(text).err(),
            ("headers", _) if OURS.contains(&names[3]) => Some("tickwire sets it by itself".into()),
            _ => None,
        };
        let of_webhooks = matches!(key, "template" | "headers");
        let has_exec = settings.get(&[names[0], names[1], "exec"]).is_some();
        let needless = (of_webhooks && has_exec).then(|| "a program takes none".to_owned());
        for why in wrong.into_iter().chain(needless) {
            let message = format!("`{}`: {why}", dotted(path));
            report.push(&setting.location, Problem::new(message));
        }
    }
}

fn not_both(
    settings: &Settings,
    section: &str,
    name: &str,
    either: &str,
    or: &str,
    report: &mut Report,
) {
    if settings.get(&[section, name, either]).is_some()
        && let Some(setting) = settings.get(&[section, name, or])
    {
        let message = format!("[{section}.{name}] has both `{either}` and `{or}`");
        report.push(&setting.location, Problem::new(message));
    }
}

/// A program, or a way in and a way out.
fn strategy(settings: &Settings, name: &str, report: &mut Report) {
    let has = |key| settings.get(&["strategies", name, key]).is_some();
    match (has("buy"), has("sell"), has("command")) {
        (true, false, false) => one_of(settings, "strategies", name, &["sell"], report),
        (false, true, false) => one_of(settings, "strategies", name, &["buy"], report),
        _ => one_of(settings, "strategies", name, &["buy", "command"], report),
    }
}

fn one_of(settings: &Settings, section: &str, name: &str, choice: &[&str], report: &mut Report) {
    if choice
        .iter()
        .any(|key| settings.get(&[section, name, key]).is_some())
    {
        return;
    }
    if let Some(location) = settings
        .tables
        .get(&[section.to_owned(), name.to_owned()][..])
        && !settings
            .troubled
            .contains(&[section.to_owned(), name.to_owned()][..])
    {
        let keys: Vec<String> = choice.iter().map(|key| format!("`{key}`")).collect();
        let message = format!("[{section}.{name}] needs {}", keys.join(" or "));
        report.push(location, Problem::new(message));
    }
}

/// Puts the content of every `KEY_file` in these sections in the place of its path.
///
/// Other sections' files are only looked at: this command may not use them, nor be allowed to.
pub(super) fn read_secrets(
    base: &Path,
    sections: &[&str],
    settings: &mut Settings,
    report: &mut Report,
) {
    for (path, setting) in &mut settings.values {
        let Value::File(file) = &setting.value else {
            continue;
        };
        let file = match setting.location {
            Location::Variable(_) => file.clone(),
            _ => base.join(file),
        };
        let name = format!("{}_file", dotted(path));
        if readable_by_others(&file) {
            report.warnings.push(format!(
                "{}: `{name}`: others may read {}; hint: chmod 600 {}",
                setting.location,
                quote(&file.to_string_lossy()),
                file.display()
            ));
        }
        if !sections.contains(&&*path[0]) {
            continue;
        }
        let kind = match setting.key.kind {
            // The name of an action is no secret: in a file there is an address.
            Kind::Webhook => Kind::Url("http", "https"),
            kind => kind,
        };
        let content = std::fs::read_to_string(&file).map_err(|error| {
            let file = quote(&file.to_string_lossy());
            Problem::new(format!("`{name}`: cannot read {file}: {}", reason(&error)))
        });
        let value = content.and_then(|content| {
            let content = Raw::Text(content.trim_end_matches(['\r', '\n']).to_owned());
            kind.check(&content, true).map_err(|problem| {
                Problem::new(format!(
                    "`{name}`: {} in {}",
                    problem.message,
                    quote(&file.to_string_lossy())
                ))
            })
        });
        match value {
            Ok(value) => setting.value = value,
            Err(problem) => report.push(&setting.location, problem),
        }
    }
}

#[cfg(unix)]
fn readable_by_others(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(file).is_ok_and(|data| data.permissions().mode() & 0o044 != 0)
}

#[cfg(not(unix))]
fn readable_by_others(_file: &Path) -> bool {
    false
}

/// Why a file could not be read, in the words of these messages.
pub(super) fn reason(error: &std::io::Error) -> String {
    use std::io::ErrorKind;
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => "no such file".into(),
        ErrorKind::PermissionDenied => "permission denied".into(),
        ErrorKind::IsADirectory => "it is a directory".into(),
        ErrorKind::InvalidData => "it is not UTF-8 text".into(),
        _ => error.to_string(),
    }
}
