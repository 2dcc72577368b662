//! What a client can say.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::server::ApiError;

/// A message of a client. Members that are not known are passed over.
#[derive(Debug, Deserialize)]
pub struct Command<'a> {
    #[serde(rename = "type")]
    kind: String,
    room: Option<String>,
    filter: Option<String>,
    fields: Option<Vec<String>>,
    interval: Option<String>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

/// What it asks for.
#[derive(Debug, PartialEq, Eq)]
pub enum Ask {
    /// To hear what is told in a room.
    Join {
        /// As written.
        room: String,
        /// Which events.
        filter: Option<String>,
        /// What of them.
        fields: Option<Vec<String>>,
        /// Which candles.
        interval: Option<String>,
    },
    /// To hear it no longer.
    Leave {
        /// As written.
        room: String,
        /// Which candles; `None`: all.
        interval: Option<String>,
    },
    /// Whether anybody is there.
    Ping {
        /// Comes back: one JSON value.
        data: String,
    },
}

impl Ask {
    /// Reads a message.
    ///
    /// Errors: it is not JSON, or of no known type, or a member is missing or of another type.
    pub fn read(text: &str) -> Result<Self, ApiError> {
        let command: Command<'_> = serde_json::from_str(text).map_err(|error| {
            let what = if error.is_data() {
                "a member is missing or of another type, there are type, room, filter, fields, interval and data"
            } else {
                "not JSON"
            };
            ApiError::bad_request(format!("column {}: {what}", error.column()))
        })?;
        let room = || {
            let named = command.room.clone();
            named.ok_or_else(|| ApiError::bad_request("`room` is missing, such as \"prices\""))
        };
        match command.kind.as_str() {
            "join_room" => Ok(Self::Join {
                room: room()?,
                filter: command.filter,
                fields: command.fields,
                interval: command.interval,
            }),
            "leave_room" => Ok(Self::Leave {
                room: room()?,
                interval: command.interval,
            }),
            "ping" => Ok(Self::Ping {
                data: command.data.map_or("{}", RawValue::get).to_owned(),
            }),
            _ => Err(ApiError::bad_request(
                "unknown type, there are join_room, leave_room and ping",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_is_read_and_other_members_are_passed_over() {
        let ask = Ask::read(r#"{"type":"join_room","room":"prices","filter":"price > 1","x":[]}"#);
        let expected = Ask::Join {
            room: "prices".into(),
            filter: Some("price > 1".into()),
            fields: None,
            interval: None,
        };
        assert_eq!(ask, Ok(expected));
        let ask = Ask::read(r#"{"type":"ping","data":{"n": 1.10}}"#);
        let data = r#"{"n": 1.10}"#.to_owned();
        assert_eq!(ask, Ok(Ask::Ping { data }));
    }

    #[test]
    fn what_cannot_be_understood_is_refused() {
        let nested = "[".repeat(100_000);
        for text in [
            "",
            "null",
            "[]",
            "{}",
            "join_room",
            r#"{"type":1}"#,
            r#"{"type":"join_room"}"#,
            r#"{"type":"join_room","room":7}"#,
            r#"{"type":"join_room","room":"prices","fields":"price"}"#,
            r#"{"type":"join_room","room":"prices"} {}"#,
            r#"{"type":"subscribe"}"#,
            &nested,
        ] {
            let error = Ask::read(text).expect_err(text);
            assert_eq!(error.code, "bad_request", "{text}");
        }
    }
}
