//! Rules in CEL that stand in a schema, and the values that they are asked about.

use std::sync::OnceLock;
use std::time::Duration;

use serde_json::Value;

use super::{EMBEDDED, Fault, member, typed};
use crate::cel::{NO_OLDER, Refused, Type, Value as CelValue, ValueRule};

/// Where rules stand in a schema.
pub const RULES: &str = "x-kubernetes-validations";

/// How long one rule may take for one value.
const LIMIT: Duration = Duration::from_secs(1);

/// The rules of a schema and of what is in it.
#[derive(Debug)]
pub struct Demands {
    /// The schema, for the types of the values.
    schema: Value,
    own: Vec<Demand>,
    properties: Vec<(String, Demands)>,
    items: Option<Box<Demands>>,
    additional: Option<Box<Demands>>,
    /// What is demanded of the same value in `allOf`.
    all_of: Vec<Demands>,
}

#[derive(Debug)]
struct Demand {
    text: String,
    message: Option<String>,
    message_text: Option<String>,
    /// Below the value, as a JSON pointer.
    field: String,
    /// Where it stands in the schema.
    pointer: String,
    kind: Type,
    /// Whether it is asked about new objects, too, though it names the older state.
    optional_old: bool,
    /// Both are compiled when they are first needed: of a large schema few are.
    rule: OnceLock<Result<Option<ValueRule>, Refused>>,
    message_rule: OnceLock<Option<ValueRule>>,
}

impl Demands {
    /// The rules of a schema; none if there are none.
    pub fn of(schema: &Value, pointer: &str) -> Option<Self> {
        if !schema.is_object() {
            return None;
        }
        let below = |name: &str| Self::of(&schema[name], &member(pointer, name)).map(Box::new);
        let properties = schema["properties"].as_object().into_iter().flatten();
        let of_property = |(name, schema): (&String, &Value)| {
            let pointer = member(&member(pointer, "properties"), name);
            Some((name.clone(), Self::of(schema, &pointer)?))
        };
        let all_of = schema["allOf"].as_array().into_iter().flatten();
        let demands = Self {
            own: Demand::all(schema, &member(pointer, RULES)),
            properties: properties.filter_map(of_property).collect(),
            items: below("items"),
            additional: below("additionalProperties"),
            all_of: all_of.filter_map(|schema| Self::of(schema, &member(pointer, "allOf"))).collect(),
            schema: Value::Null,
        };
        let empty = demands.own.is_empty()
            && demands.properties.is_empty()
            && demands.items.is_none()
            && demands.additional.is_none()
            && demands.all_of.is_empty();
        // Only who asks something needs to know the types.
        let schema = if demands.own.is_empty() { Value::Null } else { schema.clone() };
        (!empty).then_some(Self { schema, ..demands })
    }

    /// The same for the schema of whole objects, of which the API server knows the metadata.
    pub fn of_object(schema: &Value) -> Option<Self> {
        let mut schema = schema.clone();
        schema[EMBEDDED] = true.into();
        if let Some(properties) = schema["properties"].as_object_mut() {
            properties.retain(|name, _| !typed::is_of_every_object(name));
        }
        Self::of(&schema, "")
    }

    /// Compiles everything.
    ///
    /// # Errors
    /// The first rule that Kubernetes does not compile, or this engine cannot evaluate.
    pub fn compile(&self) -> Result<(), Fault> {
        self.own.iter().try_for_each(|demand| demand.rule().map(drop))?;
        let properties = self.properties.iter().map(|(_, demands)| demands);
        let nested = self.items.iter().chain(&self.additional).map(AsRef::as_ref);
        properties.chain(nested).chain(&self.all_of).try_for_each(Self::compile)
    }

    /// Asks all rules about a value.
    pub fn ask(&self, value: &Value, pointer: &str, found: &mut Vec<Fault>) {
        if !self.own.is_empty() {
            let typed = typed::value(&self.schema, value);
            found.extend(self.own.iter().filter_map(|demand| demand.ask(&typed, pointer).err()));
        }
        self.all_of.iter().for_each(|demands| demands.ask(value, pointer, found));
        if let (Some(demands), Value::Array(elements)) = (&self.items, value) {
            for (index, element) in elements.iter().enumerate() {
                demands.ask(element, &format!("{pointer}/{index}"), found);
            }
        }
        let Value::Object(members) = value else { return };
        for (name, value) in members {
            let property =
                self.properties.iter().find(|(known, _)| known == name).map(|(_, demands)| demands);
            if let Some(demands) = property.or(self.additional.as_deref()) {
                demands.ask(value, &member(pointer, name), found);
            }
        }
    }
}

impl Demand {
    fn all(schema: &Value, pointer: &str) -> Vec<Self> {
        let rules = schema[RULES].as_array().into_iter().flatten();
        let kind = typed::kind(schema);
        let text = |rule: &Value, field: &str| rule[field].as_str().map(str::to_owned);
        let rules = rules.enumerate().map(|(index, rule)| Self {
            text: text(rule, "rule").unwrap_or_default(),
            message: text(rule, "message").filter(|message| !message.is_empty()),
            message_text: text(rule, "messageExpression").filter(|message| !message.is_empty()),
            field: field_pointer(rule["fieldPath"].as_str().unwrap_or_default()),
            pointer: format!("{pointer}/{index}/rule"),
            kind: kind.clone(),
            optional_old: rule["optionalOldSelf"] == true,
            rule: OnceLock::new(),
            message_rule: OnceLock::new(),
        });
        rules.collect()
    }

    /// The rule; none where it is about a change: of a new object there is no older state.
    fn rule(&self) -> Result<Option<&ValueRule>, Fault> {
        let compile = || match ValueRule::compile(&self.text, &self.kind, &Type::Bool, self.optional_old) {
            Err(Refused::Wrong(message)) if message.contains(NO_OLDER) => Ok(None),
            compiled => compiled.map(Some),
        };
        self.rule.get_or_init(compile).as_ref().map(Option::as_ref).map_err(|refused| match refused {
            Refused::Wrong(message) => Fault::new(&self.pointer, format!("does not compile: {message}")),
            Refused::Limit(message) => Fault::limit(&self.pointer, message),
        })
    }

    fn ask(&self, value: &CelValue, pointer: &str) -> Result<(), Fault> {
        let at = format!("{pointer}{}", self.field);
        let plain = || self.message.clone().unwrap_or_else(|| format!("failed rule: {}", self.text.trim()));
        let Some(rule) = self.rule()? else { return Ok(()) };
        match rule.evaluate(value, LIMIT) {
            Ok(CelValue::Bool(true)) => Ok(()),
            Ok(_) => {
                // What the rule's author wants to be said may hold the value; nothing else does.
                Err(Fault::new(at, self.evaluated_message(value).unwrap_or_else(plain)))
            }
            Err(_) => Err(Fault::new(at, format!("a rule cannot be evaluated for it: {}", plain()))),
        }
    }

    /// What the expression for the message says, if it says something.
    fn evaluated_message(&self, value: &CelValue) -> Option<String> {
        let text = self.message_text.as_ref()?;
        let compile = || ValueRule::compile(text, &self.kind, &Type::String, self.optional_old).ok();
        match self.message_rule.get_or_init(compile).as_ref()?.evaluate(value, LIMIT) {
            Ok(CelValue::String(message)) => Some(message.trim().to_owned()).filter(|it| !it.is_empty()),
            _ => None,
        }
    }
}

/// `.a.b['c']` as a JSON pointer.
fn field_pointer(path: &str) -> String {
    let parts =
        path.split(['.', '[', ']']).map(|part| part.trim_matches('\'')).filter(|part| !part.is_empty());
    parts.fold(String::new(), |pointer, part| member(&pointer, part))
}
