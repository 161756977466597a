//! Where the Pod spec and the container of a field stand, whatever the object is.

use super::Place;

/// The lists of a Pod spec that hold containers.
const CONTAINERS: [&str; 3] = ["containers", "initContainers", "ephemeralContainers"];

/// The container of a field.
pub fn container(place: &[String]) -> Option<&[String]> {
    let list = place.iter().position(|part| CONTAINERS.contains(&part.as_str()))?;
    place.get(..list + 2)
}

/// A field of the Pod spec in which a container stands.
pub fn in_spec(place: &[String], field: &[&str]) -> Option<Place> {
    let list = place.iter().position(|part| CONTAINERS.contains(&part.as_str()))?;
    Some(below(&place[..list], field))
}

/// A field below another.
pub fn below(place: &[String], field: &[&str]) -> Place {
    place.iter().cloned().chain(field.iter().map(|&part| part.to_owned())).collect()
}
