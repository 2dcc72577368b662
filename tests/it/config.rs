//! Configuration as the program sees it: where it is read, what wins, how mistakes are told.

use crate::support::World;

#[tokio::test]
async fn a_typo_is_told_with_its_place_and_the_key_that_was_meant() {
    let world = World::new().without("TICKWIRE_PROVIDER");
    let world = world.config("provider = \"mock\"\n\n[engine]\nreconnect_delai = \"1s\"\n");
    let done = world.run("monitor BTC -1").await.exits(2).prints_nothing();
    let file = world.path("config/tickwire/config.toml");
    let mut lines = done.stderr.lines();
    let first = lines.next().unwrap();
    assert!(
        first.starts_with(&format!("tickwire: error: {}:4:1: ", file.display())),
        "{done:#?}"
    );
    assert!(first.contains("reconnect_delai"), "{done:#?}");
    assert!(
        lines
            .next()
            .unwrap()
            .starts_with("hint: did you mean `reconnect_delay`"),
        "{done:#?}"
    );
    assert_eq!(lines.next(), None);
}

#[tokio::test]
async fn all_mistakes_are_told_at_once_each_on_its_line() {
    let world = World::new().config("outptu = \"json\"\n[engine]\nreconnect_delay = \"soon\"\n");
    let world = world.env("TICKWIRE_PROVIDERS__KRAKEN__REST_ULR", "http://127.0.0.1:1");
    let done = world
        .run("monitor BTC -1 -p mock")
        .await
        .exits(2)
        .prints_nothing();
    let errors: Vec<_> = done
        .stderr
        .lines()
        .filter(|line| line.starts_with("tickwire: error: "))
        .collect();
    assert_eq!(errors.len(), 3, "{done:#?}");
    assert!(
        errors[0].contains("config.toml:1:1: ") && errors[0].contains("outptu"),
        "{done:#?}"
    );
    assert!(
        errors[1].contains("config.toml:3:") && errors[1].contains("soon"),
        "{done:#?}"
    );
    assert!(
        errors[2].contains("TICKWIRE_PROVIDERS__KRAKEN__REST_ULR"),
        "{done:#?}"
    );
    assert!(
        done.stderr
            .contains("hint: did you mean `TICKWIRE_PROVIDERS__KRAKEN__REST_URL`?\n"),
        "{done:#?}"
    );
    let done = world
        .run("monitor BTC -1 -p mock --log-format json")
        .await
        .exits(2);
    assert_eq!(done.stderr.lines().count(), 3, "{done:#?}");
    for line in done.stderr.lines() {
        let error: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(error["code"], "config");
        assert!(
            !error["message"].as_str().unwrap().contains("hint:"),
            "{done:#?}"
        );
    }
}

#[tokio::test]
async fn a_named_file_must_exist_and_a_default_one_need_not() {
    let world = World::new();
    for (arguments, variable) in [("--config nowhere.toml ", ""), ("", "nowhere.toml")] {
        let world = World::new().env("TICKWIRE_CONFIG", variable);
        let done = world
            .run(&format!("{arguments}monitor BTC -1 -p mock"))
            .await;
        done.exits(2).prints_nothing().says("nowhere.toml");
    }
    world.run("monitor BTC -1 -p mock").await.exits(0);
}

#[tokio::test]
async fn flags_win_over_variables_over_the_file() {
    let world = World::new()
        .without("TICKWIRE_PROVIDER")
        .config("provider = \"mock\"\noutput = \"csv\"\n");
    let done = world
        .run("monitor BTC -1")
        .await
        .exits(0)
        .says("mock data, not a market");
    assert!(
        done.stdout.starts_with("type,exchange,symbol,"),
        "{done:#?}"
    );
    let world = world.env("TICKWIRE_OUTPUT", "plain");
    let done = world.run("monitor BTC -1").await.exits(0);
    assert!(done.stdout.starts_with("mock\tBTC/USD\t"), "{done:#?}");
    let done = world.run("monitor BTC -1 -o json").await.exits(0);
    assert!(done.stdout.starts_with("{\"type\":\"ticker\""), "{done:#?}");
    world.run("monitor BTC -1 -p nope").await.exits(2);
}

#[tokio::test]
async fn unknown_paths_are_errors_and_other_variables_are_none_of_ours() {
    let world = World::new()
        .env("TICKWIRE_NONSENSE", "1")
        .env("TICKWIRE_PRICE", "5");
    world.run("monitor BTC -1 -p mock").await.exits(0);
    let world = world.env("TICKWIRE_PROVIDERS__KRAKEN__COLOUR", "red");
    let done = world.run("monitor BTC -1 -p mock").await.exits(2);
    done.says("tickwire: error: TICKWIRE_PROVIDERS__KRAKEN__COLOUR: ");
}

#[tokio::test]
async fn an_empty_variable_counts_as_unset() {
    let mut world = World::new().config("provider = \"mock\"\n");
    for name in [
        "TICKWIRE_PROVIDER",
        "TICKWIRE_OUTPUT",
        "TICKWIRE_CONFIG",
        "TICKWIRE_LOG",
        "TICKWIRE_PROVIDERS__KRAKEN__REST_ULR",
        "HTTPS_PROXY",
        "ALL_PROXY",
        "NO_COLOR",
    ] {
        world = world.env(name, "");
    }
    let done = world.run("monitor BTC -1").await.exits(0);
    assert!(
        done.stdout
            .starts_with("{\"type\":\"ticker\",\"exchange\":\"mock\""),
        "{done:#?}"
    );
}

#[tokio::test]
async fn a_bad_value_in_a_variable_is_named_with_the_variable() {
    for (variable, value) in [
        ("TICKWIRE_OUTPUT", "yaml"),
        ("TICKWIRE_LOG", "tickwire=loud"),
        ("TICKWIRE_ENGINE__RECONNECT_DELAY", "soon"),
        ("TICKWIRE_PROVIDERS__MOCK__RATE", "fast"),
        ("TICKWIRE_PROVIDERS__KRAKEN__REST_URL", "ftp://example.com"),
    ] {
        let world = World::new().env(variable, value);
        let done = world
            .run("monitor BTC -1 -p mock")
            .await
            .exits(2)
            .prints_nothing();
        done.says(&format!("tickwire: error: {variable}: "));
    }
}

#[tokio::test]
async fn a_section_of_an_unknown_provider_brings_the_nearest() {
    let world = World::new().config("[providers.krakem]\nrate_limit = 1.0\n");
    let done = world.run("monitor BTC -1 -p mock").await.exits(2);
    done.says("no provider `krakem`\nhint: did you mean kraken?");
}

#[tokio::test]
async fn without_a_home_it_runs_all_the_same() {
    let world = World::new();
    let mut command = world.command("monitor BTC -1 -p mock --field symbol");
    for name in [
        "HOME",
        "XDG_CONFIG_HOME",
        "XDG_CACHE_HOME",
        "XDG_STATE_HOME",
    ] {
        command.env_remove(name);
    }
    let done = crate::support::finish(command).await.exits(0);
    assert_eq!(done.stdout, "BTC/USD\n");
}

#[tokio::test]
async fn a_provider_that_is_to_stand_in_has_to_exist() {
    let world = World::new().config("fallback = [\"binanse\"]\n");
    let done = world.run("monitor BTC -1 -p mock --field symbol").await;
    done.exits(2).says("binanse").says("hint: ");
    let done = World::new()
        .run("monitor BTC -1 -p mock --fallback coinbase,krake")
        .await;
    done.exits(2).says("krake");
}
