//! Addresses and networks.

use std::fmt;
use std::net::IpAddr;

use super::print::quote;
use super::value::{Failure, Outcome};

/// A network: an address, and how many of its bits name the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    pub address: IpAddr,
    pub bits: u8,
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

/// Reads an address.
///
/// # Errors
/// It is none, or one of another family in disguise.
pub fn address(text: &str) -> Outcome<IpAddr> {
    let refused = |fault| {
        Failure::new(format!("IP Address {} parse error during conversion from string: {fault}", quote(text)))
    };
    let plain = text.split_once('%').map_or(text, |(address, _)| address);
    let address = parse(plain, text).map_err(refused)?;
    if plain.len() < text.len() {
        return Err(Failure::new(format!("IP address {} with zone value is not allowed", quote(text))));
    }
    unmapped(address, text)
}

/// Reads a network such as `10.0.0.0/8`.
///
/// # Errors
/// It is none, or one of another family in disguise.
pub fn network(text: &str) -> Outcome<Network> {
    const PREFIX: &str = "network address parse error during conversion from string: ";
    let refused =
        |fault: String| Failure::new(format!("{PREFIX}{PREFIX}netip.ParsePrefix({}): {fault}", quote(text)));
    let (address, bits) = text.rsplit_once('/').ok_or_else(|| refused("no '/'".to_owned()))?;
    if address.contains('%') && address.contains(':') {
        return Err(refused("IPv6 zones cannot be present in a prefix".to_owned()));
    }
    let address = parse(address, address).map_err(refused)?;
    let number = bits
        .parse::<i64>()
        .ok()
        .filter(|_| bits.len() == 1 || bits.starts_with(|c| ('1'..='9').contains(&c)));
    let number = number.ok_or_else(|| refused(format!("bad bits after slash: {}", quote(bits))))?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    let bits = u8::try_from(number).ok().filter(|bits| *bits <= most);
    let bits = bits.ok_or_else(|| refused("prefix length out of range".to_owned()))?;
    let wrapped = |failure| match failure {
        Failure::Error(message) => Failure::new(format!("{PREFIX}{message}")),
        Failure::Stopped => Failure::Stopped,
    };
    Ok(Network { address: unmapped(address, text).map_err(wrapped)?, bits })
}

fn unmapped(address: IpAddr, text: &str) -> Outcome<IpAddr> {
    match address {
        IpAddr::V6(address) if address.to_ipv4_mapped().is_some() => {
            Err(Failure::new(format!("IPv4-mapped IPv6 address {} is not allowed", quote(text))))
        }
        address => Ok(address),
    }
}

/// An address without a zone; `whole` is what the message names.
fn parse(text: &str, whole: &str) -> Result<IpAddr, String> {
    let fault = |(message, at): (&str, &str)| {
        let place = if at.is_empty() { String::new() } else { format!(" (at {})", quote(at)) };
        format!("ParseAddr({}): {message}{place}", quote(whole))
    };
    let empty_zone = text.len() + 1 == whole.len();
    match text.find(['.', ':']).map(|at| &text[at..=at]) {
        Some(":") if empty_zone => Err(fault(("zone must be a non-empty string", ""))),
        Some(".") if text.len() < whole.len() => Err(fault(("unexpected character", &whole[text.len()..]))),
        Some(_) => text.parse().map_err(|_| {
            fault(if text.find(':').is_some_and(|colon| text.find('.').is_none_or(|dot| colon < dot)) {
                six(text)
            } else {
                four(text)
            })
        }),
        None if text.len() < whole.len() => Err(fault(("missing IPv6 address", ""))),
        None => Err(fault(("unable to parse IP", ""))),
    }
}

/// What is wrong with an IPv4 address, and where.
fn four(text: &str) -> (&'static str, &str) {
    const EMPTY: &str = "IPv4 field must have at least one digit";
    let (mut value, mut digits, mut fields) = (0_u32, 0, 0);
    for (at, c) in text.char_indices() {
        if let Some(digit) = c.to_digit(10) {
            if digits == 1 && value == 0 {
                return ("IPv4 field has octet with leading zero", "");
            }
            value = value * 10 + digit;
            digits += 1;
            if value > 255 {
                return ("IPv4 field has value >255", "");
            }
        } else if c == '.' {
            if at == 0 || at + 1 == text.len() || digits == 0 {
                return (EMPTY, &text[at..]);
            }
            if fields == 3 {
                return ("IPv4 address too long", "");
            }
            (value, digits, fields) = (0, 0, fields + 1);
        } else {
            return ("unexpected character", &text[at..]);
        }
    }
    ("IPv4 address too short", "")
}

/// What is wrong with an IPv6 address, and where.
fn six(text: &str) -> (&'static str, &str) {
    let mut rest = text.strip_prefix("::").unwrap_or(text);
    let (mut ellipsis, mut groups) = (rest.len() < text.len(), 0);
    while groups < 8 {
        let digits = rest.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(rest.len());
        if digits > 4 {
            return ("each group must have 4 or less digits", rest);
        }
        if digits == 0 {
            return ("each colon-separated field must have at least one digit", rest);
        }
        if rest[digits..].starts_with('.') {
            return embedded(rest, ellipsis, groups);
        }
        groups += 1;
        rest = &rest[digits..];
        if rest.is_empty() {
            break;
        }
        let Some(after) = rest.strip_prefix(':') else { return ("unexpected character, want colon", rest) };
        if after.is_empty() {
            return ("colon must be followed by more characters", rest);
        }
        rest = after;
        if let Some(after) = rest.strip_prefix(':') {
            if ellipsis {
                return ("multiple :: in address", rest);
            }
            ellipsis = true;
            rest = after;
            if rest.is_empty() {
                break;
            }
        }
    }
    match (rest.is_empty(), ellipsis) {
        (false, _) => ("trailing garbage after address", rest),
        (true, false) => ("address string too short", ""),
        (true, true) => ("the :: must expand to at least one field of zeros", ""),
    }
}

/// What is wrong where an IPv4 address ends an IPv6 address.
fn embedded(rest: &str, ellipsis: bool, groups: usize) -> (&'static str, &str) {
    if !ellipsis && groups != 6 {
        return ("embedded IPv4 address must replace the final 2 fields of the address", rest);
    }
    if groups > 6 {
        return ("too many hex fields to fit an embedded IPv4 at the end of the address", rest);
    }
    four(rest)
}

impl Network {
    /// The network without the bits of its address that name none.
    pub fn masked(self) -> Self {
        let address = match self.address {
            IpAddr::V4(address) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.bits)).unwrap_or(0);
                IpAddr::V4((u32::from(address) & mask).into())
            }
            IpAddr::V6(address) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.bits)).unwrap_or(0);
                IpAddr::V6((u128::from(address) & mask).into())
            }
        };
        Self { address, ..self }
    }

    /// Whether an address is in it.
    pub fn contains(self, address: IpAddr) -> bool {
        address.is_ipv4() == self.address.is_ipv4()
            && Self { address, bits: self.bits }.masked() == self.masked()
    }

    /// Whether all of a network is in it.
    pub fn contains_network(self, other: Self) -> bool {
        self.bits <= other.bits && self.contains(other.address)
    }
}

/// Whether an address can be reached from anywhere, as Kubernetes sees it: private ones can.
pub fn is_global(address: IpAddr) -> bool {
    let broadcast = matches!(address, IpAddr::V4(address) if address.is_broadcast());
    !broadcast
        && !address.is_unspecified()
        && !address.is_loopback()
        && !address.is_multicast()
        && !is_link_local(address)
}

/// Whether an address is of the own link alone.
pub fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    }
}

/// Whether an address is of groups on the own link.
pub fn is_link_local_multicast(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.octets()[..3] == [224, 0, 0],
        IpAddr::V6(address) => address.segments()[0] & 0xff0f == 0xff02,
    }
}

/// Whether a host in brackets is an IPv6 address, perhaps with a zone.
///
/// # Errors
/// What Go says of a host that is none.
pub fn address_in_brackets(host: &str) -> Result<(), String> {
    let plain = host.split_once('%').map_or(host, |(address, _)| address);
    match parse(plain, host).map_err(|fault| format!("invalid host: {fault}"))? {
        IpAddr::V4(_) => Err("invalid IP-literal".to_owned()),
        IpAddr::V6(_) => Ok(()),
    }
}
