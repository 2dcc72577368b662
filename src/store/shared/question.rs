//! One question that several processes ask at once.

use std::fs::{self, File};
use std::io::{self, Read, Seek, Write};
use std::time::Duration;

use crate::model::{Timestamp, fnv1a_64};

use super::{SHORTLY, Shared};

/// A longer answer is not shared.
const BODY_MAX: usize = 4 * 1024 * 1024;
/// An answer's file is removed after this.
const KEPT: Duration = Duration::from_secs(2);
/// What was wanted longer ago is not wanted any more: whoever did has its answer or has gone.
const WANTED_FOR: Duration = Duration::from_secs(5);
/// Entries that one list of wants may have.
const WANTED_MAX: usize = 500;
/// A list of wants that has grown beyond this was never taken, and begins anew.
const LIST_MAX: u64 = 256 * 1024;
const HEAD: &str = "tickwire-answer 1";

/// The right to ask a question: no other process has it at the same time. Dropping it lets the next one.
pub struct Question {
    shared: Shared,
    key: u64,
    file: File,
}

/// An answer that somebody has got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// When the request was sent.
    pub sent_at: Timestamp,
    /// When the answer came.
    pub received_at: Timestamp,
    /// What whoever kept it wrote beside it.
    pub note: String,
    /// The answer.
    pub body: String,
}

/// What some process would like to be asked for, too, by whoever asks next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Since when.
    pub at: Timestamp,
    /// What, in one line.
    pub note: String,
}

impl Shared {
    /// Waits until nobody else asks this question. `None`: nothing can be shared, or it took longer than
    /// `patience`; the question is then asked for oneself alone.
    pub async fn question(&self, key: u64, patience: Duration) -> Option<Question> {
        let file = self.locked(&format!("answer-{key:016x}"), patience).await?;
        Some(Question {
            shared: self.clone(),
            key,
            file,
        })
    }

    /// Lets whoever asks this question next know what is wanted.
    pub async fn want(&self, key: u64, wanted: &Wanted) {
        debug_assert!(!wanted.note.contains('\n'), "a note is one line");
        let Some(mut file) = self.locked(&list_name(key), SHORTLY).await else {
            return;
        };
        let add = || {
            if file.seek(io::SeekFrom::End(0))? > LIST_MAX {
                file.set_len(0)?;
                file.rewind()?;
            }
            file.write_all(format!("{} {}\n", wanted.at.nanos(), wanted.note).as_bytes())
        };
        if let Err(error) = { add }() {
            tracing::debug!(%error, "a want cannot be told");
        }
    }

    /// Removes answers that nobody can want any more.
    fn tidy(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.directory)? {
            let entry = entry?;
            let name = entry.file_name();
            let Some(name) = name.to_str().filter(|name| name.starts_with("answer-")) else {
                continue;
            };
            let is_old = || {
                let age = entry.metadata().ok()?.modified().ok()?.elapsed().ok()?;
                Some(age > KEPT)
            };
            // Only while it is locked: whoever waits for it sees then that it has gone.
            if is_old() == Some(true)
                && let Some(_held) = self.try_locked(name)?
                && is_old() == Some(true)
            {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }
}

impl Question {
    /// The answer that is there, if its request was sent at `wanted_at` or later: an answer is never older
    /// than the wish for it.
    pub fn answer(&mut self, wanted_at: Timestamp) -> Option<Answer> {
        let answer = read(&mut self.file)?;
        let now = self.shared.clock.now();
        let is_fresh = wanted_at <= answer.sent_at
            && answer.sent_at <= answer.received_at
            && answer.received_at <= now;
        is_fresh.then_some(answer)
    }

    /// What was written beside the answer that is there, unless it is so old that nobody waits for it any more.
    pub fn recent_note(&mut self) -> Option<String> {
        let answer = read(&mut self.file)?;
        let now = self.shared.clock.now();
        let oldest = now.plus_nanos(-(WANTED_FOR.as_nanos() as i64));
        let is_recent = (oldest..=now).contains(&answer.received_at);
        is_recent.then_some(answer.note)
    }

    /// Keeps an answer for those who wait.
    pub fn keep(&mut self, sent_at: Timestamp, received_at: Timestamp, note: &str, body: &str) {
        let kept = write(&mut self.file, sent_at, received_at, note, body);
        if let Err(error) = kept.and_then(|()| self.shared.tidy()) {
            tracing::debug!(%error, "an answer cannot be shared");
        }
    }

    /// What others want, oldest first; they are taken off the list.
    pub async fn wanted(&self) -> Vec<Wanted> {
        let Some(mut file) = self.shared.locked(&list_name(self.key), SHORTLY).await else {
            return Vec::new();
        };
        let mut bytes = Vec::new();
        let taken = (&mut file).take(2 * LIST_MAX).read_to_end(&mut bytes);
        if let Err(error) = taken.and_then(|_| file.set_len(0)) {
            tracing::debug!(%error, "a list of wants cannot be read");
        }
        let now = self.shared.clock.now();
        let oldest = now.plus_nanos(-(WANTED_FOR.as_nanos() as i64));
        let text = String::from_utf8_lossy(&bytes);
        let wanted = text.lines().filter_map(|line| {
            let (at, note) = line.split_once(' ')?;
            let at = Timestamp::from_nanos(at.parse().ok()?);
            (oldest..=now).contains(&at).then(|| Wanted {
                at,
                note: note.to_owned(),
            })
        });
        wanted.take(WANTED_MAX).collect()
    }
}

fn list_name(key: u64) -> String {
    format!("wanted-{key:016x}")
}

fn write(
    file: &mut File,
    sent_at: Timestamp,
    received_at: Timestamp,
    note: &str,
    body: &str,
) -> io::Result<()> {
    if body.len() > BODY_MAX {
        return file.set_len(0);
    }
    file.rewind()?;
    let (sent_at, received_at) = (sent_at.nanos(), received_at.nanos());
    let text = format!(" {sent_at} {received_at} {}\n{note}{body}", note.len());
    let head = format!("{HEAD} {:016x}", fnv1a_64(text.as_bytes()));
    let bytes = [head.as_bytes(), text.as_bytes()].concat();
    file.write_all(&bytes)?;
    // Afterwards: some file systems write a file that was emptied first to the disk at once.
    file.set_len(bytes.len() as u64)
}

/// `None` for an empty file, half of one, or another's.
fn read(file: &mut File) -> Option<Answer> {
    let mut bytes = Vec::new();
    let most = 2 * BODY_MAX as u64;
    file.rewind().ok()?;
    file.take(most).read_to_end(&mut bytes).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let (sum, rest) = text.strip_prefix(HEAD)?.split_at_checked(17)?;
    if u64::from_str_radix(sum.trim_start(), 16).ok()? != fnv1a_64(rest.as_bytes()) {
        return None;
    }
    let (head, rest) = rest.split_once('\n')?;
    let mut fields = head.split_ascii_whitespace();
    let mut time = || Some(Timestamp::from_nanos(fields.next()?.parse().ok()?));
    let (sent_at, received_at) = (time()?, time()?);
    let (note, body) = rest.split_at_checked(fields.next()?.parse().ok()?)?;
    Some(Answer {
        sent_at,
        received_at,
        note: note.to_owned(),
        body: body.to_owned(),
    })
}
