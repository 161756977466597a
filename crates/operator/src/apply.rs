//! Brings one object into the API exactly as desired.
//!
//! Every write is conditional: a new object is created, never applied over one that came in between; a change names
//! the version that it was computed from. Server-side apply does what it can, and a full update what it cannot:
//! remove fields that another manager added.

use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions};
use kube::core::DynamicObject;
use kube::{Resource as _, ResourceExt as _};
use tracing::{debug, info, warn};

use crate::error::request;
use crate::live::{Difference, Live, content};
use crate::{Error, FIELD_MANAGER};

/// An object to apply, and where.
pub(crate) struct Desired<'a> {
    pub(crate) api: &'a Api<DynamicObject>,
    pub(crate) kind: &'static str,
    pub(crate) object: DynamicObject,
}

/// What had to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Written {
    /// Nothing.
    Nothing,
    /// The object was not there.
    Created,
    /// These fields were not as desired.
    Changed(Vec<String>),
}

impl Desired<'_> {
    /// Makes the live object equal to the desired one; writes nothing where it is.
    ///
    /// # Errors
    /// Somebody else's object stands in the way, a request failed, or the API server stored something else.
    pub(crate) async fn ensure(&self, live: Option<&Live>) -> Result<(Live, Written), Error> {
        let Some(live) = live else {
            return Ok((self.create().await?, Written::Created));
        };
        self.may_be_written(live)?;
        let difference = Difference::between(live, &self.object);
        if difference.fields.is_empty() {
            return Ok((live.clone(), Written::Nothing));
        }
        let applied = if difference.surplus { None } else { Some(self.apply(live).await?) };
        let is_whole = |live: &Live| Difference::between(live, &self.object).fields.is_empty();
        let written = match applied.filter(is_whole) {
            Some(applied) => applied,
            None => self.replace().await?,
        };
        Ok((written, Written::Changed(difference.fields)))
    }

    fn may_be_written(&self, live: &Live) -> Result<(), Error> {
        live.obstacle(self.kind, &self.name()).map_or(Ok(()), Err)
    }

    async fn create(&self) -> Result<Live, Error> {
        let parameters =
            PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
        let created = request(self.doing("creating"), self.api.create(&parameters, &self.object)).await?;
        self.as_desired(created.into())
    }

    /// Adds and changes fields. With uid and version the request fails if the object is no longer the one we saw.
    async fn apply(&self, live: &Live) -> Result<Live, Error> {
        let mut object = self.object.clone();
        object.metadata.uid = Some(live.uid.clone());
        object.metadata.resource_version = Some(live.resource_version.clone());
        let parameters = PatchParams::apply(FIELD_MANAGER).force();
        let patch = Patch::Apply(&object);
        request(self.doing("applying"), self.api.patch(&object.name_any(), &parameters, &patch))
            .await
            .map(Live::from)
    }

    /// Replaces content and owners; other people's labels and annotations stay.
    async fn replace(&self) -> Result<Live, Error> {
        let name = self.object.name_any();
        let mut object = request(self.doing("reading"), self.api.get(&name)).await?;
        self.may_be_written(&object.clone().into())?;
        object.labels_mut().extend(self.object.labels().clone());
        object.annotations_mut().extend(self.object.annotations().clone());
        object.meta_mut().owner_references.clone_from(&self.object.metadata.owner_references);
        match content(&self.object.data) {
            Some(content) => object.data[content] = self.object.data[content].clone(),
            None => object.data.clone_from(&self.object.data),
        }
        object.meta_mut().managed_fields = None;
        let parameters =
            PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
        let replaced =
            request(self.doing("replacing"), self.api.replace(&name, &parameters, &object)).await?;
        self.as_desired(replaced.into())
    }

    fn as_desired(&self, live: Live) -> Result<Live, Error> {
        let Difference { fields, .. } = Difference::between(&live, &self.object);
        if fields.is_empty() {
            return Ok(live);
        }
        let (kind, name) = (self.kind.to_owned(), self.name());
        Err(Error::NotKept { kind, name, fields: fields.join(", ") })
    }

    fn doing(&self, verb: &str) -> String {
        doing(verb, self.kind, &self.name())
    }

    fn name(&self) -> String {
        full_name(self.api, &self.object.name_any())
    }
}

fn namespace(api: &Api<DynamicObject>) -> Option<&str> {
    let (_, rest) = api.resource_url().split_once("/namespaces/")?;
    rest.split('/').next()
}

/// The object's name, behind its namespace if it has one.
fn full_name(api: &Api<DynamicObject>, name: &str) -> String {
    namespace(api).map_or_else(|| name.to_owned(), |namespace| format!("{namespace}/{name}"))
}

/// Deletes an object if it is still the one we saw, once: what others hold goes when they let go.
///
/// # Errors
/// The request failed. That the object is gone already is no error.
pub(crate) async fn delete(
    api: &Api<DynamicObject>,
    kind: &str,
    name: &str,
    live: &Live,
) -> Result<(), Error> {
    if live.held_by.is_some() {
        return Ok(());
    }
    let preconditions = Preconditions { uid: Some(live.uid.clone()), resource_version: None };
    let parameters = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() };
    let deleting = doing("deleting", kind, &full_name(api, name));
    match request(deleting, api.delete(name, &parameters)).await {
        Ok(deleted) => match deleted.left().filter(|object| !object.finalizers().is_empty()) {
            Some(held) => {
                let finalizers = held.finalizers().join(", ");
                warn!(kind, name, finalizers, "deleted; it is gone when these finalizers of others are");
            }
            // There may be one in every namespace, which nobody needs to know.
            None if namespace(api).is_some() => debug!(kind, name = full_name(api, name), "deleted"),
            None => info!(kind, name, "deleted"),
        },
        Err(error) if error.is_not_found() => {}
        Err(error) => return Err(error),
    }
    Ok(())
}

fn doing(verb: &str, kind: &str, name: &str) -> String {
    format!("{verb} {kind} {name}")
}
