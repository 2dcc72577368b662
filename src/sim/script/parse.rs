//! Reads scripts.
use super::{
    Line, Script, When,
    action::{Action, Refusal},
};
use crate::sim::Stream;
use std::{str::FromStr, time::Duration};

/// Why a text is no script.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {why}")]
pub struct ScriptError {
    /// Which line, counted from 1.
    pub line: usize,
    /// What is wrong with it, and what would be right.
    pub why: String,
}

impl FromStr for Script {
    type Err = ScriptError;

    fn from_str(text: &str) -> Result<Self, ScriptError> {
        let mut script = Script { lines: Vec::new() };
        let mut endless = None;
        for (number, text) in (1..).zip(text.lines()) {
            let error = |why| ScriptError { line: number, why };
            let mut words = Words::of(text);
            if words.rest.is_empty() {
                continue;
            }
            let line = line(&mut words).map_err(error)?;
            if let When::Every { within: None, .. } = line.when {
                endless.get_or_insert(number);
            }
            script.lines.push(line);
        }
        match endless {
            Some(line) if script.length().is_zero() => Err(ScriptError {
                line,
                why: "`every` needs an end: name the last moment in another line, as `at 60s heal`"
                    .to_owned(),
            }),
            _ => Ok(script),
        }
    }
}

/// The words of a line that are still to be read.
struct Words<'a> {
    rest: Vec<&'a str>,
}

impl<'a> Words<'a> {
    /// Without a comment.
    fn of(text: &'a str) -> Self {
        let text = text.split('#').next().unwrap_or_default();
        let mut rest: Vec<_> = text.split_whitespace().collect();
        rest.reverse();
        Self { rest }
    }

    fn next(&mut self) -> Option<&'a str> {
        self.rest.pop()
    }

    /// Takes the next word if it is this one.
    fn takes(&mut self, word: &str) -> bool {
        let is_next = self.rest.last() == Some(&word);
        if is_next {
            self.rest.pop();
        }
        is_next
    }

    /// The next word, read; `wanted` says what it should be.
    fn read<T>(
        &mut self,
        after: &str,
        wanted: &str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Result<T, String> {
        match self.next() {
            None => Err(format!("`{after}` wants {wanted}")),
            Some(word) => {
                read(word).ok_or_else(|| format!("`{after}` wants {wanted}, not `{word}`"))
            }
        }
    }

    fn time(&mut self, after: &str) -> Result<Duration, String> {
        self.read(after, "a time: `200ms`, `3s`, `2m`", time)
    }

    fn number<T: FromStr>(&mut self, after: &str, wanted: &str) -> Result<T, String> {
        self.read(after, wanted, |word| word.parse().ok())
    }
}

fn line(words: &mut Words<'_>) -> Result<Line, String> {
    let when = when(words)?;
    let action = action(words)?;
    if let Some(word) = words.next() {
        return Err(format!("`{word}` is one word too many"));
    }
    if matches!(when, When::FromTo(..)) && action.undo().is_none() {
        return Err(format!(
            "`{action}` only happens, and cannot be undone: use `at` or `every`"
        ));
    }
    Ok(Line { when, action })
}

fn when(words: &mut Words<'_>) -> Result<When, String> {
    match words.next() {
        Some("at") => Ok(When::At(words.time("at")?)),
        Some("from") => span(words).map(|(from, to)| When::FromTo(from, to)),
        Some("every") => {
            let period = words.time("every")?;
            if period.is_zero() {
                return Err("`every` wants a time above zero".to_owned());
            }
            let within = words.takes("from").then(|| span(words)).transpose()?;
            Ok(When::Every { period, within })
        }
        word => Err(format!(
            "a line begins with `at`, `from` or `every`, not `{}`",
            word.unwrap_or_default()
        )),
    }
}

/// `A to B`.
fn span(words: &mut Words<'_>) -> Result<(Duration, Duration), String> {
    let from = words.time("from")?;
    if !words.takes("to") {
        return Err("`from` wants an end: `from 3s to 9s`".to_owned());
    }
    let to = words.time("to")?;
    if to < from {
        return Err("the end lies before the beginning".to_owned());
    }
    Ok((from, to))
}

fn action(words: &mut Words<'_>) -> Result<Action, String> {
    let Some(word) = words.next() else {
        return Err("nothing is to happen: name it, as `reset` or `drop 10%`".to_owned());
    };
    Ok(match word {
        "trade" => Action::Trade(
            symbol(words, word)?,
            words.number(word, "a symbol and a number of trades: `trade BTC/USD 20`")?,
        ),
        "quote" => Action::Quote(symbol(words, word)?),
        "reset" => Action::Reset,
        "fin" => Action::Fin,
        "close" => Action::Close(words.number(word, "a close code: `close 1001`")?),
        "vanish" => Action::Vanish,
        "shutdown" => Action::Shutdown,
        "listen" => Action::Listen(true),
        "stop-listening" => Action::Listen(false),
        "blackhole" => blackhole(words)?,
        "delay" => Action::Delay(words.time(word)?),
        "slice" if words.takes("off") => Action::Slice(None),
        "slice" => {
            let bytes = words.number(word, "a number of bytes and a time: `slice 16 5ms`")?;
            Action::Slice(Some((bytes, words.time(word)?)))
        }
        "drop" => Action::Drop(percent(words, word)?),
        "duplicate" => Action::Duplicate(percent(words, word)?),
        "reorder" => Action::Reorder(percent(words, word)?),
        "mute" => Action::Mute(symbol(words, word)?, stream(words)),
        "unmute" => Action::Unmute(symbol(words, word)?, stream(words)),
        "rest" => Action::Rest(refusal(words, word)?),
        "rest-delay" => Action::RestDelay(words.time(word)?),
        "rest-lag" => Action::RestLag(words.number(word, "a number of trades: `rest-lag 20`")?),
        "handshake" => Action::Handshake(refusal(words, word)?),
        "ack-delay" => Action::AckDelay(words.time(word)?),
        "drop-acks" => Action::DropAcks(!words.takes("off")),
        "freeze-clock" => Action::FreezeClock(!words.takes("off")),
        "heal" => Action::Heal,
        _ => return Err(unknown(word)),
    })
}

fn unknown(word: &str) -> String {
    const WORDS: [&str; 25] = [
        "trade",
        "quote",
        "reset",
        "fin",
        "close",
        "vanish",
        "shutdown",
        "listen",
        "stop-listening",
        "blackhole",
        "delay",
        "slice",
        "drop",
        "duplicate",
        "reorder",
        "mute",
        "unmute",
        "rest",
        "rest-delay",
        "rest-lag",
        "handshake",
        "ack-delay",
        "drop-acks",
        "freeze-clock",
        "heal",
    ];
    let near = WORDS
        .iter()
        .map(|known| (strsim::jaro_winkler(word, known), known))
        .max_by(|a, b| a.0.total_cmp(&b.0));
    match near {
        Some((score, known)) if score > 0.8 => {
            format!("nothing is called `{word}`; did you mean `{known}`?")
        }
        _ => format!("nothing is called `{word}`; there are {}", WORDS.join(", ")),
    }
}

fn blackhole(words: &mut Words<'_>) -> Result<Action, String> {
    words.read("blackhole", "`up`, `down`, `both` or `off`", |way| {
        let (up, down) = match way {
            "up" => (true, false),
            "down" => (false, true),
            "both" => (true, true),
            "off" => (false, false),
            _ => return None,
        };
        Some(Action::Blackhole { up, down })
    })
}

fn symbol(words: &mut Words<'_>, after: &str) -> Result<String, String> {
    words.read(after, "a symbol: `BTC/USD`", |word| {
        word.contains('/').then(|| word.to_owned())
    })
}

fn stream(words: &mut Words<'_>) -> Option<Stream> {
    let known = [Stream::Trades, Stream::Ticker, Stream::Candles];
    known.into_iter().find(|stream| words.takes(stream.word()))
}

fn percent(words: &mut Words<'_>, after: &str) -> Result<u8, String> {
    words.read(after, &format!("a percentage: `{after} 10%`"), |word| {
        let percent = word.strip_suffix('%')?.parse().ok()?;
        (percent <= 100).then_some(percent)
    })
}

fn refusal(words: &mut Words<'_>, after: &str) -> Result<Option<Refusal>, String> {
    if words.takes("ok") {
        return Ok(None);
    }
    let wanted = format!("a status, or `ok`: `{after} 429 retry-after 2`");
    let status = words.read(after, &wanted, |word| {
        let status = word.parse().ok()?;
        (400..600).contains(&status).then_some(status)
    })?;
    let retry_after = words
        .takes("retry-after")
        .then(|| words.number("retry-after", "seconds"))
        .transpose()?;
    Ok(Some(Refusal {
        status,
        retry_after,
    }))
}

/// A whole number of milliseconds, seconds or minutes.
fn time(word: &str) -> Option<Duration> {
    let digits = word.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: u64 = digits.parse().ok()?;
    let millis = match &word[digits.len()..] {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        _ => return None,
    };
    number.checked_mul(millis).map(Duration::from_millis)
}
