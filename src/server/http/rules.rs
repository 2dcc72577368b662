//! Alerts, strategies and the portfolio: what clients ask is checked here and handed to those who keep them.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::server::error::ApiError;
use crate::server::requests::{
    AlertRequest, AlertView, NewAlert, NewPortfolio, PortfolioRequest, Reply, StrategyRequest,
    StrategyView,
};
use crate::server::state::Ref;

use super::body::{Members, decimal, shown};
use super::json;

/// Members that would let a client choose what this machine runs or whom it calls.
const FORBIDDEN: [&str; 5] = ["exec", "webhook", "command", "url", "headers"];

/// The longest symbol, in any spelling.
const SYMBOL: usize = 64;

/// The longest name of anything.
const NAME: usize = 64;

/// As in the expression language.
const CONDITION: usize = 1_024;

const MESSAGE: usize = 1_024;
const ACTIONS: usize = 16;
const HOLDINGS: usize = 1_000;

#[derive(Serialize)]
struct Alerts {
    alerts: Vec<AlertView>,
}

#[derive(Serialize)]
struct Strategies {
    strategies: Vec<StrategyView>,
}

/// `GET /api/v1/alerts`
pub async fn alerts(State(shared): State<Ref>) -> Result<Response, ApiError> {
    let alerts = shared.alerts.ask(AlertRequest::List).await?;
    Ok(json(StatusCode::OK, &Alerts { alerts }))
}

/// `POST /api/v1/alerts`
pub async fn create_alert(State(shared): State<Ref>, body: Members) -> Result<Response, ApiError> {
    let rule = new_alert(body)?;
    let create = |reply| AlertRequest::Create(rule, reply);
    let alert = shared.alerts.ask(create).await?;
    Ok(json(StatusCode::CREATED, &alert))
}

/// `DELETE /api/v1/alerts/{name}`
pub async fn delete_alert(
    State(shared): State<Ref>,
    Path(name): Path<String>,
) -> Result<Response, ApiError> {
    let name = named("alert", name)?;
    let delete = |reply| AlertRequest::Delete(name, reply);
    shared.alerts.ask(delete).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// `GET /api/v1/strategies`
pub async fn strategies(State(shared): State<Ref>) -> Result<Response, ApiError> {
    let strategies = shared.strategies.ask(StrategyRequest::List).await?;
    Ok(json(StatusCode::OK, &Strategies { strategies }))
}

/// `POST /api/v1/strategies/{name}/start`
pub async fn start_strategy(
    State(shared): State<Ref>,
    Path(name): Path<String>,
) -> Result<Response, ApiError> {
    change_strategy(shared, name, StrategyRequest::Start).await
}

/// `POST /api/v1/strategies/{name}/stop`
pub async fn stop_strategy(
    State(shared): State<Ref>,
    Path(name): Path<String>,
) -> Result<Response, ApiError> {
    change_strategy(shared, name, StrategyRequest::Stop).await
}

async fn change_strategy(
    shared: Ref,
    name: String,
    request: fn(String, Reply<StrategyView>) -> StrategyRequest,
) -> Result<Response, ApiError> {
    let name = named("strategy", name)?;
    let strategy = shared.strategies.ask(|reply| request(name, reply)).await?;
    Ok(json(StatusCode::OK, &strategy))
}

/// `GET /api/v1/portfolio`
pub async fn portfolio(State(shared): State<Ref>) -> Result<Response, ApiError> {
    let value = shared.portfolio.ask(PortfolioRequest::Get).await?;
    Ok(json(StatusCode::OK, &value))
}

/// `PUT /api/v1/portfolio`
pub async fn put_portfolio(State(shared): State<Ref>, body: Members) -> Result<Response, ApiError> {
    let portfolio = new_portfolio(body)?;
    let put = |reply| PortfolioRequest::Put(portfolio, reply);
    let value = shared.portfolio.ask(put).await?;
    Ok(json(StatusCode::OK, &value))
}

/// A name that nothing can have is not repeated.
fn named(what: &str, name: String) -> Result<String, ApiError> {
    let fits = !name.is_empty() && name.chars().count() <= NAME && !name.contains(char::is_control);
    match fits {
        true => Ok(name),
        false => Err(ApiError::not_found(format!("there is no such {what}"))),
    }
}

fn new_alert(mut body: Members) -> Result<NewAlert, ApiError> {
    if let Some(name) = FORBIDDEN.iter().find(|name| body.has(name)) {
        return Err(ApiError::bad_request(format!(
            "`{name}` is not taken here: programs and addresses come from the configuration only; name one of [actions] in `actions`"
        )));
    }
    let rule = NewAlert {
        name: body.text("name", NAME)?,
        symbol: body.text("symbol", SYMBOL)?,
        condition: body.needed_text("condition", CONDITION)?,
        message: body.text("message", MESSAGE)?,
        cooldown: body.duration("cooldown")?,
        hysteresis: hysteresis(&mut body)?,
        hold: body.duration("for")?,
        actions: body.texts("actions", NAME, ACTIONS)?,
    };
    body.end(
        "an alert has symbol, condition, name, message, cooldown, hysteresis, for and actions",
    )?;
    let name_fits = |name: &String| {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        !name.is_empty() && name.chars().all(fits)
    };
    match rule.name.as_ref().is_none_or(name_fits) {
        true => Ok(rule),
        false => Err(ApiError::bad_request(
            "`name` may hold letters, digits, `.`, `_` and `-` only",
        )),
    }
}

/// `0.5%` as a text, a price as a text or a number.
fn hysteresis(body: &mut Members) -> Result<Option<String>, ApiError> {
    let name = "hysteresis";
    let Some(value) = body.take(name) else {
        return Ok(None);
    };
    let text: Option<String> = serde_json::from_str(value.get()).ok();
    match text.filter(|text| text.len() <= 32 && text.ends_with('%')) {
        Some(percentage) if !percentage.contains(char::is_control) => Ok(Some(percentage)),
        _ => decimal(name, &value).map(Some),
    }
}

fn new_portfolio(mut body: Members) -> Result<NewPortfolio, ApiError> {
    let quote = body.text("quote", 20)?;
    if let Some(quote) = &quote {
        asset("quote", quote)?;
    }
    let holdings = body
        .take("holdings")
        .ok_or_else(|| ApiError::bad_request("`holdings` is missing"))?;
    body.end("a portfolio has quote and holdings")?;
    let holdings = Members::parse(holdings.get().as_bytes()).map_err(|_| {
        ApiError::bad_request("`holdings` must be an object of assets, each there once")
    })?;
    let holdings: Vec<_> = holdings.rest().collect();
    if holdings.len() > HOLDINGS {
        let message = format!(
            "`holdings` has {} entries, {HOLDINGS} are allowed",
            holdings.len()
        );
        return Err(ApiError::bad_request(message));
    }
    let holdings = holdings
        .into_iter()
        .map(holding)
        .collect::<Result<_, _>>()?;
    Ok(NewPortfolio { quote, holdings })
}

/// `2.0`, `"2.0"` or `{"amount":…,"cost":…}`.
fn holding(
    (name, value): (String, Box<RawValue>),
) -> Result<(String, String, Option<String>), ApiError> {
    asset("holdings", &name)?;
    if !value.get().starts_with('{') {
        let amount = decimal(&name, &value)?;
        return Ok((name, amount, None));
    }
    let mut detail = Members::parse(value.get().as_bytes())?;
    let member = |member: &str| format!("{name}.{member}");
    let amount = detail
        .take("amount")
        .ok_or_else(|| ApiError::bad_request(format!("`{}` is missing", member("amount"))))?;
    let amount = decimal(&member("amount"), &amount)?;
    let cost = detail.take("cost");
    let cost = cost
        .map(|cost| decimal(&member("cost"), &cost))
        .transpose()?;
    detail.end("a holding has amount and cost")?;
    Ok((name, amount, cost))
}

fn asset(member: &str, name: &str) -> Result<(), ApiError> {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '.';
    if !name.is_empty() && name.len() <= 20 && name.chars().all(fits) {
        return Ok(());
    }
    Err(ApiError::bad_request(format!(
        "`{}` in `{member}` is no asset: write one such as BTC",
        shown(name)
    )))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn alert(json: &str) -> Result<NewAlert, String> {
        let rule = Members::parse(json.as_bytes()).and_then(new_alert);
        rule.map_err(|error| error.message.into_owned())
    }

    fn holdings(json: &str) -> Result<NewPortfolio, String> {
        let portfolio = Members::parse(json.as_bytes()).and_then(new_portfolio);
        portfolio.map_err(|error| error.message.into_owned())
    }

    #[test]
    fn an_alert_is_read_with_all_that_it_may_have() {
        let rule = alert(
            r#"{"symbol":"BTC","condition":"price > 1","name":"up.1","message":"é","cooldown":"15m",
                "hysteresis":"0.5%","for":30,"actions":["ops"]}"#,
        )
        .unwrap();
        assert_eq!(rule.name.as_deref(), Some("up.1"));
        assert_eq!(rule.cooldown, Some(Duration::from_secs(900)));
        assert_eq!(rule.hold, Some(Duration::from_secs(30)));
        assert_eq!(rule.hysteresis.as_deref(), Some("0.5%"));
        assert_eq!(rule.actions, ["ops"]);
        let bare = alert(r#"{"condition":"BTC/USD.price > 1","hysteresis":0.50}"#).unwrap();
        assert_eq!((bare.symbol, bare.hysteresis), (None, Some("0.50".into())));
    }

    #[test]
    fn an_alert_never_brings_a_program_an_address_or_a_header() {
        for member in FORBIDDEN {
            let json = format!(r#"{{"symbol":"BTC","condition":"price > 1","{member}":["x"]}}"#);
            let message = alert(&json).unwrap_err();
            assert!(
                message.starts_with(&format!("`{member}` is not taken here")),
                "{message}"
            );
            assert!(
                message.contains("come from the configuration only"),
                "{message}"
            );
        }
    }

    #[test]
    fn a_wrong_member_of_an_alert_is_named() {
        let long = "x".repeat(1_025);
        let cases = [
            (r#"{"symbol":"BTC"}"#.to_owned(), "`condition` is missing"),
            (r#"{"condition":5}"#.into(), "`condition` must be a text"),
            (
                format!(r#"{{"condition":"{long}"}}"#),
                "`condition` is longer than",
            ),
            (
                r#"{"condition":"x","nmae":"y"}"#.into(),
                "`nmae` is not known here",
            ),
            (
                r#"{"condition":"x","name":"a/b"}"#.into(),
                "`name` may hold",
            ),
            (r#"{"condition":"x","name":""}"#.into(), "`name` may hold"),
            (
                r#"{"condition":"x","hysteresis":"much"}"#.into(),
                "`hysteresis`",
            ),
            (r#"{"condition":"x","cooldown":"-1"}"#.into(), "`cooldown`"),
            (
                r#"{"condition":"x","actions":"ops"}"#.into(),
                "`actions` must be a list",
            ),
        ];
        for (json, expected) in cases {
            let message = alert(&json).unwrap_err();
            assert!(message.starts_with(expected), "{json}: {message}");
        }
    }

    #[test]
    fn a_portfolio_keeps_its_digits_and_its_order() {
        let portfolio = holdings(
            r#"{"quote":"EUR","holdings":{"BTC":2.50,"ETH":"0.10","SOL":{"amount":3,"cost":"30.00"}}}"#,
        )
        .unwrap();
        let all: Vec<_> = portfolio
            .holdings
            .iter()
            .map(|(asset, amount, cost)| (&asset[..], &amount[..], cost.as_deref()))
            .collect();
        let expected = [
            ("BTC", "2.50", None),
            ("ETH", "0.10", None),
            ("SOL", "3", Some("30.00")),
        ];
        assert_eq!(
            (portfolio.quote.as_deref(), &all[..]),
            (Some("EUR"), &expected[..])
        );
    }

    #[test]
    fn a_wrong_member_of_a_portfolio_is_named() {
        let cases = [
            (r#"{}"#, "`holdings` is missing"),
            (r#"{"holdings":[]}"#, "`holdings` must be an object"),
            (
                r#"{"holdings":{"BTC":1,"BTC":2}}"#,
                "`holdings` must be an object",
            ),
            (r#"{"holdings":{"BTC":"many"}}"#, "`BTC`"),
            (r#"{"holdings":{"BTC":{}}}"#, "`BTC.amount` is missing"),
            (
                r#"{"holdings":{"BTC":{"amount":1,"cost":[]}}}"#,
                "`BTC.cost` must be a number",
            ),
            (
                r#"{"holdings":{"BTC":{"amount":1,"price":2}}}"#,
                "`price` is not known here",
            ),
            (
                r#"{"holdings":{"<img>":1}}"#,
                "`<img>` in `holdings` is no asset",
            ),
            (
                r#"{"quote":"U S","holdings":{}}"#,
                "`U S` in `quote` is no asset",
            ),
            (r#"{"holdings":{},"url":"x"}"#, "`url` is not known here"),
        ];
        for (json, expected) in cases {
            let message = holdings(json).unwrap_err();
            assert!(message.starts_with(expected), "{json}: {message}");
        }
    }
}
