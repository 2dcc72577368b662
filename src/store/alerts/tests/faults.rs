use super::*;
use crate::store::replace::Step;

/// Counts the steps of a replacement and makes the n-th fail.
fn failing(n: usize) -> impl FnMut(Step) -> io::Result<()> {
    let mut steps = 0;
    move |_| {
        steps += 1;
        match steps == n {
            true => Err(io::Error::from_raw_os_error(28)),
            false => Ok(()),
        }
    }
}

#[tokio::test]
async fn when_any_write_fails_the_old_state_is_whole_and_the_next_save_works() {
    let (_folder, store) = store();
    let mut locked = store.lock("dip", PATIENT).await.unwrap();
    locked.save().unwrap();
    let old = locked.clone();
    let mut failures = 0;
    for n in 1.. {
        fill(&mut locked);
        let saved = locked.save_in_steps(&mut failing(n));
        let Err(error) = saved else {
            break;
        };
        failures += 1;
        let path = store.path("dip", "json");
        assert_eq!(
            error.to_string(),
            format!("cannot write `{}`: no space left on device", path.display())
        );
        assert_eq!(store.read("dip"), Ok(Some(old.clone())), "step {n}");
        assert_eq!(modes(&store.directory).len(), 2, "step {n}");
    }
    assert_eq!(failures, 4);
    // The failure at the fifth, the sync of the folder, is none: the new state is in place.
    assert_eq!(store.read("dip"), Ok(Some(locked.clone())));
    locked.remember(past("after"));
    locked.save().unwrap();
    assert_eq!(store.read("dip"), Ok(Some(locked.clone())));
}

#[tokio::test]
async fn a_state_that_would_not_be_trusted_is_not_written() {
    let (_folder, store) = store();
    let mut locked = store.lock("dip", PATIENT).await.unwrap();
    locked.save().unwrap();
    let mut big = past("big");
    big.outcome = "x".repeat(file::SIZE_MAX);
    locked.remember(big);
    let error = locked.save().unwrap_err().to_string();
    assert!(error.ends_with("the state is too large"), "{error}");
    assert_eq!(store.read("dip"), Ok(Some(State::new("dip"))));
}

#[tokio::test]
async fn a_folder_that_cannot_be_is_found_out_by_the_check() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let in_the_way = |directory: PathBuf, why: &str| {
        let store = AlertStore::new(directory.clone());
        let why = why.to_owned();
        async move {
            let expected = StoreError::Unwritable {
                path: directory,
                why,
            };
            assert_eq!(store.check("dip"), Err(expected.clone()));
            let locked = store.lock("dip", PATIENT).await;
            assert_eq!(locked.map(|_| ()), Err(expected));
        }
    };
    in_the_way(file.clone(), "it is not a folder").await;
    in_the_way(file.join("alerts"), "not a directory").await;
    assert_eq!(fs::read(&file).unwrap(), b"");
}

#[test]
fn a_lock_file_that_cannot_be_opened_is_found_out_by_the_check() {
    let (_folder, store) = store();
    store.check("other").unwrap();
    let path = store.path("dip", "lock");
    fs::create_dir(&path).unwrap();
    let expected = StoreError::Unwritable {
        path,
        why: "is a directory".into(),
    };
    assert_eq!(store.check("dip"), Err(expected));
}

#[test]
fn a_folder_without_permission_is_found_out_by_the_check() {
    let (_folder, store) = store();
    store.check("dip").unwrap();
    let read_only = fs::Permissions::from_mode(0o500);
    fs::set_permissions(&store.directory, read_only).unwrap();
    // Root may write anyway.
    if tempfile::tempfile_in(&store.directory).is_ok() {
        return;
    }
    let expected = StoreError::Unwritable {
        path: store.directory.clone(),
        why: "permission denied".into(),
    };
    assert_eq!(store.check("dip"), Err(expected));
}

#[test]
fn the_check_leaves_nothing_behind_but_the_lock_file() {
    let (_folder, store) = store();
    store.check("dip").unwrap();
    store.check("dip").unwrap();
    assert_eq!(modes(&store.directory), [("dip.lock".into(), 0o600)]);
}
