//! Whom a registry is asked as.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use gatewright_signatures::docker_config::Credentials as Login;
use http::HeaderValue;
use zeroize::Zeroizing;

/// What is known for a repository of a registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credential {
    /// It is asked as nobody.
    Anonymous,
    /// It is asked as somebody, but only after it said that it wants that.
    Login(Login),
    /// It must not be asked at all: the credentials that it should be asked with are missing or cannot be read. The
    /// text says which setting that is.
    Unusable(String),
}

/// Where credentials are found.
pub trait Credentials: Send + Sync {
    /// Those for a repository at a host, which has its port if that is a special one.
    fn of(&self, host: &str, repository: &str) -> Credential;
}

/// Asks as nobody, everywhere.
#[derive(Clone, Copy, Debug)]
pub struct Nobody;

impl Credentials for Nobody {
    fn of(&self, _: &str, _: &str) -> Credential {
        Credential::Anonymous
    }
}

/// `Basic USER:PASSWORD` as a header, which no log shows.
pub(crate) fn basic(login: &Login) -> Option<HeaderValue> {
    let plain = Zeroizing::new(format!("{}:{}", *login.username, *login.password));
    let encoded = Zeroizing::new(format!("Basic {}", BASE64_STANDARD.encode(plain.as_bytes())));
    let mut value = HeaderValue::from_str(&encoded).ok()?;
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::{Login, basic};

    #[test]
    fn a_login_is_never_shown() {
        let login = Login { username: "canary-u".to_owned().into(), password: "canary-p".to_owned().into() };
        let header = basic(&login).unwrap();
        assert_eq!(header, "Basic Y2FuYXJ5LXU6Y2FuYXJ5LXA=");
        assert!(!format!("{login:?}{header:?}").contains("canary"), "{login:?}");
        assert!(!format!("{header:?}").contains("Y2Fu"));
    }
}
