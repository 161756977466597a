//! The controls of the standards, as Kubernetes names, replaces and dates them: one table, from which the template's
//! entry and the documentation are made.

use std::fmt::Write as _;

use super::fixes;
use crate::Fix;

/// A control: what is found, and when that counts.
///
/// Source: `policy/check_*.go` of the Go module `k8s.io/pod-security-admission`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Control {
    /// The control's name. Several controls may share one if it was judged otherwise in former versions.
    pub name: &'static str,
    /// The room whose module finds the faults.
    pub room: &'static str,
    /// The partial set of the module that holds the faults.
    pub faults: &'static str,
    /// Whether the level restricted alone has the control; otherwise both have.
    pub restricted: bool,
    /// The N of v1.N, the first version with the control.
    pub since: u32,
    /// The N of v1.N, the last version with the control.
    pub until: Option<u32>,
    /// The control of the level restricted that takes its place: nobody gets two complaints about one field.
    pub replaced_by: Option<&'static str>,
    /// The Pods of which the control is not asked.
    pub relaxations: &'static [Relaxation],
    /// What the faults are read from.
    pub reads: Reads,
    /// What undoes its violations, or why nothing does that could be computed.
    pub fix: Fix,
}

/// Pods of which some controls are not asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::EnumIter)]
pub enum Relaxation {
    /// Root in a user namespace is nobody outside. Nodes that ignore `hostUsers` make this unsafe, so the administrator
    /// can switch it off.
    UserNamespace,
    /// A Windows Pod need not set what Windows does not have.
    Windows,
}

/// What a control reads, and thereby which UPDATE it lets through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reads {
    /// The pod spec.
    Spec,
    /// Annotations, perhaps beside the pod spec.
    Annotations,
}

const ROOT_IS_NOBODY: &[Relaxation] = &[Relaxation::UserNamespace];
const NOT_ON_WINDOWS: &[Relaxation] = &[Relaxation::Windows];

/// All controls.
pub const CONTROLS: &[Control] = &[
    Control { reads: Reads::Annotations, ..both("appArmorProfile", "apparmor", "faults", fixes::PROFILE) },
    Control {
        until: Some(18),
        reads: Reads::Annotations,
        ..both("seccompProfile_baseline", "seccomp", "annotated", fixes::SECCOMP)
    },
    both("hostNamespaces", "host-namespaces", "faults", fixes::HOST_NAMESPACES),
    both("privileged", "privileged", "privileged", fixes::PRIVILEGED),
    Control {
        replaced_by: Some("capabilities_restricted"),
        ..both("capabilities_baseline", "capabilities", "baseline", fixes::ADDED)
    },
    Control {
        replaced_by: Some("restrictedVolumes"),
        ..both("hostPathVolumes", "volumes", "host_path", fixes::VOLUMES)
    },
    both("hostPorts", "host-ports", "faults", fixes::HOST_PORTS),
    Control { since: 34, ..both("hostProbesAndHostLifecycle", "host-probes", "faults", fixes::HOST_PROBES) },
    both("seLinuxOptions", "selinux", "faults", fixes::SELINUX),
    Control {
        replaced_by: Some("procMount_restricted"),
        relaxations: ROOT_IS_NOBODY,
        ..both("procMount", "proc-mount", "faults", fixes::PROC_MOUNT)
    },
    Control {
        since: 19,
        replaced_by: Some("seccompProfile_restricted"),
        ..both("seccompProfile_baseline", "seccomp", "forbidden", fixes::SECCOMP)
    },
    both("sysctls", "sysctls", "faults", fixes::SYSCTLS),
    both("windowsHostProcess", "privileged", "host_process", fixes::HOST_PROCESS),
    restricted("restrictedVolumes", "volumes", "restricted", fixes::VOLUMES),
    Control {
        relaxations: ROOT_IS_NOBODY,
        ..restricted("runAsNonRoot", "non-root", "run_as_non_root", fixes::NON_ROOT)
    },
    Control {
        since: 23,
        relaxations: ROOT_IS_NOBODY,
        ..restricted("runAsUser", "non-root", "run_as_user", fixes::USER)
    },
    Control {
        since: 8,
        relaxations: NOT_ON_WINDOWS,
        ..restricted("allowPrivilegeEscalation", "privilege-escalation", "faults", fixes::ESCALATION)
    },
    Control {
        since: 19,
        relaxations: NOT_ON_WINDOWS,
        ..restricted("seccompProfile_restricted", "seccomp", "restricted", fixes::SECCOMP)
    },
    Control {
        since: 22,
        relaxations: NOT_ON_WINDOWS,
        ..restricted("capabilities_restricted", "capabilities", "restricted", fixes::CAPABILITIES)
    },
    Control { since: 35, ..restricted("procMount_restricted", "proc-mount", "faults", fixes::PROC_MOUNT) },
];

/// A control of both levels and all versions.
const fn both(name: &'static str, room: &'static str, faults: &'static str, fix: Fix) -> Control {
    Control {
        name,
        room,
        faults,
        restricted: false,
        since: 0,
        until: None,
        replaced_by: None,
        relaxations: &[],
        reads: Reads::Spec,
        fix,
    }
}

/// A control of the level restricted, in all versions.
const fn restricted(name: &'static str, room: &'static str, faults: &'static str, fix: Fix) -> Control {
    Control { restricted: true, ..both(name, room, faults, fix) }
}

impl Control {
    /// The control that replaces it, if that one is in the table.
    #[must_use]
    pub fn replacement(&self) -> Option<&'static Self> {
        let name = self.replaced_by?;
        CONTROLS.iter().find(|control| control.name == name)
    }

    /// Whether the level restricted never has the control, because it is replaced there from its first version on.
    #[must_use]
    pub fn is_baseline_alone(&self) -> bool {
        self.replacement().is_some_and(|replacement| replacement.since <= self.since)
    }

    /// What must hold before the faults count, as expressions of Rego.
    fn conditions(&self) -> Vec<String> {
        let mut conditions = vec![];
        match self.replacement() {
            Some(_) if self.is_baseline_alone() => conditions.push("not standard.restricted".to_owned()),
            Some(replacement) => conditions.push(format!("not {}", replacement.in_force())),
            None => {}
        }
        conditions.extend(self.in_force_if());
        conditions.extend(self.until.map(|until| format!("standard.minor <= {until}")));
        conditions.extend(self.relaxations.iter().map(|relaxation| format!("not {}", relaxation.rule())));
        conditions
    }

    /// The level and the first version, as expressions of Rego.
    fn in_force_if(&self) -> Vec<String> {
        let level = self.restricted.then(|| "standard.restricted".to_owned());
        let since = (self.since > 0).then(|| format!("standard.minor >= {}", self.since));
        level.into_iter().chain(since).collect()
    }

    /// The rule of the entry that says whether the standard has the control.
    fn in_force(&self) -> String {
        format!("{}_in_force", self.name)
    }

    fn rule(&self) -> String {
        let set = match self.reads {
            Reads::Spec => "by_spec",
            Reads::Annotations => "by_annotations",
        };
        let faults = format!("{}.{}", self.room.replace('-', "_"), self.faults);
        let head = format!("{set} contains control.violation({:?}, {faults})", self.name);
        rule(&head, self.conditions().into_iter().chain([format!("count({faults}) > 0")]))
    }
}

impl Relaxation {
    /// The N of v1.N, the first version that relaxes.
    #[must_use]
    pub const fn since(self) -> u32 {
        match self {
            Self::UserNamespace => 35,
            Self::Windows => 25,
        }
    }

    /// The rule of the entry that says whether it holds for the Pod.
    const fn rule(self) -> &'static str {
        match self {
            Self::UserNamespace => "in_user_namespace",
            Self::Windows => "on_windows",
        }
    }

    /// What holds of the Pod, and of the constraint, as expressions of Rego.
    const fn holds_if(self) -> &'static [&'static str] {
        match self {
            Self::UserNamespace => {
                &["input.parameters.userNamespacesRelaxation == true", "pod.spec.hostUsers == false"]
            }
            Self::Windows => &["pod.windows"],
        }
    }

    fn definition(self) -> String {
        let since = format!("standard.minor >= {}", self.since());
        rule(self.rule(), std::iter::once(since).chain(self.holds_if().iter().map(|&it| it.to_owned())))
    }
}

/// The module that Gatekeeper asks: `frame`, which says how violations of `by_spec` and `by_annotations` come out, with
/// the imports and with a rule for each control. The first empty line of the frame is where the imports belong.
pub(crate) fn entry(frame: &str, imports: &[String]) -> String {
    use strum::IntoEnumIterator as _;
    let (head, body) = frame.split_once("\n\n").unwrap_or((frame, ""));
    let mut entry = format!("{head}\n\n");
    for import in imports {
        let _ = writeln!(entry, "import data.{import}");
    }
    let _ = write!(entry, "\n{body}");
    entry.extend(Relaxation::iter().map(Relaxation::definition));
    let replacements = CONTROLS.iter().filter(|control| !control.is_baseline_alone());
    for replacement in replacements.filter_map(Control::replacement) {
        entry.push_str(&rule(&replacement.in_force(), replacement.in_force_if()));
    }
    entry.extend(CONTROLS.iter().map(Control::rule));
    entry
}

fn rule(head: &str, conditions: impl IntoIterator<Item = String>) -> String {
    let body: Vec<_> = conditions.into_iter().collect();
    format!("\n{head} if {{\n\t{}\n}}\n", body.join("\n\t"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_replacement_is_a_control_of_restricted_about_the_same() {
        for control in CONTROLS.iter().filter(|control| control.replaced_by.is_some()) {
            let replacement = control.replacement().unwrap();
            assert!(replacement.restricted && !control.restricted, "{}", control.name);
            assert_eq!(control.room, replacement.room, "{}", control.name);
        }
    }

    #[test]
    fn versions_of_one_control_do_not_overlap() {
        for control in CONTROLS {
            let others = CONTROLS.iter().filter(|other| other.name == control.name && *other != control);
            for other in others {
                let apart = |a: &Control, b: &Control| a.until.is_some_and(|until| until < b.since);
                assert!(apart(control, other) || apart(other, control), "{}", control.name);
            }
        }
    }

    #[test]
    fn a_control_becomes_a_rule() {
        let of = |name: &str| CONTROLS.iter().find(|control| control.name == name).unwrap().rule();
        assert_eq!(
            of("procMount"),
            "\nby_spec contains control.violation(\"procMount\", proc_mount.faults) if {\n\
             \tnot procMount_restricted_in_force\n\tnot in_user_namespace\n\tcount(proc_mount.faults) > 0\n}\n"
        );
        assert_eq!(
            of("seccompProfile_baseline"),
            "\nby_annotations contains control.violation(\"seccompProfile_baseline\", seccomp.annotated) if {\n\
             \tstandard.minor <= 18\n\tcount(seccomp.annotated) > 0\n}\n"
        );
    }
}
