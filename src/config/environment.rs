//! Settings from environment variables, and where the default file is.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use super::check;
use super::document::{Setting, Settings};
use super::error::{Location, Problem, Report};
use super::schema::{self, KEYS, Source};
use super::text::nearest;

const PREFIX: &str = "TICKWIRE_";

/// The keys outside of any section that have a variable; other such variables are not ours.
const SHORT: [&str; 2] = ["PROVIDER", "OUTPUT"];

/// The variables of this process, for [`Config::load`](super::Config::load).
///
/// Unlike [`std::env::vars`] it does not panic at one that is not Unicode.
pub fn environment() -> impl Iterator<Item = (String, String)> {
    let text = |text: OsString| text.to_string_lossy().into_owned();
    std::env::vars_os().map(move |(name, value)| (text(name), text(value)))
}

/// The variables that matter here; an empty one counts as unset.
pub(super) struct Variables(BTreeMap<String, String>);

impl Variables {
    pub fn new(env: impl IntoIterator<Item = (String, String)>) -> Self {
        Self(
            env.into_iter()
                .filter(|(_, value)| !value.is_empty())
                .collect(),
        )
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// `$XDG_CONFIG_HOME/tickwire/config.toml`, by default below `~/.config`.
    ///
    /// By hand, not by a crate that looks the home up in the user database: a service without
    /// `HOME` has no default file, and the answer depends on these variables alone.
    pub fn default_file(&self) -> Option<PathBuf> {
        let absolute = |name| {
            self.get(name)
                .map(PathBuf::from)
                .filter(|path| path.is_absolute())
        };
        let base =
            absolute("XDG_CONFIG_HOME").or_else(|| Some(absolute("HOME")?.join(".config")))?;
        Some(base.join("tickwire").join("config.toml"))
    }

    /// Sets what variables set, over what the file did.
    pub fn apply(&self, settings: &mut Settings, report: &mut Report) {
        for (variable, text) in &self.0 {
            let Some(name) = variable.strip_prefix(PREFIX) else {
                continue;
            };
            if !SHORT.contains(&name) && !variable.contains("__") {
                continue;
            }
            let location = Location::Variable(variable.clone());
            match read(name, text, location.clone(), settings) {
                Ok((path, setting)) => {
                    settings.values.insert(path, setting);
                }
                Err(problem) => report.push(&location, problem),
            }
        }
    }
}

fn read(
    name: &str,
    text: &str,
    location: Location,
    settings: &Settings,
) -> Result<(Vec<String>, Setting), Problem> {
    let mut path: Vec<String> = Vec::new();
    let mut end = None;
    for word in name.split("__") {
        let step = schema::step(&path, word, Source::Environment)
            .map_err(|problem| unknown(name, problem))?;
        path.push(respell(&path, step.segment, settings));
        end = Some((step.leaf, step.file));
    }
    let Some((Some(key), file)) = end else {
        return Err(unknown(name, Problem::new("")));
    };
    let value = check::value(key, &key.kind.raw(text.to_owned()), file)?;
    // Two variables for one key, as `TOKEN` and `TOKEN_FILE`.
    if let Some(Setting {
        location: other @ Location::Variable(_),
        ..
    }) = settings.values.get(&path)
    {
        return Err(Problem::new(format!("sets the same key as {other}")));
    }
    Ok((
        path,
        Setting {
            location,
            key,
            value,
        },
    ))
}

/// A name of the file that the variable means: `MY_EXCHANGE` is its `my-exchange`.
fn respell(path: &[String], segment: String, settings: &Settings) -> String {
    let above: Vec<&str> = path.iter().map(String::as_str).collect();
    let names = settings.names(&above);
    if names.contains(segment.as_str()) {
        return segment;
    }
    let plain = |name: &str| name.to_lowercase().replace('-', "_");
    let same = names
        .into_iter()
        .find(|name| plain(name) == plain(&segment));
    same.map(str::to_owned).unwrap_or(segment)
}

/// What to say of a variable that names no key, with the nearest that does.
fn unknown(name: &str, problem: Problem) -> Problem {
    if schema::is_list(name) {
        return problem;
    }
    let words: Vec<&str> = name.split("__").collect();
    let names: Vec<String> = KEYS
        .iter()
        .filter(|key| !key.path.contains("INDEX") && key.segments().count() == words.len())
        .map(|key| {
            // The words that the table leaves open are taken as they were written.
            let spelled = key.segments().zip(&words).map(|(pattern, word)| {
                if schema::is_wildcard(pattern) {
                    (*word).to_owned()
                } else {
                    pattern.to_uppercase()
                }
            });
            spelled.collect::<Vec<_>>().join("__")
        })
        .filter(|name| name.contains("__") || SHORT.contains(&name.as_str()))
        .collect();
    let near = nearest(name, names.iter().map(String::as_str));
    let hint = near.map(|near| format!("did you mean `{PREFIX}{near}`?"));
    Problem::new("names no configuration key").hint(hint)
}
