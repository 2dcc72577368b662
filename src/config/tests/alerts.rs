//! `[[alert]]` and `[actions.NAME]`.

use super::*;

#[test]
fn every_setting_of_a_rule_and_an_action_is_read() {
    let config = load(
        r#"
        [[alert]]
        name = "high"
        provider = "kraken"
        symbols = ["BTC", "ETH"]
        condition = "price > 100_000"
        message = "up"
        cooldown = "15m"
        hysteresis = 0.50
        for = 30
        max_fires = "3/1d"
        rearm = "price < 95_000"
        exec = ["/bin/alarm", "", "-x"]
        webhook = "script"
        notify = true
        [[alert]]
        name = "low"
        condition = "price < 5"
        hysteresis = "0.5%"
        webhook = "https://chat.test/hook"
        [actions.script]
        exec = ["run"]
        timeout = "1m"
        [actions.chat]
        webhook = "http://127.0.0.1:1/hook"
        template = '{"text":"{{message}}"}'
        headers = { Authorization = "Bearer x" }
        "#,
        &[],
    );
    let texts = |texts: &[&str]| {
        texts
            .iter()
            .map(|&text| text.to_owned())
            .collect::<Vec<_>>()
    };
    let url = |text| crate::net::WebhookUrl::parse(text).expect("an address");
    let high = AlertSettings {
        name: "high".into(),
        provider: Some("kraken".into()),
        symbols: texts(&["BTC", "ETH"]),
        condition: "price > 100_000".into(),
        message: Some("up".into()),
        cooldown: Some(Duration::from_secs(900)),
        hysteresis: Some("0.50".into()),
        hold: Some(Duration::from_secs(30)),
        max_fires: Some("3/1d".into()),
        rearm: Some("price < 95_000".into()),
        exec: Some(texts(&["/bin/alarm", "", "-x"])),
        webhook: Some(AlertWebhook::Action("script".into())),
        notify: true,
    };
    let low = AlertSettings {
        name: "low".into(),
        condition: "price < 5".into(),
        hysteresis: Some("0.5%".into()),
        webhook: Some(AlertWebhook::Url(url("https://chat.test/hook"))),
        ..AlertSettings::default()
    };
    assert_eq!(config.alerts, [high, low]);
    let script = ActionSettings {
        exec: Some(texts(&["run"])),
        timeout: Some(Duration::from_secs(60)),
        ..ActionSettings::default()
    };
    let chat = ActionSettings {
        webhook: Some(url("http://127.0.0.1:1/hook")),
        template: Some("{\"text\":\"{{message}}\"}".into()),
        headers: [("authorization".to_owned(), "Bearer x".to_owned())].into(),
        ..ActionSettings::default()
    };
    let actions = [("chat".to_owned(), chat), ("script".to_owned(), script)];
    assert_eq!(config.actions, actions.into());
}

#[test]
fn rules_keep_the_order_of_the_file() {
    let file: String = (0..12)
        .map(|n| format!("[[alert]]\nname = \"{}\"\ncondition = \"x\"\n", 99 - n))
        .collect();
    let names: Vec<_> = load(&file, &[])
        .alerts
        .into_iter()
        .map(|alert| alert.name)
        .collect();
    assert_eq!(
        names,
        (0..12).map(|n| (99 - n).to_string()).collect::<Vec<_>>()
    );
}

const FILES: &str = "[[alert]]\nname = \"a\"\ncondition = \"x\"\nwebhook_file = \"url\"\n\
    [actions.chat]\nwebhook_file = \"url\"\nheaders = { Authorization_file = \"key\" }";

fn with_action_secrets(dir: &Dir) -> Result<Config, String> {
    let file = dir.path("config.toml");
    let config = Config::load_with_action_secrets(Some(&file), variables(&[]));
    let prefix = format!("{}/", dir.0.path().display());
    config.map_err(|errors| errors.to_string().replace(&prefix, ""))
}

#[test]
fn secrets_of_actions_are_read_from_their_files_only_where_that_is_asked_for() {
    let dir = Dir::new(FILES);
    let config = dir
        .load(&[])
        .expect("files that this command does not need");
    assert_eq!(
        (&config.alerts[0].webhook, &config.actions["chat"].webhook),
        (&None, &None)
    );
    assert_eq!(
        with_action_secrets(&dir).expect_err("there are no files"),
        "config.toml:4:1: `alert.webhook_file`: cannot read `url`: no such file\n\
         config.toml:6:1: `actions.chat.webhook_file`: cannot read `url`: no such file\n\
         config.toml:7:13: `actions.chat.headers.authorization_file`: cannot read `key`: no such file"
    );
    dir.write("url", b"https://chat.test/hush\n");
    dir.write("key", b"Bearer hush\n");
    let config = with_action_secrets(&dir).expect("fine");
    let url = crate::net::WebhookUrl::parse("https://chat.test/hush").expect("an address");
    let chat = &config.actions["chat"];
    assert_eq!(
        config.alerts[0].webhook,
        Some(AlertWebhook::Url(url.clone()))
    );
    assert_eq!(
        (&chat.webhook, &*chat.headers["authorization"]),
        (&Some(url), "Bearer hush")
    );
    assert!(!format!("{config:?}").contains("hush"));
}

#[test]
fn what_is_wrong_in_a_secret_file_is_told_without_the_secret() {
    for secret in [
        "hush",
        "ftp://hush",
        "http://hush@169.254.169.254/hush",
        "http://2852039166/hush",
    ] {
        let dir = Dir::new(FILES);
        dir.write("url", secret.as_bytes());
        dir.write("key", b"hush\x01");
        let errors = with_action_secrets(&dir).expect_err("wrong");
        assert_eq!(errors.lines().count(), 3, "{errors}");
        assert!(!errors.contains("hush"), "{errors}");
    }
}

#[test]
fn no_secret_of_an_action_is_in_debug_output() {
    let config = load(
        "[[alert]]\nname = \"a\"\ncondition = \"x\"\nexec = [\"sh\", \"hush\"]\nwebhook = \"https://hush@h.test/hush\"\n\
         [actions.chat]\nwebhook = \"https://chat.test/hush?hush\"\nheaders = { X-Key = \"hush\" }\n\
         [actions.run]\nexec = [\"run\", \"hush\"]",
        &[],
    );
    let shown = format!("{config:?} {config:#?}");
    assert!(!shown.contains("hush"), "{shown}");
    assert!(
        shown.contains("https://chat.test") && shown.contains("x-key"),
        "{shown}"
    );
}
