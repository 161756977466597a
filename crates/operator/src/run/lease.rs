//! Who leads: a Lease that one replica holds at a time.
//!
//! No wall clock decides anything. A replica takes over when it has seen the same record for as long as the record's
//! holder was promised, by its own clock; the holder stops writing well before, counted from the start of the last
//! request that renewed the record. Every write of the Lease names the version that it was computed from.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use k8s_openapi::jiff::Timestamp;
use kube::Api;
use kube::api::PostParams;
use tracing::{info, warn};

use crate::Error;
use crate::error::request_within;
use crate::names::{FIELD_MANAGER, LEASE as NAME};
use crate::run::leadership::Leadership;

#[cfg(test)]
mod tests;

/// A promised time outside of this was not written by a replica of ours.
const LONGEST_TERM: u64 = 600;

/// How long leaving may hold up the end of the process.
const FAREWELL: Duration = Duration::from_secs(3);

/// The times of the election.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Term(pub(crate) Duration);

impl Term {
    /// How long the holder writes after a renewal. The rest is for what is still on its way.
    fn deadline(self) -> Duration {
        self.0 * 2 / 3
    }

    /// The pause between two renewals, and between two looks of those that wait.
    fn pause(self) -> Duration {
        (self.0 / 8).min(Duration::from_secs(1))
    }

    /// How long one request may take: a connection that has died must not use up the whole time.
    fn patience(self) -> Duration {
        (self.deadline() / 2).max(Duration::from_secs(1))
    }

    fn seconds(self) -> i32 {
        i32::try_from(self.0.as_secs().max(1)).unwrap_or(i32::MAX)
    }
}

/// One replica in the election.
pub(crate) struct Candidate {
    pub(crate) leases: Api<Lease>,
    pub(crate) identity: String,
    pub(crate) term: Term,
    pub(crate) leadership: Leadership,
    seen: Option<Seen>,
    held: Option<Lease>,
}

/// A record, and since when by our own clock it has not changed.
struct Seen {
    spec: LeaseSpec,
    since: Duration,
}

/// Whether the record may be taken.
enum Standing {
    /// Another replica holds it.
    Held(String),
    /// It is ours now.
    Taken,
}

impl Candidate {
    pub(crate) fn new(leases: Api<Lease>, identity: String, term: Term, leadership: Leadership) -> Self {
        Self { leases, identity, term, leadership, seen: None, held: None }
    }

    /// Waits for the lease, keeps it, and returns when it is lost.
    pub(crate) async fn lead(&mut self) {
        self.campaign().await;
        info!(identity = self.identity, "leading");
        self.keep().await;
        self.leadership.end();
    }

    /// Gives the lease back, so that another replica need not wait for its end. The permission to write ends first.
    pub(crate) async fn leave(&mut self) {
        self.leadership.end();
        let Some(mut lease) = self.held.take() else { return };
        let farewell = async {
            while let Err(error) = self.put(vacant(lease.clone())).await {
                // A renewal that was cut off may have arrived all the same.
                lease = match self.get().await? {
                    Some(found) if error.is_stale() && holder(&found) == Some(&self.identity) => found,
                    _ => return Err(error),
                };
            }
            Ok(())
        };
        match tokio::time::timeout(FAREWELL, farewell).await {
            Ok(Ok(())) => info!("gave the lease back"),
            Ok(Err(error)) => warn!(%error, "could not give the lease back"),
            Err(_) => warn!("could not give the lease back in time"),
        }
    }

    async fn campaign(&mut self) {
        let mut said = String::new();
        loop {
            let (say, trouble) = match self.attempt().await {
                Ok(Standing::Taken) => {
                    self.leadership.set_trouble(None);
                    return;
                }
                Ok(Standing::Held(holder)) => (format!("standing by: {holder} leads"), None),
                Err(error) => (error.to_string(), Some(error.to_string())),
            };
            if say != said {
                if let Some(error) = &trouble {
                    warn!(error, "cannot tell who leads; trying again");
                } else {
                    info!("{say}");
                }
                said = say;
            }
            self.leadership.set_trouble(trouble);
            tokio::time::sleep(self.term.pause()).await;
        }
    }

    /// Takes the lease if it is free.
    async fn attempt(&mut self) -> Result<Standing, Error> {
        let found = self.get().await?;
        // Our own record is one that we wrote without hearing of it.
        let holder = found.as_ref().and_then(|lease| self.holder(lease));
        if let Some(holder) = holder.filter(|holder| *holder != self.identity) {
            return Ok(Standing::Held(holder));
        }
        let started = self.leadership.now();
        match self.put(self.claimed(found)).await {
            Ok(lease) => {
                self.hold(lease, started);
                Ok(Standing::Taken)
            }
            Err(error) if error.is_stale() => Ok(Standing::Held("another replica".to_owned())),
            Err(error) => Err(error),
        }
    }

    /// Who holds the lease, if it has not run out.
    fn holder(&mut self, lease: &Lease) -> Option<String> {
        let now = self.leadership.now();
        let spec = lease.spec.clone().unwrap_or_default();
        let holder = holder(lease)?.to_owned();
        let promised = spec.lease_duration_seconds.and_then(|seconds| u64::try_from(seconds).ok());
        let promised = promised.filter(|seconds| (1..=LONGEST_TERM).contains(seconds));
        let promised = promised.map_or(self.term.0, Duration::from_secs);
        let since = match &self.seen {
            Some(seen) if seen.spec == spec => seen.since,
            _ => {
                self.seen = Some(Seen { spec, since: now });
                now
            }
        };
        (now < since + promised).then_some(holder)
    }

    /// Renews the lease until that no longer succeeds in time, or another replica has it.
    async fn keep(&mut self) {
        let mut said = false;
        while self.leadership.may_write() {
            tokio::time::sleep(self.term.pause().min(self.leadership.remaining())).await;
            if !self.leadership.may_write() {
                break;
            }
            match tokio::time::timeout(self.leadership.remaining(), self.renew()).await {
                Ok(Ok(true)) => {
                    self.leadership.set_trouble(None);
                    said = false;
                }
                Ok(Ok(false)) => {
                    warn!("another replica has taken the lease");
                    return;
                }
                Ok(Err(error)) => {
                    self.leadership.set_trouble(Some(error.to_string()));
                    if !std::mem::replace(&mut said, true) {
                        warn!(%error, "could not renew the lease; trying again");
                    }
                }
                Err(_) => {}
            }
        }
        warn!("could not renew the lease in time");
    }

    /// Whether the lease is still ours. An error leaves that open.
    async fn renew(&mut self) -> Result<bool, Error> {
        let started = self.leadership.now();
        let held = self.held.clone();
        match self.put(renewed(held.unwrap_or_default())).await {
            Ok(lease) => self.hold(lease, started),
            Err(error) if error.is_stale() || error.is_not_found() => match self.get().await? {
                Some(found) if holder(&found).is_some_and(|holder| *holder != self.identity) => {
                    return Ok(false);
                }
                // Edited, emptied or deleted by hand, or renewed without our hearing of it.
                found => {
                    let started = self.leadership.now();
                    let lease = self.put(self.claimed(found)).await?;
                    self.hold(lease, started);
                }
            },
            Err(error) => return Err(error),
        }
        Ok(true)
    }

    fn hold(&mut self, lease: Lease, started: Duration) {
        self.held = Some(lease);
        self.leadership.extend(started + self.term.deadline());
    }

    async fn get(&self) -> Result<Option<Lease>, Error> {
        let get = self.leases.get_opt(NAME);
        request_within(self.term.patience(), format!("reading the Lease {NAME}"), get).await
    }

    /// Creates the lease, or replaces the version that was read.
    async fn put(&self, lease: Lease) -> Result<Lease, Error> {
        let parameters =
            PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
        let doing = format!("writing the Lease {NAME}");
        let patience = self.term.patience();
        if lease.metadata.resource_version.is_none() {
            request_within(patience, doing, self.leases.create(&parameters, &lease)).await
        } else {
            request_within(patience, doing, self.leases.replace(NAME, &parameters, &lease)).await
        }
    }

    /// The record of this replica, in place of what is there.
    fn claimed(&self, found: Option<Lease>) -> Lease {
        let found = found.unwrap_or_default();
        let before = found.spec.unwrap_or_default();
        let changes_hands = before.holder_identity.as_ref() != Some(&self.identity);
        let transitions = before.lease_transitions.unwrap_or_default() + i32::from(changes_hands);
        let now = MicroTime(Timestamp::now());
        let name = Some(NAME.to_owned());
        Lease {
            metadata: ObjectMeta { name, managed_fields: None, ..found.metadata },
            spec: Some(LeaseSpec {
                holder_identity: Some(self.identity.clone()),
                lease_duration_seconds: Some(self.term.seconds()),
                acquire_time: Some(now.clone()),
                renew_time: Some(now),
                lease_transitions: Some(transitions),
                ..before
            }),
        }
    }
}

fn holder(lease: &Lease) -> Option<&String> {
    let holder = lease.spec.as_ref().and_then(|spec| spec.holder_identity.as_ref());
    holder.filter(|holder| !holder.is_empty())
}

/// The times in a record are for people; nobody decides by them.
fn renewed(mut lease: Lease) -> Lease {
    lease.spec.get_or_insert_default().renew_time = Some(MicroTime(Timestamp::now()));
    lease
}

fn vacant(lease: Lease) -> Lease {
    let mut lease = renewed(lease);
    lease.spec.get_or_insert_default().holder_identity = Some(String::new());
    lease
}
