//! The rules of `SecurityPolicy`.

pub mod capabilities;
pub mod host_network;
pub mod privileged;

use schemars::JsonSchema;
use serde::Serialize;

use crate::{Entry, Lib, Template};

/// The parameters of a constraint: each rule's under the names they have in the policy. Absent is not checked.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct Parameters {
    /// Privileged containers.
    #[serde(flatten)]
    pub privileged: privileged::Parameters,
    /// Host network and host ports.
    #[serde(flatten)]
    pub host_network: host_network::Parameters,
    /// Linux capabilities.
    #[serde(flatten)]
    pub capabilities: capabilities::Parameters,
}

/// The template.
pub const TEMPLATE: Template = Template {
    kind: "D8SecurityPolicy",
    title: "The rules of SecurityPolicy",
    libs: &[Lib::Finding, Lib::Pod, Lib::Update],
    rules: &[privileged::RULE, host_network::RULE, capabilities::RULE],
    parameters: crate::template::schema_of::<Parameters>,
    entry: Entry::Generated,
};
