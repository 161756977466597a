//! Which addresses may be connected to. A policy's author chooses the host, so an address that is special to this
//! machine or its network is refused unless an administrator allows it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

/// Why a host is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HostKind {
    /// A reference of the policy or the settings spell it out. Private addresses are fine.
    Named,
    /// A redirect, a token's realm, or an image that only `*` covers leads there.
    Foreign,
}

/// An address that is not connected to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{address} is {what}; signatures.allowedNetworks can allow it")]
pub struct RefusedAddress {
    /// The address.
    pub address: IpAddr,
    /// What is special about it.
    pub what: &'static str,
}

const LOCAL: &str = "an address of this machine or its link";
const RESERVED: &str = "a reserved address";
const METADATA: &str = "an address of a cloud's own services";
const PRIVATE: &str = "a private address of a host that no policy and no setting names";

/// Azure's address of the platform, which is a public one by its number.
const AZURE: Ipv4Addr = Ipv4Addr::new(168, 63, 129, 16);
/// The metadata service of AWS, in the range of private addresses.
const AWS: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);

/// Judges an address that a connection would be made to.
///
/// # Errors
/// It is special, and none of the allowed networks holds it.
pub fn judge_address(address: IpAddr, kind: HostKind, allowed: &[IpNet]) -> Result<(), RefusedAddress> {
    let inside = embedded(address);
    let is_allowed = |address: IpAddr| allowed.iter().any(|network| network.contains(&address));
    if is_allowed(address) || inside.is_some_and(is_allowed) {
        return Ok(());
    }
    let what = match inside.unwrap_or(address) {
        IpAddr::V4(v4) => special_v4(v4, kind),
        IpAddr::V6(v6) => special_v6(v6, kind),
    };
    what.map_or(Ok(()), |what| Err(RefusedAddress { address, what }))
}

/// The IPv4 address that an IPv6 address leads to: IPv4-mapped, NAT64 (RFC 6052), 6to4 (RFC 3056).
fn embedded(address: IpAddr) -> Option<IpAddr> {
    let IpAddr::V6(v6) = address else { return None };
    let v4 = |high: u16, low: u16| Some(IpAddr::V4(((u32::from(high) << 16) | u32::from(low)).into()));
    match v6.segments() {
        [0, 0, 0, 0, 0, 0xffff, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x2002, high, low, ..] => v4(high, low),
        _ => None,
    }
}

fn special_v4(address: Ipv4Addr, kind: HostKind) -> Option<&'static str> {
    match address.octets() {
        [0 | 127, ..] | [169, 254, ..] => Some(LOCAL),
        _ if address == AZURE => Some(METADATA),
        [100, 64..=127, ..] | [192, 0, 0, _] | [224..=255, ..] => Some(RESERVED),
        _ if address.is_private() && kind == HostKind::Foreign => Some(PRIVATE),
        _ => None,
    }
}

fn special_v6(address: Ipv6Addr, kind: HostKind) -> Option<&'static str> {
    let is_private = address.is_unique_local();
    match address.segments() {
        // The unspecified and the loopback address, and the old form of IPv4 within IPv6.
        [0, 0, 0, 0, 0, 0, ..] | [0xfe80..=0xfebf, ..] => Some(LOCAL),
        _ if address == AWS => Some(METADATA),
        // Multicast, site-local, a network's own NAT64 prefix (RFC 8215), and Teredo: what is inside is not known.
        [0xfec0..=0xffff, ..] | [0x64, 0xff9b, 1, ..] | [0x2001, 0, ..] => Some(RESERVED),
        _ if is_private && kind == HostKind::Foreign => Some(PRIVATE),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{HostKind, judge_address};
    use rstest::rstest;

    fn judged(address: &str, kind: HostKind, allowed: &[&str]) -> bool {
        let allowed: Vec<_> = allowed.iter().map(|network| network.parse().unwrap()).collect();
        judge_address(address.parse().unwrap(), kind, &allowed).is_ok()
    }

    /// Whether a named and a foreign host may be at the address.
    #[rstest]
    #[case("8.8.8.8", true, true)]
    #[case("172.15.255.255", true, true)]
    #[case("172.32.0.1", true, true)]
    #[case("100.63.255.255", true, true)]
    #[case("100.128.0.0", true, true)]
    #[case("192.0.1.1", true, true)]
    #[case("223.255.255.255", true, true)]
    #[case("168.63.129.15", true, true)]
    #[case("2606:4700::1111", true, true)]
    #[case("10.0.0.1", true, false)]
    #[case("172.16.0.1", true, false)]
    #[case("172.31.255.255", true, false)]
    #[case("192.168.1.1", true, false)]
    #[case("fc00::1", true, false)]
    #[case("fdff:ffff::1", true, false)]
    #[case("::ffff:10.0.0.1", true, false)]
    #[case("64:ff9b::10.0.0.1", true, false)]
    #[case("::ffff:8.8.8.8", true, true)]
    #[case("64:ff9b::8.8.8.8", true, true)]
    #[case("127.0.0.1", false, false)]
    #[case("127.255.255.254", false, false)]
    #[case("0.0.0.0", false, false)]
    #[case("0.1.2.3", false, false)]
    #[case("169.254.169.254", false, false)]
    #[case("100.64.0.1", false, false)]
    #[case("100.127.255.255", false, false)]
    #[case("192.0.0.170", false, false)]
    #[case("224.0.0.1", false, false)]
    #[case("240.0.0.1", false, false)]
    #[case("255.255.255.255", false, false)]
    #[case("168.63.129.16", false, false)]
    #[case("::", false, false)]
    #[case("::1", false, false)]
    #[case("::127.0.0.1", false, false)]
    #[case("fe80::1", false, false)]
    #[case("fec0::1", false, false)]
    #[case("ff02::1", false, false)]
    #[case("fd00:ec2::254", false, false)]
    #[case("::ffff:127.0.0.1", false, false)]
    #[case("::ffff:169.254.169.254", false, false)]
    #[case("::ffff:168.63.129.16", false, false)]
    #[case("64:ff9b::127.0.0.1", false, false)]
    #[case("64:ff9b::169.254.169.254", false, false)]
    #[case("64:ff9b:1::1", false, false)]
    #[case("2002:7f00:1::", false, false)]
    #[case("2001:0:1::1", false, false)]
    fn every_range_is_judged(#[case] address: &str, #[case] named: bool, #[case] foreign: bool) {
        assert_eq!(judged(address, HostKind::Named, &[]), named, "named {address}");
        assert_eq!(judged(address, HostKind::Foreign, &[]), foreign, "foreign {address}");
    }

    #[rstest]
    #[case("127.0.0.1", "127.0.0.0/8", true)]
    #[case("127.0.0.1", "127.0.0.2/32", false)]
    #[case("::ffff:127.0.0.1", "127.0.0.0/8", true)]
    #[case("64:ff9b::a00:1", "10.0.0.0/8", true)]
    #[case("169.254.169.254", "169.254.0.0/16", true)]
    #[case("::1", "::1/128", true)]
    #[case("::1", "0.0.0.0/0", false)]
    #[case("10.0.0.1", "10.0.0.0/8", true)]
    fn networks_can_be_allowed(#[case] address: &str, #[case] network: &str, #[case] allowed: bool) {
        assert_eq!(judged(address, HostKind::Foreign, &[network]), allowed);
    }
}
