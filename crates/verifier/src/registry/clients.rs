//! The HTTP clients: one for each set of trusted authorities, class of addresses, and proxy.

use std::fmt;
use std::sync::Arc;

use http::{HeaderValue, Uri};
use hyper_util::client::proxy::matcher::Matcher;
use ipnet::IpNet;
use moka::future::Cache;
use reqwest::{Client, Proxy, Url, redirect};

use super::address::HostKind;
use super::failure::Trouble;
use super::resolver::GuardedResolver;
use super::roots::Roots;
use crate::bounds;
use gatewright_signatures::Digest;

/// All clients.
#[derive(Clone)]
pub(crate) struct Clients {
    roots: Roots,
    allowed: Option<Arc<[IpNet]>>,
    proxies: Arc<Matcher>,
    made: Cache<Key, Client>,
}

impl fmt::Debug for Clients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clients")
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    authorities: String,
    kind: HostKind,
    proxy: Option<(Uri, Option<HeaderValue>)>,
}

/// The added authorities of a request, as a name.
pub(crate) fn authorities_name(authorities: &[&str]) -> String {
    if authorities.is_empty() { String::new() } else { Digest::of(authorities.join("\n").as_bytes()).hex() }
}

impl Clients {
    /// Clients that keep the rules of addresses with these networks allowed; no rules where it is none. `HTTPS_PROXY`,
    /// `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` are respected.
    pub(crate) fn new(roots: Roots, allowed: Option<Arc<[IpNet]>>, proxies: Matcher) -> Self {
        Self { roots, allowed, proxies: Arc::new(proxies), made: Cache::new(bounds::CLIENTS) }
    }

    /// The client for a URL.
    ///
    /// # Errors
    /// The host is an address that is refused, or an authority cannot be read.
    pub(crate) async fn of(
        &self,
        url: &Url,
        kind: HostKind,
        authorities: &[&str],
    ) -> Result<Client, Trouble> {
        let failed = |why: String| Trouble { why, is_silent: false };
        let proxy = url.as_str().parse::<Uri>().ok().and_then(|uri| self.proxies.intercept(&uri));
        let proxy = proxy.map(|proxy| (proxy.uri().clone(), proxy.basic_auth().cloned()));
        let resolver = match &proxy {
            // The proxy is then the only one whom we connect to, and whom an administrator chose.
            Some(_) => GuardedResolver { kind, allowed: None },
            None => GuardedResolver { kind, allowed: self.allowed.clone() },
        };
        resolver
            .judge_literal(url.host_str().unwrap_or_default())
            .map_err(|error| failed(error.to_string()))?;
        let key = Key { authorities: authorities_name(authorities), kind, proxy };
        if let Some(client) = self.made.get(&key).await {
            return Ok(client);
        }
        let client = self.build(&key, resolver, authorities).map_err(|why| failed(why.to_owned()))?;
        self.made.insert(key, client.clone()).await;
        Ok(client)
    }

    fn build(
        &self,
        key: &Key,
        resolver: GuardedResolver,
        authorities: &[&str],
    ) -> Result<Client, &'static str> {
        let tls = self.roots.client_config(authorities.iter().copied());
        let tls = tls.map_err(|_| "the certificate authority cannot be read")?;
        let builder = Client::builder()
            .tls_backend_preconfigured(tls)
            .dns_resolver(resolver)
            .redirect(redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .http1_only()
            .connect_timeout(bounds::CONNECT)
            .read_timeout(bounds::SILENCE)
            .timeout(bounds::REGISTRY_REQUEST)
            .pool_max_idle_per_host(bounds::CONNECTIONS_PER_HOST)
            .user_agent(concat!("gatewright/", env!("CARGO_PKG_VERSION")));
        let builder = match &key.proxy {
            None => builder.no_proxy(),
            Some((uri, authorization)) => {
                let proxy = Proxy::all(uri.to_string()).map_err(|_| "the proxy's URL cannot be read")?;
                builder.proxy(match authorization {
                    Some(value) => proxy.custom_http_auth(value.clone()),
                    None => proxy,
                })
            }
        };
        builder.build().map_err(|_| "the client cannot be set up")
    }
}
