//! One wanted answer of `monitor -1`: what it must have, and the best that came so far.

use std::sync::Arc;
use std::time::Duration;

use crate::expression::Expression;
use crate::feed::{ProviderError, Topic, Traits};
use crate::model::{
    Clock, Event, Field, Instrument, Market, Stream, SystemClock, Timestamp, Value,
};

use super::super::error::{CliError, clipped};
use super::Clocks;
use super::others::Others;
use super::settings::Settings;

/// What comes over a socket is at most so old, unless somebody has kept it.
const PAST: Duration = Duration::from_secs(10);

/// One wanted answer.
pub struct Slot {
    topic: Topic,
    /// Else it is only computed with.
    pub shown: bool,
    /// Fields that an answer should have; those that this exchange never gives are left out.
    wanted: Vec<Field>,
    /// Whether the fields were asked for by name, so that one without a value is no answer.
    by_name: bool,
    stream_fields: &'static [Field],
    rest_fields: &'static [Field],
    /// The exchange's times are not ours.
    own_clock: bool,
    event: Option<Event>,
    /// When it came, by our clock.
    arrived: Option<Timestamp>,
    complete: bool,
    /// What came and is not to be shown as it is now: the latest of each source.
    left_out: Vec<(Source, Event)>,
    /// Why there is none, by source.
    pub rest_error: Option<ProviderError>,
    pub stream_error: Option<String>,
    pub stream_failed: bool,
}

/// Where an answer comes from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Source {
    Rest,
    Socket,
}

/// Whether somebody kept this event for those who come later: what it says may be over. Whoever is asked for it knows.
fn is_past(event: &Event) -> bool {
    let received = event.received_at();
    received.is_some_and(|at| SystemClock.now().seconds_since(at) > PAST.as_secs_f64())
}

impl Slot {
    /// An empty one for this topic. `fields`: asked for by name; without them a ticker should have every number.
    pub fn new(topic: Topic, fields: Option<&[Field]>, shown: bool, traits: &Traits) -> Self {
        let given = |field: &Field| {
            !Field::TICKER_NUMBERS.contains(field)
                || traits.stream_fields.contains(field)
                || traits.rest_fields.contains(field)
        };
        let possible = |field: &Field| fields.is_none() || field.exists_in(topic.stream);
        let wanted = fields.unwrap_or(Field::TICKER_NUMBERS).iter().copied();
        Self {
            wanted: wanted.filter(possible).filter(given).collect(),
            topic,
            shown,
            by_name: fields.is_some(),
            stream_fields: traits.stream_fields,
            rest_fields: traits.rest_fields,
            own_clock: traits.own_clock,
            event: None,
            arrived: None,
            complete: false,
            left_out: Vec::new(),
            rest_error: None,
            stream_error: None,
            stream_failed: false,
        }
    }

    pub fn instrument(&self) -> &Arc<Instrument> {
        &self.topic.instrument
    }

    pub fn market(&self) -> Market {
        self.topic.instrument.market
    }

    pub fn stream(&self) -> Stream {
        self.topic.stream
    }

    /// Takes an event; [`Slot::judge`] says what becomes of it.
    pub fn take(&mut self, event: Event, source: Source) {
        if source == Source::Socket && !self.own_clock && is_past(&event) {
            return;
        }
        self.left_out.retain(|(known, _)| *known != source);
        self.left_out.push((source, event));
    }

    /// Offers what was taken, as far as it is to be shown by what is known now.
    pub fn judge(&mut self, filter: Option<&Expression>, others: &mut Others, clocks: &Clocks) {
        for (source, event) in std::mem::take(&mut self.left_out) {
            let now = clocks.now(&event, SystemClock.now());
            if !self.shown || others.pass(filter, &event, now) {
                self.offer(event, source);
            } else {
                self.left_out.push((source, event));
            }
        }
    }

    /// Takes an event as the answer where there is none as good. Later events of the socket replace
    /// earlier ones while other symbols are waited for: the answer is as fresh as it can be.
    fn offer(&mut self, event: Event, source: Source) {
        let complete = self.is_complete(&event, source);
        if self.event.is_none() || complete && (!self.complete || source == Source::Socket) {
            self.complete |= complete;
            self.event = Some(event);
            self.arrived = Some(SystemClock.now());
        }
    }

    fn is_complete(&self, event: &Event, source: Source) -> bool {
        if self.by_name {
            let now = event.received_at().unwrap_or_else(|| SystemClock.now());
            return self
                .wanted
                .iter()
                .all(|field| field.value(event, now) != Value::Null);
        }
        let filled = if source == Source::Rest {
            self.rest_fields
        } else {
            self.stream_fields
        };
        self.stream() != Stream::Ticker || self.wanted.iter().all(|field| filled.contains(field))
    }

    /// An answer that can be printed if nothing fuller comes in a while. Fields that were asked for by name
    /// are waited for to the end.
    pub fn is_enough(&self) -> bool {
        self.event.is_some() && !self.by_name
    }

    /// Nothing better will come.
    pub fn is_settled(&self) -> bool {
        let rest_answered = self
            .left_out
            .iter()
            .any(|(source, _)| *source == Source::Rest);
        let rest_has_ended = self.event.is_some() || self.rest_error.is_some() || rest_answered;
        self.complete || self.stream_failed && rest_has_ended
    }

    /// The answer, if it counts as one.
    pub fn answer(&self, settings: &Settings) -> Option<&Event> {
        let event = self.event.as_ref()?;
        (self.is_fresh(event, settings) && self.unknown(event).is_empty()).then_some(event)
    }

    /// The numbers that were asked for by name and that the event does not have.
    fn unknown(&self, event: &Event) -> Vec<&'static str> {
        let now = SystemClock.now();
        let unknown = |field: &&Field| {
            Field::TICKER_NUMBERS.contains(field) && field.value(event, now) == Value::Null
        };
        let wanted = self.wanted.iter().filter(|_| self.by_name);
        wanted.filter(unknown).map(|field| field.name()).collect()
    }

    fn is_fresh(&self, event: &Event, settings: &Settings) -> bool {
        let confirmed = if self.own_clock {
            self.arrived
        } else {
            event.received_at()
        };
        let now = SystemClock.now();
        confirmed.is_some_and(|at| {
            settings
                .max_age
                .is_none_or(|most| now.seconds_since(at) <= most.as_secs_f64())
        })
    }

    pub fn missing(&self, settings: &Settings) -> CliError {
        let too_old = |event| !self.is_fresh(event, settings);
        let unknown = self
            .event
            .as_ref()
            .map(|event| self.unknown(event))
            .unwrap_or_default();
        let reason = match (&self.rest_error, &self.stream_error) {
            _ if self.event.as_ref().is_some_and(too_old) => {
                "the newest answer is older than --max-age".into()
            }
            _ if self.event.is_none() && !self.left_out.is_empty() => {
                "no event passed --where".into()
            }
            (Some(error), _) => clipped(&error.to_string()),
            (None, Some(error)) => clipped(error),
            _ if !unknown.is_empty() => format!("{} not known", unknown.join(", ")),
            (None, None) => format!(
                "no data within {}",
                crate::duration::format(settings.answer_timeout)
            ),
        };
        let code = self
            .rest_error
            .as_ref()
            .map_or("no_data", ProviderError::code);
        let retryable = self
            .rest_error
            .as_ref()
            .is_none_or(ProviderError::is_retryable);
        CliError {
            retryable,
            ..CliError::unknown(
                code,
                format!("{} {}: {reason}", self.market(), self.stream().name()),
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::kraken;
    use crate::exchange::mock::Mock;
    use crate::feed::Provider;
    use crate::model::Ticker;

    #[test]
    fn what_somebody_kept_is_an_answer_only_of_whoever_is_asked_for_it() {
        let instrument = Instrument::new(kraken::EXCHANGE, "BTC", "USD", "XXBTZUSD".to_owned());
        let market = instrument.market;
        let topic = Topic {
            instrument: Arc::new(instrument),
            stream: Stream::Ticker,
        };
        let traits = Traits {
            own_clock: false,
            ..Arc::new(Mock::default()).traits()
        };
        let ticker = |age: i64| {
            let at = SystemClock.now().plus_nanos(-age * 1_000_000_000);
            Event::Ticker(Arc::new(Ticker::empty(market, at)))
        };
        let taken = |age, source| {
            let mut slot = Slot::new(topic.clone(), None, true, &traits);
            slot.take(ticker(age), source);
            !slot.left_out.is_empty()
        };
        assert!(taken(1, Source::Socket));
        assert!(!taken(60, Source::Socket));
        assert!(taken(60, Source::Rest));
    }
}
