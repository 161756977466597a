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
    for (pattern, reason, part) in [
        ("(", "missing closing )", "("),
        (")", "unexpected )", ")"),
        ("[a", "missing closing ]", "[a"),
        ("[z-a]", "invalid character class range", "z-a"),
        ("*", "missing argument to repetition operator", "*"),
        ("a**", "invalid nested repetition operator", "**"),
        ("a{2}{3}", "invalid nested repetition operator", "{2}{3}"),
        ("x{1001}", "invalid repeat count", "{1001}"),
        ("x{3,2}", "invalid repeat count", "{3,2}"),
        ("(?:a{2}){501}", "invalid repeat count", "{501}"),
        ("(?=a)", "invalid or unsupported Perl syntax", "(?="),
        ("(?<!a)", "invalid or unsupported Perl syntax", "(?<"),
        ("(?x)a", "invalid or unsupported Perl syntax", "(?x"),
        ("(?P<1 a>b)", "invalid named capture", "(?P<1 a>"),
        (r"\Z", "invalid escape sequence", r"\Z"),
        (r"\1", "invalid escape sequence", r"\1"),
        (r"\u0041", "invalid escape sequence", r"\u"),
        (r"a\", "trailing backslash at end of expression", ""),
        (r"\pX", "invalid character class range", r"\pX"),
        (r"\p{Alphabetic}", "invalid character class range", r"\p{Alphabetic}"),
        ("[[:word2:]]", "invalid character class range", "[:word2:]"),
        (r"\x{110000}", "invalid escape sequence", r"\x{110000}"),
        ("a+?*", "invalid nested repetition operator", "+?*"),
        ("é[é-a]", "invalid character class range", "é-a"),
        ("(?P<n", "invalid named capture", "(?P<n"),
        ("(?i", "missing closing )", "(?i"),
        ("ab(c", "missing closing )", "ab(c"),
        ("ab)c", "unexpected )", "ab)c"),
        (r"[\u]", "invalid escape sequence", r"\u"),
        (r"\xZZ", "invalid escape sequence", r"\xZZ"),
    ] {
        let refused = Pattern::new(pattern).unwrap_err();
        assert_eq!((refused.reason, refused.part.as_str()), (reason, part), "{pattern}");
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
