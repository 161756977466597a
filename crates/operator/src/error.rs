//! What can go wrong.

use std::time::Duration;

/// How long one request to the API server may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// An error of the operator. A reconciliation that fails is tried again.
///
/// Its text is complete, with all causes, because it stands in conditions and events as well as in the log. So it names
/// no source: whoever prints the sources of an error, too, would print them twice.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no way to reach an API server.
    #[error("no usable configuration of the Kubernetes client: {0}; set KUBECONFIG, or run in a Pod")]
    Configuration(String),
    /// The API server refused a request, or could not be asked.
    #[error("{doing}: {}", said(.answer))]
    Api {
        /// What was tried, on which object.
        doing: String,
        /// What the API server said, or why it said nothing.
        answer: Box<kube::Error>,
    },
    /// The API server did not answer.
    #[error("{doing}: no answer within {} s", .limit.as_secs())]
    Timeout {
        /// What was tried, on which object.
        doing: String,
        /// How long it was waited for.
        limit: Duration,
    },
    /// The address for probes and metrics cannot be listened on.
    #[error("cannot listen on {address}: {reason}")]
    Listen {
        /// The address.
        address: std::net::SocketAddr,
        /// Why.
        reason: std::io::Error,
    },
    /// Another replica leads, or may lead, by now. Only the end of the process ends all that was begun.
    #[error("this replica has lost the lease; it ends, so that nothing it began is finished")]
    LeadershipLost,
    /// A task that should run forever has ended.
    #[error("the operator's work has stopped; see the log")]
    Stopped,
    /// Somebody else's object has the name that ours should have.
    #[error("{kind} {name} exists and is not ours (it has no label {label} with our value); delete or rename it", label = gatewright_api::names::OWNER_LABEL)]
    Conflict {
        /// The object's kind.
        kind: String,
        /// The object's name.
        name: String,
    },
    /// What `render` wrote has the name that ours should have.
    #[error("{kind} {name} is owned by render: its label {label} says that GitOps keeps it. Either delete what render wrote, or run no operator beside it on the same policies", label = gatewright_api::names::OWNER_LABEL)]
    Rendered {
        /// The object's kind.
        kind: String,
        /// The object's name.
        name: String,
    },
    /// An object was deleted after it was looked at.
    #[error("{kind} {name} was deleted in the meantime")]
    Gone {
        /// The object's kind.
        kind: String,
        /// The object's name.
        name: String,
    },
    /// Our object is being deleted, and somebody else holds it.
    #[error(
        "{kind} {name} is being deleted and held by finalizers of others ({finalizers}): it is made anew as soon as they let go"
    )]
    BeingDeleted {
        /// The object's kind.
        kind: String,
        /// The object's name.
        name: String,
        /// The finalizers.
        finalizers: String,
    },
    /// No certificate can be made for the verifier.
    #[error("no certificate can be made for {host}, the host of signatures.url in the settings: {reason}")]
    Certificate {
        /// The host.
        host: String,
        /// Why.
        reason: String,
    },
    /// The API server took a write and stored something else.
    #[error(
        "{kind} {name} differs from what was written, in {fields}: another program changes it at once, or its CRD is older than this operator"
    )]
    NotKept {
        /// The object's kind.
        kind: String,
        /// The object's name.
        name: String,
        /// The paths of the fields.
        fields: String,
    },
}

/// A write that was not sent, because another replica leads.
#[derive(Debug, thiserror::Error)]
#[error("this replica does not lead, so it does not write")]
pub(crate) struct NotLeading;

/// The API server's own words, without the debug form that kube's error adds; or why there are none.
pub(crate) fn said(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => status.message.clone(),
        other => with_causes(other),
    }
}

/// An error with its causes, each once: some errors print their first cause themselves, others none.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

impl Error {
    pub(crate) fn configuration(error: &dyn std::error::Error) -> Self {
        Self::Configuration(with_causes(error))
    }

    /// Whether the request failed because the object changed in between, has come or has gone: to be tried again at
    /// once, with the news.
    pub(crate) fn is_stale(&self) -> bool {
        matches!(self, Self::Gone { .. }) || matches!(self.status(), Some(409))
    }

    /// Whether an object of the same name is in the way. That ends with the object, which we watch.
    pub(crate) fn is_obstacle(&self) -> bool {
        matches!(self, Self::Conflict { .. } | Self::Rendered { .. } | Self::BeingDeleted { .. })
    }

    /// Whether the object, or its kind, is not there.
    pub(crate) fn is_not_found(&self) -> bool {
        matches!(self.status(), Some(404))
    }

    /// Whether the API server has answered that it will not say: the object or its address is not there, or not for us.
    pub(crate) fn is_refusal(&self) -> bool {
        matches!(self.status(), Some(401 | 403 | 404 | 406))
    }

    /// Whether an object could not be created because its namespace is being deleted.
    pub(crate) fn is_namespace_terminating(&self) -> bool {
        let Self::Api { answer, .. } = self else { return false };
        let kube::Error::Api(status) = &**answer else { return false };
        let mut causes = status.details.iter().flat_map(|details| &details.causes);
        causes.any(|cause| cause.reason == "NamespaceTerminating")
    }

    /// Whether the API server says that there is no object of this name. That it does not serve the kind is a 404 as
    /// well, and says nothing of the object.
    pub(crate) fn is_absence_of(&self, name: &str) -> bool {
        let Self::Api { answer, .. } = self else { return false };
        let kube::Error::Api(status) = &**answer else { return false };
        status.code == 404 && status.details.as_ref().is_some_and(|details| details.name == name)
    }

    /// Whether the request was not sent, because another replica leads by now.
    pub(crate) fn is_not_leading(&self) -> bool {
        let Self::Api { answer, .. } = self else { return false };
        matches!(&**answer, kube::Error::Service(error) if error.is::<NotLeading>())
    }

    /// A word for the metrics.
    pub(crate) fn reason(&self) -> String {
        match self {
            Self::Api { answer, .. } => match &**answer {
                kube::Error::Api(status) if !status.reason.is_empty() => status.reason.clone(),
                kube::Error::Api(status) => status.code.to_string(),
                _ if self.is_not_leading() => "NotLeading".to_owned(),
                _ => "Connection".to_owned(),
            },
            Self::Timeout { .. } => "Timeout".to_owned(),
            Self::Gone { .. } => "Conflict".to_owned(),
            Self::Conflict { .. } | Self::Rendered { .. } => "Foreign".to_owned(),
            Self::BeingDeleted { .. } => "BeingDeleted".to_owned(),
            Self::NotKept { .. } => "NotKept".to_owned(),
            _ => "Other".to_owned(),
        }
    }

    fn status(&self) -> Option<u16> {
        match self {
            Self::Api { answer, .. } => match &**answer {
                kube::Error::Api(status) => Some(status.code),
                _ => None,
            },
            _ => None,
        }
    }
}

/// Awaits a request, but not forever.
///
/// # Errors
/// The request's own, or that there was no answer in time.
pub(crate) async fn request<T>(
    doing: String,
    request: impl Future<Output = kube::Result<T>>,
) -> Result<T, Error> {
    request_within(REQUEST_TIMEOUT, doing, request).await
}

/// Awaits a request for so long.
///
/// # Errors
/// The request's own, or that there was no answer in time.
pub(crate) async fn request_within<T>(
    limit: Duration,
    doing: String,
    request: impl Future<Output = kube::Result<T>>,
) -> Result<T, Error> {
    match tokio::time::timeout(limit, request).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(answer)) => Err(Error::Api { doing, answer: Box::new(answer) }),
        Err(_) => Err(Error::Timeout { doing, limit }),
    }
}

#[cfg(test)]
mod tests {
    use super::{Error, NotLeading, with_causes};
    use kube::core::Status;
    use std::time::Duration;

    #[derive(Debug, thiserror::Error)]
    #[error("connecting: {0}")]
    struct Quoting(#[source] Silent);

    #[derive(Debug, thiserror::Error)]
    #[error("no route")]
    struct Silent(#[source] std::io::Error);

    fn refused() -> std::io::Error {
        std::io::Error::new(std::io::ErrorKind::ConnectionRefused, "refused")
    }

    fn api(answer: kube::Error) -> Error {
        Error::Api { doing: "reading x".to_owned(), answer: Box::new(answer) }
    }

    fn answered(code: u16, reason: &str, name: &str) -> Error {
        let mut status = Status::failure("no", reason).with_code(code);
        let details = serde_json::json!({"name": name, "causes": [{"reason": "NamespaceTerminating"}]});
        status.details = Some(serde_json::from_value(details).unwrap());
        api(kube::Error::Api(Box::new(status)))
    }

    #[test]
    fn each_cause_is_named_once() {
        assert_eq!(with_causes(&Quoting(Silent(refused()))), "connecting: no route: refused");
        let service = kube::Error::Service(Box::new(Quoting(Silent(refused()))));
        assert_eq!(api(service).to_string(), "reading x: ServiceError: connecting: no route: refused");
        // The debug form that kube adds is left out.
        assert_eq!(answered(404, "NotFound", "x").to_string(), "reading x: no");
        let address = "127.0.0.1:1".parse().unwrap();
        for error in [answered(404, "NotFound", "x"), Error::Listen { address, reason: refused() }] {
            assert!(
                std::error::Error::source(&error).is_none(),
                "{error} would be printed with its cause twice"
            );
        }
    }

    #[test]
    fn what_an_error_means_for_the_next_attempt() {
        let means = |error: &Error| {
            [
                error.is_stale(),
                error.is_not_found(),
                error.is_absence_of("x"),
                error.is_namespace_terminating(),
            ]
        };
        for (code, name, expected) in [
            (409, "x", [true, false, false, true]),
            (404, "x", [false, true, true, true]),
            (404, "", [false, true, false, true]),
            (500, "x", [false, false, false, true]),
        ] {
            assert_eq!(means(&answered(code, "Reason", name)), expected, "{code} {name}");
        }
        let gone = Error::Gone { kind: "K".into(), name: "x".into() };
        assert_eq!(means(&gone), [true, false, false, false]);
        let timeout = Error::Timeout { doing: "asking".into(), limit: Duration::from_secs(1) };
        assert_eq!(means(&timeout), [false; 4]);
    }

    #[test]
    fn every_error_has_a_word_for_the_metrics() {
        let not_leading = api(kube::Error::Service(Box::new(NotLeading)));
        assert!(not_leading.is_not_leading() && !not_leading.is_obstacle());
        let (kind, name) = (|| "K".to_owned(), || "x".to_owned());
        for (error, word) in [
            (not_leading, "NotLeading"),
            (api(kube::Error::Service(Box::new(refused()))), "Connection"),
            (answered(403, "Forbidden", "x"), "Forbidden"),
            (answered(418, "", "x"), "418"),
            (Error::Timeout { doing: "asking".into(), limit: Duration::from_secs(1) }, "Timeout"),
            (Error::Gone { kind: kind(), name: name() }, "Conflict"),
            (Error::Conflict { kind: kind(), name: name() }, "Foreign"),
            (Error::Rendered { kind: kind(), name: name() }, "Foreign"),
            (Error::BeingDeleted { kind: kind(), name: name(), finalizers: "f".into() }, "BeingDeleted"),
            (Error::NotKept { kind: kind(), name: name(), fields: "f".into() }, "NotKept"),
            (Error::Stopped, "Other"),
        ] {
            assert_eq!(error.reason(), word);
            assert_eq!(error.is_obstacle(), ["Foreign", "BeingDeleted"].contains(&word), "{word}");
        }
    }
}
