//! What is reviewed: an AdmissionRequest.

use gatewright_gatekeeper::{Operation, Source, group_and_kind};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use strum::VariantArray as _;

use crate::{RequestError, inventory::label_namespace};

/// What is reviewed: an AdmissionRequest.
#[derive(Clone, Debug)]
pub struct Request {
    /// The fields of the request as Gatekeeper writes them for templates.
    review: Map<String, Value>,
    source: Source,
}

impl Request {
    /// The creation of an object, as the webhook sees it. The resource is guessed from the kind: its plural in lower
    /// case.
    #[must_use]
    pub fn create(mut object: Value) -> Self {
        label_namespace(&mut object);
        let version = object["apiVersion"].as_str().unwrap_or_default();
        let kind = kind_of(&object);
        let group = kind["group"].clone();
        let resource = plural(kind["kind"].as_str().unwrap_or_default());
        let resource = json!({"group": group, "version": kind["version"], "resource": resource});
        let options = json!({"apiVersion": "meta.k8s.io/v1", "kind": "CreateOptions"});
        let mut review = fields(json!({
            "uid": UID,
            "kind": kind, "requestKind": kind,
            "resource": resource, "requestResource": resource,
            "operation": Operation::Create,
            "userInfo": {"username": "gatewright", "groups": ["system:authenticated"]},
            "oldObject": null, "dryRun": false, "options": options,
        }));
        add_names(&mut review, &object, version == "v1" && object["kind"] == "Namespace");
        review.insert("object".to_owned(), object);
        Self { review, source: Source::Original }
    }

    /// The change of an object, as the webhook sees it: what it becomes, and what it was.
    #[must_use]
    pub fn update(object: Value, mut old: Value) -> Self {
        label_namespace(&mut old);
        let mut request = Self::create(object);
        let options = json!({"apiVersion": "meta.k8s.io/v1", "kind": "UpdateOptions"});
        let changed = [("operation", json!(Operation::Update)), ("oldObject", old), ("options", options)];
        request.review.extend(changed.map(|(field, value)| (field.to_owned(), value)));
        request
    }

    /// The creation of an object by a controller of kube-controller-manager, which has a service account of its own in
    /// `kube-system`. Where the API server makes up the name, the request has none yet.
    #[must_use]
    pub fn create_by(object: Value, account: &str, made_up_name: bool) -> Self {
        let mut request = Self::create(object);
        let username = format!("system:serviceaccount:kube-system:{account}");
        let groups = ["system:serviceaccounts", "system:serviceaccounts:kube-system", "system:authenticated"];
        request.review.insert("userInfo".to_owned(), json!({"username": username, "groups": groups}));
        if made_up_name {
            request.review.remove("name");
        }
        request
    }

    /// An object as audit and `gator` see it: without an operation.
    #[must_use]
    pub fn audit(object: Value) -> Self {
        let mut review = fields(json!({
            "uid": "", "kind": kind_of(&object),
            "resource": {"group": "", "version": "", "resource": ""},
            "operation": "", "userInfo": {}, "oldObject": null, "options": null,
        }));
        add_names(&mut review, &object, false);
        review.insert("object".to_owned(), object);
        Self { review, source: Source::Original }
    }

    /// An object that another one implies: nobody sent it, and the operation is that of the other one.
    pub(crate) fn implied(object: Value, by: &Self) -> Self {
        let mut request = Self { source: Source::Generated, ..Self::audit(object) };
        if by.operation() == Some(Operation::Delete) {
            request.review.insert("oldObject".to_owned(), request.object().clone());
        }
        request.review.insert("operation".to_owned(), by.text("operation").into());
        request
    }

    /// The request of an `AdmissionReview` document.
    ///
    /// # Errors
    /// A field that is unknown, missing or of a wrong type.
    #[expect(clippy::needless_pass_by_value, reason = "callers need it no longer")]
    pub fn from_admission_review(document: Value) -> Result<Self, RequestError> {
        let document: Document = gatewright_typed::read(&document)
            .map_err(|misfit| RequestError::new(misfit.pointer, misfit.message))?;
        let request = document.request.ok_or_else(|| RequestError::new("/request", "is required"))?;
        request.check()?;
        Ok(Self { review: request.review(), source: Source::Original })
    }

    /// The request of an `AdmissionReview` that an API server sent: one of its operations, and the kind that it is about.
    /// Gatekeeper's suites may have requests without.
    ///
    /// # Errors
    /// What [`Request::from_admission_review`] refuses, and what no API server sends.
    pub fn from_api_server(document: Value) -> Result<Self, RequestError> {
        let request = Self::from_admission_review(document)?;
        request.check_sent()?;
        Ok(request)
    }

    fn check_sent(&self) -> Result<(), RequestError> {
        let operations = Operation::VARIANTS.iter().map(|operation| operation.name()).collect::<Vec<_>>();
        match self.text("operation") {
            "" => {
                let message = format!("is required: {}", operations.join(", "));
                return Err(RequestError::new("/request/operation", message));
            }
            word if self.operation().is_none() => {
                let message = gatewright_typed::not_one_of(word, &operations);
                return Err(RequestError::new("/request/operation", message));
            }
            _ => {}
        }
        let kind = self.review["kind"]["kind"].as_str().unwrap_or_default();
        if kind.is_empty() {
            let message = "is required: the kind of the object that the request is about";
            return Err(RequestError::new("/request/kind/kind", message));
        }
        Ok(())
    }

    /// What the request does; none for an object that audit sees.
    #[must_use]
    pub fn operation(&self) -> Option<Operation> {
        self.text("operation").parse().ok()
    }

    /// The namespace of the request, also where its object names none; empty for cluster-scoped objects.
    #[must_use]
    pub fn namespace(&self) -> &str {
        self.text("namespace")
    }

    /// The object under review: the old one for DELETE, the options for CONNECT.
    #[must_use]
    pub fn object(&self) -> &Value {
        self.review.get("object").unwrap_or(&Value::Null)
    }

    /// The object before an UPDATE or DELETE; null otherwise.
    #[must_use]
    pub fn old_object(&self) -> &Value {
        self.review.get("oldObject").unwrap_or(&Value::Null)
    }

    pub(crate) fn review(&self) -> &Map<String, Value> {
        &self.review
    }

    pub(crate) const fn source(&self) -> Source {
        self.source
    }

    fn text(&self, field: &str) -> &str {
        self.review.get(field).and_then(Value::as_str).unwrap_or_default()
    }
}

/// Of a request that nobody sent.
const UID: &str = "00000000-0000-0000-0000-000000000000";

fn fields(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

/// The name and namespace of an object, as far as it has them. The webhook blanks the namespace of a Namespace.
fn add_names(review: &mut Map<String, Value>, object: &Value, without_namespace: bool) {
    for field in ["name", "namespace"] {
        let text = object["metadata"][field].as_str().unwrap_or_default();
        let blanked = field == "namespace" && without_namespace;
        if !text.is_empty() && !blanked {
            review.insert(field.to_owned(), text.into());
        }
    }
}

fn kind_of(object: &Value) -> Value {
    let (group, kind) = group_and_kind(object);
    let version = object["apiVersion"].as_str().unwrap_or_default();
    let version = version.rsplit('/').next().unwrap_or_default();
    json!({"group": group, "version": version, "kind": kind})
}

/// The resource of a kind, by the rule that Kubernetes' own clients guess with.
fn plural(kind: &str) -> String {
    let kind = kind.to_lowercase();
    if kind == "endpoints" {
        return kind;
    }
    if ["s", "x", "ch", "sh"].iter().any(|end| kind.ends_with(end)) {
        return format!("{kind}es");
    }
    match kind.strip_suffix('y') {
        Some(stem) if !stem.ends_with(['a', 'e', 'o', 'u']) => format!("{stem}ies"),
        _ => format!("{kind}s"),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Document {
    #[allow(dead_code)]
    api_version: String,
    #[allow(dead_code)]
    kind: String,
    request: Option<AdmissionRequest>,
    #[allow(dead_code)]
    response: Option<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct AdmissionRequest {
    uid: Option<String>,
    kind: Option<GroupVersionKind>,
    resource: Option<GroupVersionResource>,
    sub_resource: Option<String>,
    request_kind: Option<GroupVersionKind>,
    request_resource: Option<GroupVersionResource>,
    request_sub_resource: Option<String>,
    name: Option<String>,
    namespace: Option<String>,
    operation: Option<String>,
    user_info: Option<UserInfo>,
    object: Option<Value>,
    old_object: Option<Value>,
    dry_run: Option<bool>,
    options: Option<Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GroupVersionKind {
    group: Option<String>,
    version: Option<String>,
    kind: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GroupVersionResource {
    group: Option<String>,
    version: Option<String>,
    resource: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UserInfo {
    username: Option<String>,
    uid: Option<String>,
    groups: Option<Vec<String>>,
    extra: Option<std::collections::BTreeMap<String, Vec<String>>>,
}

impl AdmissionRequest {
    fn check(&self) -> Result<(), RequestError> {
        if self.object.is_none() && self.old_object.is_none() {
            return Err(RequestError::new("/request", "needs an `object` or an `oldObject`"));
        }
        if self.operation.as_deref() == Some(Operation::Delete.name()) && self.old_object.is_none() {
            return Err(RequestError::new("/request/oldObject", "is required for DELETE"));
        }
        for (field, object) in [("object", &self.object), ("oldObject", &self.old_object)] {
            let Some(object) = object else { continue };
            if !object.is_object() {
                let message = "is not an object: it must be a map with apiVersion and kind";
                return Err(RequestError::new(format!("/request/{field}"), message));
            }
            if object["kind"].as_str().is_none_or(str::is_empty) {
                return Err(RequestError::new(format!("/request/{field}/kind"), "is required"));
            }
        }
        Ok(())
    }

    /// The request as Gatekeeper writes it: some fields always, the others where they say something.
    fn review(self) -> Map<String, Value> {
        let mut review = fields(json!({
            "uid": self.uid.unwrap_or_default(),
            "kind": self.kind.map_or_else(|| json!({"group": "", "version": "", "kind": ""}), GroupVersionKind::json),
            "resource": self.resource.map_or_else(|| json!({"group": "", "version": "", "resource": ""}), GroupVersionResource::json),
            "operation": self.operation.as_deref().unwrap_or_default(),
            "userInfo": self.user_info.map_or_else(|| json!({}), UserInfo::json),
            "oldObject": self.old_object,
            "options": self.options,
        }));
        let deleted = self.operation.as_deref() == Some(Operation::Delete.name());
        let object = if deleted { review["oldObject"].clone() } else { self.object.unwrap_or_default() };
        let text = |text: Option<String>| text.filter(|text| !text.is_empty()).map(Value::from);
        for (field, value) in [
            ("object", Some(object)),
            ("subResource", text(self.sub_resource)),
            ("requestKind", self.request_kind.map(GroupVersionKind::json)),
            ("requestResource", self.request_resource.map(GroupVersionResource::json)),
            ("requestSubResource", text(self.request_sub_resource)),
            ("name", text(self.name)),
            ("namespace", text(self.namespace)),
            ("dryRun", self.dry_run.map(Value::from)),
        ] {
            review.extend(value.map(|value| (field.to_owned(), value)));
        }
        review
    }
}

impl GroupVersionKind {
    fn json(self) -> Value {
        let text = Option::unwrap_or_default;
        json!({"group": text(self.group), "version": text(self.version), "kind": text(self.kind)})
    }
}

impl GroupVersionResource {
    fn json(self) -> Value {
        let text = Option::unwrap_or_default;
        json!({"group": text(self.group), "version": text(self.version), "resource": text(self.resource)})
    }
}

impl UserInfo {
    fn json(self) -> Value {
        let text = |text: Option<String>| text.filter(|text| !text.is_empty()).map(Value::from);
        let groups = self.groups.filter(|groups| !groups.is_empty()).map(Value::from);
        let extra = self.extra.filter(|extra| !extra.is_empty()).map(|extra| json!(extra));
        let members = [
            ("username", text(self.username)),
            ("uid", text(self.uid)),
            ("groups", groups),
            ("extra", extra),
        ];
        members
            .into_iter()
            .filter_map(|(field, value)| Some((field.to_owned(), value?)))
            .collect::<Map<_, _>>()
            .into()
    }
}
