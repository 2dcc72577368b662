//! From flags and settings to the actions of a rule. Pure.

use crate::action::{Action, Exec, NOTIFY_AVAILABLE, Template, Webhook};
use crate::config::{ActionSettings, AlertSettings, AlertWebhook, Config};
use crate::net::WebhookUrl;

use super::super::args::AlertArgs;
use super::super::error::CliError;

pub fn actions(
    settings: &AlertSettings,
    args: &AlertArgs,
    config: &Config,
) -> Result<Vec<(String, Action)>, CliError> {
    let mut actions = Vec::new();
    if let Some(text) = &args.webhook {
        actions.push(webhook(&webhook_of(text)?, config)?);
    }
    if let Some(setting) = &settings.webhook {
        actions.push(webhook(setting, config)?);
    }
    if args.notify || settings.notify {
        if !NOTIFY_AVAILABLE {
            return Err(
                CliError::usage("usage", "notify: built without desktop notifications")
                    .hint("cargo install tickwire --features desktop, or --exec notify-send"),
            );
        }
        actions.push(("notify".into(), Action::Notify));
    }
    if args.bell {
        actions.push(("bell".into(), Action::Bell));
    }
    if let Some(argv) = &settings.exec {
        actions.push(("exec".into(), Action::Exec(Exec::new(argv.clone(), None))));
    }
    if !args.exec.is_empty() {
        let texts = args.exec.iter().map(|text| {
            text.to_str().map(str::to_owned).ok_or_else(|| {
                let text = text.to_string_lossy();
                CliError::usage("usage", format!("exec: `{text}` is not UTF-8"))
            })
        });
        let argv = texts.collect::<Result<Vec<_>, _>>()?;
        let key = if settings.exec.is_some() {
            "exec:flag"
        } else {
            "exec"
        };
        actions.push((key.into(), Action::Exec(Exec::new(argv, None))));
    }
    // The same action named twice is done once.
    let mut seen = Vec::new();
    actions.retain(|(key, _): &(String, Action)| {
        let new = !seen.contains(key);
        seen.push(key.clone());
        new
    });
    Ok(actions)
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
    let name = match webhook {
        AlertWebhook::Url(url) => {
            let action = Webhook::new(None, url.clone());
            return Ok(("webhook".into(), Action::Webhook(action)));
        }
        AlertWebhook::Action(name) => name,
    };
    let Some(settings) = config.actions.get(name) else {
        let names: Vec<_> = config.actions.keys().map(String::as_str).collect();
        let error = CliError::usage("usage", format!("webhook: there is no [actions.{name}]"));
        return Err(match names.as_slice() {
            [] => error.hint("write the address, or name it in the configuration: [actions.phone]"),
            names => error.hint(format!("there are {}", names.join(", "))),
        });
    };
    Ok((format!("action:{name}"), named_action(name, settings)?))
}

fn named_action(name: &str, settings: &ActionSettings) -> Result<Action, CliError> {
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
