
use builtin;
use str;

set edit:completion:arg-completer[tickwire] = {|@words|
    fn spaces {|n|
        builtin:repeat $n ' ' | str:join ''
    }
    fn cand {|text desc|
        edit:complex-candidate $text &display=$text' '(spaces (- 14 (wcswidth $text)))$desc
    }
    var command = 'tickwire'
    for word $words[1..-1] {
        if (str:has-prefix $word '-') {
            break
        }
        set command = $command';'$word
    }
    var completions = [
        &'tickwire'= {
            cand -p 'Where the data comes from: kraken (default), binance, coinbase, mock'
            cand --provider 'Where the data comes from: kraken (default), binance, coinbase, mock'
            cand --fallback 'Providers that take over, symbol by symbol, while that one is stale or has failed'
            cand -c 'Configuration file instead of the default one'
            cand --config 'Configuration file instead of the default one'
            cand -o 'Output format; auto is a table on a terminal, json in a pipe, plain with --field'
            cand --output 'Output format; auto is a table on a terminal, json in a pipe, plain with --field'
            cand --timeout 'How long to wait: for the answer (default 10s), on a stream for each symbol''s first event; a watching alert ends then'
            cand --max-age 'Oldest value that still counts as an answer; default for alert: 60s'
            cand --color 'Colours on the terminal'
            cand --log-format 'Form of what is told on stderr'
            cand --proxy 'Proxy for REST and WebSocket: http://, https://, socks5://, socks5h://'
            cand --seed 'Seed of the mock market'
            cand --generate 'Print shell completions, or the man page'
            cand -q 'Only data and errors'
            cand --quiet 'Only data and errors'
            cand -v 'More on stderr: -v for connections, -vv for everything'
            cand --verbose 'More on stderr: -v for connections, -vv for everything'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
            cand -V 'Print version'
            cand --version 'Print version'
            cand monitor 'Stream prices and trades, or answer once'
            cand alert 'Check a condition, or watch it and act'
            cand symbols 'List what an exchange trades'
            cand test 'Grade a feed from A to F'
            cand help 'Print this message or the help of the given subcommand(s)'
        }
        &'tickwire;monitor'= {
            cand -s 'The same, separated by commas'
            cand --symbols 'The same, separated by commas'
            cand --stream 'What to follow: ticker, trades, candles [default: ticker; with --strategy only its signals]'
            cand --interval 'How long candles are; the first is what functions and strategies are over unless they say: 1s 5s 15s 1m 3m 5m 15m 30m 1h 2h 4h 6h 8h 12h 1d 1w [default: 1m]'
            cand --history 'First the newest so many closed candles, or trades, of each symbol and interval, then live'
            cand --since 'First the past from this time on, then live: 2026-01-31, 2026-01-31T14:00:00Z, or 2d for two days ago'
            cand --until 'End here; in the past, or now: a download'
            cand --strategy 'Signals of a strategy at the close of each candle: sma_cross(10,30), rsi(14,30,70), macd, bollinger, or the name of one in [strategies]; over --since and --until a backtest'
            cand --fee 'What each fill of a backtest costs, as in 0.1%'
            cand --slippage 'How much worse than the open of the next candle each fill is, as in 0.05%'
            cand -n 'Exit after so many events, all symbols together'
            cand --count 'Exit after so many events, all symbols together'
            cand -d 'Exit after so long'
            cand --duration 'Exit after so long'
            cand --refresh 'How often the screen is redrawn; nothing with -1'
            cand --summary 'A market summary on stderr that often, told after the table is left; nothing with -1'
            cand --field 'Only these fields (price, bid, ask, spread, volume_24h, timestamp and more), indicators, or what is computed from them'
            cand --where 'Only events for which this holds, as in price > 50000 and spread_bps < 5'
            cand -p 'Where the data comes from: kraken (default), binance, coinbase, mock'
            cand --provider 'Where the data comes from: kraken (default), binance, coinbase, mock'
            cand --fallback 'Providers that take over, symbol by symbol, while that one is stale or has failed'
            cand -c 'Configuration file instead of the default one'
            cand --config 'Configuration file instead of the default one'
            cand -o 'Output format; auto is a table on a terminal, json in a pipe, plain with --field'
            cand --output 'Output format; auto is a table on a terminal, json in a pipe, plain with --field'
            cand --timeout 'How long to wait: for the answer (default 10s), on a stream for each symbol''s first event; a watching alert ends then'
            cand --max-age 'Oldest value that still counts as an answer; default for alert: 60s'
            cand --color 'Colours on the terminal'
            cand --log-format 'Form of what is told on stderr'
            cand --proxy 'Proxy for REST and WebSocket: http://, https://, socks5://, socks5h://'
            cand --seed 'Seed of the mock market'
            cand -1 'One fresh event per symbol and stream, then exit'
            cand --once 'One fresh event per symbol and stream, then exit'
            cand -q 'Only data and errors'
            cand --quiet 'Only data and errors'
            cand -v 'More on stderr: -v for connections, -vv for everything'
            cand --verbose 'More on stderr: -v for connections, -vv for everything'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'tickwire;alert'= {
            cand -s 'Symbols, separated by commas'
            cand --symbols 'Symbols, separated by commas'
            cand --symbol 'Symbols, separated by commas'
            cand --condition 'The condition as a flag: price > 50000 and spread_bps < 10'
            cand -n 'Exit after so many firings'
            cand --count 'Exit after so many firings'
            cand --name 'Give the rule a memory over runs: it fires when the condition becomes true, not while it stays so'
            cand --message 'What the alert says; default: symbol, condition and price'
            cand --cooldown 'Swallow what comes within so long after a firing'
            cand --hysteresis 'Fall back so far before it can fire again: 500 or 1%'
            cand --for 'Fire only when the condition has held so long'
            cand --max-fires 'At most so many firings in such a time: 3/1d'
            cand --rearm 'What must be true before it can fire again; default: the opposite of the condition'
            cand --since-last 'Whether a named rule looks at the trades, or candles, since its last check'
            cand --webhook 'Do one of the [actions] of the configuration, or post to an address'
            cand --reset 'Forget what a named rule remembers'
            cand --history 'The last firings of a named rule, and what was swallowed'
            cand --exec 'Run a program at each firing, without a shell, the alert as JSON on its stdin. The last flag: it takes the rest of the line'
            cand -p 'Where the data comes from: kraken (default), binance, coinbase, mock'
            cand --provider 'Where the data comes from: kraken (default), binance, coinbase, mock'
            cand --fallback 'Providers that take over, symbol by symbol, while that one is stale or has failed'
            cand -c 'Configuration file instead of the default one'
            cand --config 'Configuration file instead of the default one'
            cand -o 'Output format; auto is a table on a terminal, json in a pipe, plain with --field'
            cand --output 'Output format; auto is a table on a terminal, json in a pipe, plain with --field'
            cand --timeout 'How long to wait: for the answer (default 10s), on a stream for each symbol''s first event; a watching alert ends then'
            cand --max-age 'Oldest value that still counts as an answer; default for alert: 60s'
            cand --color 'Colours on the terminal'
            cand --log-format 'Form of what is told on stderr'
            cand --proxy 'Proxy for REST and WebSocket: http://, https://, socks5://, socks5h://'
            cand --seed 'Seed of the mock market'
            cand --once 'Check once and exit: 0 true or fired, 1 not, 3 not known'
            cand --notify 'Show a desktop notification'
            cand --bell 'Ring the terminal'
            cand --dry-run 'Say what would be done, do nothing, remember nothing'
            cand --explain 'Print the condition as it was understood, what it fetches, and the values now'
            cand --list 'List the rules with a memory'
            cand -q 'Only data and errors'
            cand --quiet 'Only data and errors'
            cand -v 'More on stderr: -v for connections, -vv for everything'
            cand --verbose 'More on stderr: -v for connections, -vv for everything'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'tickwire;symbols'= {
            cand --base 'Only this base'
            cand --quote 'Only this quote'
            cand --resolve 'How each provider names this symbol'
            cand -p 'Where the data comes from: kraken (default), binance, coinbase, mock'
            cand --provider 'Where the data comes from: kraken (default), binance, coinbase, mock'
            cand --fallback 'Providers that take over, symbol by symbol, while that one is stale or has failed'
            cand -c 'Configuration file instead of the default one'
            cand --config 'Configuration file instead of the default one'
            cand -o 'Output format; auto is a table on a terminal, json in a pipe, plain with --field'
            cand --output 'Output format; auto is a table on a terminal, json in a pipe, plain with --field'
            cand --timeout 'How long to wait: for the answer (default 10s), on a stream for each symbol''s first event; a watching alert ends then'
            cand --max-age 'Oldest value that still counts as an answer; default for alert: 60s'
            cand --color 'Colours on the terminal'
            cand --log-format 'Form of what is told on stderr'
            cand --proxy 'Proxy for REST and WebSocket: http://, https://, socks5://, socks5h://'
            cand --seed 'Seed of the mock market'
            cand --all-providers 'Every exchange, not only the provider'
            cand --update 'Ask the exchange anew, whatever the cache has'
            cand -q 'Only data and errors'
            cand --quiet 'Only data and errors'
            cand -v 'More on stderr: -v for connections, -vv for everything'
            cand --verbose 'More on stderr: -v for connections, -vv for everything'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'tickwire;test'= {
            cand -s 'The same, separated by commas'
            cand --symbols 'The same, separated by commas'
            cand -d 'How long to watch the feed'
            cand --duration 'How long to watch the feed'
            cand --min-grade 'The worst grade that passes'
            cand -p 'Where the data comes from: kraken (default), binance, coinbase, mock'
            cand --provider 'Where the data comes from: kraken (default), binance, coinbase, mock'
            cand --fallback 'Providers that take over, symbol by symbol, while that one is stale or has failed'
            cand -c 'Configuration file instead of the default one'
            cand --config 'Configuration file instead of the default one'
            cand -o 'Output format; auto is a table on a terminal, json in a pipe, plain with --field'
            cand --output 'Output format; auto is a table on a terminal, json in a pipe, plain with --field'
            cand --timeout 'How long to wait: for the answer (default 10s), on a stream for each symbol''s first event; a watching alert ends then'
            cand --max-age 'Oldest value that still counts as an answer; default for alert: 60s'
            cand --color 'Colours on the terminal'
            cand --log-format 'Form of what is told on stderr'
            cand --proxy 'Proxy for REST and WebSocket: http://, https://, socks5://, socks5h://'
            cand --seed 'Seed of the mock market'
            cand --drop 'Cut the connection afterwards, and see how it recovers'
            cand --explain 'Print the rule of each check and exit'
            cand -q 'Only data and errors'
            cand --quiet 'Only data and errors'
            cand -v 'More on stderr: -v for connections, -vv for everything'
            cand --verbose 'More on stderr: -v for connections, -vv for everything'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'tickwire;help'= {
            cand monitor 'Stream prices and trades, or answer once'
            cand alert 'Check a condition, or watch it and act'
            cand symbols 'List what an exchange trades'
            cand test 'Grade a feed from A to F'
            cand help 'Print this message or the help of the given subcommand(s)'
        }
        &'tickwire;help;monitor'= {
        }
        &'tickwire;help;alert'= {
        }
        &'tickwire;help;symbols'= {
        }
        &'tickwire;help;test'= {
        }
        &'tickwire;help;help'= {
        }
    ]
    $completions[$command]
}
