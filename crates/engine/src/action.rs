//! What is done about a violation, and where.

use std::str::FromStr;

use gatewright_gatekeeper::Action;
use serde_json::Value;
use strum::VariantNames;

use crate::ConstraintError;

/// Where constraints are enforced: what `scopedEnforcementActions` distinguishes.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, strum::EnumString, strum::VariantNames, strum::Display,
)]
pub enum EnforcementPoint {
    /// `validation.gatekeeper.sh`: the admission webhook. The only one at which a template's `operations` count.
    #[default]
    #[strum(serialize = "validation.gatekeeper.sh")]
    Webhook,
    /// `audit.gatekeeper.sh`.
    #[strum(serialize = "audit.gatekeeper.sh")]
    Audit,
    /// `gator.gatekeeper.sh`: tests.
    #[strum(serialize = "gator.gatekeeper.sh")]
    Gator,
}

/// The point that stands for admission by the API server's own policies: allowed in a constraint, none of ours.
const VAP_POINT: &str = "vap.k8s.io";
const EVERY_POINT: &str = "*";

/// What a constraint does at an enforcement point; none where it is not enforced there. Of several actions for one
/// point the strictest counts.
///
/// # Errors
/// A word that Gatekeeper's webhook refuses, or one that it accepts and then never enforces.
pub(crate) fn action(spec: &Value, point: EnforcementPoint) -> Result<Option<Action>, ConstraintError> {
    match spec["enforcementAction"].as_str() {
        None => Ok(Some(Action::Deny)),
        Some("scoped") => scoped(&spec["scopedEnforcementActions"], point),
        Some(word) => named(word, "/spec/enforcementAction", &["scoped"]).map(Some),
    }
}

fn named(word: &str, pointer: &str, also: &[&str]) -> Result<Action, ConstraintError> {
    Action::from_str(word).map_err(|_| {
        let mut allowed = Action::ALL.map(Action::name).to_vec();
        allowed.reverse();
        allowed.extend(also);
        let allowed = allowed.join(", ");
        ConstraintError::new(pointer, format!("`{word}` is not an enforcement action; allowed: {allowed}"))
    })
}

fn scoped(actions: &Value, point: EnforcementPoint) -> Result<Option<Action>, ConstraintError> {
    const POINTER: &str = "/spec/scopedEnforcementActions";
    let actions = actions.as_array().ok_or_else(|| {
        ConstraintError::new(POINTER, "is required, because `enforcementAction` is `scoped`")
    })?;
    let mut strictest = None;
    for (index, entry) in actions.iter().enumerate() {
        let pointer = format!("{POINTER}/{index}");
        let word = entry["action"].as_str().unwrap_or_default();
        let action = named(word, &format!("{pointer}/action"), &[])?;
        if covers(&entry["enforcementPoints"], point, &format!("{pointer}/enforcementPoints"))? {
            strictest = strictest.max(Some(action));
        }
    }
    Ok(strictest)
}

fn covers(points: &Value, point: EnforcementPoint, pointer: &str) -> Result<bool, ConstraintError> {
    let points = points.as_array().map(Vec::as_slice).unwrap_or_default();
    if points.is_empty() {
        return Err(ConstraintError::new(pointer, "is empty, so the action would be taken nowhere"));
    }
    let mut covered = false;
    for (index, entry) in points.iter().enumerate() {
        let name = entry["name"].as_str().unwrap_or_default();
        let known = EnforcementPoint::from_str(name).ok();
        if known.is_none() && ![VAP_POINT, EVERY_POINT].contains(&name) {
            let allowed = [EnforcementPoint::VARIANTS, &[VAP_POINT, EVERY_POINT]].concat().join(", ");
            let message = format!("`{name}` is not an enforcement point; allowed: {allowed}");
            return Err(ConstraintError::new(format!("{pointer}/{index}/name"), message));
        }
        covered |= known == Some(point) || name == EVERY_POINT;
    }
    Ok(covered)
}
