//! Desktop notifications, where they were built in.

use super::error::ActionError;
use super::firing::Firing;

/// Whether this program can show desktop notifications: the cargo feature `desktop`.
pub const NOTIFY_AVAILABLE: bool = cfg!(feature = "desktop");

/// Shows the message under the rule's name.
///
/// Errors: never worth another try, as news of hours ago help nobody.
#[cfg(feature = "desktop")]
pub(super) async fn notify(firing: &Firing) -> Result<(), ActionError> {
    use std::time::Duration;

    /// The desktop is asked over a bus that may not answer.
    const TIMEOUT: Duration = Duration::from_secs(5);

    let (title, message) = (title(firing).to_owned(), firing.message.clone());
    let show = tokio::task::spawn_blocking(move || {
        let mut notification = notify_rust::Notification::new();
        notification.appname("tickwire").summary(&title);
        notification.body(&body(&message, takes_markup()));
        notification
            .show()
            .map(|_| ())
            .map_err(|error| error.to_string())
    });
    let why = match tokio::time::timeout(TIMEOUT, show).await {
        Ok(Ok(Ok(()))) => return Ok(()),
        Ok(Ok(Err(why))) => super::error::last_lines(why.as_bytes()),
        Ok(Err(_)) => "it ended in a panic".into(),
        Err(_) => "the desktop does not answer".into(),
    };
    Err(ActionError::fatal(format!("desktop notification: {why}"))
        .hint("it takes a desktop session, which cron jobs have not"))
}

/// Without the feature there is nothing to show it with.
#[cfg(not(feature = "desktop"))]
pub(super) async fn notify(_firing: &Firing) -> Result<(), ActionError> {
    Err(
        ActionError::fatal("desktop notification: not built into this tickwire".into())
            .hint("cargo install tickwire --features desktop"),
    )
}

/// Whether the server reads the body as markup. Where it cannot be asked it is no such server.
#[cfg(all(feature = "desktop", unix, not(target_os = "macos")))]
fn takes_markup() -> bool {
    notify_rust::get_capabilities()
        .is_ok_and(|all| all.iter().any(|capability| capability == "body-markup"))
}

#[cfg(all(feature = "desktop", not(all(unix, not(target_os = "macos")))))]
fn takes_markup() -> bool {
    false
}

#[cfg(any(feature = "desktop", test))]
fn title(firing: &Firing) -> &str {
    [&firing.name, &firing.symbol]
        .into_iter()
        .find(|title| !title.is_empty())
        .map_or("tickwire", String::as_str)
}

/// Source: Desktop Notifications Specification, "Markup".
#[cfg(any(feature = "desktop", test))]
fn body(message: &str, markup: bool) -> String {
    let text: String = message
        .chars()
        .map(|c| if c.is_control() && c != '\n' { ' ' } else { c })
        .collect();
    match markup {
        true => text
            .replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('>', "&gt;"),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_title_is_the_rule_or_else_the_symbol() {
        let mut firing = crate::action::tests::firing("up");
        assert_eq!(title(&firing), "high");
        firing.name.clear();
        assert_eq!(title(&firing), "BTC/USD");
        firing.symbol.clear();
        assert_eq!(title(&firing), "tickwire");
    }

    #[test]
    fn a_message_is_text_to_every_desktop() {
        let message = "<a href='x'>5 &lt; 6</a>\u{0}\nline";
        assert_eq!(
            body(message, true),
            "&lt;a href='x'&gt;5 &amp;lt; 6&lt;/a&gt; \nline"
        );
        assert_eq!(body(message, false), "<a href='x'>5 &lt; 6</a> \nline");
    }
}
