//! `time.add_date`, `time.format` and the functions that parse moments, as Go has them.

use chrono::{DateTime, Datelike, Days, Months, NaiveDate, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;
use regorus::Value;

use super::{layouts, parsing};

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

/// `time.format(moment)`: the moment's list may end with a layout.
pub fn format(v: &[Value]) -> Option<Value> {
    let layout = match &v[0] {
        Value::Array(items) => {
            items.get(2).map_or(Some(""), |layout| layout.as_string().ok().map(AsRef::as_ref))?
        }
        _ => "",
    };
    Some(layouts::format(&moment(&v[0])?, layouts::named(layout)).into())
}

/// `time.parse_rfc3339_ns(text)`.
pub fn parse_rfc3339(v: &[Value]) -> Option<Value> {
    parsing::parse(layouts::named("RFC3339"), v[0].as_string().ok()?).map(Value::from)
}

/// `time.parse_ns(layout, text)`.
pub fn parse(v: &[Value]) -> Option<Value> {
    let layout: &str = v[0].as_string().ok()?;
    // The empty one is not RFC3339 here.
    let layout = if layout.is_empty() { layout } else { layouts::named(layout) };
    parsing::parse(layout, v[1].as_string().ok()?).map(Value::from)
}
