//! What names mean: rules, imports, functions.

use std::collections::{BTreeMap, HashMap};

use regorus::unstable::{Expr, Module, Rule, RuleHead, WithModifier};

use super::builtins::{self, Builtin};

/// What a path is in all modules together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One value.
    Complete,
    /// A set, rule by rule.
    Set,
    /// An object, rule by rule.
    Object,
    /// A function of so many arguments.
    Function(usize),
}

/// The rules of all modules by their full path, `template.violation` or `lib.x.y`.
pub type Rules = BTreeMap<String, Kind>;

/// What a call calls.
pub enum Callee {
    /// A function of OPA.
    Builtin(&'static Builtin),
    /// A rule: its path, and how many arguments it takes.
    Rule(String, usize),
}

/// The names of one module.
pub struct Names<'a> {
    package: &'a str,
    imports: HashMap<String, String>,
    rules: &'a Rules,
}

impl<'a> Names<'a> {
    /// The names of a module, whose package stands for `package`.
    pub fn new(module: &Module, package: &'a str, rules: &'a Rules) -> Self {
        let imports = module.imports.iter().filter_map(|import| {
            let path = builtins::path(&import.refr)?;
            let last = path.rsplit('.').next()?.to_owned();
            let name = import.r#as.as_ref().map_or(last, |alias| alias.text().to_owned());
            Some((name, path.strip_prefix("data.")?.to_owned()))
        });
        Self { package, imports: imports.collect(), rules }
    }

    /// The path under `data` that an import gives a name to.
    pub fn import(&self, name: &str) -> Option<&str> {
        self.imports.get(name).map(String::as_str)
    }

    /// Whether a name stands for a document, unless it is declared a variable.
    pub fn is_document(&self, name: &str) -> bool {
        matches!(name, "input" | "data") || self.imports.contains_key(name) || self.is_rule(name)
    }

    fn is_rule(&self, name: &str) -> bool {
        let path = format!("{}.{name}", self.package);
        self.rules.contains_key(&path) || self.below(&path).next().is_some()
    }

    /// The rules under a path.
    pub fn below(&self, path: &str) -> impl Iterator<Item = &'a String> {
        let prefix = format!("{path}.");
        self.rules.keys().filter(move |rule| rule.starts_with(&prefix))
    }

    /// The full path of a reference under `data`; none if it is a variable's or the input's.
    pub fn full(&self, path: &str) -> Option<String> {
        let (root, rest) = path.split_at(path.find('.').unwrap_or(path.len()));
        if root == "data" {
            return Some(rest.trim_start_matches('.').to_owned());
        }
        if let Some(import) = self.imports.get(root) {
            return Some(format!("{import}{rest}"));
        }
        self.is_rule(root).then(|| format!("{}.{path}", self.package))
    }

    /// What a call of this path calls.
    pub fn callee(&self, path: &str) -> Option<Callee> {
        if let Some(full) = self.full(path) {
            return match self.rules.get(&full)? {
                Kind::Function(arity) => Some(Callee::Rule(full, *arity)),
                _ => None,
            };
        }
        builtins::find(path).map(Callee::Builtin)
    }

    /// How many arguments a function takes.
    pub fn arity(&self, path: &str) -> Option<usize> {
        match self.callee(path)? {
            Callee::Builtin(builtin) => Some(builtin.arguments.len()),
            Callee::Rule(_, arity) => Some(arity),
        }
    }

    /// Whether `with` replaces a function by another one.
    pub fn is_replaced(&self, with: &WithModifier) -> bool {
        let is_function = |term: &Expr| builtins::path(term).is_some_and(|path| self.callee(&path).is_some());
        is_function(&with.refr) && is_function(&with.r#as)
    }

    /// The rules that a reference may read: the rule of which it is a part, or all below it.
    pub fn reads(&self, full: &str) -> Vec<&'a String> {
        let mut path = full;
        loop {
            if let Some((rule, _)) = self.rules.get_key_value(path) {
                return vec![rule];
            }
            match path.rfind('.') {
                Some(end) => path = &path[..end],
                None => return self.below(full).collect(),
            }
        }
    }
}

/// The path of a rule in its package, and what it is.
pub fn declared(rule: &Rule) -> Option<(String, Kind)> {
    match rule {
        Rule::Default { refr, args, .. } => {
            let kind = if args.is_empty() { Kind::Complete } else { Kind::Function(args.len()) };
            Some((builtins::path(refr)?, kind))
        }
        // `f()` is a rule, and no function.
        Rule::Spec { head: RuleHead::Func { refr, args, .. }, .. } if args.is_empty() => {
            Some((builtins::path(refr)?, Kind::Complete))
        }
        Rule::Spec { head: RuleHead::Func { refr, args, .. }, .. } => {
            Some((builtins::path(refr)?, Kind::Function(args.len())))
        }
        Rule::Spec { head: RuleHead::Set { refr, key: Some(_), .. }, .. } => {
            Some((builtins::prefix(refr)?, Kind::Set))
        }
        Rule::Spec { head: RuleHead::Set { refr, .. } | RuleHead::Compr { refr, .. }, .. } => {
            let whole = builtins::path(refr).filter(|_| !matches!(refr.as_ref(), Expr::RefBrack { .. }));
            match whole {
                Some(path) => Some((path, Kind::Complete)),
                None => Some((builtins::prefix(refr.as_ref()).map(|path| object(refr, path))?, Kind::Object)),
            }
        }
    }
}

/// `p["x"] = 1` is a part of the object `p`.
fn object(refr: &Expr, path: String) -> String {
    match refr {
        Expr::RefBrack { refr, .. } if builtins::path(refr).is_some() => builtins::path(refr).unwrap_or(path),
        _ => path,
    }
}
