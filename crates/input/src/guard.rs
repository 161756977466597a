//! Texts on which libyaml-safer 0.3.0 panics, made harmless: it does at a tag before a comma in a flow collection
//! (`[!a, b]`), where libyaml reports an error, and at some texts that do not end with a line break.

use std::borrow::Cow;

/// A text to parse, and what to take out of its values.
#[derive(Clone)]
pub struct Guarded<'t> {
    /// The text.
    pub text: Cow<'t, str>,
    /// Where it ends without the line break that it was given.
    pub end: usize,
    mark: Option<char>,
}

impl<'t> Guarded<'t> {
    /// Ends the last line, as kubectl does, and puts a mark between what could be a tag and a comma. A tag does not take
    /// it; in any other place it is a letter among others.
    pub fn new(text: &'t str) -> Self {
        let mut found = commas(text).peekable();
        let ends = text.is_empty() || text.ends_with('\n');
        if ends && found.peek().is_none() {
            return Self { text: Cow::Borrowed(text), end: text.len(), mark: None };
        }
        // There are 6,400 such characters: no real text has all of them.
        let mark = ('\u{e000}'..='\u{f8ff}').find(|mark| !text.contains(*mark)).unwrap_or('\u{e000}');
        let (mut marked, mut from) = (String::with_capacity(text.len() + 1), 0);
        for comma in found {
            marked.push_str(&text[from..comma]);
            marked.push(mark);
            from = comma;
        }
        marked.push_str(&text[from..]);
        let end = marked.len();
        if !ends {
            marked.push('\n');
        }
        Self { text: Cow::Owned(marked), end, mark: (from > 0).then_some(mark) }
    }

    /// Whether there are no marks in the text.
    pub const fn is_exact(&self) -> bool {
        self.mark.is_none()
    }

    /// A value of the text as it is without marks.
    pub fn unmarked(&self, value: String) -> String {
        match self.mark {
            Some(mark) if value.contains(mark) => value.replace(mark, ""),
            _ => value,
        }
    }
}

/// The commas that could follow a tag.
fn commas(text: &str) -> impl Iterator<Item = usize> {
    let bytes = text.as_bytes();
    let mut from = 0;
    std::iter::from_fn(move || {
        loop {
            let at = from + text[from..].find('!')?;
            from = end_of_tag(bytes, at + 1);
            if bytes.get(from) == Some(&b',') {
                return Some(from);
            }
        }
    })
}

fn end_of_tag(text: &[u8], begin: usize) -> usize {
    let end = |begin: usize, more: &[u8]| {
        let of_tag = |byte: &u8| {
            byte.is_ascii_alphanumeric() || b"_-;/?:@&=+$.%!~*'()".contains(byte) || more.contains(byte)
        };
        begin + text[begin..].iter().take_while(|byte| of_tag(byte)).count()
    };
    if text.get(begin) == Some(&b'<') {
        let closed = end(begin + 1, b",[]");
        if text.get(closed) == Some(&b'>') {
            return closed + 1;
        }
    }
    end(begin, b"")
}

#[cfg(test)]
mod tests {
    use super::Guarded;

    #[test]
    fn marks_stand_between_tags_and_commas() {
        for (text, marked) in [
            ("", ""),
            ("a: [1, 2]\n", "a: [1, 2]\n"),
            ("a: 1", "a: 1\n"),
            ("a: [!b, c]\n", "a: [!bM, c]\n"),
            ("a: [!, !!c,d]\n", "a: [!M, !!cM,d]\n"),
            ("a: [!<x,y>, b]\n", "a: [!<x,y>M, b]\n"),
            ("a: [!<x,y, b]\n", "a: [!<x,y, b]\n"),
            ("a: 'Hello!, you'\n", "a: 'Hello!M, you'\n"),
            ("a: !b c, d\n", "a: !b c, d\n"),
        ] {
            assert_eq!(Guarded::new(text).text, marked.replace('M', "\u{e000}"), "{text:?}");
        }
        assert_eq!(Guarded::new("\u{e000}!,\n").text, "\u{e000}!\u{e001},\n");
        let guarded = Guarded::new("!,\u{e001}\n");
        assert_eq!(guarded.unmarked("!\u{e000},\u{e001}".to_owned()), "!,\u{e001}");
    }
}
