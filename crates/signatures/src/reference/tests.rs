use std::sync::LazyLock;

use proptest::prelude::*;
use regex::Regex;

use super::*;
use crate::entry::Covers;

const HEX: &str = "0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a";

fn covers(reference: &str, image: &str) -> bool {
    Reference::parse(reference).unwrap().covers(&Image::parse(image).unwrap())
}

#[test]
fn images_have_a_normal_form() {
    for (image, expected) in [
        ("nginx", "docker.io/library/nginx:latest".to_owned()),
        ("nginx:1.17.2", "docker.io/library/nginx:1.17.2".to_owned()),
        ("docker.io/nginx", "docker.io/library/nginx:latest".to_owned()),
        ("Docker.IO:443/nginx", "docker.io/library/nginx:latest".to_owned()),
        ("index.docker.io/team/app:V1", "docker.io/team/app:V1".to_owned()),
        ("registry-1.docker.io/app", "docker.io/library/app:latest".to_owned()),
        ("team/app", "docker.io/team/app:latest".to_owned()),
        ("R.io:443/a/b", "r.io/a/b:latest".to_owned()),
        ("r.io:5000/a", "r.io:5000/a:latest".to_owned()),
        ("localhost/a", "localhost/a:latest".to_owned()),
        ("LOCALHOST:443/a", "localhost/a:latest".to_owned()),
        ("[2001:DB8::1]:5000/a", "[2001:db8::1]:5000/a:latest".to_owned()),
        ("[::1]/a", "[::1]/a:latest".to_owned()),
        ("my_registry.example.com/a", "my_registry.example.com/a:latest".to_owned()),
        ("registry:443/a", "registry:443/a:latest".to_owned()),
        ("Foo/bar", "foo:443/bar:latest".to_owned()),
        (&format!("nginx:1@sha256:{HEX}"), format!("docker.io/library/nginx@sha256:{HEX}")),
        (&format!("r.io/a@sha512:{HEX}{HEX}"), format!("r.io/a@sha512:{HEX}{HEX}")),
        ("r.io/a__b/c--d.e:_x", "r.io/a__b/c--d.e:_x".to_owned()),
    ] {
        let read = Image::parse(image).unwrap();
        assert_eq!(read.to_string(), expected, "{image}");
        assert_eq!(Image::parse(&expected), Ok(read), "{image}");
    }
}

#[test]
fn what_is_no_name_of_an_image() {
    let long = format!("r.io/{}", "a".repeat(256));
    let digest = format!("nginx@sha256:{}", HEX.to_uppercase());
    for (image, expected) in [
        ("", InvalidName::Path),
        ("Nginx", InvalidName::Path),
        ("r.io/App", InvalidName::Path),
        ("r.io/", InvalidName::Path),
        ("r.io/a//b", InvalidName::Path),
        ("r.io/a..b", InvalidName::Path),
        ("r.io/a___b", InvalidName::Path),
        (" nginx", InvalidName::Path),
        ("nginx\n", InvalidName::Path),
        ("https://r.io/a", InvalidName::Host),
        ("r.io:x/a", InvalidName::Host),
        ("r.io:0443/a", InvalidName::Host),
        ("r.io:05000/a", InvalidName::Host),
        ("r.io:0/a", InvalidName::Host),
        ("r.io:65536/a", InvalidName::Host),
        ("localhost:05000/a", InvalidName::Host),
        ("my_registry:5000/a", InvalidName::Host),
        ("My_registry/a", InvalidName::Host),
        ("-r.io/a", InvalidName::Host),
        ("[zz::1]/a", InvalidName::Host),
        ("nginx:", InvalidName::Tag),
        ("nginx:.1", InvalidName::Tag),
        (&format!("nginx:{}", "1".repeat(129)), InvalidName::Tag),
        (&format!("nginx@{HEX}"), InvalidName::Digest),
        ("nginx@sha256:0a", InvalidName::Digest),
        (&format!("nginx@sha256:{HEX}@sha256:{HEX}"), InvalidName::Digest),
        (HEX, InvalidName::Id),
        (&format!("sha256:{HEX}"), InvalidName::Id),
        ("sha256:0a", InvalidName::Id),
        (&digest, InvalidName::Digest),
        (&long, InvalidName::TooLong),
    ] {
        assert_eq!(Image::parse(image), Err(expected), "{image}");
    }
}

#[test]
fn references_cover_what_they_say() {
    let digest = format!("@sha256:{HEX}");
    let other = format!("@sha256:{}", "0b".repeat(32));
    let sha512 = format!("r.io/app@sha512:{HEX}{HEX}");
    let at = |name: &str, digest: &str| format!("{name}{digest}");
    for (reference, image, expected) in [
        ("*", "nginx", true),
        ("*", &sha512, true),
        ("nginx", "nginx", true),
        ("nginx", "docker.io/nginx:1", true),
        ("nginx", "index.docker.io/library/nginx:1", true),
        ("nginx", &at("nginx", &digest), true),
        ("nginx", "team/nginx", false),
        ("nginx", "nginx2", false),
        ("r.io/app", "R.IO:443/app:1", true),
        ("r.io/app", &sha512, true),
        ("r.io/app", "r.io:5000/app", false),
        ("r.io/app", "r.io/app/more", false),
        ("r.io/app:1", "r.io/app:1", true),
        ("r.io/app:1", "r.io/app:2", false),
        ("r.io/app:1", "r.io/app", false),
        ("r.io/app:latest", "r.io/app", true),
        ("r.io/app:1", &at("r.io/app", &digest), true),
        ("r.io/app:1", &at("r.io/app:2", &digest), true),
        ("r.io/app:1", &sha512, true),
        ("r.io/app:1", &at("r.io/other", &digest), false),
        (&at("r.io/app", &digest), &at("r.io/app:7", &digest), true),
        (&at("r.io/app", &digest), &at("r.io/app", &other), false),
        (&at("r.io/app:7", &digest), &at("r.io/app", &digest), true),
        (&at("r.io/app", &digest), "r.io/app:7", false),
        (&at("r.io/app", &digest), &sha512, false),
        ("myrepo/*", "docker.io/myrepo/app:1", true),
        ("myrepo/*", "myrepo/deep/app", true),
        ("myrepo/*", "myrepo2/app", false),
        ("myrepo/*", "r.io/myrepo/app", false),
        ("reg:5000/team/app*", "reg:5000/team/app:1", true),
        ("reg:5000/team/app*", "reg:5000/team/app-b/c", true),
        ("reg:5000/team/app*", "reg:5000/team/ap", false),
        ("reg/app:1.*", "docker.io/reg/app:1.2", true),
        ("reg/app:1.*", "reg/app:2.1", false),
        ("reg/app:1.*", &at("reg/app:2.1", &digest), true),
        ("reg/app:*", "reg/app", true),
        ("docker.io/x*", "xa", true),
        ("docker.io/x*", "xa/b", true),
        ("docker.io/x*", "library/xa", true),
        ("docker.io/x*", "team/xa", false),
        ("docker.io/team/x*", "team/xa", true),
        ("docker.io/*", "nginx", true),
        ("docker.io/*", "r.io/nginx", false),
        ("R.IO:443/*", "r.io/a/b", true),
        ("registry:443/*", "registry:443/a", true),
        ("registry:443/*", "registry/a", false),
        ("[::1]:5000/*", "[::1]:5000/a", true),
    ] {
        assert_eq!(covers(reference, image), expected, "{reference} {image}");
    }
}

#[test]
fn references_that_cover_nothing_say_what_to_write() {
    let path = InvalidName::Path.to_string();
    let host = InvalidName::Host.to_string();
    let slash = "a * before the first slash does not say whether it continues a host or a name";
    let begun = "a digest is given whole, not by its beginning";
    for (reference, expected) in [
        ("nginx*", format!("{slash}: write docker.io/library/nginx*")),
        ("Nginx*", format!("{slash}: write docker.io/library/nginx*")),
        ("r.io*", format!("{slash}: write r.io/*")),
        ("localhost*", format!("{slash}: write localhost/*")),
        ("localhost:5000*", format!("{slash}: write localhost:5000/*")),
        ("app:50*", format!("{slash}: write docker.io/library/app:50* or app:50/*")),
        ("app:1.*", format!("{slash}: write docker.io/library/app:1.*")),
        ("r.io/App*", format!("{path}: write r.io/app*")),
        ("r.io/App", format!("{path}: write r.io/app")),
        ("Team/app", "namespaces have no capital letters: write team/app".to_owned()),
        ("Team/*", "namespaces have no capital letters: write team/*".to_owned()),
        ("r.io/a@sha256:a*", format!("{begun}: write r.io/a")),
        ("r.io/a@*", format!("{begun}: write r.io/a")),
        ("https://r.io/team/*", format!("{host}: write r.io/team/*")),
        ("r.io/", format!("{path}: write r.io/*")),
        ("/team/app", format!("{path}: write team/app")),
        ("r.io//team/app", format!("{path}: write r.io/team/app")),
        ("r.io/app:", format!("{}: write r.io/app", InvalidName::Tag)),
        ("r.io/-app*", format!("{path}, so no image can match it")),
        ("r.io/a*b", "a * stands only at the end, so no image can match it".to_owned()),
        ("**", "a * stands only at the end, so no image can match it".to_owned()),
        ("r..io/app", format!("{host}, so no image can match it")),
        (&format!("r.io/a@sha512:{HEX}{HEX}"), format!("{}, so no image can match it", InvalidName::Digest)),
        (
            &format!("r.io/a@sha256:{}", HEX.to_uppercase()),
            format!("{}: write r.io/a@sha256:{HEX}", InvalidName::Digest),
        ),
    ] {
        assert_eq!(Reference::parse(reference).unwrap_err().to_string(), expected, "{reference}");
    }
}

#[test]
fn references_have_a_normal_form() {
    for (reference, expected) in [
        ("*", "*"),
        ("nginx", "docker.io/library/nginx"),
        ("nginx:1", "docker.io/library/nginx:1"),
        ("myrepo/*", "docker.io/myrepo/*"),
        ("index.docker.io/x*", "docker.io/x*"),
        ("R.io:443/Team/app:V*", "r.io/team/app:V*"),
        ("registry:443/app", "registry:443/app"),
    ] {
        let lower = reference.replace("Team", "team");
        assert_eq!(Reference::parse(&lower).unwrap().to_string(), expected, "{reference}");
    }
}

/// Fragments of names, so that generated texts are often names.
fn name_text() -> impl Strategy<Value = String> {
    let fragment = prop::sample::select(vec![
        "nginx",
        "a",
        "b",
        "library",
        "docker.io",
        "index.docker.io",
        "registry-1.docker.io",
        "r.io",
        "R.io",
        "localhost",
        "LOCALHOST",
        "reg",
        "Reg",
        "[::1]",
        "[2001:DB8::1]",
        ":5000",
        ":443",
        ":1",
        ":latest",
        "/",
        "/",
        "/",
        ".",
        "_",
        "__",
        "-",
        ":",
        "@",
        "@sha256:",
        HEX,
        "@sha512:",
        "*",
        "\n",
        "|",
        "é",
        "x",
    ]);
    prop_oneof![
        prop::collection::vec(fragment, 0..7).prop_map(|parts| parts.concat()),
        (host(), path(), version()).prop_map(|(host, path, version)| format!("{host}{path}{version}")),
        "\\PC{0,20}",
    ]
}

fn host() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "",
        "",
        "docker.io/",
        "index.docker.io/",
        "Docker.io:443/",
        "r.io/",
        "R.io:443/",
        "reg:443/",
        "reg:5000/",
        "localhost/",
        "[::1]:443/",
        "Reg/",
        "library/",
        "my_reg.io/",
        "My_reg/",
        "My_Reg.io:443/",
    ])
    .prop_map(str::to_owned)
}

fn path() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["a", "x", "xa", "x/a", "library/x", "a/b/c", "a_b", "A"])
        .prop_map(str::to_owned)
}

fn version() -> impl Strategy<Value = String> {
    let digest = format!("@sha256:{HEX}");
    let both = format!(":1{digest}");
    let other = format!("@sha512:{HEX}{HEX}");
    prop::sample::select(vec![String::new(), ":1".into(), ":1.2".into(), ":443".into(), digest, both, other])
}

fn reference_text() -> impl Strategy<Value = String> {
    let star = prop::sample::select(vec!["", "*", "/*", ":*", ":1*"]);
    prop_oneof![
        name_text(),
        (host(), path(), star.clone()).prop_map(|(host, path, star)| format!("{host}{path}{star}")),
        (host(), star).prop_map(|(host, star)| format!("{}{star}", host.trim_end_matches('/'))),
    ]
}

/// What the template asks about, as its contract says: every image that is not plain, and of the plain ones those whose
/// name is in `repositories` or begins as one of `prefixes`. Written apart from the code that it is compared with.
fn template_asks(covers: &Covers, image: &str) -> bool {
    let Some(name) = plain_name(image) else { return true };
    let name = full_name(&name);
    covers.repositories.contains(&name)
        || covers.prefixes.iter().any(|prefix| name.starts_with(prefix.as_str()))
}

/// The name before tag and digest, if the image is plain: Docker's grammar in lower case, with a sha256 digest if any,
/// without the port 443.
fn plain_name(image: &str) -> Option<String> {
    const PLAIN: &str = concat!(
        r"^((?:(?:[a-z0-9]|[a-z0-9][a-z0-9-]*[a-z0-9])(?:\.(?:[a-z0-9]|[a-z0-9][a-z0-9-]*[a-z0-9]))*|\[[a-f0-9:]+\])",
        r"(?::[0-9]+)?/)?([a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*)",
        r"(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?:@sha256:[0-9a-f]{64})?$",
    );
    static REGEX: LazyLock<Regex> = LazyLock::new(|| Regex::new(PLAIN).unwrap());
    let found = REGEX.captures(image)?;
    let host = found.get(1).map_or("", |host| host.as_str());
    (!host.ends_with(":443/")).then(|| format!("{host}{}", &found[2]))
}

/// `image.full_name` of the templates, with all names of Docker Hub.
fn full_name(name: &str) -> String {
    let segments: Vec<_> = name.split('/').collect();
    let is_domain = segments.len() > 1
        && (segments[0].contains(['.', ':'])
            || segments[0] == "localhost"
            || segments[0].to_lowercase() != segments[0]);
    let hub = ["docker.io", "index.docker.io", "registry-1.docker.io"].contains(&segments[0]);
    match &segments[..] {
        _ if is_domain && !hub => name.to_owned(),
        [_, app] if is_domain => format!("docker.io/library/{app}"),
        [_, rest @ ..] if is_domain => format!("docker.io/{}", rest.join("/")),
        [app] => format!("docker.io/library/{app}"),
        _ => format!("docker.io/{name}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5_000))]

    #[test]
    fn images_normalise_once(text in name_text()) {
        if let Ok(image) = Image::parse(&text) {
            prop_assert_eq!(Image::parse(&image.to_string()), Ok(image));
        }
    }

    #[test]
    fn references_normalise_once(text in reference_text()) {
        match Reference::parse(&text) {
            Ok(reference) => {
                let normal = reference.to_string();
                let again = Reference::parse(&normal);
                prop_assert_eq!(again, Ok(reference), "{} {}", text, normal);
            }
            Err(invalid) => for meant in invalid.meant {
                prop_assert!(Reference::parse(&meant).is_ok(), "{text}: {meant}");
            }
        }
    }

    /// Runtimes ignore a tag beside a digest.
    #[test]
    fn a_tag_beside_a_digest_never_decides(reference in reference_text(), name in (host(), path()), tag in "[a-z0-9]{1,4}") {
        let name = name.0 + &name.1;
        let plain = Image::parse(&format!("{name}@sha256:{HEX}"));
        let tagged = Image::parse(&format!("{name}:{tag}@sha256:{HEX}"));
        prop_assert_eq!(&plain, &tagged);
        if let (Ok(reference), Ok(image)) = (Reference::parse(&reference), plain) {
            let by_tag = Reference::parse(&format!("{name}:{tag}"));
            prop_assert!(by_tag.is_err() || by_tag.unwrap().covers(&image));
            // Whatever tag a reference names, it covers the digests of its repository.
            if let Reference::Tag(repository, _) | Reference::TagPrefix(repository, _) = &reference {
                prop_assert_eq!(reference.covers(&image), *repository == image.repository);
            }
        }
    }

    /// What the template does not ask about is not covered.
    #[test]
    fn what_is_not_asked_about_is_not_covered(
        references in prop::collection::vec(reference_text(), 1..4), text in name_text()
    ) {
        let references: Vec<_> = references.iter().filter_map(|text| Reference::parse(text).ok()).collect();
        let covers = Covers::of(&references);
        if let Ok(image) = Image::parse(&text)
            && !template_asks(&covers, &text)
        {
            for reference in references {
                prop_assert!(!reference.covers(&image), "{reference} covers {text}, which is not asked about");
            }
        }
    }
}
