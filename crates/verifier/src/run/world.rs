//! Joins what constraints demand with the credentials of the policies that they are made of. Both have the same name.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use gatewright_signatures::docker_config::DockerConfig;
use gatewright_signatures::{Parameters, Reference};
use kube::core::DynamicObject;
use serde::Deserialize;
use tracing::warn;

use crate::demand::{DockerCfg, RegistryConfig};
use crate::policies::Policies;

/// What is watched.
#[derive(Clone, Debug)]
pub(super) struct World(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    policies: Policies,
    file: RegistryConfig,
    constraints: BTreeMap<String, Parameters>,
    /// The docker configs of each policy, by reference.
    credentials: BTreeMap<String, BTreeMap<String, DockerCfg>>,
    /// What the API server had of both when it was read: nothing is read twice.
    seen: BTreeMap<(bool, String), String>,
}

/// Of an entry of a policy, what a constraint has not.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    reference: String,
    docker_cfg: Option<String>,
}

impl World {
    pub(super) fn new(policies: Policies, file: RegistryConfig) -> Self {
        let (constraints, credentials, seen) = Default::default();
        Self(Arc::new(Mutex::new(State { policies, file, constraints, credentials, seen })))
    }

    /// Takes all constraints as they are now. One that cannot be read leaves what was known of it.
    pub(super) fn constraints(&self, all: &BTreeMap<String, DynamicObject>) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let gone: Vec<_> =
            state.constraints.keys().filter(|name| !all.contains_key(*name)).cloned().collect();
        for name in gone {
            state.constraints.remove(&name);
            state.seen.remove(&(true, name.clone()));
            state.policies.remove(&name);
        }
        for (name, object) in all {
            if !state.is_new(true, name, object) {
                continue;
            }
            let parameters = object.data.pointer("/spec/parameters").cloned().unwrap_or_default();
            if let Ok(parameters) = serde_json::from_value(parameters) {
                state.constraints.insert(name.clone(), parameters);
                state.set(name);
            } else {
                warn!(constraint = name, "its parameters cannot be read; left out");
            }
        }
    }

    /// Takes all policies as they are now.
    pub(super) fn policies(&self, all: &BTreeMap<String, DynamicObject>) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.credentials.retain(|name, _| all.contains_key(name));
        state.seen.retain(|(is_constraint, name), _| *is_constraint || all.contains_key(name));
        for (name, object) in all {
            if state.is_new(false, name, object) {
                state.credentials.insert(name.clone(), credentials(object));
                state.set(name);
            }
        }
    }
}

impl State {
    fn is_new(&mut self, is_constraint: bool, name: &str, object: &DynamicObject) -> bool {
        let version = object.metadata.resource_version.clone().unwrap_or_default();
        let before = self.seen.insert((is_constraint, name.to_owned()), version.clone());
        before.is_none_or(|before| before != version || version.is_empty())
    }

    fn set(&self, name: &str) {
        let Some(parameters) = self.constraints.get(name) else { return };
        let of_policy = self.credentials.get(name);
        let docker_cfg = |reference: &str| of_policy?.get(reference).cloned();
        self.policies.set(name, parameters, docker_cfg, &self.file);
    }
}

/// The docker configs of a policy: that of the first entry with a reference counts.
fn credentials(policy: &DynamicObject) -> BTreeMap<String, DockerCfg> {
    let entries = policy.data.pointer("/spec/policies/verifyImageSignatures").cloned().unwrap_or_default();
    let entries: Vec<Entry> = serde_json::from_value(entries).unwrap_or_default();
    let mut found = BTreeMap::new();
    for Entry { reference, docker_cfg } in entries {
        if let (Ok(reference), Some(text)) = (Reference::parse(&reference), docker_cfg) {
            let config = DockerConfig::from_base64(&text).map_err(|error| error.to_string());
            found.entry(reference.to_string()).or_insert(config);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use gatewright_signatures::Parameters;
    use gatewright_signatures::entry::ReadEntry;
    use kube::core::{ApiResource, DynamicObject};
    use serde_json::{Value, json};

    use super::World;
    use crate::demand::RegistryConfig;
    use crate::policies::Policies;
    use crate::registry::Credential;
    use crate::testing::sign::pem;

    fn object(version: &str, data: Value) -> BTreeMap<String, DynamicObject> {
        let resource = ApiResource::erase::<k8s_openapi::api::core::v1::Pod>(&());
        let mut object = DynamicObject::new("p", &resource).data(data);
        object.metadata.resource_version = Some(version.to_owned());
        [("p".to_owned(), object)].into()
    }

    fn constraint(version: &str, number: u8) -> (BTreeMap<String, DynamicObject>, String) {
        let entry = ReadEntry::new("r.io/*", &[pem(number)], None, false, true).unwrap();
        let parameters = Parameters::new("p", &[entry]).unwrap();
        (object(version, json!({"spec": {"parameters": parameters}})), parameters.revision)
    }

    fn policy(version: &str, docker_cfg: &str) -> BTreeMap<String, DynamicObject> {
        let entries = json!([{"reference": "r.io/*", "publicKeys": [], "dockerCfg": docker_cfg}]);
        object(version, json!({"spec": {"policies": {"verifyImageSignatures": entries}}}))
    }

    fn credential(policies: &Policies, revision: &str) -> Credential {
        policies.demands("p", revision).unwrap()[0].access.credentials.of("r.io", "app")
    }

    #[test]
    fn credentials_come_from_the_policy_and_all_else_from_the_constraint() {
        let policies = Policies::default();
        let world = World::new(policies.clone(), RegistryConfig::default());
        let (constraints, revision) = constraint("1", 1);
        world.constraints(&constraints);
        assert!(matches!(credential(&policies, &revision), Credential::Unusable(_)), "not known yet");
        // {"auths":{"r.io":{"username":"u","password":"p"}}}
        let docker_cfg = "eyJhdXRocyI6eyJyLmlvIjp7InVzZXJuYW1lIjoidSIsInBhc3N3b3JkIjoicCJ9fX0=";
        world.policies(&policy("2", docker_cfg));
        assert!(matches!(credential(&policies, &revision), Credential::Login(_)));
        world.policies(&policy("3", "zxc=="));
        let Credential::Unusable(why) = credential(&policies, &revision) else { panic!("usable") };
        assert!(why.contains("base64"), "{why}");
        world.constraints(&object("4", json!({"spec": {"parameters": {"revision": 7}}})));
        assert_eq!(policies.revisions()["p"], revision, "what cannot be read changes nothing");
        let (constraints, other) = constraint("5", 2);
        world.constraints(&constraints);
        assert_eq!(policies.revisions()["p"], other);
        world.constraints(&BTreeMap::new());
        assert!(policies.revisions().is_empty());
    }
}
