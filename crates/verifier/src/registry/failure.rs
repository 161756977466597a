//! Why a registry gave no answer that could be used.

use std::error::Error as StdError;
use std::io;
use std::time::Duration;

use super::address::RefusedAddress;

/// Why a request to a registry has no usable answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// 404.
    #[error("it is not there")]
    NotFound,
    /// 400, 405 or 406: the registry does not know this kind of request.
    #[error("the registry does not know the request ({0})")]
    NotSupported(u16),
    /// 401, 403, no usable credentials, or a realm that may not have them.
    #[error("{host} denies access{}", because(why))]
    Denied {
        /// The registry, with its port if that is a special one.
        host: String,
        /// What to do about it, if it is known.
        why: String,
    },
    /// 429.
    #[error("{host} asks to slow down")]
    RateLimited {
        /// The registry.
        host: String,
        /// How long, at most `bounds::RETRY_AFTER`.
        wait: Duration,
    },
    /// No connection, no answer in time, 5xx, a refused address or redirect.
    #[error("{host} does not answer{}", because(why))]
    Unreachable {
        /// The registry, or where it redirects to.
        host: String,
        /// What happened, in our words.
        why: String,
    },
    /// A bound was reached.
    #[error("{0}")]
    Limit(&'static str),
    /// The bytes have another digest or size than their name says, or are not what they should be.
    #[error("{0}")]
    Corrupt(&'static str),
}

fn because(why: &str) -> String {
    if why.is_empty() { String::new() } else { format!(": {why}") }
}

/// What went wrong with a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Trouble {
    /// In our words.
    pub(crate) why: String,
    /// Whether the host itself is to blame, as everybody sees it: it does not connect or answer in time. TLS and
    /// addresses depend on who asks.
    pub(crate) is_silent: bool,
}

impl Trouble {
    /// Of an error while connecting, sending or receiving.
    pub(crate) fn of(error: &reqwest::Error) -> Self {
        let told = |why: &str| Self { why: why.to_owned(), is_silent: false };
        if let Some(refused) = find::<RefusedAddress>(error) {
            return told(&refused.to_string());
        }
        if let Some(tls) = find::<rustls::Error>(error) {
            return told(tls_words(tls));
        }
        let why = match (error.is_timeout(), error.is_connect()) {
            (true, _) => "no answer in time",
            (false, true) => "it cannot be connected to",
            (false, false) => "the connection broke",
        };
        Self { why: why.to_owned(), is_silent: error.is_timeout() || error.is_connect() }
    }
}

fn tls_words(error: &rustls::Error) -> &'static str {
    use rustls::CertificateError as Bad;
    match error {
        rustls::Error::InvalidCertificate(Bad::UnknownIssuer) => {
            "its certificate is from an unknown authority; the entry's ca or signatures.registries[].ca can add it"
        }
        rustls::Error::InvalidCertificate(Bad::Expired | Bad::ExpiredContext { .. }) => {
            "its certificate has expired"
        }
        rustls::Error::InvalidCertificate(Bad::NotValidForName | Bad::NotValidForNameContext { .. }) => {
            "its certificate is for another name"
        }
        rustls::Error::InvalidCertificate(Bad::Other(other))
            if other.to_string().contains("CaUsedAsEndEntity") =>
        {
            "its certificate is that of an authority, which no server may have: give it one of its own"
        }
        rustls::Error::InvalidCertificate(_) => "its certificate is not valid",
        _ => {
            "TLS fails; for a registry that speaks plain HTTP, the settings need signatures.registries[].insecure: true"
        }
    }
}

/// The cause of this type, however deep it is.
fn find<'a, T: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<T>() {
            return Some(found);
        }
        // An I/O error shows the cause of what it holds, not what it holds.
        let held = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        if let Some(found) = held.and_then(|held| find::<T>(held)) {
            return Some(found);
        }
        next = error.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{RefusedAddress, find};
    use std::io;

    #[test]
    fn causes_are_found_within_io_errors() {
        let refused = RefusedAddress { address: "127.0.0.1".parse().unwrap(), what: "x" };
        let error = io::Error::other(io::Error::other(refused.clone()));
        assert_eq!(find::<RefusedAddress>(&error), Some(&refused));
        assert!(find::<rustls::Error>(&error).is_none());
    }
}
