//! When an evaluation has to be over.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use kube_cel::cel::common::ast::{CallExpr, Expr};
use kube_cel::cel::{Context, ExecutionError, IdedExpr, ResolveResult, Value};

/// The function that looks at the clock. No expression can name it.
const FUNCTION: &str = "@in_time";

/// The end of the time for an evaluation. Only what repeats takes long, so it is looked at in every round of a macro.
#[derive(Clone, Debug)]
pub struct Deadline {
    end: Option<Instant>,
    missed: Arc<AtomicBool>,
}

impl Deadline {
    /// From now on.
    pub fn new(limit: Duration) -> Self {
        Self { end: Instant::now().checked_add(limit), missed: Arc::default() }
    }

    /// Whether an evaluation was stopped. Its error may be lost: `true || error` is true.
    pub fn was_missed(&self) -> bool {
        self.missed.load(Ordering::Relaxed)
    }

    /// Makes the function known that stops an evaluation.
    pub fn register(&self, context: &mut Context<'_>) {
        let deadline = self.clone();
        context.add_function(FUNCTION, move |value: Value| -> ResolveResult { deadline.check(value) });
    }

    fn check(&self, value: Value) -> ResolveResult {
        if self.end.is_none_or(|end| Instant::now() < end) {
            return Ok(value);
        }
        self.missed.store(true, Ordering::Relaxed);
        Err(ExecutionError::function_error(FUNCTION, "it takes too long"))
    }
}

/// An expression that fails when the time is over.
pub fn in_time(expression: IdedExpr) -> IdedExpr {
    let call = CallExpr { func_name: FUNCTION.to_owned(), target: None, args: vec![expression] };
    IdedExpr { id: 0, expr: Expr::Call(call) }
}
