//! What happens when an alert fires: programs, webhooks, desktop notifications, the bell.
//!
//! Owns how each of them is done and how it fails. Invariants: whatever an exchange or a message holds is data,
//! never part of a command, a header or the structure of a JSON body; every wait has an end; no error and no
//! `Debug` output shows an address beyond its host, a header's value or a program's arguments; nothing is
//! written to stdout. Never decides whether an alert fires, and remembers nothing: whoever calls again after a
//! failure passes the same [`Firing::id`], by which receivers know duplicates.
//!
//! ```no_run
//! use tickwire::action::{Action, Firing, Runner, Webhook};
//! use tickwire::net::{ProxyRules, Tls, WebhookUrl};
//!
//! # async fn example(event: &str) -> Result<(), Box<dyn std::error::Error>> {
//! let runner = Runner::new(ProxyRules::new(None)?, Tls::new());
//! let url = WebhookUrl::parse("https://ntfy.sh/my-topic")?;
//! let action = Action::Webhook(Webhook::new(None, url));
//! runner.run(&action, &Firing::from_json(event)?).await?;
//! # Ok(())
//! # }
//! ```

mod error;
mod exec;
mod firing;
mod notify;
mod template;
mod webhook;

#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::fmt;
use std::io::{IsTerminal, Write};
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::net::{HttpClient, HttpOptions, ProxyRules, Tls};

pub use error::ActionError;
pub use exec::Exec;
pub(crate) use exec::{Running, cannot_start, how};
pub use firing::Firing;
pub use notify::NOTIFY_AVAILABLE;
pub use template::Template;
pub use webhook::Webhook;

/// Programs that run at once.
const PROGRAMS: usize = 4;

/// Something to do when an alert fires.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Run a program.
    Exec(Exec),
    /// Post to an address.
    Webhook(Webhook),
    /// Show a desktop notification; see [`NOTIFY_AVAILABLE`].
    Notify,
    /// Ring the terminal's bell; where stderr is no terminal this does nothing.
    Bell,
}

/// Does actions. Any number may run at once, but of programs four; the others wait for their turn.
pub struct Runner {
    http: HttpClient,
    programs: Semaphore,
    /// What programs inherit.
    environment: Vec<(OsString, OsString)>,
    /// Between a webhook's tries.
    waits: Vec<Duration>,
}

impl Runner {
    /// Webhooks take these proxies and roots. Programs inherit this process's environment as it is now, without
    /// `TICKWIRE_…` variables and proxies with a password.
    pub fn new(proxies: ProxyRules, tls: Tls) -> Runner {
        let http = HttpClient::new(HttpOptions {
            proxies,
            tls,
            ..HttpOptions::default()
        });
        Runner {
            http: http.expect("no headers, so none that cannot be sent"),
            programs: Semaphore::new(PROGRAMS),
            environment: exec::inherited(std::env::vars_os()),
            waits: webhook::WAITS.to_vec(),
        }
    }

    /// Does one action for one firing.
    ///
    /// A webhook is tried up to three times; a program once, as one that failed may have done half of its
    /// work. Dropping the future ends what it began, a program by killing its process group.
    pub async fn run(&self, action: &Action, firing: &Firing) -> Result<(), ActionError> {
        match action {
            Action::Exec(exec) => {
                let turn = self.programs.acquire().await;
                let _turn = turn.expect("this semaphore is never closed");
                exec.run(&self.environment, firing).await
            }
            Action::Webhook(webhook) => webhook.run(&self.http, &self.waits, firing).await,
            Action::Notify => notify::notify(firing).await,
            Action::Bell => {
                ring();
                Ok(())
            }
        }
    }
}

impl fmt::Debug for Runner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runner")
            .field("http", &self.http)
            .finish_non_exhaustive()
    }
}

/// A terminal that is gone is nobody's loss.
fn ring() {
    let mut stderr = std::io::stderr();
    if stderr.is_terminal() {
        let _ = stderr.write_all(b"\x07");
    }
}
