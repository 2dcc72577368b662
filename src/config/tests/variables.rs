//! Settings from environment variables.

use super::*;

#[test]
fn variables_win_over_the_file_key_by_key() {
    let config = load(
        "provider = \"kraken\"\n[engine]\nbuffer_size = 5\nreconnect_attempts = 3\n\
         [providers.kraken]\nquotes = [\"EUR\"]\nheaders = { a = \"file\", b = \"file\" }",
        &[
            ("TICKWIRE_PROVIDER", "coinbase"),
            ("TICKWIRE_OUTPUT", "json"),
            ("TICKWIRE_LOG", "tickwire=debug"),
            ("TICKWIRE_ENGINE__BUFFER_SIZE", "9"),
            ("TICKWIRE_ENGINE__RATE_LIMIT", "2.5"),
            ("TICKWIRE_PROVIDERS__KRAKEN__REST_URL", "http://localhost:1"),
            ("TICKWIRE_PROVIDERS__KRAKEN__QUOTES", "USD, USDT"),
            ("TICKWIRE_PROVIDERS__KRAKEN__HEADERS__A", "variable"),
            ("TICKWIRE_PROVIDERS__KRAKEN__HEADERS__X_API_KEY", "variable"),
            ("TICKWIRE_PROVIDERS__KRAKEN__RECONNECT_DELAY", "2s"),
            ("TICKWIRE_PROVIDERS__BINANCE__TESTNET", "true"),
            ("TICKWIRE_PROVIDERS__MOCK__RATE", "3"),
        ],
    );
    assert_eq!(config.provider.as_deref(), Some("coinbase"));
    assert_eq!(config.output, Some(OutputFormat::Json));
    assert_eq!(config.log.as_deref(), Some("tickwire=debug"));
    assert_eq!(
        (config.engine.buffer_size, config.engine.reconnect_attempts),
        (9, 3)
    );
    assert_eq!(config.engine.rate_limit, Some(2.5));
    let kraken = &config.providers["kraken"];
    assert_eq!(kraken.rest_url.as_deref(), Some("http://localhost:1"));
    assert_eq!(
        kraken.quotes.as_deref(),
        Some(&["USD".to_owned(), "USDT".to_owned()][..])
    );
    let headers: Vec<_> = kraken.headers.iter().map(|(k, v)| (&**k, &**v)).collect();
    assert_eq!(
        headers,
        [("a", "variable"), ("b", "file"), ("x-api-key", "variable")]
    );
    assert_eq!(
        config.engine_for("kraken").reconnect_delay,
        Duration::from_secs(2)
    );
    assert_eq!(
        config.engine_for("mock").reconnect_delay,
        Duration::from_millis(250)
    );
    assert_eq!(config.providers["mock"].rate, Some(Rate::PerSecond(3.0)));
}

#[test]
fn a_variable_reaches_the_section_whose_name_has_a_dash() {
    let config = load(
        "[providers.my-exchange]\nbuffer_size = 5",
        &[("TICKWIRE_PROVIDERS__MY_EXCHANGE__RATE_LIMIT", "1")],
    );
    assert_eq!(config.providers.len(), 1);
    assert_eq!(config.engine_for("my-exchange").rate_limit, Some(1.0));
}

#[test]
fn empty_variables_count_as_unset() {
    let config = load(
        "provider = \"kraken\"",
        &[
            ("TICKWIRE_PROVIDER", ""),
            ("TICKWIRE_LOG", ""),
            ("TICKWIRE_CONFIG", ""),
            ("TICKWIRE_ENGINE__BUFFER_SIZE", ""),
            ("TICKWIRE_NO__SUCH__KEY", ""),
        ],
    );
    assert_eq!(
        (config.provider.as_deref(), config.log),
        (Some("kraken"), None)
    );
}

#[test]
fn other_variables_are_none_of_its_business() {
    load(
        "",
        &[
            ("TICKWIRE_CAPTURES", "x"),
            ("TICKWIRE_NAME", "x"),
            ("OTHER__KEY", "x"),
        ],
    );
}

#[test]
fn wrong_variables_are_named_with_the_nearest_right_one() {
    for (name, value, message) in [
        (
            "TICKWIRE_PROVIDER",
            "my exchange",
            "TICKWIRE_PROVIDER: expected a name (a-z, 0-9, `-`, `_`), got the string `my exchange`",
        ),
        (
            "TICKWIRE_OUTPUT",
            "JSON",
            "TICKWIRE_OUTPUT: expected one of auto, table, plain, json, csv, got the string `JSON`; hint: did you mean `json`?",
        ),
        (
            "TICKWIRE_ENGINE__BUFER_SIZE",
            "5",
            "TICKWIRE_ENGINE__BUFER_SIZE: names no configuration key; hint: did you mean `TICKWIRE_ENGINE__BUFFER_SIZE`?",
        ),
        (
            "TICKWIRE_PROVIDERS__KRAKEN__REST",
            "x",
            "TICKWIRE_PROVIDERS__KRAKEN__REST: names no configuration key; hint: did you mean `TICKWIRE_PROVIDERS__KRAKEN__REST_URL`?",
        ),
        (
            "TICKWIRE_ENGINE__BUFFER_SIZE",
            "many",
            "TICKWIRE_ENGINE__BUFFER_SIZE: expected an integer from 1 to 16777216, got the string `many`",
        ),
        (
            "TICKWIRE_ENGINE__",
            "x",
            "TICKWIRE_ENGINE__: names no configuration key",
        ),
        (
            "TICKWIRE__PROVIDER",
            "x",
            "TICKWIRE__PROVIDER: names no configuration key; hint: did you mean `TICKWIRE_PROVIDER`?",
        ),
        (
            "TICKWIRE_ALERT__0__NAME",
            "x",
            "TICKWIRE_ALERT__0__NAME: lists of tables can be set in the file only",
        ),
        (
            "TICKWIRE_PROVIDERS__KRAKEN__TESTNET",
            "true",
            "TICKWIRE_PROVIDERS__KRAKEN__TESTNET: `providers.kraken.testnet`: kraken has no testnet; hint: there is one for binance and coinbase",
        ),
    ] {
        assert_eq!(complaint("", &[(name, value)]), message);
    }
}
