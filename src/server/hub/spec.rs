//! What of a room's events a client wants: a condition, and some of the fields.

use crate::expression::{Expression, ExpressionError, Reference, Truth, What};
use crate::model::{Event, Field, Stream, Timestamp, Value};

use super::super::error::ApiError;
use super::super::rooms::Room;
use super::message::Pen;

/// How many fields can be asked for.
const MAX_FIELDS: usize = 64;

/// A checked wish.
#[derive(Debug)]
pub struct Spec {
    filter: Option<Expression>,
    columns: Vec<Column>,
}

#[derive(Debug)]
enum Column {
    Field(Field),
    Computed(Expression),
}

impl Spec {
    /// `None` where everything is wanted.
    ///
    /// Errors: the room tells no events, a text is none of the language, or needs more than the event itself.
    pub fn new(
        room: Room,
        filter: Option<&str>,
        fields: Option<&[String]>,
    ) -> Result<Option<Self>, ApiError> {
        if filter.is_none() && fields.is_none() {
            return Ok(None);
        }
        let known = fields_of(room).ok_or_else(|| {
            let why = format!(
                "room {} has neither filter nor fields: leave them out",
                room.name()
            );
            ApiError::unprocessable("bad_expression", why)
        })?;
        let filter = filter.map(Expression::parse_condition).transpose();
        let filter = filter.map_err(|error| wrong("filter", &error))?;
        let fields = fields.unwrap_or_default();
        if fields.len() > MAX_FIELDS {
            let why = format!("{} fields, {MAX_FIELDS} at most", fields.len());
            return Err(ApiError::bad_request(why));
        }
        let columns: Result<Vec<_>, _> = fields.iter().map(|text| column(text)).collect();
        let columns = columns?;
        let computed = columns.iter().filter_map(|column| match column {
            Column::Field(_) => None,
            Column::Computed(expression) => Some(expression),
        });
        for expression in filter.iter().chain(computed) {
            of_the_event_alone(expression, room, &known)?;
        }
        for column in &columns {
            if let Column::Field(field) = column {
                exists(*field, room, &known)?;
            }
        }
        Ok(Some(Self { filter, columns }))
    }

    /// Whether this event is wanted; not where that is unknown.
    pub fn wants(&self, event: &Event, now: Timestamp) -> bool {
        self.filter.as_ref().is_none_or(|filter| {
            filter.holds(&filter.input(event, now, &|_| Value::Null)) == Truth::True
        })
    }

    /// The wanted part as JSON; `None` where that is all of it.
    pub fn part(&self, event: &Event, now: Timestamp, pen: &mut Pen) -> Option<Vec<u8>> {
        if self.columns.is_empty() {
            return None;
        }
        let values = self.columns.iter().map(|column| match column {
            Column::Field(field) => (field.name(), field.value(event, now)),
            Column::Computed(expression) => {
                let input = expression.input(event, now, &|_| Value::Null);
                (expression.text(), expression.evaluate(&input))
            }
        });
        let mut out = Vec::with_capacity(128);
        pen.json.write_values(values, &mut out);
        Some(out)
    }
}

fn column(text: &str) -> Result<Column, ApiError> {
    let text = text.trim();
    if let Some(field) = Field::named(text) {
        return Ok(Column::Field(field));
    }
    let expression = Expression::parse(text).map_err(|error| wrong("fields", &error))?;
    Ok(Column::Computed(expression))
}

/// The fields of what is told in a room; `None` where it is no event.
fn fields_of(room: Room) -> Option<Vec<Field>> {
    let stream = match room {
        Room::Prices => Stream::Ticker,
        Room::Trades => Stream::Trades,
        Room::Candles => Stream::Candles(crate::model::Interval::M1),
        Room::Signals => {
            let own = Field::SIGNAL.iter().copied();
            return Some(own.chain([Field::Type]).collect());
        }
        Room::Book | Room::Portfolio | Room::Alerts | Room::Status | Room::Raw => return None,
    };
    let all = Field::ALL.iter().copied();
    Some(all.filter(|field| field.exists_in(stream)).collect())
}

fn of_the_event_alone(
    expression: &Expression,
    room: Room,
    known: &[Field],
) -> Result<(), ApiError> {
    if expression.has_crossings() {
        let why = format!("`{expression}`: crossings cannot be used here, make an alert of it");
        return Err(ApiError::unprocessable("bad_expression", why));
    }
    for operand in expression.operands() {
        match (&operand.of, operand.what) {
            (Reference::Own, What::Field(field)) => exists(field, room, known)?,
            (Reference::Own, What::Function(_)) => {
                let text = &operand.text;
                let why = format!(
                    "`{text}`: functions over candles cannot be used here, only fields of the event; make an alert of it"
                );
                return Err(ApiError::unprocessable("bad_expression", why));
            }
            (Reference::Other { .. }, _) => {
                let text = &operand.text;
                let why = format!(
                    "`{text}`: another market cannot be used here, only fields of the event"
                );
                return Err(ApiError::unprocessable("bad_expression", why));
            }
        }
    }
    Ok(())
}

fn exists(field: Field, room: Room, known: &[Field]) -> Result<(), ApiError> {
    if known.contains(&field) {
        return Ok(());
    }
    let known: Vec<_> = known.iter().map(|field| field.name()).collect();
    let why = format!(
        "room {} has no field `{}`, it has {}",
        room.name(),
        field.name(),
        known.join(", ")
    );
    Err(ApiError::unprocessable("bad_expression", why))
}

fn wrong(member: &str, error: &ExpressionError) -> ApiError {
    ApiError::unprocessable("bad_expression", format!("{member}: {error}"))
}
