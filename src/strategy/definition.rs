//! What a strategy is: conditions, or a program that decides.

use std::collections::BTreeMap;
use std::fmt;

use crate::expression::{Expression, ExpressionError, Operand, Reference};
use crate::model::{Field, Interval, Stream};

use super::builtin;
use super::position::Machine;

/// What is written of a strategy under a name. `Debug` shows of a command the program only: arguments may hold
/// secrets.
#[derive(Clone, PartialEq, Eq)]
pub enum Definition {
    /// Expressions, as they were written.
    Conditions {
        /// Buys when this is true.
        buy: String,
        /// Sells when this is true.
        sell: String,
        /// The candles that they are looked at on; `None` = those of whoever runs it.
        interval: Option<Interval>,
    },
    /// A program and its arguments; never an empty list.
    Program(Vec<String>),
}

/// A strategy that was read and checked. Cheap to clone, but for a program's arguments.
#[derive(Debug, Clone)]
pub struct Strategy {
    name: String,
    interval: Interval,
    decides: Decides,
}

/// Who says when to buy and when to leave. `Debug` shows of a command the program only.
#[derive(Clone)]
pub enum Decides {
    /// Conditions over closed candles.
    Conditions {
        /// Buys when this is true.
        buy: Expression,
        /// Sells when this is true.
        sell: Expression,
    },
    /// A program and its arguments.
    Program(Vec<String>),
}

/// Why a text is no strategy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StrategyError {
    /// There is none of this name, or its parameters are wrong.
    #[error("{message}")]
    Wrong {
        /// One line, with the text that is wrong.
        message: String,
        /// How to mend it.
        hint: String,
    },
    /// One of its conditions is wrong.
    #[error("{of}: {error}")]
    Expression {
        /// Which: ``strategy `dip`: buy``.
        of: String,
        /// What is wrong with it.
        error: ExpressionError,
    },
}

impl Strategy {
    /// Reads `sma_cross(10,30)`, `rsi(14,30,70)`, `macd`, `macd(12,26,9)`, `bollinger`, `bollinger(20,2)`, or the
    /// name of one that is defined; such a name goes before a built-in one without parameters. The signals bear
    /// the text without its spaces.
    ///
    /// Errors: there is no such strategy, a parameter is wrong, or a condition cannot be computed from candles.
    pub fn parse(
        text: &str,
        default_interval: Interval,
        defined: &BTreeMap<String, Definition>,
    ) -> Result<Self, StrategyError> {
        let name: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        if let Some(definition) = defined.get(&name) {
            return Self::define(name, definition, default_interval);
        }
        let (word, arguments) = match name.split_once('(') {
            Some((word, rest)) => match rest.strip_suffix(')') {
                Some(arguments) => (word, Some(arguments)),
                None => return Err(wrong(&name, "a parenthesis is not closed", example())),
            },
            None => (&*name, None),
        };
        let conditions = match builtin::conditions(word, arguments) {
            None => return Err(unknown(&name, word, defined)),
            Some(conditions) => conditions,
        };
        let (buy, sell) = conditions.map_err(|(why, hint)| wrong(&name, &why, hint))?;
        let definition = Definition::Conditions {
            buy,
            sell,
            interval: None,
        };
        Self::define(name, &definition, default_interval)
    }

    fn define(
        name: String,
        definition: &Definition,
        default_interval: Interval,
    ) -> Result<Self, StrategyError> {
        match definition {
            Definition::Program(command) => Ok(Self {
                name,
                interval: default_interval,
                decides: Decides::Program(command.clone()),
            }),
            Definition::Conditions {
                buy,
                sell,
                interval,
            } => Ok(Self {
                interval: interval.unwrap_or(default_interval),
                decides: Decides::Conditions {
                    buy: condition(&name, "buy", buy)?,
                    sell: condition(&name, "sell", sell)?,
                },
                name,
            }),
        }
    }

    /// As its signals name it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The length of the candles at whose close it is looked at, and that functions without an interval are over.
    pub fn interval(&self) -> Interval {
        self.interval
    }

    /// Who decides.
    pub fn decides(&self) -> &Decides {
        &self.decides
    }

    /// The conditions to buy and to sell; none of a program.
    pub fn conditions(&self) -> impl Iterator<Item = &Expression> {
        let conditions = match &self.decides {
            Decides::Conditions { buy, sell } => Some([buy, sell]),
            Decides::Program(_) => None,
        };
        conditions.into_iter().flatten()
    }

    /// What makes signals out of closed candles; `None` where a program does.
    pub fn machine(&self) -> Option<Machine> {
        match &self.decides {
            Decides::Conditions { buy, sell } => {
                Some(Machine::new(&self.name, self.interval, buy, sell))
            }
            Decides::Program(_) => None,
        }
    }
}

/// A condition that can be known at the close of a candle, and is the same whenever that candle is looked at.
fn condition(name: &str, which: &str, text: &str) -> Result<Expression, StrategyError> {
    let expression = Expression::parse_condition(text).map_err(|error| {
        let of = format!("strategy `{name}`: {which}");
        StrategyError::Expression { of, error }
    })?;
    for operand in expression.operands() {
        if let Some((why, hint)) = unfit(operand) {
            let message = format!("{which}: {why}");
            return Err(wrong(name, &message, hint));
        }
    }
    Ok(expression)
}

fn unfit(operand: &Operand) -> Option<(String, String)> {
    // Functions are over candles, of whatever length.
    let (field, text) = (operand.field()?, &operand.text);
    let of_candles = Field::of(Stream::Candles(Interval::M1));
    // How it came to us is another thing live than over history.
    if matches!(field, Field::Age | Field::Origin | Field::ReceivedAt) {
        let why = format!("`{text}` is not the same live and over history");
        return Some((why, "take it out of the condition".into()));
    }
    let known = field == Field::Price || of_candles.contains(&field);
    if operand.of == Reference::Own && !known {
        let fields = of_candles.iter().map(|field| field.name());
        let fields: Vec<_> = fields.collect();
        let hint = format!("there are price, {}", fields.join(", "));
        return Some((format!("a candle has no `{text}`"), hint));
    }
    None
}

fn wrong(name: &str, why: &str, hint: String) -> StrategyError {
    StrategyError::Wrong {
        message: format!("strategy `{name}`: {why}"),
        hint,
    }
}

fn example() -> String {
    "write sma_cross(10,30)".into()
}

fn unknown(name: &str, word: &str, defined: &BTreeMap<String, Definition>) -> StrategyError {
    let of_file = defined.keys().map(|known| (known.as_str(), known.as_str()));
    let mut known: Vec<(&str, &str)> = builtin::usages().collect();
    known.extend(of_file);
    let distance = |known: &str| strsim::damerau_levenshtein(known, word);
    let near = known.iter().min_by_key(|(known, _)| distance(known));
    let near = near.filter(|(known, _)| distance(known) <= (known.len() / 3).max(1));
    let all = known.iter().map(|(_, usage)| *usage);
    let all: Vec<_> = all.collect();
    let all = format!(
        "there are {}; [strategies.NAME] adds others",
        all.join(", ")
    );
    StrategyError::Wrong {
        message: format!("no strategy `{name}`"),
        hint: match near {
            Some((_, usage)) => format!("did you mean {usage}? {all}"),
            None => all,
        },
    }
}

fn shown(command: &[String]) -> impl fmt::Debug + '_ {
    command.first()
}

impl fmt::Debug for Definition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Conditions {
                buy,
                sell,
                interval,
            } => f
                .debug_struct("Conditions")
                .field("buy", buy)
                .field("sell", sell)
                .field("interval", interval)
                .finish(),
            Self::Program(command) => f.debug_tuple("Program").field(&shown(command)).finish(),
        }
    }
}

impl fmt::Debug for Decides {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Conditions { buy, sell } => f
                .debug_struct("Conditions")
                .field("buy", &buy.text())
                .field("sell", &sell.text())
                .finish(),
            Self::Program(command) => f.debug_tuple("Program").field(&shown(command)).finish(),
        }
    }
}
