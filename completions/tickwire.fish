# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_tickwire_global_optspecs
    string join \n p/provider= fallback= c/config= o/output= timeout= max-age= color= q/quiet v/verbose log-format= proxy= url= seed= generate= h/help V/version
end

function __fish_tickwire_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_tickwire_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_tickwire_using_subcommand
    set -l cmd (__fish_tickwire_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c tickwire -n "__fish_tickwire_needs_command" -s p -l provider -d 'Where the data comes from: kraken (default), binance, coinbase, mock, a [[stream]]; server asks a running one' -r
complete -c tickwire -n "__fish_tickwire_needs_command" -l fallback -d 'Providers that take over, symbol by symbol, while that one is stale or has failed' -r
complete -c tickwire -n "__fish_tickwire_needs_command" -s c -l config -d 'Configuration file instead of the default one' -r -F
complete -c tickwire -n "__fish_tickwire_needs_command" -s o -l output -d 'Output format; auto is a table on a terminal, json in a pipe, plain with --field' -r -f -a "auto\t'A table on a terminal, `json` in a pipe, `plain` where fields are asked for'
table\t'Redrawn on the screen'
plain\t'Tab-separated values, no header, one line per event'
json\t'JSON Lines'
csv\t'Comma-separated values after a header'"
complete -c tickwire -n "__fish_tickwire_needs_command" -l timeout -d 'How long to wait: for the answer (default 10s), on a stream for each symbol\'s first event; a watching alert ends then' -r
complete -c tickwire -n "__fish_tickwire_needs_command" -l max-age -d 'Oldest value that still counts as an answer; default for alert: 60s' -r
complete -c tickwire -n "__fish_tickwire_needs_command" -l color -d 'Colours on the terminal' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Also in a pipe'
never\t'None'"
complete -c tickwire -n "__fish_tickwire_needs_command" -l log-format -d 'Form of what is told on stderr' -r -f -a "text\t'For people'
json\t'One JSON object per line'"
complete -c tickwire -n "__fish_tickwire_needs_command" -l proxy -d 'Proxy for REST and WebSocket: http://, https://, socks5://, socks5h://' -r
complete -c tickwire -n "__fish_tickwire_needs_command" -l url -d 'The server of -p server and of status [default: the one of the configuration, http://127.0.0.1:8000]' -r
complete -c tickwire -n "__fish_tickwire_needs_command" -l seed -d 'Seed of the mock market' -r
complete -c tickwire -n "__fish_tickwire_needs_command" -l generate -d 'Print shell completions, or the man page' -r -f -a "bash\t'Completions for bash'
zsh\t'Completions for zsh'
fish\t'Completions for fish'
elvish\t'Completions for elvish'
powershell\t'Completions for PowerShell'
man\t'The man page'"
complete -c tickwire -n "__fish_tickwire_needs_command" -s q -l quiet -d 'Only data and errors'
complete -c tickwire -n "__fish_tickwire_needs_command" -s v -l verbose -d 'More on stderr: -v for connections, -vv for everything'
complete -c tickwire -n "__fish_tickwire_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c tickwire -n "__fish_tickwire_needs_command" -s V -l version -d 'Print version'
complete -c tickwire -n "__fish_tickwire_needs_command" -f -a "monitor" -d 'Stream prices and trades, or answer once'
complete -c tickwire -n "__fish_tickwire_needs_command" -f -a "alert" -d 'Check a condition, or watch it and act'
complete -c tickwire -n "__fish_tickwire_needs_command" -f -a "symbols" -d 'List what an exchange trades'
complete -c tickwire -n "__fish_tickwire_needs_command" -f -a "test" -d 'Grade a feed from A to F'
complete -c tickwire -n "__fish_tickwire_needs_command" -f -a "start" -d 'Serve it all to other programs: WebSocket, HTTP API, dashboard'
complete -c tickwire -n "__fish_tickwire_needs_command" -f -a "status" -d 'Ask a running server how it is'
complete -c tickwire -n "__fish_tickwire_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c tickwire -n "__fish_tickwire_using_subcommand monitor" -s s -l symbols -d 'The same, separated by commas' -r
complete -c tickwire -n "__fish_tickwire_using_subcommand monitor" -l stream -d 'What to follow: ticker, trades, candles [default: ticker; with --strategy only its signals]' -r
complete -c tickwire -n "__fish_tickwire_using_subcommand monitor" -l interval -d 'How long candles are; the first is what functions and strategies are over unless they say: 1s 5s 15s 1m 3m 5m 15m 30m 1h 2h 4h 6h 8h 12h 1d 1w [default: 1m]' -r
complete -c tickwire -n "__fish_tickwire_using_subcommand monitor" -l history -d 'First the newest so many closed candles, or trades, of each symbol and interval, then live' -r
complete -c tickwire -n "__fish_tickwire_using_subcommand monitor" -l since -d 'First the past from this time on, then live: 2026-01-31, 2026-01-31T14:00:00Z, or 2d for two days ago' -r
complete -c tickwire -n "__fish_tickwire_using_subcommand monitor" -l until -d 'End here; in the past, or now: a download' -r
complete -c tickwire -n "__fish_tickwire_using_subcommand monitor" -l strategy -d 'Signals of a strategy at the close of each candle: sma_cross(10,30), rsi(14,30,70), macd, bollinger, or the name of one in [strategies]; over --since and --until a backtest' -r
complete -c tickwire -n "__fish_tickwire_using_subcommand monitor" -l fee -d 'What each fill of a backtest costs, as in 0.1%' -r
complete -c tickwire -n "__fish_tickwire_using_subcommand monitor" -l slippage -d 'How much worse than the open of the next candle each fill is, as in 0.05%' -r
complete -c tickwire -n "__fish_tickwire_using_subcommand monitor" -s n -l count -d 'Exit after so many events, all symbols together' -r
complete -c tickwire -n "__fish_tickwire_using_subcommand monitor" -s d -l duration -d 'Exit after so long' -r
complete -c tickwire -n "__fish_tickwire_using_subcommand monitor" -l refresh -d 'How often the screen is redrawn; nothing with -1' -r
complete -c tickwire -n "__fish_tickwire_using_subcommand monitor" -l summary -d 'A market summary on stderr that often, told after the table is left; nothing with -1' -r
complete -c tickwire -n "__fish_tickwire_using_subcommand monitor" -l field -d 'Only these fields (price, bid, ask, spread, volume_24h, timestamp and more), indicators, or what is computed from them' -r
complete -c tickwire -n "__fish_tickwire_using_subcommand monitor" -l where -d 'Only events for which this holds, as in price > 50000 and spread_bps < 5' -r
complete -c tickwire -n "__fish_tickwire_using_subcommand monitor" -s p -l provider -d 'Where the data comes from: kraken (default), binance, coinbase, mock, a [[stream]]; server asks a running one' -r
complete -c tickwire -n "__fish_tickwire_using_subcommand monitor" -l fallback -d 'Providers that take over, symbol by symbol, while that one is stale or has failed' -r
complete -c tickwire -n "__fish_tickwire_using_subcommand monitor" -s c -l config -d 'Configuration file instead of the default one' -r -F
complete -c tickwire -n "__fish_tickwire_using_subcommand monitor" -s o -l output -d 'Output format; auto is a table on a terminal, json in a pipe, plain with --field' -r -f -a "auto\t'A table on a terminal, `json` in a pipe, `plain` where fields are asked for'
table\t'Redrawn on the screen'
plain\t'Tab-separated values, no header, one line per event'
json\t'JSON Lines'
csv\t'Comma-separated values after a header'"
complete -c tickwire -n "__fish_tickwire_using_subcommand monitor" -l timeout -d 'How long to wait: for the answer (default 10s), on a stream for each symbol\'s first event; a watching alert ends then' -r
complete -c tickwire -n "__fish_tickwire_using_subcommand monitor" -l max-age -d 'Oldest value that still counts as an answer; default for alert: 60s' -r
complete -c tickwire -n "__fish_tickwire_using_subcommand monitor" -l color -d 'Colours on the terminal' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Also in a pipe'
never\t'None'"
complete -c tickwire -n "__fish_tickwire_using_subcommand monitor" -l log-format -d 'Form of what is told on stderr' -r -f -a "text\t'For people'
json\t'One JSON object per line'"
complete -c tickwire -n "__fish_tickwire_using_subcommand monitor" -l proxy -d 'Proxy for REST and WebSocket: http://, https://, socks5://, socks5h://' -r
complete -c tickwire -n "__fish_tickwire_using_subcommand monitor" -l url -d 'The server of -p server and of status [default: the one of the configuration, http://127.0.0.1:8000]' -r
complete -c tickwire -n "__fish_tickwire_using_subcommand monitor" -l seed -d 'Seed of the mock market' -r
complete -c tickwire -n "__fish_tickwire_using_subcommand monitor" -l portfolio -d 'What the holdings of the configuration are worth, instead of any symbols'
complete -c tickwire -n "__fish_tickwire_using_subcommand monitor" -s 1 -l once -d 'One fresh event per symbol and stream, then exit'
complete -c tickwire -n "__fish_tickwire_using_subcommand monitor" -s q -l quiet -d 'Only data and errors'
complete -c tickwire -n "__fish_tickwire_using_subcommand monitor" -s v -l verbose -d 'More on stderr: -v for connections, -vv for everything'
complete -c tickwire -n "__fish_tickwire_using_subcommand monitor" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c tickwire -n "__fish_tickwire_using_subcommand alert" -s s -l symbols -l symbol -d 'Symbols, separated by commas' -r
complete -c tickwire -n "__fish_tickwire_using_subcommand alert" -l condition -d 'The condition as a flag: price > 50000 and spread_bps < 10' -r
complete -c tickwire -n "__fish_tickwire_using_subcommand alert" -s n -l count -d 'Exit after so many firings' -r
complete -c tickwire -n "__fish_tickwire_using_subcommand alert" -l name -d 'Give the rule a memory over runs: it fires when the condition becomes true, not while it stays so' -r
complete -c tickwire -n "__fish_tickwire_using_subcommand alert" -l message -d 'What the alert says; default: symbol, condition and price' -r
complete -c tickwire -n "__fish_tickwire_using_subcommand alert" -l cooldown -d 'Swallow what comes within so long after a firing' -r
complete -c tickwire -n "__fish_tickwire_using_subcommand alert" -l hysteresis -d 'Fall back so far before it can fire again: 500 or 1%' -r
complete -c tickwire -n "__fish_tickwire_using_subcommand alert" -l for -d 'Fire only when the condition has held so long' -r
complete -c tickwire -n "__fish_tickwire_using_subcommand alert" -l max-fires -d 'At most so many firings in such a time: 3/1d' -r
complete -c tickwire -n "__fish_tickwire_using_subcommand alert" -l rearm -d 'What must be true before it can fire again; default: the opposite of the condition' -r
complete -c tickwire -n "__fish_tickwire_using_subcommand alert" -l since-last -d 'Whether a named rule looks at the trades, or candles, since its last check' -r -f -a "on\t'They are judged, in their order'
off\t'Only the moment of the check counts'"
complete -c tickwire -n "__fish_tickwire_using_subcommand alert" -l webhook -d 'Do one of the [actions] of the configuration, or post to an address' -r
complete -c tickwire -n "__fish_tickwire_using_subcommand alert" -l reset -d 'Forget what a named rule remembers' -r
complete -c tickwire -n "__fish_tickwire_using_subcommand alert" -l history -d 'The last firings of a named rule, and what was swallowed' -r
complete -c tickwire -n "__fish_tickwire_using_subcommand alert" -l exec -d 'Run a program at each firing, without a shell, the alert as JSON on its stdin. The last flag: it takes the rest of the line' -r
complete -c tickwire -n "__fish_tickwire_using_subcommand alert" -s p -l provider -d 'Where the data comes from: kraken (default), binance, coinbase, mock, a [[stream]]; server asks a running one' -r
complete -c tickwire -n "__fish_tickwire_using_subcommand alert" -l fallback -d 'Providers that take over, symbol by symbol, while that one is stale or has failed' -r
complete -c tickwire -n "__fish_tickwire_using_subcommand alert" -s c -l config -d 'Configuration file instead of the default one' -r -F
complete -c tickwire -n "__fish_tickwire_using_subcommand alert" -s o -l output -d 'Output format; auto is a table on a terminal, json in a pipe, plain with --field' -r -f -a "auto\t'A table on a terminal, `json` in a pipe, `plain` where fields are asked for'
table\t'Redrawn on the screen'
plain\t'Tab-separated values, no header, one line per event'
json\t'JSON Lines'
csv\t'Comma-separated values after a header'"
complete -c tickwire -n "__fish_tickwire_using_subcommand alert" -l timeout -d 'How long to wait: for the answer (default 10s), on a stream for each symbol\'s first event; a watching alert ends then' -r
complete -c tickwire -n "__fish_tickwire_using_subcommand alert" -l max-age -d 'Oldest value that still counts as an answer; default for alert: 60s' -r
complete -c tickwire -n "__fish_tickwire_using_subcommand alert" -l color -d 'Colours on the terminal' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Also in a pipe'
never\t'None'"
complete -c tickwire -n "__fish_tickwire_using_subcommand alert" -l log-format -d 'Form of what is told on stderr' -r -f -a "text\t'For people'
json\t'One JSON object per line'"
complete -c tickwire -n "__fish_tickwire_using_subcommand alert" -l proxy -d 'Proxy for REST and WebSocket: http://, https://, socks5://, socks5h://' -r
complete -c tickwire -n "__fish_tickwire_using_subcommand alert" -l url -d 'The server of -p server and of status [default: the one of the configuration, http://127.0.0.1:8000]' -r
complete -c tickwire -n "__fish_tickwire_using_subcommand alert" -l seed -d 'Seed of the mock market' -r
complete -c tickwire -n "__fish_tickwire_using_subcommand alert" -l once -d 'Check once and exit: 0 true or fired, 1 not, 3 not known'
complete -c tickwire -n "__fish_tickwire_using_subcommand alert" -l notify -d 'Show a desktop notification'
complete -c tickwire -n "__fish_tickwire_using_subcommand alert" -l bell -d 'Ring the terminal'
complete -c tickwire -n "__fish_tickwire_using_subcommand alert" -l dry-run -d 'Say what would be done, do nothing, remember nothing'
complete -c tickwire -n "__fish_tickwire_using_subcommand alert" -l explain -d 'Print the condition as it was understood, what it fetches, and the values now'
complete -c tickwire -n "__fish_tickwire_using_subcommand alert" -l list -d 'List the rules with a memory'
complete -c tickwire -n "__fish_tickwire_using_subcommand alert" -s q -l quiet -d 'Only data and errors'
complete -c tickwire -n "__fish_tickwire_using_subcommand alert" -s v -l verbose -d 'More on stderr: -v for connections, -vv for everything'
complete -c tickwire -n "__fish_tickwire_using_subcommand alert" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c tickwire -n "__fish_tickwire_using_subcommand symbols" -l base -d 'Only this base' -r
complete -c tickwire -n "__fish_tickwire_using_subcommand symbols" -l quote -d 'Only this quote' -r
complete -c tickwire -n "__fish_tickwire_using_subcommand symbols" -l resolve -d 'How each provider names this symbol' -r
complete -c tickwire -n "__fish_tickwire_using_subcommand symbols" -s p -l provider -d 'Where the data comes from: kraken (default), binance, coinbase, mock, a [[stream]]; server asks a running one' -r
complete -c tickwire -n "__fish_tickwire_using_subcommand symbols" -l fallback -d 'Providers that take over, symbol by symbol, while that one is stale or has failed' -r
complete -c tickwire -n "__fish_tickwire_using_subcommand symbols" -s c -l config -d 'Configuration file instead of the default one' -r -F
complete -c tickwire -n "__fish_tickwire_using_subcommand symbols" -s o -l output -d 'Output format; auto is a table on a terminal, json in a pipe, plain with --field' -r -f -a "auto\t'A table on a terminal, `json` in a pipe, `plain` where fields are asked for'
table\t'Redrawn on the screen'
plain\t'Tab-separated values, no header, one line per event'
json\t'JSON Lines'
csv\t'Comma-separated values after a header'"
complete -c tickwire -n "__fish_tickwire_using_subcommand symbols" -l timeout -d 'How long to wait: for the answer (default 10s), on a stream for each symbol\'s first event; a watching alert ends then' -r
complete -c tickwire -n "__fish_tickwire_using_subcommand symbols" -l max-age -d 'Oldest value that still counts as an answer; default for alert: 60s' -r
complete -c tickwire -n "__fish_tickwire_using_subcommand symbols" -l color -d 'Colours on the terminal' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Also in a pipe'
never\t'None'"
complete -c tickwire -n "__fish_tickwire_using_subcommand symbols" -l log-format -d 'Form of what is told on stderr' -r -f -a "text\t'For people'
json\t'One JSON object per line'"
complete -c tickwire -n "__fish_tickwire_using_subcommand symbols" -l proxy -d 'Proxy for REST and WebSocket: http://, https://, socks5://, socks5h://' -r
complete -c tickwire -n "__fish_tickwire_using_subcommand symbols" -l url -d 'The server of -p server and of status [default: the one of the configuration, http://127.0.0.1:8000]' -r
complete -c tickwire -n "__fish_tickwire_using_subcommand symbols" -l seed -d 'Seed of the mock market' -r
complete -c tickwire -n "__fish_tickwire_using_subcommand symbols" -l all-providers -d 'Every exchange, not only the provider'
complete -c tickwire -n "__fish_tickwire_using_subcommand symbols" -l update -d 'Ask the exchange anew, whatever the cache has'
complete -c tickwire -n "__fish_tickwire_using_subcommand symbols" -s q -l quiet -d 'Only data and errors'
complete -c tickwire -n "__fish_tickwire_using_subcommand symbols" -s v -l verbose -d 'More on stderr: -v for connections, -vv for everything'
complete -c tickwire -n "__fish_tickwire_using_subcommand symbols" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c tickwire -n "__fish_tickwire_using_subcommand test" -s s -l symbols -d 'The same, separated by commas' -r
complete -c tickwire -n "__fish_tickwire_using_subcommand test" -s d -l duration -d 'How long to watch the feed' -r
complete -c tickwire -n "__fish_tickwire_using_subcommand test" -l min-grade -d 'The worst grade that passes' -r -f -a "A\t'Nothing less than the best'
B\t'Good'
C\t'Fair'
D\t'Poor, but it works'
F\t'Anything passes'"
complete -c tickwire -n "__fish_tickwire_using_subcommand test" -s p -l provider -d 'Where the data comes from: kraken (default), binance, coinbase, mock, a [[stream]]; server asks a running one' -r
complete -c tickwire -n "__fish_tickwire_using_subcommand test" -l fallback -d 'Providers that take over, symbol by symbol, while that one is stale or has failed' -r
complete -c tickwire -n "__fish_tickwire_using_subcommand test" -s c -l config -d 'Configuration file instead of the default one' -r -F
complete -c tickwire -n "__fish_tickwire_using_subcommand test" -s o -l output -d 'Output format; auto is a table on a terminal, json in a pipe, plain with --field' -r -f -a "auto\t'A table on a terminal, `json` in a pipe, `plain` where fields are asked for'
table\t'Redrawn on the screen'
plain\t'Tab-separated values, no header, one line per event'
json\t'JSON Lines'
csv\t'Comma-separated values after a header'"
complete -c tickwire -n "__fish_tickwire_using_subcommand test" -l timeout -d 'How long to wait: for the answer (default 10s), on a stream for each symbol\'s first event; a watching alert ends then' -r
complete -c tickwire -n "__fish_tickwire_using_subcommand test" -l max-age -d 'Oldest value that still counts as an answer; default for alert: 60s' -r
complete -c tickwire -n "__fish_tickwire_using_subcommand test" -l color -d 'Colours on the terminal' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Also in a pipe'
never\t'None'"
complete -c tickwire -n "__fish_tickwire_using_subcommand test" -l log-format -d 'Form of what is told on stderr' -r -f -a "text\t'For people'
json\t'One JSON object per line'"
complete -c tickwire -n "__fish_tickwire_using_subcommand test" -l proxy -d 'Proxy for REST and WebSocket: http://, https://, socks5://, socks5h://' -r
complete -c tickwire -n "__fish_tickwire_using_subcommand test" -l url -d 'The server of -p server and of status [default: the one of the configuration, http://127.0.0.1:8000]' -r
complete -c tickwire -n "__fish_tickwire_using_subcommand test" -l seed -d 'Seed of the mock market' -r
complete -c tickwire -n "__fish_tickwire_using_subcommand test" -l drop -d 'Cut the connection afterwards, and see how it recovers'
complete -c tickwire -n "__fish_tickwire_using_subcommand test" -l explain -d 'Print the rule of each check and exit'
complete -c tickwire -n "__fish_tickwire_using_subcommand test" -s q -l quiet -d 'Only data and errors'
complete -c tickwire -n "__fish_tickwire_using_subcommand test" -s v -l verbose -d 'More on stderr: -v for connections, -vv for everything'
complete -c tickwire -n "__fish_tickwire_using_subcommand test" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c tickwire -n "__fish_tickwire_using_subcommand start" -s s -l symbols -d 'The same, separated by commas' -r
complete -c tickwire -n "__fish_tickwire_using_subcommand start" -l host -d 'The address to listen on; any other than loopback needs server.token [default: 127.0.0.1]' -r
complete -c tickwire -n "__fish_tickwire_using_subcommand start" -l port -d 'The port; 0 takes a free one [default: 8000]' -r
complete -c tickwire -n "__fish_tickwire_using_subcommand start" -s p -l provider -d 'Where the data comes from: kraken (default), binance, coinbase, mock, a [[stream]]; server asks a running one' -r
complete -c tickwire -n "__fish_tickwire_using_subcommand start" -l fallback -d 'Providers that take over, symbol by symbol, while that one is stale or has failed' -r
complete -c tickwire -n "__fish_tickwire_using_subcommand start" -s c -l config -d 'Configuration file instead of the default one' -r -F
complete -c tickwire -n "__fish_tickwire_using_subcommand start" -s o -l output -d 'Output format; auto is a table on a terminal, json in a pipe, plain with --field' -r -f -a "auto\t'A table on a terminal, `json` in a pipe, `plain` where fields are asked for'
table\t'Redrawn on the screen'
plain\t'Tab-separated values, no header, one line per event'
json\t'JSON Lines'
csv\t'Comma-separated values after a header'"
complete -c tickwire -n "__fish_tickwire_using_subcommand start" -l timeout -d 'How long to wait: for the answer (default 10s), on a stream for each symbol\'s first event; a watching alert ends then' -r
complete -c tickwire -n "__fish_tickwire_using_subcommand start" -l max-age -d 'Oldest value that still counts as an answer; default for alert: 60s' -r
complete -c tickwire -n "__fish_tickwire_using_subcommand start" -l color -d 'Colours on the terminal' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Also in a pipe'
never\t'None'"
complete -c tickwire -n "__fish_tickwire_using_subcommand start" -l log-format -d 'Form of what is told on stderr' -r -f -a "text\t'For people'
json\t'One JSON object per line'"
complete -c tickwire -n "__fish_tickwire_using_subcommand start" -l proxy -d 'Proxy for REST and WebSocket: http://, https://, socks5://, socks5h://' -r
complete -c tickwire -n "__fish_tickwire_using_subcommand start" -l url -d 'The server of -p server and of status [default: the one of the configuration, http://127.0.0.1:8000]' -r
complete -c tickwire -n "__fish_tickwire_using_subcommand start" -l seed -d 'Seed of the mock market' -r
complete -c tickwire -n "__fish_tickwire_using_subcommand start" -l dashboard -d 'Open the dashboard in a browser once it is ready'
complete -c tickwire -n "__fish_tickwire_using_subcommand start" -l no-dashboard -d 'Do not open it'
complete -c tickwire -n "__fish_tickwire_using_subcommand start" -s q -l quiet -d 'Only data and errors'
complete -c tickwire -n "__fish_tickwire_using_subcommand start" -s v -l verbose -d 'More on stderr: -v for connections, -vv for everything'
complete -c tickwire -n "__fish_tickwire_using_subcommand start" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c tickwire -n "__fish_tickwire_using_subcommand status" -l host -d 'The server\'s host, instead of --url' -r
complete -c tickwire -n "__fish_tickwire_using_subcommand status" -l port -d 'The server\'s port, instead of --url' -r
complete -c tickwire -n "__fish_tickwire_using_subcommand status" -s p -l provider -d 'Where the data comes from: kraken (default), binance, coinbase, mock, a [[stream]]; server asks a running one' -r
complete -c tickwire -n "__fish_tickwire_using_subcommand status" -l fallback -d 'Providers that take over, symbol by symbol, while that one is stale or has failed' -r
complete -c tickwire -n "__fish_tickwire_using_subcommand status" -s c -l config -d 'Configuration file instead of the default one' -r -F
complete -c tickwire -n "__fish_tickwire_using_subcommand status" -s o -l output -d 'Output format; auto is a table on a terminal, json in a pipe, plain with --field' -r -f -a "auto\t'A table on a terminal, `json` in a pipe, `plain` where fields are asked for'
table\t'Redrawn on the screen'
plain\t'Tab-separated values, no header, one line per event'
json\t'JSON Lines'
csv\t'Comma-separated values after a header'"
complete -c tickwire -n "__fish_tickwire_using_subcommand status" -l timeout -d 'How long to wait: for the answer (default 10s), on a stream for each symbol\'s first event; a watching alert ends then' -r
complete -c tickwire -n "__fish_tickwire_using_subcommand status" -l max-age -d 'Oldest value that still counts as an answer; default for alert: 60s' -r
complete -c tickwire -n "__fish_tickwire_using_subcommand status" -l color -d 'Colours on the terminal' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Also in a pipe'
never\t'None'"
complete -c tickwire -n "__fish_tickwire_using_subcommand status" -l log-format -d 'Form of what is told on stderr' -r -f -a "text\t'For people'
json\t'One JSON object per line'"
complete -c tickwire -n "__fish_tickwire_using_subcommand status" -l proxy -d 'Proxy for REST and WebSocket: http://, https://, socks5://, socks5h://' -r
complete -c tickwire -n "__fish_tickwire_using_subcommand status" -l url -d 'The server of -p server and of status [default: the one of the configuration, http://127.0.0.1:8000]' -r
complete -c tickwire -n "__fish_tickwire_using_subcommand status" -l seed -d 'Seed of the mock market' -r
complete -c tickwire -n "__fish_tickwire_using_subcommand status" -l watch -d 'Ask again and again, until stopped'
complete -c tickwire -n "__fish_tickwire_using_subcommand status" -s q -l quiet -d 'Only data and errors'
complete -c tickwire -n "__fish_tickwire_using_subcommand status" -s v -l verbose -d 'More on stderr: -v for connections, -vv for everything'
complete -c tickwire -n "__fish_tickwire_using_subcommand status" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c tickwire -n "__fish_tickwire_using_subcommand help; and not __fish_seen_subcommand_from monitor alert symbols test start status help" -f -a "monitor" -d 'Stream prices and trades, or answer once'
complete -c tickwire -n "__fish_tickwire_using_subcommand help; and not __fish_seen_subcommand_from monitor alert symbols test start status help" -f -a "alert" -d 'Check a condition, or watch it and act'
complete -c tickwire -n "__fish_tickwire_using_subcommand help; and not __fish_seen_subcommand_from monitor alert symbols test start status help" -f -a "symbols" -d 'List what an exchange trades'
complete -c tickwire -n "__fish_tickwire_using_subcommand help; and not __fish_seen_subcommand_from monitor alert symbols test start status help" -f -a "test" -d 'Grade a feed from A to F'
complete -c tickwire -n "__fish_tickwire_using_subcommand help; and not __fish_seen_subcommand_from monitor alert symbols test start status help" -f -a "start" -d 'Serve it all to other programs: WebSocket, HTTP API, dashboard'
complete -c tickwire -n "__fish_tickwire_using_subcommand help; and not __fish_seen_subcommand_from monitor alert symbols test start status help" -f -a "status" -d 'Ask a running server how it is'
complete -c tickwire -n "__fish_tickwire_using_subcommand help; and not __fish_seen_subcommand_from monitor alert symbols test start status help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
