//! Types as they are written in the table of functions.
//!
//! `s`tring, `n`umber, `b`oolean, null `z`, anything `*`; `[s]` is a list, `(n,s)` a list of exactly these, `<s>` a set,
//! `{op:s,#s:n}` an object with a field `op` and others from texts to numbers; `s|n` is either.

use std::str::Chars;

use super::Type;

/// The signature of a function: `s [s]|<s> -> s`.
pub fn signature(text: &str) -> Option<(Vec<Type>, Type)> {
    let (arguments, result) = text.rsplit_once("-> ")?;
    let arguments = arguments.split_whitespace().map(parse).collect::<Option<_>>()?;
    Some((arguments, parse(result)?))
}

fn parse(text: &str) -> Option<Type> {
    let mut rest = text.chars();
    let found = alternatives(&mut rest)?;
    rest.as_str().is_empty().then_some(found)
}

fn alternatives(rest: &mut Chars<'_>) -> Option<Type> {
    let mut found = one(rest)?;
    while rest.as_str().starts_with('|') {
        rest.next();
        found = found.or(one(rest)?);
    }
    Some(found)
}

fn one(rest: &mut Chars<'_>) -> Option<Type> {
    Some(match rest.next()? {
        's' => Type::String,
        'n' => Type::Number,
        'b' => Type::Boolean,
        'z' => Type::Null,
        '*' => Type::ANY,
        '[' => Type::list(alternatives(rest).filter(|_| rest.next() == Some(']'))?),
        '<' => Type::set(alternatives(rest).filter(|_| rest.next() == Some('>'))?),
        '(' => Type::Array(list(rest, ')', alternatives)?, None),
        '{' => object(rest)?,
        _ => return None,
    })
}

fn list<T>(rest: &mut Chars<'_>, close: char, item: fn(&mut Chars<'_>) -> Option<T>) -> Option<Vec<T>> {
    let mut items = vec![item(rest)?];
    loop {
        match rest.next()? {
            ',' => items.push(item(rest)?),
            end => return (end == close).then_some(items),
        }
    }
}

/// The key of a field, or the type of all other keys; and the value's type.
type Field = (Result<String, Type>, Type);

fn field(rest: &mut Chars<'_>) -> Option<Field> {
    let key = if rest.as_str().starts_with('#') {
        rest.next();
        Err(alternatives(rest).filter(|_| rest.next() == Some(':'))?)
    } else {
        let (name, _) = rest.as_str().split_once(':')?;
        let name = name.to_owned();
        rest.nth(name.len());
        Ok(name)
    };
    Some((key, alternatives(rest)?))
}

fn object(rest: &mut Chars<'_>) -> Option<Type> {
    let (mut fields, mut others) = (vec![], None);
    for (key, value) in list(rest, '}', field)? {
        match key {
            Ok(name) => fields.push((name.into(), value)),
            Err(key) => others = Some(Box::new((key, value))),
        }
    }
    Some(Type::Object(fields, others))
}
