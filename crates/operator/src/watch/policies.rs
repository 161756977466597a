//! The caches of the policies, one for each kind.

use std::fmt;
use std::sync::Arc;

use gatewright_api::{Guarded, OperationPolicy, PolicyKind, SecurityPolicy, with_policy_type};
use gatewright_compiler::{Compile, Settings, compile};
use gatewright_gatekeeper::Route;

use crate::watch::cache::{Cache, Entry};

/// A policy kind that is watched.
pub(crate) trait Watched: Compile {
    fn cache(policies: &Policies) -> &Cache<Guarded<Self>>;
}

macro_rules! watched {
    ($($kind:ident: $cache:ident),+ $(,)?) => {
        /// The policies of all kinds.
        #[derive(Clone)]
        pub(crate) struct Policies {
            $($cache: Cache<Guarded<$kind>>,)+
        }

        impl Policies {
            /// Nothing is known yet.
            pub(crate) fn new() -> Self {
                Self { $($cache: Cache::new()),+ }
            }
        }

        $(impl Watched for $kind {
            fn cache(policies: &Policies) -> &Cache<Guarded<Self>> {
                &policies.$cache
            }
        })+
    };
}

watched! {
    SecurityPolicy: security,
    OperationPolicy: operation,
}

impl Policies {
    /// The names of all policies of a kind.
    pub(crate) fn names(&self, kind: PolicyKind) -> Vec<String> {
        with_policy_type!(kind, P => P::cache(self).names())
    }

    /// Whether all policies of a kind are known.
    pub(crate) fn is_complete(&self, kind: PolicyKind) -> bool {
        with_policy_type!(kind, P => P::cache(self).is_complete())
    }

    /// The policies of all kinds.
    pub(crate) fn all(&self) -> Vec<Arc<dyn AnyPolicy>> {
        let of = |kind: &PolicyKind| with_policy_type!(*kind, P => erased(P::cache(self).values()));
        PolicyKind::ALL.iter().flat_map(of).collect()
    }
}

fn erased<P: Compile>(policies: Vec<Arc<Guarded<P>>>) -> Vec<Arc<dyn AnyPolicy>> {
    policies.into_iter().map(|policy| policy as Arc<dyn AnyPolicy>).collect()
}

/// A policy of whatever kind.
pub(crate) trait AnyPolicy: fmt::Debug + Send + Sync {
    /// The requests that Gatekeeper must be asked about for it; none if it does not compile.
    fn routes(&self, settings: &Settings) -> Vec<Route>;
}

impl<P: Compile> AnyPolicy for Guarded<P> {
    fn routes(&self, settings: &Settings) -> Vec<Route> {
        let compiled = self.parsed.as_ref().ok().and_then(|policy| compile(&**policy, settings).ok());
        let Some(compiled) = compiled else { return vec![] };
        let signatures = compiled.signatures.filter(|_| settings.signatures.is_enabled());
        compiled.routes.into_iter().chain(signatures.into_iter().flat_map(|it| it.routes)).collect()
    }
}

impl<P: Compile> Entry for Guarded<P> {
    fn same(&self, other: &Self) -> bool {
        let (a, b) = (&self.metadata, &other.metadata);
        // What was read before the API server knew of a field may parse, and not after.
        (&a.uid, a.generation, &self.status) == (&b.uid, b.generation, &other.status)
            && self.parsed.is_ok() == other.parsed.is_ok()
    }
}
