//! A CRD that is older than the operator: the API server would drop fields, and a policy would be weaker than it reads.

use std::collections::BTreeMap;

use gatewright_api::PolicyKind;

/// How many fields a message names.
const NAMED: usize = 5;

/// What that means for policies.
const MEANWHILE: &str = "; until then no policy of this kind is compiled, and what is in the cluster stays";

/// What updates the CRDs.
const UPDATE: &str = "gatewright crds | kubectl apply --server-side --force-conflicts -f -";

/// Says which fields the served CRD of a kind lacks, and what to do.
pub(crate) fn outdated(kind: &str, lacking: &[String]) -> String {
    let named: Vec<_> = lacking.iter().take(NAMED).map(String::as_str).collect();
    let more = lacking.len() - named.len();
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    format!(
        "the installed CRD of {kind} is older than this operator and lacks {}{more}: the API server drops such fields. Update \
         the CRDs with `{UPDATE}`, with the gatewright of this version ({}){}",
        named.join(", "),
        env!("CARGO_PKG_VERSION"),
        if kind.parse::<PolicyKind>().is_ok() { MEANWHILE } else { "" },
    )
}

/// The same for all kinds.
pub(crate) fn sentences(lacking: &BTreeMap<String, Vec<String>>) -> Vec<String> {
    lacking.iter().map(|(kind, fields)| outdated(kind, fields)).collect()
}

#[cfg(test)]
mod tests {
    use super::sentences;

    #[test]
    fn the_fields_and_the_command_are_named() {
        let fields = |count: usize| (0..count).map(|i| format!("spec.f{i}")).collect::<Vec<_>>();
        let lacking =
            [("GatewrightStatus".to_owned(), fields(1)), ("SecurityPolicy".to_owned(), fields(7))].into();
        let [one, many] = &sentences(&lacking)[..] else { panic!() };
        assert!(
            one.contains("CRD of GatewrightStatus is older than this operator and lacks spec.f0: the"),
            "{one}"
        );
        assert!(!one.contains("compiled") && many.ends_with("what is in the cluster stays"), "{many}");
        assert!(one.contains("`gatewright crds | kubectl apply --server-side"), "{one}");
        assert!(many.contains("spec.f3, spec.f4 and 2 more:"), "{many}");
    }
}
