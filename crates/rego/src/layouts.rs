//! Layouts of Go's package `time`: what stands for the parts of a moment, such as `2006` for its year.

use chrono::{DateTime, Datelike, Offset, Timelike};
use chrono_tz::{OffsetName, Tz};

/// A part of a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    LongMonth,
    Month,
    /// A number: whether it has always two digits.
    NumMonth(bool),
    LongWeekday,
    Weekday,
    /// The third: a blank before one digit.
    Day(bool, bool),
    /// Three digits, or blanks before them.
    YearDay(bool),
    Hour,
    Hour12(bool),
    Minute(bool),
    Second(bool),
    LongYear,
    Year,
    /// `PM` or `pm`.
    Half(bool),
    ZoneName,
    /// `-07:00`: whether `Z` stands for UTC, whether there are colons, and how many numbers there are.
    Zone(bool, bool, u8),
    /// `.000` or `.999`: whether all digits are written, how many there are, and the character before them.
    Fraction(bool, usize, char),
}

/// Texts with what they stand for, longer ones first.
const PARTS: &[(&str, Part)] = &[
    ("January", Part::LongMonth),
    ("Jan", Part::Month),
    ("Monday", Part::LongWeekday),
    ("Mon", Part::Weekday),
    ("MST", Part::ZoneName),
    ("002", Part::YearDay(true)),
    ("01", Part::NumMonth(true)),
    ("02", Part::Day(true, false)),
    ("03", Part::Hour12(true)),
    ("04", Part::Minute(true)),
    ("05", Part::Second(true)),
    ("06", Part::Year),
    ("15", Part::Hour),
    ("1", Part::NumMonth(false)),
    ("2006", Part::LongYear),
    ("2", Part::Day(false, false)),
    ("__2", Part::YearDay(false)),
    ("_2", Part::Day(false, true)),
    ("3", Part::Hour12(false)),
    ("4", Part::Minute(false)),
    ("5", Part::Second(false)),
    ("PM", Part::Half(true)),
    ("pm", Part::Half(false)),
    ("-070000", Part::Zone(false, false, 3)),
    ("-07:00:00", Part::Zone(false, true, 3)),
    ("-0700", Part::Zone(false, false, 2)),
    ("-07:00", Part::Zone(false, true, 2)),
    ("-07", Part::Zone(false, false, 1)),
    ("Z070000", Part::Zone(true, false, 3)),
    ("Z07:00:00", Part::Zone(true, true, 3)),
    ("Z0700", Part::Zone(true, false, 2)),
    ("Z07:00", Part::Zone(true, true, 2)),
    ("Z07", Part::Zone(true, false, 1)),
];

/// The layouts that OPA knows by name; any other is one itself.
pub fn named(layout: &str) -> &str {
    match layout {
        "ANSIC" => "Mon Jan _2 15:04:05 2006",
        "UnixDate" => "Mon Jan _2 15:04:05 MST 2006",
        "RubyDate" => "Mon Jan 02 15:04:05 -0700 2006",
        "RFC822" => "02 Jan 06 15:04 MST",
        "RFC822Z" => "02 Jan 06 15:04 -0700",
        "RFC850" => "Monday, 02-Jan-06 15:04:05 MST",
        "RFC1123" => "Mon, 02 Jan 2006 15:04:05 MST",
        "RFC1123Z" => "Mon, 02 Jan 2006 15:04:05 -0700",
        "RFC3339" => "2006-01-02T15:04:05Z07:00",
        "RFC3339Nano" | "" => "2006-01-02T15:04:05.999999999Z07:00",
        layout => layout,
    }
}

/// The text before the first part of a layout, the part, and the rest.
pub fn next(layout: &str) -> (&str, Option<Part>, &str) {
    for (at, _) in layout.char_indices() {
        let rest = &layout[at..];
        if let Some(behind) = rest.strip_prefix("_2006") {
            return (&layout[..=at], Some(Part::LongYear), behind);
        }
        if let Some((part, length)) = part(rest) {
            return (&layout[..at], Some(part), &rest[length..]);
        }
    }
    (layout, None, "")
}

fn part(text: &str) -> Option<(Part, usize)> {
    if let Some(digits) = text.strip_prefix(['.', ',']) {
        let digit = digits.chars().next().filter(|digit| matches!(digit, '0' | '9'))?;
        let rest = digits.trim_start_matches(digit);
        let count = digits.len() - rest.len();
        let separator = if text.starts_with('.') { '.' } else { ',' };
        let fits = !rest.starts_with(|c: char| c.is_ascii_digit());
        return fits.then_some((Part::Fraction(digit == '0', count, separator), count + 1));
    }
    let (name, part) = PARTS.iter().find(|(name, _)| text.starts_with(name))?;
    let is_word = matches!(part, Part::Month | Part::Weekday)
        && text[name.len()..].starts_with(|c: char| c.is_ascii_lowercase());
    (!is_word).then_some((*part, name.len()))
}

pub const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

pub const WEEKDAYS: [&str; 7] =
    ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// A moment in a layout.
pub fn format(moment: &DateTime<Tz>, layout: &str) -> String {
    let (mut written, mut rest) = (String::new(), layout);
    loop {
        let (before, part, behind) = next(rest);
        written.push_str(before);
        let Some(part) = part else { return written };
        written.push_str(&written_part(moment, part));
        rest = behind;
    }
}

fn written_part(moment: &DateTime<Tz>, part: Part) -> String {
    let number = |number: u32, two: bool| if two { format!("{number:02}") } else { number.to_string() };
    let hour12 = moment.hour12().1;
    match part {
        Part::LongMonth => MONTHS[moment.month0() as usize].to_owned(),
        Part::Month => MONTHS[moment.month0() as usize][..3].to_owned(),
        Part::NumMonth(two) => number(moment.month(), two),
        Part::LongWeekday => weekday(moment).to_owned(),
        Part::Weekday => weekday(moment)[..3].to_owned(),
        Part::Day(_, true) => format!("{:2}", moment.day()),
        Part::Day(two, _) => number(moment.day(), two),
        Part::YearDay(true) => format!("{:03}", moment.ordinal()),
        Part::YearDay(false) => format!("{:3}", moment.ordinal()),
        Part::Hour => number(moment.hour(), true),
        Part::Hour12(two) => number(hour12, two),
        Part::Minute(two) => number(moment.minute(), two),
        Part::Second(two) => number(moment.second(), two),
        Part::LongYear => format!("{:04}", moment.year()),
        Part::Year => format!("{:02}", moment.year() % 100),
        Part::Half(upper) => half(moment.hour() >= 12, upper).to_owned(),
        Part::ZoneName => zone_name(moment),
        Part::Zone(utc, colons, numbers) => zone(seconds_east(moment), utc, colons, numbers),
        Part::Fraction(all, count, separator) => fraction(moment.nanosecond(), all, count, separator),
    }
}

fn weekday(moment: &DateTime<Tz>) -> &'static str {
    WEEKDAYS[moment.weekday().num_days_from_sunday() as usize]
}

pub const fn half(afternoon: bool, upper: bool) -> &'static str {
    match (afternoon, upper) {
        (true, true) => "PM",
        (true, false) => "pm",
        (false, true) => "AM",
        (false, false) => "am",
    }
}

fn seconds_east(moment: &DateTime<Tz>) -> i32 {
    moment.offset().fix().local_minus_utc()
}

/// Zones without a name are called by their offset.
fn zone_name(moment: &DateTime<Tz>) -> String {
    let east = seconds_east(moment);
    let numbers = if east % 3600 == 0 { 1 } else { 2 };
    moment.offset().abbreviation().map_or_else(|| zone(east, false, false, numbers), str::to_owned)
}

fn zone(east: i32, utc: bool, colons: bool, numbers: u8) -> String {
    if utc && east == 0 {
        return "Z".to_owned();
    }
    let (sign, seconds) = (if east < 0 { '-' } else { '+' }, east.unsigned_abs());
    let parts = [seconds / 3600, seconds / 60 % 60, seconds % 60].map(|number| format!("{number:02}"));
    format!("{sign}{}", parts[..usize::from(numbers)].join(if colons { ":" } else { "" }))
}

fn fraction(nanoseconds: u32, all: bool, count: usize, separator: char) -> String {
    let digits = format!("{nanoseconds:09}");
    let digits = if count > 9 { format!("{digits:0<count$}") } else { digits[..count].to_owned() };
    match digits.trim_end_matches('0') {
        _ if all => format!("{separator}{digits}"),
        "" => String::new(),
        digits => format!("{separator}{digits}"),
    }
}
