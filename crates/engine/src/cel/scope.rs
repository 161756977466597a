//! What expressions can refer to while they are evaluated.

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
};

use kube_cel::{
    KubeCelExt,
    cel::{
        Context, ExecutionError, ResolveResult, Value,
        context::VariableResolver,
        objects::{Key, Map},
    },
};
use serde_json::Value as Json;

use super::{Deadline, Expression};

/// A request, as expressions see it. Converted once for all constraints.
pub struct Input {
    object: Value,
    old_object: Value,
    request: Value,
    namespace: Value,
}

impl Input {
    /// `object`, `oldObject`, `request`, `namespaceObject`; null where there is none.
    pub fn new(object: &Json, old_object: &Json, request: &Json, namespace: &Json) -> Self {
        let [object, old_object, request, namespace] = [object, old_object, request, namespace].map(to_cel);
        Self { object, old_object, request, namespace }
    }
}

/// A request and a constraint, with the template's variables, each evaluated when it is first needed.
pub struct Scope<'a> {
    context: &'a Context<'a>,
    resolver: Variables<'a>,
}

struct Variables<'a> {
    context: &'a Context<'a>,
    variables: HashMap<&'a str, (&'a Expression, OnceLock<Option<Value>>)>,
}

impl Scope<'_> {
    /// Runs something in the scope of a request and a constraint's parameters.
    pub fn run<T>(
        input: &Input,
        parameters: &Json,
        variables: &[(String, Expression)],
        deadline: &Deadline,
        run: impl FnOnce(&Scope<'_>) -> T,
    ) -> T {
        let mut functions = functions();
        deadline.register(&mut functions);
        let mut context = functions.new_inner_scope();
        let any = if matches!(input.object, Value::Null) { &input.old_object } else { &input.object };
        context.add_variable_from_value("object", input.object.clone());
        context.add_variable_from_value("oldObject", input.old_object.clone());
        context.add_variable_from_value("request", input.request.clone());
        context.add_variable_from_value("namespaceObject", input.namespace.clone());
        context.add_variable_from_value(Expression::variable("anyObject"), any.clone());
        context.add_variable_from_value(Expression::variable("params"), to_cel(parameters));
        let variables =
            variables.iter().map(|(name, expression)| (name.as_str(), (expression, OnceLock::new())));
        let resolver = Variables { context: &context, variables: variables.collect() };
        run(&Scope { context: &context, resolver })
    }

    /// The value of an expression.
    pub fn evaluate(&self, expression: &Expression) -> Result<Value, ExecutionError> {
        let mut context = self.context.new_inner_scope();
        context.set_variable_resolver(&self.resolver);
        context.resolve(&expression.tree)
    }
}

impl VariableResolver for Variables<'_> {
    /// A variable whose expression fails is as one that is not there: what needs it fails.
    fn resolve(&self, variable: &str) -> Option<Value> {
        let (expression, value) = self.variables.get(variable)?;
        let evaluate = || {
            let mut context = self.context.new_inner_scope();
            context.set_variable_resolver(self);
            context.resolve(&expression.tree).ok()
        };
        value.get_or_init(evaluate).clone()
    }
}

/// All functions of Kubernetes' CEL. Values have no static type here, so `dyn` changes nothing.
pub fn functions() -> Context<'static> {
    let mut context = Context::default();
    context.register_all();
    context.add_function("dyn", |value: Value| -> ResolveResult { Ok(value) });
    context
}

fn to_cel(value: &Json) -> Value {
    match value {
        Json::Null => Value::Null,
        Json::Bool(truth) => Value::Bool(*truth),
        Json::Number(number) => match number.as_i64() {
            Some(integer) => Value::Int(integer),
            None => Value::Float(number.as_f64().unwrap_or_default()),
        },
        Json::String(text) => Value::String(Arc::new(text.clone())),
        Json::Array(elements) => Value::List(Arc::new(elements.iter().map(to_cel).collect())),
        Json::Object(members) => {
            let member = |(key, value): (&String, &Json)| (Key::String(Arc::new(key.clone())), to_cel(value));
            Value::Map(Map { map: Arc::new(members.iter().map(member).collect()) })
        }
    }
}
