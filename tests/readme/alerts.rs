//! The recipes for webhooks post what their services take.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::blocks::{Block, Line, blocks_of};
use crate::receiver::{Post, Receiver};
use crate::stage::Stage;

/// The settings of README that have rules.
pub fn rule_blocks() -> Vec<Block> {
    let mut shown = blocks_of("toml");
    shown.retain(|block| block.text.contains("[[alert]]"));
    shown
}

/// Writes settings, and a file for each secret that they name: addresses lead to this receiver.
pub fn write_settings(path: &Path, text: &str, receiver: &Receiver) {
    let folder = path.parent().expect("a file is in a folder");
    fs::create_dir_all(folder).expect("the folder is ours");
    fs::write(path, text).expect("the folder is ours");
    let secrets = text.lines().filter_map(|line| {
        let (_, value) = line.split_once("_file = \"")?;
        value.split('"').next()
    });
    for name in secrets {
        let content = match name.strip_suffix("-url") {
            Some(service) => receiver.url(service),
            None => "Bearer tk_secret".into(),
        };
        let file = folder.join(name);
        fs::write(&file, content).expect("the folder is ours");
        let mode = fs::Permissions::from_mode(0o600);
        fs::set_permissions(&file, mode).expect("the file is ours");
    }
}

/// What the recipe with this action posts.
fn posted(name: &str) -> Post {
    let is_meant = |block: &Block| {
        let section = format!("[actions.{name}]");
        block.section == "Webhooks" && block.text.contains(&section)
    };
    let recipe = rule_blocks().into_iter().find(is_meant);
    let recipe = recipe.unwrap_or_else(|| panic!("README has no recipe for {name}"));
    let (stage, receiver) = (Stage::new(), Receiver::start());
    write_settings(&stage.work().join("shown.toml"), &recipe.text, &receiver);
    let outcome = stage.run(&Line::new("tickwire -c shown.toml alert --once -p mock"));
    assert_eq!(outcome.status.code(), Some(0), "{}", outcome.stderr);
    assert_eq!(outcome.stderr, "tickwire: mock data, not a market\n");
    let post = receiver.next();
    assert_eq!(post.path, format!("/{name}"));
    let event: serde_json::Value =
        serde_json::from_str(&outcome.stdout).expect("the line is the event");
    assert_eq!(post.header("idempotency-key"), event["id"].as_str());
    post
}

/// A body in JSON.
fn json(post: &Post) -> serde_json::Value {
    assert_eq!(post.header("content-type"), Some("application/json"));
    serde_json::from_str(&post.body).unwrap_or_else(|error| panic!("{}: {error}", post.body))
}

const MESSAGE: &str = "BTC/USD: price > 50_000 (price 96928.50)";

#[test]
fn slack_gets_a_text() {
    let expected = serde_json::json!({"text": MESSAGE});
    assert_eq!(json(&posted("slack")), expected);
}

#[test]
fn discord_gets_a_content_that_mentions_nobody() {
    let expected = serde_json::json!({"content": MESSAGE, "allowed_mentions": {"parse": []}});
    assert_eq!(json(&posted("discord")), expected);
}

#[test]
fn ntfy_gets_the_message_and_headers() {
    let post = posted("ntfy");
    assert_eq!(post.body, "BTC is above 50k");
    let headers = ["title", "priority", "authorization"].map(|name| post.header(name));
    assert_eq!(
        headers,
        [Some("tickwire"), Some("high"), Some("Bearer tk_secret")]
    );
}

#[test]
fn telegram_gets_a_chat_and_a_text() {
    let expected = serde_json::json!({
        "chat_id": 123456789,
        "text": "BTC/USD is at 96928.50 (price > 50_000)",
    });
    assert_eq!(json(&posted("telegram")), expected);
}
