//! `docs/image-signatures.md` lists classes and bounds as the code has them.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use gatewright_signatures::bounds::{
    ANSWER, ANSWER_BYTES, AUDIT_AGE, BUNDLE_BYTES, CA_CHARACTERS, CANDIDATES, CHECK, CHECK_BYTES,
    CHECK_REQUESTS, CHECKS, CHECKS_PER_HOST, CIRCUIT, CONNECT, DOCKER_CONFIG_CHARACTERS, ENTRIES,
    KEY_CHARACTERS, KEYS, LIST_ITEMS, MANIFEST_BYTES, OUTCOME_AGE, PARAMETERS_BYTES, PAYLOAD_BYTES, QUEUE,
    REDIRECTS, REFERENCE_CHARACTERS, REFERRERS_PAGES, REGISTRY_REQUEST, RETRY_AFTER, SILENCE, TAG_AGE,
    TOKEN_AGE, TOKEN_BYTES, VERIFIED_AGE,
};
use gatewright_signatures::class::TABLE;

/// The text between the marks of a part that is made from the code.
fn part(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/image-signatures.md");
    let text = std::fs::read_to_string(path).unwrap();
    let (_, rest) = text.split_once(&format!("<!-- {name} -->\n")).unwrap();
    rest.split_once("<!-- end -->").unwrap().0.to_owned()
}

fn size(bytes: usize) -> String {
    if bytes.is_multiple_of(1 << 20) {
        format!("{} MiB", bytes >> 20)
    } else {
        format!("{} KiB", bytes >> 10)
    }
}

fn time(duration: Duration) -> String {
    match duration.as_secs() {
        0 => format!("{} ms", duration.as_millis()),
        seconds if seconds.is_multiple_of(3600) => format!("{} h", seconds / 3600),
        seconds if seconds > 60 && seconds.is_multiple_of(60) => format!("{} min", seconds / 60),
        seconds => format!("{seconds} s"),
    }
}

/// What a number is written with thousands.
fn number(number: usize) -> String {
    if number < 1000 { number.to_string() } else { format!("{},{:03}", number / 1000, number % 1000) }
}

#[test]
fn the_classes_are_those_of_the_code() {
    let mut expected = "| class | means | the message says | what to do |\n|---|---|---|---|\n".to_owned();
    for row in &TABLE {
        let words = if row.words.is_empty() { "–" } else { row.words };
        writeln!(expected, "| `{}` | {} | {words} | {} |", row.name, row.means, row.remedy).unwrap();
    }
    assert_eq!(part("classes"), expected);
}

#[test]
fn the_bounds_are_those_of_the_code() {
    let rows = [
        ("Entries of a policy; keys of an entry", format!("{ENTRIES}; {KEYS}")),
        (
            "A reference; a text of keys; `ca`; `dockerCfg`",
            [REFERENCE_CHARACTERS, KEY_CHARACTERS, CA_CHARACTERS, DOCKER_CONFIG_CHARACTERS]
                .map(number)
                .join("; ")
                + " characters",
        ),
        ("All public parameters of a policy", size(PARAMETERS_BYTES)),
        ("An answer to Gatekeeper", format!("{}, {}", time(ANSWER), size(ANSWER_BYTES))),
        (
            "Connecting; silence; one request to a registry; one check",
            [CONNECT, SILENCE, REGISTRY_REQUEST, CHECK].map(time).join("; "),
        ),
        ("Requests and bytes of one check", format!("{CHECK_REQUESTS}; {}", size(CHECK_BYTES))),
        (
            "A manifest, index or page of referrers; a bundle; a payload; a token",
            [MANIFEST_BYTES, BUNDLE_BYTES, PAYLOAD_BYTES, TOKEN_BYTES].map(size).join("; "),
        ),
        (
            "Signatures that are judged; layers or manifests of a list; pages of referrers; redirects",
            [CANDIDATES, LIST_ITEMS, REFERRERS_PAGES, REDIRECTS].map(number).join("; "),
        ),
        ("Checks at once; of one registry host; that wait", format!("{CHECKS}; {CHECKS_PER_HOST}; {QUEUE}")),
        (
            "A silent host is not asked again; the longest `Retry-After`; a token is kept",
            [CIRCUIT, RETRY_AFTER, TOKEN_AGE].map(time).join("; "),
        ),
        (
            "Kept: a verified digest; any other outcome; the digest of a tag; both for audit",
            [VERIFIED_AGE, OUTCOME_AGE, TAG_AGE, AUDIT_AGE].map(time).join("; "),
        ),
    ];
    let mut expected = "| what | at most |\n|---|---|\n".to_owned();
    for (what, most) in rows {
        writeln!(expected, "| {what} | {most} |").unwrap();
    }
    assert_eq!(part("bounds"), expected);
}
