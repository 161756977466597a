//! The same question to two engines: Gatekeeper's own, and ours.

use anyhow::{Context, Result, ensure};
use gatewright_engine::{EnforcementPoint, Engine, Options, Request};
use gatewright_rules::Template;
use gatewright_rules::cases::NAMESPACE;
use serde_json::{Value, json};

use crate::gator::Folder;

/// Constraints of our templates, and objects that they judge as audit would.
#[derive(Clone, Debug, Default)]
pub struct Trial {
    /// The templates.
    pub templates: Vec<Value>,
    /// The constraints, of different names.
    pub constraints: Vec<Value>,
    /// Objects that are known but not judged: namespaces.
    pub namespaces: Vec<Value>,
    /// The objects, of different names.
    pub objects: Vec<Value>,
}

/// Who judges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judge {
    /// Gatekeeper's own engine.
    Gator,
    /// Ours.
    Engine,
}

/// An object violates a constraint.
#[derive(Clone, Debug, PartialEq)]
pub struct Violation {
    /// The object's name.
    pub object: String,
    /// The constraint's name.
    pub constraint: String,
    /// What is wrong.
    pub message: String,
    /// The same as data.
    pub details: Value,
}

impl Trial {
    /// What Gatekeeper's own engine finds, sorted.
    ///
    /// # Errors
    /// It does not run.
    pub fn by_gator(&self) -> Result<Vec<Violation>> {
        let folder = Folder::new()?;
        for (file, documents) in [
            ("templates", &self.templates),
            ("constraints", &self.constraints),
            ("namespaces", &self.namespaces),
            ("objects", &self.objects),
        ] {
            folder.write_all(&format!("{file}.yaml"), documents)?;
        }
        let found = folder.test()?;
        folder.remove()?;
        // Namespaces are judged, too.
        let known = |violation: &Violation| named(&self.objects, &violation.object);
        ensure!(found.iter().all(|it| known(it) || named(&self.namespaces, &it.object)), "unknown object");
        Ok(sorted(found.into_iter().filter(known).collect()))
    }

    /// What a judge finds, sorted.
    ///
    /// # Errors
    /// It does not run, or refuses a template or a constraint.
    pub fn by(&self, judge: Judge) -> Result<Vec<Violation>> {
        match judge {
            Judge::Gator => self.by_gator(),
            Judge::Engine => self.by_engine(),
        }
    }

    /// What our engine finds, sorted.
    ///
    /// # Errors
    /// It refuses a template or a constraint.
    pub fn by_engine(&self) -> Result<Vec<Violation>> {
        let engine = self.engine(EnforcementPoint::Gator)?;
        let mut violations = vec![];
        for object in &self.objects {
            let found = engine.review(&Request::audit(object.clone()))?;
            violations.extend(found.into_iter().map(|found| Violation {
                object: name(object).to_owned(),
                constraint: found.constraint.name,
                message: found.message,
                details: found.details,
            }));
        }
        Ok(sorted(violations))
    }

    /// Our engine with all templates, constraints and namespaces.
    ///
    /// # Errors
    /// It refuses some of them.
    pub fn engine(&self, point: EnforcementPoint) -> Result<Engine> {
        let mut engine = Engine::new(Options { point, ..Options::default() });
        for template in &self.templates {
            let added = engine.add_proven_template(template);
            added.map_err(|errors| anyhow::anyhow!("{}: {errors:?}", name(template)))?;
        }
        self.namespaces.iter().for_each(|namespace| engine.add_object(namespace));
        for constraint in &self.constraints {
            engine.add_constraint(constraint).with_context(|| name(constraint).to_owned())?;
        }
        Ok(engine)
    }
}

/// The object that Gatekeeper gets of one of our templates.
#[must_use]
pub fn template(template: Template) -> Value {
    json!(gatewright_compiler::template(template))
}

/// The namespace of the rules' cases, with labels.
#[must_use]
pub fn namespace(labels: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": labels}})
}

/// Where two lists of sorted violations differ, in words; nothing if they do not.
#[must_use]
pub fn difference(one: &[Violation], other: &[Violation]) -> Vec<String> {
    let lacking = |these: &[Violation], those: &[Violation], who: &str| -> Vec<String> {
        let mut those = those.to_vec();
        let mut lacking = vec![];
        for violation in these {
            match those.iter().position(|other| other == violation) {
                Some(i) => drop(those.swap_remove(i)),
                None => lacking.push(format!("{who} {violation:?}")),
            }
        }
        lacking
    };
    [lacking(one, other, "only gator:"), lacking(other, one, "only engine:")].concat()
}

fn name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap_or_default()
}

fn named(objects: &[Value], wanted: &str) -> bool {
    objects.iter().any(|object| name(object) == wanted)
}

/// Go writes large numbers as floats.
fn numbers_alike(value: &mut Value) {
    match value {
        Value::Number(number) => *value = json!(number.as_f64()),
        Value::Array(items) => items.iter_mut().for_each(numbers_alike),
        Value::Object(fields) => fields.values_mut().for_each(numbers_alike),
        _ => {}
    }
}

fn sorted(mut violations: Vec<Violation>) -> Vec<Violation> {
    for violation in &mut violations {
        numbers_alike(&mut violation.details);
    }
    violations
        .sort_by(|a, b| (&a.object, &a.constraint, &a.message).cmp(&(&b.object, &b.constraint, &b.message)));
    violations
}
