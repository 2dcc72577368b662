//! A state that nobody else can change meanwhile.

use std::fs::{self, File};
use std::io;
use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};

use crate::model::{Clock, SystemClock};
use crate::store::StoreError;
use crate::store::replace::{Step, replace_in_steps, sync_folder};

use super::file::{self, Content};
use super::state::State;

/// The state of a rule under its lock. Changes are kept by [`Locked::save`] only; dropping it unlocks.
#[derive(Debug)]
pub struct Locked {
    state: State,
    path: PathBuf,
    set_aside: Option<PathBuf>,
    lock: File,
}

impl Deref for Locked {
    type Target = State;

    fn deref(&self) -> &State {
        &self.state
    }
}

impl DerefMut for Locked {
    fn deref_mut(&mut self) -> &mut State {
        &mut self.state
    }
}

impl Drop for Locked {
    fn drop(&mut self) {
        // Closing the file would unlock too, as it does where the process is killed, but not while a program that
        // another thread is just starting still has a copy of it.
        if let Err(error) = self.lock.unlock() {
            tracing::debug!(path = %self.path.display(), %error, "cannot unlock");
        }
    }
}

impl Locked {
    /// Reads the state at `path`, whose lock is held; what is not the state of `name` is moved aside.
    pub(super) fn open(name: &str, path: PathBuf, lock: File) -> Result<Self, StoreError> {
        let content = file::read(&path).map_err(|error| StoreError::unreadable(&path, &error))?;
        let (state, set_aside) = match content {
            Content::Whole(state) if state.name == name => (state, None),
            Content::Absent => (State::new(name), None),
            Content::Whole(_) | Content::Foreign => {
                let aside = move_aside(&path).map_err(|e| StoreError::unwritable(&path, &e))?;
                (State::new(name), Some(aside))
            }
        };
        Ok(Self {
            state,
            path,
            set_aside,
            lock,
        })
    }

    /// Writes the state down; a reader sees the old one or this one. Waits for the disk.
    ///
    /// Errors: [`StoreError::Unwritable`]; what is on disk has not changed.
    pub fn save(&mut self) -> Result<(), StoreError> {
        self.save_in_steps(&mut |_| Ok(()))
    }

    pub(super) fn save_in_steps(
        &mut self,
        before: &mut dyn FnMut(Step) -> io::Result<()>,
    ) -> Result<(), StoreError> {
        let bytes = file::encode(&self.state);
        let written = match bytes.len() > file::SIZE_MAX {
            // Nobody would trust it.
            true => Err(io::Error::other("the state is too large")),
            false => replace_in_steps(&self.path, &bytes, 0o600, before),
        };
        written.map_err(|error| StoreError::unwritable(&self.path, &error))
    }

    /// Where the damaged or foreign file is now that was found in the place of the state.
    pub fn set_aside(&self) -> Option<&Path> {
        self.set_aside.as_deref()
    }

    /// Forgets everything about the rule; `false`: nothing was known.
    ///
    /// Errors: [`StoreError::Unwritable`]; the state is still there.
    pub fn reset(self) -> Result<bool, StoreError> {
        match fs::remove_file(&self.path) {
            Ok(()) => {
                if let Some(folder) = self.path.parent()
                    && let Err(error) = sync_folder(folder)
                {
                    tracing::debug!(folder = %folder.display(), %error, "cannot sync a folder");
                }
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(StoreError::unwritable(&self.path, &error)),
        }
    }
}

/// Renames `NAME.json` to `NAME.corrupt-<seconds since the epoch>`, or with `-2`, `-3` … where that exists.
fn move_aside(path: &Path) -> io::Result<PathBuf> {
    let seconds = SystemClock.now().nanos() / 1_000_000_000;
    let base = path.with_extension(format!("corrupt-{seconds}"));
    let aside = std::iter::once(base.clone())
        .chain((2u32..).map(|n| base.with_extension(format!("corrupt-{seconds}-{n}"))))
        .find(|candidate| fs::symlink_metadata(candidate).is_err())
        .expect("there are more numbers than files in a folder");
    fs::rename(path, &aside)?;
    Ok(aside)
}
