//! What audit found for our constraints, by where it was found.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;

use gatewright_gatekeeper::{AuditedViolation, Namespace};

use crate::watch::observe::Audited;

/// What a report is about.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Place<'a> {
    Namespace(&'a Namespace),
    /// What stands in no namespace.
    Cluster,
}

impl Place<'_> {
    /// The name of the namespace; empty for what stands in none.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Namespace(namespace) => &namespace.name,
            Self::Cluster => "",
        }
    }
}

/// All that audit found.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// In the order of category and name.
    audited: Vec<Audited>,
    /// For each namespace, which violation of which constraint is in it; under the empty name those that are in none.
    places: HashMap<Arc<str>, Vec<(usize, usize)>>,
    /// Which constraints have found more than audit lists.
    truncated: Vec<usize>,
}

impl Findings {
    pub(crate) fn new(mut audited: Vec<Audited>) -> Self {
        audited.sort_by(|a, b| (a.category, &a.policy).cmp(&(b.category, &b.policy)));
        let mut places = HashMap::<Arc<str>, Vec<(usize, usize)>>::new();
        for (i, one) in audited.iter().enumerate() {
            for (j, violation) in one.audit.listed.iter().enumerate() {
                places.entry(Arc::clone(&violation.namespace)).or_default().push((i, j));
            }
        }
        let truncated = (0..audited.len()).filter(|i| audited[*i].hidden.is_some()).collect();
        Self { audited, places, truncated }
    }

    /// The violations that are known in a place: first those that are refused, then those that are warned of.
    pub(crate) fn violations(&self, place: Place<'_>) -> Vec<(&Audited, &AuditedViolation)> {
        let found = self.places.get(place.name()).map(Vec::as_slice).unwrap_or_default();
        let mut violations: Vec<_> =
            found.iter().map(|(i, j)| (&self.audited[*i], &self.audited[*i].audit.listed[*j])).collect();
        violations.sort_by_key(|(audited, _)| Reverse(audited.action));
        violations
    }

    /// The constraints that may have found more in a place than audit lists.
    pub(crate) fn truncated(&self, place: Place<'_>) -> Vec<&Audited> {
        let reaches = |audited: &&Audited| {
            audited.hidden.as_ref().is_some_and(|matcher| match place {
                Place::Namespace(namespace) => matcher.reaches(namespace),
                Place::Cluster => matcher.reaches_beyond_namespaces(),
            })
        };
        self.truncated.iter().map(|i| &self.audited[*i]).filter(reaches).collect()
    }

    /// How many constraints have found more than audit lists.
    pub(crate) fn count_truncated(&self) -> usize {
        self.truncated.len()
    }
}
