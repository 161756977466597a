//! JSON that is nested deeper than regorus's own reader takes it, without a level of stack for a level of text.

use std::cell::Cell;
use std::collections::BTreeMap;

use regorus::Value;

use super::EngineError;

/// How deep a text may be nested. OPA takes ten times as much; whoever walks a value needs stack for each level.
const DEEPEST: usize = 1_000;

/// What OPA takes.
const DEEPEST_IN_OPA: usize = 10_000;

thread_local! {
    static EXCEEDED: Cell<bool> = const { Cell::new(false) };
}

/// Whether no text of this evaluation was nested too deep; the next evaluation begins anew.
pub fn within_limits() -> Result<(), EngineError> {
    if !EXCEEDED.take() {
        return Ok(());
    }
    let message = format!("json.unmarshal: a text is nested deeper than {DEEPEST} levels");
    Err(EngineError { lib: None, line: 0, message })
}

/// `json.unmarshal`; none for what is no JSON.
pub fn unmarshal(text: &str) -> Option<Value> {
    let depth = depth(text);
    if depth > DEEPEST {
        EXCEEDED.set(depth <= DEEPEST_IN_OPA);
        return None;
    }
    let mut reader = Reader { rest: text, open: vec![] };
    let value = reader.document()?;
    reader.skip().is_empty().then_some(value)
}

/// How many brackets are open at once.
fn depth(text: &str) -> usize {
    let (mut deepest, mut open, mut quoted, mut escaped) = (0, 0_usize, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'[' | b'{' if !quoted => open += 1,
            b']' | b'}' if !quoted => open = open.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(open);
    }
    deepest
}

struct Reader<'a> {
    rest: &'a str,
    open: Vec<Collection>,
}

/// What was read.
enum Read {
    /// A whole value.
    Value(Value),
    /// A part of a collection.
    Part,
}

/// A list or an object of which the end was not read yet.
enum Collection {
    List(Vec<Value>),
    /// With the key whose value comes next.
    Object(Vec<(Value, Value)>, Value),
}

impl<'a> Reader<'a> {
    fn skip(&mut self) -> &'a str {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
        self.rest
    }

    fn take(&mut self, text: &str) -> bool {
        let rest = self.skip().strip_prefix(text);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn document(&mut self) -> Option<Value> {
        loop {
            let mut read = self.begin()?;
            while let Read::Value(value) = read {
                if self.open.is_empty() {
                    return Some(value);
                }
                read = self.put(value)?;
            }
        }
    }

    /// A value, or the beginning of a collection that is not empty.
    fn begin(&mut self) -> Option<Read> {
        if self.take("[") {
            if self.take("]") {
                return Some(Read::Value(Value::new_array()));
            }
            self.open.push(Collection::List(vec![]));
            return Some(Read::Part);
        }
        if self.take("{") {
            if self.take("}") {
                return Some(Read::Value(Value::new_object()));
            }
            let key = self.key()?;
            self.open.push(Collection::Object(vec![], key));
            return Some(Read::Part);
        }
        self.scalar().map(Read::Value)
    }

    /// Puts a value into the innermost collection, and gives that if it ends there.
    fn put(&mut self, value: Value) -> Option<Read> {
        match self.open.pop()? {
            Collection::List(mut items) => {
                items.push(value);
                if self.take("]") {
                    return Some(Read::Value(items.into()));
                }
                self.open.push(Collection::List(items));
                self.take(",").then_some(Read::Part)
            }
            Collection::Object(mut fields, key) => {
                fields.push((key, value));
                if self.take("}") {
                    let fields: BTreeMap<_, _> = fields.into_iter().collect();
                    return Some(Read::Value(fields.into()));
                }
                let key = self.take(",").then(|| self.key())??;
                self.open.push(Collection::Object(fields, key));
                Some(Read::Part)
            }
        }
    }

    fn key(&mut self) -> Option<Value> {
        let key = self.skip().starts_with('"').then(|| self.scalar())??;
        self.take(":").then_some(key)
    }

    /// A text, a number, a word.
    fn scalar(&mut self) -> Option<Value> {
        let rest = self.skip();
        let end = if rest.starts_with('"') {
            let mut escaped = true;
            let end = rest.bytes().position(|byte| {
                let ends = byte == b'"' && !escaped;
                escaped = byte == b'\\' && !escaped;
                ends
            });
            end? + 1
        } else {
            rest.find([',', ']', '}', ' ', '\t', '\n', '\r']).unwrap_or(rest.len())
        };
        let (token, behind) = rest.split_at_checked(end)?;
        self.rest = behind;
        Value::from_json_str(token).ok()
    }
}

#[cfg(test)]
mod tests {
    use regorus::Value;

    use super::{DEEPEST, unmarshal, within_limits};

    #[test]
    fn it_reads_what_json_is() {
        for text in
            ["1", "\"a\\\"b\\\\\"", "[]", "{}", " [1, [2, {\"a\": null}], {\"b\": [true]}] ", "{\"a\":{}}"]
        {
            assert_eq!(unmarshal(text), Value::from_json_str(text).ok(), "{text}");
        }
        for text in
            ["", "[", "[1", "[1,]", "{\"a\"}", "{\"a\":1,}", "{1:2}", "[1] 2", "[1}", "nul", "\"a", "[1 2]"]
        {
            assert_eq!(unmarshal(text), None, "{text}");
        }
    }

    #[test]
    fn deep_texts_are_read_as_far_as_the_stack_holds() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert!(unmarshal(&nested(DEEPEST)).is_some());
        assert_eq!(within_limits(), Ok(()));
        assert!(unmarshal(&nested(DEEPEST + 1)).is_none());
        assert!(within_limits().unwrap_err().message.contains("nested deeper"));
        assert_eq!(within_limits(), Ok(()));
        assert!(unmarshal(&nested(10_001)).is_none());
        assert_eq!(within_limits(), Ok(()), "OPA takes no more either");
    }
}
