//! How objects are named.

use gatewright_gatekeeper::{CONSTRAINT_GROUP, CONSTRAINT_VERSION};
use kube::core::{ApiResource, GroupVersionKind};

/// Where the constraints of a kind are.
pub fn constraints(kind: &str) -> ApiResource {
    let named = GroupVersionKind::gvk(CONSTRAINT_GROUP, CONSTRAINT_VERSION, kind);
    // Gatekeeper adds no s.
    ApiResource { plural: kind.to_lowercase(), ..ApiResource::from_gvk(&named) }
}

/// Gatekeeper's `Config`.
pub fn configs() -> ApiResource {
    ApiResource::from_gvk(&GroupVersionKind::gvk("config.gatekeeper.sh", "v1alpha1", "Config"))
}

/// An object as people name it to kubectl and to us: `KIND/NAME -n NAMESPACE`, or `KIND/NAME` where it has no namespace.
pub fn object_name(kind: &str, namespace: &str, name: &str) -> String {
    if namespace.is_empty() { format!("{kind}/{name}") } else { format!("{kind}/{name} -n {namespace}") }
}

#[cfg(test)]
mod tests {
    use super::{constraints, object_name};

    #[test]
    fn the_namespace_is_named_where_there_is_one() {
        assert_eq!(object_name("Pod", "shop", "web-0"), "Pod/web-0 -n shop");
        assert_eq!(object_name("SecurityPolicy", "", "strict"), "SecurityPolicy/strict");
    }

    #[test]
    fn a_kind_of_constraints_has_no_plural() {
        let found = constraints("D8SecurityPolicy");
        assert_eq!(found.plural, "d8securitypolicy");
        assert_eq!(found.api_version, "constraints.gatekeeper.sh/v1beta1");
    }
}
