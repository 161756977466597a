//! Who an object belongs to: the Deployment of a Pod, the CronJob of a Job.

use std::collections::HashMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;

use crate::foreign::Foreign;

/// How many steps lead from an object to its owner at most: three in Kubernetes' own kinds. References may form a circle.
const MOST_STEPS: usize = 8;

/// An object of a report.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Object {
    /// The namespace; empty for what stands in none.
    pub namespace: Foreign,
    /// The API group; empty for the core group.
    pub group: Foreign,
    /// The kind.
    pub kind: Foreign,
    /// The name.
    pub name: Foreign,
}

impl Object {
    /// An object of this group, kind, namespace and name.
    pub fn new(group: &str, kind: &str, namespace: &str, name: &str) -> Self {
        Self { namespace: namespace.into(), group: group.into(), kind: kind.into(), name: name.into() }
    }

    /// Whether it is of this group and kind.
    pub fn is_a(&self, group: &str, kind: &str) -> bool {
        self.group.raw() == group && self.kind.raw() == kind
    }
}

/// The group of an `apiVersion`; empty for the core group.
pub fn group_of(api_version: &str) -> &str {
    api_version.split_once('/').map_or("", |(group, _)| group)
}

/// Which object controls which.
#[derive(Clone, Debug, Default)]
pub struct Owners(HashMap<Object, Object>);

impl Owners {
    /// Takes in what an object says of its owners. The one that controls it counts. A Node controls the Pods of its own
    /// manifests, but nobody mends a Pod there.
    pub fn learn(&mut self, object: Object, references: &[OwnerReference]) {
        let controller = references.iter().find(|it| it.controller == Some(true) && it.kind != "Node");
        if let Some(OwnerReference { api_version, kind, name, .. }) = controller {
            let owner = Object::new(group_of(api_version), kind, object.namespace.raw(), name);
            self.0.insert(object, owner);
        }
    }

    /// The owner that nobody controls; the object itself where it has none.
    pub fn top<'a>(&'a self, object: &'a Object) -> &'a Object {
        let mut top = object;
        for _ in 0..MOST_STEPS {
            match self.0.get(top) {
                Some(owner) => top = owner,
                None => break,
            }
        }
        top
    }

    /// The owners of a kind that are known by what they control.
    pub fn of_kind<'a>(&'a self, group: &'a str, kind: &'a str) -> impl Iterator<Item = &'a Object> {
        self.0.values().filter(move |owner| owner.is_a(group, kind))
    }
}

#[cfg(test)]
mod tests {
    use super::{Object, Owners};
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;

    fn reference(api_version: &str, kind: &str, name: &str, controller: bool) -> OwnerReference {
        OwnerReference {
            api_version: api_version.to_owned(),
            kind: kind.to_owned(),
            name: name.to_owned(),
            controller: Some(controller),
            ..OwnerReference::default()
        }
    }

    fn pod(name: &str) -> Object {
        Object::new("", "Pod", "shop", name)
    }

    #[test]
    fn a_pod_belongs_to_who_controls_its_controller() {
        let mut owners = Owners::default();
        let web = Object::new("apps", "ReplicaSet", "shop", "web-1");
        let nightly = Object::new("batch", "Job", "shop", "nightly-1");
        owners.learn(pod("web-1-a"), &[reference("apps/v1", "ReplicaSet", "web-1", true)]);
        owners.learn(web, &[reference("apps/v1", "Deployment", "web", true)]);
        owners.learn(pod("job"), &[reference("batch/v1", "Job", "nightly-1", true)]);
        owners.learn(nightly, &[reference("batch/v1", "CronJob", "nightly", true)]);
        owners.learn(pod("lone"), &[reference("v1", "ConfigMap", "c", false)]);
        owners.learn(pod("static"), &[reference("v1", "Node", "node-1", true)]);
        owners.learn(pod("orphan"), &[reference("apps/v1", "ReplicaSet", "gone", true)]);
        for (name, group, kind, owner) in [
            ("web-1-a", "apps", "Deployment", "web"),
            ("job", "batch", "CronJob", "nightly"),
            ("lone", "", "Pod", "lone"),
            ("static", "", "Pod", "static"),
            ("orphan", "apps", "ReplicaSet", "gone"),
            ("unknown", "", "Pod", "unknown"),
        ] {
            assert_eq!(owners.top(&pod(name)), &Object::new(group, kind, "shop", owner), "{name}");
        }
        let mut sets: Vec<_> =
            owners.of_kind("apps", "ReplicaSet").map(|it| it.name.raw().to_owned()).collect();
        sets.sort();
        assert_eq!(sets, ["gone", "web-1"]);
    }

    /// Anybody who may write metadata can make one.
    #[test]
    fn a_circle_of_references_ends() {
        let mut owners = Owners::default();
        owners.learn(pod("a"), &[reference("v1", "Pod", "b", true)]);
        owners.learn(pod("b"), &[reference("v1", "Pod", "a", true)]);
        assert!(owners.top(&pod("a")).is_a("", "Pod"));
    }
}
