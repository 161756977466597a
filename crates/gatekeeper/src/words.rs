//! The words for what is done about a violation and for what is done to an object.

use serde::Serialize;
use strum::{Display, EnumString, IntoStaticStr, VariantArray};

/// What happens to an object that violates a constraint, from the mildest to the strictest. As a text it is in lower
/// case, as Gatekeeper has it; [`Action::title`] is how policies and settings spell it.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Display,
    EnumString,
    IntoStaticStr,
    VariantArray,
    Serialize,
)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum Action {
    /// The request passes; the violation is recorded.
    Dryrun,
    /// The request passes with a warning.
    Warn,
    /// The request is refused.
    #[default]
    Deny,
}

impl Action {
    /// Every action, the strictest first.
    pub const ALL: [Self; 3] = [Self::Deny, Self::Warn, Self::Dryrun];

    /// The word of Gatekeeper, in lower case.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// The word of policies and settings, with a capital letter.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Deny => "Deny",
            Self::Warn => "Warn",
            Self::Dryrun => "Dryrun",
        }
    }
}

/// What a request does. As a text it is in capitals, as in an AdmissionRequest.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Display,
    EnumString,
    IntoStaticStr,
    VariantArray,
    Serialize,
)]
#[serde(rename_all = "UPPERCASE")]
#[strum(serialize_all = "UPPERCASE")]
pub enum Operation {
    /// An object is made.
    Create,
    /// An object is changed.
    Update,
    /// An object is deleted.
    Delete,
    /// Exec, attach and the like.
    Connect,
}

impl Operation {
    /// The word of admission requests, in capitals.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }
}

#[cfg(test)]
mod tests {
    use super::{Action, Operation};
    use strum::VariantArray as _;

    #[test]
    fn words_are_read_as_they_are_written() {
        for action in Action::VARIANTS {
            assert_eq!(action.name().parse(), Ok(*action));
            assert_eq!(action.title().to_lowercase(), action.name());
            assert!(Action::ALL.contains(action) && action.title().parse::<Action>().is_err());
        }
        for operation in Operation::VARIANTS {
            assert_eq!(operation.name().parse(), Ok(*operation));
            assert_eq!(serde_json::json!(operation), operation.name());
        }
        assert!(Action::Deny > Action::Warn && Action::Warn > Action::Dryrun);
    }
}
