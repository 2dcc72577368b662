//! Text for a terminal: without control characters, measured in cells.

use ratatui::buffer::CellWidth;

use crate::model::Timestamp;

/// No name or reason is kept longer than this.
const MAX_CHARS: usize = 200;

/// The text without anything that a terminal would act on: control characters (escape sequences begin
/// with one), line and paragraph separators, and the invisible characters that turn the writing
/// direction or join others. Each becomes `�`, so that one sees that something was there.
pub(super) fn clean(text: &str) -> String {
    let harmful = |c: char| {
        c.is_control()
            || matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
    };
    text.chars()
        .take(MAX_CHARS)
        .map(|c| if harmful(c) { '\u{fffd}' } else { c })
        .collect()
}

/// How many cells the text takes.
pub(super) fn width(text: &str) -> usize {
    text.cell_width().into()
}

/// The text, or as much of it as leaves room for `…`.
pub(super) fn fit(text: &str, room: usize) -> String {
    if width(text) <= room {
        return text.to_owned();
    }
    let mut fitted = String::new();
    let mut used = 0;
    for c in text.chars() {
        used += width(c.encode_utf8(&mut [0; 4]));
        if used + 1 > room {
            break;
        }
        fitted.push(c);
    }
    if room > 0 {
        fitted.push('…');
    }
    fitted
}

/// The text in exactly `room` cells, at the left or at the right.
pub(super) fn pad(text: &str, room: usize, right: bool) -> String {
    let text = fit(text, room);
    let blank = " ".repeat(room.saturating_sub(width(&text)));
    if right { blank + &text } else { text + &blank }
}

/// How long ago: `0.4s`, `12s`, `3m`, `5h`, `2d`; a clock that went back is `0.0s`.
pub(super) fn age(now: Timestamp, at: Timestamp) -> String {
    let millis = now.nanos().saturating_sub(at.nanos()).max(0) / 1_000_000;
    let seconds = millis / 1_000;
    match seconds {
        0..10 => format!("{seconds}.{}s", millis % 1_000 / 100),
        10..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m", seconds / 60),
        3_600..86_400 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// The time of day, UTC: `14:13:20`.
pub(super) fn clock(now: Timestamp) -> String {
    // `2026-09-21T14:13:20.149001Z`
    now.to_string().get(11..19).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_act_on_is_replaced() {
        assert_eq!(clean("BTC/USD"), "BTC/USD");
        assert_eq!(clean("\x1b[2Jx\r\n\u{9b}1m"), "�[2Jx���1m");
        assert_eq!(clean("a\u{202e}b\u{200d}c\u{feff}"), "a�b�c�");
        assert_eq!(clean("比特币 ₿ é"), "比特币 ₿ é");
        assert_eq!(clean(&"x".repeat(10_000)).len(), MAX_CHARS);
    }

    #[test]
    fn cutting_counts_cells_and_says_so() {
        assert_eq!(fit("97123.40", 8), "97123.40");
        assert_eq!(fit("97123.40", 5), "9712…");
        assert_eq!(fit("比特币", 6), "比特币");
        assert_eq!(fit("比特币", 4), "比…");
        assert_eq!(fit("abc", 1), "…");
        assert_eq!(fit("abc", 0), "");
        for room in 0..8 {
            assert_eq!(width(&pad("比特币e\u{301}", room, true)), room);
        }
    }

    #[test]
    fn ages_are_short() {
        let at = Timestamp::from_nanos(1_790_000_000_000_000_000);
        for (millis, text) in [
            (-5_000, "0.0s"),
            (449, "0.4s"),
            (9_999, "9.9s"),
            (12_300, "12s"),
            (59_999, "59s"),
            (200_000, "3m"),
            (7_300_000, "2h"),
            (200_000_000, "2d"),
        ] {
            assert_eq!(age(at.plus_nanos(millis * 1_000_000), at), text);
        }
        assert_eq!(clock(at), "14:13:20");
    }
}
