//! Functions of addresses, networks and URLs.

use std::sync::Arc;

use crate::cel::network::{self, Network};
use crate::cel::url::Url;
use crate::cel::value::{Failure, Key, Outcome, Value};

/// A function that reads a text; none if there is none of that name here.
pub fn parse(name: &str, text: &str) -> Option<Outcome> {
    Some(match name {
        "url" => Url::parse(text).map(|url| Value::Url(Arc::new(url))),
        "isURL" => Ok(Url::checked(text).is_ok().into()),
        "ip" => network::address(text).map(Value::Ip),
        "isIP" => Ok(network::address(text).is_ok().into()),
        "ip.isCanonical" => network::address(text).map(|address| (address.to_string() == text).into()),
        "cidr" => network::network(text).map(Value::Cidr),
        "isCIDR" => Ok(network::network(text).is_ok().into()),
        _ => return None,
    })
}

/// A function that is called on a URL, an address or a network; none if there is none of that name here.
pub fn call(name: &str, arguments: &[Value]) -> Option<Outcome> {
    Some(match (name, arguments) {
        (_, [Value::Url(url)]) => return of_url(name, url),
        ("family", [Value::Ip(address)]) => Ok(Value::Int(if address.is_ipv4() { 4 } else { 6 })),
        ("isUnspecified", [Value::Ip(address)]) => Ok(address.is_unspecified().into()),
        ("isLoopback", [Value::Ip(address)]) => Ok(address.is_loopback().into()),
        ("isGlobalUnicast", [Value::Ip(address)]) => Ok(network::is_global(*address).into()),
        ("isLinkLocalUnicast", [Value::Ip(address)]) => Ok(network::is_link_local(*address).into()),
        ("isLinkLocalMulticast", [Value::Ip(address)]) => {
            Ok(network::is_link_local_multicast(*address).into())
        }
        ("ip", [Value::Cidr(network)]) => Ok(Value::Ip(network.address)),
        ("prefixLength", [Value::Cidr(network)]) => Ok(Value::Int(network.bits.into())),
        ("masked", [Value::Cidr(network)]) => Ok(Value::Cidr(network.masked())),
        (_, [Value::Cidr(network), other]) => return contains(name, *network, other),
        _ => return None,
    })
}

fn of_url(name: &str, url: &Url) -> Option<Outcome> {
    Some(Ok(match name {
        "getScheme" => url.scheme.as_str().into(),
        "getHost" => url.host.as_str().into(),
        "getHostname" => url.hostname().into(),
        "getPort" => url.port().into(),
        "getEscapedPath" => url.path.as_str().into(),
        "getQuery" => {
            let member = |(name, values): (String, Vec<String>)| {
                (Key::String(name.into()), values.into_iter().collect::<Value>())
            };
            Value::Map(Arc::new(url.query().into_iter().map(member).collect()))
        }
        _ => return None,
    }))
}

fn contains(name: &str, network: Network, other: &Value) -> Option<Outcome> {
    Some(match (name, other) {
        ("containsIP", Value::Ip(address)) => Ok(network.contains(*address).into()),
        // What cannot be read is no address.
        ("containsIP", Value::String(text)) => match network::address(text) {
            Ok(address) => Ok(network.contains(address).into()),
            Err(_) => Err(Failure::no_overload()),
        },
        ("containsCIDR", Value::Cidr(other)) => Ok(network.contains_network(*other).into()),
        ("containsCIDR", Value::String(text)) => {
            network::network(text).map(|other| network.contains_network(other).into())
        }
        _ => return None,
    })
}
