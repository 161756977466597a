//! One outcome of many signature objects. No foreign, broken or unreadable one hides a good one, and `unsigned` is said
//! only if every place was really answered.

use crate::class::{Class, Failure};
use crate::format::Verdict;

/// What was found so far for one entry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Merge {
    /// The most telling verdict.
    verdict: Option<Verdict>,
    unanswered: Option<Failure>,
    limit: Option<String>,
}

impl Merge {
    /// Takes the verdict about an object.
    pub fn add(&mut self, verdict: Verdict) {
        if self.verdict.is_none_or(|other| telling(verdict) > telling(other)) {
            self.verdict = Some(verdict);
        }
    }

    /// Takes that a place or blob was not answered; the first one is named.
    pub fn unanswered(&mut self, failure: Failure) {
        self.unanswered.get_or_insert(failure);
    }

    /// Takes that something was left out because of a bound, such as `more than 100 signatures`.
    pub fn exceeds(&mut self, limit: impl Into<String>) {
        self.limit.get_or_insert_with(|| limit.into());
    }

    /// Whether a good signature was found: nothing else matters then.
    #[must_use]
    pub fn is_verified(&self) -> bool {
        self.verdict == Some(Verdict::Verified)
    }

    /// The outcome once all is judged.
    ///
    /// # Errors
    /// No good signature was found: why, the most telling first.
    pub fn finish(self) -> Result<(), Failure> {
        if self.is_verified() {
            return Ok(());
        }
        if let Some(failure) = self.unanswered {
            return Err(failure);
        }
        if let Some(limit) = self.limit {
            return Err(Class::Limit.because(limit));
        }
        match self.verdict.unwrap_or(Verdict::NoSignature) {
            Verdict::Verified => Ok(()),
            Verdict::PayloadMismatch => Err(Class::PayloadMismatch.plain()),
            Verdict::UnknownKey { keyless: false } => Err(Class::UnknownKey.plain()),
            Verdict::UnknownKey { keyless: true } => {
                Err(Class::UnknownKey.because("keyless signatures are not supported"))
            }
            Verdict::Malformed => Err(Class::Malformed.plain()),
            Verdict::TooLarge => Err(Class::Limit.because("a signature object is too large")),
            Verdict::NoSignature => Err(Class::Unsigned.plain()),
        }
    }
}

/// How much a verdict tells beside others.
const fn telling(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Verified => 6,
        Verdict::PayloadMismatch => 5,
        Verdict::UnknownKey { keyless: false } => 4,
        Verdict::UnknownKey { keyless: true } => 3,
        Verdict::Malformed => 2,
        Verdict::TooLarge => 1,
        Verdict::NoSignature => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Verdict; 7] = [
        Verdict::Verified,
        Verdict::PayloadMismatch,
        Verdict::UnknownKey { keyless: false },
        Verdict::UnknownKey { keyless: true },
        Verdict::Malformed,
        Verdict::TooLarge,
        Verdict::NoSignature,
    ];

    fn merged(verdicts: &[Verdict]) -> Merge {
        let mut merge = Merge::default();
        for verdict in verdicts {
            merge.add(*verdict);
        }
        merge
    }

    #[test]
    fn nothing_hides_a_good_signature() {
        for other in ALL {
            for verdicts in [[Verdict::Verified, other], [other, Verdict::Verified]] {
                let mut merge = merged(&verdicts);
                merge.unanswered(Class::Unreachable.plain());
                merge.exceeds("more than 100 signatures");
                assert!(merge.is_verified());
                assert_eq!(merge.finish(), Ok(()), "{verdicts:?}");
            }
        }
    }

    #[test]
    fn the_most_telling_failure_is_named() {
        for (position, verdict) in ALL.iter().enumerate().skip(1) {
            for other in &ALL[position..] {
                let alone = merged(&[*verdict]).finish();
                assert_eq!(merged(&[*other, *verdict]).finish(), alone, "{verdict:?} {other:?}");
            }
        }
        let text = |verdicts: &[Verdict]| merged(verdicts).finish().unwrap_err().text();
        assert_eq!(text(&[]), "it has no cosign signature");
        assert_eq!(text(&[Verdict::NoSignature]), "it has no cosign signature");
        assert_eq!(text(&[Verdict::Malformed, Verdict::NoSignature]), "its signatures cannot be read");
    }

    #[test]
    fn keyless_is_said_where_there_is_nothing_else() {
        let text = |verdicts: &[Verdict]| merged(verdicts).finish().unwrap_err().text();
        let [keyless, by_key] = [true, false].map(|keyless| Verdict::UnknownKey { keyless });
        let words = "it is signed, but by no key of the policy";
        assert_eq!(text(&[keyless]), format!("{words}; keyless signatures are not supported"));
        assert_eq!(text(&[keyless, by_key]), words);
    }

    #[test]
    fn unsigned_is_said_only_if_every_place_answered() {
        for verdict in &ALL[1..] {
            let mut merge = merged(&[*verdict]);
            merge.unanswered(Class::RateLimited.plain());
            merge.unanswered(Class::Unreachable.plain());
            merge.exceeds("more than 100 signatures");
            assert_eq!(merge.finish(), Err(Class::RateLimited.plain()), "{verdict:?}");
        }
    }

    #[test]
    fn a_bound_is_named_if_nothing_was_good() {
        let mut merge = merged(&[Verdict::UnknownKey { keyless: false }]);
        merge.exceeds("more than 100 signatures");
        assert_eq!(merge.finish().unwrap_err().text(), "it exceeds a limit: more than 100 signatures");
    }
}
