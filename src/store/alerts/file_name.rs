//! The file that belongs to a rule's name.

use crate::model::fnv1a_64;

/// The longest file names are 255 bytes; the hash, `.json` and `.corrupt-…` come after this.
const CUT: usize = 150;

/// The file name of a rule, without extension: the name where it can stand as it is, else with `%XX` for each byte
/// that is not a letter, a digit, `.`, `_` or `-`. Never empty, hidden, a path or longer than 255 bytes with any of
/// our extensions.
///
/// Names that are too long or have capitals end in `~` and their hash, so that different names are different
/// files, also where the file system does not tell `A` from `a`.
pub(super) fn file_name(name: &str) -> String {
    let mut file = String::with_capacity(name.len());
    for (index, byte) in name.bytes().enumerate() {
        match byte {
            b'.' if index == 0 => file.push_str("%2E"),
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'_' | b'-' => {
                file.push(char::from(byte));
            }
            _ => file.push_str(&format!("%{byte:02X}")),
        }
    }
    if file.is_empty() {
        // No byte is written so.
        return "%".into();
    }
    let has_capitals = name.bytes().any(|byte| byte.is_ascii_uppercase());
    if has_capitals || file.len() > CUT {
        file.truncate(CUT);
        file.push_str(&format!("~{:016x}", fnv1a_64(name.as_bytes())));
    }
    file
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn plain_names_stand_as_they_are_and_all_else_is_escaped() {
        for (name, file) in [
            ("btc-dip_2.5", "btc-dip_2.5"),
            ("", "%"),
            ("%", "%25"),
            (".", "%2E"),
            ("..", "%2E."),
            (".hidden", "%2Ehidden"),
            ("../../etc/passwd", "%2E.%2F..%2Fetc%2Fpasswd"),
            ("a/b", "a%2Fb"),
            ("a\0b\n", "a%00b%0A"),
            ("a b~c", "a%20b%7Ec"),
            ("ü", "%C3%BC"),
        ] {
            assert_eq!(file_name(name), file, "{name:?}");
        }
    }

    #[test]
    fn names_that_differ_in_capitals_or_far_behind_are_different_files() {
        let (long, longer) = ("x".repeat(300), "x".repeat(301));
        for (one, other) in [("dip", "Dip"), ("DIP", "Dip"), (&long, &longer)] {
            let (one, other) = (file_name(one), file_name(other));
            assert_ne!(one.to_lowercase(), other.to_lowercase());
        }
        assert!(file_name("Dip").starts_with("Dip~"));
        // Every byte of it escaped.
        assert_eq!(file_name(&"é".repeat(300)).len(), CUT + 17);
    }

    proptest! {
        #[test]
        fn any_name_is_a_plain_short_visible_file_name(name in any::<String>()) {
            let file = file_name(&name);
            let plain = |c: char| c.is_ascii_alphanumeric() || "._-%~".contains(c);
            prop_assert!(file.chars().all(plain), "{file}");
            prop_assert!(!file.starts_with('.') && !file.is_empty() && file.len() <= CUT + 17);
        }

        #[test]
        fn different_names_are_different_files(one in "[aA./%~]{0,4}", other in "[aA./%~]{0,4}") {
            prop_assert_eq!(
                one == other,
                file_name(&one).to_lowercase() == file_name(&other).to_lowercase()
            );
        }
    }
}
