//! A template: the rules of one policy kind, put together for Gatekeeper.

use std::fmt::Write as _;

use gatewright_api::PolicyKind;
use gatewright_gatekeeper::{ConstraintTemplate, Operation, RegoSource};
use kube::core::schema::StructuralSchemaRewriter;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::Value;
use strum::VariantArray;

use crate::kinds::Kind;
use crate::pod_security_standard::controls;
use crate::rule::{Check, Rule, Subject, Volatile};

/// The table of the templates: each is a name, with the module that holds its `DEFINITION`.
macro_rules! templates {
    ($($(#[$doc:meta])* $template:ident: $module:ident),+ $(,)?) => {
        /// One of the templates that we install.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, VariantArray)]
        pub enum Template {
            $($(#[$doc])* $template,)+
        }

        impl Template {
            /// What the template consists of.
            #[must_use]
            pub const fn definition(self) -> &'static Definition {
                match self {
                    $(Self::$template => &crate::$module::DEFINITION,)+
                }
            }
        }
    };
}

templates! {
    /// The rules of `SecurityPolicy`.
    SecurityPolicy: security_policy,
    /// The rules of `OperationPolicy`.
    OperationPolicy: operation_policy,
    /// The Pod Security Standards.
    PodSecurityStandard: pod_security_standard,
    /// The exec guard.
    DenyExecHeritage: deny_exec_heritage,
    /// `verifyImageSignatures` of `SecurityPolicy`.
    VerifyImageSignatures: verify_image_signatures,
}

/// What the constraints of a template are made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Owner {
    /// The policies of a kind: each has a constraint of its own name.
    Policy(PolicyKind),
    /// The settings of the Pod Security Standards.
    Standards,
    /// The settings of the exec guard.
    ExecGuard,
    /// The entries `verifyImageSignatures` of security policies: each policy that has some has a constraint of its own
    /// name. The template is there only while signatures are verified, since Gatekeeper compiles it only with external data.
    Signatures,
}

/// What a template consists of: rules that are judged together.
#[derive(Clone, Copy, Debug)]
pub struct Definition {
    /// The kind of the constraints; the template is named after it in lower case.
    pub kind: &'static str,
    /// The folder under `templates/` that holds the Rego and the cases.
    pub folder: &'static str,
    /// What the constraints are made from.
    pub owner: Owner,
    /// What the template is, in a few words.
    pub title: &'static str,
    /// The operations that are judged. Never empty, which would mean all.
    pub operations: &'static [Operation],
    /// The shared modules that the rules import. Each costs compile time and memory in every Gatekeeper process, so
    /// a template carries only those it uses.
    pub libs: &'static [Lib],
    /// The rules.
    pub rules: &'static [Rule],
    /// The schema of the constraints' parameters.
    pub parameters: fn() -> Value,
    /// The module that Gatekeeper asks for violations.
    pub entry: Entry,
}

/// Where the module that Gatekeeper asks comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// Made from the checks of the rules: the template of a policy kind.
    Generated,
    /// Made from the controls of the standards, around this frame.
    Controls(&'static str),
    /// Written by hand, for rules that are no checks of a policy's fields.
    Written(&'static str),
}

/// A Rego module that several rules share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::AsRefStr)]
#[strum(serialize_all = "lowercase")]
pub enum Lib {
    /// Faults of the controls of a standard, and messages.
    Control,
    /// Findings and messages.
    Finding,
    /// Image references.
    Image,
    /// Labels and annotations that must be there.
    Keys,
    /// The pod spec of any workload kind.
    Pod,
    /// The standard that holds.
    Standard,
    /// UPDATEs that are let through.
    Update,
}

impl Lib {
    /// The Rego.
    #[must_use]
    pub const fn module(self) -> &'static str {
        match self {
            Self::Control => include_str!("../../../templates/pod-security-standard/control.rego"),
            Self::Finding => include_str!("../../../templates/lib/finding.rego"),
            Self::Image => include_str!("../../../templates/lib/image.rego"),
            Self::Keys => include_str!("../../../templates/lib/keys.rego"),
            Self::Pod => include_str!("../../../templates/lib/pod.rego"),
            Self::Standard => include_str!("../../../templates/pod-security-standard/standard.rego"),
            Self::Update => include_str!("../../../templates/lib/update.rego"),
        }
    }
}

/// What changes an object: the operations of a template whose rules judge objects.
pub const WRITES: &[Operation] = &[Operation::Create, Operation::Update];

impl Template {
    /// Every template, in the order in which they are documented.
    pub const ALL: &'static [Self] = Self::VARIANTS;

    /// The template whose constraints are of this kind, if it is one of ours.
    #[must_use]
    pub fn of_kind(kind: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|template| template.kind() == kind)
    }

    /// The kind of the constraints.
    #[must_use]
    pub const fn kind(self) -> &'static str {
        self.definition().kind
    }

    /// The template's name.
    #[must_use]
    pub fn name(self) -> String {
        self.definition().name()
    }

    /// What the constraints are made from.
    #[must_use]
    pub const fn owner(self) -> Owner {
        self.definition().owner
    }

    /// Whether Gatekeeper compiles the template only with external data, which it asks the verifier for.
    #[must_use]
    pub fn needs_verifier(self) -> bool {
        self.owner() == Owner::Signatures
    }

    /// The rules.
    #[must_use]
    pub const fn rules(self) -> &'static [Rule] {
        self.definition().rules
    }

    /// All checks of all rules.
    pub fn checks(self) -> impl Iterator<Item = (&'static Rule, &'static Check)> {
        self.definition().checks()
    }
}

impl Definition {
    /// The template's name.
    #[must_use]
    pub fn name(&self) -> String {
        self.kind.to_lowercase()
    }

    /// All checks of all rules.
    pub fn checks(&self) -> impl Iterator<Item = (&'static Rule, &'static Check)> + use<> {
        self.rules.iter().flat_map(|rule| rule.checks.iter().map(move |check| (rule, check)))
    }

    /// The object that Gatekeeper gets.
    #[must_use]
    pub fn object(&self) -> ConstraintTemplate {
        let libs = self.libs.iter().map(|lib| lib.module()).chain(self.rules.iter().map(|rule| rule.module));
        let source = RegoSource::v1(self.entry(), libs.map(str::to_owned).collect());
        ConstraintTemplate::new(self.kind, self.title, self.operations, &(self.parameters)(), &source)
    }

    /// The entry module.
    #[must_use]
    pub fn entry(&self) -> String {
        match self.entry {
            Entry::Generated => self.generated_entry(),
            Entry::Controls(frame) => controls::entry(frame, &self.imports()),
            Entry::Written(module) => module.to_owned(),
        }
    }

    /// The packages of all modules, sorted.
    fn imports(&self) -> Vec<String> {
        let libs = self.libs.iter().map(|lib| format!("lib.{}", lib.as_ref()));
        let mut imports: Vec<_> = libs.chain(self.rules.iter().map(Rule::package)).collect();
        imports.sort_unstable();
        imports
    }

    /// For each check a rule that tests the check's parameter, the cheap and indexed thing, before it asks for
    /// findings, and the UPDATE gate only after something was found.
    fn generated_entry(&self) -> String {
        let mut entry = format!("package gatewright.{}\n\nimport data.lib.finding\n", self.name());
        for rule in self.rules {
            let _ = writeln!(entry, "import data.{}", rule.package());
        }
        entry.push_str("import data.lib.update\n\n");
        entry
            .push_str("violation contains v if {\n\tnot update.let_through\n\tsome v in pod_violations\n}\n");
        for (rule, check) in self.checks() {
            entry.push_str(&check_rule(rule, check));
        }
        entry
    }
}

fn check_rule(rule: &Rule, check: &Check) -> String {
    let Check { field, guard, findings, subject, fix: _ } = check;
    let guard = guard.expression(field);
    let set = format!("{}.{findings}", rule.identifier());
    let (target, gate) = match subject {
        Subject::Pod(looks_at) | Subject::PodAlone(looks_at) => {
            ("pod_violations", format!("not update.same_judged({})", rego_set(looks_at)))
        }
        Subject::Objects(kinds) if kinds.iter().any(Kind::acts_while_deleted) => {
            ("violation", format!("not {}.unchanged", rule.identifier()))
        }
        Subject::PodAndMore(_) | Subject::Objects(_) | Subject::Watched => {
            ("violation", format!("not update.deleting\n\tnot {}.unchanged", rule.identifier()))
        }
    };
    format!(
        "\n{target} contains finding.violation({field:?}, found) if {{\n\
         \t{guard}\n\
         \tcount({set}) > 0\n\
         \t{gate}\n\
         \tsome found in {set}\n\
         }}\n"
    )
}

fn rego_set(looks_at: &[Volatile]) -> String {
    let names: Vec<_> = looks_at.iter().map(|volatile| format!("{:?}", volatile.as_ref())).collect();
    if names.is_empty() { "set()".to_owned() } else { format!("{{{}}}", names.join(", ")) }
}

/// The structural schema of a parameter type, as a template wants it: inline, and without what only a CRD of our
/// own needs.
pub(crate) fn schema_of<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::openapi3().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    let generator = settings.with_transform(StructuralSchemaRewriter).into_generator();
    let mut schema = generator.into_root_schema_for::<T>().to_value();
    slim(&mut schema);
    schema
}

/// Parameters come from our compiler alone, absent or valid: what speaks of `null` and formats is noise. Descriptions
/// are for `kubectl explain`, which knows no Markdown and wraps lines itself.
fn slim(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            for key in ["nullable", "format", "title", "$schema", "default"] {
                if !fields.get(key).is_some_and(Value::is_object) {
                    fields.remove(key);
                }
            }
            if let Some(Value::String(description)) = fields.get_mut("description") {
                *description = description.replace('`', "").replace('\n', " ");
            }
            fields.values_mut().for_each(slim);
        }
        Value::Array(items) => items.iter_mut().for_each(slim),
        _ => {}
    }
}
