//! What a function of this engine cannot compute, though OPA may: said after the evaluation, of which nothing counts then.

use std::cell::Cell;

use super::EngineError;

thread_local! {
    static EXCEEDED: Cell<Option<&'static str>> = const { Cell::new(None) };
}

/// Notes that a function gave up, and why. Its value is undefined.
pub fn exceed<T>(said: &'static str) -> Option<T> {
    EXCEEDED.set(Some(said));
    None
}

/// Whether no function of this evaluation gave up; the next evaluation begins anew.
pub fn within() -> Result<(), EngineError> {
    match EXCEEDED.take() {
        None => Ok(()),
        Some(said) => Err(EngineError { lib: None, line: 0, message: said.to_owned() }),
    }
}
