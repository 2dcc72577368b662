
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
            cand -c 'Configuration file instead of the default one'
            cand --config 'Configuration file instead of the default one'
            cand -o 'Output format; auto is a table on a terminal, json in a pipe, plain with --field'
            cand --output 'Output format; auto is a table on a terminal, json in a pipe, plain with --field'
            cand --timeout 'How long to wait: for the answer (default 10s), on a stream for each symbol''s first event'
            cand --max-age 'Oldest value that still counts as an answer'
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
            cand help 'Print this message or the help of the given subcommand(s)'
        }
        &'tickwire;monitor'= {
            cand -s 'The same, separated by commas'
            cand --symbols 'The same, separated by commas'
            cand --stream 'What to follow: ticker, trades'
            cand -n 'Exit after so many events, all symbols together'
            cand --count 'Exit after so many events, all symbols together'
            cand -d 'Exit after so long'
            cand --duration 'Exit after so long'
            cand --refresh 'How often the screen is redrawn; nothing with -1'
            cand --summary 'A market summary on stderr that often, told after the table is left; nothing with -1'
            cand --field 'Only these fields (price, bid, ask, spread, volume_24h, timestamp and more) or what is computed from them'
            cand --where 'Only events for which this holds, as in price > 50000 and spread_bps < 5'
            cand -p 'Where the data comes from: kraken (default), binance, coinbase, mock'
            cand --provider 'Where the data comes from: kraken (default), binance, coinbase, mock'
            cand -c 'Configuration file instead of the default one'
            cand --config 'Configuration file instead of the default one'
            cand -o 'Output format; auto is a table on a terminal, json in a pipe, plain with --field'
            cand --output 'Output format; auto is a table on a terminal, json in a pipe, plain with --field'
            cand --timeout 'How long to wait: for the answer (default 10s), on a stream for each symbol''s first event'
            cand --max-age 'Oldest value that still counts as an answer'
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
            cand --condition 'What to watch for, as in price > 50000 and spread_bps < 10'
            cand -n 'Exit after so many firings'
            cand --count 'Exit after so many firings'
            cand --name 'Gives the rule a memory: it fires when the condition becomes true, not while it stays so'
            cand --message 'What the alert says'
            cand --cooldown 'Silence after a firing'
            cand --hysteresis 'How far to fall back before it can fire again: 500 or 1%'
            cand --for 'The condition must hold this long first'
            cand --max-fires 'At most so many firings in such a time: 3/1d'
            cand --rearm 'It can fire again once this is true'
            cand --since-last 'Whether what happened since the last check of a named rule counts'
            cand --webhook 'Post the alert to one of the [actions] of the configuration, or to an address'
            cand --reset 'Forget what a named rule remembers'
            cand --history 'The last firings of a named rule'
            cand --exec 'A program to run at each firing, the last flag: it takes the rest of the line. No shell; the alert is JSON on its stdin'
            cand -p 'Where the data comes from: kraken (default), binance, coinbase, mock'
            cand --provider 'Where the data comes from: kraken (default), binance, coinbase, mock'
            cand -c 'Configuration file instead of the default one'
            cand --config 'Configuration file instead of the default one'
            cand -o 'Output format; auto is a table on a terminal, json in a pipe, plain with --field'
            cand --output 'Output format; auto is a table on a terminal, json in a pipe, plain with --field'
            cand --timeout 'How long to wait: for the answer (default 10s), on a stream for each symbol''s first event'
            cand --max-age 'Oldest value that still counts as an answer'
            cand --color 'Colours on the terminal'
            cand --log-format 'Form of what is told on stderr'
            cand --proxy 'Proxy for REST and WebSocket: http://, https://, socks5://, socks5h://'
            cand --seed 'Seed of the mock market'
            cand --once 'Check once and exit: 0 fired, 1 not, 3 not known'
            cand --notify 'A desktop notification'
            cand --bell 'Ring the terminal'
            cand --dry-run 'Say what would be done, do nothing, remember nothing'
            cand --explain 'Print the condition as it was understood, what it fetches, and the values now'
            cand --list 'List the named rules that have a memory'
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
            cand -c 'Configuration file instead of the default one'
            cand --config 'Configuration file instead of the default one'
            cand -o 'Output format; auto is a table on a terminal, json in a pipe, plain with --field'
            cand --output 'Output format; auto is a table on a terminal, json in a pipe, plain with --field'
            cand --timeout 'How long to wait: for the answer (default 10s), on a stream for each symbol''s first event'
            cand --max-age 'Oldest value that still counts as an answer'
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
        &'tickwire;help'= {
            cand monitor 'Stream prices and trades, or answer once'
            cand alert 'Check a condition, or watch it and act'
            cand symbols 'List what an exchange trades'
            cand help 'Print this message or the help of the given subcommand(s)'
        }
        &'tickwire;help;monitor'= {
        }
        &'tickwire;help;alert'= {
        }
        &'tickwire;help;symbols'= {
        }
        &'tickwire;help;help'= {
        }
    ]
    $completions[$command]
}
