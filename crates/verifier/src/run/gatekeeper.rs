//! Whose calls are answered: Gatekeeper's certificate is given out by the authority of its webhook.

use k8s_openapi::api::admissionregistration::v1::{ValidatingWebhook, ValidatingWebhookConfiguration};
use reqwest::Url;

/// The webhook that upstream's Gatekeeper has.
const NAME: &str = "validation.gatekeeper.sh";

/// The authorities of Gatekeeper's certificate, in PEM, and the names that it has, any of them.
pub(super) fn clients<'a>(
    all: impl Iterator<Item = &'a ValidatingWebhookConfiguration>,
) -> (String, Vec<String>) {
    let webhooks = all.filter_map(|configuration| configuration.webhooks.as_ref()).flatten();
    let (mut authority, mut names) = (String::new(), vec![]);
    for webhook in webhooks.filter(|webhook| webhook.name == NAME) {
        if let Some(bundle) = &webhook.client_config.ca_bundle {
            authority += &String::from_utf8_lossy(&bundle.0);
            authority.push('\n');
        }
        names.extend(name(webhook));
    }
    (authority, names)
}

fn name(webhook: &ValidatingWebhook) -> Option<String> {
    let config = &webhook.client_config;
    match (&config.service, &config.url) {
        (Some(service), _) => Some(format!("{}.{}.svc", service.name, service.namespace)),
        (None, Some(url)) => Url::parse(url).ok()?.host_str().map(ToOwned::to_owned),
        (None, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::clients;

    #[test]
    fn the_authority_and_names_are_those_of_upstreams_webhook() {
        let configuration = serde_json::from_value(json!({"metadata": {"name": "x"}, "webhooks": [
            {"name": "check-ignore-label.gatekeeper.sh", "clientConfig": {"caBundle": "b3RoZXI=", "url": "https://no/"}, "sideEffects": "None", "admissionReviewVersions": ["v1"]},
            {"name": "validation.gatekeeper.sh", "clientConfig": {"caBundle": "b25l", "service": {"name": "s", "namespace": "n"}}, "sideEffects": "None", "admissionReviewVersions": ["v1"]},
            {"name": "validation.gatekeeper.sh", "clientConfig": {"caBundle": "dHdv", "url": "https://127.0.0.1:8443/v1"}, "sideEffects": "None", "admissionReviewVersions": ["v1"]},
        ]}))
        .unwrap();
        let (authority, names) = clients([&configuration].into_iter());
        assert_eq!(
            (authority.as_str(), names),
            ("one\ntwo\n", vec!["s.n.svc".to_owned(), "127.0.0.1".to_owned()])
        );
    }
}
