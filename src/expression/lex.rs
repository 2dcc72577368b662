//! From text to tokens: numbers with their units, names, symbols with their fields, operators.

use winnow::combinator::{alt, opt, peek, preceded, terminated};
use winnow::prelude::*;
use winnow::stream::{LocatingSlice, Location};
use winnow::token::{one_of, take_till, take_while};

use crate::model::{Decimal, parse_decimal};

use super::error::{ErrorKind, Fail, Fault};
use super::tree::{Arithmetic, Comparison, Operator, Span};

/// Where texts end up that are cut for a message.
const SHOWN: usize = 40;
/// What a percentage loses as a fraction are two decimals; 28 can be held.
const MAX_PERCENT_SCALE: u32 = 26;

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Token {
    pub kind: TokenKind,
    pub span: Span,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum TokenKind {
    Number(Decimal),
    /// In points.
    Percent(Decimal),
    /// In seconds.
    Duration(Decimal),
    YesNo(bool),
    /// Without its quotes.
    Text(Span),
    /// A field or a function of the own symbol, or a function of none.
    Name,
    /// One of another symbol.
    Foreign {
        provider: Option<Span>,
        symbol: Span,
        name: Span,
    },
    Operator(Operator),
    Not,
    Open,
    Close,
    Comma,
}

type Input<'t> = LocatingSlice<&'t str>;
type Lexed<T> = Result<T, Fail>;

/// Every token of the text.
pub fn tokens(text: &str) -> Result<Vec<Token>, Fault> {
    let mut input = LocatingSlice::new(text);
    let mut tokens = Vec::new();
    loop {
        let start = skip_space(&mut input);
        if input.is_empty() {
            return Ok(tokens);
        }
        match token(&mut input) {
            Ok(kind) => tokens.push(Token {
                kind,
                span: Span::new(start, input.current_token_start()),
            }),
            Err(Fail::Cut(fault)) => return Err(fault),
            Err(Fail::Backtrack) => return Err(stray(text, start)),
        }
    }
}

fn skip_space(input: &mut Input<'_>) -> usize {
    let _: Lexed<&str> = take_while(0.., char::is_whitespace).parse_next(input);
    input.current_token_start()
}

fn token(input: &mut Input<'_>) -> Lexed<TokenKind> {
    alt((foreign, number, word, quoted, operator)).parse_next(input)
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn span(range: std::ops::Range<usize>) -> Span {
    Span::new(range.start, range.end)
}

fn syntax(span: Span, message: impl Into<String>) -> Fault {
    Fault::new(ErrorKind::Syntax, span, message)
}

/// What stands in a message: short, and nothing that moves a cursor.
pub fn shown(text: &str) -> String {
    let mut shown: String = text.chars().take(SHOWN).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    super::error::printable(&shown)
}

/// `[provider:]BASE/QUOTE.name`. The dot and the small letter after it keep `100/2.5` a division.
fn foreign(input: &mut Input<'_>) -> Lexed<TokenKind> {
    let asset = || take_while(1.., |c: char| c.is_alphanumeric() && !c.is_lowercase());
    let in_provider =
        |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-');
    let provider = opt(terminated(take_while(1.., in_provider).span(), ':'));
    let symbol = (asset(), '/', asset()).span();
    let name = preceded('.', (one_of('a'..='z'), take_while(0.., is_word)).span());
    let start = input.current_token_start();
    let mut parts = (provider, symbol, name).with_taken();
    let ((provider, symbol, name), text) = parts.parse_next(input)?;
    ends_here(input, start, text)?;
    Ok(TokenKind::Foreign {
        provider: provider.map(span),
        symbol: span(symbol),
        name: span(name),
    })
}

/// A name, a keyword or a word that stands for a text.
fn word(input: &mut Input<'_>) -> Lexed<TokenKind> {
    let start = input.current_token_start();
    let first = |c: char| c.is_alphabetic() || c == '_';
    let word = (one_of(first), take_while(0.., is_word)).take();
    let (word, range) = word.with_span().parse_next(input)?;
    ends_here(input, start, word)?;
    let keyword = |word: &str| {
        Some(match word {
            "or" => TokenKind::Operator(Operator::Or),
            "and" => TokenKind::Operator(Operator::And),
            "not" => TokenKind::Not,
            "true" => TokenKind::YesNo(true),
            "false" => TokenKind::YesNo(false),
            "buy" | "sell" => TokenKind::Text(span(range.clone())),
            _ => return None,
        })
    };
    let lower = word.to_lowercase();
    if keyword(&lower).is_some() && lower != word {
        let message = format!("`{word}` is written in small letters");
        return Err(Fail::Cut(
            syntax(span(range), message).hint(format!("write `{lower}`")),
        ));
    }
    Ok(keyword(word).unwrap_or(TokenKind::Name))
}

/// A name must not run into another one: what is meant by `bid/ask` and `eth/usd.price` is told.
fn ends_here(input: &mut Input<'_>, start: usize, name: &str) -> Lexed<()> {
    let first = |c: char| c.is_alphabetic() || c == '_';
    let glued: Lexed<_> = peek((one_of(['/', '.', ':']), one_of(first))).parse_next(input);
    if glued.is_err() {
        return Ok(());
    }
    let mut more = take_while(0.., |c| is_word(c) || matches!(c, '/' | '.' | ':'));
    let more: &str = more.parse_next(input)?;
    let more = more.trim_end_matches(['/', '.', ':']);
    let span = Span::new(start, start + name.len() + more.len());
    Err(Fail::Cut(glued_names(span, name, more)))
}

/// Why these names cannot stand together without a space.
fn glued_names(span: Span, before: &str, more: &str) -> Fault {
    let whole = format!("{before}{more}");
    let (provider, symbol) = match whole.split_once(':') {
        Some((provider, symbol)) => (format!("{}:", provider.to_lowercase()), symbol),
        None => (String::new(), whole.as_str()),
    };
    let parts: Vec<_> = symbol.split(['/', '.']).collect();
    let in_capitals = |part: &str| !part.contains(char::is_lowercase);
    match (parts.as_slice(), symbol.matches('/').count()) {
        ([base, quote, field], 1) if symbol.rfind('.') > symbol.find('/') => {
            let message = "a symbol is written in capitals, its field in small letters";
            let (base, quote) = (base.to_uppercase(), quote.to_uppercase());
            let hint = format!("write `{provider}{base}/{quote}.{}`", field.to_lowercase());
            syntax(span, message).hint(hint)
        }
        ([base, quote], 1) if !provider.is_empty() || in_capitals(base) && in_capitals(quote) => {
            let (base, quote) = (base.to_uppercase(), quote.to_uppercase());
            let message = format!("`{}` lacks its field", shown(&whole));
            syntax(span, message).hint(format!("write `{provider}{base}/{quote}.price`"))
        }
        (_, 0) => {
            let message = format!("`{}` is no symbol with its field", shown(&whole));
            syntax(span, message).hint("write it like `ETH/USD.price` or `kraken:ETH/USD.price`")
        }
        _ => {
            let spaced = more.replacen('/', " / ", 1);
            let message = format!(
                "division of names needs spaces: `{}`",
                shown(&format!("{before}{spaced}"))
            );
            syntax(span, message)
        }
    }
}

/// A number with what makes it a percentage or a duration.
fn number(input: &mut Input<'_>) -> Lexed<TokenKind> {
    let start = input.current_token_start();
    let digits = || (one_of('0'..='9'), take_while(0.., ('0'..='9', '_'))).void();
    let sign = opt(one_of(['+', '-']));
    let exponent = (
        one_of(['e', 'E']),
        sign,
        one_of('0'..='9'),
        take_while(0.., '0'..='9'),
    )
        .void();
    let mut number = (digits(), opt(('.', digits()).void()), opt(exponent)).take();
    let number: &str = number.parse_next(input)?;
    let unit: &str = take_while(0.., |c| is_word(c) || c == '.').parse_next(input)?;
    let range = Span::new(start, input.current_token_start());
    let well_grouped = !number.contains("__") && !number.ends_with('_') && !number.contains("_.");
    let plain = number.replace('_', "");
    if !well_grouped {
        return Err(Fail::Cut(bad_number(range, number, unit)));
    }
    if !matches!(unit, "" | "pct") {
        return match duration(&format!("{plain}{unit}")) {
            Some(seconds) => Ok(TokenKind::Duration(seconds)),
            None => Err(Fail::Cut(bad_number(range, number, unit))),
        };
    }
    let value = parse_decimal(&plain)
        .map_err(|error| Fail::Cut(syntax(range, format!("`{}` has {error}", shown(number)))))?;
    let is_percent = unit == "pct" || opt(percent_sign).parse_next(input)?.is_some();
    if !is_percent {
        return Ok(TokenKind::Number(value));
    }
    if value.scale() > MAX_PERCENT_SCALE {
        let message = format!("`{}` has too many digits to be held exactly", shown(number));
        return Err(Fail::Cut(syntax(range, message)));
    }
    Ok(TokenKind::Percent(value))
}

fn percent_sign(input: &mut Input<'_>) -> Lexed<()> {
    let word = take_while(1.., is_word).verify(|word: &str| word == "pct");
    preceded(take_while(0.., char::is_whitespace), alt(("%", word)))
        .void()
        .parse_next(input)
}

fn bad_number(span: Span, number: &str, unit: &str) -> Fault {
    let written = format!("{number}{unit}");
    let message = format!("`{}` is neither a number nor a duration", shown(&written));
    let fault = syntax(span, message);
    let lower = written.to_lowercase();
    if lower != written && duration(&lower).is_some() {
        let months = if unit == "M" {
            ": a minute, there are no months"
        } else {
            ""
        };
        return fault.hint(format!("write `{}`{months}", shown(&lower)));
    }
    fault.hint("numbers: 50_000, 0.5, 1e-8; durations: 500ms, 90s, 15m, 1h30m, 2d")
}

/// `1h30m` in seconds.
fn duration(text: &str) -> Option<Decimal> {
    let mut total = std::time::Duration::ZERO;
    let mut rest = text;
    while !rest.is_empty() {
        let unit = rest.find(|c: char| c.is_ascii_alphabetic())?;
        let end = rest[unit..].find(|c: char| c.is_ascii_digit());
        let (piece, after) = rest.split_at(end.map_or(rest.len(), |end| unit + end));
        total = total.checked_add(crate::duration::parse(piece).ok()?)?;
        rest = after;
    }
    let nanos = i128::try_from(total.as_nanos()).ok()?;
    Decimal::try_from_i128_with_scale(nanos, 9)
        .ok()
        .map(|seconds| seconds.normalize())
}

/// A text in quotes. There are no escapes: the other quote can stand in it.
fn quoted(input: &mut Input<'_>) -> Lexed<TokenKind> {
    let (quote, opened) = one_of(['\'', '"']).with_span().parse_next(input)?;
    let text = take_till(0.., quote).span().parse_next(input)?;
    match opt(quote).parse_next(input)? {
        Some(_) => Ok(TokenKind::Text(span(text))),
        None => Err(Fail::Cut(syntax(
            span(opened),
            format!("no closing {quote}"),
        ))),
    }
}

/// What other languages write, in the order in which it is looked for; the second half after our own.
const FOREIGN_PAIRS: &[(&str, &str)] = &[
    ("=>", ">="),
    ("=<", "<="),
    ("<>", "!="),
    ("&&", "and"),
    ("||", "or"),
];
const FOREIGN_SIGNS: &[(char, &str)] = &[
    ('=', "=="),
    ('!', "not"),
    ('&', "and"),
    ('|', "or"),
    ('≤', "<="),
    ('≥', ">="),
    ('≠', "!="),
    ('−', "-"),
    ('–', "-"),
    ('×', "*"),
    ('·', "*"),
    ('÷', "/"),
    ('‘', "'"),
    ('’', "'"),
    ('“', "\""),
    ('”', "\""),
];

fn operator(input: &mut Input<'_>) -> Lexed<TokenKind> {
    use {Arithmetic::*, Comparison::*, TokenKind::*};
    let start = input.current_token_start();
    let known = |(pair, _): &&(&str, &str)| input.starts_with(pair);
    if let Some((pair, ours)) = FOREIGN_PAIRS.iter().find(known) {
        let span = Span::new(start, start + pair.len());
        return Err(Fail::Cut(no_operator(span, pair, ours)));
    }
    let compare = |comparison| Operator(self::Operator::Compare(comparison));
    let arithmetic = |arithmetic| Operator(self::Operator::Arithmetic(arithmetic));
    alt((
        "<=".value(compare(LessOrEqual)),
        ">=".value(compare(GreaterOrEqual)),
        "==".value(compare(Equal)),
        "!=".value(compare(NotEqual)),
        "<".value(compare(Less)),
        ">".value(compare(Greater)),
        alt((
            "+".value(arithmetic(Add)),
            "-".value(arithmetic(Subtract)),
            "*".value(arithmetic(Multiply)),
            "/".value(arithmetic(Divide)),
            "(".value(Open),
            ")".value(Close),
            ",".value(Comma),
        )),
    ))
    .parse_next(input)
}

fn no_operator(span: Span, written: &str, ours: &str) -> Fault {
    syntax(span, format!("no operator `{written}`")).hint(format!("write `{ours}`"))
}

/// A character with which nothing begins.
fn stray(text: &str, start: usize) -> Fault {
    let mut rest = text[start..].chars();
    let first = rest
        .next()
        .expect("the end of the text is no stray character");
    let span = Span::new(start, start + first.len_utf8());
    let fault = syntax(span, format!("unexpected `{}`", shown(&first.to_string())));
    match first {
        '%' => fault.hint("a percentage is a number with a sign: `5%`"),
        '.' if rest.next().is_some_and(|c| c.is_ascii_digit()) => {
            fault.hint("a number begins with a digit: `0.5`")
        }
        _ => match FOREIGN_SIGNS.iter().find(|(sign, _)| *sign == first) {
            Some((_, ours)) => no_operator(span, &first.to_string(), ours),
            None => fault,
        },
    }
}
