//! Kubernetes' resource quantities: the server writes each in one canonical form.

use serde_json::{Map, Value};

/// Where a quantity's suffix comes from; it decides how the quantity is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    /// `m`, none, `k`, `M` …
    Decimal,
    /// `Ki`, `Mi` …
    Binary,
    /// `e3`, `e6` …
    Exponent,
}

/// An amount in thousandths, rounded up: what the API server keeps of resource lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Quantity {
    milli: i128,
    format: Format,
}

const DECIMAL: [(&str, i32); 10] =
    [("n", -9), ("u", -6), ("m", -3), ("", 0), ("k", 3), ("M", 6), ("G", 9), ("T", 12), ("P", 15), ("E", 18)];
const BINARY: [&str; 7] = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
/// The most that Kubernetes keeps: 2^63 - 1.
const MAXIMUM: i128 = i64::MAX as i128 * 1000;

impl Quantity {
    /// Reads a quantity. None for what is not one, or too large to be written as it is.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (negative, unsigned) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let end = unsigned.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(unsigned.len());
        let (number, suffix) = unsigned.split_at(end);
        let (numerator, digits) = decimal(number)?;
        let (factor, exponent, format) = scale(suffix)?;
        let milli = times_power_of_ten(numerator.checked_mul(factor)?, exponent + 3 - digits)?;
        (milli <= MAXIMUM).then_some(Self { milli: if negative { -milli } else { milli }, format })
    }

    /// The sum; the format is that of the first that is not zero. None if it is too large.
    pub(super) fn plus(self, other: Self) -> Option<Self> {
        let format = if self.milli == 0 { other.format } else { self.format };
        let milli = self.milli.checked_add(other.milli)?;
        (milli.abs() <= MAXIMUM).then_some(Self { milli, format })
    }

    /// The larger.
    pub(super) fn max(self, other: Self) -> Self {
        if other.milli > self.milli { other } else { self }
    }

    fn binary(self) -> String {
        let mut whole = self.milli.abs().div_euclid(1000) + i128::from(self.milli % 1000 != 0);
        let mut power = 0;
        while whole % 1024 == 0 && power + 1 < BINARY.len() {
            whole /= 1024;
            power += 1;
        }
        format!("{whole}{}", BINARY[power])
    }

    fn decimal(self) -> String {
        let (mut mantissa, mut exponent) = (self.milli.abs(), -3);
        while mantissa % 1000 == 0 && exponent < 18 {
            mantissa /= 1000;
            exponent += 3;
        }
        let suffix = DECIMAL.iter().find(|(_, power)| *power == exponent).map_or("", |(suffix, _)| suffix);
        match self.format {
            Format::Exponent if exponent != 0 => format!("{mantissa}e{exponent}"),
            _ => format!("{mantissa}{suffix}"),
        }
    }
}

impl std::fmt::Display for Quantity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sign = if self.milli < 0 { "-" } else { "" };
        match self.format {
            _ if self.milli == 0 => f.write_str("0"),
            Format::Binary if self.milli.abs() >= 1024 * 1000 => write!(f, "{sign}{}", self.binary()),
            _ if self.format == Format::Binary => {
                write!(f, "{sign}{}", Self { format: Format::Decimal, ..*self }.decimal())
            }
            _ => write!(f, "{sign}{}", self.decimal()),
        }
    }
}

/// The digits of a number as one integer, and how many of them stand after the point.
fn decimal(number: &str) -> Option<(i128, i32)> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() || fraction.contains('.') {
        return None;
    }
    let digits = format!("0{whole}{fraction}");
    Some((digits.parse().ok()?, i32::try_from(fraction.len()).ok()?))
}

/// A suffix as a factor and a power of ten.
fn scale(suffix: &str) -> Option<(i128, i32, Format)> {
    if let Some((_, power)) = DECIMAL.iter().find(|(name, _)| *name == suffix) {
        return Some((1, *power, Format::Decimal));
    }
    if let Some(power) = BINARY.iter().position(|name| *name == suffix) {
        return Some((1 << (10 * power), 0, Format::Binary));
    }
    let exponent: i32 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
    (exponent.abs() <= 64).then_some((1, exponent, Format::Exponent))
}

/// Rounded up where digits are lost. None if it is too large.
fn times_power_of_ten(number: i128, power: i32) -> Option<i128> {
    let size = 10_i128.checked_pow(power.unsigned_abs());
    if power >= 0 {
        return if number == 0 { Some(0) } else { number.checked_mul(size?) };
    }
    let Some(size) = size else { return Some(i128::from(number != 0)) };
    Some(number / size + i128::from(number % size != 0))
}

/// Reads the quantity in a field.
pub(super) fn of(value: &Value) -> Option<Quantity> {
    match value {
        Value::String(text) => Quantity::parse(text),
        Value::Number(number) => Quantity::parse(&number.to_string()),
        _ => None,
    }
}

/// Writes the quantity in a field in its canonical form.
pub(super) fn canonical_field(object: &mut Value, field: &str) {
    if let Some(quantity) = object.get(field).and_then(of) {
        object[field] = Value::String(quantity.to_string());
    }
}

/// Writes every quantity of a resource list in its canonical form.
pub(super) fn canonical(list: &mut Value) {
    let Value::Object(list) = list else { return };
    for value in list.values_mut() {
        if let Some(quantity) = of(value) {
            *value = Value::String(quantity.to_string());
        }
    }
}

/// A resource list's entries that can be read.
pub(super) fn entries(list: &Value) -> impl Iterator<Item = (&String, Quantity)> {
    let list: Option<&Map<String, Value>> = list.as_object();
    list.into_iter().flatten().filter_map(|(name, value)| Some((name, of(value)?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("1", "1")]
    #[case("1000m", "1")]
    #[case("0.5", "500m")]
    #[case("1500m", "1500m")]
    #[case("1000", "1k")]
    #[case("0.5Gi", "512Mi")]
    #[case("1024Mi", "1Gi")]
    #[case("100Ki", "100Ki")]
    #[case("0.1Ki", "102400m")]
    #[case("1e3", "1e3")]
    #[case("12E6", "12e6")]
    #[case("1E", "1E")]
    #[case("100u", "1m")]
    #[case("0", "0")]
    #[case("-5", "-5")]
    #[case(".5", "500m")]
    #[case("5.", "5")]
    fn canonical_form(#[case] text: &str, #[case] expected: &str) {
        assert_eq!(Quantity::parse(text).unwrap().to_string(), expected);
    }

    #[rstest]
    #[case("")]
    #[case("1.2.3")]
    #[case("1Xi")]
    #[case("abc")]
    #[case("1e999999999999")]
    #[case("99999999999999999999")]
    fn not_read(#[case] text: &str) {
        assert_eq!(Quantity::parse(text), None);
    }
}
