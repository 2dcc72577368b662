//! From flags and configuration to the settings of a server. Pure.

use crate::config::{Config, ServerSettings};
use crate::server::guard;

use super::super::args::StartArgs;
use super::super::error::CliError;

/// What `start` was asked to do.
#[derive(Debug)]
pub struct Settings {
    /// Where to listen, and whom to let in.
    pub server: ServerSettings,
    /// What to serve, as it was written.
    pub symbols: Vec<String>,
    /// Whether to open the page.
    pub opens_page: bool,
}

impl Settings {
    /// Flags over the configuration.
    ///
    /// Errors: an address that others can reach, without a token.
    pub fn resolve(args: &StartArgs, config: &Config) -> Result<Self, CliError> {
        let mut server = config.server.clone();
        if let Some(host) = &args.host {
            server.host.clone_from(host);
        }
        server.port = args.port.unwrap_or(server.port);
        guard::check_bind(&server).map_err(|why| {
            CliError::usage("server", why).hint(
                "openssl rand -hex 32 > token; chmod 600 token; [server] token_file = \"token\"",
            )
        })?;
        let symbols = args.symbols.iter().chain(&args.list);
        let symbols = symbols.map(|symbol| symbol.trim().to_owned());
        Ok(Self {
            server,
            symbols: symbols.filter(|symbol| !symbol.is_empty()).collect(),
            opens_page: args.dashboard && !args.no_dashboard,
        })
    }
}
