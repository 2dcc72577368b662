//! Why a local file could not be used.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::duration;

/// A failure of a local file, one line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// State cannot be kept there; nothing was changed.
    #[error("cannot write `{}`: {why}", .path.display())]
    Unwritable {
        /// The file or folder.
        path: PathBuf,
        /// In the system's words.
        why: String,
    },
    /// It is there and cannot be read.
    #[error("cannot read `{}`: {why}", .path.display())]
    Unreadable {
        /// The file or folder.
        path: PathBuf,
        /// In the system's words.
        why: String,
    },
    /// Another process held the lock all the time.
    #[error("`{name}` is in use by another process (waited {})", duration::format(*.patience))]
    Busy {
        /// The rule.
        name: String,
        /// How long the lock was waited for.
        patience: Duration,
    },
}

impl StoreError {
    pub(super) fn unwritable(path: &Path, error: &io::Error) -> Self {
        Self::Unwritable {
            path: path.into(),
            why: plain_text(error),
        }
    }

    pub(super) fn unreadable(path: &Path, error: &io::Error) -> Self {
        Self::Unreadable {
            path: path.into(),
            why: plain_text(error),
        }
    }

    /// How to mend it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Unwritable { .. } | Self::Unreadable { .. } => {
                "XDG_STATE_HOME names another folder for state"
            }
            Self::Busy { .. } => "the next run looks again",
        }
    }
}

/// The system's words in our style: lower case at the start, no `(os error N)`.
fn plain_text(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut chars = text.chars();
    match chars.next() {
        Some(first) => first.to_lowercase().chain(chars).collect(),
        None => "unknown error".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_name_the_path_and_the_reason_without_numbers() {
        let denied = io::Error::from_raw_os_error(13);
        assert_eq!(
            StoreError::unwritable(Path::new("/state/alerts"), &denied).to_string(),
            "cannot write `/state/alerts`: permission denied"
        );
        assert_eq!(
            StoreError::unreadable(Path::new("/x"), &io::Error::other("Nothing left")).to_string(),
            "cannot read `/x`: nothing left"
        );
        let busy = StoreError::Busy {
            name: "dip".into(),
            patience: Duration::from_secs(2),
        };
        assert_eq!(
            busy.to_string(),
            "`dip` is in use by another process (waited 2s)"
        );
    }
}
