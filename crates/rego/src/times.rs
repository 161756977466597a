//! `time.add_date` and `time.parse_rfc3339_ns` as Go has them.

use chrono::{DateTime, Datelike, Days, Months, NaiveDate, NaiveTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;
use regorus::Value;

/// A moment in its time zone: nanoseconds, or a list of them with the zone's name.
fn moment(value: &Value) -> Option<DateTime<Tz>> {
    let (nanoseconds, zone) = match value {
        Value::Array(items) => (items.first()?, items.get(1)),
        number => (number, None),
    };
    let zone = match zone {
        None => Tz::UTC,
        Some(name) => match name.as_string().ok()?.as_ref() {
            "" | "UTC" | "Local" => Tz::UTC,
            name => name.parse().ok()?,
        },
    };
    Some(
        zone.from_utc_datetime(
            &DateTime::<Utc>::from_timestamp_nanos(nanoseconds.as_i64().ok()?).naive_utc(),
        ),
    )
}

/// `time.add_date(moment, years, months, days)`: the day may lie behind the end of the month, and counts on.
pub fn add_date(v: &[Value]) -> Option<Value> {
    let moment = moment(&v[0])?;
    let number = |value: &Value| i32::try_from(value.as_i64().ok()?).ok();
    let (years, months, days) = (number(&v[1])?, number(&v[2])?, number(&v[3])?);
    let first = NaiveDate::from_ymd_opt(moment.year().checked_add(years)?, moment.month(), 1)?;
    let month = moved(
        first,
        months,
        |date, months| date.checked_add_months(Months::new(months)),
        |date, months| date.checked_sub_months(Months::new(months)),
    )?;
    let days = days.checked_add(i32::try_from(moment.day0()).ok()?)?;
    let date = moved(
        month,
        days,
        |date, days| date.checked_add_days(Days::new(days.into())),
        |date, days| date.checked_sub_days(Days::new(days.into())),
    )?;
    let local = date.and_time(moment.time());
    // An hour that the zone leaves out is read with the offset before it.
    let found = moment.timezone().from_local_datetime(&local).earliest().or_else(|| {
        let before = moment.timezone().from_local_datetime(&(local - TimeDelta::hours(3))).earliest()?;
        Some(before + TimeDelta::hours(3))
    });
    found?.timestamp_nanos_opt().map(Value::from)
}

fn moved(
    date: NaiveDate,
    by: i32,
    forward: impl Fn(NaiveDate, u32) -> Option<NaiveDate>,
    back: impl Fn(NaiveDate, u32) -> Option<NaiveDate>,
) -> Option<NaiveDate> {
    if by < 0 { back(date, by.unsigned_abs()) } else { forward(date, by.unsigned_abs()) }
}

/// `time.parse_rfc3339_ns(text)`. Go takes an hour of one digit, and a comma before the fraction.
pub fn parse_rfc3339(v: &[Value]) -> Option<Value> {
    rfc3339(v[0].as_string().ok()?).map(Value::from)
}

fn rfc3339(text: &str) -> Option<i64> {
    let (date, rest) = text.split_once('T')?;
    let mut parts = date.split('-');
    let (year, month, day) =
        (digits(parts.next()?, 4)?, digits(parts.next()?, 2)?, digits(parts.next()?, 2)?);
    let (hour, rest) = rest.split_once(':')?;
    let hour = digits(hour, hour.len().clamp(1, 2))?;
    let minute = digits(rest.get(..2)?, 2)?;
    let rest = rest[2..].strip_prefix(':')?;
    let (second, rest) = (digits(rest.get(..2)?, 2)?, &rest[2..]);
    let (nanoseconds, zone) = match rest.strip_prefix(['.', ',']) {
        None => (0, rest),
        Some(rest) => {
            let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
            let (fraction, zone) = rest.split_at(end);
            (digits(&format!("{fraction:0<9}")[..9], 9).filter(|_| end > 0)?, zone)
        }
    };
    let date =
        NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month, day).filter(|_| parts.next().is_none())?;
    let time = NaiveTime::from_hms_nano_opt(hour, minute, second, nanoseconds)?;
    let moment = date.and_time(time) - TimeDelta::seconds(offset(zone)?);
    moment.and_utc().timestamp_nanos_opt()
}

/// Exactly so many digits.
fn digits(text: &str, count: usize) -> Option<u32> {
    (text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

/// The seconds of `Z` or `+05:30`.
fn offset(zone: &str) -> Option<i64> {
    if zone == "Z" {
        return Some(0);
    }
    let (sign, rest) = match zone.split_at_checked(1)? {
        ("+", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => return None,
    };
    let (hours, minutes) = rest.split_once(':')?;
    let (hours, minutes) = (digits(hours, 2)?, digits(minutes, 2)?);
    (hours <= 24 && minutes <= 60).then(|| sign * i64::from(hours * 3600 + minutes * 60))
}
