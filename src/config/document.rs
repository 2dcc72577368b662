//! From the text of a configuration file to checked settings.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::check::{self, Raw, Value};
use super::error::{Location, Problem, Report};
use super::schema::{self, Key, Source};
use super::text::{dotted, quote, section};

/// A value, where it was set, and the key it belongs to.
pub(super) struct Setting {
    pub location: Location,
    pub key: &'static Key,
    pub value: Value,
}

/// Everything that was set, by path. `KEY_file` stands under the path of `KEY`.
#[derive(Default)]
pub(super) struct Settings {
    pub values: BTreeMap<Vec<String>, Setting>,
    /// Tables that the file opens, also empty ones. A place in a list is a segment `#0`.
    pub tables: BTreeMap<Vec<String>, Location>,
    /// Tables with a problem of their own: what they lack may be just what was refused.
    pub troubled: BTreeSet<Vec<String>>,
}

impl Settings {
    pub fn get(&self, path: &[&str]) -> Option<&Setting> {
        let path: Vec<String> = path.iter().map(|&segment| segment.to_owned()).collect();
        self.values.get(&path)
    }

    /// The names that follow `path`, in order: providers, actions, header names.
    pub fn names(&self, path: &[&str]) -> BTreeSet<&str> {
        self.values
            .keys()
            .chain(self.tables.keys())
            .filter(|key| key.len() > path.len() && key.iter().zip(path).all(|(a, b)| a == b))
            .map(|key| key[path.len()].as_str())
            .collect()
    }
}

/// Reads a file's text. Everything wrong in it goes to `report`.
///
/// Returns: whether it was TOML; if not, what could be understood is in `settings` all the same.
pub(super) fn read(file: &Path, text: &str, settings: &mut Settings, report: &mut Report) -> bool {
    let (document, errors) = DeTable::parse_recoverable(text);
    let mut reader = Reader {
        file,
        text,
        settings,
        report,
        broken: BTreeSet::new(),
    };
    let mut lost = false;
    for error in &errors {
        let span = error.span().unwrap_or(text.len()..text.len());
        let location = reader.location(span.start);
        // What follows on the same line is most often the parser finding its feet again.
        if reader.broken.insert(line(&location)) {
            let mut message = error.message().trim_end().replace('\n', ", ");
            if message == "duplicate key" {
                message = format!("{message} {}", quote(text.get(span).unwrap_or_default()));
            }
            reader.report.push(&location, Problem::new(message));
            let at = text.lines().nth(line(&location) - 1).unwrap_or_default();
            lost |= at.trim_start().starts_with('[');
        }
    }
    // After a broken section header nobody knows what the keys below it belong to.
    if !lost {
        reader.table(document.get_ref(), &mut Vec::new());
    }
    errors.is_empty()
}

struct Reader<'a> {
    file: &'a Path,
    text: &'a str,
    settings: &'a mut Settings,
    report: &'a mut Report,
    /// Lines that are not TOML; nothing more is said about them.
    broken: BTreeSet<usize>,
}

impl Reader<'_> {
    fn table(&mut self, table: &DeTable<'_>, path: &mut Vec<String>) {
        for (name, value) in table {
            if let Err((at, problem)) = self.entry(name, value, path) {
                let location = self.location(at);
                self.settings.troubled.insert(path.clone());
                if !self.broken.contains(&line(&location)) {
                    self.report.push(&location, problem);
                }
            }
        }
    }

    /// Errors: a problem and the byte it is at.
    fn entry(
        &mut self,
        name: &Spanned<impl AsRef<str>>,
        value: &Spanned<DeValue<'_>>,
        path: &mut Vec<String>,
    ) -> Result<(), (usize, Problem)> {
        let name_at = name.span().start;
        let name = name.get_ref().as_ref();
        let value_at = value.span().start;
        let step = schema::step(path, name, Source::File).map_err(|problem| (name_at, problem))?;
        path.push(step.segment);
        let result = match (value.get_ref(), step.leaf) {
            (DeValue::Table(_), _) if step.list => Err((
                name_at,
                Problem::new(format!("{} is a list of tables", quote(name)))
                    .hint(format!("write [[{}]]", dotted(path))),
            )),
            (DeValue::Table(table), _) if step.deeper && !step.file => {
                let location = self.location(name_at);
                self.settings.tables.insert(path.clone(), location);
                self.table(table, path);
                Ok(())
            }
            (DeValue::Array(items), _) if step.list => {
                items.iter().for_each(|item| self.item(item, path));
                Ok(())
            }
            (value, Some(key)) => check::value(key, &raw(value), step.file)
                .map_err(|problem| {
                    let message = format!("`{}`: {}", dotted(path), problem.message);
                    (value_at, Problem { message, ..problem })
                })
                .and_then(|value| {
                    self.set(path, key, value, name_at)
                        .map_err(|problem| (name_at, problem))
                }),
            (_, None) => {
                let brackets = if step.list { "[[…]]" } else { "[…]" };
                let hint = format!("write {}", brackets.replace('…', &dotted(path)));
                Err((
                    name_at,
                    Problem::new(format!("{} is a section, not a value", quote(name))).hint(hint),
                ))
            }
        };
        path.pop();
        result
    }

    /// One table of a list of tables.
    fn item(&mut self, item: &Spanned<DeValue<'_>>, path: &mut Vec<String>) {
        let location = self.location(item.span().start);
        let DeValue::Table(table) = item.get_ref() else {
            let problem = Problem::new(format!("`{}` is a list of tables", dotted(path)))
                .hint(format!("write [[{}]]", dotted(path)));
            return self.report.push(&location, problem);
        };
        let index = self
            .settings
            .names(&path.iter().map(String::as_str).collect::<Vec<_>>());
        path.push(format!("#{:05}", index.len()));
        self.settings.tables.insert(path.clone(), location);
        self.table(table, path);
        path.pop();
    }

    fn set(
        &mut self,
        path: &[String],
        key: &'static Key,
        value: Value,
        at: usize,
    ) -> Result<(), Problem> {
        let location = self.location(at);
        if let Some(other) = self.settings.values.get(path) {
            // The parser refuses equal keys; these differ in case, or one is `KEY_file`.
            let place = section(&path[..path.len() - 1]);
            let name = path.last().map_or("", String::as_str);
            let twice = format!(
                "{} is set twice {place}, also at {}",
                quote(name),
                other.location
            );
            return Err(Problem::new(twice));
        }
        let setting = Setting {
            location,
            key,
            value,
        };
        self.settings.values.insert(path.to_owned(), setting);
        Ok(())
    }

    fn location(&self, byte: usize) -> Location {
        let before = self.text.get(..byte).unwrap_or(self.text);
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Location::Place {
            file: self.file.to_owned(),
            line: before.matches('\n').count() + 1,
            column: before[start..].chars().count() + 1,
        }
    }
}

fn line(location: &Location) -> usize {
    match location {
        Location::Place { line, .. } => *line,
        _ => 0,
    }
}

fn raw(value: &DeValue<'_>) -> Raw {
    match value {
        DeValue::String(text) => Raw::Text(text.to_string()),
        // More digits than fit: kept as a number, which no integer key takes.
        DeValue::Integer(n) => i128::from_str_radix(n.as_str(), n.radix())
            .map_or_else(|_| Raw::Number(n.to_string()), Raw::Integer),
        DeValue::Float(n) => Raw::Number(n.as_str().to_owned()),
        DeValue::Boolean(yes) => Raw::Bool(*yes),
        DeValue::Datetime(time) => Raw::Time(time.to_string()),
        DeValue::Array(items) => Raw::List(items.iter().map(|item| raw(item.get_ref())).collect()),
        DeValue::Table(_) => Raw::Table,
    }
}
