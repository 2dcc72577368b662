//! One state file: its form, and whether it can be trusted.
//!
//! `{"version":1,"checksum":"<16 hex>","state":{…}}` and a newline, in exactly these bytes around the state; the
//! checksum is FNV-1a of the bytes of the state. So every flipped byte is found, in the frame too.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;

use crate::model::fnv1a_64;

use super::state::State;

/// A larger file is not ours: a state has some hundred entries of some hundred bytes.
pub(super) const SIZE_MAX: usize = 16 << 20;

const HEAD: &[u8] = br#"{"version":1,"checksum":""#;
const MIDDLE: &[u8] = br#"","state":"#;
const TAIL: &[u8] = b"}\n";

/// What is at a path.
#[derive(Debug, PartialEq)]
pub(super) enum Content {
    /// Nothing.
    Absent,
    /// A state that was written by us, whole.
    Whole(State),
    /// Anything else: damaged, of another version or user, not a file at all.
    Foreign,
}

/// The bytes of a state file.
pub(super) fn encode(state: &State) -> Vec<u8> {
    let state = serde_json::to_vec(state).expect("plain data with text keys is always JSON");
    let checksum = format!("{:016x}", fnv1a_64(&state));
    [HEAD, checksum.as_bytes(), MIDDLE, &state, TAIL].concat()
}

/// The state in these bytes, if they are what [`encode`] writes.
pub(super) fn decode(bytes: &[u8]) -> Option<State> {
    let (checksum, rest) = bytes.strip_prefix(HEAD)?.split_at_checked(16)?;
    let state = rest.strip_prefix(MIDDLE)?.strip_suffix(TAIL)?;
    if format!("{:016x}", fnv1a_64(state)).as_bytes() != checksum {
        return None;
    }
    serde_json::from_slice(state).ok()
}

/// Reads a path without trusting it.
///
/// Errors: it is a file of this user and cannot be read.
pub(super) fn read(path: &Path) -> io::Result<Content> {
    let file = match open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Content::Absent),
        // A link, a socket, a file of another user: cannot be opened, and is not ours.
        Err(error) => {
            return match fs::symlink_metadata(path) {
                Ok(metadata) if is_our_file(&metadata) => Err(error),
                Ok(_) => Ok(Content::Foreign),
                Err(_) => Err(error),
            };
        }
    };
    let metadata = file.metadata()?;
    if !is_our_file(&metadata) || metadata.len() > SIZE_MAX as u64 {
        return Ok(Content::Foreign);
    }
    let mut bytes = Vec::with_capacity(metadata.len() as usize);
    // It may grow meanwhile.
    file.take(SIZE_MAX as u64 + 1).read_to_end(&mut bytes)?;
    Ok(decode(&bytes).map_or(Content::Foreign, Content::Whole))
}

/// Opens for reading without following a link and without waiting for the other end of a pipe.
fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path)
}

fn is_our_file(metadata: &fs::Metadata) -> bool {
    metadata.is_file() && metadata.uid() == rustix::process::geteuid().as_raw()
}
