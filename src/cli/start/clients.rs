//! The clients' side of the server: a runtime of its own, so that no client can keep the feeds waiting.

use std::io;
use std::net::SocketAddr;

use anyhow::Context;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::config::ServerSettings;
use crate::server::{Ref, http, listen};

use super::super::error::CliError;

/// Threads for clients, and where they listen.
pub struct Clients {
    runtime: Option<Runtime>,
    listeners: Vec<TcpListener>,
    address: SocketAddr,
}

impl Clients {
    /// Listens; nobody is served yet.
    ///
    /// Errors: the port is in use, or not ours to take.
    pub async fn bind(settings: &ServerSettings) -> Result<Self, CliError> {
        // One core is left to the feeds.
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let runtime = Builder::new_multi_thread()
            .worker_threads(cores.saturating_sub(1).max(1))
            .thread_name("clients")
            .enable_all()
            .build()
            .context("the threads for clients cannot start")?;
        let (host, port) = (settings.host.clone(), settings.port);
        let bound = runtime.spawn(async move {
            let listeners = listen::bind(&host, port).await?;
            let address = listeners[0].local_addr()?;
            Ok((listeners, address))
        });
        let bound = bound.await.context("the thread for clients has broken")?;
        match bound {
            Ok((listeners, address)) => Ok(Self {
                runtime: Some(runtime),
                listeners,
                address,
            }),
            Err(error) => {
                runtime.shutdown_background();
                Err(cannot_listen(settings, &error))
            }
        }
    }

    /// Where it listens, as a URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Lets clients in until `shutdown`; the task ends when they have left.
    pub fn serve(&mut self, shared: Ref, shutdown: CancellationToken) -> JoinHandle<()> {
        let listeners = std::mem::take(&mut self.listeners);
        let runtime = self.runtime.as_ref().expect("it is taken at the end only");
        let app = http::app(shared.clone());
        runtime.spawn(listen::run(listeners, shared, app, shutdown))
    }
}

impl Drop for Clients {
    fn drop(&mut self) {
        // Waiting for it is not allowed here, and whoever is still there was told to leave.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn cannot_listen(settings: &ServerSettings, error: &io::Error) -> CliError {
    let (host, port) = (&settings.host, settings.port);
    let why = match error.kind() {
        io::ErrorKind::AddrInUse => "the port is in use".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        io::ErrorKind::AddrNotAvailable => "this machine has no such address".to_owned(),
        _ => error.to_string(),
    };
    let failed = CliError::failed("port", format!("cannot listen on {host}:{port}: {why}"));
    match error.kind() {
        io::ErrorKind::AddrInUse => failed.hint(
            "tickwire status tells whether it is another tickwire; --port 0 takes a free port",
        ),
        io::ErrorKind::PermissionDenied => failed.hint("ports below 1024 need a privilege"),
        _ => failed,
    }
}
