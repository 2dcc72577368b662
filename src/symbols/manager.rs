//! Keeps one exchange's list at hand: from memory, from disk while it is fresh, else from the exchange.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tracing::warn;

use crate::feed::{Provider, ProviderError, Traits};
use crate::model::{Clock, Exchange, Instrument, Timestamp};

use super::cache::{Cache, TIME_TO_LIVE};
use super::{Catalogue, Unresolved};

/// For a name that is not in the list the exchange is asked anew, but not more often than this.
const ASK_AGAIN: Duration = Duration::from_secs(60);

/// No list of instruments, and none to be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no list of what {exchange} trades: {source}")]
pub struct ListError {
    /// Whose list.
    pub exchange: Exchange,
    /// Why not.
    pub source: ProviderError,
}

/// Why a text could not be turned into an instrument.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// There is no list to look in: it cannot be known.
    #[error(transparent)]
    List(#[from] ListError),
    /// The list has no such name, or too many.
    #[error(transparent)]
    Unresolved(#[from] Unresolved),
}

/// The symbol manager of one provider.
///
/// ```
/// use std::sync::Arc;
///
/// use tickwire::exchange::mock::Mock;
/// use tickwire::model::SystemClock;
/// use tickwire::symbols::Manager;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// // Without a cache the list is fetched once, when it is first needed.
/// let manager = Manager::new(Arc::new(Mock::default()), None, Arc::new(SystemClock));
/// let bitcoin = manager.resolve("btc").await?;
/// assert_eq!(bitcoin.market.symbol(), "BTC/USD");
/// assert!(manager.resolve("NOSUCH/USD").await.is_err());
/// # Ok(())
/// # }
/// ```
pub struct Manager {
    provider: Arc<dyn Provider>,
    traits: Traits,
    cache: Option<Cache>,
    clock: Arc<dyn Clock>,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    catalogue: Option<Arc<Catalogue>>,
    /// When the exchange was asked last: for a while after that an unknown name stays unknown.
    asked_at: Option<Timestamp>,
}

impl Manager {
    /// A manager that fetches through `provider` and keeps lists in `cache`.
    pub fn new(provider: Arc<dyn Provider>, cache: Option<Cache>, clock: Arc<dyn Clock>) -> Self {
        Self {
            traits: provider.traits(),
            provider,
            cache,
            clock,
            held: Mutex::default(),
        }
    }

    /// The list, as fresh as it has to be. A stale one is used, with a warning, where the exchange cannot
    /// be asked.
    ///
    /// Errors: no list at all.
    pub async fn catalogue(&self) -> Result<Arc<Catalogue>, ListError> {
        let mut held = self.held.lock().await;
        if let Some(catalogue) = &held.catalogue
            && (self.is_fresh(catalogue) || self.asked_lately(&held))
        {
            return Ok(catalogue.clone());
        }
        let stored = self.stored().or_else(|| held.catalogue.clone());
        let fresh = stored.as_ref().is_some_and(|stored| self.is_fresh(stored));
        let catalogue = match stored {
            Some(stored) if fresh => stored,
            stored => match (self.fetch(&mut held).await, stored) {
                (Ok(catalogue), _) => catalogue,
                (Err(error), Some(stale)) => {
                    warn!("{error}; using the list of {}", stale.fetched_at);
                    stale
                }
                (Err(error), None) => return Err(error),
            },
        };
        held.catalogue = Some(catalogue.clone());
        Ok(catalogue)
    }

    /// The list, asked for anew.
    ///
    /// Errors: the exchange cannot be asked; the list held before stays in use.
    pub async fn refresh(&self) -> Result<Arc<Catalogue>, ListError> {
        let mut held = self.held.lock().await;
        let catalogue = self.fetch(&mut held).await?;
        held.catalogue = Some(catalogue.clone());
        Ok(catalogue)
    }

    /// The instrument that a text names. A name that the list does not have makes it ask the exchange
    /// once: it may have been listed since.
    pub async fn resolve(&self, text: &str) -> Result<Arc<Instrument>, ResolveError> {
        let error = match self.catalogue().await?.resolve(text) {
            Err(error @ Unresolved::Unknown { .. }) => error,
            other => return Ok(other?),
        };
        if self.asked_lately(&*self.held.lock().await) {
            return Err(error.into());
        }
        match self.refresh().await {
            Ok(catalogue) => Ok(catalogue.resolve(text)?),
            Err(unreachable) => {
                warn!("{unreachable}; `{text}` was looked up in an older list");
                Err(error.into())
            }
        }
    }

    /// A list from the future is not: a clock was wrong then or is now.
    fn is_fresh(&self, catalogue: &Catalogue) -> bool {
        let age = self.clock.now().seconds_since(catalogue.fetched_at);
        self.traits.list_source.is_none() || (0.0..TIME_TO_LIVE.as_secs_f64()).contains(&age)
    }

    fn stored(&self) -> Option<Arc<Catalogue>> {
        let (cache, source) = (self.cache.as_ref()?, self.traits.list_source.as_ref()?);
        let (instruments, fetched_at) = cache.read(self.provider.exchange(), source)?;
        Some(Arc::new(Catalogue::new(
            self.provider.exchange(),
            instruments,
            &self.traits,
            fetched_at,
        )))
    }

    /// Whether the exchange was asked, with or without success, so short ago that it is not asked again.
    fn asked_lately(&self, held: &Held) -> bool {
        let since = |at| self.clock.now().seconds_since(at);
        held.asked_at
            .is_some_and(|at| (0.0..ASK_AGAIN.as_secs_f64()).contains(&since(at)))
    }

    async fn fetch(&self, held: &mut Held) -> Result<Arc<Catalogue>, ListError> {
        held.asked_at = Some(self.clock.now());
        let exchange = self.provider.exchange();
        let instruments = self
            .provider
            .instruments()
            .await
            .map_err(|source| ListError { exchange, source })?;
        if instruments.is_empty() {
            // No exchange trades nothing. Kept, it would make every symbol unknown for hours.
            let source = ProviderError::Malformed(format!("{exchange}: the list is empty"));
            return Err(ListError { exchange, source });
        }
        let now = self.clock.now();
        if let (Some(cache), Some(source)) = (&self.cache, &self.traits.list_source)
            && let Err(error) = cache.write(exchange, source, &instruments, now)
        {
            warn!(
                "the list of symbols cannot be kept in {}: {error}",
                cache.directory().display()
            );
        }
        Ok(Arc::new(Catalogue::new(
            exchange,
            instruments,
            &self.traits,
            now,
        )))
    }
}

impl std::fmt::Debug for Manager {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Manager({})", self.provider.exchange())
    }
}
