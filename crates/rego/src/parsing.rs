//! Moments that are written in a layout, as Go's `time.Parse` reads them.

use chrono::{NaiveDate, NaiveTime, TimeDelta};

use super::layouts::{MONTHS, Part, WEEKDAYS, half, next};

/// What was read of a moment.
#[derive(Default)]
struct Moment {
    year: u32,
    month: Option<u32>,
    day: Option<u32>,
    year_day: Option<u32>,
    hour: u32,
    minute: u32,
    second: u32,
    nanoseconds: u32,
    afternoon: Option<bool>,
    east: i64,
}

/// The nanoseconds since 1970.
pub fn parse(layout: &str, text: &str) -> Option<i64> {
    let (mut moment, mut layout, mut text) = (Moment::default(), layout, text.as_bytes());
    loop {
        let (before, part, behind) = next(layout);
        text = skip(text, before.as_bytes())?;
        let Some(part) = part else { break };
        layout = behind;
        text = moment.read(part, text, layout)?;
    }
    if text.is_empty() { moment.nanoseconds() } else { None }
}

/// What follows a text of the layout; blanks stand for any number of blanks.
fn skip<'t>(mut text: &'t [u8], mut before: &[u8]) -> Option<&'t [u8]> {
    while let [first, rest @ ..] = before {
        if *first == b' ' {
            if text.first().is_some_and(|byte| *byte != b' ') {
                return None;
            }
            (before, text) = (blanks(before), blanks(text));
        } else {
            text = text.strip_prefix(&[*first])?;
            before = rest;
        }
    }
    Some(text)
}

fn blanks(text: &[u8]) -> &[u8] {
    &text[text.iter().take_while(|byte| **byte == b' ').count()..]
}

fn digits(text: &[u8]) -> usize {
    text.iter().take_while(|byte| byte.is_ascii_digit()).count()
}

/// A number of one to so many digits, or of exactly so many.
fn number(text: &[u8], most: usize, exactly: bool) -> Option<(u32, &[u8])> {
    let count = digits(text).min(most);
    if count == 0 || exactly && count < most {
        return None;
    }
    let (number, rest) = text.split_at(count);
    Some((std::str::from_utf8(number).ok()?.parse().ok()?, rest))
}

/// The place of the name with which a text begins, whatever its case, from 0.
fn name<'t>(names: &[&str], short: bool, text: &'t [u8]) -> Option<(u32, &'t [u8])> {
    let names = names.iter().map(|name| if short { &name[..3] } else { name });
    let fits =
        |name: &str| text.get(..name.len()).is_some_and(|text| text.eq_ignore_ascii_case(name.as_bytes()));
    let (at, name) = names.enumerate().find(|(_, name)| fits(name))?;
    Some((u32::try_from(at).ok()?, &text[name.len()..]))
}

impl Moment {
    /// Reads one part, and gives what follows.
    fn read<'t>(&mut self, part: Part, text: &'t [u8], layout: &str) -> Option<&'t [u8]> {
        let (read, rest) = match part {
            Part::LongMonth | Part::Month => name(&MONTHS, part == Part::Month, text)?,
            Part::LongWeekday | Part::Weekday => name(&WEEKDAYS, part == Part::Weekday, text)?,
            Part::NumMonth(two) | Part::Hour12(two) | Part::Minute(two) | Part::Second(two) => {
                number(text, 2, two)?
            }
            Part::Day(two, blank) => {
                number(text.strip_prefix(b" ").filter(|_| blank).unwrap_or(text), 2, two)?
            }
            Part::YearDay(true) => number(text, 3, true)?,
            Part::YearDay(false) => number(&text[(text.len() - blanks(text).len()).min(2)..], 3, false)?,
            Part::Hour => number(text, 2, false)?,
            Part::LongYear => number(text, 4, true)?,
            Part::Year => number(text, 2, true)?,
            Part::Half(upper) => {
                let afternoon = [false, true]
                    .into_iter()
                    .find(|half_| text.starts_with(half(*half_, upper).as_bytes()))?;
                (u32::from(afternoon), &text[2..])
            }
            Part::ZoneName => (0, &text[zone_name(text)?..]),
            Part::Zone(utc, colons, numbers) => return self.zone(text, utc, colons, numbers),
            Part::Fraction(all, count, _) => return self.fraction(text, all, count),
        };
        self.keep(part, read)?;
        let fraction = matches!(rest, [b'.' | b',', digit, ..] if digit.is_ascii_digit());
        if matches!(part, Part::Second(_)) && fraction && !matches!(next(layout).1, Some(Part::Fraction(..)))
        {
            return self.fraction(rest, false, 0);
        }
        Some(rest)
    }

    fn keep(&mut self, part: Part, read: u32) -> Option<()> {
        let below = |limit: u32| (read < limit).then_some(read);
        match part {
            Part::LongMonth | Part::Month => self.month = Some(read + 1),
            Part::NumMonth(_) => self.month = below(13).filter(|month| *month > 0).map(Some)?,
            Part::Day(..) => self.day = Some(read),
            Part::YearDay(_) => self.year_day = Some(read),
            Part::Hour => self.hour = below(24)?,
            Part::Hour12(_) => self.hour = below(13)?,
            Part::Minute(_) => self.minute = below(60)?,
            Part::Second(_) => self.second = below(60)?,
            Part::LongYear => self.year = read,
            Part::Year => self.year = read + if read >= 69 { 1900 } else { 2000 },
            Part::Half(_) => self.afternoon = Some(read == 1),
            _ => {}
        }
        Some(())
    }

    /// A point or comma with digits. Where the layout has nines all of it may be missing.
    fn fraction<'t>(&mut self, text: &'t [u8], all: bool, count: usize) -> Option<&'t [u8]> {
        let [b'.' | b',', behind @ ..] = text else { return if all { None } else { Some(text) } };
        let found = digits(behind);
        if !all && found == 0 {
            return Some(text);
        }
        let count = if all { count } else { found };
        if count > found {
            return None;
        }
        let kept = std::str::from_utf8(&behind[..count.min(9)]).ok()?;
        self.nanoseconds = format!("{kept:0<9}").parse().ok()?;
        Some(&behind[count..])
    }

    fn zone<'t>(&mut self, text: &'t [u8], utc: bool, colons: bool, numbers: u8) -> Option<&'t [u8]> {
        if utc && numbers < 3 && text.starts_with(b"Z") {
            return Some(&text[1..]);
        }
        let (sign, mut rest) = match text {
            [b'+', rest @ ..] => (1, rest),
            [b'-', rest @ ..] => (-1, rest),
            _ => return None,
        };
        let mut seconds = 0;
        for (at, (most, factor)) in
            [(24, 3600), (60, 60), (60, 1)].into_iter().take(usize::from(numbers)).enumerate()
        {
            if at > 0 && colons {
                rest = rest.strip_prefix(b":")?;
            }
            let (read, behind) = number(rest, 2, true).filter(|(read, _)| *read <= most)?;
            seconds += i64::from(read) * factor;
            rest = behind;
        }
        self.east = sign * seconds;
        Some(rest)
    }

    fn nanoseconds(&self) -> Option<i64> {
        let hour = match self.afternoon {
            Some(true) if self.hour < 12 => self.hour + 12,
            Some(false) if self.hour == 12 => 0,
            _ => self.hour,
        };
        let year = i32::try_from(self.year).ok()?;
        let date = match self.year_day {
            Some(day) => NaiveDate::from_yo_opt(year, day)?,
            None => NaiveDate::from_ymd_opt(year, self.month.unwrap_or(1), self.day.unwrap_or(1))?,
        };
        let fits = |said: Option<u32>, is: u32| said.is_none_or(|said| said == is);
        if !fits(self.month, chrono::Datelike::month(&date)) || !fits(self.day, chrono::Datelike::day(&date))
        {
            return None;
        }
        let time = NaiveTime::from_hms_nano_opt(hour, self.minute, self.second, self.nanoseconds)?;
        (date.and_time(time) - TimeDelta::seconds(self.east)).and_utc().timestamp_nanos_opt()
    }
}

/// The length of a zone's name. What it says does not count.
fn zone_name(text: &[u8]) -> Option<usize> {
    if text.len() < 3 {
        return None;
    }
    if text.starts_with(b"ChST") || text.starts_with(b"MeST") {
        return Some(4);
    }
    if let Some(rest) = text.strip_prefix(b"GMT") {
        return Some(3 + signed(rest));
    }
    if matches!(text[0], b'+' | b'-') {
        return Some(signed(text)).filter(|length| *length > 0);
    }
    match text.iter().take(6).take_while(|byte| byte.is_ascii_uppercase()).count() {
        3 => Some(3),
        4 if text[3] == b'T' || text.starts_with(b"WITA") => Some(4),
        5 if text[4] == b'T' => Some(5),
        _ => None,
    }
}

/// The length of a number with a sign, below 24.
fn signed(text: &[u8]) -> usize {
    let [b'+' | b'-', rest @ ..] = text else { return 0 };
    let count = digits(rest);
    let fits = number(rest, count.max(1), true).is_some_and(|(number, _)| number < 24);
    if fits { count + 1 } else { 0 }
}
