//! One connection of a stream of one's own.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::value::RawValue;
use tokio::sync::broadcast;

use crate::exchange::protocol::{DecodeError, Frame, Message, Output, Protocol, Reply};
use crate::feed::Topic;
use crate::model::write_json_string;

use super::map::{Reader, text};
use super::pointer::{Pointer, elements};
use super::{Definition, RawMessage, is_brought};

/// What stands for a symbol's name in a subscription.
const SYMBOL: &str = "{symbol}";

pub(super) struct CustomProtocol {
    definition: Arc<Definition>,
    reader: Option<Reader>,
    conditions: Vec<(Pointer, String)>,
    raw: Option<broadcast::Sender<RawMessage>>,
    /// By the name on the stream.
    topics: HashMap<String, Topic>,
    /// Asked for, and nothing was heard since. What an answer looks like is not known: that the line speaks has to do.
    unheard: Vec<Topic>,
    /// What is not about one symbol was sent.
    is_greeted: bool,
}

impl CustomProtocol {
    pub fn new(definition: Arc<Definition>, raw: Option<broadcast::Sender<RawMessage>>) -> Self {
        let condition =
            |(pointer, value): &(String, String)| Some((Pointer::parse(pointer)?, value.clone()));
        Self {
            reader: definition.mapping.as_ref().map(Reader::new),
            conditions: definition.conditions.iter().filter_map(condition).collect(),
            definition,
            raw,
            topics: HashMap::new(),
            unheard: Vec::new(),
            is_greeted: false,
        }
    }

    fn is_meant(&self, message: &RawValue) -> bool {
        self.conditions.iter().all(|(pointer, value)| {
            let found = pointer.find(message).and_then(text);
            found.is_some_and(|found| found == value.as_str())
        })
    }

    /// What is neither an event nor wrong is ignored: of what a stream says beside its data nothing is known here.
    fn read(&self, reader: &Reader, frame: Frame<'_>, out: &mut Output) -> Result<(), DecodeError> {
        let message: &RawValue = serde_json::from_str(frame.text)?;
        if !self.is_meant(message) {
            out.ignored += 1;
            return Ok(());
        }
        let Some(each) = &reader.each else {
            return self.read_row(reader, message, frame, out);
        };
        let Some(rows) = each.find(message).and_then(elements) else {
            out.ignored += 1;
            return Ok(());
        };
        // One bad row must not take the others down; a message with nothing else is bad.
        let (mut good, mut bad) = (0u64, None);
        for row in rows {
            match self.read_row(reader, row, frame, out) {
                Ok(()) => good += 1,
                Err(error) if bad.is_none() => bad = Some((error, 1)),
                Err(_) => {
                    if let Some((_, count)) = &mut bad {
                        *count += 1;
                    }
                }
            }
        }
        match bad {
            Some((error, _)) if good == 0 => Err(error),
            bad => {
                out.bad_rows += bad.map_or(0, |(_, count)| count);
                Ok(())
            }
        }
    }

    fn read_row(
        &self,
        reader: &Reader,
        row: &RawValue,
        frame: Frame<'_>,
        out: &mut Output,
    ) -> Result<(), DecodeError> {
        let only = || match &self.definition.symbols[..] {
            [(native, _, _)] => Some(native.as_str().into()),
            _ => None,
        };
        let topic = reader.symbol(row).or_else(only);
        let topic = topic.and_then(|native| self.topics.get(native.as_ref()));
        let Some(topic) = topic else {
            out.ignored += 1;
            return Ok(());
        };
        let market = topic.instrument.market;
        out.events
            .push(reader.event(row, market, frame.received_at)?);
        Ok(())
    }

    fn hand_on(&self, frame: Frame<'_>, out: &mut Output) {
        let message: Option<&RawValue> = serde_json::from_str(frame.text).ok();
        let is_meant = match message {
            Some(message) => self.is_meant(message),
            None => self.conditions.is_empty(),
        };
        let Some(raw) = self.raw.as_ref().filter(|_| is_meant) else {
            out.ignored += 1;
            return;
        };
        let json = match message {
            Some(message) => message.get().into(),
            None => {
                let mut json = Vec::with_capacity(frame.text.len() + 2);
                write_json_string(frame.text, &mut json);
                String::from_utf8_lossy(&json).into()
            }
        };
        // Nobody may be listening.
        let _ = raw.send(RawMessage {
            stream: self.definition.exchange,
            json,
            received_at: frame.received_at,
        });
    }
}

impl Protocol for CustomProtocol {
    fn subscribe(&mut self, topics: &[Topic]) -> Vec<Message> {
        let brought = topics
            .iter()
            .filter(|topic| is_brought(&self.definition, topic));
        let mut names = Vec::new();
        for topic in brought {
            let native = topic.instrument.native.clone();
            names.push(native.clone());
            self.topics.insert(native, topic.clone());
        }
        self.unheard.extend_from_slice(topics);
        let is_first = !std::mem::replace(&mut self.is_greeted, true);
        let mut messages = Vec::new();
        for text in &self.definition.subscribe {
            let texts = match text.contains(SYMBOL) {
                true => names
                    .iter()
                    .map(|name| text.replace(SYMBOL, name))
                    .collect(),
                false if is_first => vec![text.clone()],
                false => Vec::new(),
            };
            messages.extend(texts.into_iter().map(|text| Message {
                text,
                topics: Vec::new(),
            }));
        }
        messages
    }

    fn unsubscribe(&mut self, topics: &[Topic]) -> Vec<Message> {
        // How the stream is told is not known; what still comes is ignored.
        self.topics.retain(|_, topic| !topics.contains(topic));
        self.unheard.retain(|topic| !topics.contains(topic));
        Vec::new()
    }

    fn decode(&mut self, frame: Frame<'_>, out: &mut Output) -> Result<(), DecodeError> {
        match &self.reader {
            Some(reader) => self.read(reader, frame, out)?,
            None => self.hand_on(frame, out),
        }
        if !self.unheard.is_empty() {
            let heard = std::mem::take(&mut self.unheard);
            out.replies.push(Reply::Subscribed(heard));
        }
        Ok(())
    }

    fn ping(&mut self) -> Option<String> {
        self.definition.ping.clone()
    }
}
