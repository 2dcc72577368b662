//! One connection, opened only to see how long that takes.

use http::Uri;
use tokio::time::{Instant, timeout};

use crate::feed::{ConnectTimes, ProviderError};
use crate::net::{ConnectError, NetDial, Phase, Recovery};

use super::connection::UPGRADE_DEADLINE;
use super::connects::Connects;
use super::socket::{Socket, host};

/// Opens a connection within the budget, as a feed would, and closes it again.
///
/// Errors: as for a question over REST. A pause that was asked for holds for every connection to this host.
pub(in crate::exchange) async fn connect_times(
    connects: &Connects,
    dial: &NetDial,
    url: &Uri,
    headers: &[(String, String)],
) -> Result<ConnectTimes, ProviderError> {
    connects.ready().await.map_err(provider_error)?;
    let opened = open(dial, url, headers).await;
    if let Err(error) = &opened {
        connects.failed(error).await;
    }
    opened.map_err(provider_error)
}

async fn open(
    dial: &NetDial,
    url: &Uri,
    headers: &[(String, String)],
) -> Result<ConnectTimes, ConnectError> {
    let (stream, times) = dial.dial_timed(url).await?;
    let asked = Instant::now();
    let opened = timeout(UPGRADE_DEADLINE, Socket::open(stream, url, headers)).await;
    let socket = opened.map_err(|_| ConnectError::Timeout {
        host: host(url),
        phase: Phase::Upgrade,
    })??;
    let upgrade = Some(asked.elapsed());
    socket.close().await;
    Ok(ConnectTimes {
        dns: times.dns,
        tcp: times.tcp,
        proxy: times.proxy,
        tls: times.tls,
        upgrade,
    })
}

fn provider_error(error: ConnectError) -> ProviderError {
    let message = error.to_string();
    match (error.recovery(), error) {
        (Recovery::Retry, _) => ProviderError::Unreachable(message),
        (Recovery::RetryAfter(pause), _) => ProviderError::RateLimited {
            message,
            retry_after: Some(pause),
        },
        // 407 is a proxy's that forwarded the request.
        (Recovery::Fatal, ConnectError::Http { status: 407, .. }) => ProviderError::Setup(message),
        (Recovery::Fatal, ConnectError::Http { .. } | ConnectError::Paused { .. }) => {
            ProviderError::Blocked(message)
        }
        (Recovery::Fatal, _) => ProviderError::Setup(message),
    }
}
