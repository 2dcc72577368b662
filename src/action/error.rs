//! Why an action failed, in words that are safe to show.

/// A failed action. Holds no secret: of addresses scheme and host, of programs the name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ActionError {
    /// One line: what failed, and why.
    pub message: String,
    /// How to mend it.
    pub hint: Option<String>,
    /// Whether the same may work later; else something must be changed first.
    pub retryable: bool,
}

impl ActionError {
    pub(super) fn retryable(message: String) -> ActionError {
        ActionError {
            message,
            hint: None,
            retryable: true,
        }
    }

    pub(super) fn fatal(message: String) -> ActionError {
        ActionError {
            retryable: false,
            ..ActionError::retryable(message)
        }
    }

    pub(super) fn hint(mut self, hint: &str) -> ActionError {
        self.hint = Some(hint.to_owned());
        self
    }
}

/// How many lines of a program's output an error repeats, and how many characters of them.
const LINES: usize = 3;
const CHARS: usize = 300;

/// The end of a program's output on one line, fit for a terminal.
pub(super) fn last_lines(output: &[u8]) -> String {
    let text = String::from_utf8_lossy(output);
    let mut lines: Vec<String> = text
        .lines()
        .rev()
        .map(|line| printable(line).trim().to_owned())
        .filter(|line| !line.is_empty())
        .take(LINES)
        .collect();
    lines.reverse();
    let line = lines.join(" | ");
    match line.char_indices().rev().nth(CHARS) {
        Some((start, c)) => format!("…{}", &line[start + c.len_utf8()..]),
        None => line,
    }
}

/// A name in backticks, fit for a terminal.
pub(super) fn shown(name: &str) -> String {
    let text = printable(name);
    match text.char_indices().nth(CHARS) {
        Some((end, _)) => format!("`{}…`", &text[..end]),
        None => format!("`{text}`"),
    }
}

/// Without what speaks to a terminal, ends a line or turns its direction.
fn printable(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => ' ',
            _ if c.is_control() => ' ',
            _ => c,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_one_line_that_no_terminal_obeys() {
        assert_eq!(last_lines(b""), "");
        assert_eq!(last_lines(b"\n \n"), "");
        assert_eq!(last_lines(b"a\nb\n\nc\r\nd\n"), "b | c | d");
        assert_eq!(last_lines(b"\x1b]0;x\x07\xff"), "]0;x \u{fffd}");
        let long = "é".repeat(301);
        assert_eq!(last_lines(long.as_bytes()), format!("…{}", "é".repeat(300)));
        assert_eq!(last_lines(&long.as_bytes()[2..]), "é".repeat(300));
    }
}
