//! DNS on the host network.

use schemars::JsonSchema;
use serde::Serialize;

use crate::{Change, Check, Fix, Guard, Literal, Rule, Subject};

/// The parameters of the rule.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Parameters {
    /// true demands `ClusterFirstWithHostNet` of Pods on the network of the host.
    #[serde(rename = "checkHostNetworkDNSPolicy", skip_serializing_if = "Option::is_none")]
    pub check_host_network_dns_policy: Option<bool>,
}

/// The rule.
pub const RULE: Rule = Rule {
    name: "dns-policy",
    module: include_str!("../../../../templates/operation-policy/dns-policy/rule.rego"),
    checks: &[Check {
        field: "checkHostNetworkDNSPolicy",
        guard: Guard::IsSet,
        findings: "found",
        subject: Subject::Pod(&[]),
        fix: Fix::change(
            Change::Set("dnsPolicy", Literal::Text("ClusterFirstWithHostNet")),
            "names that only the resolver of the node knows",
        ),
    }],
};
