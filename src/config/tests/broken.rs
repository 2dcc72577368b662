//! Wrong configurations and exactly what is said about them.

use super::complaint;

#[test]
fn every_problem_is_named_with_its_place_and_what_would_be_right() {
    for (config, message) in CASES {
        assert_eq!(complaint(config, &[]), *message, "{config}");
    }
}

#[rustfmt::skip]
const CASES: &[(&str, &str)] = &[
    ("[engine]\nrecconect_delay = \"1s\"",
     "config.toml:2:1: unknown key `recconect_delay` in [engine]; hint: did you mean `reconnect_delay`?"),
    ("[engin]\nbuffer_size = 5",
     "config.toml:1:2: unknown key `engin` at the top level; hint: did you mean `engine`?"),
    ("host = \"x\"",
     "config.toml:1:1: unknown key `host` at the top level; hint: `host` belongs in [server]"),
    ("engine = 5",
     "config.toml:1:1: `engine` is a section, not a value; hint: write [engine]"),
    ("alert = 5",
     "config.toml:1:1: `alert` is a section, not a value; hint: write [[alert]]"),
    ("[alert]\nname = \"x\"",
     "config.toml:1:2: `alert` is a list of tables; hint: write [[alert]]"),
    ("provider = \"\"",
     "config.toml:1:12: `provider`: expected a name (a-z, 0-9, `-`, `_`), got an empty string"),
    ("provider = \"Kraken\"",
     "config.toml:1:12: `provider`: expected a name (a-z, 0-9, `-`, `_`), got the string `Kraken`; hint: did you mean `kraken`?"),
    ("provider = 5",
     "config.toml:1:12: `provider`: expected a name (a-z, 0-9, `-`, `_`), got the integer 5"),
    ("fallback = \"kraken\"",
     r#"config.toml:1:12: `fallback`: expected a list of names (a-z, 0-9, `-`, `_`), got the string `kraken`; hint: write ["kraken"]"#),
    ("fallback = [\"kraken\", \"a b\"]",
     "config.toml:1:12: `fallback`: expected a list of names (a-z, 0-9, `-`, `_`), got a list with the string `a b`"),
    ("fallback = [\"kraken\", \"kraken\"]",
     "config.toml:1:1: `fallback`: `kraken` stands there twice"),
    ("output = \"jsn\"",
     "config.toml:1:10: `output`: expected one of auto, table, plain, json, csv, got the string `jsn`; hint: did you mean `json`?"),
    ("[engine]\nreconnect_delay = \"0s\"",
     "config.toml:2:19: `engine.reconnect_delay`: expected a duration from 1ms to 1h (500ms, 90s, 15m, 1h), got the string `0s`"),
    ("[engine]\nreconnect_delay = \"-1s\"",
     "config.toml:2:19: `engine.reconnect_delay`: expected a duration from 1ms to 1h (500ms, 90s, 15m, 1h), got the string `-1s`"),
    ("[engine]\nreconnect_delay = nan",
     "config.toml:2:19: `engine.reconnect_delay`: expected a duration from 1ms to 1h (500ms, 90s, 15m, 1h), got the number nan"),
    ("[engine]\nreconnect_delay = \"soon\"",
     "config.toml:2:19: `engine.reconnect_delay`: expected a duration from 1ms to 1h (500ms, 90s, 15m, 1h), got the string `soon`"),
    ("[engine]\nreconnect_delay = \"1m\"",
     "config.toml:2:1: `engine.reconnect_delay`: 1m is longer than reconnect_max_delay, 30s"),
    ("[engine]\nreconnect_delay = \"2m\"\nreconnect_max_delay = \"1m\"",
     "config.toml:2:1: `engine.reconnect_delay`: 2m is longer than reconnect_max_delay, 1m"),
    ("[providers.kraken]\nreconnect_max_delay = \"1ms\"",
     "config.toml:2:1: `providers.kraken.reconnect_delay`: 250ms is longer than reconnect_max_delay, 1ms"),
    ("[engine]\nbuffer_size = 0",
     "config.toml:2:15: `engine.buffer_size`: expected an integer from 1 to 16777216, got the integer 0"),
    ("[engine]\nbuffer_size = 1.5",
     "config.toml:2:15: `engine.buffer_size`: expected an integer from 1 to 16777216, got the number 1.5"),
    ("[engine]\nbuffer_size = -99999999999999999999999999999999999999999999",
     "config.toml:2:15: `engine.buffer_size`: expected an integer from 1 to 16777216, got the number -99999999999999999999999999999999999999999999"),
    ("[engine]\nrate_limit = inf",
     "config.toml:2:14: `engine.rate_limit`: expected a number from 0.01 to 1000, got the number inf"),
    ("[engine]\nreconnect_attempts = \"5\"",
     "config.toml:2:22: `engine.reconnect_attempts`: expected an integer from 0 to 1000000, got the string `5`"),
    ("[providers.kraken]\nrest_url = \"ws://host\"",
     "config.toml:2:12: `providers.kraken.rest_url`: expected an address with http:// or https:// and without query, got the string `ws://host`"),
    ("[providers.kraken]\nrest_url = \"host\"",
     "config.toml:2:12: `providers.kraken.rest_url`: expected an address with http:// or https:// and without query, got the string `host`"),
    ("[providers.kraken]\nrest_url = \"https://\"",
     "config.toml:2:12: `providers.kraken.rest_url`: expected an address with http:// or https:// and without query, got the string `https://`"),
    ("[providers.kraken]\nrest_url = \"https://host/?a=b\"",
     "config.toml:2:12: `providers.kraken.rest_url`: expected an address with http:// or https:// and without query, got the string `https://host…`"),
    ("[providers.kraken]\nws_url = \"https://user:pass@host/x\"",
     "config.toml:2:10: `providers.kraken.ws_url`: expected an address with ws:// or wss://, got the string `https://host…`"),
    ("[providers.kraken]\ntestnet = true",
     "config.toml:2:1: `providers.kraken.testnet`: kraken has no testnet; hint: there is one for binance and coinbase"),
    ("[providers.mock]\ntestnet = true",
     "config.toml:2:1: `providers.mock.testnet`: mock has no testnet; hint: there is one for binance and coinbase"),
    ("[providers.kraken]\nseed = 1",
     "config.toml:2:1: unknown key `seed` in [providers.kraken]; hint: `seed` belongs in [providers.mock]"),
    ("[providers.kraken]\nheaders = { \"a b\" = \"c\" }",
     "config.toml:2:13: `a b` cannot be the name of a header"),
    ("[providers.kraken]\nheaders = { a = \"c\\n\" }",
     "config.toml:2:17: `providers.kraken.headers.a`: expected a string that can stand in an HTTP header, got another value"),
    ("[providers.kraken]\nheaders = { X-A = \"1\", x-a = \"2\" }",
     "config.toml:2:24: `x-a` is set twice in [providers.kraken.headers], also at config.toml:2:13"),
    ("[providers.kraken]\nheaders = { a = \"1\", a_file = \"2\" }",
     "config.toml:2:22: `a` is set twice in [providers.kraken.headers], also at config.toml:2:13"),
    ("[providers.kraken]\nheaders = { a_file = \"nowhere\" }",
     "config.toml:2:13: `providers.kraken.headers.a_file`: cannot read `nowhere`: no such file"),
    ("[providers.kraken]\nquotes = []\ntestnet = \"yes\"",
     "config.toml:3:11: `providers.kraken.testnet`: expected true or false, got the string `yes`"),
    ("[providers.\"a b\"]\nquotes = []",
     "config.toml:1:12: `a b` is not a name (a-z, 0-9, `-`, `_`)"),
    ("[providers.Kraken]",
     "config.toml:1:12: `Kraken` is not a name (a-z, 0-9, `-`, `_`); hint: did you mean `kraken`?"),
    ("[providers]\nkraken = 5",
     "config.toml:2:1: `kraken` is a section, not a value; hint: write [providers.kraken]"),
    ("[providers.mock]\nseed = -1\nstart = \"yesterday\"\nrate = 0",
     r#"config.toml:2:8: `providers.mock.seed`: expected an integer from 0 to 18446744073709551615, got the integer -1
config.toml:3:9: `providers.mock.start`: expected a time such as 2026-01-31T12:00:00Z, got the string `yesterday`
config.toml:4:8: `providers.mock.rate`: expected a number from 0.001 to 10000000 or "max", got the integer 0"#),
    ("[[alert]]\nname = \"a\"\ncondition = \"x\"\n[[alert]]\nname = \"a\"\ncondition = \"y\"",
     "config.toml:5:1: two alerts are named `a`, the other at config.toml:2:1"),
    ("[[alert]]\nsymbols = [\"BTC\"]",
     "config.toml:1:1: an [[alert]] needs a `name`
config.toml:1:1: an [[alert]] needs a `condition`"),
    ("[[alert]]\nname = \"a\"\nconditon = \"x\"",
     "config.toml:3:1: unknown key `conditon` in [[alert]]; hint: did you mean `condition`?"),
    ("[[alert]]\nname = \"a\"\ncondition = \"x\"\nwebhook = \"chta\"\n[actions.chat]\nexec = [\"x\"]",
     "config.toml:4:1: `alert.webhook`: there is no [actions.chta]; hint: did you mean `chat`?"),
    ("[[alert]]\nname = \"a\"\ncondition = \" \"\nmax_fires = \"0/1d\"\nhysteresis = \"-1%\"\nexec = []\ncooldown = 0",
     r#"config.toml:3:13: `alert.condition`: expected a string that is not empty, got the string ` `
config.toml:4:13: `alert.max_fires`: expected a count and a time such as "3/1d", got the string `0/1d`
config.toml:5:14: `alert.hysteresis`: expected a number or a percentage such as "0.5%", not negative, got the string `-1%`
config.toml:6:8: `alert.exec`: expected a list of strings: a program and its arguments, got an empty list
config.toml:7:12: `alert.cooldown`: expected a duration from 1ms to 366d (500ms, 90s, 15m, 1h), got the integer 0"#),
    ("[actions.a]\nwebhook = \"http://h\"\nexec = [\"x\"]\n[actions.b]\ntimeout = 5",
     "config.toml:3:1: [actions.a] has both `webhook` and `exec`
config.toml:4:10: [actions.b] needs `webhook` or `exec`"),
    ("[actions.a]\nwebhook = \"http://h\"\ntemplate = \"{{mesage}}\"\nheaders = { Content-Length = \"5\" }",
     "config.toml:3:1: `actions.a.template`: unknown placeholder {{mesage}}, did you mean {{message}}?
config.toml:4:13: `actions.a.headers.content-length`: tickwire sets it by itself"),
    ("[actions.a]\nexec = [\"x\"]\ntemplate = \"x\"\n[actions.b]\nexec = [\"\"]",
     "config.toml:3:1: `actions.a.template`: a program takes none
config.toml:5:8: `actions.b.exec`: expected a list of strings: a program and its arguments, got a list"),
    ("[actions.a]\nwebhook = \"http://169.254.169.254/x\"\n[[alert]]\nname = \"a\"\ncondition = \"x\"\nwebhook = \"http://[fe80::1]/x\"",
     "config.toml:2:1: `actions.a.webhook`: 169.254.169.254 is a cloud's metadata service, which no webhook may reach
config.toml:6:1: `alert.webhook`: [fe80::1] is a link-local address, which no webhook may reach"),
    ("[strategies.a]\nbuy = \"x\"\ncommand = [\"x\"]",
     "config.toml:3:1: [strategies.a] has both `buy` and `command`"),
    ("[strategies.a]\nbuy = \"x\"\n[strategies.b]\nsell = \"x\"\n[strategies.c]\ninterval = \"1h\"",
     "config.toml:1:13: [strategies.a] needs `sell`
config.toml:3:13: [strategies.b] needs `buy`
config.toml:5:13: [strategies.c] needs `buy` or `command`"),
    ("[strategies.a]\nbuy = \"x\"\nsell = \"y\"\ninterval = \"7m\"\nsel = 1\n[strategies.b]\ncommand = [\"x\"]\ninterval = \"1h\"",
     "config.toml:4:12: `strategies.a.interval`: expected an interval (1s 5s 15s 1m 3m 5m 15m 30m 1h 2h 4h 6h 8h 12h 1d 1w), got the string `7m`
config.toml:5:1: unknown key `sel` in [strategies.a]; hint: did you mean `sell`?
config.toml:7:1: [strategies.b] has both `interval` and `command`"),
    ("[portfolio.holdings]\nBTC = \"much\"\nbtc = 5\nETH = { amont = 5 }\n\"B C\" = 1",
     "config.toml:2:7: `portfolio.holdings.BTC`: expected a decimal number, not negative, got the string `much`
config.toml:4:9: unknown key `amont` in [portfolio.holdings.ETH]; hint: did you mean `amount`?
config.toml:5:1: `B C` is not an asset such as `BTC`"),
    ("[portfolio.holdings]\nBTC = { cost = 5 }\nETH = {}\nADA = { cost = -1 }",
     "config.toml:2:9: [portfolio.holdings.BTC] needs `amount`; hint: BTC = { amount = 2.0, cost = 30000 }
config.toml:3:1: [portfolio.holdings.ETH] needs `amount`; hint: ETH = { amount = 2.0, cost = 30000 }
config.toml:4:16: `portfolio.holdings.ADA.cost`: expected a decimal number, not negative, got the integer -1"),
    ("[portfolio]\nquote = \"usd\"",
     "config.toml:2:9: `portfolio.quote`: expected an asset such as `USD`, got the string `usd`"),
    ("[server]\nport = 70000\ntoken_fil = \"x\"",
     "config.toml:2:8: `server.port`: expected an integer from 0 to 65535, got the integer 70000
config.toml:3:1: unknown key `token_fil` in [server]; hint: did you mean `token_file`?"),
    ("[server]\ntoken = \"a\"\ntoken_file = \"b\"",
     "config.toml:3:1: `token` is set twice in [server], also at config.toml:2:1"),
    ("[redis]\nurl = \"http://h\"\nmaxlen = 0",
     "config.toml:2:7: `redis.url`: expected an address with redis:// or rediss://, got another value
config.toml:3:10: `redis.maxlen`: expected an integer from 1 to 1099511627776, got the integer 0"),
    ("[store]\nkeep = \"1s\"",
     "config.toml:2:8: `store.keep`: expected a duration from 1m to 36600d (500ms, 90s, 15m, 1h), got the string `1s`"),
    ("provider = kraken\n[engine]\nbufer_size = 5",
     "config.toml:1:12: string values must be quoted, expected literal string
config.toml:3:1: unknown key `bufer_size` in [engine]; hint: did you mean `buffer_size`?"),
    ("provider = \"kraken\nfallback = 5",
     r#"config.toml:1:19: invalid basic string, expected `"`
config.toml:2:12: `fallback`: expected a list of names (a-z, 0-9, `-`, `_`), got the integer 5"#),
    ("[engine\nbuffer_size = 5\nx = 3",
     "config.toml:1:8: unclosed table, expected `]`"),
    ("provider = \"a\"\nprovider = \"b\"",
     "config.toml:2:1: duplicate key `provider`"),
    ("provider =",
     "config.toml:1:11: string values must be quoted, expected literal string"),
    ("\"\\u001b[31m\" = 5",
     r"config.toml:1:1: unknown key `\u{1b}[31m` at the top level"),
    ("output = \"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"",
     "config.toml:1:10: `output`: expected one of auto, table, plain, json, csv, got the string `xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…`"),
    ("fallback = [\"é\", 5]; x",
     "config.toml:1:20: unexpected key or value, expected newline, `#`"),
    ("stream = [5]\n",
     "config.toml:1:11: `stream` is a list of tables; hint: write [[stream]]"),
];
