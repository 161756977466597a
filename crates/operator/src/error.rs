//! What can go wrong.

use crate::REQUEST_TIMEOUT;
use crate::gate::NotLeading;

/// An error of the operator. A reconciliation that fails is tried again.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no way to reach an API server.
    #[error("no usable configuration of the Kubernetes client: set KUBECONFIG, or run in a Pod")]
    Configuration(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The API server refused a request.
    #[error("{doing}: {}", said(.source))]
    Api {
        /// What was tried, on which object.
        doing: String,
        /// What the API server said.
        source: Box<kube::Error>,
    },
    /// The API server did not answer.
    #[error("{doing}: no answer within {} s", REQUEST_TIMEOUT.as_secs())]
    Timeout {
        /// What was tried, on which object.
        doing: String,
    },
    /// The settings cannot be used.
    #[error("{path}: {problem}")]
    Settings {
        /// The settings file.
        path: String,
        /// Everything that is wrong.
        problem: String,
    },
    /// The address for probes and metrics cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: std::net::SocketAddr,
        /// Why.
        source: std::io::Error,
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

/// The API server's own words, without the debug form that kube's error adds.
fn said(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => status.message.clone(),
        other => other.to_string(),
    }
}

impl Error {
    /// Whether the request failed because the object changed in between, or has come: to be tried again at once, with
    /// the news.
    pub(crate) fn is_stale(&self) -> bool {
        matches!(self.status(), Some(409))
    }

    /// Whether an object of the same name is in the way. That ends with the object, which we watch.
    pub(crate) fn is_obstacle(&self) -> bool {
        matches!(self, Self::Conflict { .. } | Self::BeingDeleted { .. })
    }

    /// Whether the object, or its kind, is not there.
    pub(crate) fn is_not_found(&self) -> bool {
        matches!(self.status(), Some(404))
    }

    /// Whether an object could not be created because its namespace is being deleted.
    pub(crate) fn is_namespace_terminating(&self) -> bool {
        let Self::Api { source, .. } = self else { return false };
        let kube::Error::Api(status) = &**source else { return false };
        let mut causes = status.details.iter().flat_map(|details| &details.causes);
        causes.any(|cause| cause.reason == "NamespaceTerminating")
    }

    /// Whether the API server says that there is no object of this name. That it does not serve the kind is a 404 as
    /// well, and says nothing of the object.
    pub(crate) fn is_absence_of(&self, name: &str) -> bool {
        let Self::Api { source, .. } = self else { return false };
        let kube::Error::Api(status) = &**source else { return false };
        status.code == 404 && status.details.as_ref().is_some_and(|details| details.name == name)
    }

    /// Whether the request was not sent, because another replica leads by now.
    pub(crate) fn is_not_leading(&self) -> bool {
        let Self::Api { source, .. } = self else { return false };
        matches!(&**source, kube::Error::Service(error) if error.is::<NotLeading>())
    }

    /// A word for the metrics.
    pub(crate) fn reason(&self) -> String {
        match self {
            Self::Api { source, .. } => match &**source {
                kube::Error::Api(status) if !status.reason.is_empty() => status.reason.clone(),
                kube::Error::Api(status) => status.code.to_string(),
                _ if self.is_not_leading() => "NotLeading".to_owned(),
                _ => "Connection".to_owned(),
            },
            Self::Timeout { .. } => "Timeout".to_owned(),
            Self::Conflict { .. } => "Foreign".to_owned(),
            Self::BeingDeleted { .. } => "BeingDeleted".to_owned(),
            Self::NotKept { .. } => "NotKept".to_owned(),
            _ => "Other".to_owned(),
        }
    }

    fn status(&self) -> Option<u16> {
        match self {
            Self::Api { source, .. } => match &**source {
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
    match tokio::time::timeout(REQUEST_TIMEOUT, request).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(source)) => Err(Error::Api { doing, source: Box::new(source) }),
        Err(_) => Err(Error::Timeout { doing }),
    }
}
