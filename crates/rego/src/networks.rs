//! Networks in CIDR form.

use std::net::IpAddr;

use regorus::Value;

/// A network: its address, its bits, and how many bits an address of its family has.
struct Network {
    address: u128,
    bits: u32,
    family: u32,
}

impl Network {
    fn parse(text: &str) -> Option<Self> {
        let (address, bits) = text.split_once('/')?;
        let (address, family) = number(address.parse().ok()?);
        let bits = bits.bytes().all(|digit| digit.is_ascii_digit()).then(|| bits.parse().ok())??;
        (bits <= family).then_some(Self { address, bits, family })
    }

    /// An address alone is a network of one.
    fn or_address(text: &str) -> Option<Self> {
        Self::parse(text).or_else(|| {
            let (address, family) = number(text.parse().ok()?);
            Some(Self { address, bits: family, family })
        })
    }

    /// Whether the first bits are those of another network.
    fn shares(&self, other: &Self, bits: u32) -> bool {
        let shift = self.family - bits;
        self.family == other.family
            && self.address.checked_shr(shift).unwrap_or(0) == other.address.checked_shr(shift).unwrap_or(0)
    }
}

fn number(address: IpAddr) -> (u128, u32) {
    match address {
        IpAddr::V4(address) => (u32::from(address).into(), 32),
        IpAddr::V6(address) => {
            address.to_ipv4_mapped().map_or((address.into(), 128), |v4| (u32::from(v4).into(), 32))
        }
    }
}

/// Whether a network contains an address or a whole network.
pub fn contains(v: &[Value]) -> Option<Value> {
    let (network, other) =
        (Network::parse(v[0].as_string().ok()?)?, Network::or_address(v[1].as_string().ok()?)?);
    Some((network.bits <= other.bits && network.shares(&other, network.bits)).into())
}

/// Whether networks have addresses in common.
pub fn intersects(v: &[Value]) -> Option<Value> {
    let (one, other) = (Network::parse(v[0].as_string().ok()?)?, Network::parse(v[1].as_string().ok()?)?);
    Some(one.shares(&other, one.bits.min(other.bits)).into())
}
