//! Quantities such as `1.5Gi`, with the API server's limits and roundings.

use std::cmp::Ordering;

use num_bigint::{BigInt, Sign};

use super::value::{Failure, Outcome};

/// A quantity, as it was read or calculated.
#[derive(Clone, Debug)]
pub struct Quantity {
    /// As it was written; empty if it was calculated.
    pub text: String,
    amount: Amount,
}

/// The API server keeps small amounts apart from others, and takes only small ones for integers.
#[derive(Clone, Debug)]
enum Amount {
    /// A number, and the power of ten that it is multiplied with.
    Small(i64, i32),
    /// A number, and the power of ten that it is divided by.
    Large(BigInt, i32),
}

/// Exponents of ten that this engine calculates with.
const LARGEST_EXPONENT: i64 = 1_000;
/// Digits behind the point: smaller amounts are rounded up.
const DIGITS: i32 = 9;

impl Quantity {
    /// Reads a quantity.
    ///
    /// # Errors
    /// What Kubernetes says of a text that is none.
    pub fn parse(text: &str) -> Outcome<Self> {
        const FORMAT: &str =
            "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
        if text.is_empty() {
            return Err(Failure::new(FORMAT));
        }
        let parts = Parts::of(text).ok_or_else(|| Failure::new(FORMAT))?;
        let unit = Unit::of(parts.suffix).ok_or_else(|| Failure::new("unable to parse quantity's suffix"))?;
        let amount = match parts.small(&unit) {
            Some(amount) => amount?,
            None => parts.large(&unit)?,
        };
        Ok(Self { text: text.to_owned(), amount })
    }

    /// -1, 0 or 1.
    pub fn sign(&self) -> i64 {
        match &self.amount {
            Amount::Small(number, _) => number.signum(),
            Amount::Large(number, _) => match number.sign() {
                Sign::Minus => -1,
                Sign::NoSign => 0,
                Sign::Plus => 1,
            },
        }
    }

    /// The order of two quantities.
    pub fn compare(&self, other: &Self) -> Ordering {
        let scale = self.scale().max(other.scale());
        self.at(scale).cmp(&other.at(scale))
    }

    /// It as an integer, if the API server takes it for one: what it did not keep as a small amount is none.
    pub fn integer(&self) -> Option<i64> {
        match self.amount {
            Amount::Small(number, exponent) => scaled(number, exponent),
            Amount::Large(..) => None,
        }
    }

    /// It as a double.
    #[allow(clippy::cast_precision_loss, reason = "it is an approximation")]
    pub fn approximate(&self) -> f64 {
        let (base, exponent) = match &self.amount {
            Amount::Small(number, exponent) => (*number as f64, *exponent),
            Amount::Large(number, scale) => (number.to_string().parse().unwrap_or(f64::NAN), -scale),
        };
        // Not a power of ten that was multiplied up: the API server has those in a table.
        let power: f64 = format!("1e{exponent}").parse().unwrap_or(f64::NAN);
        if exponent == 0 { base } else { base * power }
    }

    /// The sum of two quantities.
    pub fn add(&self, other: &Self) -> Self {
        self.calculated(other, i64::checked_add, |one, other| one + other)
    }

    /// The difference of two quantities.
    pub fn subtract(&self, other: &Self) -> Self {
        self.calculated(other, i64::checked_sub, |one, other| one - other)
    }

    fn calculated(
        &self,
        other: &Self,
        small: impl Fn(i64, i64) -> Option<i64>,
        large: impl Fn(BigInt, BigInt) -> BigInt,
    ) -> Self {
        let amount = match (&self.amount, &other.amount) {
            (Amount::Small(one, exponent), Amount::Small(other, other_exponent)) => {
                let exponents = if *other == 0 { [*exponent; 2] } else { [*exponent, *other_exponent] };
                let exponents = if *one == 0 && *other != 0 { [*other_exponent; 2] } else { exponents };
                let least = exponents[0].min(exponents[1]);
                let at = |number: i64, exponent: i32| scaled(number, exponent - least);
                at(*one, exponents[0])
                    .zip(at(*other, exponents[1]))
                    .and_then(|(one, other)| small(one, other))
                    .map(|number| Amount::Small(number, least))
            }
            _ => None,
        };
        let exact = || {
            let scale = self.scale().max(other.scale());
            Amount::Large(large(self.at(scale), other.at(scale)), scale)
        };
        Self { text: String::new(), amount: amount.unwrap_or_else(exact) }
    }

    /// The power of ten that its number is divided by.
    const fn scale(&self) -> i32 {
        match self.amount {
            Amount::Small(_, exponent) => -exponent,
            Amount::Large(_, scale) => scale,
        }
    }

    /// Its number when it is divided by that power of ten, which is no smaller than its own.
    fn at(&self, scale: i32) -> BigInt {
        let number = match &self.amount {
            Amount::Small(number, _) => BigInt::from(*number),
            Amount::Large(number, _) => number.clone(),
        };
        number * power(scale - self.scale())
    }
}

impl From<i64> for Quantity {
    fn from(number: i64) -> Self {
        Self { text: String::new(), amount: Amount::Small(number, 0) }
    }
}

fn scaled(number: i64, exponent: i32) -> Option<i64> {
    number.checked_mul(10_i64.checked_pow(u32::try_from(exponent).ok()?)?)
}

fn power(exponent: i32) -> BigInt {
    BigInt::from(10).pow(u32::try_from(exponent).unwrap_or(0))
}

/// A quantity in pieces.
struct Parts<'a> {
    negative: bool,
    /// The digits before the point, without leading zeros, but at least one.
    whole: &'a str,
    /// Those behind it.
    fraction: &'a str,
    suffix: &'a str,
}

impl<'a> Parts<'a> {
    fn of(text: &'a str) -> Option<Self> {
        let negative = text.starts_with('-');
        let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
        let digits =
            |text: &'a str| text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
        let (whole, rest) = digits(unsigned.trim_start_matches('0'));
        let whole = if whole.is_empty() { "0" } else { whole };
        let (fraction, suffix) = rest.strip_prefix('.').map_or(("", rest), digits);
        let tail = suffix.trim_start_matches(|c| "eEinumkKMGTP".contains(c));
        let tail = tail.strip_prefix(['-', '+']).unwrap_or(tail);
        tail.chars().all(|c| c.is_ascii_digit()).then_some(Self { negative, whole, fraction, suffix })
    }

    /// The small amount that it is; none if it is a large one.
    fn small(&self, unit: &Unit) -> Option<Outcome<Amount>> {
        let digits = self.whole.len() + self.fraction.len();
        let (room, factor, exponent) = match *unit {
            Unit::Decimal(exponent) => (18, 1, exponent),
            Unit::Binary(bits) if self.fraction.is_empty() => {
                (15 - i64::from(bits) * 3 / 10 - 1, 1_i64 << bits, 0)
            }
            Unit::Binary(_) => return None,
        };
        let scale = exponent - i64::try_from(self.fraction.len()).ok()?;
        if room < i64::try_from(digits).ok()? || scale < -i64::from(DIGITS) {
            return None;
        }
        let Ok(number) = format!("{}{}", self.whole, self.fraction).parse::<i64>() else {
            return Some(Err(Failure::new("unable to parse numeric part of quantity")));
        };
        let number = number.checked_mul(factor)?;
        let scale = i32::try_from(scale).ok()?;
        Some(Ok(Amount::Small(if self.negative { -number } else { number }, scale)))
    }

    fn large(&self, unit: &Unit) -> Outcome<Amount> {
        let refused = || Failure::new("unable to parse numeric part of quantity");
        let mut number: BigInt = format!("{}{}", self.whole, self.fraction).parse().map_err(|_| refused())?;
        let mut scale = i64::try_from(self.fraction.len()).map_err(|_| refused())?;
        match *unit {
            Unit::Decimal(exponent) => scale -= exponent,
            Unit::Binary(bits) => number <<= bits,
        }
        if scale.abs() > LARGEST_EXPONENT {
            return Err(Failure::new("quantity with an exponent that this engine does not calculate with"));
        }
        let mut scale = i32::try_from(scale).map_err(|_| refused())?;
        if scale > DIGITS {
            let divisor = power(scale - DIGITS);
            number = (number + &divisor - 1) / divisor;
            scale = DIGITS;
        }
        let most = BigInt::from(i64::MAX);
        if matches!(unit, Unit::Binary(_)) && number > &most * power(scale) {
            (number, scale) = (most, 0);
        }
        Ok(Amount::Large(if self.negative { -number } else { number }, scale))
    }
}

/// What a number is multiplied with.
enum Unit {
    /// A power of ten.
    Decimal(i64),
    /// A power of two.
    Binary(u32),
}

impl Unit {
    fn of(suffix: &str) -> Option<Self> {
        let decimal = [
            ("n", -9),
            ("u", -6),
            ("m", -3),
            ("", 0),
            ("k", 3),
            ("M", 6),
            ("G", 9),
            ("T", 12),
            ("P", 15),
            ("E", 18),
        ];
        let binary = [("Ki", 10), ("Mi", 20), ("Gi", 30), ("Ti", 40), ("Pi", 50), ("Ei", 60)];
        if let Some((_, exponent)) = decimal.into_iter().find(|(name, _)| *name == suffix) {
            return Some(Self::Decimal(exponent));
        }
        if let Some((_, bits)) = binary.into_iter().find(|(name, _)| *name == suffix) {
            return Some(Self::Binary(bits));
        }
        suffix.strip_prefix(['e', 'E'])?.parse().ok().map(Self::Decimal)
    }
}
