//! Brings one object into the API exactly as it should be.
//!
//! Every write is conditional: a new object is created, never applied over one that came in between; a change names
//! the version that it was computed from. Server-side apply does what it can, and a full update what it cannot:
//! remove fields that another manager added.

use std::sync::Arc;

use kube::api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions};
use kube::core::DynamicObject;
use kube::{Client, ResourceExt as _};
use tracing::{debug, info, warn};

use crate::Error;
use crate::error::request;
use crate::names::FIELD_MANAGER;
use crate::watch::desired::{Applied, Difference, Found, Prepared, Write};
use crate::watch::kind::Id;
use crate::watch::live::Live;

/// Makes the live object equal to the prepared one.
///
/// # Errors
/// Somebody else's object stands in the way, a request failed, or the API server stored something else.
pub(crate) async fn apply(client: &Client, prepared: &Prepared, write: &Write) -> Result<Applied, Error> {
    let target = Target { client, prepared };
    match write {
        Write::Create => target.create().await,
        Write::Update { live, difference } => {
            target.change(live, difference).await.map_err(|error| target.explained(error))
        }
    }
}

struct Target<'a> {
    client: &'a Client,
    prepared: &'a Prepared,
}

impl Target<'_> {
    async fn create(&self) -> Result<Applied, Error> {
        let (api, object) = (self.id().api(self.client), self.prepared.object());
        let created = request(self.doing("creating"), api.create(&parameters(), &object)).await?;
        self.as_prepared(created)
    }

    async fn change(&self, live: &Live, difference: &Difference) -> Result<Applied, Error> {
        if difference.surplus {
            return self.replace(live).await;
        }
        let applied = Arc::new(self.patch(live).await?);
        match self.prepared.compare(Some(&applied)) {
            Found::Applied(applied) => Ok(applied),
            Found::Differs(_) => self.replace(&applied).await,
            Found::Blocked(obstacle) => Err(obstacle.error(self.id())),
        }
    }

    /// Adds and changes fields. With uid and version the request fails if the object is no longer the one we saw.
    async fn patch(&self, live: &Live) -> Result<Live, Error> {
        let mut object = self.prepared.object();
        object.metadata.uid = Some(live.uid.clone());
        object.metadata.resource_version = Some(live.resource_version.clone());
        let parameters = PatchParams::apply(FIELD_MANAGER).force();
        let api = self.id().api(self.client);
        let patch = Patch::Apply(&object);
        request(self.doing("applying"), api.patch(&self.id().name, &parameters, &patch)).await.map(Live::from)
    }

    /// Replaces content and owners; other people's labels and annotations stay. The request fails if the object is no
    /// longer the one we saw.
    async fn replace(&self, live: &Live) -> Result<Applied, Error> {
        let (api, name) = (self.id().api(self.client), &self.id().name);
        let found = request(self.doing("reading"), api.get(name)).await?;
        if let Some(obstacle) = Live::from(found.clone()).obstacle() {
            return Err(obstacle.error(self.id()));
        }
        let object = self.merged(found, live);
        let replaced = request(self.doing("replacing"), api.replace(name, &parameters(), &object)).await?;
        self.as_prepared(replaced)
    }

    fn merged(&self, mut object: DynamicObject, live: &Live) -> DynamicObject {
        let prepared = self.prepared.object();
        object.labels_mut().extend(self.prepared.labels.clone());
        object.annotations_mut().extend(self.prepared.annotations.clone());
        object.metadata.owner_references.clone_from(&prepared.metadata.owner_references);
        match self.id().kind.content() {
            Some(content) => object.data[content] = prepared.data[content].clone(),
            None => object.data = prepared.data,
        }
        object.metadata.managed_fields = None;
        object.metadata.uid = Some(live.uid.clone());
        object.metadata.resource_version = Some(live.resource_version.clone());
        object
    }

    fn as_prepared(&self, object: DynamicObject) -> Result<Applied, Error> {
        match self.prepared.compare(Some(&Arc::new(Live::from(object)))) {
            Found::Applied(applied) => Ok(applied),
            Found::Differs(write) => Err(self.not_kept(&write)),
            Found::Blocked(obstacle) => Err(obstacle.error(self.id())),
        }
    }

    fn not_kept(&self, write: &Write) -> Error {
        let fields = match write {
            Write::Create => String::new(),
            Write::Update { difference, .. } => difference.fields.join(", "),
        };
        Error::NotKept { kind: self.id().kind.as_str().to_owned(), name: self.id().full_name(), fields }
    }

    /// An object that was there and is not any more has only changed.
    fn explained(&self, error: Error) -> Error {
        if error.is_not_found() {
            return Error::Gone { kind: self.id().kind.as_str().to_owned(), name: self.id().full_name() };
        }
        error
    }

    fn id(&self) -> &Id {
        &self.prepared.id
    }

    fn doing(&self, verb: &str) -> String {
        format!("{verb} {}", self.id())
    }
}

fn parameters() -> PostParams {
    PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() }
}

/// Deletes an object if it is still as we saw it. What others hold goes when they let go.
///
/// # Errors
/// The request failed. That the object is gone already is no error.
pub(crate) async fn delete(client: &Client, id: &Id, live: &Live) -> Result<(), Error> {
    let preconditions =
        Preconditions { uid: Some(live.uid.clone()), resource_version: Some(live.resource_version.clone()) };
    let parameters = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() };
    match request(format!("deleting {id}"), id.api(client).delete(&id.name, &parameters)).await {
        Ok(deleted) => {
            let finalizers = deleted.left().and_then(|object| object.metadata.finalizers).unwrap_or_default();
            say_deleted(id, &finalizers);
            Ok(())
        }
        Err(error) if error.is_not_found() => Ok(()),
        Err(error) => Err(error),
    }
}

fn say_deleted(id: &Id, finalizers: &[String]) {
    let (kind, name) = (id.kind.as_str(), id.full_name());
    if !finalizers.is_empty() {
        let finalizers = finalizers.join(", ");
        warn!(kind, name, finalizers, "deleted; it is gone when these finalizers of others are");
    } else if id.namespace.is_empty() {
        info!(kind, name, "deleted");
    } else {
        // There may be one in every namespace, which nobody needs to know.
        debug!(kind, name, "deleted");
    }
}

#[cfg(test)]
mod tests;
