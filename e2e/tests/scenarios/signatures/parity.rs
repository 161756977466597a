//! What the template does not ask about, no entry covers: names of images through Gatekeeper's own OPA and through Rust.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use gatewright_e2e::generate::{Random, cases};
use gatewright_e2e::signatures::answers;
use gatewright_signatures::{Class, Image, Reference};
use proptest::prelude::{Strategy, prop_oneof};
use proptest::{collection, sample};

use super::{HEX, Stage, UNAVAILABLE, outcome, signed};

/// Images of one Pod: below the limit of the template.
const AT_ONCE: usize = 60;

/// References of all forms.
const REFERENCES: [&str; 8] = [
    "nginx",
    "docker.io/x*",
    "myrepo/*",
    "r.io/a/*",
    "r.io:5000/b:1*",
    "Reg.Example.com:443/c@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
    "localhost/d:2",
    "[::1]:5000/e*",
];

const HOSTS: [&str; 22] = [
    "",
    "",
    "",
    "docker.io/",
    "Docker.io:443/",
    "index.docker.io/",
    "registry-1.docker.io/",
    "r.io/",
    "R.IO/",
    "r.io:443/",
    "r.io:0443/",
    "r.io:5000/",
    "r.io:05000/",
    "reg.example.com/",
    "REG.example.com:443/",
    "localhost/",
    "LOCALHOST/",
    "[::1]:5000/",
    "[0::1]:5000/",
    "a.r.io/",
    "r.io./",
    "127.0.0.1:5000/",
];

const PATHS: [&str; 22] = [
    "nginx",
    "library/nginx",
    "library/x",
    "x",
    "xa",
    "x/a",
    "myrepo/app",
    "myrepo",
    "a/b",
    "a/b/c",
    "a",
    "b",
    "c",
    "d",
    "e",
    "e1/f",
    "A/b",
    "a__b",
    "a___b",
    "a--b",
    "a..b",
    "a/",
];

const VERSIONS: [&str; 12] =
    ["", "", ":1", ":1.2", ":2", ":443", ":", "@", "@sha256:", ":1@sha256:0", "@sha512:00", "@md5:0"];

/// Names that some reference covers, or nearly.
const NEAR: [&str; 12] = [
    "nginx",
    "docker.io/nginx",
    "index.docker.io/library/nginx",
    "library/xa",
    "docker.io/xa",
    "myrepo/app",
    "r.io/a/b",
    "r.io:443/a/b",
    "r.io:5000/b",
    "reg.example.com/c",
    "localhost/d",
    "r.io/ab/c",
];

fn images() -> impl Strategy<Value = String> {
    let digest = format!("@sha256:{HEX}");
    let versions: Vec<_> =
        VERSIONS.iter().map(|it| (*it).to_owned()).chain([digest.clone(), format!(":9{digest}")]).collect();
    let fragments = [
        "a",
        "x",
        "nginx",
        "docker.io",
        "r.io",
        "library",
        "/",
        "/",
        "/",
        ":",
        "@",
        "sha256:",
        HEX,
        ".",
        "_",
        "__",
        "-",
        "|",
        "\n",
        "é",
        "K",
        "443",
        ":443/",
        "[",
        "]",
        "%2f",
        "\u{202e}",
        "\u{0}",
        " ",
    ];
    let (hosts, paths) = (sample::select(HOSTS.to_vec()), sample::select(PATHS.to_vec()));
    let near = (sample::select(NEAR.to_vec()), sample::select(versions.clone()));
    prop_oneof![
        3 => near.prop_map(|(name, version)| format!("{name}{version}")),
        6 => (hosts, paths, sample::select(versions)).prop_map(|(host, path, version)| format!("{host}{path}{version}")),
        2 => collection::vec(sample::select(fragments.to_vec()), 1..8).prop_map(|parts| parts.concat()),
        1 => (100usize..3_000).prop_map(|length| format!("r.io/a/{}", "b".repeat(length))),
        1 => "\\PC{1,20}",
    ]
}

/// Characters that JSON leaves as they are and Go takes for unprintable: OPA hands them on in a form that Gatekeeper cannot
/// read. With each how a message shows it.
const UNREADABLE: [(char, &str); 2] = [('\u{7f}', r"\x7f"), ('\u{1e5e2}', r"\U0001e5e2")];

/// Nothing in such a Pod passes, and nobody is asked.
async fn unreadable(stage: &Stage<'_>) -> Result<()> {
    stage.provider.script(|asked| answers(asked, |_| outcome(Class::Verified)));
    for (character, shown) in UNREADABLE {
        stage.provider.calls();
        let answer = stage.tries(&[&format!("r.io/a/{character}"), "r.io/a/verified:1"]).await?;
        for shown in [format!("\"r.io/a/{shown}\""), "r.io/a/verified:1".to_owned()] {
            answer.refuses(&format!("{shown}: {UNAVAILABLE}"))?;
        }
        ensure!(stage.provider.calls().is_empty(), "{character:?}");
    }
    Ok(())
}

pub(super) async fn run(stage: &Stage<'_>) -> Result<()> {
    stage.cluster.enforces_signatures(&signed("signed", &REFERENCES), &stage.settings).await?;
    unreadable(stage).await?;
    // Refusals are never cached, so every name that is asked about is seen.
    stage.provider.script(|asked| answers(asked, |_| outcome(Class::Unsigned)));
    let mut random = Random::from_env()?;
    // What the API server itself does not take, and what is tested apart.
    let fits = |image: &String| {
        !image.is_empty() && image.trim() == image && image.chars().all(|c| c <= '\u{ffff}' && c != '\u{7f}')
    };
    let names: BTreeSet<_> = random.values(&images(), cases(720)?)?.into_iter().filter(fits).collect();
    let references = REFERENCES.iter().map(|it| Reference::parse(it)).collect::<Result<Vec<_>, _>>()?;
    let covers =
        |name: &str| Image::parse(name).is_ok_and(|image| references.iter().any(|it| it.covers(&image)));
    let (mut asked, mut covered) = (0, 0);
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    for some in names.chunks(AT_ONCE) {
        stage.provider.calls();
        let answer = stage.tries(some).await?;
        let found: BTreeSet<_> = stage.provider.images().into_iter().collect();
        ensure!(answer.is_yes() == found.is_empty() && [201, 403].contains(&answer.code), "{answer:?}");
        for name in some {
            let is_asked = found.contains(*name);
            ensure!(
                is_asked || !covers(name),
                "seed {}: {name:?} is covered, and the template does not ask about it",
                random.seed
            );
            asked += usize::from(is_asked);
            covered += usize::from(covers(name));
        }
    }
    println!("seed {}: {} names, {asked} asked about, {covered} covered", random.seed, names.len());
    // Agreement says little where everything is asked about, or nothing is covered.
    ensure!(names.len() - asked > names.len() / 20 && covered > names.len() / 20, "too few of each");
    Ok(())
}
