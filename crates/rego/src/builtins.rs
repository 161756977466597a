//! The functions that OPA has, with their types.

use std::collections::HashMap;
use std::sync::LazyLock;

use regorus::unstable::{BUILTINS, Expr};

use super::extensions;
use super::types::{Type, signature};

/// A function of OPA.
pub struct Builtin {
    /// The types of its arguments.
    pub arguments: Vec<Type>,
    /// The type of its result.
    pub result: Type,
}

impl Builtin {
    /// Its type.
    pub fn of(&self) -> Type {
        Type::Function(self.arguments.clone(), Box::new(self.result.clone()))
    }
}

static TABLE: LazyLock<HashMap<&str, Builtin>> = LazyLock::new(|| {
    let builtin = |line: &'static str| {
        let (name, rest) = line.split_once(' ')?;
        let (arguments, result) = signature(rest)?;
        Some((name, Builtin { arguments, result }))
    };
    include_str!("builtins.txt").lines().filter_map(builtin).collect()
});

/// What Rego 1.0 took out.
const DEPRECATED: [&str; 11] = [
    "all",
    "any",
    "cast_array",
    "cast_boolean",
    "cast_null",
    "cast_object",
    "cast_set",
    "cast_string",
    "net.cidr_overlap",
    "re_match",
    "set_diff",
];

/// A function by name.
pub fn find(name: &str) -> Option<&'static Builtin> {
    TABLE.get(name)
}

/// Whether Rego 1.0 knows it no more.
pub fn is_deprecated(name: &str) -> bool {
    DEPRECATED.contains(&name)
}

/// What regorus has, but in another way than OPA: it writes YAML 1.2.
const OTHERWISE: [&str; 1] = ["yaml.marshal"];

/// Whether this engine has it.
pub fn is_supported(name: &str) -> bool {
    let regorus = || BUILTINS.contains_key(name) && !OTHERWISE.contains(&name);
    name == "print" || extensions::find(name).is_some() || regorus()
}

/// The path of a reference that has only names and texts: `data.lib.x`.
pub fn path(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Var { span, .. } => Some(span.text().to_owned()),
        Expr::RefDot { refr, field, .. } => Some(format!("{}.{}", path(refr)?, field.0.text())),
        Expr::RefBrack { refr, index, .. } => match index.as_ref() {
            Expr::String { value, .. } | Expr::RawString { value, .. } => {
                Some(format!("{}.{}", path(refr)?, value.as_string().ok()?))
            }
            _ => None,
        },
        _ => None,
    }
}

/// The longest beginning of a reference that is a path.
pub fn prefix(expr: &Expr) -> Option<String> {
    path(expr).or_else(|| match expr {
        Expr::RefDot { refr, .. } | Expr::RefBrack { refr, .. } => prefix(refr),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_line_of_the_table_is_read() {
        let names: Vec<_> = include_str!("builtins.txt").lines().map(|line| line.split(' ').next()).collect();
        assert!(names.iter().all(|name| name.is_some_and(|name| super::find(name).is_some())));
        assert_eq!(super::TABLE.len(), names.len());
    }
}
