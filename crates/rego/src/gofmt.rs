//! `sprintf` as OPA has it: Go's `fmt.Sprintf` over integers, floats and texts.

use std::fmt::Write;

use regorus::Value;

use super::float::{general, scientific};
use super::text::{float, quote, text};

/// An argument as OPA hands it to Go: a number that is an integer, any other number, or the text of anything else.
enum Argument {
    Int(i64),
    Big(String),
    Float(f64),
    Text(String),
}

impl Argument {
    fn new(value: &Value) -> Self {
        match value {
            Value::Number(number) => match (float(value), number.as_i64()) {
                // Written without an exponent it is an integer to Go.
                (Some(float), Some(int)) if float.abs() < 1e6 => Self::Int(int),
                (Some(float), _) => Self::Float(float),
                (None, Some(int)) => Self::Int(int),
                (None, None) => Self::Big(number.format_decimal()),
            },
            Value::String(string) => Self::Text(string.to_string()),
            other => Self::Text(text(other)),
        }
    }

    fn type_name(&self) -> &'static str {
        match self {
            Self::Int(_) => "int",
            Self::Big(_) => "*big.Int",
            Self::Float(_) => "float64",
            Self::Text(_) => "string",
        }
    }
}

/// What stands between `%` and the verb.
#[derive(Clone, Copy, Default)]
#[allow(clippy::struct_excessive_bools)] // As many as Go has.
struct Flags {
    sharp: bool,
    zero: bool,
    plus: bool,
    minus: bool,
    space: bool,
    /// `%#v`.
    sharp_v: bool,
    width: Option<usize>,
    precision: Option<usize>,
}

/// Widths and precisions above it are none.
const TOO_LARGE: usize = 1_000_000;

/// Formats. Never fails: like Go it says in the text what does not fit.
pub fn sprintf(format: &str, arguments: &[Value]) -> String {
    let arguments = arguments.iter().map(Argument::new).collect();
    let mut formatter = Formatter { out: String::new(), arguments, next: 0, reordered: false };
    let mut rest = format;
    while let Some((before, verb)) = rest.split_once('%') {
        formatter.out.push_str(before);
        rest = formatter.verb(verb);
    }
    formatter.out.push_str(rest);
    formatter.extra();
    formatter.out
}

struct Formatter {
    out: String,
    arguments: Vec<Argument>,
    next: usize,
    /// An argument was named by its number; then nobody counts those left over.
    reordered: bool,
}

impl Formatter {
    /// Formats one verb, of which the text begins after `%`; gives the text behind it.
    fn verb<'a>(&mut self, text: &'a str) -> &'a str {
        let (mut flags, mut rest) = flags(text);
        let mut good = true;
        let mut indexed = self.index(&mut rest, &mut good);
        self.width(&mut flags, &mut rest, &mut indexed, &mut good);
        self.precision(&mut flags, &mut rest, &mut indexed, &mut good);
        if !indexed {
            self.index(&mut rest, &mut good);
        }
        let mut chars = rest.chars();
        match chars.next() {
            None => self.out.push_str("%!(NOVERB)"),
            Some('%') => self.out.push('%'),
            Some(verb) if !good => drop(write!(self.out, "%!{verb}(BADINDEX)")),
            Some(verb) if self.next >= self.arguments.len() => drop(write!(self.out, "%!{verb}(MISSING)")),
            Some(verb) => {
                if matches!(verb, 'v' | 'w') {
                    (flags.sharp_v, flags.sharp, flags.plus) = (flags.sharp, false, false);
                }
                let argument = &self.arguments[self.next];
                self.next += 1;
                self.out.push_str(&formatted(argument, verb, flags));
            }
        }
        chars.as_str()
    }

    /// `[2]` names the second argument.
    fn index(&mut self, rest: &mut &str, good: &mut bool) -> bool {
        let Some(text) = rest.strip_prefix('[') else { return false };
        self.reordered = true;
        let Some((number, behind)) = text.split_once(']') else {
            *good = false;
            *rest = text;
            return false;
        };
        *rest = behind;
        match number.parse::<usize>() {
            Ok(number) if (1..=self.arguments.len()).contains(&number) => self.next = number - 1,
            _ => *good = false,
        }
        *good
    }

    fn width(&mut self, flags: &mut Flags, rest: &mut &str, indexed: &mut bool, good: &mut bool) {
        if let Some(behind) = rest.strip_prefix('*') {
            *rest = behind;
            *indexed = false;
            match self.number() {
                Some(number) => {
                    flags.minus |= number < 0;
                    flags.zero &= number >= 0;
                    flags.width = usize::try_from(number.unsigned_abs()).ok();
                }
                None => self.out.push_str("%!(BADWIDTH)"),
            }
            return;
        }
        flags.width = number(rest);
        if *indexed && flags.width.is_some() {
            *good = false;
        }
    }

    fn precision(&mut self, flags: &mut Flags, rest: &mut &str, indexed: &mut bool, good: &mut bool) {
        let Some(behind) = rest.strip_prefix('.').filter(|behind| !behind.is_empty()) else { return };
        *rest = behind;
        if *indexed {
            *good = false;
        }
        *indexed = self.index(rest, good);
        if let Some(behind) = rest.strip_prefix('*') {
            *rest = behind;
            *indexed = false;
            match self.number() {
                Some(number) => flags.precision = usize::try_from(number).ok(),
                None => self.out.push_str("%!(BADPREC)"),
            }
            return;
        }
        flags.precision = Some(number(rest).unwrap_or(0));
    }

    /// The next argument as a width or precision.
    fn number(&mut self) -> Option<i64> {
        let argument = self.arguments.get(self.next)?;
        self.next += 1;
        match argument {
            Argument::Int(number) if number.unsigned_abs() <= TOO_LARGE as u64 => Some(*number),
            _ => None,
        }
    }

    fn extra(&mut self) {
        if self.reordered || self.next >= self.arguments.len() {
            return;
        }
        let rest = self.arguments[self.next..].iter();
        let rest: Vec<_> = rest
            .map(|argument| {
                format!("{}={}", argument.type_name(), formatted(argument, 'v', Flags::default()))
            })
            .collect();
        let _ = write!(self.out, "%!(EXTRA {})", rest.join(", "));
    }
}

fn flags(text: &str) -> (Flags, &str) {
    let mut flags = Flags::default();
    let rest = text.trim_start_matches(|flag| {
        match flag {
            '#' => flags.sharp = true,
            '0' => flags.zero = true,
            '+' => flags.plus = true,
            '-' => flags.minus = true,
            ' ' => flags.space = true,
            _ => return false,
        }
        true
    });
    (flags, rest)
}

fn number(rest: &mut &str) -> Option<usize> {
    let digits = rest.len() - rest.trim_start_matches(|digit: char| digit.is_ascii_digit()).len();
    let (number, behind) = rest.split_at(digits);
    *rest = behind;
    number.parse().ok().filter(|number| *number <= TOO_LARGE)
}

fn formatted(argument: &Argument, verb: char, flags: Flags) -> String {
    let fits = match argument {
        Argument::Int(int) => integer(*int, verb, flags),
        Argument::Big(digits) => matches!(verb, 'v' | 'd' | 's').then(|| pad(digits, flags)),
        Argument::Float(float) => decimal(*float, verb, flags),
        Argument::Text(text) => string(text, verb, flags),
    };
    fits.unwrap_or_else(|| {
        let value = formatted(argument, 'v', flags);
        format!("%!{verb}({}={value})", argument.type_name())
    })
}

fn pad(text: &str, flags: Flags) -> String {
    let missing = flags.width.unwrap_or(0).saturating_sub(text.chars().count());
    match (flags.minus, flags.zero) {
        (true, _) => text.to_owned() + &" ".repeat(missing),
        (false, true) => "0".repeat(missing) + text,
        (false, false) => " ".repeat(missing) + text,
    }
}

fn string(text: &str, verb: char, flags: Flags) -> Option<String> {
    let cut = |text: &str| text.chars().take(flags.precision.unwrap_or(usize::MAX)).collect::<String>();
    match verb {
        'v' if flags.sharp_v => Some(pad(&quote(&cut(text), false), flags)),
        'v' | 's' => Some(pad(&cut(text), flags)),
        'q' if flags.sharp && can_backquote(&cut(text)) => Some(pad(&format!("`{}`", cut(text)), flags)),
        'q' => Some(pad(&quote(&cut(text), flags.plus), flags)),
        'x' | 'X' => Some(pad(&hexadecimal(text, verb == 'X', flags), flags)),
        _ => None,
    }
}

fn can_backquote(text: &str) -> bool {
    !text.chars().any(|c| c == '`' || c == '\u{feff}' || c == '\u{7f}' || c < ' ' && c != '\t')
}

fn hexadecimal(text: &str, upper: bool, flags: Flags) -> String {
    let bytes = text.bytes().take(flags.precision.unwrap_or(usize::MAX));
    let digits = bytes.map(|byte| if upper { format!("{byte:02X}") } else { format!("{byte:02x}") });
    let prefix = if upper { "0X" } else { "0x" };
    let digits: Vec<_> = digits.collect();
    match (flags.space, flags.sharp && !digits.is_empty()) {
        (true, true) => digits.iter().map(|byte| format!("{prefix}{byte}")).collect::<Vec<_>>().join(" "),
        (true, false) => digits.join(" "),
        (false, true) => prefix.to_owned() + &digits.concat(),
        (false, false) => digits.concat(),
    }
}

fn integer(int: i64, verb: char, flags: Flags) -> Option<String> {
    let magnitude = int.unsigned_abs();
    let (digits, prefix) = match verb {
        'v' | 'd' => (magnitude.to_string(), ""),
        'b' => (format!("{magnitude:b}"), if flags.sharp { "0b" } else { "" }),
        'o' => (format!("{magnitude:o}"), if flags.sharp && magnitude != 0 { "0" } else { "" }),
        'O' => (format!("{magnitude:o}"), "0o"),
        'x' => (format!("{magnitude:x}"), if flags.sharp { "0x" } else { "" }),
        'X' => (format!("{magnitude:X}"), if flags.sharp { "0X" } else { "" }),
        'c' | 'q' => return Some(pad(&character(magnitude, verb, flags), flags)),
        'U' => return Some(pad(&format!("U+{magnitude:04X}"), Flags { zero: false, ..flags })),
        _ => return None,
    };
    if flags.precision == Some(0) && int == 0 {
        return Some(" ".repeat(flags.width.unwrap_or(0)));
    }
    let sign = sign(int < 0, flags);
    let least = match flags.precision {
        Some(precision) => precision,
        None if flags.zero && !flags.minus => flags.width.unwrap_or(0).saturating_sub(sign.len()),
        None => 0,
    };
    let zeros = "0".repeat(least.saturating_sub(digits.len()));
    Some(pad(&format!("{sign}{prefix}{zeros}{digits}"), Flags { zero: false, ..flags }))
}

fn sign(negative: bool, flags: Flags) -> &'static str {
    match (negative, flags.plus, flags.space) {
        (true, ..) => "-",
        (false, true, _) => "+",
        (false, false, true) => " ",
        _ => "",
    }
}

fn character(code: u64, verb: char, flags: Flags) -> String {
    let character = u32::try_from(code).ok().and_then(char::from_u32).unwrap_or(char::REPLACEMENT_CHARACTER);
    if verb == 'c' {
        return character.to_string();
    }
    let quoted = quote(&character.to_string(), flags.plus);
    let inner = &quoted[1..quoted.len() - 1];
    match character {
        '\'' => "'\\''".into(),
        '"' => "'\"'".into(),
        _ => format!("'{inner}'"),
    }
}

fn decimal(float: f64, verb: char, flags: Flags) -> Option<String> {
    let magnitude = float.abs();
    let digits = match verb {
        'v' | 'g' | 'G' => general(magnitude, flags.precision),
        'e' | 'E' => scientific(magnitude, flags.precision.unwrap_or(6)),
        'f' | 'F' => format!("{magnitude:.*}", flags.precision.unwrap_or(6)),
        _ => return None,
    };
    let digits = if verb.is_ascii_uppercase() { digits.to_uppercase() } else { digits };
    let sign = sign(float.is_sign_negative(), flags);
    let text = format!("{sign}{digits}");
    if flags.zero && !flags.minus {
        let zeros = "0".repeat(flags.width.unwrap_or(0).saturating_sub(text.len()));
        return Some(format!("{sign}{zeros}{digits}"));
    }
    Some(pad(&text, flags))
}
