//! What confines a container: capabilities, `AppArmor`, seccomp, `SELinux`; and sysctls.

use gatewright_api::text::{Name, SysctlPattern};
use gatewright_api::{Capability, Field, List, SeLinuxOptions, SeccompProfiles};
use gatewright_rules::security_policy::sysctls::{self, Sysctls};
use gatewright_rules::security_policy::{apparmor, capabilities, seccomp, selinux};

use crate::states::listed;

/// A list of what is allowed that holds `ALL` refuses nothing.
pub(super) fn capabilities(
    allowed: &Field<List<Capability>>,
    dropped: &Field<List<Capability>>,
) -> capabilities::Parameters {
    let limited = allowed.value().filter(|list| !list.contains(&Capability::All));
    capabilities::Parameters {
        allowed_capabilities: limited.map(|list| list.to_vec()),
        required_drop_capabilities: listed(dropped),
    }
}

/// An entry of stars alone refuses nothing.
pub(super) fn apparmor(entries: &Field<List<Name>>) -> apparmor::Parameters {
    let everything = |entry: &Name| !entry.as_str().is_empty() && entry.as_str().chars().all(|c| c == '*');
    let entries = entries.value().filter(|entries| !entries.iter().any(everything));
    apparmor::Parameters { allowed_app_armor: entries.map(|list| list.iter().map(Name::as_str).collect()) }
}

pub(super) fn seccomp(profiles: &Field<SeccompProfiles>) -> seccomp::Parameters {
    let parameter =
        profiles.value().and_then(|SeccompProfiles { allowed_profiles, allowed_localhost_files }| {
            let (profiles, files) = (names(allowed_profiles), names(allowed_localhost_files));
            seccomp::Profiles::new(profiles.as_deref(), files.as_deref())
        });
    seccomp::Parameters { seccomp_profiles: parameter }
}

fn names(list: &Field<List<Name>>) -> Option<Vec<&str>> {
    list.value().map(|list| list.iter().map(Name::as_str).collect())
}

pub(super) fn selinux(entries: &Field<List<SeLinuxOptions>>) -> selinux::Parameters {
    selinux::Parameters { se_linux: entries.value().map(|list| list.iter().map(options).collect()) }
}

fn options(SeLinuxOptions { level, role, r#type, user }: &SeLinuxOptions) -> selinux::Options {
    let text = |field: &Field<Name>| {
        field.value().map(Name::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
    };
    selinux::Options { level: text(level), role: text(role), r#type: text(r#type), user: text(user) }
}

/// `*` among what is allowed refuses nothing; `[]` among what is forbidden forbids nothing.
pub(super) fn sysctls(
    allowed: &Field<List<SysctlPattern>>,
    forbidden: &Field<List<SysctlPattern>>,
) -> sysctls::Parameters {
    let everything = |list: &List<SysctlPattern>| list.iter().any(|entry| entry.as_str() == "*");
    sysctls::Parameters {
        allowed_unsafe_sysctls: allowed
            .value()
            .filter(|list| !everything(list))
            .map(|list| Sysctls::allowing(list.iter().map(SysctlPattern::as_str))),
        forbidden_sysctls: forbidden
            .value()
            .filter(|list| !list.is_empty())
            .map(|list| Sysctls::forbidding(list.iter().map(SysctlPattern::as_str))),
    }
}
