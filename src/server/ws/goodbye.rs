//! How a connection ends: codes and reasons from a fixed list, so that nothing of the inside gets out.

use axum::extract::ws::{CloseFrame, Utf8Bytes};
use tokio_tungstenite::tungstenite;

/// Why a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Goodbye {
    /// The client has left, or the line is cut: there is nobody to tell.
    Gone,
    /// The server stops.
    Stopping,
    /// Not WebSocket.
    Protocol,
    /// A binary message.
    Binary,
    /// Text that is not UTF-8.
    NotUtf8,
    /// A message, or a part of one, that is too long.
    TooLong,
    /// More messages than are allowed.
    TooFast,
    /// Too many messages that could not be understood.
    TooManyErrors,
    /// It reads too slowly.
    TooSlow,
    /// It answers no pings.
    NoPong,
}

impl Goodbye {
    /// What the client is told, at most 123 bytes; `None`: nothing.
    pub fn frame(self) -> Option<CloseFrame> {
        let (code, reason) = match self {
            Self::Gone => return None,
            Self::Stopping => (1001, "the server is stopping"),
            Self::Protocol => (1002, "protocol error"),
            Self::Binary => (1003, "binary messages are not understood"),
            Self::NotUtf8 => (1007, "a text was not UTF-8"),
            Self::TooFast => (1008, "too many messages"),
            Self::TooManyErrors => (1008, "too many messages that could not be understood"),
            Self::NoPong => (1008, "no answer to pings"),
            Self::TooLong => (1009, "a message was too long"),
            Self::TooSlow => (1013, "too slow, try again later"),
        };
        let reason = Utf8Bytes::from_static(reason);
        Some(CloseFrame { code, reason })
    }

    /// After this error nothing more can be read.
    pub fn after(error: axum::Error) -> Self {
        use tungstenite::Error as E;
        let error = error.into_inner().downcast::<E>();
        match error.as_deref() {
            Ok(E::Capacity(_)) => Self::TooLong,
            Ok(E::Utf8(_)) => Self::NotUtf8,
            Ok(E::Protocol(tungstenite::error::ProtocolError::ResetWithoutClosingHandshake)) => {
                Self::Gone
            }
            Ok(E::Protocol(_)) => Self::Protocol,
            _ => Self::Gone,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_fits_into_a_close_frame() {
        use Goodbye::*;
        let all = [
            Stopping,
            Protocol,
            Binary,
            NotUtf8,
            TooLong,
            TooFast,
            TooManyErrors,
            TooSlow,
            NoPong,
        ];
        for goodbye in all {
            let frame = goodbye.frame().expect("told");
            assert!(frame.reason.len() <= 123, "{}", frame.reason.as_str());
        }
        assert_eq!(Gone.frame(), None);
    }
}
