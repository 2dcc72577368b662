//! How attempts and connections end, and what follows from it.

use std::time::Duration;

use crate::net::{ConnectError, Recovery};

/// "Try again later" (close code 1013) means not before this.
const TRY_AGAIN_LATER: Duration = Duration::from_secs(30);
/// A close for breaking a rule (1008): the next attempt must not break it at once again.
const POLICY_PAUSE: Duration = Duration::from_secs(5);

/// How a session ended.
pub(super) enum Ended {
    /// The line is gone.
    Lost(Lost),
    /// Nobody listens.
    Done,
}

impl From<Lost> for Ended {
    fn from(lost: Lost) -> Self {
        Self::Lost(lost)
    }
}

/// Why an open line must be left: a successor takes over before the exchange ends it.
#[derive(Debug, Clone)]
pub(super) struct Leave {
    pub reason: String,
    /// The shortest pause between two attempts from now on.
    pub pace: Duration,
}

/// Why an attempt or a session came to nothing.
pub(super) struct Lost {
    pub reason: String,
    /// No attempt before this has passed.
    pub pause: Duration,
    /// Never again by itself.
    pub fatal: bool,
    /// The line was open, but dead.
    pub stale: bool,
}

impl Lost {
    pub fn because(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            pause: Duration::ZERO,
            fatal: false,
            stale: false,
        }
    }
}

impl From<ConnectError> for Lost {
    fn from(error: ConnectError) -> Self {
        let lost = Lost::because(error.to_string());
        match error.recovery() {
            Recovery::Retry => lost,
            Recovery::RetryAfter(pause) => Lost { pause, ..lost },
            Recovery::Fatal => Lost {
                fatal: true,
                ..lost
            },
        }
    }
}

/// The end by a close frame.
pub(super) fn closed(close: Option<(u16, String)>) -> Lost {
    let Some((code, reason)) = close else {
        return Lost::because("closed by the exchange");
    };
    let pause = match code {
        1013 => TRY_AGAIN_LATER,
        1008 => POLICY_PAUSE,
        _ => Duration::ZERO,
    };
    let reason = if reason.is_empty() {
        String::new()
    } else {
        format!(" {reason}")
    };
    Lost {
        pause,
        ..Lost::because(format!("closed by the exchange: {code}{reason}"))
    }
}
