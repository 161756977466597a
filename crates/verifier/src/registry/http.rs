//! One request to a registry: redirects by hand, a bounded body, and what the answer's status means.

use std::future::Future;
use std::ops::Deref;
use std::pin::pin;
use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use jiff::Timestamp;
use jiff::fmt::rfc2822;
use reqwest::{Response, Url};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout};
use zeroize::Zeroize as _;

use super::address::HostKind;
use super::budget::Budget;
use super::failure::{Failure, Trouble};
use super::{Access, Registry};
use crate::bounds;

/// How long a registry is left alone that asks to slow down and does not say for how long.
const UNSAID_RETRY_AFTER: Duration = Duration::from_secs(5);

/// An answer whose body was not read yet. It keeps its turn at the host.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) response: Response,
    /// Where it came from, after redirects.
    pub(crate) url: Url,
    begun: Instant,
    _turn: Option<OwnedSemaphorePermit>,
}

impl Answer {
    pub(crate) fn status(&self) -> StatusCode {
        self.response.status()
    }

    pub(crate) fn header(&self, name: header::HeaderName) -> Option<&str> {
        self.response.headers().get(name)?.to_str().ok()
    }
}

/// What was received. A large one keeps its turn to be in memory, so that whoever has it must not wait for another.
#[derive(Debug, Default)]
pub struct Bytes {
    bytes: Vec<u8>,
    turn: Option<OwnedSemaphorePermit>,
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Bytes {
    fn drop(&mut self) {
        // It may be a token.
        self.bytes.zeroize();
    }
}

/// The host of a URL with its port, if that is a special one.
pub(crate) fn host_of(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// Sends requests for one entry, at the cost of one check.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sender<'a> {
    pub(crate) registry: &'a Registry,
    pub(crate) access: &'a Access,
    pub(crate) budget: &'a Budget,
}

impl Sender<'_> {
    /// Sends a request, and follows redirects without any of its headers: they are for the registry alone.
    pub(crate) async fn follow(
        &self,
        method: &Method,
        mut url: Url,
        headers: HeaderMap,
    ) -> Result<Answer, Failure> {
        let mut headers = Some(headers);
        for _ in 0..=bounds::REDIRECTS {
            let answer = self.hop(method, url, headers.take().unwrap_or_default()).await?;
            if !answer.status().is_redirection() || answer.status() == StatusCode::NOT_MODIFIED {
                return Ok(answer);
            }
            url = target(&answer)?;
        }
        let host = host_of(&url);
        Err(Failure::Unreachable { host, why: "it redirects more than 3 times".to_owned() })
    }

    /// One request, without redirects.
    pub(crate) async fn hop(&self, method: &Method, url: Url, headers: HeaderMap) -> Result<Answer, Failure> {
        let host = host_of(&url);
        let unreachable = |why: String| Failure::Unreachable { host: host.clone(), why };
        self.registry.allowed_scheme(&url).map_err(|why| unreachable(why.to_owned()))?;
        let client = self.client(&url, &host).await.map_err(|trouble| unreachable(trouble.why))?;
        self.registry.hosts.admit(&host)?;
        self.budget.request()?;
        let turn = self.registry.hosts.request(&host).await;
        let begun = Instant::now();
        let sending = client.request(method.clone(), url.clone()).headers(headers).send();
        let sent = self.noting_slowness(&host, sending).await;
        let response = sent.map_err(|error| self.failed(&host, &error))?;
        let status = response.status();
        if status == StatusCode::TOO_MANY_REQUESTS {
            let wait = retry_after(response.headers()).min(bounds::RETRY_AFTER);
            self.registry.hosts.rate_limited(&host, wait);
            return Err(Failure::RateLimited { host, wait });
        }
        if status.is_server_error() {
            return Err(unreachable(format!("its answer is {}", status.as_u16())));
        }
        Ok(Answer { response, url, begun, _turn: turn })
    }

    async fn client(&self, url: &Url, host: &str) -> Result<reqwest::Client, Trouble> {
        let settings = &self.registry.settings;
        let authorities: Vec<_> =
            self.access.authority.as_deref().into_iter().chain(settings.authority(host)).collect();
        self.registry.clients.of(url, self.kind(host), &authorities).await
    }

    fn kind(&self, host: &str) -> HostKind {
        let is_named = self.access.named_hosts.contains(host) || self.registry.named_hosts.contains(host);
        if is_named { HostKind::Named } else { HostKind::Foreign }
    }

    fn failed(&self, host: &str, error: &reqwest::Error) -> Failure {
        let trouble = Trouble::of(error);
        if trouble.is_silent {
            self.registry.hosts.silent(host, &trouble.why);
        }
        Failure::Unreachable { host: host.to_owned(), why: trouble.why }
    }

    /// Reads a body, which must not be larger than this.
    ///
    /// # Errors
    /// It is larger (`too_large` says which bound that is), is compressed, or breaks off.
    pub(crate) async fn read(
        &self,
        mut answer: Answer,
        cap: usize,
        too_large: &'static str,
    ) -> Result<Bytes, Failure> {
        let encoding = answer.header(header::CONTENT_ENCODING);
        if encoding.is_some_and(|encoding| !encoding.eq_ignore_ascii_case("identity")) {
            return Err(Failure::Corrupt("the registry compressed what nobody asked it to compress"));
        }
        let announced = answer.response.content_length().unwrap_or_default();
        if announced > u64::try_from(cap).unwrap_or(u64::MAX) {
            return Err(Failure::Limit(too_large));
        }
        let host = host_of(&answer.url);
        let mut body = Bytes::default();
        while let Some(chunk) = self
            .noting_slowness(&host, answer.response.chunk())
            .await
            .map_err(|error| self.failed(&host, &error))?
        {
            self.budget.read(chunk.len())?;
            if body.bytes.len() + chunk.len() > cap {
                return Err(Failure::Limit(too_large));
            }
            if body.bytes.len() + chunk.len() > bounds::SMALL_ANSWER && body.turn.is_none() {
                body.turn = self.registry.large.clone().acquire_owned().await.ok();
            }
            body.bytes.extend_from_slice(&chunk);
        }
        self.registry.hosts.answered(&host, answer.begun.elapsed());
        Ok(body)
    }

    /// Waits for a host. As soon as it is slow, that is known to all: nobody else should wait for it.
    async fn noting_slowness<T>(&self, host: &str, answering: impl Future<Output = T>) -> T {
        let mut answering = pin!(answering);
        if let Ok(answer) = timeout(bounds::SLOW_HOST, answering.as_mut()).await {
            return answer;
        }
        self.registry.hosts.slow(host);
        answering.await
    }
}

/// Where an answer redirects to.
fn target(answer: &Answer) -> Result<Url, Failure> {
    let failed = |why: &str| Failure::Unreachable { host: host_of(&answer.url), why: why.to_owned() };
    let location = answer.header(header::LOCATION).ok_or_else(|| failed("it redirects nowhere"))?;
    let url = answer.url.join(location).map_err(|_| failed("it redirects nowhere"))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(failed("it redirects with a user name"));
    }
    Ok(url)
}

fn retry_after(headers: &HeaderMap) -> Duration {
    let value = headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
    value.and_then(wait).unwrap_or(UNSAID_RETRY_AFTER)
}

/// Seconds, or a date.
fn wait(value: &str) -> Option<Duration> {
    if let Ok(seconds) = value.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = rfc2822::DateTimeParser::new().parse_timestamp(value.trim()).ok()?;
    Some(Duration::try_from(until.duration_since(Timestamp::now())).unwrap_or_default())
}

/// Headers of a request.
pub(crate) fn headers(accept: &'static str, authorization: Option<HeaderValue>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
    if let Some(value) = authorization {
        headers.insert(header::AUTHORIZATION, value);
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::wait;

    use std::time::Duration;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        assert_eq!(wait("7"), Some(Duration::from_secs(7)));
        assert_eq!(wait("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::ZERO));
        assert!(wait("Sat, 06 Nov 2094 08:49:37 GMT") > Some(Duration::from_hours(1)));
        assert_eq!(wait("soon"), None);
    }
}
