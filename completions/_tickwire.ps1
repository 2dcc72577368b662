
using namespace System.Management.Automation
using namespace System.Management.Automation.Language

Register-ArgumentCompleter -Native -CommandName 'tickwire' -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)

    $commandElements = $commandAst.CommandElements
    $command = @(
        'tickwire'
        for ($i = 1; $i -lt $commandElements.Count; $i++) {
            $element = $commandElements[$i]
            if ($element -isnot [StringConstantExpressionAst] -or
                $element.StringConstantType -ne [StringConstantType]::BareWord -or
                $element.Value.StartsWith('-') -or
                $element.Value -eq $wordToComplete) {
                break
        }
        $element.Value
    }) -join ';'

    $completions = @(switch ($command) {
        'tickwire' {
            [CompletionResult]::new('-p', '-p', [CompletionResultType]::ParameterName, 'Where the data comes from: kraken (default), binance, coinbase, mock, a [[stream]]; server asks a running one')
            [CompletionResult]::new('--provider', '--provider', [CompletionResultType]::ParameterName, 'Where the data comes from: kraken (default), binance, coinbase, mock, a [[stream]]; server asks a running one')
            [CompletionResult]::new('--fallback', '--fallback', [CompletionResultType]::ParameterName, 'Providers that take over, symbol by symbol, while that one is stale or has failed')
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Configuration file instead of the default one')
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'Configuration file instead of the default one')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'Output format; auto is a table on a terminal, json in a pipe, plain with --field')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'Output format; auto is a table on a terminal, json in a pipe, plain with --field')
            [CompletionResult]::new('--timeout', '--timeout', [CompletionResultType]::ParameterName, 'How long to wait: for the answer (default 10s), on a stream for each symbol''s first event; a watching alert ends then')
            [CompletionResult]::new('--max-age', '--max-age', [CompletionResultType]::ParameterName, 'Oldest value that still counts as an answer; default for alert: 60s')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Colours on the terminal')
            [CompletionResult]::new('--log-format', '--log-format', [CompletionResultType]::ParameterName, 'Form of what is told on stderr')
            [CompletionResult]::new('--proxy', '--proxy', [CompletionResultType]::ParameterName, 'Proxy for REST and WebSocket: http://, https://, socks5://, socks5h://')
            [CompletionResult]::new('--url', '--url', [CompletionResultType]::ParameterName, 'The server of -p server and of status [default: the one of the configuration, http://127.0.0.1:8000]')
            [CompletionResult]::new('--seed', '--seed', [CompletionResultType]::ParameterName, 'Seed of the mock market')
            [CompletionResult]::new('--generate', '--generate', [CompletionResultType]::ParameterName, 'Print shell completions, or the man page')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Only data and errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Only data and errors')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'More on stderr: -v for connections, -vv for everything')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'More on stderr: -v for connections, -vv for everything')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('monitor', 'monitor', [CompletionResultType]::ParameterValue, 'Stream prices and trades, or answer once')
            [CompletionResult]::new('alert', 'alert', [CompletionResultType]::ParameterValue, 'Check a condition, or watch it and act')
            [CompletionResult]::new('symbols', 'symbols', [CompletionResultType]::ParameterValue, 'List what an exchange trades')
            [CompletionResult]::new('test', 'test', [CompletionResultType]::ParameterValue, 'Grade a feed from A to F')
            [CompletionResult]::new('start', 'start', [CompletionResultType]::ParameterValue, 'Serve it all to other programs: WebSocket, HTTP API, dashboard')
            [CompletionResult]::new('status', 'status', [CompletionResultType]::ParameterValue, 'Ask a running server how it is')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'tickwire;monitor' {
            [CompletionResult]::new('-s', '-s', [CompletionResultType]::ParameterName, 'The same, separated by commas')
            [CompletionResult]::new('--symbols', '--symbols', [CompletionResultType]::ParameterName, 'The same, separated by commas')
            [CompletionResult]::new('--stream', '--stream', [CompletionResultType]::ParameterName, 'What to follow: ticker, trades, candles [default: ticker; with --strategy only its signals]')
            [CompletionResult]::new('--interval', '--interval', [CompletionResultType]::ParameterName, 'How long candles are; the first is what functions and strategies are over unless they say: 1s 5s 15s 1m 3m 5m 15m 30m 1h 2h 4h 6h 8h 12h 1d 1w [default: 1m]')
            [CompletionResult]::new('--history', '--history', [CompletionResultType]::ParameterName, 'First the newest so many closed candles, or trades, of each symbol and interval, then live')
            [CompletionResult]::new('--since', '--since', [CompletionResultType]::ParameterName, 'First the past from this time on, then live: 2026-01-31, 2026-01-31T14:00:00Z, or 2d for two days ago')
            [CompletionResult]::new('--until', '--until', [CompletionResultType]::ParameterName, 'End here; in the past, or now: a download')
            [CompletionResult]::new('--strategy', '--strategy', [CompletionResultType]::ParameterName, 'Signals of a strategy at the close of each candle: sma_cross(10,30), rsi(14,30,70), macd, bollinger, or the name of one in [strategies]; over --since and --until a backtest')
            [CompletionResult]::new('--fee', '--fee', [CompletionResultType]::ParameterName, 'What each fill of a backtest costs, as in 0.1%')
            [CompletionResult]::new('--slippage', '--slippage', [CompletionResultType]::ParameterName, 'How much worse than the open of the next candle each fill is, as in 0.05%')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Exit after so many events, all symbols together')
            [CompletionResult]::new('--count', '--count', [CompletionResultType]::ParameterName, 'Exit after so many events, all symbols together')
            [CompletionResult]::new('-d', '-d', [CompletionResultType]::ParameterName, 'Exit after so long')
            [CompletionResult]::new('--duration', '--duration', [CompletionResultType]::ParameterName, 'Exit after so long')
            [CompletionResult]::new('--refresh', '--refresh', [CompletionResultType]::ParameterName, 'How often the screen is redrawn; nothing with -1')
            [CompletionResult]::new('--summary', '--summary', [CompletionResultType]::ParameterName, 'A market summary on stderr that often, told after the table is left; nothing with -1')
            [CompletionResult]::new('--field', '--field', [CompletionResultType]::ParameterName, 'Only these fields (price, bid, ask, spread, volume_24h, timestamp and more), indicators, or what is computed from them')
            [CompletionResult]::new('--where', '--where', [CompletionResultType]::ParameterName, 'Only events for which this holds, as in price > 50000 and spread_bps < 5')
            [CompletionResult]::new('-p', '-p', [CompletionResultType]::ParameterName, 'Where the data comes from: kraken (default), binance, coinbase, mock, a [[stream]]; server asks a running one')
            [CompletionResult]::new('--provider', '--provider', [CompletionResultType]::ParameterName, 'Where the data comes from: kraken (default), binance, coinbase, mock, a [[stream]]; server asks a running one')
            [CompletionResult]::new('--fallback', '--fallback', [CompletionResultType]::ParameterName, 'Providers that take over, symbol by symbol, while that one is stale or has failed')
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Configuration file instead of the default one')
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'Configuration file instead of the default one')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'Output format; auto is a table on a terminal, json in a pipe, plain with --field')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'Output format; auto is a table on a terminal, json in a pipe, plain with --field')
            [CompletionResult]::new('--timeout', '--timeout', [CompletionResultType]::ParameterName, 'How long to wait: for the answer (default 10s), on a stream for each symbol''s first event; a watching alert ends then')
            [CompletionResult]::new('--max-age', '--max-age', [CompletionResultType]::ParameterName, 'Oldest value that still counts as an answer; default for alert: 60s')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Colours on the terminal')
            [CompletionResult]::new('--log-format', '--log-format', [CompletionResultType]::ParameterName, 'Form of what is told on stderr')
            [CompletionResult]::new('--proxy', '--proxy', [CompletionResultType]::ParameterName, 'Proxy for REST and WebSocket: http://, https://, socks5://, socks5h://')
            [CompletionResult]::new('--url', '--url', [CompletionResultType]::ParameterName, 'The server of -p server and of status [default: the one of the configuration, http://127.0.0.1:8000]')
            [CompletionResult]::new('--seed', '--seed', [CompletionResultType]::ParameterName, 'Seed of the mock market')
            [CompletionResult]::new('--portfolio', '--portfolio', [CompletionResultType]::ParameterName, 'What the holdings of the configuration are worth, instead of any symbols')
            [CompletionResult]::new('-1', '-1', [CompletionResultType]::ParameterName, 'One fresh event per symbol and stream, then exit')
            [CompletionResult]::new('--once', '--once', [CompletionResultType]::ParameterName, 'One fresh event per symbol and stream, then exit')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Only data and errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Only data and errors')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'More on stderr: -v for connections, -vv for everything')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'More on stderr: -v for connections, -vv for everything')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'tickwire;alert' {
            [CompletionResult]::new('-s', '-s', [CompletionResultType]::ParameterName, 'Symbols, separated by commas')
            [CompletionResult]::new('--symbols', '--symbols', [CompletionResultType]::ParameterName, 'Symbols, separated by commas')
            [CompletionResult]::new('--symbol', '--symbol', [CompletionResultType]::ParameterName, 'Symbols, separated by commas')
            [CompletionResult]::new('--condition', '--condition', [CompletionResultType]::ParameterName, 'The condition as a flag: price > 50000 and spread_bps < 10')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Exit after so many firings')
            [CompletionResult]::new('--count', '--count', [CompletionResultType]::ParameterName, 'Exit after so many firings')
            [CompletionResult]::new('--name', '--name', [CompletionResultType]::ParameterName, 'Give the rule a memory over runs: it fires when the condition becomes true, not while it stays so')
            [CompletionResult]::new('--message', '--message', [CompletionResultType]::ParameterName, 'What the alert says; default: symbol, condition and price')
            [CompletionResult]::new('--cooldown', '--cooldown', [CompletionResultType]::ParameterName, 'Swallow what comes within so long after a firing')
            [CompletionResult]::new('--hysteresis', '--hysteresis', [CompletionResultType]::ParameterName, 'Fall back so far before it can fire again: 500 or 1%')
            [CompletionResult]::new('--for', '--for', [CompletionResultType]::ParameterName, 'Fire only when the condition has held so long')
            [CompletionResult]::new('--max-fires', '--max-fires', [CompletionResultType]::ParameterName, 'At most so many firings in such a time: 3/1d')
            [CompletionResult]::new('--rearm', '--rearm', [CompletionResultType]::ParameterName, 'What must be true before it can fire again; default: the opposite of the condition')
            [CompletionResult]::new('--since-last', '--since-last', [CompletionResultType]::ParameterName, 'Whether a named rule looks at the trades, or candles, since its last check')
            [CompletionResult]::new('--webhook', '--webhook', [CompletionResultType]::ParameterName, 'Do one of the [actions] of the configuration, or post to an address')
            [CompletionResult]::new('--reset', '--reset', [CompletionResultType]::ParameterName, 'Forget what a named rule remembers')
            [CompletionResult]::new('--history', '--history', [CompletionResultType]::ParameterName, 'The last firings of a named rule, and what was swallowed')
            [CompletionResult]::new('--exec', '--exec', [CompletionResultType]::ParameterName, 'Run a program at each firing, without a shell, the alert as JSON on its stdin. The last flag: it takes the rest of the line')
            [CompletionResult]::new('-p', '-p', [CompletionResultType]::ParameterName, 'Where the data comes from: kraken (default), binance, coinbase, mock, a [[stream]]; server asks a running one')
            [CompletionResult]::new('--provider', '--provider', [CompletionResultType]::ParameterName, 'Where the data comes from: kraken (default), binance, coinbase, mock, a [[stream]]; server asks a running one')
            [CompletionResult]::new('--fallback', '--fallback', [CompletionResultType]::ParameterName, 'Providers that take over, symbol by symbol, while that one is stale or has failed')
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Configuration file instead of the default one')
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'Configuration file instead of the default one')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'Output format; auto is a table on a terminal, json in a pipe, plain with --field')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'Output format; auto is a table on a terminal, json in a pipe, plain with --field')
            [CompletionResult]::new('--timeout', '--timeout', [CompletionResultType]::ParameterName, 'How long to wait: for the answer (default 10s), on a stream for each symbol''s first event; a watching alert ends then')
            [CompletionResult]::new('--max-age', '--max-age', [CompletionResultType]::ParameterName, 'Oldest value that still counts as an answer; default for alert: 60s')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Colours on the terminal')
            [CompletionResult]::new('--log-format', '--log-format', [CompletionResultType]::ParameterName, 'Form of what is told on stderr')
            [CompletionResult]::new('--proxy', '--proxy', [CompletionResultType]::ParameterName, 'Proxy for REST and WebSocket: http://, https://, socks5://, socks5h://')
            [CompletionResult]::new('--url', '--url', [CompletionResultType]::ParameterName, 'The server of -p server and of status [default: the one of the configuration, http://127.0.0.1:8000]')
            [CompletionResult]::new('--seed', '--seed', [CompletionResultType]::ParameterName, 'Seed of the mock market')
            [CompletionResult]::new('--once', '--once', [CompletionResultType]::ParameterName, 'Check once and exit: 0 true or fired, 1 not, 3 not known')
            [CompletionResult]::new('--notify', '--notify', [CompletionResultType]::ParameterName, 'Show a desktop notification')
            [CompletionResult]::new('--bell', '--bell', [CompletionResultType]::ParameterName, 'Ring the terminal')
            [CompletionResult]::new('--dry-run', '--dry-run', [CompletionResultType]::ParameterName, 'Say what would be done, do nothing, remember nothing')
            [CompletionResult]::new('--explain', '--explain', [CompletionResultType]::ParameterName, 'Print the condition as it was understood, what it fetches, and the values now')
            [CompletionResult]::new('--list', '--list', [CompletionResultType]::ParameterName, 'List the rules with a memory')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Only data and errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Only data and errors')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'More on stderr: -v for connections, -vv for everything')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'More on stderr: -v for connections, -vv for everything')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'tickwire;symbols' {
            [CompletionResult]::new('--base', '--base', [CompletionResultType]::ParameterName, 'Only this base')
            [CompletionResult]::new('--quote', '--quote', [CompletionResultType]::ParameterName, 'Only this quote')
            [CompletionResult]::new('--resolve', '--resolve', [CompletionResultType]::ParameterName, 'How each provider names this symbol')
            [CompletionResult]::new('-p', '-p', [CompletionResultType]::ParameterName, 'Where the data comes from: kraken (default), binance, coinbase, mock, a [[stream]]; server asks a running one')
            [CompletionResult]::new('--provider', '--provider', [CompletionResultType]::ParameterName, 'Where the data comes from: kraken (default), binance, coinbase, mock, a [[stream]]; server asks a running one')
            [CompletionResult]::new('--fallback', '--fallback', [CompletionResultType]::ParameterName, 'Providers that take over, symbol by symbol, while that one is stale or has failed')
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Configuration file instead of the default one')
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'Configuration file instead of the default one')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'Output format; auto is a table on a terminal, json in a pipe, plain with --field')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'Output format; auto is a table on a terminal, json in a pipe, plain with --field')
            [CompletionResult]::new('--timeout', '--timeout', [CompletionResultType]::ParameterName, 'How long to wait: for the answer (default 10s), on a stream for each symbol''s first event; a watching alert ends then')
            [CompletionResult]::new('--max-age', '--max-age', [CompletionResultType]::ParameterName, 'Oldest value that still counts as an answer; default for alert: 60s')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Colours on the terminal')
            [CompletionResult]::new('--log-format', '--log-format', [CompletionResultType]::ParameterName, 'Form of what is told on stderr')
            [CompletionResult]::new('--proxy', '--proxy', [CompletionResultType]::ParameterName, 'Proxy for REST and WebSocket: http://, https://, socks5://, socks5h://')
            [CompletionResult]::new('--url', '--url', [CompletionResultType]::ParameterName, 'The server of -p server and of status [default: the one of the configuration, http://127.0.0.1:8000]')
            [CompletionResult]::new('--seed', '--seed', [CompletionResultType]::ParameterName, 'Seed of the mock market')
            [CompletionResult]::new('--all-providers', '--all-providers', [CompletionResultType]::ParameterName, 'Every exchange, not only the provider')
            [CompletionResult]::new('--update', '--update', [CompletionResultType]::ParameterName, 'Ask the exchange anew, whatever the cache has')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Only data and errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Only data and errors')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'More on stderr: -v for connections, -vv for everything')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'More on stderr: -v for connections, -vv for everything')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'tickwire;test' {
            [CompletionResult]::new('-s', '-s', [CompletionResultType]::ParameterName, 'The same, separated by commas')
            [CompletionResult]::new('--symbols', '--symbols', [CompletionResultType]::ParameterName, 'The same, separated by commas')
            [CompletionResult]::new('-d', '-d', [CompletionResultType]::ParameterName, 'How long to watch the feed')
            [CompletionResult]::new('--duration', '--duration', [CompletionResultType]::ParameterName, 'How long to watch the feed')
            [CompletionResult]::new('--min-grade', '--min-grade', [CompletionResultType]::ParameterName, 'The worst grade that passes')
            [CompletionResult]::new('-p', '-p', [CompletionResultType]::ParameterName, 'Where the data comes from: kraken (default), binance, coinbase, mock, a [[stream]]; server asks a running one')
            [CompletionResult]::new('--provider', '--provider', [CompletionResultType]::ParameterName, 'Where the data comes from: kraken (default), binance, coinbase, mock, a [[stream]]; server asks a running one')
            [CompletionResult]::new('--fallback', '--fallback', [CompletionResultType]::ParameterName, 'Providers that take over, symbol by symbol, while that one is stale or has failed')
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Configuration file instead of the default one')
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'Configuration file instead of the default one')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'Output format; auto is a table on a terminal, json in a pipe, plain with --field')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'Output format; auto is a table on a terminal, json in a pipe, plain with --field')
            [CompletionResult]::new('--timeout', '--timeout', [CompletionResultType]::ParameterName, 'How long to wait: for the answer (default 10s), on a stream for each symbol''s first event; a watching alert ends then')
            [CompletionResult]::new('--max-age', '--max-age', [CompletionResultType]::ParameterName, 'Oldest value that still counts as an answer; default for alert: 60s')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Colours on the terminal')
            [CompletionResult]::new('--log-format', '--log-format', [CompletionResultType]::ParameterName, 'Form of what is told on stderr')
            [CompletionResult]::new('--proxy', '--proxy', [CompletionResultType]::ParameterName, 'Proxy for REST and WebSocket: http://, https://, socks5://, socks5h://')
            [CompletionResult]::new('--url', '--url', [CompletionResultType]::ParameterName, 'The server of -p server and of status [default: the one of the configuration, http://127.0.0.1:8000]')
            [CompletionResult]::new('--seed', '--seed', [CompletionResultType]::ParameterName, 'Seed of the mock market')
            [CompletionResult]::new('--drop', '--drop', [CompletionResultType]::ParameterName, 'Cut the connection afterwards, and see how it recovers')
            [CompletionResult]::new('--explain', '--explain', [CompletionResultType]::ParameterName, 'Print the rule of each check and exit')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Only data and errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Only data and errors')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'More on stderr: -v for connections, -vv for everything')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'More on stderr: -v for connections, -vv for everything')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'tickwire;start' {
            [CompletionResult]::new('-s', '-s', [CompletionResultType]::ParameterName, 'The same, separated by commas')
            [CompletionResult]::new('--symbols', '--symbols', [CompletionResultType]::ParameterName, 'The same, separated by commas')
            [CompletionResult]::new('--host', '--host', [CompletionResultType]::ParameterName, 'The address to listen on; any other than loopback needs server.token [default: 127.0.0.1]')
            [CompletionResult]::new('--port', '--port', [CompletionResultType]::ParameterName, 'The port; 0 takes a free one [default: 8000]')
            [CompletionResult]::new('-p', '-p', [CompletionResultType]::ParameterName, 'Where the data comes from: kraken (default), binance, coinbase, mock, a [[stream]]; server asks a running one')
            [CompletionResult]::new('--provider', '--provider', [CompletionResultType]::ParameterName, 'Where the data comes from: kraken (default), binance, coinbase, mock, a [[stream]]; server asks a running one')
            [CompletionResult]::new('--fallback', '--fallback', [CompletionResultType]::ParameterName, 'Providers that take over, symbol by symbol, while that one is stale or has failed')
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Configuration file instead of the default one')
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'Configuration file instead of the default one')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'Output format; auto is a table on a terminal, json in a pipe, plain with --field')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'Output format; auto is a table on a terminal, json in a pipe, plain with --field')
            [CompletionResult]::new('--timeout', '--timeout', [CompletionResultType]::ParameterName, 'How long to wait: for the answer (default 10s), on a stream for each symbol''s first event; a watching alert ends then')
            [CompletionResult]::new('--max-age', '--max-age', [CompletionResultType]::ParameterName, 'Oldest value that still counts as an answer; default for alert: 60s')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Colours on the terminal')
            [CompletionResult]::new('--log-format', '--log-format', [CompletionResultType]::ParameterName, 'Form of what is told on stderr')
            [CompletionResult]::new('--proxy', '--proxy', [CompletionResultType]::ParameterName, 'Proxy for REST and WebSocket: http://, https://, socks5://, socks5h://')
            [CompletionResult]::new('--url', '--url', [CompletionResultType]::ParameterName, 'The server of -p server and of status [default: the one of the configuration, http://127.0.0.1:8000]')
            [CompletionResult]::new('--seed', '--seed', [CompletionResultType]::ParameterName, 'Seed of the mock market')
            [CompletionResult]::new('--dashboard', '--dashboard', [CompletionResultType]::ParameterName, 'Open the dashboard in a browser once it is ready')
            [CompletionResult]::new('--no-dashboard', '--no-dashboard', [CompletionResultType]::ParameterName, 'Do not open it')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Only data and errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Only data and errors')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'More on stderr: -v for connections, -vv for everything')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'More on stderr: -v for connections, -vv for everything')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'tickwire;status' {
            [CompletionResult]::new('--host', '--host', [CompletionResultType]::ParameterName, 'The server''s host, instead of --url')
            [CompletionResult]::new('--port', '--port', [CompletionResultType]::ParameterName, 'The server''s port, instead of --url')
            [CompletionResult]::new('-p', '-p', [CompletionResultType]::ParameterName, 'Where the data comes from: kraken (default), binance, coinbase, mock, a [[stream]]; server asks a running one')
            [CompletionResult]::new('--provider', '--provider', [CompletionResultType]::ParameterName, 'Where the data comes from: kraken (default), binance, coinbase, mock, a [[stream]]; server asks a running one')
            [CompletionResult]::new('--fallback', '--fallback', [CompletionResultType]::ParameterName, 'Providers that take over, symbol by symbol, while that one is stale or has failed')
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Configuration file instead of the default one')
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'Configuration file instead of the default one')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'Output format; auto is a table on a terminal, json in a pipe, plain with --field')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'Output format; auto is a table on a terminal, json in a pipe, plain with --field')
            [CompletionResult]::new('--timeout', '--timeout', [CompletionResultType]::ParameterName, 'How long to wait: for the answer (default 10s), on a stream for each symbol''s first event; a watching alert ends then')
            [CompletionResult]::new('--max-age', '--max-age', [CompletionResultType]::ParameterName, 'Oldest value that still counts as an answer; default for alert: 60s')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Colours on the terminal')
            [CompletionResult]::new('--log-format', '--log-format', [CompletionResultType]::ParameterName, 'Form of what is told on stderr')
            [CompletionResult]::new('--proxy', '--proxy', [CompletionResultType]::ParameterName, 'Proxy for REST and WebSocket: http://, https://, socks5://, socks5h://')
            [CompletionResult]::new('--url', '--url', [CompletionResultType]::ParameterName, 'The server of -p server and of status [default: the one of the configuration, http://127.0.0.1:8000]')
            [CompletionResult]::new('--seed', '--seed', [CompletionResultType]::ParameterName, 'Seed of the mock market')
            [CompletionResult]::new('--watch', '--watch', [CompletionResultType]::ParameterName, 'Ask again and again, until stopped')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Only data and errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Only data and errors')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'More on stderr: -v for connections, -vv for everything')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'More on stderr: -v for connections, -vv for everything')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'tickwire;help' {
            [CompletionResult]::new('monitor', 'monitor', [CompletionResultType]::ParameterValue, 'Stream prices and trades, or answer once')
            [CompletionResult]::new('alert', 'alert', [CompletionResultType]::ParameterValue, 'Check a condition, or watch it and act')
            [CompletionResult]::new('symbols', 'symbols', [CompletionResultType]::ParameterValue, 'List what an exchange trades')
            [CompletionResult]::new('test', 'test', [CompletionResultType]::ParameterValue, 'Grade a feed from A to F')
            [CompletionResult]::new('start', 'start', [CompletionResultType]::ParameterValue, 'Serve it all to other programs: WebSocket, HTTP API, dashboard')
            [CompletionResult]::new('status', 'status', [CompletionResultType]::ParameterValue, 'Ask a running server how it is')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'tickwire;help;monitor' {
            break
        }
        'tickwire;help;alert' {
            break
        }
        'tickwire;help;symbols' {
            break
        }
        'tickwire;help;test' {
            break
        }
        'tickwire;help;start' {
            break
        }
        'tickwire;help;status' {
            break
        }
        'tickwire;help;help' {
            break
        }
    })

    $completions.Where{ $_.CompletionText -like "$wordToComplete*" } |
        Sort-Object -Property ListItemText
}
