//! The one TLS configuration of the process, made when TLS is first needed.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// Roots and TLS settings, shared by REST and WebSocket. Cheap to clone; clones share the loaded roots.
///
/// Trusted are the system's roots, or those of `SSL_CERT_FILE` and `SSL_CERT_DIR` where set, the
/// bundled Mozilla roots, and those of [`Tls::with_ca_file`]. There is no way to skip verification.
#[derive(Clone, Default)]
pub struct Tls(Arc<Shared>);

#[derive(Default)]
struct Shared {
    extra: Vec<CertificateDer<'static>>,
    configs: OnceLock<Configs>,
}

struct Configs {
    websocket: Arc<ClientConfig>,
    rest: ClientConfig,
}

impl Tls {
    /// Loads nothing yet.
    pub fn new() -> Tls {
        Tls::default()
    }

    /// Trusts the certificates in this PEM file, too.
    ///
    /// Errors: a sentence without the path, if the file cannot be read or holds no certificate.
    pub fn with_ca_file(path: &Path) -> Result<Tls, String> {
        let extra = CertificateDer::pem_file_iter(path)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|error| error.to_string())?;
        if extra.is_empty() {
            return Err("holds no certificate".into());
        }
        Ok(Tls(Arc::new(Shared {
            extra,
            configs: OnceLock::new(),
        })))
    }

    /// For WebSocket streams: offers HTTP/1.1 only, as h2 has no upgrade.
    pub fn websocket(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.configs().websocket)
    }

    /// For REST: offers h2 and HTTP/1.1. The same verifier as [`Tls::websocket`].
    pub fn rest(&self) -> ClientConfig {
        self.configs().rest.clone()
    }

    /// Whether the roots have been read.
    pub fn is_loaded(&self) -> bool {
        self.0.configs.get().is_some()
    }

    /// Reads the roots away from the async threads: it opens files and parses some 150 certificates.
    pub(super) async fn load(&self) {
        if !self.is_loaded() {
            let tls = self.clone();
            // Fails only while the runtime shuts down; then the next use loads them.
            let _ = tokio::task::spawn_blocking(move || {
                tls.configs();
            })
            .await;
        }
    }

    /// For a client that never speaks TLS: reqwest wants a configuration all the same.
    pub(super) fn unused() -> ClientConfig {
        config(RootCertStore::empty())
    }

    fn configs(&self) -> &Configs {
        self.0.configs.get_or_init(|| {
            let mut config = config(roots(&self.0.extra));
            config.alpn_protocols = vec![b"http/1.1".to_vec()];
            // A clone shares the verifier, and so the roots.
            let mut rest = config.clone();
            rest.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
            Configs {
                websocket: Arc::new(config),
                rest,
            }
        })
    }
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls")
            .field("loaded", &self.is_loaded())
            .finish()
    }
}

/// With the provider named, so that no process-wide default has to be installed first.
fn config(roots: RootCertStore) -> ClientConfig {
    ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring has suites for TLS 1.2 and 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth()
}

/// An unreadable or broken system certificate is a warning: the others may well do.
fn roots(extra: &[CertificateDer<'static>]) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    let native = rustls_native_certs::load_native_certs();
    for error in &native.errors {
        tracing::warn!(%error, "cannot read a system certificate");
    }
    let (_, ignored) = roots.add_parsable_certificates(native.certs);
    if ignored > 0 {
        tracing::warn!(ignored, "ignored system certificates that cannot be parsed");
    }
    let (_, ignored) = roots.add_parsable_certificates(extra.iter().cloned());
    if ignored > 0 {
        tracing::warn!(ignored, "ignored certificates of the CA file");
    }
    roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    roots
}
