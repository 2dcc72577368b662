//! Windows as Arrow record batches: the names of the events' fields, prices and sizes as DECIMAL(38,18), times in
//! microseconds UTC. What cannot be held exactly is an error, never rounded.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, BooleanArray, Decimal128Array, RecordBatch, StringArray, TimestampMicrosecondArray,
    UInt64Array,
};
use arrow_schema::ArrowError;

use crate::model::{Decimal, Market, Timestamp};

use super::{CandleWindow, TradeWindow};

const PRECISION: u8 = 38;
const SCALE: u32 = 18;

type Column = (&'static str, ArrayRef);

impl TradeWindow {
    /// All trades, the oldest first: `exchange symbol id price size side timestamp received_at origin`. `id` is an
    /// unsigned number.
    ///
    /// Errors: a price or a size has more than 18 decimals or 38 digits.
    pub fn record_batch(&self) -> Result<RecordBatch, ArrowError> {
        let trades: Vec<_> = self.newest(self.len()).collect();
        let ids = trades.iter().map(|trade| trade.id);
        let [exchange, symbol] = names(self.market(), trades.len());
        RecordBatch::try_from_iter([
            exchange,
            symbol,
            (
                "id",
                Arc::new(UInt64Array::from_iter_values(ids)) as ArrayRef,
            ),
            decimals("price", trades.iter().map(|t| Some(t.price.decimal())))?,
            decimals("size", trades.iter().map(|t| Some(t.size.decimal())))?,
            words("side", trades.iter().map(|t| t.side.name())),
            times("timestamp", trades.iter().map(|t| t.timestamp)),
            times("received_at", trades.iter().map(|t| t.received_at)),
            words("origin", trades.iter().map(|t| t.origin.name())),
        ])
    }
}

impl CandleWindow {
    /// All candles, the forming one included, the oldest first: `exchange symbol interval open_time close_time open
    /// high low close volume quote_volume trades closed complete origin`. `quote_volume` and `trades` can be null.
    ///
    /// Errors: a price or a volume has more than 18 decimals or 38 digits.
    pub fn record_batch(&self) -> Result<RecordBatch, ArrowError> {
        let candles: Vec<_> = self.newest(self.len()).collect();
        let all = candles.iter();
        let [exchange, symbol] = names(self.market(), candles.len());
        let trades: UInt64Array = all.clone().map(|candle| candle.trades).collect();
        let quote_volume = all
            .clone()
            .map(|c| c.quote_volume.map(|volume| volume.decimal()));
        let columns = [
            exchange,
            symbol,
            words("interval", all.clone().map(|c| c.interval.name())),
            times("open_time", all.clone().map(|c| c.open_time)),
            times("close_time", all.clone().map(|c| c.close_time())),
            decimals("open", all.clone().map(|c| Some(c.open.decimal())))?,
            decimals("high", all.clone().map(|c| Some(c.high.decimal())))?,
            decimals("low", all.clone().map(|c| Some(c.low.decimal())))?,
            decimals("close", all.clone().map(|c| Some(c.close.decimal())))?,
            decimals("volume", all.clone().map(|c| Some(c.volume.decimal())))?,
            decimals("quote_volume", quote_volume)?,
            ("trades", Arc::new(trades) as ArrayRef),
            flags("closed", all.clone().map(|c| c.closed)),
            flags("complete", all.clone().map(|c| c.complete)),
            words("origin", all.clone().map(|c| c.origin.name())),
        ];
        // Whether a column can be null is a matter of its kind, not of what happens to be in this batch.
        RecordBatch::try_from_iter_with_nullable(
            columns.map(|(name, column)| (name, column, matches!(name, "quote_volume" | "trades"))),
        )
    }
}

fn names(market: Market, rows: usize) -> [Column; 2] {
    let column = |name, word| words(name, std::iter::repeat_n(word, rows));
    [
        column("exchange", market.exchange().name()),
        column("symbol", market.symbol()),
    ]
}

fn words(name: &'static str, values: impl Iterator<Item = &'static str>) -> Column {
    (name, Arc::new(StringArray::from_iter_values(values)))
}

fn flags(name: &'static str, values: impl Iterator<Item = bool>) -> Column {
    (name, Arc::new(values.map(Some).collect::<BooleanArray>()))
}

fn times(name: &'static str, values: impl Iterator<Item = Timestamp>) -> Column {
    let micros = values.map(|time| time.nanos().div_euclid(1_000));
    let column = TimestampMicrosecondArray::from_iter_values(micros);
    (name, Arc::new(column.with_timezone("UTC")))
}

fn decimals(
    name: &'static str,
    values: impl Iterator<Item = Option<Decimal>>,
) -> Result<Column, ArrowError> {
    let exact = |value: Decimal| mantissa(value).ok_or_else(|| inexact(name, value));
    let mantissas: Result<Vec<_>, _> = values.map(|value| value.map(exact).transpose()).collect();
    let column = Decimal128Array::from(mantissas?);
    let column = column.with_precision_and_scale(PRECISION, SCALE as i8)?;
    Ok((name, Arc::new(column)))
}

/// With 18 decimals; `None` where digits would be lost, or there are more than 38.
fn mantissa(value: Decimal) -> Option<i128> {
    let value = if value.scale() > SCALE {
        value.normalize()
    } else {
        value
    };
    let factor = 10i128.pow(SCALE.checked_sub(value.scale())?);
    let mantissa = value.mantissa().checked_mul(factor)?;
    (mantissa.unsigned_abs() < 10u128.pow(PRECISION.into())).then_some(mantissa)
}

fn inexact(name: &str, value: Decimal) -> ArrowError {
    ArrowError::InvalidArgumentError(format!(
        "{name} {value} has more digits than DECIMAL({PRECISION},{SCALE}) holds exactly"
    ))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{candle, market, trade};
    use super::*;
    use crate::model::{Field, Interval, Stream};
    use arrow_array::{Array, cast::AsArray, types::Decimal128Type};

    fn fields(batch: &RecordBatch) -> Vec<&str> {
        let schema = batch.schema_ref();
        schema
            .fields()
            .iter()
            .map(|field| field.name().as_str())
            .collect()
    }

    /// The contract's fields; what kind of event it is, is a matter of the whole batch.
    fn expected(stream: Stream) -> Vec<&'static str> {
        Field::of(stream)
            .iter()
            .map(|field| field.name())
            .skip(1)
            .collect()
    }

    fn types(batch: &RecordBatch) -> Vec<String> {
        let schema = batch.schema_ref();
        schema
            .fields()
            .iter()
            .map(|field| field.data_type().to_string())
            .collect()
    }

    #[test]
    fn trades_become_a_batch_with_the_names_of_their_fields() {
        let mut window = TradeWindow::new(market("A"), 2);
        for (id, price) in [(1, "9"), (2, "97123.40"), (3, "0.000000000000000001")] {
            window.push(&trade(id, 5, price));
        }
        let batch = window.record_batch().unwrap();
        assert_eq!(fields(&batch), expected(Stream::Trades));
        let [time, number] = ["Timestamp(µs, \"UTC\")", "Decimal128(38, 18)"];
        assert_eq!(
            types(&batch),
            [
                "Utf8", "Utf8", "UInt64", number, number, "Utf8", time, time, "Utf8"
            ]
        );
        let prices = batch.column(3).as_primitive::<Decimal128Type>();
        assert_eq!(
            prices.values().as_ref(),
            [97_123_400_000_000_000_000_000, 1]
        );
        assert_eq!(batch.column(5).as_string::<i32>().value(1), "sell");
        assert_eq!(batch.column(1).as_string::<i32>().value(0), "A/USD");
    }

    #[test]
    fn candles_become_a_batch_and_what_is_not_known_is_null() {
        let mut window = CandleWindow::new(market("A"), Interval::M1, 9);
        for minute in 0..4 {
            window.push(&candle(minute, "2.10"));
        }
        let batch = window.record_batch().unwrap();
        assert_eq!(fields(&batch), expected(Stream::Candles(Interval::M1)));
        let quote_volume = batch.column_by_name("quote_volume").unwrap();
        let nulls: Vec<_> = (0..4).map(|row| quote_volume.is_null(row)).collect();
        assert_eq!(nulls, [false, true, false, true]);
        let trades = batch.column_by_name("trades").unwrap();
        assert_eq!(trades.null_count(), 2);
        let nullable = |name: &str| {
            batch
                .schema_ref()
                .field_with_name(name)
                .unwrap()
                .is_nullable()
        };
        assert!(nullable("quote_volume") && nullable("trades") && !nullable("close"));
    }

    #[test]
    fn an_empty_window_is_a_batch_without_rows() {
        let trades = TradeWindow::new(market("A"), 2).record_batch().unwrap();
        let candles = CandleWindow::new(market("A"), Interval::M1, 2)
            .record_batch()
            .unwrap();
        assert_eq!((trades.num_rows(), candles.num_rows()), (0, 0));
    }

    #[test]
    fn digits_are_never_lost() {
        for (price, mantissa) in [
            ("0.1000000000000000000000000000", Some("100000000000000000")),
            ("0.0000000000000000001", None),
            (
                "99999999999999999999",
                Some("99999999999999999999000000000000000000"),
            ),
            ("100000000000000000000", None),
        ] {
            let mut window = TradeWindow::new(market("A"), 1);
            window.push(&trade(1, 5, price));
            match window.record_batch() {
                Ok(batch) => {
                    let told = batch.column(3).as_primitive::<Decimal128Type>().value(0);
                    assert_eq!(Some(told.to_string().as_str()), mantissa, "{price}");
                }
                Err(error) => {
                    assert_eq!(mantissa, None, "{price}");
                    let named =
                        format!("price {price} has more digits than DECIMAL(38,18) holds exactly");
                    assert!(error.to_string().contains(&named), "{error}");
                }
            }
        }
    }
}
