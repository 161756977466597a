//! A repository at one registry, as one entry asks for it: manifests, blobs, referrers.

use ::http::{HeaderValue, Method, StatusCode, header};
use gatewright_signatures::Digest;
use gatewright_signatures::challenge::Challenge;
use reqwest::Url;

use super::budget::Budget;
use super::clients::authorities_name;
use super::credentials::{Credential, basic};
use super::failure::Failure;
use super::http::{Answer, Bytes, Sender, headers, host_of};
use super::settings::Site;
use super::tokens::TokenKey;
use super::{Access, Registry};
use crate::bounds;

/// Whatever a node would pull.
const MANIFESTS: &str = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, \
    application/vnd.docker.distribution.manifest.v2+json, */*;q=0.1";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const BYTES: &str = "*/*";

/// A manifest as it was received.
#[derive(Debug)]
pub struct Manifest {
    /// The digest of `bytes`, computed here.
    pub digest: Digest,
    /// What was received.
    pub bytes: Bytes,
}

/// Asks one registry for one repository.
#[derive(Debug)]
pub struct Session<'a> {
    sender: Sender<'a>,
    site: &'a Site,
    credential: Credential,
    token: TokenKey,
    base: Url,
}

impl<'a> Session<'a> {
    /// A session with a registry.
    ///
    /// # Errors
    /// The credentials that it should be asked with cannot be used, or its name is no host.
    pub fn new(
        registry: &'a Registry,
        access: &'a Access,
        budget: &'a Budget,
        site: &'a Site,
    ) -> Result<Self, Failure> {
        let credential = access.credentials.of(&site.host, &site.repository);
        if let Credential::Unusable(why) = &credential {
            return Err(Failure::Denied { host: site.host.clone(), why: why.clone() });
        }
        let scheme = if registry.settings.is_insecure(&site.host) { "http" } else { "https" };
        let base = Url::parse(&format!("{scheme}://{}/v2/{}/", site.host, site.repository));
        let base = base.ok().filter(|url| host_of(url) == site.host || scheme == "http");
        let no_host = || Failure::Unreachable { host: site.host.clone(), why: "that is no host".into() };
        let token = TokenKey {
            site: (site.host.clone(), site.repository.clone()),
            credentials: registry.fingerprints.of(&credential),
            authority: authorities_name(&access.authority.as_deref().into_iter().collect::<Vec<_>>()),
        };
        let base = base.ok_or_else(no_host)?;
        Ok(Self { sender: Sender { registry, access, budget }, site, credential, token, base })
    }

    fn url(&self, path: &str) -> Result<Url, Failure> {
        self.base.join(path).map_err(|_| Failure::NotFound)
    }

    /// The manifest of a tag or digest. A digest is the one of what was received, whatever the registry says of it.
    ///
    /// # Errors
    /// `Failure::Corrupt` where the bytes have another digest than the one that was asked for; else as the registry
    /// fails.
    pub async fn manifest(&self, reference: &str) -> Result<Manifest, Failure> {
        let answer = self.ask(&Method::GET, self.url(&format!("manifests/{reference}"))?, MANIFESTS).await?;
        let bytes = self.sender.read(answer, bounds::MANIFEST_BYTES, "4 MiB for a manifest").await?;
        let digest = Digest::of(&bytes);
        if reference.contains(':') && digest.to_string() != reference {
            return Err(Failure::Corrupt("the registry sent a manifest of another digest"));
        }
        Ok(Manifest { digest, bytes })
    }

    /// What the registry says that a tag names now, without the manifest: only to be compared with what is known.
    ///
    /// # Errors
    /// As the registry fails, or where it says nothing that is a digest.
    pub async fn tag(&self, tag: &str) -> Result<Digest, Failure> {
        let answer = self.ask(&Method::HEAD, self.url(&format!("manifests/{tag}"))?, MANIFESTS).await?;
        let name = header::HeaderName::from_static("docker-content-digest");
        let digest = answer.header(name).and_then(|digest| digest.parse().ok());
        digest.ok_or(Failure::Corrupt("the registry does not say the digest of a tag"))
    }

    /// A blob, which must have this digest and, where it is known, this size.
    ///
    /// # Errors
    /// `Failure::Corrupt` where it has not; `Failure::Limit` where it would be larger than `cap`, which `too_large`
    /// names; else as the registry fails.
    pub async fn blob(
        &self,
        digest: &Digest,
        size: u64,
        (cap, too_large): (usize, &'static str),
    ) -> Result<Bytes, Failure> {
        let size = usize::try_from(size).ok().filter(|size| *size <= cap).ok_or(Failure::Limit(too_large))?;
        let answer = self.ask(&Method::GET, self.url(&format!("blobs/{digest}"))?, BYTES).await?;
        // One byte more tells a blob that is larger than it should be from one that is as announced.
        let bytes = match self.sender.read(answer, size, too_large).await {
            Err(Failure::Limit(bound)) if bound == too_large => {
                return Err(Failure::Corrupt("a blob is larger than its descriptor says"));
            }
            other => other?,
        };
        if bytes.len() != size || Digest::of(&bytes) != *digest {
            return Err(Failure::Corrupt("a blob is not the one that its descriptor names"));
        }
        Ok(bytes)
    }

    /// Reads the referrers of a digest, page by page. `page` gets what was received and says whether to go on.
    ///
    /// # Errors
    /// As the registry or `page` fails; `Failure::Limit` where there are more than `bounds::REFERRERS_PAGES`.
    pub async fn referrers(
        &self,
        digest: &Digest,
        mut page: impl FnMut(&[u8]) -> Result<bool, Failure> + Send,
    ) -> Result<(), Failure> {
        let mut url = self.url(&format!("referrers/{digest}"))?;
        for _ in 0..bounds::REFERRERS_PAGES {
            let answer = self.ask(&Method::GET, url.clone(), INDEX).await?;
            let next = next_page(&url, &answer)?;
            let bytes =
                self.sender.read(answer, bounds::MANIFEST_BYTES, "4 MiB for a page of referrers").await?;
            if !page(&bytes)? {
                return Ok(());
            }
            match next {
                Some(next) => url = next,
                None => return Ok(()),
            }
        }
        Err(Failure::Limit("5 pages of referrers"))
    }

    /// Sends a request, with a token or password if the registry wants one, and tells what its status means.
    async fn ask(&self, method: &Method, url: Url, accept: &'static str) -> Result<Answer, Failure> {
        let known = self.sender.registry.tokens.get(&self.token).await;
        let mut answer = self.sender.follow(method, url.clone(), headers(accept, known)).await?;
        if answer.status() == StatusCode::UNAUTHORIZED && host_of(&answer.url) == host_of(&self.base) {
            let authorization = self.authorization(answer).await?;
            answer = self.sender.follow(method, url, headers(accept, Some(authorization))).await?;
        }
        let host = host_of(&answer.url);
        match answer.status() {
            status if status.is_success() => Ok(answer),
            StatusCode::NOT_FOUND => Err(Failure::NotFound),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                Err(Failure::Denied { host, why: self.denied().to_owned() })
            }
            StatusCode::BAD_REQUEST | StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_ACCEPTABLE => {
                Err(Failure::NotSupported(answer.status().as_u16()))
            }
            status => Err(Failure::Unreachable { host, why: format!("its answer is {}", status.as_u16()) }),
        }
    }

    fn denied(&self) -> &'static str {
        match self.credential {
            Credential::Login(_) => "it refuses the user and password; the entry's dockerCfg has others",
            _ => "nothing says who asks; dockerCfg of the entry or --registry-config can",
        }
    }

    /// What answers the challenge of a refusal.
    async fn authorization(&self, answer: Answer) -> Result<HeaderValue, Failure> {
        let all = answer.response.headers().get_all(header::WWW_AUTHENTICATE);
        let challenge = Challenge::choose(all.iter().filter_map(|value| value.to_str().ok()));
        // Its turn at the host is over: the token may be asked for at the same one.
        drop(answer);
        let login = match &self.credential {
            Credential::Login(login) => Some(login),
            Credential::Anonymous | Credential::Unusable(_) => None,
        };
        let denied = || Failure::Denied { host: self.site.host.clone(), why: self.denied().to_owned() };
        match (challenge, login) {
            (Some(Challenge::Bearer { realm, service }), login) => {
                let realm = (realm.as_str(), service.as_deref());
                self.sender.token(self.token.clone(), self.site, realm, login).await
            }
            (Some(Challenge::Basic), Some(login)) => basic(login).ok_or_else(denied),
            (Some(Challenge::Basic) | None, _) => Err(denied()),
        }
    }
}

/// The next page, which must be on the same host.
fn next_page(url: &Url, answer: &Answer) -> Result<Option<Url>, Failure> {
    let links = answer.response.headers().get_all(header::LINK);
    let next =
        links.iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')).find(
            |link| link.split(';').skip(1).any(|part| matches!(part.trim(), r#"rel="next""# | "rel=next")),
        );
    let Some(next) = next else { return Ok(None) };
    let target =
        next.split(';').next().unwrap_or_default().trim().trim_start_matches('<').trim_end_matches('>');
    let target = answer.url.join(target).ok().filter(|target| target.origin() == url.origin());
    target.map(Some).ok_or(Failure::Corrupt("the next page of referrers is on another host"))
}
