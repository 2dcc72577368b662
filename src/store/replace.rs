//! One file, replaced as a whole.

use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// How the names of temporary files begin: what a killed process leaves behind is known by it.
pub(super) const TEMPORARY: &str = ".tmp-";

/// The operations of a replacement, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Create,
    Write,
    SyncFile,
    Rename,
    SyncFolder,
}

/// Gives the file at `path` new content, with permissions `mode` less the umask. A reader sees the old content
/// or the new one, never a part, also after a crash or a power cut. Writers do not see each other: where two may
/// come at once, hold a lock.
///
/// Errors: the folder is missing or not writable, the disk is full, the device fails. Nothing has changed then.
/// A folder that cannot be synced is no error: the new content is in place, and which of the two would be there
/// after a power cut is all that is uncertain.
pub fn replace(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    replace_in_steps(path, bytes, mode, &mut |_| Ok(()))
}

/// [`replace`], asking before each step: how tests make one of them fail.
pub(super) fn replace_in_steps(
    path: &Path,
    bytes: &[u8],
    mode: u32,
    before: &mut dyn FnMut(Step) -> io::Result<()>,
) -> io::Result<()> {
    let folder = folder_of(path);
    before(Step::Create)?;
    let mut temporary = tempfile::Builder::new()
        .prefix(TEMPORARY)
        .permissions(Permissions::from_mode(mode))
        .tempfile_in(folder)?;
    before(Step::Write)?;
    temporary.write_all(bytes)?;
    before(Step::SyncFile)?;
    // Before the rename: else a power cut could leave the new name with no content.
    temporary.as_file().sync_all()?;
    before(Step::Rename)?;
    temporary.persist(path).map_err(|error| error.error)?;
    if let Err(error) = before(Step::SyncFolder).and_then(|()| sync_folder(folder)) {
        tracing::debug!(folder = %folder.display(), %error, "cannot sync a folder");
    }
    Ok(())
}

/// Makes it last that files of this folder were renamed or removed.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

/// Removes temporary files that are older than any write takes: of processes that were killed.
pub(super) fn sweep(folder: &Path) {
    const ABANDONED_SECONDS: u64 = 3_600;
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        let ours = entry.file_name().to_string_lossy().starts_with(TEMPORARY);
        let age = || entry.metadata().ok()?.modified().ok()?.elapsed().ok();
        if ours && age().is_some_and(|age| age.as_secs() >= ABANDONED_SECONDS) {
            // Somebody else may have swept it.
            let _ = fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, SystemTime};

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn content_and_permissions_are_as_asked() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        for content in ["one", "a longer two", ""] {
            replace(&path, content.as_bytes(), 0o600).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), content);
            let mode = fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        assert_eq!(names(folder.path()), ["file"]);
    }

    #[test]
    fn a_failure_at_any_step_leaves_the_old_content_or_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        replace(&path, b"old", 0o600).unwrap();
        for failing in [Step::Create, Step::Write, Step::SyncFile, Step::Rename] {
            let failed =
                replace_in_steps(&path, b"new", 0o600, &mut |step| match step == failing {
                    true => Err(io::ErrorKind::StorageFull.into()),
                    false => Ok(()),
                });
            assert_eq!(failed.unwrap_err().kind(), io::ErrorKind::StorageFull);
            assert_eq!(fs::read(&path).unwrap(), b"old", "{failing:?}");
            assert_eq!(names(folder.path()), ["file"], "{failing:?}");
        }
        let mut steps = Vec::new();
        replace_in_steps(&path, b"new", 0o600, &mut |step| {
            steps.push(step);
            match step {
                Step::SyncFolder => Err(io::ErrorKind::StorageFull.into()),
                _ => Ok(()),
            }
        })
        .unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(
            steps,
            [
                Step::Create,
                Step::Write,
                Step::SyncFile,
                Step::Rename,
                Step::SyncFolder
            ]
        );
    }

    #[test]
    fn a_name_alone_is_in_the_folder_of_the_process() {
        assert_eq!(folder_of(Path::new("file")), Path::new("."));
        assert_eq!(folder_of(Path::new("/a/file")), Path::new("/a"));
    }

    #[test]
    fn only_old_temporary_files_are_swept() {
        let folder = tempfile::tempdir().unwrap();
        let long_ago = SystemTime::now() - Duration::from_secs(7_200);
        for (name, modified) in [
            (".tmp-old", Some(long_ago)),
            (".tmp-new", None),
            ("old.json", Some(long_ago)),
        ] {
            let file = File::create(folder.path().join(name)).unwrap();
            if let Some(modified) = modified {
                file.set_modified(modified).unwrap();
            }
        }
        sweep(folder.path());
        assert_eq!(names(folder.path()), [".tmp-new", "old.json"]);
    }
}
