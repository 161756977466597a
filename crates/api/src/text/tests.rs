use super::{
    Base64, ClusterRolePattern, HelpUrl, ImageReference, ImageTag, LabelKey, LabelValue, NamespacePattern,
    PathPrefix, Regex, RepositoryPattern, SyntaxError, SysctlPattern, WatchKind,
};

fn accepted<T: TryFrom<String>>(texts: &[&str]) -> Vec<String> {
    texts
        .iter()
        .filter(|text| T::try_from((**text).to_owned()).is_ok())
        .map(|text| (*text).to_owned())
        .collect()
}

#[test]
fn each_syntax_accepts_what_it_says() {
    assert_eq!(
        accepted::<NamespacePattern>(&["a", "a-*", "*-b", "*", "*x*", "", "a*b", "A", "a.b", "**"]),
        ["a", "a-*", "*-b", "*", "*x*", "**"]
    );
    assert_eq!(accepted::<LabelKey>(&["a", "x.io/a_b.c", "/a", "a/", "a b", "X/a"]), ["a", "x.io/a_b.c"]);
    assert_eq!(accepted::<LabelValue>(&["", "a", "-a", "a_b"]), ["", "a", "a_b"]);
    assert_eq!(accepted::<RepositoryPattern>(&["r.io:5000/a*", "a*b", "a b", ""]), ["r.io:5000/a*"]);
    assert_eq!(accepted::<ImageTag>(&["latest", ".x", "1.0-a", ""]), ["latest", "1.0-a"]);
    assert_eq!(accepted::<PathPrefix>(&["/", "/a", "a"]), ["/", "/a"]);
    assert_eq!(
        accepted::<WatchKind>(&["/Pod", "apps/Deployment", "networking.k8s.io/Ingress", "Pod", "apps/"]),
        ["/Pod", "apps/Deployment", "networking.k8s.io/Ingress"]
    );
    assert_eq!(
        accepted::<Regex>(&[
            "^a+$", "(", "[z-a]", "(?=a)", r"\d&&", r"\z", r"\Z", "a**", "x{1001}", r"\Qa\E"
        ]),
        ["^a+$", r"\d&&", r"\z", r"\Qa\E"]
    );
}

#[test]
fn credentials_are_never_shown() {
    let error = Base64::try_from("not-base64: hunter2").unwrap_err();
    assert!(error.to_string().starts_with("a text of 19 bytes: base64 text has"), "{error}");
    assert_eq!(format!("{:?}", Base64::try_from("aHVudGVyMg==").unwrap()), "Base64(a text of 12 bytes)");
}

/// Read aloud: what was found, what is allowed, what to write instead.
#[test]
fn each_error_says_what_to_write() {
    fn said<T: TryFrom<String, Error = SyntaxError>>(text: &str) -> String {
        T::try_from(text.to_owned()).err().unwrap().to_string()
    }
    let repository = "a repository has letters, digits and the characters . _ - : / @, no spaces, and * only at its end, \
                      at most 512 characters";
    for (said, expected) in [
        (
            said::<RepositoryPattern>("registry.example.com/my shop"),
            format!("\"registry.example.com/my shop\" has white space: {repository}; for example registry.example.com/team"),
        ),
        (said::<RepositoryPattern>(" r.io/a\n"), format!("\" r.io/a\\n\" has white space: {repository}; write r.io/a")),
        (said::<RepositoryPattern>("r.io/*/a"), format!("\"r.io/*/a\": {repository}; for example registry.example.com/team")),
        (
            said::<RepositoryPattern>("r.io/a,r.io/b"),
            format!("\"r.io/a,r.io/b\" has the character ',': {repository}; for example registry.example.com/team"),
        ),
        (
            said::<NamespacePattern>("Shop"),
            "\"Shop\" has the character 'S': a namespace name or pattern has lower-case letters, digits and dashes, and * only at \
             its start or end, at most 253 characters; write shop"
                .to_owned(),
        ),
        (
            said::<PathPrefix>("var/log"),
            "\"var/log\": a host path is absolute: it starts with /, at most 1024 characters; write /var/log".to_owned(),
        ),
        (
            said::<ImageTag>("v1 "),
            "\"v1 \" has white space: an image tag has letters, digits, underscores, dots and dashes, and does not start with a \
             dot or a dash, at most 512 characters; write v1"
                .to_owned(),
        ),
        (
            said::<WatchKind>("Deployment"),
            "\"Deployment\": a watched kind is group/Kind, for example apps/Deployment, and /Kind for the core group, at most 317 \
             characters"
                .to_owned(),
        ),
    ] {
        assert_eq!(said, expected);
    }
}

#[test]
fn each_example_is_one() {
    assert!(NamespacePattern::try_from(NamespacePattern::EXAMPLE).is_ok());
    assert!(
        LabelKey::try_from(LabelKey::EXAMPLE).is_ok() && LabelValue::try_from(LabelValue::EXAMPLE).is_ok()
    );
    assert!(RepositoryPattern::try_from(RepositoryPattern::EXAMPLE).is_ok());
    assert!(ImageReference::try_from(ImageReference::EXAMPLE).is_ok());
    assert!(
        ImageTag::try_from(ImageTag::EXAMPLE).is_ok() && PathPrefix::try_from(PathPrefix::EXAMPLE).is_ok()
    );
    assert!(SysctlPattern::try_from(SysctlPattern::EXAMPLE).is_ok());
    assert!(ClusterRolePattern::try_from(ClusterRolePattern::EXAMPLE).is_ok());
    assert!(HelpUrl::try_from(HelpUrl::EXAMPLE).is_ok());
}

/// Everyone who is refused reads it: no password, nothing that ends the parenthesis of a line, no other scheme.
#[test]
fn a_help_url_is_one_that_everybody_may_read() {
    for url in ["https://a", "https://wiki.example.com:8443/a?b=c#d", "https://a?q", "https://a#q"] {
        assert!(HelpUrl::try_from(url).is_ok(), "{url}");
    }
    for url in [
        "http://a",
        "https://",
        "https://user:hunter2@a/",
        "https://a/b c",
        "https://a/\n",
        "javascript:x",
        "a",
    ] {
        assert!(HelpUrl::try_from(url).is_err(), "{url}");
    }
}

#[test]
fn too_long_is_refused_with_the_bound() {
    let error = NamespacePattern::try_from("a".repeat(254)).unwrap_err();
    let said = error.to_string();
    assert!(
        said.contains("a\"… has 254 characters: ") && said.contains(", at most 253 characters"),
        "{said}"
    );
    assert!(!said.contains(&"a".repeat(121)), "{said}");
}

#[test]
fn a_password_in_an_address_is_not_repeated() {
    fn said<T: TryFrom<String, Error = SyntaxError>>(text: &str) -> String {
        T::try_from(text.to_owned()).err().map(|error| error.to_string()).unwrap_or_default()
    }
    let long = format!("https://u:hunter2@wiki.example/{}", "x".repeat(300));
    for text in ["https://u:hunter2@wiki.example/", " https://a/?b:hunter2@c ", " u:hunter2@r.io/a", &long] {
        for said in [
            said::<HelpUrl>(text),
            said::<ImageReference>(text),
            said::<RepositoryPattern>(text),
            said::<NamespacePattern>(text),
            said::<PathPrefix>(text),
        ] {
            assert!(!said.contains("hunter2"), "{said}");
        }
    }
    let said = said::<HelpUrl>("https://u:hunter2@wiki.example/");
    assert!(said.starts_with("a text with @: a help URL starts with https://"), "{said}");
}

#[test]
fn a_key_in_the_wrong_field_is_not_repeated() {
    let key = "-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----";
    let said = ImageReference::try_from(key).unwrap_err().to_string();
    assert!(said.starts_with("a text of ") && !said.contains("hunter2"), "{said}");
}
