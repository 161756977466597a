//! The client against registries that behave, and against those that do not.

mod auth;
mod bounds;
mod redirects;
mod tls;

use std::sync::Arc;

use gatewright_signatures::Digest;
use gatewright_signatures::docker_config::Credentials as Login;

use super::{Access, Budget, Credential, Credentials, Failure, Nobody, Registry, Session, Site};
use crate::testing::TestRegistry;

/// A registry, and how it is asked.
struct Asked {
    server: Arc<TestRegistry>,
    registry: Registry,
    access: Access,
    budget: Budget,
    site: Site,
}

#[derive(Debug, PartialEq)]
struct Got {
    digest: Digest,
    bytes: Vec<u8>,
}

fn login() -> Login {
    Login { username: "user".to_owned().into(), password: "canary-password".to_owned().into() }
}

struct Always(Credential);

impl Credentials for Always {
    fn of(&self, _: &str, _: &str) -> Credential {
        self.0.clone()
    }
}

impl Asked {
    async fn new() -> Self {
        let server = TestRegistry::start().await;
        let site = Site { host: server.host(), repository: "team/app".into() };
        let access = Access {
            authority: None,
            named_hosts: Arc::new([server.host()].into()),
            credentials: Arc::new(Nobody),
        };
        let registry = Registry::new(server.settings());
        Self { server, registry, access, budget: Budget::default(), site }
    }

    fn logged_in(mut self) -> Self {
        self.access.credentials = Arc::new(Always(Credential::Login(login())));
        self
    }

    fn session(&self) -> Session<'_> {
        Session::new(&self.registry, &self.access, &self.budget, &self.site).unwrap()
    }

    async fn manifest(&self, reference: &str) -> Result<Got, Failure> {
        let manifest = self.session().manifest(reference).await?;
        Ok(Got { digest: manifest.digest, bytes: manifest.bytes.to_vec() })
    }

    async fn blob(&self, digest: &Digest, size: u64, most: usize) -> Result<Vec<u8>, Failure> {
        let blob = self.session().blob(digest, size, (most, "so many bytes")).await?;
        Ok(blob.to_vec())
    }
}

const INDEX: &str = "application/vnd.oci.image.index.v1+json";

#[tokio::test]
async fn manifests_blobs_and_tags_are_read() {
    let asked = Asked::new().await;
    let digest = asked.server.manifest("team/app", Some("1.0"), INDEX, "{}");
    let blob = asked.server.blob("team/app", "payload");
    assert_eq!(asked.manifest("1.0").await.unwrap().digest.to_string(), digest);
    assert_eq!(asked.manifest(&digest).await.unwrap().bytes, b"{}");
    assert_eq!(asked.session().tag("1.0").await.unwrap().to_string(), digest);
    assert_eq!(asked.blob(&blob.parse().unwrap(), 7, 100).await.unwrap(), b"payload");
    assert_eq!(asked.manifest("2.0").await, Err(Failure::NotFound));
    assert_eq!(asked.server.paths()[2], "HEAD /v2/team/app/manifests/1.0");
    assert_eq!(asked.budget.requests(), 5);
    let seen = asked.server.seen.lock().unwrap().clone();
    assert!(seen.iter().all(|seen| !seen.headers.contains_key("accept-encoding")));
    assert!(seen.iter().all(|seen| !seen.headers.contains_key("authorization")));
}

#[tokio::test]
async fn referrers_are_read_page_by_page_on_their_host() {
    let asked = Asked::new().await;
    asked.server.hook(|seen| {
        let page: u32 = seen.path.split_once("?page=").map_or(0, |(_, page)| page.parse().unwrap());
        let next = format!("</v2/team/app/referrers/x?page={}>; rel=\"next\"", page + 1);
        let link: &[_] = if page < 2 { &[("link", next.as_str())] } else { &[] };
        Some(crate::testing::answer(200, link, format!("{page}")))
    });
    let mut pages = String::new();
    let (session, digest) = (asked.session(), Digest::of(b"image"));
    let read = session.referrers(&digest, |page| {
        pages.push_str(std::str::from_utf8(page).unwrap());
        Ok(true)
    });
    read.await.unwrap();
    assert_eq!(pages, "012");
}

#[tokio::test]
async fn cve_2026_41323_addresses_are_refused_before_anything_is_sent() {
    let mut asked = Asked::new().await;
    let mut settings = asked.server.settings();
    settings.allowed_networks.clear();
    asked.registry = Registry::new(settings);
    let Err(Failure::Unreachable { why, .. }) = asked.manifest("1").await else { panic!("reached") };
    assert!(why.contains("127.0.0.1") && why.contains("signatures.allowedNetworks"), "{why}");
    let port = asked.server.host().split_once(':').unwrap().1.to_owned();
    asked.site.host = format!("localhost:{port}");
    let mut settings = asked.server.settings();
    settings.allowed_networks.clear();
    settings.registries[0].host.clone_from(&asked.site.host);
    asked.registry = Registry::new(settings);
    let Err(Failure::Unreachable { why, .. }) = asked.manifest("1").await else { panic!("reached") };
    assert!(why.contains("signatures.allowedNetworks"), "{why}");
    assert!(asked.server.paths().is_empty());
    assert_eq!(asked.registry.hosts().down(), 0, "another policy's settings must not be harmed");
    asked.registry = Registry::without_rules_of_addresses(asked.registry.settings().clone());
    assert_eq!(asked.manifest("1").await, Err(Failure::NotFound));
}

#[tokio::test]
async fn plain_http_is_spoken_only_where_the_settings_say_it() {
    let mut asked = Asked::new().await;
    let mut settings = asked.server.settings();
    settings.registries[0].insecure = false;
    asked.registry = Registry::new(settings);
    let Err(Failure::Unreachable { why, .. }) = asked.manifest("1").await else { panic!("reached") };
    assert!(
        why.starts_with("TLS fails; ") && why.contains("signatures.registries[].insecure: true"),
        "{why}"
    );
    assert!(asked.server.paths().is_empty());
}

#[tokio::test]
async fn no_host_hides_in_a_name() {
    let mut asked = Asked::new().await;
    for host in ["user@127.0.0.1", "127.1", "127.0.0.1/x", "a b", "0x7f000001", ""] {
        asked.site.host = host.into();
        let session = Session::new(&asked.registry, &asked.access, &asked.budget, &asked.site);
        assert!(matches!(session, Err(Failure::Unreachable { .. })), "{host}");
    }
}
