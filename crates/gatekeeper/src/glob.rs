//! How Gatekeeper matches namespaces by name.

/// A namespace's name, or a glob with `*` at either end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NamespaceGlob<'a> {
    open_start: bool,
    open_end: bool,
    text: &'a str,
}

impl<'a> NamespaceGlob<'a> {
    /// Reads a name or glob. `*` alone is open at both ends.
    #[must_use]
    pub fn new(pattern: &'a str) -> Self {
        let without_start = pattern.strip_prefix('*');
        let rest = without_start.unwrap_or(pattern);
        let without_end = rest.strip_suffix('*');
        Self {
            open_start: without_start.is_some(),
            open_end: without_end.is_some() || pattern == "*",
            text: without_end.unwrap_or(rest),
        }
    }

    /// Whether it is a glob, not a name.
    #[must_use]
    pub const fn is_glob(&self) -> bool {
        self.open_start || self.open_end
    }

    /// Whether a namespace of this name matches.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        match (self.open_start, self.open_end) {
            (false, false) => name == self.text,
            (false, true) => name.starts_with(self.text),
            (true, false) => name.ends_with(self.text),
            (true, true) => name.contains(self.text),
        }
    }

    /// Whether some name matches both.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        match (self.is_glob(), other.is_glob()) {
            (false, _) => other.matches(self.text),
            (_, false) => self.matches(other.text),
            _ => ends_agree(self, other),
        }
    }

    /// Whether every name that matches the other matches this one.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        let open = (!other.open_start || self.open_start) && (!other.open_end || self.open_end);
        open && self.matches(other.text)
    }
}

/// Two globs have a name in common unless both fix the start, or both the end, and differ there: `a*` and `*b` meet
/// in `ab`, and a glob open at both ends meets everything.
fn ends_agree(a: &NamespaceGlob<'_>, b: &NamespaceGlob<'_>) -> bool {
    let starts = a.open_start || b.open_start || a.text.starts_with(b.text) || b.text.starts_with(a.text);
    let ends = a.open_end || b.open_end || a.text.ends_with(b.text) || b.text.ends_with(a.text);
    starts && ends
}

#[cfg(test)]
mod tests {
    use super::NamespaceGlob;

    const ALPHABET: [char; 3] = ['a', 'b', '-'];

    fn names(longest: usize) -> Vec<String> {
        let mut all = vec![String::new()];
        let mut last = all.clone();
        for _ in 0..longest {
            last = last.iter().flat_map(|name| ALPHABET.map(|letter| format!("{name}{letter}"))).collect();
            all.extend(last.clone());
        }
        all
    }

    fn patterns() -> Vec<String> {
        let texts = names(2);
        texts
            .iter()
            .flat_map(|text| [text.clone(), format!("{text}*"), format!("*{text}"), format!("*{text}*")])
            .filter(|pattern| !pattern.is_empty())
            .collect()
    }

    /// Against all names that are long enough to tell any two patterns of two letters apart.
    #[test]
    fn overlap_and_cover_agree_with_matching() {
        let names = names(5);
        for a in patterns() {
            for b in patterns() {
                let (left, right) = (NamespaceGlob::new(&a), NamespaceGlob::new(&b));
                let both = names.iter().any(|name| left.matches(name) && right.matches(name));
                assert_eq!(left.overlaps(&right), both, "{a} overlaps {b}");
                let all = names.iter().all(|name| !right.matches(name) || left.matches(name));
                assert_eq!(left.covers(&right), all, "{a} covers {b}");
            }
        }
    }
}
