use std::os::unix::fs::symlink;

use super::*;

fn sample() -> Vec<u8> {
    let mut state = State::new("dip");
    fill(&mut state);
    file::encode(&state)
}

/// Puts these bytes in the place of the state and opens it.
async fn open(store: &AlertStore, bytes: &[u8]) -> Locked {
    store.check("dip").unwrap();
    fs::write(store.path("dip", "json"), bytes).unwrap();
    store.lock("dip", PATIENT).await.unwrap()
}

#[tokio::test]
async fn no_flipped_byte_is_trusted() {
    let (_folder, store) = store();
    let whole = sample();
    assert!(open(&store, &whole).await.set_aside().is_none());
    let mut random = fastrand::Rng::with_seed(40);
    for variant in 0..1_000 {
        let mut bytes = whole.clone();
        // Every byte has its turn, then any.
        let index = if variant < bytes.len() {
            variant
        } else {
            random.usize(..bytes.len())
        };
        bytes[index] ^= random.u8(1..=255);
        let locked = open(&store, &bytes).await;
        assert_eq!(
            *locked,
            State::new("dip"),
            "byte {index} is {}",
            bytes[index]
        );
        let aside = locked.set_aside().expect("it was moved aside");
        assert_eq!(fs::read(aside).unwrap(), bytes);
        fs::remove_file(aside).unwrap();
        assert_eq!(store.read("dip"), Ok(None));
    }
}

#[test]
fn no_single_bit_can_change_unnoticed() {
    let whole = sample();
    for index in 0..whole.len() {
        for bit in 0..8 {
            let mut bytes = whole.clone();
            bytes[index] ^= 1 << bit;
            assert_eq!(file::decode(&bytes), None, "bit {bit} of byte {index}");
        }
    }
}

#[test]
fn no_part_of_a_file_is_trusted_and_nothing_may_follow_it() {
    let whole = sample();
    for length in 0..whole.len() {
        assert_eq!(file::decode(&whole[..length]), None, "{length} bytes");
        assert_eq!(
            file::decode(&whole[length + 1..]),
            None,
            "without {length} bytes"
        );
    }
    for more in [&b"\n"[..], b" ", b"\0", b"}", &whole] {
        assert_eq!(file::decode(&[&whole, more].concat()), None);
    }
}

#[test]
fn another_version_is_not_trusted() {
    let text = String::from_utf8(sample()).unwrap();
    let newer = text.replace(r#"{"version":1,"#, r#"{"version":2,"#);
    assert_ne!(newer, text);
    assert_eq!(file::decode(newer.as_bytes()), None);
}

#[test]
fn a_right_checksum_over_another_form_is_not_trusted() {
    for state in [
        "{}",
        "[]",
        "null",
        r#"{"name":"dip"}"#,
        "",
        "{",
        "\u{feff}{}",
    ] {
        let hash = crate::model::fnv1a_64(state.as_bytes());
        let text = format!("{{\"version\":1,\"checksum\":\"{hash:016x}\",\"state\":{state}}}\n");
        assert_eq!(file::decode(text.as_bytes()), None, "{state}");
    }
}

#[tokio::test]
async fn what_is_not_a_file_of_ours_is_moved_aside() {
    let (folder, store) = store();
    store.check("dip").unwrap();
    let path = store.path("dip", "json");
    let elsewhere = folder.path().join("elsewhere.json");
    fs::write(&elsewhere, sample()).unwrap();
    let makers: [&dyn Fn(); 4] = [
        &|| symlink(&elsewhere, &path).unwrap(),
        &|| symlink("nowhere", &path).unwrap(),
        &|| fs::create_dir(&path).unwrap(),
        &|| {
            let file = File::create(&path).unwrap();
            file.set_len(file::SIZE_MAX as u64 + 1).unwrap();
        },
    ];
    for (index, make) in makers.into_iter().enumerate() {
        make();
        assert_eq!(store.read("dip"), Ok(None), "{index}");
        let mut locked = store.lock("dip", PATIENT).await.unwrap();
        assert_eq!(*locked, State::new("dip"), "{index}");
        let aside = locked.set_aside().unwrap().to_owned();
        assert!(fs::symlink_metadata(&aside).is_ok(), "{index}");
        assert!(
            aside
                .file_name()
                .unwrap()
                .to_str()
                .unwrap()
                .starts_with("dip.corrupt-")
        );
        locked.save().unwrap();
        assert_eq!(store.read("dip"), Ok(Some(State::new("dip"))), "{index}");
        fs::remove_file(&path).unwrap();
    }
    // Its target was not touched.
    assert_eq!(fs::read(&elsewhere).unwrap(), sample());
}

#[tokio::test]
async fn a_pipe_in_the_place_of_a_state_is_not_waited_for() {
    let (_folder, store) = store();
    store.check("dip").unwrap();
    let path = store.path("dip", "json");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &path,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
        0,
    )
    .unwrap();
    assert_eq!(store.read("dip"), Ok(None));
    assert!(
        store
            .lock("dip", PATIENT)
            .await
            .unwrap()
            .set_aside()
            .is_some()
    );
}

#[tokio::test]
async fn a_file_of_another_user_is_not_trusted() {
    let (_folder, store) = store();
    store.lock("dip", PATIENT).await.unwrap().save().unwrap();
    // Only root may give a file away.
    if std::os::unix::fs::chown(store.path("dip", "json"), Some(12_345), None).is_err() {
        return;
    }
    assert_eq!(store.read("dip"), Ok(None));
    assert!(
        store
            .lock("dip", PATIENT)
            .await
            .unwrap()
            .set_aside()
            .is_some()
    );
}

#[tokio::test]
async fn two_damaged_files_of_one_second_are_both_kept() {
    let (_folder, store) = store();
    let contents: Vec<String> = (0..20).map(|n| format!("damaged {n}")).collect();
    for content in &contents {
        open(&store, content.as_bytes()).await;
    }
    let mut kept: Vec<_> = fs::read_dir(&store.directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_str().unwrap().contains("dip.corrupt-"))
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
    kept.sort_by_key(|text| contents.iter().position(|content| content == text));
    assert_eq!(kept, contents);
}
