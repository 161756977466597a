//! Times and durations.

use std::fmt;
use std::sync::LazyLock;

use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp};
use regex::Regex;

use super::value::{Failure, Outcome, Value};

/// A point in time, with the offset from UTC in which it was written.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// Since 1970.
    nanoseconds: i128,
    /// In seconds.
    offset: i32,
}

impl PartialEq for Moment {
    fn eq(&self, other: &Self) -> bool {
        self.nanoseconds == other.nanoseconds
    }
}

impl Eq for Moment {}

impl PartialOrd for Moment {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Moment {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.nanoseconds.cmp(&other.nanoseconds)
    }
}

/// The beginning of the year 1970, in UTC.
const EPOCH: DateTime = DateTime::constant(1970, 1, 1, 0, 0, 0, 0);

/// The first and the last second that Kubernetes knows, counted from 1970.
const SECONDS: std::ops::RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;

// The pattern is a constant: it compiles.
#[allow(clippy::unwrap_used)]
static RFC3339: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d([.,]\d+)?(Z|[+-](\d\d):(\d\d))$").unwrap());

impl Moment {
    /// Reads RFC 3339.
    ///
    /// # Errors
    /// It is something else, or no such time exists.
    pub fn parse(text: &str) -> Outcome<Self> {
        let refused = || Failure::new(format!("invalid RFC 3339 timestamp {}", super::print::quote(text)));
        let parts = RFC3339.captures(text).filter(|_| text.is_ascii()).ok_or_else(refused)?;
        let number = |part: usize| parts.get(part).and_then(|part| part.as_str().parse::<i32>().ok());
        let (hours, minutes) = (number(3).unwrap_or_default(), number(4).unwrap_or_default());
        if hours > 24 || minutes > 60 {
            return Err(refused());
        }
        let sign = if parts[2].starts_with('-') { -1 } else { 1 };
        let offset = sign * (hours * 3600 + minutes * 60);
        let local = &text[..parts.get(2).map_or(text.len(), |zone| zone.start())];
        // A leap second is none for the API server.
        if local[17..].starts_with("60") {
            return Err(refused());
        }
        let local: DateTime = local.replace(',', ".").parse().map_err(|_| refused())?;
        let length = local.duration_since(EPOCH).as_nanos();
        Self::new(length - i128::from(offset) * 1_000_000_000, offset)
    }

    /// That many seconds after 1970.
    ///
    /// # Errors
    /// It is before the year 1 or after the year 9999.
    pub fn from_seconds(seconds: i64) -> Outcome<Self> {
        Self::new(i128::from(seconds) * 1_000_000_000, 0)
    }

    fn new(nanoseconds: i128, offset: i32) -> Outcome<Self> {
        let moment = Self { nanoseconds, offset };
        if SECONDS.contains(&moment.seconds()) { Ok(moment) } else { Err(Failure::new("timestamp overflow")) }
    }

    /// That many nanoseconds later.
    ///
    /// # Errors
    /// It is before the year 1 or after the year 9999.
    pub fn add(&self, nanoseconds: i128) -> Outcome<Self> {
        Self::new(self.nanoseconds + nanoseconds, self.offset)
    }

    /// The nanoseconds from another moment to this one.
    pub const fn since(&self, other: &Self) -> i128 {
        self.nanoseconds - other.nanoseconds
    }

    /// The seconds since 1970.
    pub fn seconds(&self) -> i64 {
        self.nanoseconds.div_euclid(1_000_000_000).try_into().unwrap_or(i64::MAX)
    }

    /// What clocks show at an offset of so many seconds.
    fn local(&self, offset: i32) -> DateTime {
        let length = self.nanoseconds + i128::from(offset) * 1_000_000_000;
        let part = i32::try_from(length.rem_euclid(1_000_000_000)).unwrap_or_default();
        let whole = i64::try_from(length.div_euclid(1_000_000_000)).unwrap_or_default();
        EPOCH.checked_add(SignedDuration::new(whole, part)).unwrap_or(EPOCH)
    }

    /// A part of it, by the name of the function for it, in a time zone.
    fn part(&self, function: &str, zone: &TimeZone) -> i64 {
        let time = Timestamp::from_nanosecond(self.nanoseconds).unwrap_or_default();
        let local = self.local(zone.to_offset(time).seconds());
        match function {
            "getFullYear" => local.year().into(),
            "getMonth" => i64::from(local.month()) - 1,
            "getDayOfYear" => i64::from(local.day_of_year()) - 1,
            "getDayOfMonth" => i64::from(local.day()) - 1,
            "getDate" => local.day().into(),
            "getDayOfWeek" => local.weekday().to_sunday_zero_offset().into(),
            "getHours" => local.hour().into(),
            "getMinutes" => local.minute().into(),
            "getSeconds" => local.second().into(),
            _ => local.millisecond().into(),
        }
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.local(self.offset))?;
        let minutes = self.offset.abs() / 60;
        match self.offset {
            0 => f.write_str("Z"),
            1.. => write!(f, "+{:02}:{:02}", minutes / 60, minutes % 60),
            _ => write!(f, "-{:02}:{:02}", minutes / 60, minutes % 60),
        }
    }
}

/// The functions that give parts of times and durations.
///
/// # Errors
/// There is no such time zone.
pub fn part(function: &str, arguments: &[Value]) -> Outcome {
    match arguments {
        [Value::Duration(length)] => Ok(Value::Int(match function {
            "getHours" => length / 3_600_000_000_000,
            "getMinutes" => length / 60_000_000_000,
            "getSeconds" => length / 1_000_000_000,
            _ => length / 1_000_000,
        })),
        [Value::Timestamp(moment)] => Ok(Value::Int(moment.part(function, &TimeZone::UTC))),
        [Value::Timestamp(moment), Value::String(name)] => {
            Ok(Value::Int(moment.part(function, &zone(name)?)))
        }
        _ => Err(Failure::no_overload()),
    }
}

fn zone(name: &str) -> Outcome<TimeZone> {
    let Some((hours, minutes)) = name.split_once(':') else {
        return match name {
            "" | "UTC" => Ok(TimeZone::UTC),
            _ => TimeZone::get(name).map_err(|_| Failure::new(format!("unknown time zone {name}"))),
        };
    };
    let number = |text: &str| {
        let refused = || format!("strconv.Atoi: parsing {}: invalid syntax", super::print::quote(text));
        text.parse::<i32>().map_err(|_| Failure::new(refused()))
    };
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    let minutes = if name.starts_with('-') { hours * 60 - minutes } else { hours * 60 + minutes };
    let offset = minutes.checked_mul(60).and_then(|seconds| Offset::from_seconds(seconds).ok());
    offset.map(TimeZone::fixed).ok_or_else(|| Failure::new("time zone offset out of range"))
}

/// Reads a duration such as `1h30m`, in nanoseconds.
///
/// # Errors
/// It is no duration, or longer than 292 years.
pub fn duration(text: &str) -> Outcome<i64> {
    let refused = || Failure::new("type conversion error from 'string' to 'google.protobuf.Duration'");
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Ok(0);
    }
    let mut sum = 0_i128;
    if rest.is_empty() {
        return Err(refused());
    }
    while !rest.is_empty() {
        let (length, after) = quantity_of_time(rest).ok_or_else(refused)?;
        sum += length;
        rest = after;
        if sum > 1 << 63 {
            return Err(refused());
        }
    }
    i64::try_from(if negative { -sum } else { sum }).map_err(|_| refused())
}

/// The units of durations, in nanoseconds. A longer name stands before one that it begins with.
const UNITS: [(&str, i128); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// A number with a unit at the start of a text, and what follows it.
fn quantity_of_time(text: &str) -> Option<(i128, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, rest) = text.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() || fraction.contains('.') {
        return None;
    }
    let (name, unit) = UNITS.iter().find(|(name, _)| {
        rest.strip_prefix(name).is_some_and(|after| {
            after.is_empty() || after.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        })
    })?;
    let whole: i128 =
        if whole.is_empty() { 0 } else { whole.parse().ok().filter(|whole| *whole < 1 << 63)? };
    let digits = &fraction[..fraction.len().min(18)];
    let part: i128 = if digits.is_empty() { 0 } else { digits.parse().ok()? };
    let scale = 10_i128.pow(u32::try_from(digits.len()).ok()?);
    Some((whole * unit + part * unit / scale, &rest[name.len()..]))
}

/// Go's text of a duration: `1h30m0s`.
pub fn spoken(nanoseconds: i64) -> String {
    let sign = if nanoseconds < 0 { "-" } else { "" };
    let length = nanoseconds.unsigned_abs();
    let fraction = |length: u64, unit: u64| {
        let digits = unit.ilog10() as usize;
        let text = format!("{}.{:0digits$}", length / unit, length % unit);
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    };
    match length {
        0 => "0s".to_owned(),
        1..1_000 => format!("{sign}{length}ns"),
        1_000..1_000_000 => format!("{sign}{}µs", fraction(length, 1_000)),
        1_000_000..1_000_000_000 => format!("{sign}{}ms", fraction(length, 1_000_000)),
        _ => {
            let minutes = length / 60_000_000_000;
            let seconds = fraction(length % 60_000_000_000, 1_000_000_000);
            match minutes {
                0 => format!("{sign}{seconds}s"),
                1..60 => format!("{sign}{minutes}m{seconds}s"),
                _ => format!("{sign}{}h{}m{seconds}s", minutes / 60, minutes % 60),
            }
        }
    }
}

/// The text of a duration in CEL: seconds.
#[allow(clippy::cast_precision_loss, reason = "the API server counts in this way")]
pub fn seconds(nanoseconds: i64) -> String {
    let whole = nanoseconds / 1_000_000_000;
    let part = nanoseconds % 1_000_000_000;
    format!("{}s", whole as f64 + part as f64 / 1e9)
}
