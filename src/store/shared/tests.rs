use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tempfile::TempDir;
use tokio::time::timeout;

use super::*;
use crate::model::{Clock, SystemClock, Timestamp};

/// Longer than anything takes that works.
const WAIT: Duration = Duration::from_secs(30);
const INTERVAL: Duration = Duration::from_secs(3_600);
/// Tells the process that [`a_process_that_holds_a_question`] is to be.
const HELD: &str = "TICKWIRE_TEST_HELD_DIRECTORY";

fn folder() -> (TempDir, PathBuf) {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("cache/shared");
    (home, path)
}

fn shared(path: &Path) -> Shared {
    Shared::new(path, Arc::new(SystemClock))
}

fn now() -> Timestamp {
    SystemClock.now()
}

async fn asked(shared: &Shared, key: u64) -> Question {
    let question = shared.question(key, WAIT).await;
    question.expect("the question comes free")
}

fn files(path: &Path, head: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(path).unwrap().map(|entry| entry.unwrap());
    let named = entries.filter(|e| e.file_name().to_str().unwrap().starts_with(head));
    named.map(|entry| entry.path()).collect()
}

#[tokio::test]
async fn an_answer_is_taken_by_whoever_wanted_it_before_it_was_asked_for() {
    let (_home, path) = folder();
    let wanted_at = now();
    let sent_at = now();
    let mut question = asked(&shared(&path), 1).await;
    assert_eq!(question.answer(wanted_at), None);
    question.keep(sent_at, now(), "a note", "line\nline");
    drop(question);
    let mut question = asked(&shared(&path), 1).await;
    let answer = question.answer(wanted_at).unwrap();
    assert_eq!((&*answer.note, &*answer.body), ("a note", "line\nline"));
    assert_eq!(answer.sent_at, sent_at);
    assert!(question.answer(sent_at).is_some());
    // wanted after it was asked for, by however little
    assert_eq!(question.answer(sent_at.plus_nanos(1)), None);
    assert_eq!(asked(&shared(&path), 2).await.answer(wanted_at), None);
}

#[tokio::test]
async fn an_answer_from_the_future_is_not_believed() {
    let (_home, path) = folder();
    let mut question = asked(&shared(&path), 1).await;
    let later = now().plus_nanos(3_600_000_000_000);
    question.keep(later, later, "", "body");
    assert_eq!(question.answer(now()), None);
    question.keep(now(), later, "", "body");
    assert_eq!(question.answer(Timestamp::from_nanos(0)), None);
}

#[tokio::test]
async fn one_asks_and_the_others_wait_as_long_as_they_care_to() {
    let (_home, path) = folder();
    let first = asked(&shared(&path), 1).await;
    let shortly = Duration::from_millis(20);
    assert!(shared(&path).question(1, shortly).await.is_none());
    assert!(shared(&path).question(2, shortly).await.is_some());
    let waiting = tokio::spawn({
        let path = path.clone();
        async move { asked(&shared(&path), 1).await }
    });
    tokio::task::yield_now().await;
    drop(first);
    timeout(WAIT, waiting).await.unwrap().unwrap();
}

/// Not a test of its own: what [`a_holder_that_is_killed_holds_nothing_any_more`] starts and kills.
#[tokio::test]
#[ignore = "runs as a process of another test"]
async fn a_process_that_holds_a_question() {
    let Some(path) = std::env::var_os(HELD) else {
        return;
    };
    let shared = shared(Path::new(&path));
    let _question = asked(&shared, 1).await;
    let _budget = shared.locked("budget", WAIT).await.unwrap();
    println!("\nheld");
    tokio::time::sleep(WAIT).await;
}

#[tokio::test]
async fn a_holder_that_is_killed_holds_nothing_any_more() {
    let (_home, path) = folder();
    let holder = "store::shared::tests::a_process_that_holds_a_question";
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", holder, "--ignored", "--nocapture"])
        .env(HELD, &path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap() == "held"));
    let shared = shared(&path);
    let shortly = Duration::from_millis(20);
    assert!(shared.question(1, shortly).await.is_none());
    assert!(shared.locked("budget", shortly).await.is_none());
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(shared.question(1, WAIT).await.is_some());
    assert!(shared.locked("budget", WAIT).await.is_some());
}

#[tokio::test]
async fn damaged_files_are_overwritten_and_never_believed() {
    let (_home, path) = folder();
    let shared = shared(&path);
    let budget = shared.budget("host:1", INTERVAL, 1);
    let (start, sent_at) = (now(), now());
    let mut question = asked(&shared, 1).await;
    question.keep(sent_at, now(), "note", "body");
    drop(question);
    let whole = fs::read(&files(&path, "answer-")[0]).unwrap();
    let mut damaged: Vec<Vec<u8>> = (0..whole.len()).map(|n| whole[..n].to_vec()).collect();
    damaged.extend((0..whole.len()).map(|n| {
        let mut flipped = whole.clone();
        flipped[n] ^= 1;
        flipped
    }));
    damaged.push(vec![0xff; 5_000]);
    for bytes in &damaged {
        fs::write(&files(&path, "answer-")[0], bytes).unwrap();
        let mut question = asked(&shared, 1).await;
        assert_eq!(question.answer(start), None);
        question.keep(sent_at, now(), "note", "body");
        assert!(question.answer(start).is_some());
    }
    assert_eq!(budget.take(1).await, Permit::Granted);
    for bytes in &damaged {
        fs::write(&files(&path, "budget-")[0], bytes).unwrap();
        assert_eq!(budget.take(1).await, Permit::Granted);
        assert!(matches!(budget.take(1).await, Permit::Wait(_)));
    }
    let question = asked(&shared, 1).await;
    shared.want(1, &wanted("x")).await;
    for bytes in &damaged {
        fs::write(&files(&path, "wanted-")[0], bytes).unwrap();
        shared.want(1, &wanted("y")).await;
        let taken = question.wanted().await;
        assert!(taken.len() < 3, "{taken:?}");
        assert_eq!(question.wanted().await, []);
    }
}

fn wanted(note: &str) -> Wanted {
    let note = note.to_owned();
    Wanted { at: now(), note }
}

#[tokio::test]
async fn a_folder_that_cannot_be_used_leaves_everybody_alone() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("file");
    File::create(&file).unwrap();
    let link = home.path().join("link");
    std::os::unix::fs::symlink(home.path(), &link).unwrap();
    for path in [file.clone(), file.join("below"), link] {
        let shared = shared(&path);
        assert!(shared.question(1, WAIT).await.is_none());
        let budget = shared.budget("host:1", INTERVAL, 1);
        assert_eq!(budget.take(1).await, Permit::Unknown);
        budget.pause(INTERVAL, None).await;
        shared.want(1, &wanted("x")).await;
    }
    // a folder in the place of a file
    let path = home.path().join("shared");
    let shared = shared(&path);
    fs::create_dir_all(path.join(format!("answer-{:016x}", 1))).unwrap();
    assert!(shared.question(1, WAIT).await.is_none());
}

#[tokio::test]
async fn nobody_else_can_read_what_is_shared() {
    let (_home, path) = folder();
    let shared = shared(&path);
    let mut question = asked(&shared, 1).await;
    question.keep(now(), now(), "", "body");
    shared.want(1, &wanted("x")).await;
    shared.budget("host:1", INTERVAL, 1).take(1).await;
    let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
    assert_eq!(mode(&path), 0o700);
    let all = files(&path, "");
    assert_eq!(all.len(), 3);
    for file in all {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
    // and a folder that others may enter is closed
    fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).unwrap();
    assert!(shared.question(2, WAIT).await.is_some());
    assert_eq!(mode(&path), 0o700);
}

#[tokio::test]
async fn old_answers_are_removed_but_not_under_somebody_s_hands() {
    let (_home, path) = folder();
    let shared = shared(&path);
    let body = "secret".repeat(100);
    for key in [1, 2] {
        asked(&shared, key).await.keep(now(), now(), "", &body);
    }
    let held = asked(&shared, 2).await;
    let old = SystemTime::now() - Duration::from_secs(3);
    for file in files(&path, "answer-") {
        File::open(file).unwrap().set_modified(old).unwrap();
    }
    shared.budget("host:1", INTERVAL, 1).take(1).await;
    asked(&shared, 3).await.keep(now(), now(), "", "new");
    let names = |key: u64| path.join(format!("answer-{key:016x}"));
    assert!(!names(1).exists());
    assert!(names(2).exists() && names(3).exists());
    assert_eq!(files(&path, "budget-").len(), 1);
    drop(held);
    asked(&shared, 3).await.keep(now(), now(), "", "new");
    assert!(!names(2).exists());
    assert!(
        asked(&shared, 1)
            .await
            .answer(Timestamp::from_nanos(0))
            .is_none()
    );
}

#[tokio::test]
async fn a_question_is_asked_by_one_at_a_time_even_while_files_are_removed() {
    let (_home, path) = folder();
    let mut tasks = tokio::task::JoinSet::new();
    let inside = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    for _ in 0..8 {
        let (shared, inside) = (shared(&path), inside.clone());
        let file = path.join(format!("answer-{:016x}", 1));
        tasks.spawn(async move {
            use std::sync::atomic::Ordering::SeqCst;
            for _ in 0..20 {
                let mut question = asked(&shared, 1).await;
                assert_eq!(inside.fetch_add(1, SeqCst), 0);
                tokio::task::yield_now().await;
                question.keep(now(), now(), "", "body");
                let old = SystemTime::now() - Duration::from_secs(3);
                File::open(&file).unwrap().set_modified(old).unwrap();
                inside.fetch_sub(1, SeqCst);
                drop(question);
                asked(&shared, 2).await.keep(now(), now(), "", "");
            }
        });
    }
    timeout(WAIT, tasks.join_all()).await.expect("all get it");
}

#[tokio::test]
async fn a_long_answer_is_kept_to_oneself() {
    let (_home, path) = folder();
    let mut question = asked(&shared(&path), 1).await;
    let start = now();
    question.keep(now(), now(), "", "short");
    question.keep(now(), now(), "", &"x".repeat(5 * 1024 * 1024));
    assert_eq!(question.answer(start), None);
}

#[tokio::test]
async fn what_is_wanted_is_told_once_and_only_while_it_is_new() {
    let (_home, path) = folder();
    let shared = shared(&path);
    let question = asked(&shared, 1).await;
    assert_eq!(question.wanted().await, []);
    let (first, second) = (wanted("one thing"), wanted("another"));
    let moved = |seconds: i64| Wanted {
        at: now().plus_nanos(seconds * 1_000_000_000),
        note: "old or new".into(),
    };
    for wanted in [&moved(-6), &first, &moved(60), &second] {
        shared.want(1, wanted).await;
    }
    shared.want(2, &wanted("elsewhere")).await;
    assert_eq!(question.wanted().await, [first, second]);
    assert_eq!(question.wanted().await, []);
}

#[tokio::test]
async fn a_list_of_wants_is_bounded() {
    let (_home, path) = folder();
    let shared = shared(&path);
    let question = asked(&shared, 1).await;
    for _ in 0..600 {
        shared.want(1, &wanted("x")).await;
    }
    assert_eq!(question.wanted().await.len(), 500);
    for _ in 0..40 {
        shared.want(1, &wanted(&"x".repeat(20_000))).await;
    }
    let size = fs::metadata(&files(&path, "wanted-")[0]).unwrap().len();
    assert!(size < 300_000, "{size}");
    assert!(!question.wanted().await.is_empty());
}

#[tokio::test]
async fn a_budget_is_one_for_all_processes_and_each_host_has_its_own() {
    let (_home, path) = folder();
    let budget = |host: &str| shared(&path).budget(host, INTERVAL, 3);
    for _ in 0..3 {
        assert_eq!(budget("host:1").take(1).await, Permit::Granted);
    }
    assert!(matches!(budget("host:1").take(1).await, Permit::Wait(_)));
    assert_eq!(budget("host:2").take(1).await, Permit::Granted);
}

#[tokio::test]
async fn what_never_reached_the_host_costs_nothing() {
    let (_home, path) = folder();
    let budget = shared(&path).budget("host:1", INTERVAL, 3);
    for _ in 0..10 {
        assert_eq!(budget.take(2).await, Permit::Granted);
        budget.give_back(2).await;
    }
    assert_eq!(budget.take(3).await, Permit::Granted);
    assert!(matches!(budget.take(1).await, Permit::Wait(_)));
}

#[tokio::test]
async fn a_pause_outlives_the_process_that_was_told_of_it() {
    let (_home, path) = folder();
    let budget = || shared(&path).budget("host:1", INTERVAL, 3);
    let connections = || shared(&path).connections("host:1", INTERVAL, 3);
    budget().pause(Duration::from_secs(600), Some(418)).await;
    connections().pause(Duration::from_secs(5), None).await;
    for of in [budget(), connections(), budget().by_way(7)] {
        let Permit::Paused(pause) = of.take(1).await else {
            panic!("not paused");
        };
        assert!(pause.left > Duration::from_secs(500), "{pause:?}");
        assert_eq!(pause.status, Some(418));
    }
}

#[tokio::test]
async fn a_refusal_outlives_the_process_that_was_refused_but_not_on_another_way_out() {
    let (_home, path) = folder();
    let budget = |way| shared(&path).budget("host:1", INTERVAL, 3).by_way(way);
    budget(1).refuse(Duration::from_secs(300), 451).await;
    let Permit::Paused(pause) = budget(1).take(1).await else {
        panic!("not refused");
    };
    assert_eq!(pause.status, Some(451));
    assert_eq!(budget(2).take(1).await, Permit::Granted);
    let connections = shared(&path).connections("host:1", INTERVAL, 3).by_way(1);
    assert_eq!(connections.take(1).await, Permit::Granted);
}

#[tokio::test]
async fn what_the_host_says_is_left_holds_for_all_processes() {
    let (_home, path) = folder();
    let budget = || shared(&path).budget("host:1", Duration::from_secs(1), 3);
    budget().hold(0, Duration::from_secs(60)).await;
    let Permit::Wait(wait) = budget().take(1).await else {
        panic!("not held");
    };
    assert!(wait > Duration::from_secs(50), "{wait:?}");
}

#[test]
fn texts_are_told_apart_by_their_key() {
    let keys = [
        key(["ab", "c"]),
        key(["a", "bc"]),
        key(["abc"]),
        key(["abc", ""]),
        key([]),
    ];
    for (n, one) in keys.iter().enumerate() {
        assert!(!keys[n + 1..].contains(one));
    }
    assert_eq!(key(["ab", "c"]), keys[0]);
}
