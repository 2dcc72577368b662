//! The configuration read again: what has changed is applied, what has not goes on untouched.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::sync::watch;

use crate::app;
use crate::config::{Config, PortfolioSettings, environment};
use crate::model::{Clock, SystemClock};
use crate::server::Ref;
use crate::server::state::ConfigInfo;
use crate::server::streams::Holder;

use super::super::Ctx;
use super::super::args::StartArgs;
use super::super::error::CliError;
use super::own_streams;
use super::settings::Settings;

/// Who is told of a new configuration.
pub struct Reload<'a> {
    pub ctx: &'a Ctx,
    pub args: &'a StartArgs,
    pub shared: Ref,
    /// The one in force.
    pub config: watch::Sender<Arc<Config>>,
    pub portfolio: watch::Sender<PortfolioSettings>,
}

impl Reload<'_> {
    /// Reads it, and applies what is different. A broken one changes nothing.
    pub async fn apply(&self) {
        let notices = self.ctx.notices;
        let file = self.ctx.config.path.as_deref();
        let new = match Config::load_with_all_secrets(file, environment()) {
            Ok(new) => Arc::new(new),
            Err(errors) => {
                errors
                    .errors
                    .into_iter()
                    .for_each(|error| notices.error(&CliError::from(error)));
                notices.warn("reload", "the configuration stays as it was");
                return;
            }
        };
        let settings = match Settings::resolve(self.args, &new) {
            Ok(settings) => settings,
            Err(error) => {
                notices.error(&error);
                notices.warn("reload", "the configuration stays as it was");
                return;
            }
        };
        for warning in &new.warnings {
            notices.warn("config", warning);
        }
        let old = self.config.borrow().clone();
        self.shared.guard.set(&settings.server);
        self.say_what_needs_a_restart(&old, &new);
        self.providers(&old, &new).await;
        self.portfolio.send_replace(new.portfolio.clone());
        self.shared.set_config(info(&new));
        self.config.send_replace(new);
        notices.say("reload", "tickwire: the configuration was read again");
    }

    fn say_what_needs_a_restart(&self, old: &Config, new: &Config) {
        let fixed = [
            ("provider", old.provider != new.provider),
            ("fallback", old.fallback != new.fallback),
            ("server.host", old.server.host != new.server.host),
            ("server.port", old.server.port != new.server.port),
            ("server.limits", old.server.limits != new.server.limits),
        ];
        for (key, _) in fixed.iter().filter(|(_, has_changed)| *has_changed) {
            let message = format!("`{key}` is read at the start only: it stays as it was");
            self.ctx.notices.warn("reload", &message);
        }
    }

    /// Sources that are described otherwise now are replaced, and none else.
    async fn providers(&self, old: &Config, new: &Config) {
        let mut names: BTreeSet<&str> = app::provider_names().collect();
        names.extend(app::stream_names(old).chain(app::stream_names(new)));
        for name in names {
            if described(old, name) == described(new, name) {
                continue;
            }
            if let Err(error) = self.provider(name, old, new).await {
                self.ctx.notices.error(&error);
            }
        }
    }

    async fn provider(&self, name: &str, old: &Config, new: &Config) -> Result<(), CliError> {
        let (engine, streams) = (&self.ctx.engine, &self.shared.streams);
        if self.shared.ingest.is_source(name).await {
            let message = format!("[[stream]] `{name}`: events are pushed under this name");
            return Err(CliError::usage("config", message).hint("choose another name"));
        }
        let made = app::provider(name, new, &self.ctx.options, &self.ctx.raw);
        let made = made.map_err(|error| CliError::usage("config", error.to_string()))?;
        let is_own = |config: &Config| app::stream_names(config).any(|own| own == name);
        if is_own(old) {
            let topics = streams.custom(name).unwrap_or_default();
            let keys: Vec<_> = topics
                .iter()
                .map(|topic| (topic.instrument.market, topic.stream))
                .collect();
            streams.unpin(&keys, Holder::Config);
            streams.define(name, Vec::new(), false);
        }
        match made {
            Some(provider) => engine.register(provider).await?,
            None => engine.withdraw(name).await?,
        }
        if is_own(new) {
            own_streams(&self.shared, new, name).await?;
        }
        Ok(())
    }
}

/// All that makes a source what it is.
fn described<'a>(config: &'a Config, name: &str) -> impl PartialEq + use<'a> {
    let own = config.streams.iter().find(|stream| stream.name == name);
    (config.provider_settings(name), config.engine_for(name), own)
}

/// What `/status` tells of a configuration: nothing of what stands in it.
pub fn info(config: &Config) -> ConfigInfo {
    let file = config.path.as_deref();
    let mut hashed = file
        .and_then(|file| std::fs::read(file).ok())
        .unwrap_or_default();
    let mut variables: Vec<_> = environment()
        .filter(|(name, _)| name.starts_with("TICKWIRE_"))
        .collect();
    variables.sort();
    for (name, value) in variables {
        hashed.extend_from_slice(format!("\0{name}={value}").as_bytes());
    }
    let name = file.and_then(|file| file.file_name());
    ConfigInfo {
        file: name.map(|name| name.to_string_lossy().into_owned()),
        hash: format!("{:016x}", crate::model::fnv1a_64(&hashed)),
        loaded_at: SystemClock.now().to_string(),
    }
}
