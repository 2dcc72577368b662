//! The files as other processes, other users and broken disks leave them.

mod contention;
mod crash;
mod damage;
mod faults;

use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::alert::{Memory, Policy};
use crate::expression::Truth;
use crate::model::Timestamp;

/// Longer than any lock is held here, so that only a lock that is never released fails a test.
const PATIENT: Duration = Duration::from_secs(60);

fn at(nanos: i64) -> Timestamp {
    Timestamp::from_nanos(nanos)
}

fn store() -> (tempfile::TempDir, AlertStore) {
    let folder = tempfile::tempdir().unwrap();
    let store = AlertStore::new(folder.path().join("deep/alerts"));
    (folder, store)
}

fn past(id: impl Into<String>) -> Past {
    Past {
        id: id.into(),
        market: "kraken:BTC/USD".into(),
        at: at(7),
        price: Some("50000.10".into()),
        outcome: "fired".into(),
    }
}

/// A state that has something in every field.
fn fill(state: &mut State) {
    let mut memory = Memory::default();
    memory.observe(&Policy::default(), at(5), Truth::True, Truth::False);
    let watermark = Watermark {
        id: Some(u64::MAX),
        time: at(i64::MIN),
        price: Some("0.000000010".into()),
    };
    let market = MarketState {
        hash: "00ff".into(),
        memory,
        watermarks: [("kraken:ETH/USD".into(), watermark)].into(),
        generation: 3,
        checked_at: at(1_790_000_000_123_456_789),
    };
    state.markets.insert("kraken:BTC/USD".into(), market);
    state.outbox.push(Pending {
        id: "a-3".into(),
        market: "kraken:BTC/USD".into(),
        event: r#"{"type":"alert","message":"\"quoted\" ✓"}"#.into(),
        fired_at: at(5),
        actions: vec![PendingAction::new("line"), PendingAction::new("exec")],
    });
    state.claim(at(6), at(9), 42, 1, &|_| true);
    state.remember(past("a-3"));
}

fn modes(folder: &Path) -> Vec<(String, u32)> {
    let mut modes: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
            (entry.file_name().into_string().unwrap(), mode)
        })
        .collect();
    modes.sort();
    modes
}

#[tokio::test]
async fn what_was_saved_is_read_back_by_this_user_alone() {
    let (_folder, store) = store();
    assert_eq!(store.read("dip"), Ok(None));
    let mut locked = store.lock("dip", PATIENT).await.unwrap();
    assert_eq!(*locked, State::new("dip"));
    fill(&mut locked);
    locked.save().unwrap();
    let saved = locked.clone();
    drop(locked);

    let locked = store.lock("dip", PATIENT).await.unwrap();
    assert_eq!(*locked, saved);
    assert_eq!(locked.set_aside(), None);
    assert_eq!(store.read("dip"), Ok(Some(saved)));
    let mode = fs::metadata(&store.directory).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    assert_eq!(
        modes(&store.directory),
        [("dip.json".into(), 0o600), ("dip.lock".into(), 0o600)]
    );
}

#[tokio::test]
async fn what_was_not_saved_is_forgotten() {
    let (_folder, store) = store();
    let mut locked = store.lock("dip", PATIENT).await.unwrap();
    fill(&mut locked);
    drop(locked);
    assert_eq!(store.read("dip"), Ok(None));
}

#[tokio::test]
async fn any_name_stays_inside_of_the_folder_and_is_listed() {
    let (folder, store) = store();
    let long = "x".repeat(300);
    let names = [
        "",
        ".",
        "..",
        "../up",
        "/etc/passwd",
        "a/b",
        "nul\0",
        "Über ✓",
        "dip",
        "Dip",
        &long,
    ];
    for name in names {
        store.check(name).unwrap();
        let mut locked = store.lock(name, PATIENT).await.unwrap();
        locked.remember(past("1"));
        locked.save().unwrap();
    }
    let mut sorted = names.map(String::from);
    sorted.sort();
    let listed = store.list().unwrap();
    assert_eq!(
        listed.into_iter().map(|s| s.name).collect::<Vec<_>>(),
        sorted
    );
    for name in names {
        assert_eq!(store.read(name).unwrap().unwrap().name, name);
    }
    assert_eq!(modes(&store.directory).len(), 2 * names.len());
    assert_eq!(modes(folder.path()).len(), 1);
    assert_eq!(modes(&folder.path().join("deep")).len(), 1);
}

#[tokio::test]
async fn only_states_in_their_own_place_are_listed() {
    let (_folder, store) = store();
    assert_eq!(store.list(), Ok(vec![]));
    store.lock("dip", PATIENT).await.unwrap().save().unwrap();
    let original = store.path("dip", "json");
    fs::copy(&original, store.path("copy", "json")).unwrap();
    fs::copy(&original, original.with_extension("bak")).unwrap();
    fs::write(store.path("broken", "json"), "{}").unwrap();
    assert_eq!(store.list(), Ok(vec![State::new("dip")]));
    // A copy is another rule's state: not trusted either.
    assert_eq!(store.read("copy"), Ok(None));
    let locked = store.lock("copy", PATIENT).await.unwrap();
    assert!(locked.set_aside().is_some());
}

#[tokio::test]
async fn reset_forgets_a_rule_and_says_whether_there_was_one() {
    let (_folder, store) = store();
    store.lock("dip", PATIENT).await.unwrap().save().unwrap();
    assert_eq!(store.lock("dip", PATIENT).await.unwrap().reset(), Ok(true));
    assert_eq!(store.read("dip"), Ok(None));
    assert_eq!(store.lock("dip", PATIENT).await.unwrap().reset(), Ok(false));
    assert_eq!(modes(&store.directory), [("dip.lock".into(), 0o600)]);
}
