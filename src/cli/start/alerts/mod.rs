//! The alerts of a server: those of the configuration, and those that clients want while it runs.
//!
//! Each is watched by itself, by the same code as `tickwire alert`: one that cannot be set up is told and tried again,
//! and concerns no other. A rule of the configuration has the memory of the command, in the same files: whoever
//! watches it fires once. A rule of a client is remembered until the server stops or it is deleted.

mod rule;
#[cfg(all(test, feature = "sim"))]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::{FutureExt, LocalBoxFuture};
use futures_util::stream::FuturesUnordered;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::app;
use crate::config::Config;
use crate::model::Market;
use crate::server::requests::{AlertRequest, AlertView, NewAlert, Reply};
use crate::server::state::Ref;
use crate::server::{ApiError, Room};

use super::super::Ctx;
use super::super::alert::{Server, Spec, Standing, State};
use super::super::error::CliError;
use rule::{Origin, Rule, Wanted, check_name, refused};

/// What is still to be done when the server stops may take so long.
const LAST: Duration = Duration::from_secs(4);

/// Keeps the alerts until `cancel`, then writes down what they have seen. `config` brings every configuration that is
/// loaded, the first one included.
pub async fn run(
    ctx: &Ctx,
    shared: Ref,
    requests: mpsc::Receiver<AlertRequest>,
    config: watch::Receiver<Arc<Config>>,
    cancel: CancellationToken,
) {
    let limit = shared.limits.alerts;
    let tell = move |market: Option<Market>, event: String| {
        shared.hub.publish(Room::Alerts, "alert", market, event);
    };
    keep(
        ctx,
        app::state_directory(),
        tell,
        limit,
        requests,
        config,
        cancel,
    )
    .await;
}

/// The same without the rest of the server. At most `limit` rules of clients.
async fn keep(
    ctx: &Ctx,
    directory: Option<PathBuf>,
    tell: impl Fn(Option<Market>, String) + Send + Sync + 'static,
    limit: usize,
    mut requests: mpsc::Receiver<AlertRequest>,
    mut config: watch::Receiver<Arc<Config>>,
    cancel: CancellationToken,
) {
    let server = Server::new(ctx, directory, tell);
    let mut alerts = Alerts {
        ctx,
        server: &server,
        limit,
        config: config.borrow_and_update().clone(),
        rules: Vec::new(),
        watches: FuturesUnordered::new(),
        creations: FuturesUnordered::new(),
        reserved: Vec::new(),
        made_up: 0,
    };
    alerts.begin();
    loop {
        tokio::select! {
            Some(request) = requests.recv() => alerts.on_request(request),
            Ok(()) = config.changed() => {
                let new = config.borrow_and_update().clone();
                alerts.reload(new);
            }
            Some(()) = alerts.watches.next(), if !alerts.watches.is_empty() => {}
            Some(created) = alerts.creations.next(), if !alerts.creations.is_empty() => {
                alerts.created(created);
            }
            () = cancel.cancelled() => break,
        }
    }
    alerts.end().await;
}

/// A rule that a client wants, once its symbols were looked up.
struct Created {
    wanted: Wanted,
    found: Result<(Spec, Vec<Market>), CliError>,
    reply: Reply<AlertView>,
}

/// All rules.
struct Alerts<'a> {
    ctx: &'a Ctx,
    server: &'a Server<'a>,
    limit: usize,
    config: Arc<Config>,
    /// Those of the configuration in the order of the file, then those of clients.
    rules: Vec<Rule>,
    watches: FuturesUnordered<LocalBoxFuture<'a, ()>>,
    creations: FuturesUnordered<LocalBoxFuture<'a, Created>>,
    /// Names of rules whose symbols are being looked up.
    reserved: Vec<String>,
    /// The number of the last name that was made up.
    made_up: u64,
}

impl Alerts<'_> {
    fn begin(&mut self) {
        let config = self.config.clone();
        for settings in &config.alerts {
            self.add(Wanted::of_config(settings), Arc::default());
        }
    }

    /// Adds a rule, and begins to watch it if it is none that is wrong.
    fn add(&mut self, wanted: Wanted, standing: Arc<Standing>) {
        match wanted.spec(&self.config, &self.ctx.provider) {
            Ok(spec) => self.watch(wanted, spec, standing),
            Err(error) => {
                standing.failed(&error);
                let message = format!("{}: {}", wanted.settings.name, error.message);
                self.ctx.notices.error(&CliError { message, ..error });
                self.rules.push(Rule::new(wanted, standing));
            }
        }
    }

    fn watch(&mut self, wanted: Wanted, spec: Spec, standing: Arc<Standing>) {
        let rule = Rule::new(wanted, standing.clone());
        let (server, stop) = (self.server, rule.stop.clone());
        let watch = async move { server.watch(&spec, &standing, &stop).await };
        self.watches.push(watch.boxed_local());
        self.rules.push(rule);
    }

    fn on_request(&mut self, request: AlertRequest) {
        // Where nobody waits for the answer any more it is nobody's loss.
        match request {
            AlertRequest::List(reply) => {
                let views = self.rules.iter().map(|rule| rule.view(&self.ctx.provider));
                let _ = reply.send(Ok(views.collect()));
            }
            AlertRequest::Create(new, reply) => self.create(new, reply),
            AlertRequest::Delete(name, reply) => {
                let _ = reply.send(self.delete(&name));
            }
        }
    }

    fn create(&mut self, new: NewAlert, reply: Reply<AlertView>) {
        let (wanted, spec) = match self.checked(new) {
            Ok(checked) => checked,
            Err(error) => return drop(reply.send(Err(error))),
        };
        self.reserved.push(wanted.settings.name.clone());
        let server = self.server;
        let creation = async move {
            let found = server.look_up(&spec).await;
            let found = found.map(|markets| (spec, markets));
            Created {
                wanted,
                found,
                reply,
            }
        };
        self.creations.push(creation.boxed_local());
    }

    /// A rule that may be, as far as that can be told without its symbols.
    fn checked(&mut self, new: NewAlert) -> Result<(Wanted, Spec), ApiError> {
        if let Some(name) = &new.name {
            check_name(name)?;
            if self.is_taken(name) {
                let message = format!("there is an alert `{name}` already: delete it first");
                return Err(ApiError::conflict(message));
            }
        }
        let of_clients = self.rules.iter();
        let of_clients = of_clients.filter(|rule| rule.wanted.origin == Origin::Api);
        if of_clients.count() + self.reserved.len() >= self.limit {
            let message = format!(
                "there are {} alerts already: delete one, or raise server.limits.alerts",
                self.limit
            );
            return Err(ApiError::unprocessable("limit_reached", message));
        }
        let known = |name: &&String| self.config.actions.contains_key(*name);
        if let Some(name) = new.actions.iter().find(|name| !known(name)) {
            let message = format!("actions: the configuration has no [actions.{name}]");
            return Err(ApiError::unprocessable("unknown_action", message));
        }
        let name = match &new.name {
            Some(name) => name.clone(),
            None => self.make_up_name(),
        };
        let wanted = Wanted::of_client(new, name);
        let spec = wanted.spec(&self.config, &self.ctx.provider);
        spec.map(|spec| (wanted, spec)).map_err(refused)
    }

    fn is_taken(&self, name: &str) -> bool {
        self.rules.iter().any(|rule| rule.name() == name)
            || self.reserved.iter().any(|reserved| reserved == name)
    }

    fn make_up_name(&mut self) -> String {
        loop {
            self.made_up += 1;
            let name = format!("alert-{}", self.made_up);
            if !self.is_taken(&name) {
                return name;
            }
        }
    }

    fn created(&mut self, created: Created) {
        let Created {
            wanted,
            found,
            reply,
        } = created;
        self.reserved.retain(|name| *name != wanted.settings.name);
        let answer = match found {
            // The file may have been loaded anew meanwhile.
            Ok(_) if self.is_taken(&wanted.settings.name) => {
                let message = format!("there is an alert `{}` already", wanted.settings.name);
                Err(ApiError::conflict(message))
            }
            Ok((spec, markets)) => {
                let standing = Arc::<Standing>::default();
                standing.means(markets);
                self.watch(wanted, spec, standing);
                let rule = self.rules.last().expect("it was added just now");
                Ok(rule.view(&self.ctx.provider))
            }
            Err(error) => Err(refused(error)),
        };
        let _ = reply.send(answer);
    }

    fn delete(&mut self, name: &str) -> Result<(), ApiError> {
        let Some(place) = self.rules.iter().position(|rule| rule.name() == name) else {
            return Err(ApiError::not_found("there is no alert of that name"));
        };
        if self.rules[place].wanted.origin == Origin::Config {
            return Err(ApiError::conflict(
                "it is in the configuration: take it out there",
            ));
        }
        self.rules.remove(place).stop.cancel();
        Ok(())
    }

    /// Takes another configuration over. Rules that are the same in both go on as they are.
    fn reload(&mut self, new: Arc<Config>) {
        let old = std::mem::replace(&mut self.config, new.clone());
        let mut before = std::mem::take(&mut self.rules);
        let wanted = new.alerts.iter().map(Wanted::of_config);
        for wanted in wanted {
            let name = &wanted.settings.name;
            let known = before.iter().position(|rule| rule.name() == name);
            match known.map(|place| before.remove(place)) {
                Some(rule) => self.take_over(rule, wanted, &old),
                None => self.add(wanted, Arc::default()),
            }
        }
        for rule in before {
            match rule.wanted.origin {
                Origin::Config => rule.stop.cancel(),
                Origin::Api => {
                    let wanted = rule.wanted.clone();
                    self.take_over(rule, wanted, &old);
                }
            }
        }
    }

    /// A rule that goes by the name of one that there was.
    fn take_over(&mut self, rule: Rule, wanted: Wanted, old: &Config) {
        // One that has failed gets another try.
        let is_failed = rule.standing.seen().state == State::Failed;
        if !is_failed && rule.wanted == wanted && wanted.is_same_in(old, &self.config) {
            return self.rules.push(rule);
        }
        rule.stop.cancel();
        if rule.wanted.origin != wanted.origin {
            let name = rule.name();
            let message = format!(
                "alert `{name}`: the one of the configuration takes the place of a client's"
            );
            self.ctx.notices.warn("alert", &message);
        }
        self.add(wanted, rule.standing);
    }

    /// Stops all of them; what they are still doing is waited for, within reason.
    async fn end(&mut self) {
        self.rules.iter().for_each(|rule| rule.stop.cancel());
        let all = async { while self.watches.next().await.is_some() {} };
        let _ = tokio::time::timeout(LAST, all).await;
    }
}
