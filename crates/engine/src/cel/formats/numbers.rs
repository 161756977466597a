//! Formats that calculate: addresses, and numbers with a check digit.

use std::net::IpAddr;

use super::has;

/// An address, whose numbers may begin with zeros: Go allowed that once, and the API server still does.
pub fn sloppy_address(text: &str) -> Option<IpAddr> {
    let mut plain = String::with_capacity(text.len());
    for part in text.split_inclusive([':', '.']) {
        let (digits, separator) = part.split_at(part.trim_end_matches([':', '.']).len());
        let short = digits.trim_start_matches('0');
        plain.push_str(if short.is_empty() && !digits.is_empty() { "0" } else { short });
        plain.push_str(separator);
    }
    plain.parse().ok()
}

/// An address and how many of its bits name the network.
pub fn is_network(text: &str) -> bool {
    let Some((address, bits)) = text.split_once('/') else { return false };
    let most = match sloppy_address(address) {
        Some(IpAddr::V4(_)) => 32,
        Some(IpAddr::V6(_)) => 128,
        None => return false,
    };
    has(bits, "^[0-9]+$") && bits.parse::<u64>().is_ok_and(|bits| bits <= most)
}

/// A number of a known issuer whose digits add up (Luhn), with anything between the digits.
pub fn is_credit_card(text: &str) -> bool {
    const ISSUERS: &str = concat!(
        r"^(?:4[0-9]{12}(?:[0-9]{3})?|5[1-5][0-9]{14}|6(?:011|5[0-9][0-9])[0-9]{12}|3[47][0-9]{13}|",
        r"3(?:0[0-5]|[68][0-9])[0-9]{11}|(?:2131|1800|35\d{3})\d{11})$"
    );
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let sum: u32 = digits
        .chars()
        .rev()
        .filter_map(|digit| digit.to_digit(10))
        .enumerate()
        .map(|(index, digit)| if index % 2 == 0 { digit } else { digit * 2 / 10 + digit * 2 % 10 })
        .sum();
    has(&digits, ISSUERS) && sum.is_multiple_of(10)
}

/// A book's number of ten digits.
pub fn is_isbn10(text: &str) -> bool {
    let plain = without_separators(text);
    let value = |digit: char| digit.to_digit(10).unwrap_or(10);
    if !has(&plain, "^(?:[0-9]{9}X|[0-9]{10})$") {
        return false;
    }
    let sum: u32 = plain.chars().zip(1..).map(|(digit, factor)| factor * value(digit)).sum();
    sum.is_multiple_of(11)
}

/// A book's number of thirteen digits.
pub fn is_isbn13(text: &str) -> bool {
    let plain = without_separators(text);
    let digits = plain.chars().filter_map(|digit| digit.to_digit(10));
    let sum: u32 = digits.zip([1, 3].into_iter().cycle()).map(|(digit, factor)| factor * digit).sum();
    has(&plain, "^[0-9]{13}$") && sum.is_multiple_of(10)
}

fn without_separators(text: &str) -> String {
    text.chars().filter(|c| !matches!(c, '\t' | '\n' | '\u{c}' | '\r' | ' ' | '-')).collect()
}
