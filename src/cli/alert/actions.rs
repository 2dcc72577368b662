//! From flags and settings to the actions of a rule. Pure.

use crate::action::{Action, Exec, NOTIFY_AVAILABLE, Template, Webhook};
use crate::config::{ActionSettings, AlertSettings, AlertWebhook, Config};
use crate::net::WebhookUrl;

use super::super::args::AlertArgs;
use super::super::error::CliError;

/// All of a rule, by their keys in the outbox: those of its settings, then those of flags.
pub fn actions(
    settings: &AlertSettings,
    args: &AlertArgs,
    config: &Config,
) -> Result<Vec<(String, Action)>, CliError> {
    let mut actions = of_settings(settings, config)?;
    actions.extend(of_flags(args, settings.exec.is_some(), config)?);
    Ok(each_once(actions))
}

/// Those of its settings.
pub fn of_settings(
    settings: &AlertSettings,
    config: &Config,
) -> Result<Vec<(String, Action)>, CliError> {
    let mut actions = Vec::new();
    if let Some(setting) = &settings.webhook {
        actions.push(webhook(setting, config)?);
    }
    if settings.notify {
        actions.push(notify()?);
    }
    if let Some(argv) = &settings.exec {
        actions.push(("exec".into(), Action::Exec(Exec::new(argv.clone(), None))));
    }
    Ok(actions)
}

/// One of the `[actions]`, and its key in the outbox.
///
/// Errors: there is none of that name.
pub fn named(name: &str, config: &Config) -> Result<(String, Action), CliError> {
    let Some(settings) = config.actions.get(name) else {
        let names: Vec<_> = config.actions.keys().map(String::as_str).collect();
        let message = format!("webhook: there is no [actions.{name}]");
        let error = CliError::usage("usage", message);
        return Err(match names.as_slice() {
            [] => error.hint("write the address, or name it in the configuration: [actions.phone]"),
            names => error.hint(format!("there are {}", names.join(", "))),
        });
    };
    Ok((format!("action:{name}"), action_of(name, settings)?))
}

fn of_flags(
    args: &AlertArgs,
    has_exec: bool,
    config: &Config,
) -> Result<Vec<(String, Action)>, CliError> {
    let mut actions = Vec::new();
    if let Some(text) = &args.webhook {
        actions.push(webhook(&webhook_of(text)?, config)?);
    }
    if args.notify {
        actions.push(notify()?);
    }
    if args.bell {
        actions.push(("bell".into(), Action::Bell));
    }
    if !args.exec.is_empty() {
        let texts = args.exec.iter().map(|text| {
            text.to_str().map(str::to_owned).ok_or_else(|| {
                let text = text.to_string_lossy();
                CliError::usage("usage", format!("exec: `{text}` is not UTF-8"))
            })
        });
        let argv = texts.collect::<Result<Vec<_>, _>>()?;
        let key = if has_exec { "exec:flag" } else { "exec" };
        actions.push((key.into(), Action::Exec(Exec::new(argv, None))));
    }
    Ok(actions)
}

/// The same action named twice is done once.
pub fn each_once(mut actions: Vec<(String, Action)>) -> Vec<(String, Action)> {
    let mut seen = Vec::new();
    actions.retain(|(key, _)| {
        let new = !seen.contains(key);
        seen.push(key.clone());
        new
    });
    actions
}

fn notify() -> Result<(String, Action), CliError> {
    if !NOTIFY_AVAILABLE {
        return Err(
            CliError::usage("usage", "notify: built without desktop notifications")
                .hint("cargo install tickwire --features desktop, or --exec notify-send"),
        );
    }
    Ok(("notify".into(), Action::Notify))
}

/// As `--webhook` has it: an address, or the name of one of the `[actions]`.
fn webhook_of(text: &str) -> Result<AlertWebhook, CliError> {
    if !text.contains("://") {
        return Ok(AlertWebhook::Action(text.to_owned()));
    }
    WebhookUrl::parse(text)
        .map(AlertWebhook::Url)
        .map_err(|why| CliError::usage("usage", format!("--webhook: {why}")))
}

/// The action and its key in the outbox.
fn webhook(webhook: &AlertWebhook, config: &Config) -> Result<(String, Action), CliError> {
    match webhook {
        AlertWebhook::Url(url) => {
            let action = Webhook::new(None, url.clone());
            Ok(("webhook".into(), Action::Webhook(action)))
        }
        AlertWebhook::Action(name) => named(name, config),
    }
}

fn action_of(name: &str, settings: &ActionSettings) -> Result<Action, CliError> {
    if let Some(argv) = &settings.exec {
        return Ok(Action::Exec(Exec::new(argv.clone(), settings.timeout)));
    }
    let wrong = |why: String| CliError::usage("config", format!("[actions.{name}]: {why}"));
    let url = settings
        .webhook
        .clone()
        .ok_or_else(|| wrong("needs `webhook` or `exec`".into()))?;
    let template = settings.template.as_deref().map(Template::parse);
    let webhook = Webhook::new(Some(name), url);
    Ok(Action::Webhook(Webhook {
        template: template.transpose().map_err(wrong)?,
        headers: settings.headers.clone(),
        timeout: settings.timeout.unwrap_or(webhook.timeout),
        ..webhook
    }))
}
