//! The strategies that need no definition: names with parameters, made into conditions.

use std::fmt;
use std::str::FromStr;

use crate::model::{Decimal, Price, parse_decimal};

/// The longest average, as in expressions.
const COUNT_MAX: u32 = 10_000;

/// When to buy, and when to sell.
pub type Texts = (String, String);

/// Name, how it is written, and what stands for its parameters where none are given.
struct Builtin {
    name: &'static str,
    usage: &'static str,
    parameters: usize,
    default: Option<&'static [u32]>,
    conditions: fn(&[Decimal]) -> Result<Texts, String>,
}

const BUILTINS: [Builtin; 4] = [
    Builtin {
        name: "sma_cross",
        usage: "sma_cross(10,30)",
        parameters: 2,
        default: None,
        conditions: sma_cross,
    },
    Builtin {
        name: "rsi",
        usage: "rsi(14,30,70)",
        parameters: 3,
        default: None,
        conditions: rsi,
    },
    Builtin {
        name: "macd",
        usage: "macd(12,26,9)",
        parameters: 3,
        default: Some(&[12, 26, 9]),
        conditions: macd,
    },
    Builtin {
        name: "bollinger",
        usage: "bollinger(20,2)",
        parameters: 2,
        default: Some(&[20, 2]),
        conditions: bollinger,
    },
];

/// How each is written.
pub fn usages() -> impl Iterator<Item = (&'static str, &'static str)> {
    BUILTINS.iter().map(|known| (known.name, known.usage))
}

/// The conditions to buy and to sell. `None`: there is none of this name. `arguments`: what stood between the
/// parentheses, if there were any.
///
/// Errors: a sentence on what is wrong with a parameter, and how it is written right.
pub fn conditions(name: &str, arguments: Option<&str>) -> Option<Result<Texts, (String, String)>> {
    let known = BUILTINS.iter().find(|known| known.name == name)?;
    let conditions = known.values(arguments).and_then(|v| (known.conditions)(&v));
    Some(conditions.map_err(|why| (why, format!("write {}", known.usage))))
}

impl Builtin {
    fn values(&self, arguments: Option<&str>) -> Result<Vec<Decimal>, String> {
        let Some(text) = arguments else {
            let default = self.default.ok_or("it needs its parameters")?;
            return Ok(default.iter().copied().map(Decimal::from).collect());
        };
        let given = text
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty());
        let given: Vec<_> = given.collect();
        if given.len() != self.parameters {
            let (takes, given) = (self.parameters, given.len());
            return Err(format!("it takes {takes} parameters, not {given}"));
        }
        let number =
            |part: &&str| parse_decimal(part).map_err(|_| format!("`{part}` is not a number"));
        given.iter().map(number).collect()
    }
}

fn sma_cross(values: &[Decimal]) -> Result<Texts, String> {
    let (fast, slow) = (Count::new(values[0])?, Count::new(values[1])?);
    ordered(fast, slow)?;
    let cross = |way| format!("crosses_{way}(sma({fast}), sma({slow}))");
    Ok((cross("above"), cross("below")))
}

fn rsi(values: &[Decimal]) -> Result<Texts, String> {
    let count = Count::new(values[0])?;
    let (low, high) = (Price::from(values[1]), Price::from(values[2]));
    let bounds = Decimal::ZERO..=Decimal::ONE_HUNDRED;
    if low >= high || !bounds.contains(&values[1]) || !bounds.contains(&values[2]) {
        return Err(format!("{low} and {high} must rise from 0 to 100"));
    }
    Ok((
        format!("rsi({count}) < {low}"),
        format!("rsi({count}) > {high}"),
    ))
}

fn macd(values: &[Decimal]) -> Result<Texts, String> {
    let (fast, slow, signal) = (
        Count::new(values[0])?,
        Count::new(values[1])?,
        Count::new(values[2])?,
    );
    ordered(fast, slow)?;
    let all = format!("{fast},{slow},{signal}");
    let cross = |way| format!("crosses_{way}(macd({all}), macd_signal({all}))");
    Ok((cross("above"), cross("below")))
}

fn bollinger(values: &[Decimal]) -> Result<Texts, String> {
    let (count, width) = (Count::new(values[0])?, Price::from(values[1]));
    if values[1] <= Decimal::ZERO {
        return Err(format!("{width} deviations must be more than 0"));
    }
    Ok((
        format!("price < bb_lower({count},{width})"),
        format!("price > bb_upper({count},{width})"),
    ))
}

fn ordered(fast: Count, slow: Count) -> Result<(), String> {
    if fast.0 < slow.0 {
        return Ok(());
    }
    Err(format!(
        "the fast average, {fast}, must be shorter than the slow, {slow}"
    ))
}

/// So many candles.
#[derive(Clone, Copy)]
struct Count(u32);

impl Count {
    fn new(value: Decimal) -> Result<Self, String> {
        let shown = Price::from(value).to_string();
        let count = u32::from_str(&shown).ok();
        let count = count.filter(|count| (1..=COUNT_MAX).contains(count));
        count
            .map(Self)
            .ok_or_else(|| format!("`{shown}` is not a whole number from 1 to {COUNT_MAX}"))
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
