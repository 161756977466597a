//! The Lease of an operator.

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::jiff::{SignedDuration, Timestamp};

/// Who holds the Lease: it was renewed less than its duration ago, and not given up.
pub fn holder(lease: &Lease, now: Timestamp) -> Option<&str> {
    let spec = lease.spec.as_ref()?;
    let holder = spec.holder_identity.as_deref().filter(|holder| !holder.is_empty())?;
    let renewed = spec.renew_time.as_ref()?.0;
    let ends = renewed.checked_add(SignedDuration::from_secs(spec.lease_duration_seconds?.into())).ok()?;
    (now < ends).then_some(holder)
}

#[cfg(test)]
mod tests {
    use super::holder;
    use serde_json::json;

    #[test]
    fn a_lease_is_held_until_its_time_is_over() {
        let now = "2026-01-01T00:01:00Z".parse().unwrap();
        for (name, renewed, expected) in [
            (Some("gatewright-0_1"), "2026-01-01T00:00:46.000000Z", Some("gatewright-0_1")),
            (Some("gatewright-0_1"), "2026-01-01T00:00:45.000000Z", None),
            // Given up.
            (Some(""), "2026-01-01T00:00:59.000000Z", None),
            (None, "2026-01-01T00:00:59.000000Z", None),
        ] {
            let lease = serde_json::from_value(json!({
                "metadata": {"name": "gatewright", "namespace": "gatewright-system"},
                "spec": {"holderIdentity": name, "renewTime": renewed, "leaseDurationSeconds": 15},
            }))
            .unwrap();
            assert_eq!(holder(&lease, now), expected, "{name:?} {renewed}");
        }
        assert_eq!(holder(&serde_json::from_value(json!({"metadata": {}})).unwrap(), now), None);
    }
}
