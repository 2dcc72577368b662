//! `config.example.toml` and the table of keys say the same.

use std::collections::BTreeSet;

use super::super::document;
use super::super::schema::KEYS;
use super::*;

const EXAMPLE: &str = include_str!("../../../config.example.toml");

/// Lines such as `#key = value` and `#[section]` become settings; prose has a space after `#`.
fn uncommented() -> String {
    let lines = EXAMPLE.lines().map(|line| {
        let setting = line.strip_prefix('#');
        setting
            .filter(|rest| !rest.is_empty() && !rest.starts_with(' '))
            .unwrap_or(line)
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn paths(text: &str) -> BTreeSet<&'static str> {
    let (mut settings, mut report) = (Settings::default(), Report::default());
    document::read(Path::new("example"), text, &mut settings, &mut report);
    assert!(report.errors.is_empty(), "{:?}", report.errors);
    settings
        .values
        .values()
        .map(|setting| setting.key.path)
        .collect()
}

#[test]
fn the_example_loads_and_is_the_defaults() {
    let config = load(EXAMPLE, &[]);
    assert_eq!(config.provider.as_deref(), Some("kraken"));
    assert_eq!(config.output, Some(OutputFormat::default()));
    assert_eq!(config.engine, EngineSettings::default());
    assert!(config.fallback.is_empty() && config.warnings.is_empty());
    for name in config.providers.keys() {
        assert_eq!(
            config.providers[name],
            ProviderSettings::default(),
            "{name}"
        );
    }
}

#[test]
fn the_example_loads_with_every_comment_removed() {
    let config = load(&uncommented(), &[]);
    assert_eq!(config.providers["mock"].seed, Some(1));
    assert_eq!(config.providers["binance"].engine.rate_limit, Some(10.0));
    let kinds: Vec<_> = config.streams.iter().map(|stream| stream.kind).collect();
    let (trade, candle, ticker) = (StreamKind::Trade, StreamKind::Candle, StreamKind::Ticker);
    assert_eq!(kinds, [Some(trade), Some(candle), Some(ticker), None]);
    let chat = AlertWebhook::Action("chat".into());
    assert_eq!(config.alerts[0].webhook, Some(chat));
    assert!(config.actions["chat"].webhook.is_some() && config.actions["script"].exec.is_some());
}

#[test]
fn the_example_has_every_key_and_no_other() {
    let all: BTreeSet<&str> = KEYS.iter().map(|key| key.path).collect();
    assert_eq!(paths(&uncommented()), all);
    assert_eq!(all.len(), KEYS.len(), "a key stands in the table twice");
}

#[test]
fn exactly_the_keys_with_a_default_are_not_commented_out_and_show_it() {
    let with_default: BTreeSet<&str> = KEYS
        .iter()
        .filter(|key| key.default.is_some())
        .map(|key| key.path)
        .collect();
    assert_eq!(paths(EXAMPLE), with_default);
    for key in KEYS {
        let name = key.segments().last().expect("a name");
        if let Some(default) = key.default {
            let line = format!("\n{name} = {default}\n");
            assert!(EXAMPLE.contains(&line), "{}: {line}", key.path);
        }
    }
}

#[test]
fn the_comments_of_the_example_are_the_help_of_the_keys() {
    for key in KEYS {
        let line = format!("\n# {}.\n", key.help);
        assert!(EXAMPLE.contains(&line), "{}: {line}", key.path);
    }
}
