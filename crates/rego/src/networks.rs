//! Networks in CIDR form, as Go's package `net` understands them.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv6Addr};

use regorus::Value;

use super::limits::exceed;

/// How many addresses `net.cidr_expand` lists.
const MOST_ADDRESSES: u128 = 1 << 20;

/// What the addresses of IPv4 have before them, written as addresses of IPv6.
const MAPPED: u128 = 0xffff << 32;

/// A network: its first and last address as addresses of IPv6, and the bits that they have in common.
#[derive(Clone, Copy)]
struct Network {
    first: u128,
    last: u128,
    bits: u32,
}

impl Network {
    fn parse(text: &str) -> Option<Self> {
        let (address, bits) = text.split_once('/')?;
        let address: IpAddr = address.parse().ok()?;
        let bits: u32 = bits.bytes().all(|digit| digit.is_ascii_digit()).then(|| bits.parse().ok())??;
        let before = if address.is_ipv4() { 96 } else { 0 };
        (bits <= 128 - before).then(|| Self::new(number(address), before + bits))
    }

    const fn new(address: u128, bits: u32) -> Self {
        let hosts = if bits == 0 { u128::MAX } else { (1 << (128 - bits)) - 1 };
        Self { first: address & !hosts, last: address | hosts, bits }
    }

    /// Addresses of IPv4 are in no network of IPv6.
    const fn has(&self, address: u128) -> bool {
        is_v4(self.first) == is_v4(address) && self.first <= address && address <= self.last
    }

    fn text(&self) -> String {
        let before = if is_v4(self.first) { 96 } else { 0 };
        format!("{}/{}", text(self.first), self.bits - before)
    }
}

const fn is_v4(address: u128) -> bool {
    address >> 32 == MAPPED >> 32
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => MAPPED | u128::from(u32::from(address)),
        IpAddr::V6(address) => address.into(),
    }
}

fn text(address: u128) -> String {
    Ipv6Addr::from(address).to_canonical().to_string()
}

fn network(value: &Value) -> Option<Network> {
    Network::parse(value.as_string().ok()?)
}

/// `net.cidr_contains(network, other)`: whether a network contains an address or a whole network.
pub fn contains(v: &[Value]) -> Option<Value> {
    has(&v[0], &v[1]).map(Value::from)
}

fn has(one: &Value, other: &Value) -> Option<bool> {
    let (one, other) = (network(one)?, other.as_string().ok()?);
    if let Ok(address) = other.parse() {
        return Some(one.has(number(address)));
    }
    let other = Network::parse(other)?;
    Some(one.has(other.first) && one.has(other.last))
}

/// `net.cidr_intersects(one, other)`: whether networks have addresses in common.
pub fn intersects(v: &[Value]) -> Option<Value> {
    let (one, other) = (network(&v[0])?, network(&v[1])?);
    Some((one.has(other.first) || other.has(one.first)).into())
}

/// `net.cidr_is_valid(text)`.
pub fn is_valid(value: &Value) -> bool {
    network(value).is_some()
}

/// `net.cidr_expand(network)`: the set of its addresses.
pub fn expand(v: &[Value]) -> Option<Value> {
    let network = network(&v[0])?;
    if network.last - network.first >= MOST_ADDRESSES {
        return exceed("net.cidr_expand: a network of more than 1,048,576 addresses");
    }
    let addresses = (network.first..=network.last).map(|address| Value::from(text(address)));
    Some(addresses.collect::<BTreeSet<_>>().into())
}

/// `net.cidr_contains_matches(networks, others)`: pairs of what names a network and what names one in it.
pub fn contains_matches(v: &[Value]) -> Option<Value> {
    let mut found = BTreeSet::new();
    let others = named(&v[1]);
    for (one, name) in named(&v[0])? {
        for (other, of) in others.as_ref()? {
            if has(&one, other)? {
                found.insert(Value::from(vec![name.clone(), of.clone()]));
            }
        }
    }
    Some(found.into())
}

/// Networks with what names them: themselves, their place, or their key.
fn named(value: &Value) -> Option<Vec<(Value, Value)>> {
    match value {
        Value::String(_) => Some(vec![(value.clone(), value.clone())]),
        Value::Array(items) => {
            let item = |(at, item)| Some((first(item)?, i64::try_from(at).ok()?.into()));
            items.iter().enumerate().map(item).collect()
        }
        Value::Set(items) => items.iter().map(|item| Some((first(item)?, item.clone()))).collect(),
        Value::Object(fields) => {
            fields.iter().map(|(key, value)| Some((first(value)?, key.clone()))).collect()
        }
        _ => Some(vec![]),
    }
}

/// A network may be followed by other values in a list.
fn first(value: &Value) -> Option<Value> {
    match value {
        Value::String(_) => Some(value.clone()),
        Value::Array(items) => items.first().cloned(),
        _ => None,
    }
}

/// `net.cidr_merge(networks)`: the fewest networks that have the same addresses.
pub fn merge(v: &[Value]) -> Option<Value> {
    let networks: Vec<&Value> = match &v[0] {
        Value::Array(items) => items.iter().collect(),
        Value::Set(items) => items.iter().collect(),
        _ => return None,
    };
    let mut ranges = vec![];
    for value in networks {
        let text = value.as_string().ok()?;
        match text.parse::<IpAddr>() {
            Ok(IpAddr::V6(address)) if address.to_ipv4_mapped().is_none() => return None,
            // OPA then takes the network of the address's class.
            Ok(_) => return exceed("net.cidr_merge: an address that is no network"),
            Err(_) => {}
        }
        let network = Network::parse(text)?;
        if is_v4(network.first) && text.contains(':') {
            return exceed("net.cidr_merge: an address of IPv4 that is written as one of IPv6");
        }
        ranges.push((network.last, network.first));
    }
    ranges.sort_unstable();
    let mut merged: BTreeSet<Value> = BTreeSet::new();
    for (first, last) in joined(&ranges)? {
        merged.extend(covering(first, last).iter().map(|network| Value::from(network.text())));
    }
    Some(merged.into())
}

/// Ranges of addresses, those together that overlap or adjoin.
fn joined(ranges: &[(u128, u128)]) -> Option<Vec<(u128, u128)>> {
    let mut joined: Vec<(u128, u128)> = vec![];
    for &(last, first) in ranges.iter().rev() {
        match joined.last_mut() {
            Some(next) if next.0.saturating_sub(1) <= last => {
                if is_v4(next.0) != is_v4(first) {
                    return exceed("net.cidr_merge: networks of IPv4 and IPv6 that adjoin");
                }
                next.0 = next.0.min(first);
            }
            _ => joined.push((first, last)),
        }
    }
    Some(joined)
}

/// The fewest networks that are a range.
fn covering(first: u128, last: u128) -> Vec<Network> {
    let (mut networks, mut at) = (vec![], first);
    loop {
        let fits = |bits: &u32| {
            let network = Network::new(at, *bits);
            network.first == at && network.last <= last
        };
        let bits = (0..128).find(fits).unwrap_or(128);
        let network = Network::new(at, bits);
        networks.push(network);
        match network.last.checked_add(1) {
            Some(next) if next <= last => at = next,
            _ => return networks,
        }
    }
}
