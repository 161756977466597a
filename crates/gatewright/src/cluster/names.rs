//! How objects are named.

/// An object as people name it to kubectl and to us: `KIND/NAME -n NAMESPACE`, or `KIND/NAME` where it has no namespace.
pub fn object_name(kind: &str, namespace: &str, name: &str) -> String {
    if namespace.is_empty() { format!("{kind}/{name}") } else { format!("{kind}/{name} -n {namespace}") }
}

#[cfg(test)]
mod tests {
    use super::object_name;

    #[test]
    fn the_namespace_is_named_where_there_is_one() {
        assert_eq!(object_name("Pod", "shop", "web-0"), "Pod/web-0 -n shop");
        assert_eq!(object_name("SecurityPolicy", "", "strict"), "SecurityPolicy/strict");
    }
}
