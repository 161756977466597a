//! Renders kubeconfig files that hold all they refer to.

use anyhow::Result;
use k8s_openapi::ByteString;
use serde_json::{Value, json};

use super::certificates::Pair;

/// As whom a kubeconfig connects.
pub enum Identity<'a> {
    /// The bearer of a client certificate.
    Certificate(&'a Pair),
    /// The bearer of a token.
    Token(&'a str),
}

/// A kubeconfig with one context, named after the cluster.
pub fn render(cluster: &str, server: &str, authority: &str, identity: &Identity) -> Result<String> {
    let kubeconfig = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": cluster,
        "contexts": [{"name": cluster, "context": {"cluster": cluster, "user": cluster}}],
        "clusters": [{
            "name": cluster,
            "cluster": {"server": server, "certificate-authority-data": base64(authority)},
        }],
        "users": [{"name": cluster, "user": user(identity)}],
    });
    Ok(serde_saphyr::to_string(&kubeconfig)?)
}

fn user(identity: &Identity) -> Value {
    match identity {
        Identity::Certificate(pair) => json!({
            "client-certificate-data": base64(&pair.certificate),
            "client-key-data": base64(&pair.key),
        }),
        Identity::Token(token) => json!({"token": token}),
    }
}

/// Bytes of Kubernetes objects are base64 in JSON.
fn base64(text: &str) -> ByteString {
    ByteString(text.as_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    use kube::config::Kubeconfig;

    use super::*;

    #[test]
    fn a_client_reads_what_was_rendered() {
        let pair = Pair { certificate: "the certificate".to_owned(), key: "the key".to_owned() };
        let yaml = render("dev", "https://127.0.0.1:1", "the ca", &Identity::Certificate(&pair)).unwrap();

        let read = Kubeconfig::from_yaml(&yaml).unwrap();

        assert_eq!(read.current_context.as_deref(), Some("dev"));
        let cluster = read.clusters[0].cluster.clone().unwrap();
        assert_eq!(cluster.server.as_deref(), Some("https://127.0.0.1:1"));
        assert_eq!(cluster.certificate_authority_data.as_deref(), Some("dGhlIGNh"));
        let user = read.auth_infos[0].auth_info.clone().unwrap();
        assert_eq!(user.client_certificate_data.as_deref(), Some("dGhlIGNlcnRpZmljYXRl"));
    }

    #[test]
    fn a_token_stands_as_it_is() {
        let yaml = render("dev", "https://127.0.0.1:1", "the ca", &Identity::Token("abc")).unwrap();
        assert!(yaml.contains("token: abc"), "{yaml}");
    }
}
