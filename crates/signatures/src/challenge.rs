//! What a registry wants of whoever asks: the header `WWW-Authenticate`, after RFC 9110.

use crate::bounds::HEADER_BYTES;

/// A way to authenticate that we know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Challenge {
    /// User name and password with each request.
    Basic,
    /// A token.
    Bearer {
        /// Where to ask for it: a URL, not yet checked.
        realm: String,
        /// For which service, as the registry names it.
        service: Option<String>,
    },
}

impl Challenge {
    /// The challenge to answer of the values of all headers `WWW-Authenticate`: the first Bearer with a realm, else Basic.
    /// `None` where nothing is known or the header cannot be read.
    #[must_use]
    pub fn choose<'a>(headers: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        let mut basic = None;
        for header in headers {
            for (scheme, parameters) in parse(header)? {
                let parameter = |name: &str| {
                    let mut named = parameters.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name));
                    named.next().map(|(_, value)| value.clone())
                };
                if scheme.eq_ignore_ascii_case("bearer")
                    && let Some(realm) = parameter("realm")
                {
                    return Some(Self::Bearer { realm, service: parameter("service") });
                }
                if scheme.eq_ignore_ascii_case("basic") {
                    basic = Some(Self::Basic);
                }
            }
        }
        basic
    }
}

type Parameters = Vec<(String, String)>;

/// The challenges of a header, each with its parameters.
fn parse(header: &str) -> Option<Vec<(String, Parameters)>> {
    if header.len() > HEADER_BYTES {
        return None;
    }
    let mut challenges: Vec<(String, Parameters)> = vec![];
    let mut rest = skip_commas(header);
    while !rest.is_empty() {
        let (word, after) = token(rest)?;
        let spaced = after.trim_start_matches([' ', '\t']);
        if let Some(value) = spaced.strip_prefix('=') {
            let (value, after) = parameter_value(value.trim_start_matches([' ', '\t']))?;
            challenges.last_mut()?.1.push((word.to_owned(), value));
            rest = after;
        } else {
            challenges.push((word.to_owned(), vec![]));
            rest = skip_token68(spaced);
        }
        rest = skip_commas(rest);
    }
    Some(challenges)
}

fn skip_commas(text: &str) -> &str {
    text.trim_start_matches([' ', '\t', ','])
}

/// A token and what follows it.
fn token(text: &str) -> Option<(&str, &str)> {
    let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    let (word, rest) = text.split_at_checked(text.find(|c| !is_token(c)).unwrap_or(text.len()))?;
    (!word.is_empty()).then_some((word, rest))
}

/// A quoted string or a token, and what follows it.
fn parameter_value(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        return token(text).map(|(value, rest)| (value.to_owned(), rest));
    };
    let mut value = String::new();
    let mut chars = quoted.chars();
    loop {
        match chars.next()? {
            '"' => return Some((value, chars.as_str())),
            '\\' => value.push(chars.next()?),
            c => value.push(c),
        }
    }
}

/// After a scheme: base64 that stands alone, as in `Negotiate abc==`, is skipped.
fn skip_token68(text: &str) -> &str {
    let is_token68 = |c: char| c.is_ascii_alphanumeric() || "-._~+/".contains(c);
    let rest = text.trim_start_matches(is_token68);
    let after = rest.trim_start_matches('=');
    let ends = |text: &str| text.is_empty() || text.starts_with([',', ' ', '\t']);
    let alone = rest.len() < text.len() && ends(after);
    let next = after.trim_start_matches([' ', '\t']);
    // `Bearer realm = "x"` has a parameter, whose name looks like base64, too.
    if alone && (next.is_empty() || next.starts_with(',')) { after } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bearer(realm: &str, service: Option<&str>) -> Challenge {
        Challenge::Bearer { realm: realm.into(), service: service.map(str::to_owned) }
    }

    #[test]
    fn challenges_are_read() {
        let realm = "https://auth.docker.io/token";
        for (headers, expected) in [
            (
                &[r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="a,b""#]
                    [..],
                Some(bearer(realm, Some("registry.docker.io"))),
            ),
            (
                &[r#"bearer  Realm = "https://auth.docker.io/token" , error=invalid_token"#],
                Some(bearer(realm, None)),
            ),
            (&[r#"Basic realm="r""#], Some(Challenge::Basic)),
            (&["Basic"], Some(Challenge::Basic)),
            (&[r#"Basic realm="r", Bearer realm="x""#], Some(bearer("x", None))),
            (&[r#"Basic realm="r""#, r#"Bearer realm="x",service=y"#], Some(bearer("x", Some("y")))),
            (&[r#"Negotiate abc==, Bearer realm="x""#], Some(bearer("x", None))),
            (&["Negotiate, Basic"], Some(Challenge::Basic)),
            (&[r#"Bearer realm="a\"b\\c""#], Some(bearer(r#"a"b\c"#, None))),
            (&[r#"Bearer realm="first",realm="second""#], Some(bearer("first", None))),
            (&[",, ,"], None),
            (&["Bearer"], None),
            (&["Digest realm=x"], None),
            (&[], None),
        ] {
            assert_eq!(Challenge::choose(headers.iter().copied()), expected, "{headers:?}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_no_challenge() {
        let long = format!(r#"Bearer realm="{}""#, "a".repeat(HEADER_BYTES));
        for header in
            [r#"Bearer realm="x"#, "=", r#"realm="x""#, "Bearer realm=\"x\\", "é", "Bearer realm=é", &long]
        {
            assert_eq!(Challenge::choose([header]), None, "{header}");
        }
    }
}
