//! TLS to the end: the binary against a simulated exchange with a certificate of an authority of its own.

use std::io::Write;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use tickwire::sim::{Sim, SimConfig, Venue};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), future)
        .await
        .expect("should have ended long ago")
}

/// A simulated exchange behind TLS, with a certificate of an authority of its own.
struct Secured {
    ca: tempfile::NamedTempFile,
    port: u16,
}

impl Secured {
    async fn start(sim: Sim) -> Self {
        let ca_key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params
            .distinguished_name
            .push(DnType::CommonName, "An authority of one's own");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let mut ca = tempfile::NamedTempFile::new().unwrap();
        ca.write_all(params.self_signed(&ca_key).unwrap().pem().as_bytes())
            .unwrap();
        let issuer = Issuer::new(params, ca_key);
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec!["localhost".into()])
            .unwrap()
            .signed_by(&key, &issuer)
            .unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, sim) = (acceptor.clone(), sim.clone());
                tokio::spawn(async move {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        sim.serve(stream).await;
                    }
                });
            }
        });
        Self { ca, port }
    }

    /// The binary against it; `trust` says whether it is told of the authority.
    async fn tickwire(&self, trust: bool) -> std::process::Output {
        let home = tempfile::tempdir().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_tickwire"));
        command.args([
            "monitor",
            "BTC",
            "--stream",
            "trades",
            "-n",
            "3",
            "-p",
            "coinbase",
            "--timeout",
            "20s",
        ]);
        command.env_clear().env("HOME", home.path());
        command.env(
            "TICKWIRE_PROVIDERS__COINBASE__REST_URL",
            format!("https://localhost:{}", self.port),
        );
        command.env(
            "TICKWIRE_PROVIDERS__COINBASE__WS_URL",
            format!("wss://localhost:{}", self.port),
        );
        if trust {
            command.env("SSL_CERT_FILE", self.ca.path());
        }
        tokio::task::spawn_blocking(move || {
            let _home = home;
            command.output().unwrap()
        })
        .await
        .unwrap()
    }
}

#[tokio::test]
async fn an_authority_of_ones_own_is_trusted_through_ssl_cert_file_and_only_then() {
    let sim = Sim::new(SimConfig {
        rate: 20.0,
        ..SimConfig::new(Venue::Coinbase)
    });
    let secured = Secured::start(sim.clone()).await;
    let trusted = within(secured.tickwire(true)).await;
    assert_eq!(
        trusted.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&trusted.stderr)
    );
    assert_eq!(
        String::from_utf8(trusted.stdout).unwrap().lines().count(),
        3
    );
    let refused = within(secured.tickwire(false)).await;
    assert_eq!(refused.status.code(), Some(3));
    assert!(refused.stdout.is_empty());
    let told = String::from_utf8(refused.stderr).unwrap();
    assert!(told.contains("certificate"), "{told}");
}
