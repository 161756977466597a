//! Medians, and how far apart the rounds were.

use std::fmt;

/// What several rounds measured, as the median and the range.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rounds {
    /// The median.
    pub median: f64,
    /// The smallest.
    pub least: f64,
    /// The largest.
    pub most: f64,
}

impl Rounds {
    /// Sums up at least one measurement.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut values: Vec<_> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let at = |index: usize| values.get(index).copied().unwrap_or(f64::NAN);
        let last = values.len().saturating_sub(1);
        let median = f64::midpoint(at(last / 2), at(last.div_ceil(2)));
        Self { median, least: at(0), most: at(last) }
    }

    /// The ratios of what was measured in the same round.
    pub fn ratio(ours: &[f64], theirs: &[f64]) -> Self {
        Self::of(ours.iter().zip(theirs).map(|(ours, theirs)| ours / theirs))
    }
}

/// Median and range, with three significant digits.
impl fmt::Display for Rounds {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { median, least, most } = *self;
        write!(formatter, "{} ({}-{})", Digits(median), Digits(least), Digits(most))
    }
}

/// Many measurements, sorted.
pub struct Percentiles(Vec<f64>);

impl Percentiles {
    /// Sorts at least one measurement.
    pub fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        Self(values)
    }

    /// The smallest value that this many per cent of all do not exceed.
    pub fn at(&self, percent: usize) -> f64 {
        let rank = (self.0.len() * percent).div_ceil(100).max(1);
        self.0.get(rank - 1).copied().unwrap_or(f64::NAN)
    }
}

/// A number with three significant digits or all before the point.
pub struct Digits(pub f64);

impl fmt::Display for Digits {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let places = match self.0.abs() {
            value if value >= 100.0 => 0,
            value if value >= 10.0 => 1,
            value if value >= 1.0 => 2,
            _ => 3,
        };
        write!(formatter, "{:.places$}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::{Percentiles, Rounds};

    #[test]
    fn so_many_are_not_greater() {
        let is = |values: &Percentiles, percent, expected: f64| (values.at(percent) - expected).abs() < 0.1;
        let hundred = Percentiles::of((1..=100).rev().map(f64::from).collect());
        assert!(is(&hundred, 50, 50.0) && is(&hundred, 99, 99.0) && is(&hundred, 100, 100.0));
        assert!(is(&Percentiles::of(vec![2.0, 1.0]), 99, 2.0));
    }

    #[test]
    fn the_middle_and_the_range() {
        assert_eq!(Rounds::of([3.0, 1.0, 2.0]), Rounds { median: 2.0, least: 1.0, most: 3.0 });
        assert_eq!(Rounds::of([4.0, 1.0]), Rounds { median: 2.5, least: 1.0, most: 4.0 });
        assert_eq!(Rounds::ratio(&[1.0, 3.0], &[2.0, 4.0]), Rounds { median: 0.625, least: 0.5, most: 0.75 });
        assert_eq!(Rounds::of([0.1234, 12.34, 1234.5]).to_string(), "12.3 (0.123-1234)");
    }
}
