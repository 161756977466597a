//! What the description of a field in its CRD has no room for: how exactly the rule reads policy and object.

/// Each note, by its field.
const NOTES: &[(&str, &[&str])] = &[
    ("allowedHostPorts", &["Both ends of a range are included; a missing one is open."]),
    (
        "automountServiceAccountToken",
        &[
            "Refuses `automountServiceAccountToken: true` on the Pod, and a mount at \
             `/var/run/secrets/kubernetes.io/serviceaccount`, which is how the default shows on a Pod. Other paths are not \
             looked at.",
            "A controller that says nothing passes. Its Pods do not, unless their service account says false.",
        ],
    ),
    (
        "allowedVolumes",
        &["`none` allows nothing. The token volume that Kubernetes adds is `kube-api-access-…`."],
    ),
    (
        "requiredDropCapabilities",
        &[
            "A container that adds one of them again, or `ALL`, is refused, too. `CAP_NET_RAW` is another name than \
             `NET_RAW`, for which runtimes drop nothing.",
            "Nothing is required of Windows Pods, which may not set the field.",
        ],
    ),
    (
        "allowedHostPaths",
        &[
            "`/` admits every path. Repeated slashes and `.` do not count.",
            "Where only entries with `readOnly: true` admit a path, each mount of it that is not read-only is refused.",
        ],
    ),
    (
        "allowedAppArmor",
        &[
            "An annotation that is empty or `localhost/` names no profile.",
            "The names of the field work, too: `RuntimeDefault`, `Unconfined`, and `Localhost` for any file.",
            "A slip of the pen (`runtime/defualt`) is refused with what is meant; of any other entry that no profile can \
             match the policy says so in its condition `Valid`.",
        ],
    ),
    (
        "seccompProfiles",
        &[
            "Entries of `allowedProfiles` are `RuntimeDefault` (`runtime/default`, `docker/default`), `Unconfined`, \
             `Localhost` and `localhost/FILE`. `*` is all of them and `undefined`.",
            "`allowedLocalhostFiles` refuses a `Localhost` profile with another file, unless `allowedProfiles` names it as \
             `localhost/FILE`. `*` admits any. Without `allowedProfiles` only `Localhost` profiles are judged.",
            "A slip of the pen (`RuntimDefault`) is refused with what is meant; of any other entry that no profile can match \
             the policy says so in its condition `Valid`.",
        ],
    ),
    (
        "seLinux",
        &["What is not set fits every entry. What an entry leaves out must not be set, but for the level."],
    ),
    (
        "allowedUnsafeSysctls",
        &[
            "Safe sysctls must be listed, too.",
            "A name that mixes dots and slashes is read as the kubelet reads it: the first separator counts, and \
             `net.ipv4.conf.eth0/100.forwarding` is about the interface `eth0.100`.",
        ],
    ),
    ("forbiddenSysctls", &["Here every slash is a dot."]),
    (
        "runAsUser",
        &[
            "Both ends of a range are included; a missing one is open. Ranges beside `MustRunAsNonRoot` mean nothing.",
            "`MustRunAsNonRoot` refuses user 0, and an unset user without `runAsNonRoot: true` of the container, else of \
             the Pod; of Windows Pods, too.",
            "`MustRunAs` does not demand of a controller that a user is set ([unless strict](../policies.md#what-waits-for-pods)), \
             and never of a Windows Pod. What is set must fit.",
        ],
    ),
    (
        "runAsGroup",
        &["Ends, controllers and Windows Pods as for `runAsUser`. `MustRunAs` demands that a group is set."],
    ),
    ("fsGroup", &["Ends, controllers and Windows Pods as for `runAsUser`."]),
    ("supplementalGroups", &["Ends, controllers and Windows Pods as for `runAsUser`."]),
    (
        "allowRbacWildcards",
        &[
            "A `*` counts also as part of a value: in `apiGroups`, `resources` or `verbs` of a Role, in `roleRef.name` or a \
             subject's name of a RoleBinding.",
        ],
    ),
    ("allowedClusterRoles", &["References to Roles pass."]),
    ("allowedServiceTypes", &["An unset type is `ClusterIP`."]),
    ("blockWildcardDomains", &["Hosts of rules and of TLS entries count."]),
    (
        "allowedRepos",
        &[
            "A registry (no slash, with a dot or a port, or `localhost`) admits that host and port exactly. `redis:7` reads \
             as host and port; write `library/redis:7`.",
            "An image (with a tag or digest) admits the same repository with an equal tag, digest, or both. An image \
             without either has the tag `latest`.",
            "A prefix (ends in `/` or `*`) admits every name of an image that begins so, as written or in full \
             (`docker.io/library/nginx:1`).",
            "Anything else is a repository. It admits that and what is below it, by whole segments: `quay.io/team` admits \
             `quay.io/team/app`, not `quay.io/teams/app`. Without a domain it is Docker Hub's: `nginx` is \
             `docker.io/library/nginx`; `index.docker.io` and `registry-1.docker.io` are `docker.io`.",
            "No entry but `*` admits an image ID (`sha256:…`, also its first digits), not even a prefix of it.",
            "Images that are mounted as volumes count.",
        ],
    ),
    (
        "disallowedImageTags",
        &["What is not a reference of an image is refused, too. Images that are mounted as volumes count."],
    ),
    ("imagePullPolicy", &["Images that are mounted as volumes count."]),
    (
        "requiredResources",
        &[
            "Containers and init containers are judged, unless the Pod's own `spec.resources` names the resource.",
        ],
    ),
    ("priorityClassNames", &["`*` allows all."]),
    ("checkContainerDuplicates", &["Variables are those of a container's `env`."]),
    ("disallowedTolerations", &["What an entry leaves out is any. `operator: Exists` stands for any value."]),
    (
        "requiredLabels",
        &[
            "Kinds are written `group/Kind`, or `/Kind` for the core group.",
            "The object's own labels count: a Deployment's, not those of its Pods.",
            "[Kinds outside namespaces](../policies.md#kinds-outside-namespaces) need a policy of their own.",
        ],
    ),
    ("requiredAnnotations", &["As for [labels](#requiredlabels)."]),
    ("ingressClassNames", &["Each class that is given must be listed; none need be given. `*` allows all."]),
    (
        "storageClassNames",
        &[
            "Each class that is given must be listed; none need be given. `*` allows all. `\"\"`, a volume without a class, \
             must be listed like a name.",
        ],
    ),
    (
        "replicaLimits",
        &[
            "Both ends are included; an unset number counts as 1.",
            "Under `match.labelSelector` what `kubectl scale` and autoscalers ask for is not judged: a Scale carries no \
             labels. The condition `Valid` says so.",
        ],
    ),
];

/// The notes on a field as a list in Markdown; nothing without notes.
pub(super) fn of(field: &str) -> String {
    let notes = NOTES.iter().find(|(of, _)| *of == field).map_or(&[][..], |(_, notes)| notes);
    let list: Vec<_> = notes.iter().map(|note| format!("- {note}\n")).collect();
    if list.is_empty() { String::new() } else { list.concat() + "\n" }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::Template;

    #[test]
    fn notes_are_about_fields_of_rules_each_once() {
        let definitions = Template::ALL.iter().map(|template| template.definition());
        let checks = definitions.flat_map(|definition| definition.rules).flat_map(|rule| rule.checks);
        let fields: BTreeSet<_> = checks.map(|check| check.field).collect();
        let mut seen = BTreeSet::new();
        for (field, notes) in NOTES {
            assert!(fields.contains(field) && seen.insert(field) && !notes.is_empty(), "{field}");
            assert!(notes.iter().all(|note| note.ends_with(['.', ')'])), "{field}");
        }
        assert_eq!(of("allowPrivileged"), "");
        assert_eq!(of("allowedServiceTypes"), "- An unset type is `ClusterIP`.\n\n");
    }
}
