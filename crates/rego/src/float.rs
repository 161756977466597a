//! Floats as text, as Go writes them.

/// `1.5e+06`: two digits of the exponent at least.
pub fn scientific(magnitude: f64, precision: usize) -> String {
    exponent(&format!("{magnitude:.precision$e}"))
}

fn exponent(text: &str) -> String {
    let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
    let (sign, digits) = exponent.strip_prefix('-').map_or(('+', exponent), |digits| ('-', digits));
    format!("{mantissa}e{sign}{digits:0>2}")
}

/// Go's `%g`: with an exponent if that is below -4 or not below the precision; 6 where none is given.
pub fn general(magnitude: f64, precision: Option<usize>) -> String {
    let shortest = match precision {
        None => format!("{magnitude:e}"),
        Some(precision) => format!("{magnitude:.*e}", precision.max(1) - 1),
    };
    let (mantissa, power) = shortest.split_once('e').unwrap_or((&shortest, "0"));
    let power: i32 = power.parse().unwrap_or(0);
    let mantissa =
        if mantissa.contains('.') { mantissa.trim_end_matches('0').trim_end_matches('.') } else { mantissa };
    let digits = i32::try_from(mantissa.len() - usize::from(mantissa.contains('.'))).unwrap_or(i32::MAX);
    let limit = match precision {
        None => 6,
        Some(precision) => {
            let precision = i32::try_from(precision.max(1)).unwrap_or(i32::MAX);
            if precision > digits && digits > power { digits } else { precision }
        }
    };
    if power < -4 || power >= limit {
        return exponent(&format!("{mantissa}e{power}"));
    }
    let decimals = usize::try_from((digits - 1 - power).max(0)).unwrap_or(0);
    match precision {
        None => format!("{magnitude}"),
        Some(_) => format!("{magnitude:.decimals$}"),
    }
}
