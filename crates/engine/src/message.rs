//! The length of messages.

/// The longest message that is shown, in bytes. A template can make one of any length.
pub const LONGEST_SHOWN: usize = 16 * 1024;

/// A message that is cut where it is too long, and says so. What an engine finds is whole, as it is for Gatekeeper: suites
/// compare it. Whoever shows it cuts it.
#[must_use]
pub fn bounded(mut message: String) -> String {
    if message.len() <= LONGEST_SHOWN {
        return message;
    }
    let whole = message.len();
    message.truncate(message.floor_char_boundary(LONGEST_SHOWN));
    message.shrink_to_fit();
    format!("{message}… (cut: it has {whole} bytes)")
}

#[cfg(test)]
mod tests {
    use super::{LONGEST_SHOWN, bounded};

    #[test]
    fn what_is_too_long_is_cut_and_says_so() {
        for text in [String::new(), "a".to_owned(), "a".repeat(LONGEST_SHOWN)] {
            assert_eq!(bounded(text.clone()), text);
        }
        let cut = bounded("é".repeat(LONGEST_SHOWN) + "a");
        assert_eq!(cut, format!("{}… (cut: it has 32769 bytes)", "é".repeat(LONGEST_SHOWN / 2)));
        assert!(bounded(format!("a{}", "é".repeat(LONGEST_SHOWN))).starts_with('a'));
    }
}
