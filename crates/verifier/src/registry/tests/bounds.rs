use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rstest::rstest;

use super::{Asked, Failure};
use crate::bounds;
use crate::testing::{TestRegistry, answer};
use gatewright_signatures::Digest;

/// What may be on its way when a body is given up: the buffers of both ends, which the kernel makes as large as 10 MB.
const ON_ITS_WAY: u64 = 32 << 20;

#[tokio::test]
async fn cve_2024_29902_an_endless_body_is_given_up_at_its_bound() {
    let asked = Asked::new().await;
    let sent = asked.server.sent.clone();
    let counted = sent.clone();
    asked.server.hook(move |_| Some(TestRegistry::endless(&counted)));
    assert_eq!(asked.manifest("1").await, Err(Failure::Limit("4 MiB for a manifest")));
    let manifest = bounds::MANIFEST_BYTES;
    assert!(asked.budget.bytes() < manifest + (1 << 20), "{}", asked.budget.bytes());
    assert!(sent.load(Ordering::Relaxed) < manifest as u64 + ON_ITS_WAY);
}

#[tokio::test]
async fn an_announced_size_is_believed_only_if_it_is_too_large() {
    let asked = Asked::new().await;
    let sent = asked.server.sent.clone();
    asked.server.hook(move |_| {
        let mut response = TestRegistry::endless(&sent);
        response.headers_mut().insert("content-length", "99999999999".parse().unwrap());
        Some(response)
    });
    assert_eq!(asked.manifest("1").await, Err(Failure::Limit("4 MiB for a manifest")));
    assert_eq!(asked.budget.bytes(), 0);
}

#[tokio::test]
async fn one_check_reads_32_mib_and_sends_250_requests() {
    let asked = Asked::new().await;
    let body = vec![b'x'; bounds::MANIFEST_BYTES];
    asked.server.hook(move |_| Some(answer(200, &[], body.clone())));
    let mut read = 0;
    let failure = loop {
        match asked.manifest("1").await {
            Ok(_) => read += 1,
            Err(failure) => break failure,
        }
    };
    assert_eq!((read, failure), (8, Failure::Limit("32 MiB for one check")));

    let asked = Asked::new().await;
    for _ in 0..250 {
        assert_eq!(asked.manifest("1").await, Err(Failure::NotFound));
    }
    assert_eq!(asked.manifest("1").await, Err(Failure::Limit("250 requests for one check")));
    assert_eq!((asked.server.paths().len(), asked.budget.requests()), (250, 250));
}

#[tokio::test]
async fn a_silent_registry_is_given_up_and_then_left_alone() {
    let asked = Asked::new().await;
    asked.server.hook(|_| Some(TestRegistry::dripping(Duration::from_mins(1))));
    let begun = Instant::now();
    let Err(Failure::Unreachable { why, .. }) = asked.manifest("1").await else { panic!("answered") };
    assert_eq!(why, "no answer in time");
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    let begun = Instant::now();
    assert!(matches!(asked.manifest("1").await, Err(Failure::Unreachable { .. })));
    assert!(begun.elapsed() < Duration::from_millis(100));
    assert_eq!((asked.server.paths().len(), asked.registry.hosts().down()), (1, 1));
    assert!(asked.registry.hosts().was_slow(&asked.server.host()));
}

#[tokio::test]
async fn a_dripping_body_has_ten_seconds() {
    let asked = Asked::new().await;
    asked.server.hook(|_| Some(TestRegistry::dripping(Duration::from_millis(500))));
    let begun = Instant::now();
    assert!(matches!(asked.manifest("1").await, Err(Failure::Unreachable { .. })));
    assert!(begun.elapsed() < Duration::from_secs(12), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_registry_where_nobody_listens_is_left_alone() {
    let mut asked = Asked::new().await;
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    asked.site.host = free.to_string();
    let mut settings = asked.server.settings();
    settings.registries[0].host = free.to_string();
    asked.registry = crate::registry::Registry::new(settings);
    let Err(Failure::Unreachable { why, .. }) = asked.manifest("1").await else { panic!("answered") };
    assert_eq!(why, "it cannot be connected to");
    assert_eq!(asked.registry.hosts().down(), 1);
}

#[tokio::test]
async fn a_wish_to_slow_down_is_kept_and_not_asked_again() {
    let asked = Asked::new().await;
    asked.server.hook(|_| Some(answer(429, &[("retry-after", "3600")], "")));
    let limited = |wait| Failure::RateLimited { host: asked.server.host(), wait };
    assert_eq!(asked.manifest("1").await, Err(limited(bounds::RETRY_AFTER)));
    assert!(matches!(asked.manifest("1").await, Err(Failure::RateLimited { .. })));
    assert_eq!(asked.server.paths().len(), 1);
    assert_eq!(asked.registry.hosts().down(), 0);
}

#[rstest]
#[case(500, Failure::Unreachable { host: String::new(), why: "its answer is 500".into() })]
#[case(503, Failure::Unreachable { host: String::new(), why: "its answer is 503".into() })]
#[case(418, Failure::Unreachable { host: String::new(), why: "its answer is 418".into() })]
#[case(400, Failure::NotSupported(400))]
#[case(405, Failure::NotSupported(405))]
#[case(406, Failure::NotSupported(406))]
#[case(404, Failure::NotFound)]
#[tokio::test]
async fn every_status_means_something(#[case] status: u16, #[case] mut expected: Failure) {
    let asked = Asked::new().await;
    asked.server.hook(move |_| Some(answer(status, &[], "<b>text of the registry</b>")));
    if let Failure::Unreachable { host, .. } = &mut expected {
        *host = asked.server.host();
    }
    assert_eq!(asked.manifest("1").await, Err(expected));
}

/// GHSA-wfqx-gjrf-g28r, rust-oci-client#206: the digest is that of the bytes, not what the registry says.
#[tokio::test]
async fn ghsa_wfqx_gjrf_g28r_digest_headers_are_not_believed() {
    let asked = Asked::new().await;
    let claimed = Digest::of(b"other").to_string();
    let header = claimed.clone();
    asked.server.hook(move |_| Some(answer(200, &[("docker-content-digest", header.as_str())], "bytes")));
    assert_eq!(asked.manifest("1").await.unwrap().digest, Digest::of(b"bytes"));
    let flipped = Err(Failure::Corrupt("the registry sent a manifest of another digest"));
    assert_eq!(asked.manifest(&claimed).await, flipped);
}

#[tokio::test]
async fn compressed_bodies_are_refused() {
    let asked = Asked::new().await;
    asked.server.hook(|_| Some(answer(200, &[("content-encoding", "gzip")], "x")));
    assert!(matches!(asked.manifest("1").await, Err(Failure::Corrupt(_))));
}

#[tokio::test]
async fn blobs_have_the_size_and_digest_of_their_descriptor() {
    let asked = Asked::new().await;
    let digest = asked.server.blob("team/app", "payload").parse().unwrap();
    for size in [0, 6, 8] {
        let read = asked.blob(&digest, size, 100).await;
        assert!(matches!(read, Err(Failure::Corrupt(_))), "{size}: {read:?}");
    }
    assert_eq!(asked.blob(&digest, 101, 100).await, Err(Failure::Limit("so many bytes")));
    assert_eq!(asked.blob(&digest, u64::MAX, 100).await, Err(Failure::Limit("so many bytes")));
    let other = Digest::of(b"PAYLOAD");
    asked.server.store(&format!("/v2/team/app/blobs/{other}"), "x", "payload");
    assert!(matches!(asked.blob(&other, 7, 100).await, Err(Failure::Corrupt(_))));
}

#[rstest]
#[case("</v2/team/app/referrers/d>; rel=\"next\"", Failure::Limit("5 pages of referrers"), 5)]
#[case(
    "<https://other.example/v2/>; rel=\"next\"",
    Failure::Corrupt("the next page of referrers is on another host"),
    1
)]
#[case(
    "<//127.0.0.1:1/>; rel=\"next\"",
    Failure::Corrupt("the next page of referrers is on another host"),
    1
)]
#[tokio::test]
async fn pages_end_and_stay_where_they_are(
    #[case] link: &'static str,
    #[case] expected: Failure,
    #[case] requests: usize,
) {
    let asked = Asked::new().await;
    asked.server.hook(move |_| Some(answer(200, &[("link", link)], "{}")));
    assert_eq!(asked.session().referrers(&Digest::of(b"image"), |_| Ok(true)).await, Err(expected));
    assert_eq!(asked.server.paths().len(), requests);
}
