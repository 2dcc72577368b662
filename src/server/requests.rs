//! What clients ask of those who keep alerts, strategies and the portfolio. They live on the engine's side; every
//! request carries the way back for its answer.

use std::time::Duration;

use serde::Serialize;
use serde_json::value::RawValue;
use tokio::sync::{mpsc, oneshot};

use super::error::ApiError;

/// Requests that wait at most; further ones are told to come later.
pub const WAITING: usize = 64;

/// The way back.
pub type Reply<T> = oneshot::Sender<Result<T, ApiError>>;

/// About alerts.
#[derive(Debug)]
pub enum AlertRequest {
    /// All rules.
    List(Reply<Vec<AlertView>>),
    /// One more.
    Create(NewAlert, Reply<AlertView>),
    /// One less.
    Delete(String, Reply<()>),
}

/// A rule that a client wants.
#[derive(Debug, Clone, PartialEq)]
pub struct NewAlert {
    /// Made up where it is not given.
    pub name: Option<String>,
    /// In any spelling; none where the condition names its own.
    pub symbol: Option<String>,
    /// When it fires.
    pub condition: String,
    /// What it says.
    pub message: Option<String>,
    /// Silence after a firing.
    pub cooldown: Option<Duration>,
    /// As written: `0.5%` or a price.
    pub hysteresis: Option<String>,
    /// How long the condition must hold.
    pub hold: Option<Duration>,
    /// Names in `[actions]`.
    pub actions: Vec<String>,
}

/// A rule as clients see it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AlertView {
    /// Unique.
    pub name: String,
    /// Where its symbols are traded.
    pub provider: String,
    /// Canonical.
    pub symbols: Vec<String>,
    /// As it was written.
    pub condition: String,
    /// As it was written.
    pub message: Option<String>,
    /// `armed`, `fired` (not yet armed again), `unknown` or `failed`.
    pub state: &'static str,
    /// How often it fired since the start.
    pub fired: u64,
    /// RFC 3339.
    pub last_fired: Option<String>,
    /// Why it failed, or cannot be known.
    pub error: Option<String>,
    /// `config` or `api`.
    pub origin: &'static str,
    /// Names, or kinds where they have none: never an address, never an argument.
    pub actions: Vec<String>,
}

/// About strategies.
#[derive(Debug)]
pub enum StrategyRequest {
    /// All of them.
    List(Reply<Vec<StrategyView>>),
    /// Let this one decide.
    Start(String, Reply<StrategyView>),
    /// Let it be.
    Stop(String, Reply<StrategyView>),
}

/// A strategy as clients see it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StrategyView {
    /// From the configuration.
    pub name: String,
    /// `running`, `stopped` or `failed`.
    pub state: &'static str,
    /// Canonical, with their provider: `kraken:BTC/USD`.
    pub symbols: Vec<String>,
    /// The candles at whose close it decides.
    pub interval: String,
    /// How many since the start.
    pub signals: u64,
    /// RFC 3339.
    pub last_signal: Option<String>,
    /// Why it failed.
    pub error: Option<String>,
}

/// About the portfolio.
#[derive(Debug)]
pub enum PortfolioRequest {
    /// What it is worth: the data of a `portfolio_update`.
    Get(Reply<Box<RawValue>>),
    /// Holds this from now on, until the next start.
    Put(NewPortfolio, Reply<Box<RawValue>>),
}

/// Holdings that a client wants valued. Amounts are the digits that were sent.
#[derive(Debug, Clone, PartialEq)]
pub struct NewPortfolio {
    /// What to value in; as before where it is not given.
    pub quote: Option<String>,
    /// Asset, amount, and what one of it cost.
    pub holdings: Vec<(String, String, Option<String>)>,
}

/// Where requests go. A receiver that is gone, or too busy, is told as 503.
#[derive(Debug, Clone)]
pub struct Desk<R>(mpsc::Sender<R>);

impl<R> Desk<R> {
    /// The desk, and the end that answers.
    pub fn new() -> (Self, mpsc::Receiver<R>) {
        let (sender, receiver) = mpsc::channel(WAITING);
        (Self(sender), receiver)
    }

    /// Asks and waits for the answer.
    ///
    /// Errors: the answer is one, or nobody answers.
    pub async fn ask<T>(&self, request: impl FnOnce(Reply<T>) -> R) -> Result<T, ApiError> {
        let (reply, answer) = oneshot::channel();
        self.0
            .try_send(request(reply))
            .map_err(|_| ApiError::unavailable("too many requests wait, try again"))?;
        answer
            .await
            .map_err(|_| ApiError::unavailable("the server is stopping"))?
    }
}
