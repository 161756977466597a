//! What a Pod and its containers may do.

use gatewright_api::{Field, ProcMount};
use gatewright_rules::security_policy::{
    host_processes, privilege_escalation, proc_mount, read_only_root_filesystem, service_account_token,
};

use crate::states::{demanded, forbidden};

pub(super) fn privilege_escalation(allow: Field<bool>) -> privilege_escalation::Parameters {
    privilege_escalation::Parameters { allow_privilege_escalation: forbidden(allow) }
}

pub(super) fn host_processes(pid: Field<bool>, ipc: Field<bool>) -> host_processes::Parameters {
    host_processes::Parameters { allow_host_pid: forbidden(pid), allow_host_ipc: forbidden(ipc) }
}

pub(super) fn read_only_root_filesystem(demand: Field<bool>) -> read_only_root_filesystem::Parameters {
    read_only_root_filesystem::Parameters { read_only_root_filesystem: demanded(demand) }
}

pub(super) fn service_account_token(automount: Field<bool>) -> service_account_token::Parameters {
    service_account_token::Parameters { automount_service_account_token: forbidden(automount) }
}

/// `Unmasked` allows either value.
pub(super) fn proc_mount(allowed: Field<ProcMount>) -> proc_mount::Parameters {
    let masked = allowed.value().copied().filter(|allowed| *allowed == ProcMount::Default);
    proc_mount::Parameters { allowed_proc_mount: masked }
}
