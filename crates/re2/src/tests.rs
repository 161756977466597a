use super::{Pattern, cached};

/// What Go's `regexp` compiles.
#[test]
fn what_go_compiles_is_compiled() {
    for pattern in [
        "",
        "a|b",
        "a*?",
        "(?i)a",
        "(?P<name>a)",
        "(?<name>a)",
        "(?s-m:a)",
        "[]a]",
        "[a-]",
        "[[:alpha:]]",
        "[^[:^digit:]]",
        r"\pL",
        r"\p{Greek}",
        r"\P{Lu}",
        r"\p{^Lu}",
        r"\p{letter}",
        r"\Qa.b\E",
        r"\Qa",
        r"\x41",
        r"\x{10FFFF}",
        r"\07",
        r"\123",
        r"\z",
        r"\A",
        r"\b",
        "a{,3}",
        "a{",
        "x{1000}",
        "(?:a{2}){500}",
        r"[\d\w]",
        "a{2}",
        "[a&&b]",
        "()",
        "(?i:)",
        r"\-",
        "(a)(?:b)",
    ] {
        assert!(Pattern::new(pattern).is_ok(), "{pattern}");
    }
}

#[test]
fn what_go_refuses_is_refused_with_its_reason() {
    for (pattern, reason) in [
        ("(", "missing closing )"),
        (")", "unexpected )"),
        ("[a", "missing closing ]"),
        ("[z-a]", "invalid character class range"),
        ("*", "missing argument to repetition operator"),
        ("a**", "invalid nested repetition operator"),
        ("a{2}{3}", "invalid nested repetition operator"),
        ("x{1001}", "invalid repeat count"),
        ("x{3,2}", "invalid repeat count"),
        ("(?:a{2}){501}", "invalid repeat count"),
        ("(?=a)", "invalid or unsupported Perl syntax"),
        ("(?<!a)", "invalid or unsupported Perl syntax"),
        ("(?x)a", "invalid or unsupported Perl syntax"),
        ("(?P<1 a>b)", "invalid named capture"),
        (r"\Z", "invalid escape sequence"),
        (r"\1", "invalid escape sequence"),
        (r"\u0041", "invalid escape sequence"),
        (r"a\", "trailing backslash at end of expression"),
        (r"\pX", "invalid character class range"),
        (r"\p{Alphabetic}", "invalid character class range"),
        ("[[:word2:]]", "invalid character class range"),
        (r"\x{110000}", "invalid escape sequence"),
    ] {
        assert_eq!(Pattern::new(pattern).map_err(|refused| refused.reason).err(), Some(reason), "{pattern}");
    }
}

#[test]
fn what_it_matches() {
    for (pattern, text, found) in [
        (r"^\d$", "٣", false),
        (r"^\w$", "é", false),
        (r"^\s$", "\u{b}", false),
        ("^.$", "é", true),
        ("(?i)^k$", "\u{212a}", true),
        (r"^\pL$", "é", true),
        ("[a&&b]", "&", true),
        ("a{,3}", "a{,3}", true),
        ("a{,3}", "aa", false),
        (r"\Qa.b\E", "axb", false),
        (r"\bé", "é", false),
        ("^a$", "a\n", false),
        ("(?m)^a$", "b\na", true),
    ] {
        assert_eq!(Pattern::new(pattern).unwrap().is_match(text), found, "{pattern} in {text:?}");
    }
}

#[test]
fn a_refusal_is_remembered_like_a_pattern() {
    for _ in 0..2 {
        assert_eq!(
            cached("(").unwrap_err().to_string(),
            "`(` is not a regular expression (RE2): missing closing )"
        );
        assert!(cached("a").unwrap().is_match("a"));
    }
}
