//! Operators: undefined where an operand has the wrong type, and decimal where regorus computes in binary.

use regorus::Value;

/// A decimal number: digits, and how many of them stand behind the point.
type Decimal = (i128, u32);

/// Numbers.
pub fn plus(v: &[Value]) -> Option<Value> {
    let (x, y) = (v[0].as_number().ok()?, v[1].as_number().ok()?);
    let sum = |x: i128, y: i128| x.checked_add(y);
    decimal(&v[0], &v[1], sum).or_else(|| Some(x.add(y).ok()?.into()))
}

/// Numbers or sets.
pub fn minus(v: &[Value]) -> Option<Value> {
    if let (Ok(x), Ok(y)) = (v[0].as_number(), v[1].as_number()) {
        let difference = |x: i128, y: i128| x.checked_sub(y);
        return decimal(&v[0], &v[1], difference).or_else(|| Some(x.sub(y).ok()?.into()));
    }
    difference(&v[0], &v[1])
}

/// What is in one set and not in the other.
pub fn difference(one: &Value, other: &Value) -> Option<Value> {
    let (one, other) = (one.as_set().ok()?, other.as_set().ok()?);
    Some(
        one.iter()
            .filter(|item| !other.contains(item))
            .cloned()
            .collect::<std::collections::BTreeSet<_>>()
            .into(),
    )
}

/// Numbers.
pub fn multiply(v: &[Value]) -> Option<Value> {
    let (x, y) = (v[0].as_number().ok()?, v[1].as_number().ok()?);
    let exact = || {
        let ((one, places), (other, more)) = (fraction(&v[0])?, fraction(&v[1])?);
        number(one.checked_mul(other)?, places + more)
    };
    exact().or_else(|| Some(x.mul(y).ok()?.into()))
}

/// Numbers; nothing is divided by zero.
pub fn divide(v: &[Value]) -> Option<Value> {
    let (x, y) = (v[0].as_number().ok()?, v[1].as_number().ok()?);
    if y.as_f64() == Some(0.0) {
        return None;
    }
    let quotient = x.clone().divide(y).ok()?;
    // A whole one is no float: it is written without an exponent.
    Some(quotient.as_i64().map_or_else(|| quotient.into(), Value::from))
}

/// Whole numbers; nothing is divided by zero.
pub fn remainder(v: &[Value]) -> Option<Value> {
    let (x, y) = (v[0].as_number().ok()?, v[1].as_number().ok()?);
    if y.as_f64() == Some(0.0) || !x.is_integer() || !y.is_integer() {
        return None;
    }
    Some(x.clone().modulo(y).ok()?.into())
}

/// Sets.
pub fn intersection(v: &[Value]) -> Option<Value> {
    let (one, other) = (v[0].as_set().ok()?, v[1].as_set().ok()?);
    Some(
        one.iter()
            .filter(|item| other.contains(item))
            .cloned()
            .collect::<std::collections::BTreeSet<_>>()
            .into(),
    )
}

/// Sets.
pub fn union(v: &[Value]) -> Option<Value> {
    let (one, other) = (v[0].as_set().ok()?, v[1].as_set().ok()?);
    Some(one.iter().chain(other.iter()).cloned().collect::<std::collections::BTreeSet<_>>().into())
}

/// The result for two numbers of which one may have a fraction; OPA's have more digits than regorus's.
fn decimal(x: &Value, y: &Value, operator: impl Fn(i128, i128) -> Option<i128>) -> Option<Value> {
    let ((x, places_x), (y, places_y)) = (fraction(x)?, fraction(y)?);
    let places = places_x.max(places_y);
    let scale = |digits: i128, from: u32| digits.checked_mul(10_i128.checked_pow(places - from)?);
    number(operator(scale(x, places_x)?, scale(y, places_y)?)?, places)
}

fn fraction(value: &Value) -> Option<Decimal> {
    let number = value.as_number().ok()?;
    if number.is_integer() {
        return Some((number.as_i128()?, 0));
    }
    let text = number.as_f64()?.to_string();
    let (whole, fraction) = text.split_once('.')?;
    let places = u32::try_from(fraction.len()).ok().filter(|places| *places <= 18)?;
    Some((format!("{whole}{fraction}").parse().ok()?, places))
}

fn number(digits: i128, places: u32) -> Option<Value> {
    let unit = 10_i128.checked_pow(places)?;
    if digits % unit == 0 {
        let whole = digits / unit;
        let small = i64::try_from(whole).map(Value::from);
        return small.or_else(|_| Value::from_numeric_string(&whole.to_string())).ok();
    }
    let sign = if digits < 0 { "-" } else { "" };
    let (whole, rest) = ((digits / unit).unsigned_abs(), (digits % unit).unsigned_abs());
    let width = places as usize;
    Value::from_numeric_string(&format!("{sign}{whole}.{rest:0width$}")).ok()
}

/// `units.parse`: a number with a unit of Kubernetes, but for nano and micro.
pub fn quantity(text: &str) -> Option<Value> {
    let text = text.replace('"', "");
    let end = text.char_indices().find(|(at, c)| {
        let exponent = matches!(c, 'e' | 'E')
            && text[at + 1..].starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-'));
        !(c.is_ascii_digit() || matches!(c, '.' | '+' | '-') || exponent)
    });
    let (amount, unit) = text.split_at(end.map_or(text.len(), |(at, _)| at));
    let amount: f64 = amount.parse().ok()?;
    let amount = Value::from_numeric_string(&amount.to_string()).ok()?;
    if unit == "m" {
        return divide(&[amount, 1000.into()]);
    }
    multiply(&[amount, factor(&unit.to_lowercase())?.into()])
}

fn factor(unit: &str) -> Option<i64> {
    const LETTERS: &str = "kmgtpe";
    if unit.is_empty() {
        return Some(1);
    }
    let (letter, base) = unit.strip_suffix('i').map_or((unit, 1000_i64), |letter| (letter, 1024));
    let power = LETTERS.find(letter).filter(|_| letter.len() == 1)?;
    base.checked_pow(u32::try_from(power).ok()? + 1)
}
