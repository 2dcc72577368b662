//! `[server]`.

use std::fmt;

use super::settings::Section;

/// `[server]`. `Debug` does not show the token.
#[derive(Clone, PartialEq)]
pub struct ServerSettings {
    /// The address to listen on.
    pub host: String,
    /// 0: a free one.
    pub port: u16,
    /// What clients must show. `None` only on loopback.
    pub token: Option<String>,
    /// Names in the Host header beside loopback and the bound address.
    pub allowed_hosts: Vec<String>,
    /// Origins of pages beside the server's own.
    pub allowed_origins: Vec<String>,
    /// Bounds on what clients may ask for.
    pub limits: Limits,
}

/// `[server.limits]`: bounds on what clients may ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Open connections, WebSocket and HTTP together.
    pub clients: usize,
    /// Of them from one address; loopback has no such limit.
    pub clients_per_address: usize,
    /// Symbols that one WebSocket client may have joined.
    pub symbols_per_client: usize,
    /// Streams that run at once, whoever asked for them.
    pub streams: usize,
    /// The longest message or request body, in bytes.
    pub message_bytes: usize,
    /// Messages a second from one WebSocket client; twice as many at once.
    pub messages_per_second: u32,
    /// Requests a second from one address; loopback included. Ten times as many at once.
    pub requests_per_second: u32,
    /// Messages that wait for one client.
    pub queue_messages: usize,
    /// Bytes that wait for one client.
    pub queue_bytes: usize,
    /// Rules that were made over the API.
    pub alerts: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            clients: 1_000,
            clients_per_address: 50,
            symbols_per_client: 500,
            streams: 1_000,
            message_bytes: 64 * 1024,
            messages_per_second: 20,
            requests_per_second: 100,
            queue_messages: 4_096,
            queue_bytes: 1024 * 1024,
            alerts: 200,
        }
    }
}

impl Default for ServerSettings {
    fn default() -> Self {
        Self {
            host: "127.0.0.1".into(),
            port: 8_000,
            token: None,
            allowed_hosts: Vec::new(),
            allowed_origins: Vec::new(),
            limits: Limits::default(),
        }
    }
}

impl ServerSettings {
    /// What the file and the environment say, over the defaults.
    pub(super) fn from_sections(server: &Section<'_>, limits: &Section<'_>) -> Self {
        let default = Self::default();
        Self {
            host: server.text("host").unwrap_or(default.host),
            port: server.integer("port").unwrap_or(default.port),
            token: server.text("token"),
            allowed_hosts: server.list("allowed_hosts").unwrap_or_default(),
            allowed_origins: server.list("allowed_origins").unwrap_or_default(),
            limits: Limits::from_section(limits),
        }
    }
}

impl Limits {
    fn from_section(section: &Section<'_>) -> Self {
        let default = Self::default();
        let size = |key, default: usize| section.integer(key).unwrap_or(default);
        let rate = |key, default: u32| section.integer(key).unwrap_or(default);
        Self {
            clients: size("clients", default.clients),
            clients_per_address: size("clients_per_address", default.clients_per_address),
            symbols_per_client: size("symbols_per_client", default.symbols_per_client),
            streams: size("streams", default.streams),
            message_bytes: size("message_bytes", default.message_bytes),
            messages_per_second: rate("messages_per_second", default.messages_per_second),
            requests_per_second: rate("requests_per_second", default.requests_per_second),
            queue_messages: size("queue_messages", default.queue_messages),
            queue_bytes: size("queue_bytes", default.queue_bytes),
            alerts: size("alerts", default.alerts),
        }
    }
}

impl fmt::Debug for ServerSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerSettings")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("token", &self.token.as_ref().map(|_| "…"))
            .field("allowed_hosts", &self.allowed_hosts)
            .field("allowed_origins", &self.allowed_origins)
            .field("limits", &self.limits)
            .finish()
    }
}
