//! JSON that is nested deeper than regorus's own reader takes it, without a level of stack for a level of text.

use std::collections::BTreeMap;

use regorus::Value;

use super::limits::exceed;

/// How deep a text may be nested. OPA takes ten times as much; whoever walks a value needs stack for each level.
const DEEPEST: usize = 1_000;

/// The largest exponent of a number that no float can hold.
const LARGEST: usize = 10_000;

/// What is said of a text that is nested deeper.
const TOO_DEEP: &str = "json.unmarshal: a text is nested deeper than 1000 levels";

/// What OPA takes.
const DEEPEST_IN_OPA: usize = 10_000;

/// `json.unmarshal`; none for what is no JSON.
pub fn unmarshal(text: &str) -> Option<Value> {
    let depth = depth(text);
    if depth > DEEPEST {
        return if depth > DEEPEST_IN_OPA { None } else { exceed(TOO_DEEP) };
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
        match Value::from_json_str(token) {
            Ok(value) => Some(value),
            Err(_) if token.starts_with('"') => Value::from_json_str(&without_lone_surrogates(token)).ok(),
            Err(_) => large(token),
        }
    }
}

/// A text in quotes in which halves of characters are replaced, as Go does.
fn without_lone_surrogates(token: &str) -> String {
    const REPLACEMENT: &str = "\\ufffd";
    let (mut written, mut rest) = (String::new(), token);
    while let Some(at) = rest.find('\\') {
        written.push_str(&rest[..at]);
        rest = &rest[at..];
        let length = match (surrogate(rest), rest.get(6..).and_then(surrogate)) {
            (Some(true), Some(false)) => 12,
            (Some(_), _) => {
                written.push_str(REPLACEMENT);
                rest = &rest[6..];
                continue;
            }
            (None, _) => rest.char_indices().nth(2).map_or(rest.len(), |(end, _)| end),
        };
        written.push_str(&rest[..length]);
        rest = &rest[length..];
    }
    written + rest
}

/// Whether a text begins with the escape of the first half of a character; none if with that of no half.
fn surrogate(text: &str) -> Option<bool> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    let code = u32::from_str_radix(digits, 16).ok()?;
    (0xd800..0xe000).contains(&code).then_some(code < 0xdc00)
}

/// A number that is too large for a float. OPA computes with its digits.
fn large(token: &str) -> Option<Value> {
    let (sign, number) = token.strip_prefix('-').map_or(("", token), |number| ("-", number));
    let (mantissa, exponent) = number.split_once(['e', 'E'])?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_number = digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && (digits(fraction) || !mantissa.contains('.'))
        && digits(exponent.strip_prefix(['+', '-']).unwrap_or(exponent));
    if !is_number {
        return None;
    }
    let exponent: usize = exponent.strip_prefix('+').unwrap_or(exponent).parse().unwrap_or(usize::MAX);
    if exponent > LARGEST || exponent < fraction.len() {
        return exceed("json.unmarshal: a number with more than 10000 digits");
    }
    let zeros = "0".repeat(exponent - fraction.len());
    Value::from_numeric_string(&format!("{sign}{whole}{fraction}{zeros}")).ok()
}

#[cfg(test)]
mod tests {
    use regorus::Value;

    use super::{DEEPEST, unmarshal};
    use crate::limits::within;

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
        assert_eq!(within(), Ok(()));
        assert!(unmarshal(&nested(DEEPEST + 1)).is_none());
        assert!(within().unwrap_err().message.contains("nested deeper"));
        assert_eq!(within(), Ok(()));
        assert!(unmarshal(&nested(10_001)).is_none());
        assert_eq!(within(), Ok(()), "OPA takes no more either");
    }
}
