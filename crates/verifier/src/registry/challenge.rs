//! `WWW-Authenticate`: how a registry wants to be asked (RFC 9110 §11.6.1).

use std::collections::BTreeMap;

/// How a registry wants to be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Challenge {
    /// With user and password in each request.
    Basic,
    /// With a token that the realm gives out.
    Bearer {
        /// The URL of the realm, as the registry wrote it.
        realm: String,
        /// The name that the registry has at the realm.
        service: Option<String>,
    },
}

/// Longer headers are not read: a challenge has a URL and a few words.
const LONGEST: usize = 8 << 10;

impl Challenge {
    /// The first challenge of these headers that can be answered; a token is preferred to a password.
    #[must_use]
    pub fn of<'a>(headers: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        let all: Vec<_> =
            headers.into_iter().filter(|one| one.len() <= LONGEST).flat_map(challenges).collect();
        let bearer = all.iter().find_map(|(scheme, parameters)| {
            let realm = parameters.get("realm").filter(|_| scheme.eq_ignore_ascii_case("bearer"))?;
            Some(Self::Bearer { realm: realm.clone(), service: parameters.get("service").cloned() })
        });
        let basic = || all.iter().any(|(scheme, _)| scheme.eq_ignore_ascii_case("basic"));
        bearer.or_else(|| basic().then_some(Self::Basic))
    }
}

type Parameters = BTreeMap<String, String>;

/// All challenges of one header. What cannot be read ends it.
fn challenges(header: &str) -> Vec<(String, Parameters)> {
    let mut all: Vec<(String, Parameters)> = vec![];
    let mut rest = header.trim_start_matches([' ', '\t', ',']);
    while !rest.is_empty() {
        let Some((word, after)) = token(rest) else { break };
        let after_blank = after.trim_start_matches([' ', '\t']);
        match (after_blank.strip_prefix('='), all.last_mut()) {
            (Some(written), Some((_, parameters))) => {
                let Some((value, after)) = value(written.trim_start_matches([' ', '\t'])) else { break };
                parameters.entry(word.to_ascii_lowercase()).or_insert(value);
                rest = after;
            }
            (Some(_), None) => break,
            (None, _) => {
                all.push((word.to_owned(), Parameters::new()));
                rest = after;
            }
        }
        rest = rest.trim_start_matches([' ', '\t', ',']);
    }
    all
}

fn token(text: &str) -> Option<(&str, &str)> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    let end = text.find(|c| !is_part(c)).unwrap_or(text.len());
    text.split_at_checked(end).filter(|(word, _)| !word.is_empty())
}

/// A token or a quoted string.
fn value(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        return token(text).map(|(word, rest)| (word.to_owned(), rest));
    };
    let mut value = String::new();
    let mut characters = quoted.chars();
    loop {
        match characters.next()? {
            '"' => return Some((value, characters.as_str())),
            '\\' => value.push(characters.next()?),
            other => value.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Challenge;
    use proptest::prelude::*;
    use rstest::rstest;

    fn bearer(realm: &str, service: Option<&str>) -> Challenge {
        Challenge::Bearer { realm: realm.into(), service: service.map(Into::into) }
    }

    #[rstest]
    #[case(&[r#"Bearer realm="https://a/t",service="r.io",scope="repository:x:pull,push""#], Some(bearer("https://a/t", Some("r.io"))))]
    #[case(&[r#"bearer REALM="https://a/t" , service=r.io"#], Some(bearer("https://a/t", Some("r.io"))))]
    #[case(&[r#"Basic realm="x", Bearer realm="https://a""#], Some(bearer("https://a", None)))]
    #[case(&["Basic realm=\"x\"", "Bearer realm=\"https://a\""], Some(bearer("https://a", None)))]
    #[case(&[r#"Bearer realm="https://a\"b""#], Some(bearer("https://a\"b", None)))]
    #[case(&[r#"Bearer realm="first",realm="second""#], Some(bearer("first", None)))]
    #[case(&["Basic"], Some(Challenge::Basic))]
    #[case(&["Basic realm=\"unfinished"], Some(Challenge::Basic))]
    #[case(&["Bearer"], None)]
    #[case(&["Bearer service=\"x\""], None)]
    #[case(&["Bearer realm=\"unfinished"], None)]
    #[case(&["Negotiate"], None)]
    #[case(&["realm=\"x\""], None)]
    #[case(&["", ",,,", "=", "\""], None)]
    fn headers_are_read(#[case] headers: &[&str], #[case] expected: Option<Challenge>) {
        assert_eq!(Challenge::of(headers.iter().copied()), expected);
    }

    #[test]
    fn an_endless_header_is_not_read() {
        let header = format!("Bearer realm=\"{}\"", "a".repeat(10_000));
        assert_eq!(Challenge::of([header.as_str()]), None);
    }

    proptest! {
        #[test]
        fn no_header_stops_it(header in "\\PC*") {
            let _ = Challenge::of([header.as_str()]);
        }

        #[test]
        fn what_is_quoted_is_read_as_meant(realm in "[ -~]{0,40}") {
            let header = format!("Bearer realm=\"{}\"", realm.replace('\\', "\\\\").replace('"', "\\\""));
            prop_assert_eq!(Challenge::of([header.as_str()]), Some(bearer(&realm, None)));
        }
    }
}
