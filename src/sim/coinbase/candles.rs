//! Coinbase's candles, which only REST has.
use crate::sim::{
    bars::{Bar, Grid, seconds},
    core::Core,
    http::Request,
    json::array,
    market::Info,
};

const GRANULARITIES: [i64; 6] = [60, 300, 900, 3_600, 21_600, 86_400];
/// Buckets per request.
const MOST: i64 = 300;

/// The rows, newest first, without intervals in which nothing was traded.
///
/// Errors: what is wrong with the request.
pub(super) fn rows(core: &Core, request: &Request, info: &Info) -> Result<String, &'static str> {
    let granularity = request.param("granularity").unwrap_or("60").parse().ok();
    let granularity = granularity.filter(|step| GRANULARITIES.contains(step));
    let grid = Grid::of_epoch(granularity.ok_or("Unsupported granularity")?);
    let moment = |name| {
        request
            .param(name)
            .map(|text| second(text).ok_or("Invalid date"))
            .transpose()
    };
    let newest = seconds(core.now_ns());
    // one without the other counts for nothing
    let (start, end) = match (moment("start")?, moment("end")?) {
        (Some(start), Some(end)) => (start, end),
        _ => (newest - (MOST - 1) * grid.step, newest),
    };
    if end < start {
        return Err("start must be before end");
    }
    if end - start > MOST * grid.step {
        return Err(
            "granularity too small for the requested time range. Count of aggregations requested exceeds 300",
        );
    }
    let bars = core.rest_bars(&info.native, grid, |source, until| {
        let first = source.first().unwrap_or(until);
        let from = grid.open_of(start.max(first));
        let mut bars = source.bars(grid, from, until.min(end.saturating_add(1)));
        bars.retain(|bar| bar.count > 0);
        bars
    });
    Ok(array(bars.iter().rev().map(row)))
}

/// A moment as ISO 8601 or in Unix seconds.
fn second(text: &str) -> Option<i64> {
    if let Ok(seconds) = text.parse() {
        return Some(seconds);
    }
    let parsed: jiff::Timestamp = text.parse().ok()?;
    Some(parsed.as_second())
}

/// Numbers, and not in the usual order.
fn row(bar: &Bar) -> String {
    let [low, high, open, close] =
        [bar.low, bar.high, bar.open, bar.close].map(|price| price.trim());
    let (time, volume) = (bar.time, bar.volume.trim());
    format!("[{time},{low},{high},{open},{close},{volume}]")
}
