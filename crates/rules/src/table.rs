//! The rules of a policy kind, as a table with a line for each.

/// Makes of a table (a rule's module and what it is about, a rule a line) the modules, the type of the constraints'
/// parameters, and the list of the rules.
///
/// rustfmt does not see modules behind a macro: `make lint` and `make format` name their files.
macro_rules! rules {
    ($($rule:ident: $about:literal),+ $(,)?) => {
        $(pub mod $rule;)+

        /// The parameters of a constraint: each rule's under the names they have in the policy. Absent is not checked.
        #[derive(Clone, Debug, Default, PartialEq, serde::Serialize, schemars::JsonSchema)]
        pub struct Parameters {
            $(
                #[doc = concat!($about, ".")]
                #[serde(flatten)]
                pub $rule: $rule::Parameters,
            )+
            /// Where people who are refused can ask: each message ends with it.
            #[serde(rename = "helpUrl", default, skip_serializing_if = "Option::is_none")]
            pub help_url: Option<String>,
            /// Strict demands of controllers, too, what something may still fill in on their Pods. Absent is Lenient.
            #[serde(rename = "podTemplates", default, skip_serializing_if = "Option::is_none")]
            #[schemars(with = "crate::PodTemplates")]
            pub pod_templates: Option<crate::PodTemplates>,
        }

        const RULES: &[crate::Rule] = &[$($rule::RULE),+];
    };
}
