//! The rules of `OperationPolicy`.

pub mod allowed_repos;

use schemars::JsonSchema;
use serde::Serialize;

use crate::{Entry, Lib, Template};

/// The parameters of a constraint: each rule's under the names they have in the policy. Absent is not checked.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct Parameters {
    /// Image repositories.
    #[serde(flatten)]
    pub allowed_repos: allowed_repos::Parameters,
}

/// The template.
pub const TEMPLATE: Template = Template {
    kind: "D8OperationPolicy",
    title: "The rules of OperationPolicy",
    libs: &[Lib::Finding, Lib::Image, Lib::Pod, Lib::Update],
    rules: &[allowed_repos::RULE],
    parameters: crate::template::schema_of::<Parameters>,
    entry: Entry::Generated,
};
