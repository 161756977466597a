//! Tokens of registries: asked for at the realm that the registry names, and kept for a while.

use std::time::Duration;

use gatewright_signatures::docker_config::Credentials as Login;
use http::{HeaderValue, Method, StatusCode};
use moka::future::Cache;
use reqwest::Url;
use serde::Deserialize;
use tokio::time::Instant;
use zeroize::Zeroizing;

use super::credentials::basic;
use super::failure::Failure;
use super::http::{Sender, headers, host_of};
use super::settings::Site;
use crate::bounds;

/// How long a token is valid whose realm does not say it.
const UNSAID_AGE: u64 = 60;
/// A token is not used in its last seconds.
const MARGIN: u64 = 5;

/// For whom a token was given out, for what, and whom the realm was trusted by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct TokenKey {
    pub(crate) site: (String, String),
    pub(crate) credentials: String,
    pub(crate) authority: String,
}

#[derive(Clone, Debug)]
struct Token {
    header: HeaderValue,
    until: Instant,
}

/// The tokens that are still valid.
#[derive(Clone, Debug)]
pub(crate) struct Tokens(Cache<TokenKey, Token>);

impl Tokens {
    pub(crate) fn new() -> Self {
        Self(Cache::builder().max_capacity(bounds::TOKENS).time_to_live(bounds::TOKEN_AGE).build())
    }

    pub(crate) async fn get(&self, key: &TokenKey) -> Option<HeaderValue> {
        let token = self.0.get(key).await?;
        (token.until > Instant::now()).then_some(token.header)
    }

    async fn keep(&self, key: TokenKey, header: HeaderValue, age: Duration) {
        self.0.insert(key, Token { header, until: Instant::now() + age.min(bounds::TOKEN_AGE) }).await;
    }
}

#[derive(Deserialize)]
struct TokenAnswer {
    token: Option<Zeroizing<String>>,
    access_token: Option<Zeroizing<String>>,
    expires_in: Option<u64>,
}

impl Sender<'_> {
    /// Asks the realm for a token to pull from the site.
    ///
    /// # Errors
    /// The realm may not have the credentials, refuses, or gives no answer.
    pub(crate) async fn token(
        &self,
        key: TokenKey,
        site: &Site,
        (realm, service): (&str, Option<&str>),
        login: Option<&Login>,
    ) -> Result<HeaderValue, Failure> {
        let denied = |why: String| Failure::Denied { host: site.host.clone(), why };
        let url = self.realm(realm, service, site, login.is_some()).map_err(denied)?;
        let authorization = match login {
            Some(login) => Some(basic(login).ok_or_else(|| denied("the password cannot be sent".into()))?),
            None => None,
        };
        let asked = self.hop(&Method::GET, url, headers("application/json", authorization)).await;
        let answer = asked?;
        if answer.status() != StatusCode::OK {
            let code = answer.status().as_u16();
            return Err(denied(format!("{} gives no token ({code})", host_of(&answer.url))));
        }
        let body = self.read(answer, bounds::TOKEN_BYTES, "64 KiB for a token's answer").await?;
        let unreadable = || denied("the answer of its realm cannot be read".to_owned());
        let answer: TokenAnswer = serde_json::from_slice(&body).map_err(|_| unreadable())?;
        let token = answer.token.or(answer.access_token).filter(|token| !token.is_empty());
        let text = Zeroizing::new(format!("Bearer {}", *token.ok_or_else(unreadable)?));
        let mut header = HeaderValue::from_str(&text).map_err(|_| unreadable())?;
        header.set_sensitive(true);
        let age = answer.expires_in.unwrap_or(UNSAID_AGE).saturating_sub(MARGIN);
        self.registry.tokens.keep(key, header.clone(), Duration::from_secs(age)).await;
        Ok(header)
    }

    /// The realm's URL, if it may be asked.
    fn realm(
        &self,
        realm: &str,
        service: Option<&str>,
        site: &Site,
        with_login: bool,
    ) -> Result<Url, String> {
        let mut url = Url::parse(realm).map_err(|_| "its realm is no URL".to_owned())?;
        let host = host_of(&url);
        if !url.username().is_empty() || url.password().is_some() {
            return Err("its realm has a user name".to_owned());
        }
        if with_login && !self.registry.settings.may_have_credentials(&site.host, &host) {
            return Err(format!(
                "it wants the credentials sent to {host}; signatures.registries[].tokenHosts can list that host"
            ));
        }
        let scope = format!("repository:{}:pull", site.repository);
        let others: Vec<_> = url
            .query_pairs()
            .into_owned()
            .filter(|(name, _)| name != "scope" && (service.is_none() || name != "service"))
            .collect();
        url.query_pairs_mut().clear().extend_pairs(others).append_pair("scope", &scope);
        if let Some(service) = service {
            url.query_pairs_mut().append_pair("service", service);
        }
        Ok(url)
    }
}
