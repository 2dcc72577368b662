//! The settings that README shows are accepted and do what it says.

use std::fs;

use crate::blocks::{Line, blocks_of};
use crate::stage::Stage;

#[test]
fn the_configuration_shown_is_accepted_and_does_what_it_says() {
    let mut shown = blocks_of("toml");
    shown.retain(|block| block.section == "Configuration");
    assert_eq!(shown.len(), 1, "one block of configuration");
    let stage = Stage::new();
    fs::write(stage.work().join("shown.toml"), &shown[0].text).expect("the folder is ours");
    let run = |text: &str| {
        let outcome = stage.run(&Line::new(text));
        assert_eq!(outcome.status.code(), Some(0), "{text}: {}", outcome.stderr);
        outcome.stdout
    };
    let monitor = "tickwire -c shown.toml monitor BTC -p mock -n 1000";
    let first = run(monitor);
    assert_eq!(first.lines().count(), 1000);
    assert!(
        first.contains("\"timestamp\":\"2026-01-01T00:00:00.000000Z\""),
        "{first:.300}"
    );
    assert_eq!(first, run(monitor));
    assert_eq!(
        run("tickwire -c shown.toml monitor BTC -1 --field exchange,symbol"),
        "{\"exchange\":\"binance\",\"symbol\":\"BTC/USDT\"}\n"
    );
}
