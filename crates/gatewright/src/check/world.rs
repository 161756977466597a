//! What objects are judged by: the engine with all templates and constraints, and what is known of namespaces.

pub mod exempt;
mod origin;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use gatewright_api::PolicyKind;
use gatewright_compiler::{Compiled, Settings, standards, template};
use gatewright_engine::expand::Expander;
use gatewright_engine::sandbox::Sandbox;
use gatewright_engine::{ConstraintRef, Engine, Options, TemplateError};
use gatewright_gatekeeper::{Constraint, Finding, Matcher, NamespaceGlob, TemplateSource};
use gatewright_kube_defaults::Cluster;
use gatewright_rules::kinds::{CONTROLLERS, Kind};
use gatewright_rules::{Owner, Template};
use serde_json::{Value, json};

use super::collect::Collected;
use super::namespaces::{CommandLine, Namespaces};
use super::notes;
use crate::compiled;
use crate::diagnostics;
use crate::input::{self, Document, Header, InputError, Location};
use crate::policies::{self, PolicyRef};
use crate::sandbox::Pool;
use crate::signatures::{Demands, Standing};
use exempt::{Exempt, is_read};
pub use origin::rendered_owner;
use origin::{Origin, STANDARD, demands_signatures, own_asking};

/// Everything by which objects are judged.
#[derive(Debug)]
pub struct World {
    /// Templates, constraints, inventory.
    pub engine: Engine,
    /// What objects imply.
    pub expander: Expander,
    /// The namespaces.
    pub namespaces: Namespaces,
    /// What is known of their LimitRanges and ServiceAccounts.
    pub cluster: Cluster,
    origin: Origin,
    owners: HashMap<ConstraintRef, PolicyRef>,
    /// What constraints match that are nobody's policy.
    foreign: Vec<Matcher>,
    exempt: Exempt,
    system: Vec<String>,
    /// Where the templates of the input stand, by the kind of their constraints.
    templates: HashMap<String, Location>,
    /// What the input brings to judge by, in its order: policies, and constraints of others.
    pub given: Vec<Given>,
    /// What is demanded of signatures of images.
    pub demands: Arc<Demands>,
    /// Who says whether images are signed: nobody, or as the settings say. `check --verify-images` asks registries.
    pub signatures: Standing,
    /// What keeps the engine from evaluating templates of the input.
    pub beyond: Vec<InputError>,
}

/// What comes of a policy, or of a constraint, of the input.
#[derive(Debug)]
pub struct Given {
    /// The constraints.
    pub constraints: Vec<ConstraintRef>,
    /// What people call it: the policy, or the constraint.
    pub subject: String,
    /// Where it stands.
    pub location: Location,
}

/// Fills an engine, and says everything that is wrong with what should go in.
#[derive(Debug)]
pub struct Builder<'a> {
    settings: &'a Settings,
    engine: Engine,
    expander: Expander,
    owners: HashMap<ConstraintRef, PolicyRef>,
    seen: HashMap<(String, String), Location>,
    broken: HashSet<String>,
    given_templates: HashMap<String, Location>,
    given: Vec<Given>,
    demands: Demands,
    foreign: Vec<Matcher>,
    beyond: Vec<InputError>,
    problems: Vec<InputError>,
}

impl World {
    /// Builds it from the input; what is wrong with the input is left out and reported.
    pub fn build(
        collected: &mut Collected,
        settings: &Settings,
        line: CommandLine<'_>,
        sandbox: &Arc<Pool>,
    ) -> (Self, Vec<InputError>) {
        Self::built(collected, settings, line, sandbox, Origin::Input)
    }

    fn built(
        collected: &mut Collected,
        settings: &Settings,
        line: CommandLine<'_>,
        sandbox: &Arc<Pool>,
        origin: Origin,
    ) -> (Self, Vec<InputError>) {
        let sandbox: Arc<dyn Sandbox> = Arc::<Pool>::clone(sandbox);
        let mut builder = Builder {
            settings,
            engine: Engine::new(Options { sandbox: Some(sandbox), ..Options::default() }),
            expander: Expander::default(),
            owners: HashMap::new(),
            seen: HashMap::new(),
            broken: HashSet::new(),
            given_templates: HashMap::new(),
            given: vec![],
            demands: Demands::default(),
            foreign: vec![],
            beyond: vec![],
            problems: vec![],
        };
        if origin == Origin::Input {
            builder.own_templates(collected);
        }
        builder.templates(collected, origin);
        builder.policies(collected);
        builder.constraints(&collected.constraints);
        if origin == Origin::Input {
            builder.standards();
        }
        builder.expansions(&collected.expansions);
        let exempt = builder.exempt(&collected.configs, line.default);
        let world = Self {
            engine: builder.engine,
            expander: builder.expander,
            namespaces: Namespaces::new(std::mem::take(&mut collected.namespaces), line.labels),
            cluster: Cluster::default(),
            origin,
            owners: builder.owners,
            foreign: builder.foreign,
            exempt,
            system: system_namespaces(settings),
            templates: builder.given_templates,
            given: builder.given,
            demands: Arc::new(builder.demands),
            signatures: Standing::of(settings),
            beyond: builder.beyond,
        };
        (world, builder.problems)
    }

    /// The policy or standard behind a constraint.
    pub fn owner(&self, constraint: &ConstraintRef) -> Option<&PolicyRef> {
        self.owners.get(constraint)
    }

    /// Where a template of the input stands, by the kind of its constraints.
    pub fn template(&self, kind: &str) -> Option<&Location> {
        self.templates.get(kind)
    }

    /// Whether some constraint may look into the Pod template of a kind. Ours do where it is a controller that they name.
    pub fn reads_template(&self, group: &str, kind: &str) -> bool {
        let of_kind = |one: &Kind| one.group == group && one.kind == kind;
        let ours = CONTROLLERS.iter().any(of_kind) && self.engine.names_kind(group, kind);
        ours || self.is_foreign(group, kind)
    }

    /// Whether some constraint that is nobody's policy matches a kind.
    pub fn is_foreign(&self, group: &str, kind: &str) -> bool {
        self.foreign.iter().any(|matches| matches.allows_scope(true) && matches.matches_kind(group, kind))
    }

    /// Whether the standards never reach a namespace, and policies only if they name it.
    pub fn is_system(&self, namespace: &str) -> bool {
        self.system.iter().any(|pattern| NamespaceGlob::new(pattern).matches(namespace))
    }

    /// Why Gatekeeper is not asked about objects of a namespace, if it is not.
    pub fn exemption(&self, namespace: &str) -> Option<String> {
        let has_label = |label: &str| self.namespaces.label(namespace, label).is_some();
        self.exempt.reason(namespace, has_label).map(|reason| format!("not judged: {reason}"))
    }
}

impl Builder<'_> {
    fn fail(&mut self, location: Location, message: String) {
        self.problems.push(InputError { location, message });
    }

    /// Whether an object is there for the first time.
    fn is_first(&mut self, kind: &str, document: &Document) -> bool {
        let key = (kind.to_owned(), document.header.name.clone());
        match self.seen.get(&key) {
            None => {
                self.seen.insert(key, document.location.clone());
                true
            }
            Some(first) => {
                let message = format!("{kind} {} is here a second time; the first is {first}", key.1);
                self.fail(document.location.clone(), message);
                false
            }
        }
    }

    /// Ours that something in the input needs, unless the input brings them.
    fn own_templates(&mut self, collected: &Collected) {
        let documents = || collected.templates.iter().filter(|document| own_asking(document).is_none());
        let needed = |own: &Template| match own.owner() {
            Owner::Standards => true,
            Owner::Policy(kind) => {
                collected.policies.iter().any(|(_, given)| *given == kind)
                    || collected.constraints.iter().any(|given| given.header.kind == own.kind())
            }
            Owner::ExecGuard => collected.constraints.iter().any(|given| given.header.kind == own.kind()),
            Owner::Signatures => {
                collected.policies.iter().any(|(policy, _)| demands_signatures(policy))
                    || collected.constraints.iter().any(|given| given.header.kind == own.kind())
            }
        };
        let given: HashSet<_> = documents().map(|document| document.header.name.as_str()).collect();
        for own in Template::ALL.iter().filter(|own| needed(own)) {
            let template = template(*own);
            if !given.contains(template.metadata.name.as_deref().unwrap_or_default()) {
                self.own_template(&json!(template), compiled::of(*own));
            }
        }
    }

    fn templates(&mut self, collected: &Collected, origin: Origin) {
        for document in &collected.templates {
            match own_asking(document) {
                // Of files it is added where something needs it.
                Some(_) if origin == Origin::Input => {}
                Some(own) => self.own_template(&json!(template(own)), compiled::of(own)),
                None if self.is_first("ConstraintTemplate", document) => self.template(document),
                None => {}
            }
        }
    }

    fn own_template(&mut self, template: &Value, compiled: &'static [u8]) {
        for error in self.engine.add_compiled_template(template, compiled).err().unwrap_or_default() {
            let message = format!("template {}: {}: {error}", template["metadata"]["name"], error.pointer);
            self.fail(built_in(), message);
        }
    }

    fn template(&mut self, document: &Document) {
        let value = document.value();
        if TemplateSource::new(&value["spec"]).compares_subresource() {
            let finding = Finding::NeverTrue { template: document.header.name.clone() };
            diagnostics::note(format!("{}: {finding}", document.location));
        }
        let kind = value.pointer("/spec/crd/spec/names/kind").and_then(Value::as_str).unwrap_or_default();
        self.given_templates.insert(kind.to_owned(), document.location.clone());
        let said = |error: &TemplateError| InputError {
            location: document.locate_line(&error.pointer, error.line),
            message: format!(
                "ConstraintTemplate {}: {}: {error}",
                document.header.name,
                policies::field(&error.pointer)
            ),
        };
        match self.engine.admit_template(&value) {
            Ok(limits) => self.beyond.extend(limits.iter().map(said)),
            Err(errors) => {
                self.broken.insert(kind.to_owned());
                self.problems.extend(errors.iter().map(said));
            }
        }
    }

    fn policies(&mut self, collected: &Collected) {
        for (document, kind) in &collected.policies {
            if !self.is_first(kind.as_ref(), document) {
                continue;
            }
            match policies::compiled(document, *kind, self.settings) {
                Ok(compiled) => {
                    policies::tell(document, *kind, &compiled, &collected.scopes, true);
                    self.policy(document, *kind, compiled);
                }
                Err(errors) => self.problems.extend(errors),
            }
        }
    }

    fn policy(
        &mut self,
        document: &Document,
        kind: PolicyKind,
        Compiled { constraint, signatures, .. }: Compiled,
    ) {
        let owner = PolicyRef { kind: kind.to_string(), name: document.header.name.clone().into() };
        let (subject, location) = (owner.to_string(), document.location.clone());
        let signatures = signatures.map(|signatures| signatures.constraint);
        if let Some(constraint) = &signatures {
            self.demand(&json!(constraint), &document.value(), &subject, &location);
        }
        let constraints: Vec<_> = constraint
            .iter()
            .chain(&signatures)
            .map(|constraint| self.compiled(constraint, owner.clone(), &location))
            .collect();
        if !constraints.is_empty() {
            self.given.push(Given { constraints, subject, location });
        }
    }

    /// Takes what a constraint demands of signatures, and the policy that it was compiled from; null for others.
    fn demand(&mut self, constraint: &Value, policy: &Value, subject: &str, location: &Location) {
        if let Err(unknown) = self.demands.add(constraint, policy, subject.to_owned(), location.clone()) {
            diagnostics::note(format!(
                "{location}: {subject}: {unknown}: the verifier would refuse all images that it may cover"
            ));
        }
    }

    fn expansions(&mut self, documents: &[Document]) {
        for document in documents {
            if !self.is_first("ExpansionTemplate", document) {
                continue;
            }
            if let Err(error) = self.expander.add(&document.value()) {
                let (name, field) = (&document.header.name, policies::field(&error.pointer));
                let said = input::without_values(&error.message);
                let message = format!("ExpansionTemplate {name}: {field}: {said}");
                self.fail(document.locate(&error.pointer), message);
            }
        }
    }

    /// The namespaces that Gatekeeper's webhook leaves out: as its one `Config` says, of those in the input.
    fn exempt(&mut self, configs: &[Document], default: Option<&str>) -> Exempt {
        let mut read = vec![];
        for document in configs {
            if !is_read(document, default, self.settings) {
                let namespace = document.header.namespace.as_deref().or(default).unwrap_or("default");
                let (name, of_gatekeeper) = (&document.header.name, &self.settings.gatekeeper_namespace);
                let message =
                    format!("Config {namespace}/{name}: Gatekeeper reads only {of_gatekeeper}/config");
                diagnostics::note(format!("{}: {message}; left out", document.location));
            } else if self.is_first("Config", document) {
                read.push(document);
            }
        }
        Exempt::new(read, self.settings)
    }

    fn standards(&mut self) {
        for constraint in standards(self.settings) {
            let name = constraint.metadata.name.clone().unwrap_or_default();
            if !self.seen.contains_key(&(constraint.kind.clone(), name)) {
                let level = constraint.spec.parameters["level"].as_str().unwrap_or_default().to_owned();
                let owner = PolicyRef { kind: STANDARD.to_owned(), name: level.into() };
                self.compiled(&constraint, owner, &built_in());
            }
        }
    }

    fn compiled(&mut self, constraint: &Constraint, owner: PolicyRef, location: &Location) -> ConstraintRef {
        let name = constraint.metadata.name.clone().unwrap_or_default();
        self.seen.insert((constraint.kind.clone(), name.clone()), location.clone());
        if let Err(error) = self.engine.add_constraint(&json!(constraint)) {
            self.fail(location.clone(), format!("{owner}: {}: {error}", error.pointer));
        }
        let constraint = ConstraintRef { kind: constraint.kind.clone(), name };
        self.owners.insert(constraint.clone(), owner);
        constraint
    }

    fn constraint(&mut self, document: &Document, value: &Value) {
        let kind = &document.header.kind;
        if let Err(error) = self.engine.add_constraint(value) {
            let field = policies::field(&error.pointer);
            let message = format!("{kind} {}: {field}: {error}", document.header.name);
            self.fail(document.locate(&error.pointer), message);
        }
        notes::elsewhere(document, &value["spec"]);
    }

    fn constraints(&mut self, documents: &[Document]) {
        let mut made = 0;
        for document in documents {
            let kind = &document.header.kind;
            // Its template was complained about already.
            let broken = self.broken.contains(kind);
            let value = document.value();
            if self.is_made_here(document, &value) {
                made += 1;
                continue;
            }
            if !broken && !self.is_first(kind, document) {
                continue;
            }
            if !broken {
                self.constraint(document, &value);
            }
            let constraint = ConstraintRef { kind: kind.clone(), name: document.header.name.clone() };
            let owner = rendered_owner(&value);
            let unowned = || format!("{kind}/{}", constraint.name);
            let subject = owner.as_ref().map_or_else(unowned, ToString::to_string);
            if Template::of_kind(kind).is_some_and(Template::needs_verifier) {
                self.demand(&value, &Value::Null, &subject, &document.location);
            }
            // Of the standards' constraints most always wait for a namespace's label.
            if owner.as_ref().is_none_or(|owner| owner.kind != STANDARD) {
                let constraints = vec![constraint.clone()];
                self.given.push(Given { constraints, subject, location: document.location.clone() });
            }
            match owner {
                Some(owner) => drop(self.owners.insert(constraint, owner)),
                None if broken => {}
                None => self.foreign.push(Matcher::of_spec(&value["spec"])),
            }
        }
        if made > 0 {
            let constraints =
                if made == 1 { "1 constraint is".to_owned() } else { format!("{made} constraints are") };
            diagnostics::note(format!("{constraints} left out: the input has the policies that made them"));
        }
    }

    /// Whether a constraint was made from a policy of the input, which counts in its place: a dump of a cluster has both.
    fn is_made_here(&self, document: &Document, value: &Value) -> bool {
        let Header { kind, name, .. } = &document.header;
        let of_policy = self.owners.get(&ConstraintRef { kind: kind.clone(), name: name.clone() });
        of_policy.is_some_and(|owner| rendered_owner(value).as_ref() == Some(owner))
    }
}

fn system_namespaces(settings: &Settings) -> Vec<String> {
    let own = [&settings.gatekeeper_namespace, &settings.operator_namespace];
    settings.system_namespaces.iter().chain(own).cloned().collect()
}

fn built_in() -> Location {
    Location { file: "built in".into(), line: 0 }
}
