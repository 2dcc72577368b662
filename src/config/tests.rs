//! The configuration as a whole: files and variables in, settings or messages out.

mod alerts;
mod broken;
mod example;
mod portfolio;
mod strategies;
mod streams;
mod variables;

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::*;

type Env<'a> = &'a [(&'a str, &'a str)];

/// A directory with a `config.toml` of this text.
struct Dir(tempfile::TempDir);

impl Dir {
    fn new(config: &str) -> Self {
        let dir = Self(tempfile::tempdir().expect("a temporary directory"));
        dir.write("config.toml", config.as_bytes());
        dir
    }

    fn write(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("directories");
        std::fs::write(&path, content).expect("a file");
        path
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn load(&self, env: Env<'_>) -> Result<Config, ConfigErrors> {
        Config::load(Some(&self.path("config.toml")), variables(env))
    }

    /// The messages, with the directory left out of them.
    fn complaints(&self, env: Env<'_>) -> String {
        let errors = self.load(env).expect_err("this configuration is wrong");
        let dir = format!("{}/", self.0.path().display());
        errors.to_string().replace(&dir, "")
    }
}

fn variables(env: Env<'_>) -> Vec<(String, String)> {
    env.iter()
        .map(|(name, value)| ((*name).into(), (*value).into()))
        .collect()
}

fn load(config: &str, env: Env<'_>) -> Config {
    Dir::new(config)
        .load(env)
        .expect("this configuration is right")
}

fn complaint(config: &str, env: Env<'_>) -> String {
    Dir::new(config).complaints(env)
}

#[test]
fn nothing_at_all_gives_the_defaults() {
    let config = Config::load(None, variables(&[])).expect("defaults");
    assert_eq!(config, Config::default());
    assert_eq!(config.engine, EngineSettings::default());
    assert_eq!(config.engine_for("kraken"), EngineSettings::default());
    assert_eq!(
        config.provider_settings("kraken"),
        ProviderSettings::default()
    );
}

#[test]
fn every_typed_setting_is_read() {
    let config = load(
        r#"
        provider = "binance"
        fallback = ["kraken", "my-exchange"]
        output = "csv"
        [engine]
        reconnect_attempts = 7
        reconnect_delay = 1
        rate_limit = 2
        [providers.binance]
        rest_url = "http://127.0.0.1:8080/"
        ws_url = "ws://127.0.0.1:8080"
        quotes = ["USDC", "USDT"]
        headers = { X-One = "1" }
        params = { depth = 5, full = true, key = "k" }
        buffer_size = 100
        [providers.mock]
        seed = 18446744073709551615
        start = 2026-01-01T00:00:00Z
        rate = "max"
        "#,
        &[],
    );
    assert_eq!(config.provider.as_deref(), Some("binance"));
    assert_eq!(config.fallback, ["kraken", "my-exchange"]);
    assert_eq!(config.output, Some(OutputFormat::Csv));
    assert_eq!(config.engine.reconnect_attempts, 7);
    assert_eq!(config.engine.reconnect_delay, Duration::from_secs(1));
    assert_eq!(config.engine.rate_limit, Some(2.0));
    assert_eq!(config.engine.buffer_size, 16_384);
    let engine = config.engine_for("binance");
    assert_eq!((engine.buffer_size, engine.reconnect_attempts), (100, 7));
    let binance = config.provider_settings("binance");
    assert_eq!(binance.rest_url.as_deref(), Some("http://127.0.0.1:8080"));
    assert_eq!(binance.history_url, binance.rest_url);
    assert_eq!(binance.ws_url.as_deref(), Some("ws://127.0.0.1:8080"));
    assert_eq!(
        binance.quotes.as_deref(),
        Some(&["USDC".to_owned(), "USDT".to_owned()][..])
    );
    assert_eq!(binance.headers["x-one"], "1");
    assert_eq!(
        (&*binance.params["depth"], &*binance.params["full"]),
        ("5", "true")
    );
    let mock = config.provider_settings("mock");
    assert_eq!((mock.seed, mock.rate), (Some(u64::MAX), Some(Rate::Max)));
    assert_eq!(mock.start, Some(1_767_225_600_000_000_000));
}

#[test]
fn a_time_may_be_text_or_a_date_and_a_rate_a_number() {
    for start in [
        "\"2026-01-01T01:00:00+01:00\"",
        "\"2026-01-01\"",
        "2026-01-01",
    ] {
        let config = load(
            &format!("[providers.mock]\nstart = {start}\nrate = 0.5"),
            &[],
        );
        let mock = config.provider_settings("mock");
        assert_eq!(mock.start, Some(1_767_225_600_000_000_000), "{start}");
        assert_eq!(mock.rate, Some(Rate::PerSecond(0.5)));
    }
}

#[test]
fn the_file_is_the_named_one_then_the_variables_then_the_default() {
    let dir = Dir::new("provider = \"a\"");
    dir.write("env.toml", b"provider = \"b\"");
    dir.write("xdg/tickwire/config.toml", b"provider = \"c\"");
    dir.write("home/.config/tickwire/config.toml", b"provider = \"d\"");
    let path = |name: &str| dir.path(name).to_string_lossy().into_owned();
    let (named, from_env) = (path("config.toml"), path("env.toml"));
    let (xdg, home) = (path("xdg"), path("home"));
    let all: Env<'_> = &[
        ("TICKWIRE_CONFIG", &from_env),
        ("XDG_CONFIG_HOME", &xdg),
        ("HOME", &home),
    ];
    let provider = |named: Option<&str>, env: Env<'_>| {
        let config = Config::load(named.map(Path::new), variables(env)).expect("fine");
        assert_eq!(config.path.is_some(), config.provider.is_some());
        config.provider.unwrap_or_default()
    };
    assert_eq!(provider(Some(&named), all), "a");
    assert_eq!(provider(None, all), "b");
    assert_eq!(provider(None, &all[1..]), "c");
    assert_eq!(provider(None, &all[2..]), "d");
    assert_eq!(
        provider(None, &[("XDG_CONFIG_HOME", "relative"), all[2]]),
        "d"
    );
    assert_eq!(
        provider(None, &[("HOME", "/dev/null")]),
        "",
        "a missing default file is fine"
    );
    assert_eq!(
        provider(None, &[]),
        "",
        "without HOME there is no default file"
    );
}

#[test]
fn a_named_file_that_cannot_be_read_is_an_error() {
    let dir = Dir::new("");
    let gone = dir.path("gone.toml");
    let error = |named: Option<&Path>, env: Env<'_>| {
        Config::load(named, variables(env))
            .expect_err("unreadable")
            .to_string()
    };
    let gone_text = gone.display().to_string();
    assert_eq!(
        error(Some(&gone), &[]),
        format!("{gone_text}: cannot read this file: no such file")
    );
    assert_eq!(
        error(None, &[("TICKWIRE_CONFIG", &gone_text)]),
        format!("TICKWIRE_CONFIG: cannot read `{gone_text}`: no such file")
    );
    let directory = dir.path("");
    assert!(error(Some(&directory), &[]).ends_with("cannot read this file: it is a directory"));
    let binary = dir.write("binary.toml", b"provider = \"\xff\"");
    assert!(error(Some(&binary), &[]).ends_with("cannot read this file: it is not UTF-8 text"));
}

#[test]
fn a_testnet_replaces_the_addresses_that_are_not_given() {
    let config = load(
        "[providers.binance]\ntestnet = true\n\
         [providers.coinbase]\ntestnet = true\nws_url = \"ws://localhost:1\"\n\
         [providers.custom]\ntestnet = true",
        &[],
    );
    let binance = &config.providers["binance"];
    assert_eq!(
        binance.rest_url.as_deref(),
        Some("https://testnet.binance.vision")
    );
    assert_eq!(binance.history_url, binance.rest_url);
    assert_eq!(
        binance.ws_url.as_deref(),
        Some("wss://stream.testnet.binance.vision")
    );
    let coinbase = &config.providers["coinbase"];
    assert_eq!(coinbase.ws_url.as_deref(), Some("ws://localhost:1"));
    assert!(
        coinbase
            .rest_url
            .as_ref()
            .is_some_and(|url| url.contains("sandbox"))
    );
    assert!(config.providers["custom"].testnet);
}

#[test]
fn secrets_come_from_files_and_a_variable_replaces_either_form() {
    let dir = Dir::new("[providers.kraken.headers]\nX-Key_file = \"key\"\nX-Other_file = \"key\"");
    dir.write("key", b"hush\n");
    let config = dir
        .load(&[("TICKWIRE_PROVIDERS__KRAKEN__HEADERS__X_OTHER", "direct")])
        .expect("fine");
    let headers = &config.providers["kraken"].headers;
    assert_eq!(
        (&*headers["x-key"], &*headers["x-other"]),
        ("hush", "direct")
    );
    let key = dir.path("key").to_string_lossy().into_owned();
    let config = load(
        "",
        &[("TICKWIRE_PROVIDERS__KRAKEN__HEADERS__X_KEY_FILE", &key)],
    );
    assert_eq!(config.providers["kraken"].headers["x-key"], "hush");
}

#[cfg(unix)]
#[test]
fn a_secret_that_others_may_read_is_a_warning() {
    use std::os::unix::fs::PermissionsExt;
    let dir = Dir::new("[server]\ntoken_file = \"token\"");
    let token = dir.write("token", b"hush");
    for (mode, warned) in [(0o600, false), (0o640, true), (0o604, true), (0o400, false)] {
        std::fs::set_permissions(&token, std::fs::Permissions::from_mode(mode)).expect("chmod");
        let warnings = dir.load(&[]).expect("fine").warnings;
        assert_eq!(
            warnings.len(),
            usize::from(warned),
            "{mode:o}: {warnings:?}"
        );
        assert!(
            warnings
                .iter()
                .all(|w| w.contains(":2:1: `server.token_file`: others may read"))
        );
    }
}

#[test]
fn secrets_are_in_no_output() {
    let config = load(
        "[providers.kraken]\nrest_url = \"https://user:hush@host:1/hush\"",
        &[
            ("TICKWIRE_PROVIDERS__KRAKEN__HEADERS__AUTHORIZATION", "hush"),
            ("TICKWIRE_PROVIDERS__KRAKEN__PARAMS__KEY", "hush"),
            (
                "TICKWIRE_PROVIDERS__KRAKEN__WS_URL",
                "wss://hush@host/?token=hush",
            ),
        ],
    );
    let shown = format!("{config:?} {config:#?}");
    assert!(!shown.contains("hush"), "{shown}");
    assert!(
        shown.contains("https://host:1") && shown.contains("authorization"),
        "{shown}"
    );

    let dir = Dir::new(
        "[providers.kraken]\nrest_url = \"ftp://user:hush/@host/hush\"\nws_url = \"user:hush@host\"\n\
         headers = { a = \"hush\\u0001\", b_file = \"key\" }\nparams = { a = [\"hush\"] }\n\
         [server]\ntoken = [\"hush\"]\n[redis]\nurl = \"http://:hush@host\"\n\
         [actions.a]\nwebhook = \"hush\"\n[[alert]]\nname = \"a\"\ncondition = \"x\"\nwebhook = \"ftp://hush\"",
    );
    dir.write("key", b"hush\x01");
    let errors = dir.load(&[]).expect_err("wrong");
    assert_eq!(errors.errors.len(), 9, "{errors}");
    let shown = format!("{errors} {errors:?}");
    assert!(!shown.contains("hush"), "{shown}");
}

#[test]
fn formats_read_back_as_they_are_written() {
    for format in ["auto", "table", "plain", "json", "csv"] {
        assert_eq!(
            format.parse::<OutputFormat>().map(|f| f.to_string()),
            Ok(format.to_owned())
        );
    }
    assert!(
        "xml"
            .parse::<OutputFormat>()
            .is_err_and(|e| e.contains("`xml`"))
    );
}

#[test]
fn addresses_are_redacted_even_when_they_are_broken() {
    for (url, shown) in [
        ("https://user:pass@host:1/path?token=x#y", "https://host:1"),
        ("https://user:pa/ss@host/", "https://host"),
        ("user:pass@host", "host"),
        ("ws://host", "ws://host"),
        ("https://host?token=x", "https://host"),
    ] {
        assert_eq!(redact_url(url), shown);
    }
}

#[test]
fn decimals_are_read_in_every_form_that_toml_has_and_kept_to_what_is_exact() {
    let holding = |amount: &str| format!("[portfolio.holdings]\nBTC = {amount}\n");
    for fine in ["2", "+2.5", "1_000", "1_000.5", "1e-8", "\"0.10\"", "0"] {
        load(&holding(fine), &[]);
    }
    for wrong in ["-1", "nan", "inf", "\"1,5\"", "\"\"", "1e400"] {
        let complaint = complaint(&holding(wrong), &[]);
        assert!(
            complaint.contains("expected a decimal number"),
            "{wrong}: {complaint}"
        );
    }
}
