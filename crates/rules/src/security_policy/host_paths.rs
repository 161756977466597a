//! Host paths.

use schemars::JsonSchema;
use serde::Serialize;

use crate::{Change, Check, Fix, Guard, Literal, Rule, Subject, Volatile};

/// The parameters of the rule.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Parameters {
    /// The parts of the host's file system that Pods may mount.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_host_paths: Option<Vec<HostPath>>,
}

/// A part of the host's file system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HostPath {
    /// The path, with one slash before each segment and none at its end, but for `/` itself.
    pub path_prefix: String,
    /// Whether it may be mounted for reading only.
    pub read_only: bool,
}

impl HostPath {
    /// The path as it is compared. None for one that may lead elsewhere, because it has a segment `..`.
    #[must_use]
    pub fn new(path: &str, read_only: bool) -> Option<Self> {
        let segments: Vec<_> = path.split('/').filter(|segment| !matches!(*segment, "" | ".")).collect();
        let path_prefix = format!("/{}", segments.join("/"));
        (!segments.contains(&"..")).then_some(Self { path_prefix, read_only })
    }
}

/// The rule.
pub const RULE: Rule = Rule {
    name: "host-paths",
    module: include_str!("../../../../templates/security-policy/host-paths/rule.rego"),
    checks: &[
        Check {
            field: "allowedHostPaths",
            guard: Guard::IsSet,
            findings: "volumes",
            subject: Subject::Pod(&[Volatile::EphemeralContainers]),
            fix: Fix::none("only you know where else the data can be"),
        },
        Check {
            field: "allowedHostPaths",
            guard: Guard::IsSet,
            findings: "mounts",
            subject: Subject::Pod(&[Volatile::EphemeralContainers]),
            fix: Fix::change(Change::Set("readOnly", Literal::Bool(true)), "writing to the host path"),
        },
    ],
};

#[cfg(test)]
mod tests {
    use super::HostPath;

    #[test]
    fn a_path_becomes_what_it_is_compared_as() {
        for (path, cleaned) in [
            ("/", "/"),
            ("/foo", "/foo"),
            ("/foo/", "/foo"),
            ("//foo/.//bar/.", "/foo/bar"),
            ("/..a", "/..a"),
        ] {
            assert_eq!(HostPath::new(path, true).unwrap().path_prefix, cleaned, "{path}");
        }
        assert_eq!(HostPath::new("/foo/../etc", false), None);
    }
}
