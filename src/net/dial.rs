//! From a URL to a byte stream, by whatever proxy and TLS it takes.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::ServerName;

use super::error::{ConnectError, Phase};
use super::guard;
use super::proxy::ProxyRules;
use super::target::Target;
use super::tls::Tls;
use super::webhook_url::refusal;
use super::{tcp, tunnel};

/// For the TLS handshake.
const TLS_TIMEOUT: Duration = Duration::from_secs(5);

/// Anything to read from and write to.
pub trait NetStream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> NetStream for S {}

/// Plain or TLS, direct or through a proxy: the user need not know.
pub type BoxStream = Box<dyn NetStream>;

/// Opens byte streams. Tests put an in-memory one in place of [`NetDial`].
pub trait Dial: Send + Sync {
    /// What [`Dial::dial`] opens.
    type Stream: AsyncRead + AsyncWrite + Unpin + Send;

    /// Connects to the host of an `http`, `https`, `ws` or `wss` URL, TLS included; sends nothing yet.
    fn dial(
        &self,
        url: &http::Uri,
    ) -> impl Future<Output = Result<Self::Stream, ConnectError>> + Send;
}

/// A [`Dial`] that was chosen at run time: the network, a transport of one's own, or the pipes of a test.
/// Cheap to clone.
///
/// [`crate::exchange::LiveOptions::dial`] shows how to bring one.
#[derive(Clone)]
pub struct AnyDial(Arc<dyn OpenStream>);

/// [`Dial`] in the form that a pointer can have.
trait OpenStream: Send + Sync {
    fn open<'a>(&'a self, url: &'a http::Uri) -> BoxFuture<'a, Result<BoxStream, ConnectError>>;
}

impl<D: Dial<Stream = BoxStream>> OpenStream for D {
    fn open<'a>(&'a self, url: &'a http::Uri) -> BoxFuture<'a, Result<BoxStream, ConnectError>> {
        Box::pin(self.dial(url))
    }
}

impl AnyDial {
    /// Opens streams by `dial`, which also has to know when to give up.
    pub fn new(dial: impl Dial<Stream = BoxStream> + 'static) -> Self {
        Self(Arc::new(dial))
    }
}

impl Dial for AnyDial {
    type Stream = BoxStream;

    async fn dial(&self, url: &http::Uri) -> Result<BoxStream, ConnectError> {
        self.0.open(url).await
    }
}

/// How long each step on the way to a stream took. `None`: there was no such step.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DialTimes {
    /// Resolving the name, the proxy's where there is one.
    pub dns: Option<Duration>,
    /// The TCP handshake, over all addresses tried, with the proxy where there is one.
    pub tcp: Option<Duration>,
    /// What the proxy took to connect us.
    pub proxy: Option<Duration>,
    /// The TLS handshake with the target.
    pub tls: Option<Duration>,
}

/// [`Dial`] over the network. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct NetDial {
    proxies: ProxyRules,
    tls: Tls,
    guarded: bool,
}

impl NetDial {
    /// Reads no certificates: that is left to the first URL that needs TLS.
    pub fn new(proxies: ProxyRules, tls: Tls) -> NetDial {
        NetDial {
            proxies,
            tls,
            guarded: false,
        }
    }

    /// Refuses link-local addresses and metadata services, also those that a name resolves to.
    ///
    /// What a proxy resolves is the proxy's own affair; the name and the address in the URL are looked at
    /// all the same.
    pub(super) fn guarded(self) -> NetDial {
        NetDial {
            guarded: true,
            ..self
        }
    }
}

impl Dial for NetDial {
    type Stream = BoxStream;

    async fn dial(&self, url: &http::Uri) -> Result<BoxStream, ConnectError> {
        Ok(self.dial_timed(url).await?.0)
    }
}

impl NetDial {
    /// [`Dial::dial`], with the time that each step took.
    pub async fn dial_timed(
        &self,
        url: &http::Uri,
    ) -> Result<(BoxStream, DialTimes), ConnectError> {
        let target = Target {
            guarded: self.guarded,
            ..Target::of(url)?
        };
        if target.guarded {
            guard::check_host(&target.host).map_err(|what| ConnectError::Invalid {
                what: target.authority(),
                why: refusal(&target.host, what),
            })?;
        }
        let connect = async {
            match self.proxies.for_url(url) {
                Some(proxy) => tunnel::connect(&proxy, &target, &self.tls).await,
                None => {
                    let (stream, times) = tcp::connect(&target).await?;
                    Ok((Box::new(stream) as BoxStream, times))
                }
            }
        };
        if !target.tls {
            return connect.await;
        }
        // The roots are read while the network is waited for.
        let (connected, ()) = tokio::join!(connect, self.tls.load());
        let (stream, mut times) = connected?;
        let began = Instant::now();
        let stream = tls_connect(stream, &target, &self.tls).await?;
        times.tls = Some(began.elapsed());
        Ok((Box::new(stream), times))
    }
}

/// TLS over an open connection to `target`, whose certificate is checked.
pub(super) async fn tls_connect<S>(
    stream: S,
    target: &Target,
    tls: &Tls,
) -> Result<TlsStream<S>, ConnectError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let host = target.authority();
    let name = ServerName::try_from(target.host.clone()).map_err(|_| ConnectError::Invalid {
        what: host.clone(),
        why: "not a host name that a certificate can have".into(),
    })?;
    tls.load().await;
    let handshake = TlsConnector::from(tls.websocket()).connect(name, stream);
    match timeout(TLS_TIMEOUT, handshake).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) => Err(ConnectError::tls(&host, &error)),
        Err(_) => Err(ConnectError::Timeout {
            host,
            phase: Phase::Tls,
        }),
    }
}
