//! The functions that OPA has, with their types.

use std::collections::HashMap;
use std::sync::LazyLock;

use regorus::unstable::{BUILTINS, Expr};

use super::extensions;

/// A function of OPA.
pub struct Builtin {
    /// Of each argument the types that it may have, one letter each: `s`tring, `n`umber, `b`oolean, `a`rray,
    /// `o`bject, s`e`t, null `z`, anything `*`.
    pub arguments: Vec<&'static str>,
}

static TABLE: LazyLock<HashMap<&str, Builtin>> = LazyLock::new(|| {
    include_str!("builtins.txt")
        .lines()
        .filter_map(|line| {
            let (name, rest) = line.split_once(' ')?;
            let arguments = rest.split(' ').next()?;
            let arguments = arguments.split(',').filter(|argument| *argument != "-").collect();
            Some((name, Builtin { arguments }))
        })
        .collect()
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

/// Whether this engine has it.
pub fn is_supported(name: &str) -> bool {
    name == "print" || extensions::find(name).is_some() || BUILTINS.contains_key(name)
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
