//! Words of the messages: quoting, redacting, suggesting.

/// How much of a value a message repeats, in characters.
const SHOWN: usize = 60;

/// A text in backticks, fit for a terminal: control characters escaped, cut if long.
pub(super) fn quote(text: &str) -> String {
    let mut shown: String = text
        .chars()
        .take(SHOWN)
        .flat_map(|c| {
            let escaped = c.is_control().then(|| c.escape_default());
            let plain = escaped.is_none().then_some(c);
            escaped.into_iter().flatten().chain(plain)
        })
        .collect();
    if text.chars().nth(SHOWN).is_some() {
        shown.push('…');
    }
    format!("`{shown}`")
}

/// Scheme, host and port of an address; user, password, path and query are left out.
///
/// Works on any text, so that a broken address gives nothing away either.
pub fn redact_url(url: &str) -> String {
    let (scheme, rest) = match url.split_once("://") {
        Some((scheme, rest)) => (format!("{scheme}://"), rest),
        None => (String::new(), url),
    };
    // A password may itself hold `/` or `?` where it was not escaped: cut at the last `@` first.
    let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    let end = host.find(['/', '?', '#']).unwrap_or(host.len());
    format!("{scheme}{}", &host[..end])
}

/// The nearest of `names`, if one is near enough to have been meant.
pub(super) fn nearest<'a>(word: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    names
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(word, name), name))
        .filter(|(distance, name)| *distance <= (name.chars().count() / 3).clamp(1, 4))
        .min()
        .map(|(_, name)| name)
}

/// A path as people write it: `providers.kraken.rest_url`, `alert.name`.
pub(super) fn dotted(path: &[String]) -> String {
    let words: Vec<&str> = path
        .iter()
        .map(String::as_str)
        .filter(|segment| !is_index(segment))
        .collect();
    words.join(".")
}

/// Where a key stands: `in [engine]`, `in [[alert]]`, `at the top level`.
pub(super) fn section(path: &[String]) -> String {
    match path.last() {
        None => "at the top level".to_owned(),
        Some(last) if is_index(last) => format!("in [[{}]]", dotted(path)),
        Some(_) => format!("in [{}]", dotted(path)),
    }
}

fn is_index(segment: &str) -> bool {
    segment == "INDEX" || segment.starts_with('#')
}
