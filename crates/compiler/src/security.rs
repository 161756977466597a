//! `SecurityPolicy` → the parameters of its rules.
#![expect(clippy::trivially_copy_pass_by_ref, reason = "the table gives every field alike")]

mod confinement;
mod host_paths;
mod neighbours;
mod pods;
mod profiles;
mod users_and_groups;
mod volumes;

use gatewright_api::{Field, SecurityPolicy, SecurityRules, SignatureRequirement};
use gatewright_rules::Template;
use gatewright_rules::security_policy::Parameters;
use serde_json::{Value, json};

use crate::Compile;
use crate::problem::Problem;
use crate::signatures::forget_credentials;

impl Compile for SecurityPolicy {
    const TEMPLATE: Template = Template::SecurityPolicy;

    fn parameters(&self, problems: &mut Vec<Problem>) -> Value {
        problems.extend(profiles::problems(&self.spec.policies));
        json!(parameters(&self.spec.policies, problems))
    }

    fn notes(&self) -> Vec<String> {
        profiles::notes(&self.spec.policies)
    }

    const SIGNATURES: Option<Template> = Some(Template::VerifyImageSignatures);

    fn signatures(&self) -> &[SignatureRequirement] {
        self.spec.policies.verify_image_signatures.value().map_or(&[], |entries| entries)
    }

    fn forget_credentials(&mut self) {
        if let Field::Set(entries) = &mut self.spec.policies.verify_image_signatures {
            entries.0.iter_mut().for_each(forget_credentials);
        }
    }
}

parameters! {
    SecurityRules, problems;
    pods::privileged(allow_privileged),
    pods::privilege_escalation(allow_privilege_escalation),
    pods::host_processes(allow_host_pid, allow_host_ipc),
    pods::host_network(allow_host_network, allowed_host_ports; problems),
    pods::read_only_root_filesystem(read_only_root_filesystem),
    pods::service_account_token(automount_service_account_token),
    pods::proc_mount(allowed_proc_mount),
    confinement::capabilities(allowed_capabilities, required_drop_capabilities),
    confinement::apparmor(allowed_app_armor),
    confinement::seccomp(seccomp_profiles),
    confinement::selinux(se_linux),
    confinement::sysctls(allowed_unsafe_sysctls, forbidden_sysctls),
    volumes::flex_volumes(allowed_flex_volumes),
    volumes::volume_types(allowed_volumes),
    host_paths::host_paths(allowed_host_paths; problems),
    users_and_groups::users_and_groups(run_as_user, run_as_group, fs_group, supplemental_groups; problems),
    neighbours::rbac_wildcards(allow_rbac_wildcards),
    neighbours::cluster_roles(allowed_cluster_roles),
    neighbours::service_types(allowed_service_types),
    neighbours::wildcard_domains(block_wildcard_domains);
    elsewhere verify_image_signatures
}
