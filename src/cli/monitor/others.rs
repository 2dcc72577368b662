//! Other markets that expressions name: read beside those that are shown, never shown themselves.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::try_join_all;

use crate::engine::Confirmed;
use crate::expression::{Expression, Operand, Reference, Truth};
use crate::feed::Topic;
use crate::model::{
    Clock, Event, Field, Instrument, Market, Stream, SystemClock, Timestamp, Value,
};

use super::super::Ctx;
use super::super::error::CliError;
use super::Clocks;
use super::computed::{Computed, moment};
use super::resolve::resolve;
use super::settings::Settings;

/// The latest that is known of them.
pub struct Others {
    meanings: Vec<(Reference, Arc<Instrument>)>,
    /// What of each is needed, and for which fields.
    needs: Vec<(Topic, Vec<Field>)>,
    /// What was asked for by its own name.
    shown: HashSet<(Market, Stream)>,
    latest: HashMap<(Market, Stream), Event>,
    /// What is computed from candles, of any market.
    pub computed: Computed,
    clocks: Clocks,
    confirmed: Confirmed,
    max_age: Option<Duration>,
    /// Whether anything is read that is not shown.
    is_beside: bool,
}

impl Others {
    /// Looks up what the expressions name; a symbol without a provider is one of the default provider.
    ///
    /// Errors: a symbol that does not exist or cannot be looked up.
    pub async fn find(
        settings: &Settings,
        shown: &[Arc<Instrument>],
        ctx: &Ctx,
    ) -> Result<Self, CliError> {
        let operands = || settings.expressions().flat_map(Expression::operands);
        let references: Vec<_> = operands().map(|operand| &operand.of).collect();
        let meanings = reference_meaning(references.into_iter(), settings, ctx).await?;
        let instruments: Vec<_> = meanings.iter().map(|(_, i)| i.clone()).collect();
        let meaning = |reference: &Reference| {
            let mut meanings = meanings.iter();
            let found = meanings.find(|(known, _)| known == reference);
            found.map(|(_, instrument)| instrument.clone())
        };
        let computed = Computed::new(settings, shown, &meaning);
        let mut others = Self {
            computed,
            clocks: Clocks::new(&instruments, ctx)?,
            meanings,
            needs: Vec::new(),
            shown: settings.topics(shown).into_iter().collect(),
            latest: HashMap::new(),
            confirmed: ctx.engine.confirmed(),
            max_age: settings.max_age,
            is_beside: false,
        };
        operands().for_each(|operand| others.need(operand));
        let is_beside = others.topics().next().is_some();
        others.is_beside = is_beside;
        Ok(others)
    }

    fn need(&mut self, operand: &Operand) {
        let (Some(instrument), Some(field)) = (self.meaning(operand), operand.field()) else {
            return;
        };
        let topic = Topic {
            instrument: instrument.clone(),
            stream: stream_of(field),
        };
        match self.needs.iter_mut().find(|(known, _)| *known == topic) {
            Some((_, fields)) => fields.push(field),
            None => self.needs.push((topic, vec![field])),
        }
    }

    fn meaning(&self, operand: &Operand) -> Option<&Arc<Instrument>> {
        let mut meanings = self.meanings.iter();
        let meaning = meanings.find(|(reference, _)| *reference == operand.of);
        meaning.map(|(_, instrument)| instrument)
    }

    /// These are read beside what is shown, too.
    pub fn read_beside(&mut self, topics: impl Iterator<Item = Topic>) {
        for topic in topics {
            self.is_beside = true;
            self.computed.hide_past_of(topic);
        }
    }

    /// Each once.
    pub fn instruments(&self) -> Vec<Arc<Instrument>> {
        let mut seen = HashSet::new();
        let instruments = self.meanings.iter().map(|(_, instrument)| instrument);
        instruments
            .filter(|instrument| seen.insert(instrument.market))
            .cloned()
            .collect()
    }

    /// What is read of them, and the fields that are needed of it.
    pub fn needs(&self) -> &[(Topic, Vec<Field>)] {
        &self.needs
    }

    /// What is read of them.
    pub fn topics(&self) -> impl Iterator<Item = Topic> + '_ {
        let fields = self.needs.iter().map(|(topic, _)| topic.clone());
        fields.chain(self.computed.topics())
    }

    /// Those of which a first event is waited for.
    pub fn awaited(&self) -> impl Iterator<Item = Topic> + '_ {
        self.needs.iter().map(|(topic, _)| topic.clone())
    }

    /// Takes what an event tells of them. Where the connection is lost nothing is known until it is there again.
    pub fn see(&mut self, event: &Event) {
        self.computed.see(event);
        if self.needs.is_empty() {
            return;
        }
        match (event, event.market(), event.stream()) {
            (_, Some(market), Some(stream)) => {
                let needed =
                    |topic: &Topic| topic.instrument.market == market && topic.stream == stream;
                if self.needs.iter().any(|(topic, _)| needed(topic)) {
                    self.latest.insert((market, stream), event.clone());
                }
            }
            (Event::Status(status), market, _) if status.state.is_trouble() => {
                self.latest.retain(|(known, _), _| {
                    market.map_or(known.exchange() != status.exchange, |market| {
                        *known != market
                    })
                });
            }
            _ => {}
        }
    }

    /// Whether an event is about what was asked for by its own name.
    pub fn is_shown(&self, event: &Event) -> bool {
        if !self.is_beside {
            return true;
        }
        if self.computed.hides(event) {
            return false;
        }
        if self.shown.is_empty() {
            // Only signals are wanted, and the holes and states that may concern them.
            return event.stream().is_none();
        }
        let mut shown = self.shown.iter();
        match (event, event.market(), event.stream()) {
            (_, Some(market), Some(stream)) => self.shown.contains(&(market, stream)),
            (Event::Gap(gap), ..) => self.shown.contains(&(gap.market, gap.stream)),
            (_, Some(market), None) => shown.any(|(known, _)| *known == market),
            (_, None, _) => shown.any(|(known, _)| known.exchange() == event.exchange()),
        }
    }

    /// Whether an event is to be shown; not where that is unknown. `now` is for its age.
    pub fn pass(&mut self, filter: Option<&Expression>, event: &Event, now: Timestamp) -> bool {
        let Some(filter) = filter else {
            return true;
        };
        let market = event.market().filter(|_| filter.has_crossings());
        let truth = match market {
            Some(market) => self.with_crossings(|computed, others| {
                let input = |computed: &Computed, place: usize| {
                    others.input(computed, &filter.operands()[place], event, now)
                };
                computed.crossing_holds(filter, market, &input)
            }),
            None => {
                let operands = filter.operands();
                filter.holds(&|place| self.input(&self.computed, &operands[place], event, now))
            }
        };
        truth == Truth::True
    }

    /// What an expression comes to at an event. `now` is for its age.
    pub fn evaluate(&mut self, expression: &Expression, event: &Event, now: Timestamp) -> Value {
        let operands = expression.operands();
        match event.market().filter(|_| expression.has_crossings()) {
            Some(market) => self.with_crossings(|computed, others| {
                let input = |computed: &Computed, place: usize| {
                    others.input(computed, &operands[place], event, now)
                };
                computed.crossing_value(expression, market, &input)
            }),
            None => expression
                .evaluate(&|place| self.input(&self.computed, &operands[place], event, now)),
        }
    }

    /// Whether a function that an expression names is not known at this event.
    pub fn lacks(&self, expression: &Expression, event: &Event) -> bool {
        let mut operands = expression.operands().iter();
        operands.any(|operand| {
            operand.function().is_some()
                && self.input(&self.computed, operand, event, SystemClock.now()) == Value::Null
        })
    }

    /// Crossings change while they are looked at.
    fn with_crossings<T>(&mut self, look: impl FnOnce(&mut Computed, &Self) -> T) -> T {
        let mut computed = std::mem::take(&mut self.computed);
        let found = look(&mut computed, self);
        self.computed = computed;
        found
    }

    fn input(
        &self,
        computed: &Computed,
        operand: &Operand,
        event: &Event,
        now: Timestamp,
    ) -> Value {
        let own = operand.of == Reference::Own;
        let Some(function) = operand.function() else {
            return if own {
                operand.value(event, now)
            } else {
                self.value(operand)
            };
        };
        let of = || self.meaning(operand).map(|instrument| instrument.market);
        let market = if own { event.market() } else { of() };
        match market.zip(moment(event)) {
            Some((market, at)) => computed.value(market, &function, at),
            None => Value::Null,
        }
    }

    /// The latest value of another market's operand; `Null` where there is none, or only an old one.
    fn value(&self, operand: &Operand) -> Value {
        let event = self.meaning(operand).and_then(|instrument| {
            let topic = (instrument.market, stream_of(operand.field()?));
            self.latest.get(&topic)
        });
        let Some(event) = event else {
            return Value::Null;
        };
        let now = self.clocks.now(event, SystemClock.now());
        let topic = event.market().zip(event.stream());
        let confirmed = topic.and_then(|(market, stream)| self.confirmed.get(market, stream));
        let known = event
            .received_at()
            .map(|at| confirmed.map_or(at, |c| c.max(at)));
        let age = known.map(|at| now.seconds_since(at));
        match (self.max_age, age) {
            (Some(most), Some(age)) if age > most.as_secs_f64() => Value::Null,
            _ => operand.value(event, now),
        }
    }
}

/// What the references of expressions mean, each once.
///
/// Errors: a symbol that does not exist or cannot be looked up.
pub async fn reference_meaning<'a>(
    references: impl Iterator<Item = &'a Reference>,
    settings: &Settings,
    ctx: &Ctx,
) -> Result<Vec<(Reference, Arc<Instrument>)>, CliError> {
    let mut references: Vec<_> = references.collect();
    references.sort_by_key(|reference| spelling(reference));
    references.dedup();
    let named = references
        .into_iter()
        .filter_map(|reference| Some((reference, spelling(reference)?)));
    try_join_all(named.map(|(reference, text)| async move {
        let found = resolve(&[text], settings.began, settings.answer_timeout, ctx).await?;
        let instrument = found.instruments.into_iter().next();
        let unlisted = found.unlisted.into_iter().next().map(|list| list.error);
        let lost = || CliError::failed("internal", "a symbol was lost");
        let instrument = instrument.ok_or_else(|| unlisted.unwrap_or_else(lost))?;
        Ok::<_, CliError>((reference.clone(), instrument))
    }))
    .await
}

/// As a symbol is written on the command line; `None` for the own one.
fn spelling(reference: &Reference) -> Option<String> {
    match reference {
        Reference::Own => None,
        Reference::Other {
            provider: Some(provider),
            symbol,
        } => Some(format!("{provider}:{symbol}")),
        Reference::Other { symbol, .. } => Some(symbol.clone()),
    }
}

/// The stream that tells a field of another market: tickers come more rarely than trades.
fn stream_of(field: Field) -> Stream {
    if field.exists_in(Stream::Ticker) {
        Stream::Ticker
    } else {
        Stream::Trades
    }
}
