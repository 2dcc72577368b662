//! From symbols as they were written to instruments. One provider's trouble is not the others'.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;

use crate::model::{Exchange, Instrument};
use crate::symbols::ResolveError;

use super::super::Ctx;
use super::super::error::{CliError, OFFLINE_HINT};

/// What the symbols mean, as far as it could be told.
#[derive(Debug)]
pub struct Found {
    /// Each once, in the order asked for.
    pub instruments: Vec<Arc<Instrument>>,
    /// How each of them was written.
    pub texts: Vec<String>,
    /// The providers of which nothing could be told.
    pub unlisted: Vec<Unlisted>,
}

/// A provider whose list of symbols is not to be had.
#[derive(Debug)]
pub struct Unlisted {
    provider: String,
    /// What was asked of it, as it was written, without a prefix.
    symbols: Vec<String>,
    /// Why not.
    pub error: CliError,
}

impl Unlisted {
    /// One error for each symbol, for where the others were answered.
    pub fn by_symbol(self) -> impl Iterator<Item = CliError> {
        let Self {
            provider,
            symbols,
            error,
        } = self;
        symbols.into_iter().map(move |symbol| CliError {
            message: format!("{provider}:{symbol}: {}", error.message),
            // The others work online.
            hint: error.hint.clone().filter(|hint| hint != OFFLINE_HINT),
            ..error.clone()
        })
    }

    /// Whether others may stand in for it: it was not named for its symbols.
    pub fn is_of(&self, provider: &str, asked: &[String]) -> bool {
        self.provider == provider && self.symbols.iter().all(|symbol| asked.contains(symbol))
    }

    /// What was asked of it.
    pub fn symbols(&self) -> &[String] {
        &self.symbols
    }

    /// For where the others go on without it.
    pub fn warning(&self) -> String {
        format!(
            "{}; going on without {}",
            self.error.message,
            self.symbols.join(", ")
        )
    }
}

/// What is asked of one provider.
struct Group<'a> {
    provider: String,
    /// With their places among all symbols.
    symbols: Vec<(usize, &'a str)>,
}

type Answers = Vec<(usize, Result<Arc<Instrument>, CliError>)>;

/// Asks all providers at once, for `timeout` since it `began`.
///
/// Errors: symbols and providers that do not exist; all of them are told, the last one is returned.
pub async fn resolve(
    symbols: &[String],
    began: Instant,
    timeout: Duration,
    ctx: &Ctx,
) -> Result<Found, CliError> {
    let groups = groups(symbols, &ctx.provider);
    // Where one list does not come, the others' answers still need some time.
    let patience = if groups.len() > 1 {
        timeout - timeout / 4
    } else {
        timeout
    };
    let deadline = (began + patience).into();
    let asked = groups.iter().map(|group| async move {
        let answers = tokio::time::timeout_at(deadline, look_up(group, ctx)).await;
        answers.unwrap_or_else(|_| Err(no_answer(&group.provider, patience)))
    });
    let (mut answers, mut unlisted) = (Answers::new(), Vec::new());
    for (group, answer) in groups.iter().zip(join_all(asked).await) {
        match answer {
            Ok(found) => answers.extend(found),
            Err(error) => unlisted.push(Unlisted {
                provider: group.provider.clone(),
                symbols: group.symbols.iter().map(|(_, s)| s.to_string()).collect(),
                error,
            }),
        }
    }
    answers.sort_by_key(|(place, _)| *place);
    let (mut instruments, mut texts) = (Vec::new(), Vec::new());
    let (mut wrong, mut seen) = (Vec::new(), HashSet::new());
    for (place, answer) in answers {
        match answer {
            Ok(instrument) if seen.insert(instrument.market) => {
                instruments.push(instrument);
                texts.push(symbols[place].clone());
            }
            Ok(_) => {}
            Err(error) => wrong.push(error),
        }
    }
    match ctx.notices.all_but_last(wrong) {
        Some(last) => Err(last),
        None => Ok(Found {
            instruments,
            texts,
            unlisted,
        }),
    }
}

/// The same with an answer for each symbol, in their order.
pub async fn each(
    symbols: &[String],
    began: Instant,
    timeout: Duration,
    ctx: &Ctx,
) -> Vec<Result<Arc<Instrument>, CliError>> {
    let groups = groups(symbols, &ctx.provider);
    let deadline = (began + timeout).into();
    let asked = groups.iter().map(|group| async move {
        let answers = tokio::time::timeout_at(deadline, look_up(group, ctx)).await;
        answers.unwrap_or_else(|_| Err(no_answer(&group.provider, timeout)))
    });
    let mut found: Vec<_> = symbols.iter().map(|_| None).collect();
    for (group, answer) in groups.iter().zip(join_all(asked).await) {
        match answer {
            Ok(answers) => answers
                .into_iter()
                .for_each(|(place, answer)| found[place] = Some(answer)),
            Err(error) => group
                .symbols
                .iter()
                .for_each(|(place, _)| found[*place] = Some(Err(error.clone()))),
        }
    }
    let unknown_provider = |symbol: &String| {
        let (name, _) = symbol.split_once(':').unwrap_or((&ctx.provider, ""));
        let known = ctx.engine.providers();
        let known: Vec<_> = known.into_iter().map(Exchange::name).collect();
        Err(super::super::error::unknown_provider_of(name, &known))
    };
    // Of an unknown provider only its first symbol has an answer.
    symbols
        .iter()
        .zip(found)
        .map(|(symbol, answer)| answer.unwrap_or_else(|| unknown_provider(symbol)))
        .collect()
}

/// By provider, in the order in which they are named first.
fn groups<'a>(symbols: &'a [String], default: &str) -> Vec<Group<'a>> {
    let mut groups = Vec::<Group<'a>>::new();
    for (place, text) in symbols.iter().enumerate() {
        let (provider, symbol) = match text.split_once(':') {
            Some((name, symbol)) => (name.trim().to_lowercase(), symbol),
            None => (default.to_string(), text.as_str()),
        };
        match groups.iter_mut().find(|group| group.provider == provider) {
            Some(group) => group.symbols.push((place, symbol)),
            None => groups.push(Group {
                provider,
                symbols: vec![(place, symbol)],
            }),
        }
    }
    groups
}

/// Errors: no list, so that nothing can be said about any of its symbols.
async fn look_up(group: &Group<'_>, ctx: &Ctx) -> Result<Answers, CliError> {
    let manager = match ctx.engine.symbols(&group.provider) {
        Ok(manager) => manager,
        Err(error) => return Ok(vec![(group.symbols[0].0, Err(error.into()))]),
    };
    let mut answers = Answers::new();
    for &(place, symbol) in &group.symbols {
        match manager.resolve(symbol).await {
            Ok(instrument) => answers.push((place, Ok(instrument))),
            Err(ResolveError::Unresolved(error)) => answers.push((place, Err(error.into()))),
            Err(ResolveError::List(error)) => return Err(error.into()),
        }
    }
    Ok(answers)
}

fn no_answer(provider: &str, within: Duration) -> CliError {
    let within = crate::duration::format(within);
    let message = format!("no list of what {provider} trades: no answer within {within}");
    CliError::unknown("timeout", message).hint(OFFLINE_HINT)
}
