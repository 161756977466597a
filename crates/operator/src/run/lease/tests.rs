use super::{Candidate, Term, holder};
use crate::run::leadership::Leadership;
use http::{Method, Request, Response};
use k8s_openapi::api::coordination::v1::Lease;
use kube::client::Body;
use kube::{Api, Client};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::Instant;
use tower::service_fn;

const TERM: Duration = Duration::from_secs(15);

/// An API server with room for one Lease. The number is that of its writes; so many answers get lost.
#[derive(Clone, Default)]
struct Server(Arc<Mutex<Option<Lease>>>, Arc<AtomicU64>, Arc<AtomicU64>);

impl Server {
    fn lease(&self) -> Option<Lease> {
        self.0.lock().unwrap().clone()
    }

    fn holder(&self) -> Option<String> {
        self.lease().as_ref().and_then(holder).cloned()
    }

    fn writes(&self) -> u64 {
        self.1.load(Ordering::SeqCst)
    }

    fn answer(&self, method: &Method, body: &[u8]) -> (u16, Value) {
        let mut stored = self.0.lock().unwrap();
        let version = stored.as_ref().and_then(|lease| lease.metadata.resource_version.clone());
        if method == Method::GET {
            return stored.as_ref().map_or_else(|| failure(404), |lease| (200, json!(lease)));
        }
        let mut lease: Lease = serde_json::from_slice(body).unwrap();
        match (method == Method::POST, &version) {
            (true, Some(_)) => return failure(409),
            (false, None) => return failure(404),
            (false, Some(_)) if lease.metadata.resource_version != version => return failure(409),
            _ => {}
        }
        let next = self.1.fetch_add(1, Ordering::SeqCst) + 1;
        lease.metadata.resource_version = Some(next.to_string());
        *stored = Some(lease.clone());
        (200, json!(lease))
    }

    /// A replica, and the switch that cuts it off.
    fn candidate(&self, identity: &str) -> (Candidate, Arc<AtomicBool>) {
        let (server, cut) = (self.clone(), Arc::new(AtomicBool::new(false)));
        let is_cut = Arc::clone(&cut);
        let service = service_fn(move |request: Request<Body>| {
            let (server, is_cut) = (server.clone(), Arc::clone(&is_cut));
            async move {
                if is_cut.load(Ordering::SeqCst) {
                    std::future::pending::<()>().await;
                }
                let (parts, body) = request.into_parts();
                let body = body.collect_bytes().await.unwrap();
                let (status, answer) = server.answer(&parts.method, &body);
                let lost = |count: u64| count.checked_sub(1);
                if parts.method != Method::GET
                    && server.2.fetch_update(Ordering::SeqCst, Ordering::SeqCst, lost).is_ok()
                {
                    std::future::pending::<()>().await;
                }
                let response =
                    Response::builder().status(status).body(Body::from(answer.to_string().into_bytes()));
                Ok::<_, std::convert::Infallible>(response.unwrap())
            }
        });
        let leases = Api::namespaced(Client::new(service, "default"), "gatewright-system");
        let start = Instant::now();
        let leadership = Leadership::new(Arc::new(move || start.elapsed()));
        (Candidate::new(leases, identity.to_owned(), Term(TERM), leadership), cut)
    }
}

fn failure(code: u16) -> (u16, Value) {
    let reason = if code == 404 { "NotFound" } else { "Conflict" };
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "message": "no", "reason": reason,
    });
    (code, status)
}

async fn after(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

#[tokio::test(start_paused = true)]
async fn one_leads_and_the_others_stand_by() {
    let server = Server::default();
    let ((mut a, _), (mut b, _)) = (server.candidate("a"), server.candidate("b"));
    let (leads_a, leads_b) = (a.leadership.clone(), b.leadership.clone());
    tokio::spawn(async move { a.lead().await });
    after(1).await;
    tokio::spawn(async move { b.lead().await });
    for _ in 0..100 {
        after(1).await;
        assert!(leads_a.may_write() && !leads_b.may_write());
    }
    assert_eq!(server.holder().as_deref(), Some("a"));
    assert_eq!(server.lease().unwrap().spec.unwrap().lease_transitions, Some(1));
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_is_cut_off_stops_before_another_starts() {
    let server = Server::default();
    let ((mut a, cut), (mut b, _)) = (server.candidate("a"), server.candidate("b"));
    let (leads_a, leads_b) = (a.leadership.clone(), b.leadership.clone());
    let first = tokio::spawn(async move { a.lead().await });
    after(1).await;
    tokio::spawn(async move { b.lead().await });
    after(10).await;
    cut.store(true, Ordering::SeqCst);
    let mut nobody = 0;
    for _ in 0..200 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(!(leads_a.may_write() && leads_b.may_write()), "two leaders");
        nobody += u32::from(!leads_a.may_write() && !leads_b.may_write());
    }
    assert!(first.is_finished() && leads_b.may_write());
    assert!((20..100).contains(&nobody), "{nobody} tenths of a second without a leader");
    assert_eq!(server.holder().as_deref(), Some("b"));
}

/// The process stands still while time moves on: its timers never fire, and then it goes on where it was.
#[tokio::test(start_paused = true)]
async fn a_frozen_leader_may_not_write_when_it_wakes() {
    let server = Server::default();
    let (mut a, _) = server.candidate("a");
    let leads = a.leadership.clone();
    a.campaign().await;
    assert!(leads.may_write());
    after(60).await;
    assert!(!leads.may_write());
    let writes = server.writes();
    a.keep().await;
    assert_eq!(server.writes(), writes, "a frozen leader wrote the lease when it woke");
}

#[tokio::test(start_paused = true)]
async fn leaving_lets_another_lead_at_once() {
    let server = Server::default();
    let ((mut a, _), (mut b, _)) = (server.candidate("a"), server.candidate("b"));
    let (leads_a, leads_b) = (a.leadership.clone(), b.leadership.clone());
    a.campaign().await;
    tokio::spawn(async move { b.lead().await });
    after(5).await;
    // As a renewal that was cut off, but arrived.
    a.put(super::renewed(a.held.clone().unwrap())).await.unwrap();
    a.leave().await;
    assert!(!leads_a.may_write() && server.holder().is_none());
    after(2).await;
    assert!(leads_b.may_write());
}

#[tokio::test(start_paused = true)]
async fn the_wall_clock_of_another_replica_means_nothing() {
    let server = Server::default();
    let ((mut a, _), (mut b, _)) = (server.candidate("a"), server.candidate("b"));
    a.campaign().await;
    for year in ["1970-01-01T00:00:00.000000Z", "2999-01-01T00:00:00.000000Z"] {
        let mut lease = a.held.clone().unwrap();
        lease.spec.as_mut().unwrap().renew_time = Some(serde_json::from_value(json!(year)).unwrap());
        a.held = Some(a.put(lease).await.unwrap());
        assert!(matches!(b.attempt().await, Ok(super::Standing::Held(_))), "{year}");
        after(14).await;
        assert!(matches!(b.attempt().await, Ok(super::Standing::Held(_))), "{year}");
    }
    after(15).await;
    assert!(matches!(b.attempt().await, Ok(super::Standing::Taken)));
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_is_edited_or_deleted_by_hand_is_kept() {
    let server = Server::default();
    let (mut a, _) = server.candidate("a");
    let leads = a.leadership.clone();
    tokio::spawn(async move { a.lead().await });
    after(5).await;
    for edit in [|_: Lease| None, |lease| Some(super::vacant(lease))] {
        let edited = edit(server.lease().unwrap()).map(|mut lease| {
            lease.metadata.resource_version = Some("edited".into());
            lease
        });
        *server.0.lock().unwrap() = edited;
        after(5).await;
        assert!(leads.may_write());
        assert_eq!(server.holder().as_deref(), Some("a"));
    }
}

/// The replica that wrote its name into the Lease without hearing of it does not wait for its own end.
#[tokio::test(start_paused = true)]
async fn a_claim_whose_answer_is_lost_counts() {
    let server = Server::default();
    let (mut a, _) = server.candidate("a");
    let leads = a.leadership.clone();
    server.2.store(1, Ordering::SeqCst);
    tokio::spawn(async move { a.lead().await });
    after(7).await;
    assert!(leads.may_write());
    assert_eq!(server.lease().unwrap().spec.unwrap().lease_transitions, Some(1));
}

#[tokio::test(start_paused = true)]
async fn one_request_without_an_answer_does_not_cost_the_lease() {
    let server = Server::default();
    let (mut a, _) = server.candidate("a");
    let leads = a.leadership.clone();
    let leading = tokio::spawn(async move { a.lead().await });
    after(3).await;
    server.2.store(1, Ordering::SeqCst);
    for _ in 0..300 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(leads.may_write() || server.2.load(Ordering::SeqCst) > 0);
    }
    assert!(!leading.is_finished() && leads.trouble().is_none());
}

/// A machine that slept: its timers have not moved on, but the time since its start has.
#[tokio::test(start_paused = true)]
async fn a_leader_on_a_machine_that_slept_may_not_write() {
    let server = Server::default();
    let (mut a, _) = server.candidate("a");
    let (start, slept) = (Instant::now(), Arc::new(AtomicU64::new(0)));
    let sleep = Arc::clone(&slept);
    let clock = move || start.elapsed() + Duration::from_secs(sleep.load(Ordering::SeqCst));
    a.leadership = Leadership::new(Arc::new(clock));
    a.campaign().await;
    assert!(a.leadership.may_write());
    slept.store(3600, Ordering::SeqCst);
    assert!(!a.leadership.may_write());
    let writes = server.writes();
    a.keep().await;
    assert_eq!(server.writes(), writes);
}
