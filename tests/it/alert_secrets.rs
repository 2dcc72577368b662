//! Addresses, headers and passwords of an alert stand in no output and in no file.

use std::path::Path;

use tickwire::sim::Venue;

use crate::alert_support::{Market, Receiver, check};
use crate::support::{Done, files};

const HIGH: &str = "price > 68000";
const CANARY: &str = "c4nary";

/// Every file below this folder.
fn all_files(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for path in files(folder) {
        match path.is_dir() {
            true => found.extend(all_files(&path)),
            false => found.push(path),
        }
    }
    found
}

#[track_caller]
fn is_clean(done: &Done) {
    let all = format!("{}{}", done.stdout, done.stderr);
    assert!(!all.contains(CANARY), "{done:#?}");
}

#[tokio::test]
async fn no_secret_is_told_or_kept() {
    let receiver = Receiver::start().await;
    let mut market = Market::open(Venue::Kraken, "67000").await;
    let refused = format!("http://127.0.0.1:1/{CANARY}-path?key={CANARY}");
    market.world = market.world.config(&format!(
        "[actions.chat]\nwebhook = \"{}\"\n[actions.chat.headers]\nAuthorization = \"Bearer {CANARY}\"\n\
         [actions.closed]\nwebhook = \"{refused}\"\n\
         [actions.lost]\nwebhook = \"http://nowhere.invalid/{CANARY}\"\n",
        receiver.url(&format!("{CANARY}-path?key={CANARY}"))
    ));
    let proxy = format!("http://user:{CANARY}@127.0.0.1:1");
    market.world = market
        .world
        .env("HTTPS_PROXY", &proxy)
        .env("NO_PROXY", "127.0.0.1");
    let mut ends = Vec::new();
    for (n, action) in ["chat", "closed", "lost", "chat", &refused]
        .iter()
        .enumerate()
    {
        for level in ["-q", "-v", "-vv"] {
            for format in ["text", "json"] {
                let name = format!("rule {n} {level} {format}");
                let flags = [level, "--log-format", format, "--webhook", action];
                let rule = ["BTC", HIGH, "--once", "--name", &name];
                let arguments = [&rule[..], &flags].concat();
                if level == "-vv" {
                    receiver.reply(&["500 Oops"]);
                    market.print(&["69000"]);
                    ends.push(market.world.alert(&arguments).await);
                }
                let explain = ["BTC", HIGH, "--explain"];
                ends.push(market.world.alert(&[&explain[..], &flags].concat()).await);
                let dry = [&arguments[..], &["--dry-run"]].concat();
                ends.push(market.world.alert(&dry).await);
            }
        }
    }
    for arguments in ["alert --list", "alert --history rule", "alert -vv --once"] {
        ends.push(market.world.run(arguments).await);
    }
    assert!(!receiver.posts().is_empty(), "{ends:#?}");
    assert!(ends.iter().any(|done| done.code() == 4));
    ends.iter().for_each(is_clean);
    let config = market.world.path("config");
    for path in all_files(&market.world.path("")) {
        let text = std::fs::read(&path).unwrap();
        let text = String::from_utf8_lossy(&text);
        assert!(
            path.starts_with(&config) || !text.contains(CANARY),
            "{path:?}"
        );
    }
}

#[tokio::test]
async fn addresses_that_are_refused_are_not_repeated() {
    let market = Market::open(Venue::Kraken, "69000").await;
    for url in [
        format!("ftp://example.com/{CANARY}"),
        format!("http://user:{CANARY}@example.com:99999/{CANARY}"),
        format!("http://exa mple.com/{CANARY}"),
        format!("http://example.com:port/{CANARY}"),
    ] {
        let done = market.check(HIGH, &["--webhook", &url]).await;
        is_clean(&done.exits(2));
        let config = format!("[actions.a]\nwebhook = \"{url}\"\n");
        let world = crate::support::World::new().config(&config);
        is_clean(
            &world
                .alert(&check(HIGH, &["--webhook", "a"]))
                .await
                .exits(2),
        );
    }
}

#[tokio::test]
async fn memories_are_for_their_user_alone() {
    use std::os::unix::fs::PermissionsExt;
    let market = Market::open(Venue::Kraken, "69000").await;
    market.check(HIGH, &[]).await.exits(0);
    let folder = crate::alert_support::memories(&market.world);
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    for path in files(&folder) {
        assert_eq!(mode(&path), 0o600, "{path:?}");
    }
}
