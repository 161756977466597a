//! Templates, constraints and objects in; violations out.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use gatewright_gatekeeper::{Action, Matcher};
use gatewright_rego::{Providers, Trust};
use serde_json::Value;

use crate::{
    ConstraintError, EnforcementPoint, Reach, TemplateError,
    constraint::{self, Constraint},
    inventory::Inventory,
    sandbox::Sandbox,
    template::Template,
};

/// What an engine knows beside templates and constraints.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where it stands in for Gatekeeper.
    pub point: EnforcementPoint,
    /// How long the evaluation of one constraint for one object may take.
    pub time_limit: Duration,
    /// Where templates from outside are evaluated; in this process if there is none.
    pub sandbox: Option<Arc<dyn Sandbox>>,
    /// Who answers templates that ask Gatekeeper's providers. Without, and in a sandbox, no such template has a verdict.
    pub providers: Option<Arc<dyn Providers>>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            point: EnforcementPoint::Webhook,
            time_limit: Duration::from_secs(1),
            sandbox: None,
            providers: None,
        }
    }
}

/// A constraint's kind and name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConstraintRef {
    /// The kind, which the template defines.
    pub kind: String,
    /// The name.
    pub name: String,
}

/// An object that violates a constraint.
#[derive(Clone, Debug, PartialEq)]
pub struct Violation {
    /// The constraint.
    pub constraint: ConstraintRef,
    /// What it does about it at this enforcement point.
    pub action: Action,
    /// What is wrong, without the constraint's name.
    pub message: String,
    /// The same as data; null where Gatekeeper has none.
    pub details: Value,
}

/// Gatekeeper's part: templates, constraints, inventory, namespaces. It may be shared between threads once it is
/// filled.
#[derive(Debug, Default)]
pub struct Engine {
    pub(crate) options: Options,
    /// By the name of the template: its kind in lower case.
    pub(crate) templates: HashMap<String, Template>,
    pub(crate) constraints: BTreeMap<ConstraintRef, Arc<Constraint>>,
    /// The same by the kinds that they name.
    pub(crate) by_kind: HashMap<String, BTreeMap<ConstraintRef, Arc<Constraint>>>,
    /// Those that can match any kind.
    pub(crate) for_any_kind: BTreeMap<ConstraintRef, Arc<Constraint>>,
    pub(crate) inventory: Inventory,
}

impl Engine {
    /// An engine without templates.
    #[must_use]
    pub fn new(options: Options) -> Self {
        Self { options, ..Self::default() }
    }

    /// Adds a `ConstraintTemplate`, in any of its versions, or replaces it.
    ///
    /// # Errors
    /// Everything for which Gatekeeper would refuse it, now or when it compiles it, and what this engine cannot
    /// evaluate as Gatekeeper does.
    pub fn add_template(&mut self, template: &Value) -> Result<(), Vec<TemplateError>> {
        let limits = self.admit_template(template)?;
        if limits.is_empty() { Ok(()) } else { Err(limits) }
    }

    /// The same, which also takes a template that this engine cannot evaluate as Gatekeeper does, and returns what it
    /// cannot. Objects that the template's constraints match then have no verdict.
    ///
    /// # Errors
    /// Everything for which Gatekeeper would refuse it.
    pub fn admit_template(&mut self, template: &Value) -> Result<Vec<TemplateError>, Vec<TemplateError>> {
        let template = self.add(template, Trust::Checked)?;
        Ok(template.beyond().to_vec())
    }

    /// Adds a template of which tests prove that its verdicts are those of Gatekeeper's own engine. It is evaluated
    /// faster, and compiled only if it is needed.
    ///
    /// # Errors
    /// It is no template.
    pub fn add_proven_template(&mut self, template: &Value) -> Result<(), Vec<TemplateError>> {
        self.add(template, Trust::Proven).map(drop)
    }

    /// The same with what [`compile_proven`](crate::compile_proven) made of the template before, which spares compiling
    /// it. What was made of other modules is not used.
    ///
    /// # Errors
    /// It is not a template.
    pub fn add_compiled_template(
        &mut self,
        template: &Value,
        compiled: &'static [u8],
    ) -> Result<(), Vec<TemplateError>> {
        let template = Template::new(template, Trust::Proven, &self.options)?;
        self.templates.insert(template.kind.to_lowercase(), template.with_compiled(compiled));
        Ok(())
    }

    fn add(&mut self, template: &Value, trust: Trust) -> Result<&Template, Vec<TemplateError>> {
        let template = Template::new(template, trust, &self.options)?;
        let entry = self.templates.entry(template.kind.to_lowercase());
        Ok(entry.insert_entry(template).into_mut())
    }

    /// Adds a constraint, or replaces it; its template must be there.
    ///
    /// # Errors
    /// No template, parameters that do not fit its schema, fields nobody knows, a selector or action that is wrong.
    pub fn add_constraint(&mut self, constraint: &Value) -> Result<(), ConstraintError> {
        let kind = constraint::kind(constraint)?;
        let template = self.templates.get(&kind.to_lowercase()).ok_or_else(|| {
            ConstraintError::new("/kind", format!("there is no template `{}`", kind.to_lowercase()))
        })?;
        if template.kind != kind {
            let message = format!("is `{kind}`; the template's kind is `{}`", template.kind);
            return Err(ConstraintError::new("/kind", message));
        }
        let constraint = Constraint::new(constraint, template.parameters.as_ref(), self.options.point)?;
        self.index(Arc::new(constraint));
        Ok(())
    }

    pub(crate) fn index(&mut self, constraint: Arc<Constraint>) {
        let reference = &constraint.reference;
        self.for_any_kind.remove(reference);
        self.by_kind.values_mut().for_each(|constraints| drop(constraints.remove(reference)));
        match constraint.matcher.as_ref().and_then(Matcher::named_kinds) {
            None => drop(self.for_any_kind.insert(reference.clone(), Arc::clone(&constraint))),
            Some(kinds) => {
                for kind in kinds {
                    let constraints = self.by_kind.entry(kind.to_owned()).or_default();
                    constraints.insert(reference.clone(), Arc::clone(&constraint));
                }
            }
        }
        self.constraints.insert(reference.clone(), constraint);
    }

    /// Adds an object to the inventory, or replaces it. A Namespace is from then on known with its labels.
    pub fn add_object(&mut self, object: &Value) {
        match self.options.point {
            EnforcementPoint::Gator => self.inventory.add(object),
            EnforcementPoint::Webhook | EnforcementPoint::Audit => self.inventory.add_from_cluster(object),
        }
    }

    /// Forgets all constraints; templates stay compiled.
    pub fn forget_constraints(&mut self) {
        self.constraints.clear();
        self.by_kind.clear();
        self.for_any_kind.clear();
    }

    /// Forgets all objects that were added.
    pub fn forget_objects(&mut self) {
        self.inventory = Inventory::default();
    }

    /// Whether the namespace is known.
    #[must_use]
    pub fn knows_namespace(&self, name: &str) -> bool {
        self.inventory.namespace(name).is_some()
    }

    /// Whether some constraint could match objects of a kind, by `match.kinds` alone. Wildcards do not count.
    #[must_use]
    pub fn names_kind(&self, group: &str, kind: &str) -> bool {
        let names = |constraint: &Arc<Constraint>| {
            constraint.matcher.as_ref().is_some_and(|matcher| matcher.names_kind(group, kind))
        };
        self.constraints.values().any(names)
    }

    /// What the objects that were reviewed have to do with a constraint; none if it is not there, or not enforced at
    /// this engine's enforcement point.
    #[must_use]
    pub fn reach(&self, constraint: &ConstraintRef) -> Option<Reach> {
        let constraint = self.constraints.get(constraint).filter(|constraint| constraint.action.is_some())?;
        Some(constraint.reached.get())
    }

    /// Whether the template of some constraint reads the inventory: otherwise only Namespaces need to be added.
    #[must_use]
    pub fn reads_inventory(&self) -> bool {
        let mut kinds = self.constraints.keys().map(|constraint| constraint.kind.to_lowercase());
        kinds.any(|kind| self.templates.get(&kind).is_some_and(Template::reads_inventory))
    }
}
