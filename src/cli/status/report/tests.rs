use super::*;

fn report(body: &str) -> Report {
    Report::read(body).unwrap()
}

fn text(report: &Report, format: OutputFormat) -> String {
    String::from_utf8(report.render(format, true)).unwrap()
}

const BODY: &str = r#"{"status":"degraded","version":"0.1.0","provider":"kraken","uptime":93784.2,
    "feeds":[
        {"provider":"kraken","state":"stale","reason":"the line is silent","uptime":12.5,"rate":3.25,"age":75.5,
         "latency_ms":{"p50":1.5,"p90":2.0,"p99":30.25,"max":99},"gaps":2,"reconnects":3,"later":{}},
        {"provider":"binance","state":"idle","age":null,"latency_ms":null}],
    "clients":[{"id":1,"queue":4,"dropped":2},{"id":2,"queue":1}],
    "bus":{"published":10,"delivered":20,"subscriptions":1,"queued":0,"dropped":0},
    "process":{"pid":7,"memory_bytes":10485760}}"#;

#[test]
fn every_feed_is_one_line_of_plain_with_nothing_where_nothing_is_known() {
    let plain = text(&report(BODY), OutputFormat::Plain);
    let lines: Vec<_> = plain.lines().collect();
    assert_eq!(
        lines,
        [
            "kraken\tstale\t75.5\t3.25\t1.5\t30.25\t2\t3\t12.5",
            "binance\tidle\t\t\t\t\t\t\t"
        ]
    );
    let csv = text(&report(BODY), OutputFormat::Csv);
    assert!(csv.starts_with("provider,state,age,rate,"), "{csv}");
    assert_eq!(csv.lines().count(), 3);
}

#[test]
fn the_table_shows_feeds_and_what_the_server_carries() {
    let table = text(&report(BODY), OutputFormat::Table);
    for part in [
        "kraken",
        "stale",
        "75.5s",
        "3.2/s",
        "30.2ms",
        "the line is silent",
        "–",
        "degraded · tickwire 0.1.0 · up 1d 2h · provider kraken",
        "2 · queued 5 · dropped 2",
        "memory 10.0 MiB",
    ] {
        assert!(table.contains(part), "no {part:?} in\n{table}");
    }
    assert!(!table.contains("strategies"), "{table}");
}

#[test]
fn json_is_the_server_s_own_on_one_line() {
    let json = text(&report(BODY), OutputFormat::Json);
    assert_eq!(json.matches('\n').count(), 1);
    let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    assert_eq!(value(&json), value(BODY));
}

#[test]
fn nothing_that_the_server_says_speaks_to_the_terminal() {
    let body = "{\"status\":\"healthy\",\"version\":\"\\u001b[2J\u{9b}2J\",\"provider\":\"a\\nb\",\
        \"feeds\":[{\"provider\":\"\\u001b]0;x\\u0007\",\"state\":\"\\r\u{7f}\",\"reason\":\"\\u009b\"}]}";
    let report = report(body);
    for format in [
        OutputFormat::Table,
        OutputFormat::Json,
        OutputFormat::Plain,
        OutputFormat::Csv,
    ] {
        let text = text(&report, format);
        let raw = text
            .chars()
            .find(|c| c.is_control() && !['\n', '\t'].contains(c));
        assert_eq!(raw, None, "{format}: {text:?}");
    }
    assert!(report.is_healthy());
}

#[test]
fn times_are_spelt_in_two_units() {
    for (seconds, spelt) in [
        (0.4, "0s"),
        (59.9, "59s"),
        (61.0, "1m 1s"),
        (7_260.0, "2h 1m"),
        (1e300, "213503982334601d 7h"),
    ] {
        assert_eq!(spell(seconds), spelt);
    }
}
