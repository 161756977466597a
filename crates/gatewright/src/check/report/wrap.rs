//! Lines that fit a terminal.

use unicode_width::UnicodeWidthStr as _;

/// Fewer columns than this are filled as if there were so many.
const NARROWEST: usize = 40;

/// Breaks a text between words, so that each line fits. What does not fit on the first line is indented, as is what
/// follows a line break of the text itself. `begins` columns of the first line are taken already.
pub fn wrapped(text: &str, begins: usize, indent: usize, width: Option<usize>) -> String {
    let width = width.map_or(usize::MAX, |width| width.max(NARROWEST));
    let mut out = String::new();
    let mut at = begins;
    for (number, line) in text.split('\n').enumerate() {
        if number > 0 {
            (at, out) = (indent, out + "\n" + &" ".repeat(indent));
        }
        let mut first = true;
        for word in line.split(' ') {
            let columns = word.width();
            let space = usize::from(!first);
            if !first && at + space + columns > width {
                (at, out) = (indent + columns, out + "\n" + &" ".repeat(indent) + word);
            } else {
                out.extend(std::iter::repeat_n(' ', space));
                out.push_str(word);
                at += space + columns;
            }
            first = false;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::wrapped;

    #[test]
    fn words_that_do_not_fit_begin_a_new_line() {
        let text = "one two three four five six seven eight nine ten";
        assert_eq!(wrapped(text, 0, 2, None), text);
        assert_eq!(wrapped(text, 0, 2, Some(40)), "one two three four five six seven eight\n  nine ten");
        assert_eq!(wrapped(text, 34, 2, Some(40)), "one\n  two three four five six seven eight\n  nine ten");
        assert_eq!(wrapped("a\nb", 3, 4, None), "a\n    b");
        let long = "x".repeat(50);
        assert_eq!(wrapped(&format!("a {long} b"), 0, 1, Some(10)), format!("a\n {long}\n b"));
    }
}
