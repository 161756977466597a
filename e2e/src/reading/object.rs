//! Objects as the rules see them.

use serde_json::Value;

/// An object of any kind.
pub struct Object<'a>(pub &'a Value);

/// The pod spec of a workload, with what stands beside it.
pub struct Pod<'a> {
    /// The kind of the workload.
    pub kind: &'a str,
    /// The pod spec.
    pub spec: &'a Value,
    /// The annotations of the Pod, or of the Pods to be.
    pub annotations: &'a Value,
    owners: &'a [Value],
}

/// A container of any of the three lists.
pub struct Container<'a> {
    /// The list.
    pub list: &'static str,
    /// What it says.
    pub value: &'a Value,
}

impl<'a> Object<'a> {
    /// The group and the kind.
    pub fn kind(&self) -> (&'a str, &'a str) {
        let version = self.0["apiVersion"].as_str().unwrap_or_default();
        (version.split_once('/').map_or("", |(group, _)| group), self.0["kind"].as_str().unwrap_or_default())
    }

    pub fn is(&self, group: &str, kind: &str) -> bool {
        self.kind() == (group, kind)
    }

    /// The Pod, or that of the template of a controller that the rules look at.
    pub fn pod(&self) -> Option<Pod<'a>> {
        let (group, kind) = self.kind();
        let template = match (group, kind) {
            ("", "Pod") => self.0,
            ("apps", "Deployment" | "StatefulSet" | "DaemonSet")
            | ("", "ReplicationController")
            | ("batch", "Job") => &self.0["spec"]["template"],
            ("batch", "CronJob") => &self.0["spec"]["jobTemplate"]["spec"]["template"],
            _ => return None,
        };
        let owners = if kind == "Pod" { &self.0["metadata"]["ownerReferences"] } else { &Value::Null };
        Some(Pod {
            kind,
            spec: &template["spec"],
            annotations: &template["metadata"]["annotations"],
            owners: items(owners),
        })
    }
}

impl<'a> Pod<'a> {
    pub fn is_bare(&self) -> bool {
        self.kind == "Pod"
    }

    /// The API server forbids many fields for Windows.
    pub fn is_windows(&self) -> bool {
        self.spec["os"]["name"] == "windows"
    }

    /// Whether its controller is of this group and kind.
    pub fn is_controlled_by(&self, group: &str, kind: &str) -> bool {
        self.owners.iter().any(|owner| {
            let version = owner["apiVersion"].as_str().unwrap_or_default();
            owner["controller"] == true
                && owner["kind"] == kind
                && version.split_once('/').is_some_and(|(of, _)| of == group)
        })
    }

    pub fn context(&self) -> &'a Value {
        &self.spec["securityContext"]
    }

    pub fn containers(&self) -> impl Iterator<Item = Container<'a>> {
        let spec = self.spec;
        ["containers", "initContainers", "ephemeralContainers"]
            .into_iter()
            .flat_map(move |list| items(&spec[list]).iter().map(move |value| Container { list, value }))
    }

    /// An offence for each container of which the test holds.
    pub fn each(&self, offends: impl Fn(&'a Value) -> bool) -> Vec<Option<String>> {
        self.containers().filter(|container| offends(container.value)).map(|it| it.offence()).collect()
    }

    /// As many offences of each container as the count says.
    pub fn times(&self, count: impl Fn(&'a Value) -> usize) -> Vec<Option<String>> {
        self.containers().flat_map(|it| std::iter::repeat_n(it.offence(), count(it.value))).collect()
    }

    pub fn volumes(&self) -> &'a [Value] {
        items(&self.spec["volumes"])
    }

    /// All image references with the offender: containers', and those mounted as volumes.
    pub fn images(&self) -> Vec<(Option<String>, &'a Value, &'static str, &'static str)> {
        let of_containers = self.containers().map(|it| (it.offence(), it.value, "image", "imagePullPolicy"));
        let volumes = self.volumes().iter().filter(|volume| volume["image"].is_object());
        let of_volumes = volumes.map(|volume| (None, &volume["image"], "reference", "pullPolicy"));
        of_containers.chain(of_volumes).collect()
    }
}

impl Container<'_> {
    #[expect(clippy::unnecessary_wraps, reason = "an offence may be about no container")]
    pub fn offence(&self) -> Option<String> {
        Some(self.value["name"].as_str().unwrap_or_default().to_owned())
    }
}

/// The items of a list; none of anything else.
pub fn items(list: &Value) -> &[Value] {
    list.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// The texts of a list.
pub fn texts(list: &Value) -> Vec<&str> {
    items(list).iter().filter_map(Value::as_str).collect()
}

/// A text; empty if it is unset.
pub fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// An offence of the object, or of its Pod, and of no container.
pub fn whole(offends: bool) -> Vec<Option<String>> {
    if offends { vec![None] } else { vec![] }
}

/// So many offences of the object and of no container.
pub fn wholes(count: usize) -> Vec<Option<String>> {
    vec![None; count]
}
