//! Processes that are killed at random moments between deciding and acting.

use std::collections::BTreeSet;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use super::*;
use crate::alert::Verdict;
use crate::model::{Clock, SystemClock};

const FOLDER: &str = "STORE_CRASH_FOLDER";
const CHILD: &str = "store::alerts::tests::crash::fires_and_acts_until_it_is_killed";
const MARKET: &str = "kraken:BTC/USD";
const KILLS: usize = 50;
/// How long a child may take to fire once, on the slowest machine.
const BOUND: Duration = Duration::from_secs(60);

fn ledger(folder: &Path) -> PathBuf {
    folder.join("ledger")
}

/// One edge: the rule is armed by a false condition and fires by a true one, at moments of its own.
fn decide(state: &mut State) {
    let market = state.markets.entry(MARKET.into()).or_insert(MarketState {
        hash: String::new(),
        memory: Memory::default(),
        watermarks: Default::default(),
        generation: 0,
        checked_at: at(0),
    });
    let moment = at(market.generation as i64);
    let policy = Policy::default();
    market
        .memory
        .observe(&policy, moment, Truth::False, Truth::True);
    let verdict = market
        .memory
        .observe(&policy, moment, Truth::True, Truth::False);
    assert_eq!(verdict, Some(Verdict::Fired { at: moment }));
    // Two processes that decided the same would have two ids for it.
    let id = format!("{}-{}", market.generation, std::process::id());
    market.generation += 1;
    state.outbox.push(Pending {
        id: id.clone(),
        market: MARKET.into(),
        event: "{}".into(),
        fired_at: moment,
        actions: vec![PendingAction::new("line")],
    });
    state.remember(past(id));
}

/// Acts on what it can claim. A claim of a process that was killed ends soon, so that the next one takes it over.
async fn act(store: &AlertStore, folder: &Path) {
    let now = SystemClock.now();
    let until = now.plus_nanos(20_000_000);
    let mut locked = store.lock("dip", PATIENT).await.unwrap();
    let claims = locked.claim(now, until, std::process::id(), 4, &|_| true);
    locked.save().unwrap();
    drop(locked);
    for claim in claims {
        let mut ledger = OpenOptions::new()
            .append(true)
            .create(true)
            .open(ledger(folder))
            .unwrap();
        ledger
            .write_all(format!("{}\n", claim.id).as_bytes())
            .unwrap();
        let mut locked = store.lock("dip", PATIENT).await.unwrap();
        locked.done(&claim);
        locked.save().unwrap();
    }
}

#[tokio::test]
#[ignore = "run by no_kill_loses_a_firing_or_records_one_twice"]
async fn fires_and_acts_until_it_is_killed() {
    let folder = PathBuf::from(std::env::var_os(FOLDER).expect("the other test names a folder"));
    let store = AlertStore::new(folder.join("alerts"));
    loop {
        store.check("dip").unwrap();
        let mut locked = store.lock("dip", PATIENT).await.unwrap();
        decide(&mut locked);
        locked.save().unwrap();
        drop(locked);
        act(&store, &folder).await;
    }
}

fn spawn(folder: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", CHILD, "--ignored", "--test-threads=1"])
        .env(FOLDER, folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn generation(state: &State) -> u64 {
    state
        .markets
        .get(MARKET)
        .map_or(0, |market| market.generation)
}

/// What must be true at any moment.
fn check(state: &State, folder: &Path) {
    let firings = generation(state);
    let kept = firings.saturating_sub(HISTORY_MAX as u64)..firings;
    let recorded: Vec<_> = state.history.iter().map(|past| number(&past.id)).collect();
    let expected: Vec<_> = kept.collect();
    assert_eq!(recorded, expected, "each firing is recorded exactly once");

    let acted = fs::read_to_string(ledger(folder)).unwrap_or_default();
    let mut known: BTreeSet<&str> = acted.lines().collect();
    known.extend(state.outbox.iter().map(|pending| &*pending.id));
    let mut numbers: Vec<u64> = known.into_iter().map(number).collect();
    numbers.sort_unstable();
    let all: Vec<u64> = (0..firings).collect();
    assert_eq!(
        numbers, all,
        "each firing was acted on or will be, under one id"
    );
}

fn number(id: &str) -> u64 {
    id.split('-').next().unwrap().parse().unwrap()
}

/// Waits until the children have fired once more.
fn await_progress(store: &AlertStore, before: u64) {
    let started = Instant::now();
    while generation(&store.read("dip").unwrap().unwrap_or_default()) <= before {
        assert!(started.elapsed() < BOUND, "no child fires");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[tokio::test]
async fn no_kill_loses_a_firing_or_records_one_twice() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let store = AlertStore::new(folder.join("alerts"));
    // Two at a time: runs that overlap.
    for _ in 0..KILLS / 2 {
        let before = generation(&store.read("dip").unwrap().unwrap_or_default());
        let mut children = [spawn(folder), spawn(folder)];
        await_progress(&store, before);
        for child in &mut children {
            std::thread::sleep(Duration::from_micros(fastrand::u64(..40_000)));
            child.kill().unwrap();
            child.wait().unwrap();
        }
        let locked = store.lock("dip", PATIENT).await.unwrap();
        assert_eq!(locked.set_aside(), None, "the state is whole");
        check(&locked, folder);
    }

    // The next run finds what was left, as soon as the claims of the killed have ended.
    let started = Instant::now();
    loop {
        act(&store, folder).await;
        let state = store.read("dip").unwrap().unwrap();
        check(&state, folder);
        if state.outbox.is_empty() {
            break;
        }
        assert!(started.elapsed() < BOUND, "the outbox is never empty");
    }
}
