//! Differences that are told by words: those of Pod Security admission and of the gatekeeper-library.

use super::document::{Found, General, SameMeaning};

/// A difference. Its id is never given to another one: people write it down.
pub struct Row {
    /// The id.
    pub id: &'static str,
    /// When there is a difference.
    pub when: &'static str,
    /// What happens today.
    pub before: &'static str,
    /// What happens with gatewright.
    pub after: &'static str,
    /// Whether it concerns every cluster, and no object in particular.
    pub general: bool,
}

impl Row {
    /// The difference of an object's field.
    pub fn found(&self, field: &str) -> Found {
        Found {
            id: self.id.to_owned(),
            field: field.into(),
            when: self.when.into(),
            before: self.before.into(),
            after: self.after.into(),
            ..Found::default()
        }
    }

    /// The same with what would mean the same.
    pub fn found_with(&self, field: &str, same: SameMeaning) -> Found {
        Found { same_meaning: Some(same), ..self.found(field) }
    }
}

/// Those of a table that concern every cluster.
pub fn general(rows: &[&Row]) -> Vec<General> {
    let general = rows.iter().filter(|it| it.general);
    let said = |it: &&Row| General {
        id: it.id.to_owned(),
        when: it.when.to_owned(),
        before: it.before.to_owned(),
        after: it.after.to_owned(),
    };
    general.map(said).collect()
}
