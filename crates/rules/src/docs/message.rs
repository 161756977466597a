//! Messages, one of each sort.

use std::collections::BTreeSet;

/// The messages of which the module and what it calls make no other among them: those that differ only in names,
/// numbers and lists are one sort. A word that does not stand in `rego` comes from the object or the policy.
pub(super) fn distinct<'a>(messages: impl Iterator<Item = &'a str>, rego: &[&str]) -> Vec<&'a str> {
    let known: BTreeSet<_> = rego.iter().flat_map(|module| module.lines()).flat_map(texts).collect();
    let mut seen = BTreeSet::new();
    messages.filter(|message| seen.insert(shape(message, &known))).collect()
}

/// The words in the strings of a line of Rego.
fn texts(line: &str) -> impl Iterator<Item = &str> {
    line.split(['"', '`']).skip(1).step_by(2).flat_map(words)
}

/// Runs of letters.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_ascii_alphabetic()).filter(|word| !word.is_empty())
}

/// The words of the field and of the sentence up to the list of what is allowed, with one for every sort of container.
fn shape(message: &str, known: &BTreeSet<&str>) -> Vec<String> {
    let (field, sentence) = message.split_once(": ").unwrap_or(("", message));
    let sentence = sentence.split("; ").next().unwrap_or_default();
    let unquoted = sentence.split('"').step_by(2).flat_map(words);
    let kept = unquoted.filter(|word| known.contains(word) && !matches!(*word, "init" | "ephemeral"));
    [field].into_iter().chain(kept).map(|word| word.trim_end_matches('s').to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::distinct;

    #[test]
    fn messages_of_one_sort_are_told_once() {
        let rego = r#"message := sprintf("container %q takes port %d", [name, port])"#;
        let messages = [
            r#"ports: container "x" takes port 80; allowed are 1"#,
            r#"ports: init container "y" takes port 81; no port is allowed"#,
            r#"other: container "x" takes port 80"#,
        ];
        assert_eq!(distinct(messages.into_iter(), &[rego]), [messages[0], messages[2]]);
    }
}
