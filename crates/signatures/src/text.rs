//! Foreign text that people read.

use std::fmt::Write as _;

/// The longest name of an image in a message, in characters.
const LONGEST_IMAGE: usize = 120;

/// Foreign text for messages: control characters and those that change the direction of text are written `\u{..}`.
#[must_use]
pub fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() || changes_direction(c) {
            let _ = write!(shown, "\\u{{{:x}}}", u32::from(c));
        } else {
            shown.push(c);
        }
    }
    shown
}

/// Unicode's bidirectional formatting characters.
const fn changes_direction(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// An image's name for messages: printable, and shortened in its middle, so that what follows it survives where messages
/// are cut.
#[must_use]
pub fn shown_image(image: &str) -> String {
    let shown = printable(image);
    let length = shown.chars().count();
    if length <= LONGEST_IMAGE {
        return shown;
    }
    let half = (LONGEST_IMAGE - 1) / 2;
    let begin: String = shown.chars().take(half).collect();
    let end: String = shown.chars().skip(length - half).collect();
    format!("{begin}…{end}")
}

/// The beginning of a text that has at most `most` bytes, cut between characters.
#[must_use]
pub fn cut(text: &str, most: usize) -> &str {
    text.get(..text.floor_char_boundary(most)).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_and_direction_characters_are_written_out() {
        assert_eq!(printable("a\nb\u{202e}c\u{85}\u{7f}é"), r"a\u{a}b\u{202e}c\u{85}\u{7f}é");
    }

    #[test]
    fn a_long_image_keeps_its_beginning_and_end() {
        let image = format!("r.io/{}:v1", "a".repeat(3000));
        let shown = shown_image(&image);
        assert!(shown.chars().count() <= 120, "{shown}");
        assert!(shown.starts_with("r.io/aaa") && shown.ends_with("aaa:v1"), "{shown}");
        assert_eq!(shown_image("nginx:1.17.2"), "nginx:1.17.2");
    }

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!(cut("aé", 2), "a");
        assert_eq!(cut("aé", 3), "aé");
        assert_eq!(cut("", 3), "");
    }
}
