//! `--run`: which tests and cases, as `gator verify` has it.

use gatewright_re2::Pattern;

/// Chooses tests and cases by their names.
#[derive(Clone, Debug)]
pub enum Filter {
    /// All of them.
    Everything,
    /// Tests whose name matches, whole, and cases whose name matches.
    Either(Pattern),
    /// Cases whose name matches the second, in tests whose name matches the first.
    Both(Pattern, Pattern),
}

impl Filter {
    /// Reads a regular expression, or two with `//` between them.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let pattern = |text: &str| Pattern::new(text).map_err(|refused| refused.to_string());
        match text.split("//").collect::<Vec<_>>()[..] {
            [""] => Ok(Self::Everything),
            [either] => Ok(Self::Either(pattern(either)?)),
            [of_test, of_case] => Ok(Self::Both(pattern(of_test)?, pattern(of_case)?)),
            _ => Err("at most one `//` is allowed: TEST//CASE".to_owned()),
        }
    }

    /// Whether a test, with cases of these names, is run.
    pub fn runs_test<'a>(&self, test: &str, mut cases: impl Iterator<Item = &'a str>) -> bool {
        match self {
            Self::Everything => true,
            Self::Either(pattern) => pattern.is_match(test) || cases.any(|case| pattern.is_match(case)),
            Self::Both(pattern, _) => pattern.is_match(test),
        }
    }

    /// Whether a case of a test is run.
    pub fn runs_case(&self, test: &str, case: &str) -> bool {
        match self {
            Self::Everything => true,
            Self::Either(pattern) => pattern.is_match(test) || pattern.is_match(case),
            Self::Both(of_test, of_case) => of_test.is_match(test) && of_case.is_match(case),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Filter;

    #[test]
    fn names_are_matched_as_gator_does() {
        for (filter, test, case, runs) in [
            ("", "labels", "none", true),
            ("none", "labels", "none-at-all", true),
            ("labels", "required-labels", "other", true),
            ("absent", "labels", "none", false),
            ("^labels$//", "required-labels", "none", false),
            ("^labels$//", "labels", "none", true),
            ("//none", "anything", "none", true),
            ("labels//none", "labels", "some", false),
        ] {
            let parsed = Filter::parse(filter).unwrap();
            assert_eq!(parsed.runs_case(test, case), runs, "{filter}: {test} {case}");
            if runs {
                assert!(parsed.runs_test(test, [case].into_iter()), "{filter}: {test} {case}");
            }
        }
        assert!(Filter::parse("a//b//c").unwrap_err().contains("at most one"));
        assert_eq!(
            Filter::parse("(").unwrap_err(),
            "`(` is not a regular expression (RE2): missing closing )"
        );
    }
}
