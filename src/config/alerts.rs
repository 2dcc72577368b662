//! `[[alert]]` and `[actions.NAME]`.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::settings::Section;
use crate::net::WebhookUrl;

/// `[[alert]]`: one rule. `Debug` shows only scheme and host of an address, and of `exec` the program.
///
/// Expressions are as they were written: whether they mean anything is for whoever knows the language to say.
#[derive(Clone, Default, PartialEq)]
pub struct AlertSettings {
    /// Of its own in this file.
    pub name: String,
    /// `None` = the one of the command.
    pub provider: Option<String>,
    /// What to watch, in any spelling; empty where the condition names its own.
    pub symbols: Vec<String>,
    /// Fires when this becomes true.
    pub condition: String,
    /// What the alert says.
    pub message: Option<String>,
    /// Silence after a firing.
    pub cooldown: Option<Duration>,
    /// A price (`50`) or a percentage (`0.5%`), as it was written; not negative.
    pub hysteresis: Option<String>,
    /// `for`: how long the condition must hold first.
    pub hold: Option<Duration>,
    /// A count and a time (`3/1d`), as it was written.
    pub max_fires: Option<String>,
    /// It can fire again once this is true.
    pub rearm: Option<String>,
    /// A program and its arguments; never an empty list.
    pub exec: Option<Vec<String>>,
    /// Where to post, or which of [`Config::actions`](super::Config::actions) to do.
    pub webhook: Option<AlertWebhook>,
    /// Whether to show a desktop notification.
    pub notify: bool,
}

/// What `webhook` in `[[alert]]` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AlertWebhook {
    /// An address to post to.
    Url(WebhookUrl),
    /// The name of one of [`Config::actions`](super::Config::actions), be it a webhook or a program.
    Action(String),
}

/// `[actions.NAME]`: a webhook or a program. `Debug` shows only scheme and host of an address, no values of
/// headers, and of `exec` the program.
///
/// Invariant: one of `webhook` and `exec` is there, but for a webhook whose address is in a file that was not
/// to be read; see [`Config::load_with_action_secrets`](super::Config::load_with_action_secrets).
#[derive(Clone, Default, PartialEq)]
pub struct ActionSettings {
    /// An address to post to.
    pub webhook: Option<WebhookUrl>,
    /// A program and its arguments; never an empty list.
    pub exec: Option<Vec<String>>,
    /// The body to post. Invariant: [`Template::parse`](crate::action::Template::parse) takes it.
    pub template: Option<String>,
    /// Names in lower case. Valid HTTP; a value may be a secret.
    pub headers: BTreeMap<String, String>,
    /// For one try of a webhook, or for the program to end.
    pub timeout: Option<Duration>,
}

impl fmt::Debug for AlertSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AlertSettings")
            .field("name", &self.name)
            .field("provider", &self.provider)
            .field("symbols", &self.symbols)
            .field("condition", &self.condition)
            .field("message", &self.message)
            .field("cooldown", &self.cooldown)
            .field("hysteresis", &self.hysteresis)
            .field("hold", &self.hold)
            .field("max_fires", &self.max_fires)
            .field("rearm", &self.rearm)
            .field("exec", &program(&self.exec))
            .field("webhook", &self.webhook)
            .field("notify", &self.notify)
            .finish()
    }
}

impl fmt::Debug for ActionSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ActionSettings")
            .field("webhook", &self.webhook)
            .field("exec", &program(&self.exec))
            .field("template", &self.template)
            .field("headers", &self.headers.keys())
            .field("timeout", &self.timeout)
            .finish()
    }
}

fn program(exec: &Option<Vec<String>>) -> Option<&String> {
    exec.as_ref().and_then(|argv| argv.first())
}

impl Section<'_> {
    pub(super) fn alert(&self) -> AlertSettings {
        AlertSettings {
            name: self.text("name").unwrap_or_default(),
            provider: self.text("provider"),
            symbols: self.list("symbols").unwrap_or_default(),
            condition: self.text("condition").unwrap_or_default(),
            message: self.text("message"),
            cooldown: self.duration("cooldown"),
            hysteresis: self.text("hysteresis"),
            hold: self.duration("for"),
            max_fires: self.text("max_fires"),
            rearm: self.text("rearm"),
            exec: self.list("exec"),
            webhook: self.text("webhook").and_then(|text| {
                if text.contains("://") {
                    // One that is refused was reported.
                    WebhookUrl::parse(&text).ok().map(AlertWebhook::Url)
                } else {
                    Some(AlertWebhook::Action(text))
                }
            }),
            notify: self.flag("notify"),
        }
    }

    pub(super) fn action(&self) -> ActionSettings {
        ActionSettings {
            webhook: self
                .text("webhook")
                .and_then(|url| WebhookUrl::parse(&url).ok()),
            exec: self.list("exec"),
            template: self.text("template"),
            headers: self.map("headers"),
            timeout: self.duration("timeout"),
        }
    }
}
