//! Loopback peers: an origin, with TLS or without, an HTTP proxy and a SOCKS5 proxy.

use std::io::Write;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::net::{ProxyRules, Tls};

/// Fails the test instead of hanging it.
pub async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), future)
        .await
        .expect("should have ended long ago")
}

/// Rules from `--proxy URL`.
pub fn via(url: &str) -> ProxyRules {
    ProxyRules::new(Some(url)).unwrap()
}

/// A certificate authority of our own.
pub struct Ca {
    issuer: Issuer<'static, KeyPair>,
    pub file: tempfile::NamedTempFile,
}

impl Ca {
    pub fn new() -> Ca {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        // A name of its own: a root of this name but another key would be a bad signature.
        let name = format!("CA {}", fastrand::u64(..));
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(pem.as_bytes()).unwrap();
        Ca {
            issuer: Issuer::new(params, key),
            file,
        }
    }

    /// A client that trusts it.
    pub fn trusted(&self) -> Tls {
        Tls::with_ca_file(self.file.path()).unwrap()
    }

    pub fn server(&self, name: &str) -> TlsAcceptor {
        self.server_until(name, 2999)
    }

    pub fn server_until(&self, name: &str, last_year: i32) -> TlsAcceptor {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.not_after = date_time_ymd(last_year, 1, 1);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        TlsAcceptor::from(Arc::new(config))
    }
}

/// A peer on loopback and what it has seen.
pub struct Peer {
    pub address: SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
    /// Stops with the test's runtime.
    _task: tokio::task::JoinHandle<()>,
}

impl Peer {
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// One entry per connection, and one per request or proxy target.
    pub fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }

    async fn start<F, Fut>(serve: F) -> Peer
    where
        F: Fn(TcpStream, Log) -> Fut + Send + 'static,
        Fut: Future<Output = Option<()>> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = Log(Arc::clone(&seen));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                log.add("connection");
                tokio::spawn(serve(stream, log.clone()));
            }
        });
        Peer {
            address,
            seen,
            _task: task,
        }
    }
}

#[derive(Clone)]
pub struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn add(&self, text: impl Into<String>) {
        self.0.lock().unwrap().push(text.into());
    }
}

/// Reads up to the blank line.
async fn read_head(stream: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    String::from_utf8(head).ok()
}

/// Answers each request with the same bytes, then closes.
pub async fn origin(tls: Option<TlsAcceptor>, reply: impl Into<Vec<u8>>) -> Peer {
    let reply = Arc::new(reply.into());
    Peer::start(move |stream, log| {
        let (tls, reply) = (tls.clone(), Arc::clone(&reply));
        async move {
            match tls {
                Some(tls) => answer(tls.accept(stream).await.ok()?, &log, &reply).await,
                None => answer(stream, &log, &reply).await,
            }
        }
    })
    .await
}

async fn answer(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    log: &Log,
    reply: &[u8],
) -> Option<()> {
    let head = read_head(&mut stream).await?;
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    log.add(head + &String::from_utf8(body).ok()?);
    stream.write_all(reply).await.ok()?;
    stream.shutdown().await.ok()
}

/// A 200 reply.
pub fn ok(body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}")
}

/// Tunnels every CONNECT to that port on loopback, whatever the name, if `answer` begins with 2.
pub async fn connect_proxy(tls: Option<TlsAcceptor>, answer: impl Into<String>) -> Peer {
    let answer = answer.into();
    Peer::start(move |stream, log| {
        let (tls, answer) = (tls.clone(), answer.clone());
        async move {
            match tls {
                Some(tls) => tunnel(tls.accept(stream).await.ok()?, &log, &answer).await,
                None => tunnel(stream, &log, &answer).await,
            }
        }
    })
    .await
}

async fn tunnel(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    log: &Log,
    answer: &str,
) -> Option<()> {
    let head = read_head(&mut stream).await?;
    log.add(&head);
    let target = head.strip_prefix("CONNECT ")?.split(' ').next()?;
    let port: u16 = target.rsplit(':').next()?.parse().ok()?;
    stream.write_all(answer.as_bytes()).await.ok()?;
    if !answer.starts_with("HTTP/1.1 2") {
        return stream.shutdown().await.ok();
    }
    let mut target = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
    copy_bidirectional(&mut stream, &mut target).await.ok()?;
    Some(())
}

/// Tunnels to the asked port on loopback; logs the target as it was asked for.
pub async fn socks_proxy(login: Option<(&'static str, &'static str)>) -> Peer {
    Peer::start(move |mut stream, log| async move {
        let greeting = [stream.read_u8().await.ok()?, stream.read_u8().await.ok()?];
        let mut methods = vec![0; greeting[1].into()];
        stream.read_exact(&mut methods).await.ok()?;
        let method = if login.is_some() { 2 } else { 0 };
        let method = if methods.contains(&method) {
            method
        } else {
            0xff
        };
        stream.write_all(&[5, method]).await.ok()?;
        if let Some((user, password)) = login {
            let _version = stream.read_u8().await.ok()?;
            let given = (text(&mut stream).await?, text(&mut stream).await?);
            let good = given == (user.to_owned(), password.to_owned());
            stream.write_all(&[1, u8::from(!good)]).await.ok()?;
        }
        let mut request = [0; 4];
        stream.read_exact(&mut request).await.ok()?;
        let host = match request[3] {
            1 => std::net::Ipv4Addr::from_bits(stream.read_u32().await.ok()?).to_string(),
            3 => text(&mut stream).await?,
            _ => std::net::Ipv6Addr::from_bits(stream.read_u128().await.ok()?).to_string(),
        };
        let port = stream.read_u16().await.ok()?;
        log.add(format!("{host}:{port}"));
        let Ok(mut target) = TcpStream::connect(("127.0.0.1", port)).await else {
            return stream.write_all(&[5, 5, 0, 1, 0, 0, 0, 0, 0, 0]).await.ok();
        };
        stream
            .write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0])
            .await
            .ok()?;
        copy_bidirectional(&mut stream, &mut target).await.ok()?;
        Some(())
    })
    .await
}

/// A length byte and that much text.
async fn text(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = vec![0; stream.read_u8().await.ok()?.into()];
    stream.read_exact(&mut bytes).await.ok()?;
    String::from_utf8(bytes).ok()
}

/// A port where nobody listens.
pub async fn closed_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap().port()
}
