//! What the processes of one user share, so that many at once are to an exchange like one: a budget per
//! host, and answers to questions that several ask at the same moment.
//!
//! Everything lies in one folder that nobody else can read. It is a help, never a condition: where the
//! folder cannot be used, a file is damaged or a lock does not come free, each process goes on by itself.
//! Locks are the kernel's (`flock`): they end with their holder, however it ends. Times are wall-clock
//! times, as processes have no other clock in common.
//!
//! ```
//! use std::sync::Arc;
//! use std::time::Duration;
//!
//! use tickwire::model::{Clock, SystemClock};
//! use tickwire::store::shared::{Permit, Shared, key};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let folder = folder.path().join("shared");
//! let shared = Shared::new(folder, Arc::new(SystemClock));
//! let budget = shared.budget("api.example:443", Duration::from_secs(1), 3);
//! assert_eq!(budget.take(1).await, Permit::Granted);
//!
//! let wanted_at = SystemClock.now();
//! let question = key(["https://api.example", "/price"]);
//! let mut held = shared.question(question, Duration::from_secs(1)).await.expect("nobody asks");
//! assert_eq!(held.answer(wanted_at), None);
//! let sent_at = SystemClock.now();
//! held.keep(sent_at, SystemClock.now(), "", "1.50");
//! drop(held);
//!
//! // Another process that began to want it before the request was sent takes the same answer.
//! let mut held = shared.question(question, Duration::from_secs(1)).await.expect("free again");
//! assert_eq!(held.answer(wanted_at).expect("fresh").body, "1.50");
//! # Ok(())
//! # }
//! ```

mod budget;
mod budget_state;
mod question;
#[cfg(test)]
mod tests;

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::model::{Clock, fnv1a_64};

pub use budget::{Budget, Pause, Permit};
pub use question::{Answer, Question, Wanted};

/// Between two looks at a lock that somebody holds: at first, and after a while. Most are held for
/// microseconds, some until an exchange has answered.
const POLL: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(8));
/// For locks that are never held across a wait.
const SHORTLY: Duration = Duration::from_millis(250);

/// The folder. Cheap to clone.
#[derive(Clone)]
pub struct Shared {
    directory: PathBuf,
    clock: Arc<dyn Clock>,
}

impl Shared {
    /// Uses this folder, which is made when it is first needed.
    pub fn new(directory: impl Into<PathBuf>, clock: Arc<dyn Clock>) -> Self {
        Self {
            directory: directory.into(),
            clock,
        }
    }

    /// The file of this name, locked; `None` where that cannot be had within `patience`.
    async fn locked(&self, name: &str, patience: Duration) -> Option<File> {
        let until = Instant::now() + patience;
        let (mut pause, longest) = POLL;
        loop {
            match self.try_locked(name) {
                Ok(Some(file)) => return Some(file),
                Ok(None) if Instant::now() < until => {}
                Ok(None) => {
                    tracing::debug!(name, "a lock did not come free: going on without");
                    return None;
                }
                Err(error) => {
                    let directory = self.directory.display();
                    tracing::debug!(%directory, name, %error, "nothing can be shared");
                    return None;
                }
            }
            // Processes that began to wait together must not look together.
            sleep(pause.mul_f64(0.5 + fastrand::f64())).await;
            pause = (pause * 2).min(longest);
        }
    }

    fn try_locked(&self, name: &str) -> io::Result<Option<File>> {
        self.check_directory()?;
        let path = self.directory.join(name);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        // It may have been removed between being opened and being locked.
        let held = file.metadata()?;
        let is_it = match fs::metadata(&path) {
            Ok(there) => (there.dev(), there.ino()) == (held.dev(), held.ino()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            Err(error) => return Err(error),
        };
        Ok(is_it.then_some(file))
    }

    /// Makes the folder where it is missing. Errors: it is not ours alone, so that what lies in it could be
    /// anybody's.
    fn check_directory(&self) -> io::Result<()> {
        let found = match fs::symlink_metadata(&self.directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                DirBuilder::new()
                    .recursive(true)
                    .mode(0o700)
                    .create(&self.directory)?;
                fs::symlink_metadata(&self.directory)?
            }
            found => found?,
        };
        if !found.is_dir() || found.uid() != rustix::process::geteuid().as_raw() {
            return Err(io::Error::other("not a folder of this user"));
        }
        if found.mode() & 0o077 != 0 {
            fs::set_permissions(&self.directory, fs::Permissions::from_mode(0o700))?;
        }
        Ok(())
    }
}

/// A number for these texts in this order (FNV-1a): the same in every build, as the name of a file must
/// be, and nothing of the texts can be read in it.
pub fn key<'a>(parts: impl IntoIterator<Item = &'a str>) -> u64 {
    // No text has the byte 0xff, so that none can pass for two.
    let bytes = parts
        .into_iter()
        .flat_map(|part| part.bytes().chain([0xff]));
    fnv1a_64(&bytes.collect::<Vec<_>>())
}
