//! How much is read: an endless file must end in an error, not in the memory of the machine.

use std::fmt;
use std::io::{self, Read};
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The flag of the limit, for the commands that read files.
#[derive(Clone, Debug, clap::Args)]
pub struct LimitArgs {
    /// How much is read in all files together; more is an error
    #[arg(long, value_name = "SIZE", default_value = "256Mi")]
    pub max_input_size: Size,
}

/// A number of bytes, as people write it: `500`, `64Ki`, `256Mi`, `1Gi`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size(u64);

const UNITS: [(&str, u64); 3] = [("Gi", 1 << 30), ("Mi", 1 << 20), ("Ki", 1 << 10)];

impl FromStr for Size {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let unit = UNITS.iter().find_map(|(name, bytes)| Some((text.strip_suffix(name)?, *bytes)));
        let (number, bytes) = unit.unwrap_or((text, 1));
        let size = number.parse::<u64>().ok().and_then(|number| number.checked_mul(bytes));
        size.map(Self).ok_or("write a number of bytes, or of Ki, Mi or Gi: 256Mi")
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = UNITS.iter().find(|(_, bytes)| self.0 > 0 && self.0.is_multiple_of(*bytes));
        match unit {
            Some((name, bytes)) => write!(f, "{}{name}", self.0 / bytes),
            None => write!(f, "{} bytes", self.0),
        }
    }
}

/// What may still be read. Clones count together.
#[derive(Clone, Debug)]
pub struct Limit {
    max: Size,
    left: Arc<AtomicU64>,
}

impl LimitArgs {
    /// The limit, of which nothing is used.
    #[must_use]
    pub fn limit(&self) -> Limit {
        Limit::of_bytes(self.max_input_size.0)
    }
}

impl Limit {
    /// So many bytes, of which nothing is used.
    #[must_use]
    pub fn of_bytes(bytes: u64) -> Self {
        Self { max: Size(bytes), left: Arc::new(AtomicU64::new(bytes)) }
    }

    /// Reads no more than may be read.
    pub fn reader<R: Read>(&self, inner: R) -> Limited<R> {
        Limited { inner, limit: self.clone() }
    }

    fn spend(&self, bytes: usize) -> io::Result<()> {
        let left = |left: u64| left.checked_sub(u64::try_from(bytes).ok()?);
        match self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, left) {
            Ok(_) => Ok(()),
            Err(_) => Err(io::Error::other(TooLarge(self.max))),
        }
    }
}

/// A reader that fails where the limit is passed.
pub struct Limited<R> {
    inner: R,
    limit: Limit,
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.limit.spend(read)?;
        Ok(read)
    }
}

/// More was to be read than may be read.
#[derive(Debug, thiserror::Error)]
#[error("the input is larger than {0}; --max-input-size allows more")]
struct TooLarge(Size);

/// Why a file cannot be read.
pub fn unreadable(error: &io::Error) -> String {
    match error.get_ref().and_then(|cause| cause.downcast_ref::<TooLarge>()) {
        Some(too_large) => too_large.to_string(),
        None => format!("cannot be read: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::{LimitArgs, Size, unreadable};

    fn size(text: &str) -> Size {
        text.parse().unwrap()
    }

    #[test]
    fn sizes() {
        for (text, shown) in
            [("0", "0 bytes"), ("500", "500 bytes"), ("64Ki", "64Ki"), ("1024Mi", "1Gi"), ("3Gi", "3Gi")]
        {
            assert_eq!(size(text).to_string(), shown);
        }
        for text in ["", "Mi", "-1", "1.5Gi", "1M", "99999999999Gi"] {
            assert!(text.parse::<Size>().is_err(), "{text}");
        }
    }

    #[test]
    fn files_count_together() {
        let limit = LimitArgs { max_input_size: size("5") }.limit();
        let read = |text: &'static str| {
            let mut found = String::new();
            limit.reader(text.as_bytes()).read_to_string(&mut found).map(|_| found)
        };
        assert_eq!(read("abc").unwrap(), "abc");
        assert_eq!(read("de").unwrap(), "de");
        let error = unreadable(&read("f").unwrap_err());
        assert_eq!(error, "the input is larger than 5 bytes; --max-input-size allows more");
    }
}
