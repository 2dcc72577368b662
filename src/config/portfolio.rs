//! `[portfolio]`.

use std::collections::BTreeMap;

use super::check::Value;
use super::document::{Setting, Settings};
use super::error::{Location, Problem, Report};
use crate::model::Decimal;
use crate::portfolio::Holding;

const HOLDINGS: [&str; 2] = ["portfolio", "holdings"];

/// `[portfolio]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PortfolioSettings {
    /// What holdings are valued in; `None` = the provider's first quote.
    pub quote: Option<String>,
    /// By asset, in capitals, as it was written: whether there is one of that name is for the provider to say.
    pub holdings: BTreeMap<String, Holding>,
}

impl PortfolioSettings {
    pub(super) fn from_settings(settings: &Settings) -> Self {
        let quote = match settings.get(&["portfolio", "quote"]) {
            Some(Setting {
                value: Value::Text(quote),
                ..
            }) => Some(quote.clone()),
            _ => None,
        };
        let holdings = settings.names(&HOLDINGS).into_iter();
        let holdings =
            holdings.filter_map(|asset| Some((asset.to_owned(), holding(settings, asset)?)));
        Self {
            quote,
            holdings: holdings.collect(),
        }
    }
}

/// What is missing of it was reported.
fn holding(settings: &Settings, asset: &str) -> Option<Holding> {
    let [portfolio, holdings] = HOLDINGS;
    let whole = settings.get(&[portfolio, holdings, asset]);
    let amount = settings.get(&[portfolio, holdings, asset, "amount"]);
    // A variable is over the file, whichever form each has.
    let (first, second) = match whole {
        Some(Setting {
            location: Location::Variable(_),
            ..
        }) => (whole, amount),
        _ => (amount, whole),
    };
    Some(Holding {
        amount: decimal(first.or(second)?)?,
        cost: settings
            .get(&[portfolio, holdings, asset, "cost"])
            .and_then(decimal),
    })
}

fn decimal(setting: &Setting) -> Option<Decimal> {
    match setting.value {
        Value::Decimal(number) => Some(number),
        _ => None,
    }
}

/// What has a cost has an amount.
pub(super) fn check(settings: &Settings, report: &mut Report) {
    for asset in settings.names(&HOLDINGS) {
        let path = [&HOLDINGS[..], &[asset]].concat();
        let owned: Vec<String> = path.iter().map(|&name| name.to_owned()).collect();
        if settings.troubled.contains(&owned) || holding(settings, asset).is_some() {
            continue;
        }
        let cost = settings.get(&[&path[..], &["cost"]].concat());
        let location = cost
            .map(|cost| &cost.location)
            .or(settings.tables.get(&owned));
        if let Some(location) = location {
            let problem = Problem::new(format!("[portfolio.holdings.{asset}] needs `amount`"));
            let hint = format!("{asset} = {{ amount = 2.0, cost = 30000 }}");
            report.push(location, problem.hint(hint));
        }
    }
}
