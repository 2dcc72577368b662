//! What a firing does: programs, webhooks, and nothing at all on a dry run.

use std::collections::BTreeSet;
use std::path::Path;

use tickwire::sim::Venue;

use crate::alert_support::{Market, Receiver, lines_of, memories};
use crate::support::{Record, World};

const HIGH: &str = "price > 68000";

/// A script that writes down its arguments, each with a NUL, its environment, and its stdin.
fn recorder(world: &World) -> String {
    use std::os::unix::fs::PermissionsExt;
    let path = world.path("record");
    let script = "#!/bin/sh\ncd \"$(dirname \"$0\")\"\nprintf '%s\\0' \"$@\" > argv\nenv > environment\ncat > input\n";
    std::fs::write(&path, script).unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
    path.to_str().unwrap().to_owned()
}

fn read(world: &World, name: &str) -> String {
    std::fs::read_to_string(world.path(name)).unwrap()
}

/// The value of a variable that the script saw.
fn variable(environment: &str, name: &str) -> Option<String> {
    let mut lines = environment.lines();
    let prefix = format!("{name}=");
    lines.find_map(|line| line.strip_prefix(&prefix).map(str::to_owned))
}

const NASTY: [&str; 8] = [
    "$(touch pwned)",
    "`touch pwned`",
    "; touch pwned",
    "two\nlines",
    "-rf",
    "--",
    "",
    "{{message}} $TICKWIRE_PRICE %s \\n '\"",
];

#[tokio::test]
async fn a_program_gets_exactly_its_arguments() {
    let market = Market::open(Venue::Kraken, "69000.10").await;
    let program = recorder(&market.world);
    let rule = [
        "BTC",
        HIGH,
        "--once",
        "--message",
        NASTY[0],
        "--exec",
        &program,
    ];
    let done = market
        .world
        .alert(&[&rule[..], &NASTY].concat())
        .await
        .exits(0);
    let argv = read(&market.world, "argv");
    let argv: Vec<_> = argv.strip_suffix('\0').unwrap().split('\0').collect();
    assert_eq!(argv, NASTY);
    let pwned = |folder: &Path| folder.join("pwned").exists();
    assert!(!pwned(&market.world.path("")) && !pwned(&std::env::current_dir().unwrap()));
    let input = read(&market.world, "input");
    assert_eq!(input, done.stdout);
}

#[tokio::test]
async fn a_program_gets_the_firing_in_its_environment_and_no_secrets() {
    let market = Market::open(Venue::Kraken, "69000.10").await;
    let program = recorder(&market.world);
    let arguments = [
        "alert",
        "BTC",
        HIGH,
        "--once",
        "--name",
        "rule",
        "--message",
        "it's high",
        "--exec",
        &program,
    ];
    let mut command = market.world.command_of(&arguments);
    command
        .env("TICKWIRE_CANARY", "canary-1")
        .env("TICKWIRE_REDIS__URL", "redis://user:canary-2@127.0.0.1:1/")
        .env("HTTPS_PROXY", "http://user:canary-3@127.0.0.1:1")
        .env("NO_PROXY", "127.0.0.1")
        .env("UNRELATED", "stays");
    let done = crate::support::finish(command).await.exits(0);
    let told = Record::parse(done.stdout.trim_end());
    let environment = read(&market.world, "environment");
    for (name, value) in [
        ("NAME", "rule"),
        ("ID", &*told.text("id")),
        ("EXCHANGE", "kraken"),
        ("SYMBOL", "BTC/USD"),
        ("PRICE", told.raw("price")),
        ("CONDITION", HIGH),
        ("MESSAGE", "it's high"),
        ("TIMESTAMP", &*told.text("timestamp")),
    ] {
        let found = variable(&environment, &format!("TICKWIRE_{name}"));
        assert_eq!(found.as_deref(), Some(value), "{name}");
    }
    assert_eq!(environment.matches("TICKWIRE_").count(), 8, "{environment}");
    assert!(!environment.contains("canary"), "{environment}");
    assert_eq!(
        variable(&environment, "UNRELATED").as_deref(),
        Some("stays")
    );
}

#[tokio::test]
async fn a_program_neither_disturbs_nor_delays_the_output() {
    let market = Market::open(Venue::Kraken, "69000").await;
    let noisy = "echo out; echo err >&2; yes | head -c 1000000";
    let rule = ["BTC", HIGH, "--once", "--exec", "sh", "-c", noisy];
    let done = market.world.alert(&rule).await.exits(0);
    assert_eq!(done.lines().len(), 1, "{done:#?}");
    assert_eq!(done.stderr, "");
    let failing = "echo why it failed >&2; exit 7";
    let rule = ["BTC", HIGH, "--once", "--exec", "sh", "-c", failing];
    let done = market.world.alert(&rule).await.exits(4);
    done.says("why it failed").says("7");
}

#[tokio::test]
async fn a_webhook_gets_the_event_and_its_key() {
    let market = Market::open(Venue::Kraken, "69000").await;
    let receiver = Receiver::start().await;
    let url = receiver.url("hook?a=b");
    let rule = ["BTC", HIGH, "--once", "--webhook", &url];
    let done = market.world.alert(&rule).await.exits(0);
    let posts = receiver.posts();
    assert_eq!(posts.len(), 1);
    assert!(
        posts[0].head.starts_with("POST /hook?a=b HTTP/1.1"),
        "{posts:?}"
    );
    assert_eq!(posts[0].header("content-type"), "application/json");
    assert_eq!(posts[0].body.trim_end(), done.stdout.trim_end());
    let id = Record::parse(&posts[0].body).text("id");
    assert_eq!(posts[0].header("idempotency-key"), id);
}

#[tokio::test]
async fn a_webhook_that_failed_is_tried_again_by_the_next_run() {
    let market = Market::open(Venue::Kraken, "67000").await;
    let receiver = Receiver::start().await;
    let url = receiver.url("hook");
    let flags = ["--webhook", &*url];
    market.check(HIGH, &flags).await.exits(1);
    market.print(&["69000"]);
    receiver.reply(&["500 Oops"; 3]);
    let failed = market.check(HIGH, &flags).await.exits(4).says("500");
    assert_eq!(failed.lines().len(), 1, "{failed:#?}");
    let first = receiver.posts();
    assert_eq!(first.len(), 3);
    // The line was told already; only what failed is done again.
    market.check(HIGH, &flags).await.exits(1).prints_nothing();
    let posts = receiver.posts();
    assert_eq!(posts.len(), 4);
    let id = failed.records()[0].text("id");
    for post in &posts {
        assert_eq!(post.header("idempotency-key"), id);
        assert_eq!(post.body, posts[0].body);
    }
    market.check(HIGH, &flags).await.exits(1);
    assert_eq!(receiver.posts().len(), 4);
}

#[tokio::test]
async fn a_template_of_the_configuration_is_posted_with_its_headers() {
    let receiver = Receiver::start().await;
    let mut market = Market::open(Venue::Kraken, "69000").await;
    market.world = market.world.config(&format!(
        "[actions.chat]\nwebhook = \"{}\"\ntemplate = '{{\"text\": \"{{{{symbol}}}}: {{{{message}}}}\"}}'\n\
         [actions.chat.headers]\nX-Token = \"t\"\n",
        receiver.url("chat")
    ));
    let message = "\"high\"\r\nX-Evil: 1";
    let rule = [
        "BTC",
        HIGH,
        "--once",
        "--webhook",
        "chat",
        "--message",
        message,
    ];
    market.world.alert(&rule).await.exits(0);
    let posts = receiver.posts();
    assert_eq!(posts[0].header("x-token"), "t");
    assert!(
        !posts[0].head.to_lowercase().contains("x-evil"),
        "{posts:?}"
    );
    let body = Record::parse(&posts[0].body);
    assert_eq!(body.text("text"), format!("BTC/USD: {message}"));
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let market = Market::open(Venue::Kraken, "69000").await;
    let (receiver, elsewhere) = (Receiver::start().await, Receiver::start().await);
    let reply = format!("307 Moved\r\nLocation: {}", elsewhere.url("stolen"));
    receiver.reply(&[Box::leak(reply.into_boxed_str())]);
    let url = receiver.url("hook");
    let rule = ["BTC", HIGH, "--once", "--webhook", &url];
    market.world.alert(&rule).await.exits(4).says("redirect");
    assert_eq!((receiver.posts().len(), elsewhere.posts().len()), (1, 0));
}

#[tokio::test]
async fn addresses_that_no_webhook_may_have_are_refused() {
    let market = Market::open(Venue::Kraken, "69000").await;
    for url in [
        "http://169.254.169.254/latest/meta-data",
        "http://[fe80::1]/",
        "http://[::ffff:169.254.169.254]/",
        "http://metadata.google.internal/",
        "http://0xa9fea9fe/",
        "http://2852039166/",
    ] {
        let rule = ["BTC", HIGH, "--once", "--webhook", url];
        let done = market.world.alert(&rule).await;
        assert!(matches!(done.code(), 2 | 4), "{url}: {done:#?}");
    }
    for url in ["file:///etc/passwd", "gopher://127.0.0.1/", "http://"] {
        let rule = ["BTC", HIGH, "--once", "--webhook", url];
        market.world.alert(&rule).await.exits(2).prints_nothing();
    }
}

#[tokio::test]
async fn a_dry_run_does_nothing_and_remembers_nothing() {
    let market = Market::open(Venue::Kraken, "69000").await;
    let receiver = Receiver::start().await;
    let url = receiver.url("secret-path");
    let file = market.world.path("done");
    let path = file.to_str().unwrap();
    let flags = ["--dry-run", "--webhook", &url, "--exec", "touch", path];
    for _ in 0..2 {
        let done = market.check(HIGH, &flags).await.exits(0);
        assert!(!done.stderr.contains("secret-path"), "{done:#?}");
        let done = done.says("dry run").says("touch");
        assert_eq!(done.lines().len(), 1, "{done:#?}");
    }
    let watch = [
        "BTC",
        HIGH,
        "--name",
        "rule",
        "-n",
        "1",
        "--dry-run",
        "--exec",
        "touch",
        path,
    ];
    market.world.alert(&watch).await.exits(0);
    assert!(receiver.posts().is_empty() && !file.exists());
    assert_eq!(market.store().list().unwrap(), []);
    // What was remembered before stays as it was.
    market.check(HIGH, &[]).await.exits(0);
    let before = market.store().read("rule").unwrap();
    market.print(&["67000", "69000"]);
    market.check(HIGH, &["--dry-run"]).await.exits(0);
    assert_eq!(market.store().read("rule").unwrap(), before);
}

#[tokio::test]
async fn a_bell_without_a_terminal_is_silent() {
    let market = Market::open(Venue::Kraken, "69000").await;
    let done = market
        .world
        .alert(&["BTC", HIGH, "--once", "--bell"])
        .await
        .exits(0);
    assert!(!done.stdout.contains('\x07'));
    assert_eq!(done.stderr, "");
}

#[cfg(not(feature = "desktop"))]
#[tokio::test]
async fn a_notification_that_was_not_built_in_is_a_usage_error() {
    let market = Market::open(Venue::Kraken, "69000").await;
    let done = market
        .world
        .alert(&["BTC", HIGH, "--once", "--notify"])
        .await;
    done.exits(2).prints_nothing().says("notif").says("hint:");
}

#[tokio::test]
async fn an_action_that_is_gone_leaves_the_outbox_with_a_word() {
    let market = Market::open(Venue::Kraken, "67000").await;
    let receiver = Receiver::start().await;
    let url = receiver.url("hook");
    market.check(HIGH, &["--webhook", &url]).await.exits(1);
    market.print(&["69000"]);
    receiver.reply(&["500 Oops"; 3]);
    market.check(HIGH, &["--webhook", &url]).await.exits(4);
    market.check(HIGH, &[]).await.says("webhook");
    assert_eq!(market.store().read("rule").unwrap().unwrap().outbox, []);
}

#[tokio::test]
async fn no_more_than_four_programs_run_at_once() {
    let market = Market::open(Venue::Kraken, "67000").await;
    let file = market.world.path("running");
    let path = file.to_str().unwrap();
    let script = r#"echo + >> "$0"; sleep 0.1; echo - >> "$0""#;
    let flags = ["--exec", "sh", "-c", script, path];
    market.check(HIGH, &flags).await.exits(1);
    market.print(&["69000", "67000"].repeat(12));
    let done = market.check(HIGH, &flags).await.exits(0);
    assert_eq!(done.lines().len(), 12);
    let (mut running, mut most) = (0, 0);
    for line in lines_of(&file) {
        running += if line == "+" { 1 } else { -1 };
        most = most.max(running);
    }
    assert_eq!(running, 0);
    assert!((1..=4).contains(&most), "{most}");
}

#[tokio::test]
async fn firings_that_cannot_be_delivered_do_not_pile_up() {
    const CROSSINGS: usize = 120;
    const WAITING: usize = 100;
    let market = Market::open(Venue::Kraken, "67000").await;
    // A message that counts: so many firings as wait fit in a state of this size, and all do not.
    let message = "x".repeat(9 * 1024);
    let url = "http://127.0.0.1:1/hook";
    let flags = ["--webhook", url, "--message", &message];
    market.check(HIGH, &flags).await.exits(1);
    market.print(&["69000", "67000"].repeat(CROSSINGS));
    market.check(HIGH, &flags).await.exits(4);
    let state = market.state("rule");
    let waiting: BTreeSet<_> = state.outbox.iter().map(|p| p.id.as_str()).collect();
    assert!(waiting.len() <= WAITING, "{} wait", waiting.len());
    let given_up = state.history.iter();
    let given_up = given_up.filter(|past| past.outcome.starts_with("dead letter"));
    let given_up: BTreeSet<_> = given_up.map(|past| past.id.as_str()).collect();
    assert!(given_up.is_disjoint(&waiting), "{given_up:?}");
    assert_eq!(waiting.len() + given_up.len(), CROSSINGS);
    let bytes = std::fs::metadata(memories(&market.world).join("rule.json"));
    let bytes = bytes.unwrap().len();
    assert!(bytes < 1 << 20, "{bytes} bytes");
}
