//! Sysctls.

use schemars::JsonSchema;
use serde::Serialize;

use crate::{Change, Check, Fix, Guard, Rule, Subject};

/// The parameters of the rule.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Parameters {
    /// The only sysctls that Pods may set, safe ones included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_unsafe_sysctls: Option<Sysctls>,
    /// Sysctls that Pods must not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forbidden_sysctls: Option<Sysctls>,
}

/// The entries of the policy, sorted by how they are compared, with dots between the segments.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Sysctls {
    /// The entries as written, for messages.
    pub entries: Vec<String>,
    /// Names that must be equal.
    pub names: Vec<String>,
    /// Beginnings of names.
    pub prefixes: Vec<String>,
}

impl Sysctls {
    /// Entries that allow. What they name is what the kubelet takes it for, and nothing else.
    #[must_use]
    pub fn allowing<'a>(entries: impl IntoIterator<Item = &'a str>) -> Self {
        Self::sorted(entries, as_kubelet_reads)
    }

    /// Entries that forbid: every separator is a dot, so that no spelling escapes.
    #[must_use]
    pub fn forbidding<'a>(entries: impl IntoIterator<Item = &'a str>) -> Self {
        Self::sorted(entries, |name| name.replace('/', "."))
    }

    fn sorted<'a>(entries: impl IntoIterator<Item = &'a str>, dotted: fn(&str) -> String) -> Self {
        let mut this = Self::default();
        for entry in entries {
            this.entries.push(entry.to_owned());
            match entry.strip_suffix('*') {
                Some(prefix) => this.prefixes.push(dotted(prefix)),
                None => this.names.push(dotted(entry)),
            }
        }
        this
    }
}

/// A name with dots between its segments. The first separator says which of the two it is; the other one is then a part
/// of a segment, as in `net.ipv4.conf.eth0/100.forwarding`, which is `net/ipv4/conf/eth0.100/forwarding`.
fn as_kubelet_reads(name: &str) -> String {
    let swapped = |c| match c {
        '/' => '.',
        '.' => '/',
        other => other,
    };
    let by_slashes = name.find(['.', '/']).is_some_and(|at| name[at..].starts_with('/'));
    if by_slashes { name.chars().map(swapped).collect() } else { name.to_owned() }
}

/// The rule.
pub const RULE: Rule = Rule {
    name: "sysctls",
    module: include_str!("../../../../templates/security-policy/sysctls/rule.rego"),
    checks: &[
        Check {
            field: "allowedUnsafeSysctls",
            guard: Guard::IsSet,
            findings: "not_allowed",
            subject: Subject::Pod(&[]),
            fix: Fix::change(Change::RemoveItem("sysctls"), "what the sysctl was set for"),
        },
        Check {
            field: "forbiddenSysctls",
            guard: Guard::IsSet,
            findings: "forbidden",
            subject: Subject::Pod(&[]),
            fix: Fix::change(Change::RemoveItem("sysctls"), "what the sysctl was set for"),
        },
    ],
};

#[cfg(test)]
mod tests {
    use super::Sysctls;

    #[test]
    fn an_entry_becomes_what_it_is_compared_as() {
        for (entry, allowing, forbidding) in [
            ("kernel.sem", "kernel.sem", "kernel.sem"),
            ("kernel/sem", "kernel.sem", "kernel.sem"),
            ("net/ipv4/conf/eth0.100/*", "net.ipv4.conf.eth0/100.", "net.ipv4.conf.eth0.100."),
            ("net.ipv4.conf.eth0/100.*", "net.ipv4.conf.eth0/100.", "net.ipv4.conf.eth0.100."),
            ("*", "", ""),
        ] {
            let of = |sysctls: Sysctls| [sysctls.names, sysctls.prefixes].concat();
            assert_eq!(of(Sysctls::allowing([entry])), [allowing], "{entry}");
            assert_eq!(of(Sysctls::forbidding([entry])), [forbidding], "{entry}");
        }
    }
}
