//! Posts to webhooks when an alert fires.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use tokio::time::sleep;

use super::error::{ActionError, shown};
use super::firing::Firing;
use super::template::Template;
use crate::net::{ConnectError, HttpClient, HttpReply, Recovery, WebhookUrl};

/// For one try, unless the action says otherwise.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Before the second and the third try; each is made up to a quarter shorter or longer.
pub(super) const WAITS: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(2)];
/// The longest `Retry-After` that is waited for. Beyond it the alert is better tried again by a later run.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(10);

/// Receivers know by it that they have had this firing.
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// An address to post to. `Debug` shows neither path and query of the address nor values of headers.
#[derive(Clone, PartialEq, Eq)]
pub struct Webhook {
    /// What errors call it: the name of its action, or scheme and host.
    pub label: String,
    /// Where it is.
    pub url: WebhookUrl,
    /// The body; `None` = the event as JSON.
    pub template: Option<Template>,
    /// Sent along. `Content-Type` and `User-Agent` replace ours.
    pub headers: BTreeMap<String, String>,
    /// For one try, of which there are three at most.
    pub timeout: Duration,
}

impl Webhook {
    /// Posts the event as JSON, 5 s a try; `label` is the name of the action, if it has one.
    pub fn new(label: Option<&str>, url: WebhookUrl) -> Webhook {
        Webhook {
            label: label.map_or_else(|| url.to_string(), str::to_owned),
            url,
            template: None,
            headers: BTreeMap::new(),
            timeout: TIMEOUT,
        }
    }

    /// Posts until the receiver has accepted it or it makes no sense to go on. Every try carries the same
    /// `Idempotency-Key`. `waits`: the pauses between the tries, which so are one more.
    ///
    /// Errors: the last try's.
    pub(super) async fn run(
        &self,
        http: &HttpClient,
        waits: &[Duration],
        firing: &Firing,
    ) -> Result<(), ActionError> {
        let headers = self.headers(firing)?;
        let body = Bytes::from(match &self.template {
            Some(template) => template.expand(firing),
            None => firing.json.clone(),
        });
        let mut waits = waits.iter().copied();
        loop {
            let reply = http
                .post(&self.url, headers.clone(), body.clone(), self.timeout)
                .await;
            let failure = match reply {
                Ok(reply) if reply.is_success() => return Ok(()),
                Ok(reply) => self.refused(&reply),
                Err(error) => self.not_delivered(&error),
            };
            match waits.next().and_then(|usual| failure.pause(usual)) {
                Some(pause) => sleep(pause).await,
                None => return Err(failure.error),
            }
        }
    }

    fn headers(&self, firing: &Firing) -> Result<HeaderMap, ActionError> {
        let mut headers = HeaderMap::new();
        let ours = self.template.as_ref().map(Template::content_type);
        let ours = HeaderValue::from_static(ours.unwrap_or("application/json"));
        headers.insert(CONTENT_TYPE, ours);
        for (name, value) in &self.headers {
            let header = name.parse::<HeaderName>().ok();
            let Some((header, mut value)) = header.zip(HeaderValue::from_str(value).ok()) else {
                let why = format!("header {} cannot be sent", shown(name));
                return Err(ActionError::fatal(self.message(&why)));
            };
            value.set_sensitive(true);
            headers.insert(header, value);
        }
        let id = HeaderValue::from_str(&firing.id).map_err(|_| {
            ActionError::fatal(self.message("the alert's id cannot stand in a header"))
        })?;
        headers.insert(IDEMPOTENCY_KEY, id);
        Ok(headers)
    }

    /// What a reply says that is no acceptance.
    fn refused(&self, reply: &HttpReply) -> Failure {
        let message = self.message(&reply.error(&self.url.to_string()).to_string());
        let error = match reply.status {
            408 | 425 | 429 | 500..=599 => ActionError::retryable(message),
            300..=399 => ActionError::fatal(format!("{message}: redirects are not followed"))
                .hint("write the address that it leads to"),
            _ => ActionError::fatal(message).hint("check its address, headers and template"),
        };
        Failure {
            error,
            retry_after: reply.retry_after(),
        }
    }

    fn not_delivered(&self, error: &ConnectError) -> Failure {
        let message = self.message(&error.to_string());
        Failure {
            error: match error.recovery() {
                Recovery::Fatal => ActionError::fatal(message),
                Recovery::Retry | Recovery::RetryAfter(_) => ActionError::retryable(message),
            },
            retry_after: None,
        }
    }

    fn message(&self, why: &str) -> String {
        if self.label == self.url.to_string() {
            format!("webhook: {why}")
        } else {
            format!("webhook {}: {why}", shown(&self.label))
        }
    }
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhook")
            .field("label", &self.label)
            .field("url", &self.url)
            .field("template", &self.template)
            .field("headers", &self.headers.keys())
            .field("timeout", &self.timeout)
            .finish()
    }
}

/// One try that failed.
struct Failure {
    error: ActionError,
    retry_after: Option<Duration>,
}

impl Failure {
    /// How long to wait before the next try; `None`: there is to be none.
    fn pause(&self, usual: Duration) -> Option<Duration> {
        if !self.error.retryable {
            return None;
        }
        match self.retry_after {
            Some(wait) if wait > RETRY_AFTER_MAX => None,
            // Not sooner than usual: zero must not make a tight loop.
            Some(wait) if wait > usual => Some(wait),
            _ => Some(usual.mul_f64(0.75 + fastrand::f64() / 2.0)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_what_the_receiver_asks_for_up_to_ten_seconds_and_about_the_usual_one_else() {
        let failure = |retryable, retry_after| Failure {
            error: ActionError {
                retryable,
                ..ActionError::fatal(String::new())
            },
            retry_after: Option::map(retry_after, Duration::from_secs),
        };
        let usual = Duration::from_secs(2);
        let around = Duration::from_millis(1500)..=Duration::from_millis(2500);
        assert_eq!(failure(false, Some(5)).pause(usual), None);
        assert_eq!(
            failure(true, Some(10)).pause(usual),
            Some(Duration::from_secs(10))
        );
        assert_eq!(failure(true, Some(11)).pause(usual), None);
        for retry_after in [None, Some(0), Some(1)] {
            let pause = failure(true, retry_after).pause(usual).unwrap();
            assert!(around.contains(&pause), "{pause:?}");
        }
    }
}
