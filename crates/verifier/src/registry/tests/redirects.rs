use rstest::rstest;

use super::{Asked, Failure};
use crate::registry::Registry;
use crate::testing::{TestRegistry, answer};

#[tokio::test]
async fn a_redirect_gets_none_of_our_headers() {
    let asked = Asked::new().await.logged_in();
    asked.server.hook(|seen| match (seen.path.as_str(), seen.headers.contains_key("authorization")) {
        ("/v2/team/app/manifests/1", false) => Some(answer(401, &[("www-authenticate", "Basic")], "")),
        ("/v2/team/app/manifests/1", true) => Some(answer(307, &[("location", "/storage")], "")),
        _ => Some(answer(200, &[], "here")),
    });
    assert_eq!(asked.manifest("1").await.unwrap().bytes, b"here");
    let last = asked.server.seen.lock().unwrap().last().cloned().unwrap();
    assert_eq!(last.path, "/storage");
    assert!(!last.headers.contains_key("authorization"));
    assert_eq!(last.headers["accept"], "*/*");
}

#[rstest]
#[case("http://169.254.169.254/latest/meta-data", "without TLS")]
#[case("https://169.254.169.254/latest/meta-data", "169.254.169.254")]
#[case("https://[::1]/", "::1")]
#[case("https://[::ffff:10.0.0.1]/", "::ffff:10.0.0.1")]
#[case("https://10.0.0.1/", "10.0.0.1")]
#[case("https://0x0a000001/", "10.0.0.1")]
#[case("https://localhost/", "signatures.allowedNetworks")]
#[case("http://127.0.0.1:1/", "without TLS")]
#[case("http://example.invalid/", "without TLS")]
#[case("ftp://example.invalid/", "without TLS")]
#[case("file:///etc/passwd", "without TLS")]
#[case("//user:pw@127.0.0.1/x", "with a user name")]
#[case("http://[", "redirects nowhere")]
#[tokio::test]
async fn cve_2026_4789_a_redirect_leads_nowhere_special(
    #[case] location: &'static str,
    #[case] expected: &str,
) {
    let mut asked = Asked::new().await;
    let mut settings = asked.server.settings();
    settings.allowed_networks = vec!["127.0.0.1/32".parse().unwrap()];
    if location.contains("localhost") {
        settings.allowed_networks = vec!["127.0.0.0/30".parse().unwrap()];
    }
    asked.registry = Registry::new(settings);
    asked.server.hook(move |_| Some(answer(302, &[("location", location)], "")));
    if location.contains("localhost") {
        // The name has allowed addresses here, so nobody listens there instead.
        assert!(asked.manifest("1").await.is_err());
        return;
    }
    let Err(Failure::Unreachable { why, .. }) = asked.manifest("1").await else { panic!("followed") };
    assert!(why.contains(expected), "{why}");
    assert_eq!(asked.server.paths().len(), 1);
}

#[tokio::test]
async fn a_foreign_host_gets_no_private_address_and_a_named_one_does() {
    // A loopback address that no network allows stands for every refused one: the second server is not reached.
    let asked = Asked::new().await;
    let other = TestRegistry::start().await;
    let location = format!("http://{}/x", other.host());
    asked.server.hook(move |_| Some(answer(302, &[("location", location.as_str())], "")));
    let Err(Failure::Unreachable { why, .. }) = asked.manifest("1").await else { panic!("followed") };
    assert!(why.contains("insecure"), "{why}");
    assert!(other.paths().is_empty());
}

#[tokio::test]
async fn there_are_three_redirects_at_most() {
    let asked = Asked::new().await;
    asked.server.hook(|seen| {
        let index = seen.path.rsplit_once('/').and_then(|(_, last)| last.parse::<u32>().ok()).unwrap_or(0);
        let location = format!("/hop/{}", index + 1);
        Some(answer(302, &[("location", location.as_str())], ""))
    });
    let Err(Failure::Unreachable { why, .. }) = asked.manifest("x").await else { panic!("followed") };
    assert_eq!(why, "it redirects more than 3 times");
    assert_eq!(asked.server.paths().len(), 4);
}
