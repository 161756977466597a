//! Label selectors, as Kubernetes reads and evaluates them.

use std::{collections::BTreeMap, sync::LazyLock};

use gatewright_re2::Pattern;
use serde_json::Value;

/// An object's labels.
pub type Labels = BTreeMap<String, String>;

/// A selector of which every requirement must hold. Without requirements it selects everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabelSelector {
    requirements: Vec<Requirement>,
}

/// What a selector asks of one label.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Requirement {
    key: String,
    operator: Operator,
    values: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::EnumString)]
enum Operator {
    In,
    NotIn,
    Exists,
    DoesNotExist,
}

/// A selector that Kubernetes refuses.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SelectorError {
    /// The field, as a JSON pointer into the selector.
    pub pointer: String,
    /// What is wrong, and what is allowed.
    pub message: String,
}

impl SelectorError {
    fn new(pointer: impl Into<String>, message: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), message: message.into() }
    }
}

impl LabelSelector {
    /// Reads `matchLabels` and `matchExpressions`.
    ///
    /// # Errors
    /// A wrong type, a key or value that no label can have, an unknown operator, values that do not fit the operator.
    pub fn parse(selector: &Value) -> Result<Self, SelectorError> {
        let fields = selector.as_object().ok_or_else(|| SelectorError::new("", "a selector is an object"))?;
        let mut requirements = vec![];
        for (key, value) in members(fields.get("matchLabels"), "/matchLabels")? {
            requirements.push(label_requirement(key, value)?);
        }
        for (index, expression) in
            elements(fields.get("matchExpressions"), "/matchExpressions")?.iter().enumerate()
        {
            let pointer = format!("/matchExpressions/{index}");
            requirements.push(expression_requirement(expression, &pointer)?);
        }
        Ok(Self { requirements })
    }

    /// Whether it selects an object with these labels.
    #[must_use]
    pub fn matches(&self, labels: &Labels) -> bool {
        self.missed(labels).is_none()
    }

    /// The first requirement that labels do not meet, and what they have of its key, both as texts; none if the selector
    /// selects them.
    #[must_use]
    pub fn why_not(&self, labels: &Labels) -> Option<(String, String)> {
        self.missed(labels).map(|requirement| (requirement.wanted(), requirement.found(labels)))
    }

    /// All requirements, and what labels have of their keys, both as texts.
    #[must_use]
    pub fn explained(&self, labels: &Labels) -> (String, String) {
        let joined = |texts: Vec<String>| texts.join(", ");
        let wants = self.requirements.iter().map(Requirement::wanted).collect();
        let has = self.requirements.iter().map(|requirement| requirement.found(labels)).collect();
        (joined(wants), joined(has))
    }

    fn missed(&self, labels: &Labels) -> Option<&Requirement> {
        self.requirements.iter().find(|requirement| !requirement.holds(labels))
    }
}

impl Requirement {
    fn wanted(&self) -> String {
        let Self { key, operator, values } = self;
        let listed = || values.join(", ");
        match (operator, values.as_slice()) {
            (Operator::In, [value]) => format!("{key}={value}"),
            (Operator::NotIn, [value]) => format!("{key}!={value}"),
            (Operator::In, _) => format!("{key} in ({})", listed()),
            (Operator::NotIn, _) => format!("{key} notin ({})", listed()),
            (Operator::Exists, _) => format!("a label {key}"),
            (Operator::DoesNotExist, _) => format!("no label {key}"),
        }
    }

    fn found(&self, labels: &Labels) -> String {
        let key = &self.key;
        labels.get(key).map_or_else(|| format!("no label {key}"), |value| format!("{key}={value}"))
    }

    fn holds(&self, labels: &Labels) -> bool {
        let value = labels.get(&self.key);
        let listed = || value.is_some_and(|value| self.values.contains(value));
        match self.operator {
            Operator::In => listed(),
            Operator::NotIn => !listed(),
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
        }
    }
}

fn label_requirement(key: &str, value: &Value) -> Result<Requirement, SelectorError> {
    let pointer = format!("/matchLabels/{}", key.replace('~', "~0").replace('/', "~1"));
    let value = value.as_str().ok_or_else(|| SelectorError::new(&pointer, "a label's value is a string"))?;
    check_key(key, &pointer)?;
    check_value(value, &pointer)?;
    Ok(Requirement { key: key.to_owned(), operator: Operator::In, values: vec![value.to_owned()] })
}

fn expression_requirement(expression: &Value, pointer: &str) -> Result<Requirement, SelectorError> {
    let text = |field: &str| {
        let pointer = format!("{pointer}/{field}");
        expression[field]
            .as_str()
            .ok_or_else(|| SelectorError::new(pointer, format!("`{field}` is a required string")))
    };
    let key = text("key")?;
    check_key(key, &format!("{pointer}/key"))?;
    let operator = text("operator")?;
    let operator = operator.parse().map_err(|_| {
        let allowed = "allowed: In, NotIn, Exists and DoesNotExist";
        SelectorError::new(
            format!("{pointer}/operator"),
            format!("`{operator}` is not an operator; {allowed}"),
        )
    })?;
    let values = values(expression.get("values"), &format!("{pointer}/values"))?;
    check_arity(operator, &values, &format!("{pointer}/values"))?;
    Ok(Requirement { key: key.to_owned(), operator, values })
}

fn values(list: Option<&Value>, pointer: &str) -> Result<Vec<String>, SelectorError> {
    let value = |(index, value): (usize, &Value)| {
        let pointer = format!("{pointer}/{index}");
        let value =
            value.as_str().ok_or_else(|| SelectorError::new(&pointer, "a label's value is a string"))?;
        check_value(value, &pointer)?;
        Ok(value.to_owned())
    };
    elements(list, pointer)?.iter().enumerate().map(value).collect()
}

fn check_arity(operator: Operator, values: &[String], pointer: &str) -> Result<(), SelectorError> {
    let wants_values = matches!(operator, Operator::In | Operator::NotIn);
    match (wants_values, values.is_empty()) {
        (true, true) => Err(SelectorError::new(pointer, format!("{operator:?} needs at least one value"))),
        (false, false) => Err(SelectorError::new(pointer, format!("{operator:?} takes no values"))),
        _ => Ok(()),
    }
}

fn members<'a>(
    field: Option<&'a Value>,
    pointer: &str,
) -> Result<impl Iterator<Item = (&'a String, &'a Value)>, SelectorError> {
    match field {
        None | Some(Value::Null) => Ok(None.into_iter().flatten()),
        Some(Value::Object(members)) => Ok(Some(members).into_iter().flatten()),
        Some(_) => Err(SelectorError::new(pointer, "must be an object of strings")),
    }
}

fn elements<'a>(field: Option<&'a Value>, pointer: &str) -> Result<&'a [Value], SelectorError> {
    match field {
        None | Some(Value::Null) => Ok(&[]),
        Some(Value::Array(elements)) => Ok(elements),
        Some(_) => Err(SelectorError::new(pointer, "must be a list")),
    }
}

const NAME: &str = r"^(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?)$";
const PREFIX: &str = r"^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*$";

// The patterns are constants: they compile.
#[allow(clippy::unwrap_used)]
static NAME_PATTERN: LazyLock<Pattern> = LazyLock::new(|| Pattern::new(NAME).unwrap());
#[allow(clippy::unwrap_used)]
static PREFIX_PATTERN: LazyLock<Pattern> = LazyLock::new(|| Pattern::new(PREFIX).unwrap());

/// A label's key: a name of at most 63 characters, with an optional DNS prefix of at most 253 before a slash.
fn check_key(key: &str, pointer: &str) -> Result<(), SelectorError> {
    let (prefix, name) = key.split_once('/').map_or((None, key), |(prefix, name)| (Some(prefix), name));
    let good_prefix = prefix.is_none_or(|prefix| prefix.len() <= 253 && PREFIX_PATTERN.is_match(prefix));
    if good_prefix && name.len() <= 63 && NAME_PATTERN.is_match(name) {
        return Ok(());
    }
    let allowed = "it is `name` or `dns.prefix/name`, a name of at most 63 letters, digits, `-`, `_` and `.`";
    Err(SelectorError::new(pointer, format!("`{key}` is not a label key; {allowed}")))
}

/// A label's value: empty, or like a key's name.
fn check_value(value: &str, pointer: &str) -> Result<(), SelectorError> {
    if value.is_empty() || (value.len() <= 63 && NAME_PATTERN.is_match(value)) {
        return Ok(());
    }
    let allowed = "it is empty or at most 63 letters, digits, `-`, `_` and `.` between letters or digits";
    Err(SelectorError::new(pointer, format!("`{value}` is not a label value; {allowed}")))
}
