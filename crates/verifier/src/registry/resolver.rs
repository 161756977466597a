//! Names become addresses here, and what is refused here is never connected to: the addresses that this returns are the
//! ones that are dialled, so a name that changes its addresses in between gains nothing.

use std::sync::Arc;

use ipnet::IpNet;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::time::timeout;

use super::address::{HostKind, RefusedAddress, judge_address};
use crate::bounds;

/// Resolves names by the system, and drops what the rules of addresses refuse.
#[derive(Clone, Debug)]
pub(crate) struct GuardedResolver {
    pub(crate) kind: HostKind,
    /// No rule at all where this is none: the command line connects as its user.
    pub(crate) allowed: Option<Arc<[IpNet]>>,
}

impl GuardedResolver {
    /// Judges a host that is an address already: nobody asks a resolver for those.
    ///
    /// # Errors
    /// The address is refused.
    pub(crate) fn judge_literal(&self, host: &str) -> Result<(), RefusedAddress> {
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        match (bare.parse(), &self.allowed) {
            (Ok(address), Some(allowed)) => judge_address(address, self.kind, allowed),
            _ => Ok(()),
        }
    }
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let Self { kind, allowed } = self.clone();
        Box::pin(async move {
            let found = timeout(bounds::CONNECT, tokio::net::lookup_host((name.as_str(), 0))).await??;
            let found: Vec<_> = found.collect();
            let Some(allowed) = allowed else { return Ok(Box::new(found.into_iter()) as Addrs) };
            let (mut fine, mut refused) = (vec![], None);
            for address in found {
                match judge_address(address.ip(), kind, &allowed) {
                    Ok(()) => fine.push(address),
                    Err(error) => refused = Some(error),
                }
            }
            match refused {
                Some(refused) if fine.is_empty() => Err(refused.into()),
                _ => Ok(Box::new(fine.into_iter()) as Addrs),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use reqwest::dns::Resolve as _;

    use super::{GuardedResolver, HostKind, RefusedAddress};

    fn guarded(allowed: Option<&[&str]>) -> GuardedResolver {
        let allowed = allowed.map(|all| all.iter().map(|one| one.parse().unwrap()).collect::<Arc<[_]>>());
        GuardedResolver { kind: HostKind::Named, allowed }
    }

    #[tokio::test]
    async fn a_name_of_loopback_is_refused_unless_allowed() {
        let name = || "localhost".parse().unwrap();
        let Err(error) = guarded(Some(&[])).resolve(name()).await else { panic!("resolved") };
        assert!(error.downcast_ref::<RefusedAddress>().is_some(), "{error}");
        assert!(guarded(Some(&["127.0.0.0/8", "::1/128"])).resolve(name()).await.is_ok());
        assert!(guarded(None).resolve(name()).await.is_ok());
    }

    #[test]
    fn literal_addresses_are_judged_with_and_without_brackets() {
        for host in ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "169.254.169.254"] {
            assert!(guarded(Some(&[])).judge_literal(host).is_err(), "{host}");
            assert!(guarded(None).judge_literal(host).is_ok(), "{host}");
        }
        assert!(guarded(Some(&[])).judge_literal("registry.example").is_ok());
    }
}
