//! The memory of named rules: one state file and one lock file for each, in one folder.

mod file;
mod file_name;
mod locked;
mod outbox;
mod state;

pub use locked::Locked;
pub use outbox::Claim;
pub use state::{HISTORY_MAX, MarketState, Past, Pending, PendingAction, State, Watermark};

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::OFlags;
use tokio::time::{Instant, sleep};

use super::StoreError;
use super::replace::{TEMPORARY, sweep};
use file::Content;
use file_name::file_name;

/// The pauses between two looks at a lock that another process holds: a state is locked for milliseconds.
const LOCK_PAUSE_MIN: Duration = Duration::from_millis(10);
const LOCK_PAUSE_MAX: Duration = Duration::from_millis(50);

/// The folder of the state files. Every operation opens what it needs; several processes may do so at once.
#[derive(Debug, Clone)]
pub struct AlertStore {
    directory: PathBuf,
}

impl AlertStore {
    /// States are kept in this folder, which is made (for this user alone) when it is needed.
    pub fn new(directory: PathBuf) -> Self {
        Self { directory }
    }

    /// Proves that the state of this rule can be written: makes the folder, opens the lock file, writes and
    /// removes a temporary file.
    ///
    /// Errors: [`StoreError::Unwritable`].
    pub fn check(&self, name: &str) -> Result<(), StoreError> {
        self.open_lock(name)?;
        sweep(&self.directory);
        self.write_something()
            .map_err(|error| StoreError::unwritable(&self.directory, &error))
    }

    /// Waits for the lock of this rule, then reads its state. A file that is not its state is moved aside, see
    /// [`Locked::set_aside`]. Never hold it while waiting for the network or an action.
    ///
    /// Errors: [`StoreError::Busy`] after `patience`; [`StoreError::Unwritable`] and [`StoreError::Unreadable`].
    pub async fn lock(&self, name: &str, patience: Duration) -> Result<Locked, StoreError> {
        let lock = self.open_lock(name)?;
        let started = Instant::now();
        let mut pause = LOCK_PAUSE_MIN;
        loop {
            match lock.try_lock() {
                Ok(()) => return Locked::open(name, self.path(name, "json"), lock),
                Err(TryLockError::Error(error)) => {
                    return Err(StoreError::unwritable(&self.path(name, "lock"), &error));
                }
                Err(TryLockError::WouldBlock) => {}
            }
            let left = patience.saturating_sub(started.elapsed());
            if left.is_zero() {
                return Err(StoreError::Busy {
                    name: name.into(),
                    patience,
                });
            }
            sleep(pause.min(left)).await;
            pause = (pause * 2).min(LOCK_PAUSE_MAX);
        }
    }

    /// The state as it was last saved, without waiting for the lock. `None`: there is none, or none that can be
    /// trusted.
    ///
    /// Errors: [`StoreError::Unreadable`].
    pub fn read(&self, name: &str) -> Result<Option<State>, StoreError> {
        let path = self.path(name, "json");
        match file::read(&path) {
            Ok(Content::Whole(state)) if state.name == name => Ok(Some(state)),
            Ok(_) => Ok(None),
            Err(error) => Err(StoreError::unreadable(&path, &error)),
        }
    }

    /// Every state that can be trusted, by name.
    ///
    /// Errors: [`StoreError::Unreadable`] for the folder; a missing one is empty.
    pub fn list(&self) -> Result<Vec<State>, StoreError> {
        let entries = match fs::read_dir(&self.directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(StoreError::unreadable(&self.directory, &error)),
        };
        let mut states: Vec<State> = entries
            .flatten()
            .filter_map(|entry| self.state_at(&entry.path()))
            .collect();
        states.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(states)
    }

    /// Files in the place of states that cannot be trusted; the next that locks their rule puts them aside.
    pub fn damaged(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(&self.directory)
            .into_iter()
            .flatten()
            .flatten();
        let paths = entries.map(|entry| entry.path());
        let states = paths.filter(|path| path.extension().is_some_and(|ending| ending == "json"));
        let mut damaged: Vec<_> = states
            .filter(|path| self.state_at(path).is_none())
            .collect();
        damaged.sort();
        damaged
    }

    /// Whether what stands in the place of this rule's state cannot be trusted.
    pub fn is_damaged(&self, name: &str) -> bool {
        self.damaged().contains(&self.path(name, "json"))
    }

    /// The state in this file, if it is the place for it: a copy under another name is none.
    fn state_at(&self, path: &Path) -> Option<State> {
        match file::read(path) {
            Ok(Content::Whole(state)) if self.path(&state.name, "json") == path => Some(state),
            _ => None,
        }
    }

    fn path(&self, name: &str, extension: &str) -> PathBuf {
        self.directory
            .join(format!("{}.{extension}", file_name(name)))
    }

    /// Opens the lock file, in a folder that is made for it. Never renamed or removed: two processes would hold
    /// locks on two files of the same name then.
    fn open_lock(&self, name: &str) -> Result<File, StoreError> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.directory)
            .map_err(|error| match error.kind() {
                // "File exists" would be no reason.
                io::ErrorKind::AlreadyExists => io::Error::other("it is not a folder"),
                _ => error,
            })
            .map_err(|error| StoreError::unwritable(&self.directory, &error))?;
        let path = self.path(name, "lock");
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
        OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(flags.bits().cast_signed())
            .open(&path)
            .map_err(|error| StoreError::unwritable(&path, &error))
    }

    fn write_something(&self) -> io::Result<()> {
        // A block: an empty file fits on a full disk.
        const BLOCK: [u8; 4_096] = [b' '; 4_096];
        let mut file = tempfile::Builder::new()
            .prefix(TEMPORARY)
            .tempfile_in(&self.directory)?;
        file.write_all(&BLOCK)?;
        file.close()
    }
}

#[cfg(test)]
mod tests;
