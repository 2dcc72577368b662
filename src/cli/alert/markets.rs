//! From the symbols of rules to instruments and trackers.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::alert::Tracker;
use crate::expression::Reference;
use crate::model::{Instrument, Market};

use super::super::Ctx;
use super::super::error::CliError;
use super::super::exit::Exit;
use super::super::monitor::resolve;
use super::settings::Spec;

/// What the symbols of all rules mean.
pub struct Markets {
    instruments: HashMap<Market, Arc<Instrument>>,
    answers: HashMap<String, Result<Arc<Instrument>, CliError>>,
}

/// A rule that could be set up, and one that could not for now.
pub struct Ready {
    pub spec: usize,
    pub trackers: Vec<Tracker>,
    /// Symbols of which nothing is known, for want of a list.
    pub unknown: Vec<CliError>,
}

impl Markets {
    /// Looks all symbols up, for `timeout` since it `began`.
    ///
    /// Errors: those that do not exist.
    pub async fn find(
        specs: &[Spec],
        began: Instant,
        timeout: Duration,
        ctx: &Ctx,
    ) -> Result<Self, Vec<CliError>> {
        let mut texts: Vec<String> = specs.iter().flat_map(Spec::lookups).collect();
        texts.sort();
        texts.dedup();
        let answers = resolve::each(&texts, began, timeout, ctx).await;
        let wrong = specs.iter().flat_map(|spec| wrong(spec, &texts, &answers));
        let mut seen = HashSet::new();
        let wrong = wrong.filter(|error| seen.insert(error.message.clone()));
        let wrong: Vec<_> = wrong.collect();
        if !wrong.is_empty() {
            return Err(wrong);
        }
        let found: Vec<_> = answers.iter().flatten().cloned().collect();
        Ok(Self {
            instruments: found.into_iter().map(|i| (i.market, i)).collect(),
            answers: texts.into_iter().zip(answers).collect(),
        })
    }

    /// All that were found, in a fixed order.
    pub fn all(&self) -> Vec<Arc<Instrument>> {
        let mut all: Vec<_> = self.instruments.values().cloned().collect();
        all.sort_by_key(|instrument| instrument.market.index());
        all
    }

    /// The instrument of a market that was found.
    pub fn instrument(&self, market: Market) -> &Arc<Instrument> {
        &self.instruments[&market]
    }

    /// Whether a rule names it.
    pub fn has(&self, market: Market) -> bool {
        self.instruments.contains_key(&market)
    }

    /// Another one, who stands in.
    pub fn add(&mut self, instrument: Arc<Instrument>) {
        self.instruments.insert(instrument.market, instrument);
    }

    /// What the rules' own symbols mean, and how they were written; those that name their provider want no
    /// other.
    pub fn written(&self, specs: &[Spec]) -> Vec<(Market, String)> {
        let mut written: Vec<(Market, String)> = Vec::new();
        for spec in specs {
            for symbol in spec.symbols.iter().filter(|symbol| !symbol.contains(':')) {
                let Some(Ok(instrument)) = self.answers.get(&spec.lookup(symbol)) else {
                    continue;
                };
                if written
                    .iter()
                    .all(|(market, _)| *market != instrument.market)
                {
                    written.push((instrument.market, symbol.clone()));
                }
            }
        }
        written
    }

    /// One tracker for each symbol of the rule.
    pub fn ready(&self, index: usize, spec: &Spec) -> Ready {
        let (mut trackers, mut unknown) = (Vec::new(), Vec::<CliError>::new());
        let mut seen = Vec::new();
        for symbol in self.symbols(spec) {
            match self.tracker(spec, &symbol) {
                Ok(tracker) if seen.contains(&tracker.market) => {}
                Ok(tracker) => {
                    seen.push(tracker.market);
                    trackers.push(tracker);
                }
                Err(error) => {
                    let error = CliError {
                        message: format!("{symbol}: {}", error.message),
                        ..error
                    };
                    unknown.push(of_rule(error, spec));
                }
            }
        }
        Ready {
            spec: index,
            trackers,
            unknown,
        }
    }

    /// Those of the rule; where it has none, the first that its condition names.
    fn symbols(&self, spec: &Spec) -> Vec<String> {
        if !spec.symbols.is_empty() {
            return spec
                .symbols
                .iter()
                .map(|symbol| spec.lookup(symbol))
                .collect();
        }
        let first = spec.rule.references().find_map(|r| spec.reference(r));
        first.into_iter().collect()
    }

    fn tracker(&self, spec: &Spec, symbol: &str) -> Result<Tracker, CliError> {
        let market = |text: &str| match &self.answers[text] {
            Ok(instrument) => Ok(instrument.market),
            Err(error) => Err(error.clone()),
        };
        let own = market(symbol)?;
        for reference in spec.rule.references().filter_map(|r| spec.reference(r)) {
            market(&reference)?;
        }
        let other = |reference: &Reference| market(&spec.reference(reference)?).ok();
        Tracker::new(spec.rule.clone(), own, &other)
            .ok_or_else(|| CliError::failed("internal", "a symbol was lost"))
    }
}

/// What a rule names and does not exist.
fn wrong(
    spec: &Spec,
    texts: &[String],
    answers: &[Result<Arc<Instrument>, CliError>],
) -> Vec<CliError> {
    let asked = spec.lookups();
    let named = texts
        .iter()
        .zip(answers)
        .filter(|(text, _)| asked.contains(text));
    let errors = named.filter_map(|(_, answer)| answer.as_ref().err());
    let wrong = errors.filter(|error| error.exit == Exit::Usage);
    wrong.map(|error| of_rule(error.clone(), spec)).collect()
}

/// With the name of the rule, where it has one.
pub fn of_rule(error: CliError, spec: &Spec) -> CliError {
    match &spec.rule.name {
        Some(name) => CliError {
            message: format!("{name}: {}", error.message),
            ..error
        },
        None => error,
    }
}
