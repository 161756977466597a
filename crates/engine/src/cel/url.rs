//! URLs, as Go reads them.

use std::collections::BTreeMap;

use super::network::address_in_brackets;
use super::print::quote;
use super::value::{Failure, Outcome};

/// A URL in pieces.
#[derive(Clone, Debug)]
pub struct Url {
    /// As it was written.
    pub text: String,
    pub scheme: String,
    /// With the port.
    pub host: String,
    /// With its escapes.
    pub path: String,
    query: String,
}

impl Url {
    /// Reads an absolute URL or an absolute path.
    ///
    /// # Errors
    /// What Kubernetes says of a text that is none.
    pub fn parse(text: &str) -> Outcome<Self> {
        let prefix = "URL parse error during conversion from string: ";
        Self::checked(text).map_err(|fault| Failure::new(format!("{prefix}{fault}")))
    }

    /// The same, with Go's words.
    ///
    /// # Errors
    /// What Go says.
    pub fn checked(text: &str) -> Result<Self, String> {
        // A request has no fragment, so `#` is a character of it at first.
        Self::of_request(text)?;
        let plain = text.split_once('#').map_or(text, |(plain, _)| plain);
        let mut url = read(plain, false).map_err(|fault| refused(text, &fault))?;
        text.clone_into(&mut url.text);
        Ok(url)
    }

    /// Reads what stands in a request: an absolute URL or an absolute path, of which `#` is a character.
    ///
    /// # Errors
    /// What Go says (`net/url.ParseRequestURI`).
    pub fn of_request(text: &str) -> Result<Self, String> {
        read(text, true).map_err(|fault| refused(text, &fault))
    }

    /// The host without port and brackets.
    pub fn hostname(&self) -> &str {
        let host =
            self.host.strip_suffix(self.port()).and_then(|host| host.strip_suffix(':')).unwrap_or(&self.host);
        host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
    }

    /// The port; empty without one.
    pub fn port(&self) -> &str {
        match self.host.rsplit_once(':') {
            Some((_, port)) if port.chars().all(|c| c.is_ascii_digit()) => port,
            _ => "",
        }
    }

    /// The values of each name in the query. What is malformed is left out.
    pub fn query(&self) -> BTreeMap<String, Vec<String>> {
        let mut values: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for pair in self.query.split('&').filter(|pair| !pair.is_empty() && !pair.contains(';')) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            if let (Ok(name), Ok(value)) = (unescape(name, Part::Query), unescape(value, Part::Query)) {
                values.entry(name).or_default().push(value);
            }
        }
        values
    }
}

fn refused(text: &str, fault: &str) -> String {
    format!("parse {}: {fault}", quote(text))
}

fn read(text: &str, is_request: bool) -> Result<Url, String> {
    if text.chars().any(|c| c < ' ' || c == '\u{7f}') {
        return Err("net/url: invalid control character in URL".to_owned());
    }
    if text.is_empty() && is_request {
        return Err("empty url".to_owned());
    }
    let mut url = Url {
        text: String::new(),
        scheme: String::new(),
        host: String::new(),
        path: String::new(),
        query: String::new(),
    };
    if text == "*" {
        "*".clone_into(&mut url.path);
        return Ok(url);
    }
    let (scheme, rest) = scheme(text)?;
    url.scheme = scheme.to_lowercase();
    let (mut rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    query.clone_into(&mut url.query);
    if !rest.starts_with('/') {
        return match (scheme.is_empty(), is_request) {
            (false, _) => Ok(url),
            (true, true) => Err("invalid URI for request".to_owned()),
            (true, false) => {
                rest.clone_into(&mut url.path);
                Ok(url)
            }
        };
    }
    if let Some(authority) = rest.strip_prefix("//")
        && (!scheme.is_empty() || !is_request && !rest.starts_with("///"))
    {
        let end = authority.find('/').unwrap_or(authority.len());
        let (authority, path) = authority.split_at(end);
        url.host = authority_of(&url.scheme, authority)?;
        rest = path;
    }
    unescape(rest, Part::Path)?;
    url.path = escaped_path(rest);
    Ok(url)
}

fn scheme(text: &str) -> Result<(&str, &str), String> {
    for (at, c) in text.char_indices() {
        match c {
            'a'..='z' | 'A'..='Z' => {}
            '0'..='9' | '+' | '-' | '.' if at > 0 => {}
            ':' if at == 0 => return Err("missing protocol scheme".to_owned()),
            ':' => return Ok((&text[..at], &text[at + 1..])),
            _ => break,
        }
    }
    Ok(("", text))
}

fn authority_of(scheme: &str, authority: &str) -> Result<String, String> {
    let (user, host) =
        authority.rsplit_once('@').map_or((None, authority), |(user, host)| (Some(user), host));
    let host = host_of(scheme, host)?;
    if let Some(user) = user {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "-._:~!$&'()*+,;=%@".contains(c);
        if !user.chars().all(allowed) {
            return Err("net/url: invalid userinfo".to_owned());
        }
        unescape(user, Part::User)?;
    }
    Ok(host)
}

fn host_of(scheme: &str, host: &str) -> Result<String, String> {
    match host.rfind('[') {
        Some(0) => return bracketed(host),
        Some(_) => return Err("invalid IP-literal".to_owned()),
        None => {}
    }
    if let (Some(first), Some(last)) = (host.find(':'), host.rfind(':')) {
        let port = &host[if ["http", "https"].contains(&scheme) { first } else { last }..];
        check_port(port)?;
    }
    unescape(host, Part::Host)
}

/// An IPv6 address in brackets, perhaps with a zone.
fn bracketed(host: &str) -> Result<String, String> {
    let end = host.rfind(']').ok_or("missing ']' in host")?;
    let port = &host[end + 1..];
    check_port(port)?;
    let name = &host[1..end];
    let (plain, zone) = name.split_at(name.find("%25").unwrap_or(name.len()));
    let name = unescape(plain, Part::Host)? + &unescape(zone, Part::Zone)?;
    address_in_brackets(&name)?;
    Ok(format!("[{name}]{port}"))
}

fn check_port(port: &str) -> Result<(), String> {
    let digits = port.strip_prefix(':').map(|digits| digits.chars().all(|c| c.is_ascii_digit()));
    if port.is_empty() || digits == Some(true) {
        return Ok(());
    }
    Err(format!("invalid port {} after host", quote(port)))
}

/// Parts of a URL with rules of their own for escapes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Path,
    User,
    Host,
    Zone,
    Query,
}

fn unescape(text: &str, part: Part) -> Result<String, String> {
    let mut bytes = vec![];
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let mut length = c.len_utf8();
        match c {
            '%' => {
                bytes.push(escape(rest, part)?);
                length = 3;
            }
            '+' if part == Part::Query => bytes.push(b' '),
            _ if matches!(part, Part::Host | Part::Zone) && c.is_ascii() && !is_in_host(c) => {
                return Err(format!("invalid character {} in host name", quote(&c.to_string())));
            }
            _ => bytes.extend(rest[..length].bytes()),
        }
        rest = &rest[length..];
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The byte of an escape at the start of a text.
fn escape(text: &str, part: Part) -> Result<u8, String> {
    let end = text.char_indices().nth(3).map_or(text.len(), |(at, _)| at);
    let refused = || format!("invalid URL escape {}", quote(&text[..end]));
    let digits = text.get(1..3).filter(|digits| digits.chars().all(|c| c.is_ascii_hexdigit()));
    let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()).ok_or_else(refused)?;
    let allowed = match part {
        Part::Host => byte >= 0x80 || byte == b'%',
        Part::Zone => byte == b'%' || byte == b' ' || byte >= 0x80 || is_in_host(char::from(byte)),
        Part::Path | Part::User | Part::Query => true,
    };
    if allowed { Ok(byte) } else { Err(refused()) }
}

fn is_in_host(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-_.~!$&'()*+,;=:[]<>\"".contains(c)
}

/// A path with escapes for what must have them, if it is not written with escapes that may stay.
fn escaped_path(path: &str) -> String {
    let may_stay = |c: char| c.is_ascii_alphanumeric() || "-_.~!$&'()*+,;=:@/[]%".contains(c);
    if path.chars().all(may_stay) {
        return path.to_owned();
    }
    let kept = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.~$&+,/:;=@".contains(byte);
    let bytes = unescape(path, Part::Path).unwrap_or_default().into_bytes();
    let escaped = |byte: &u8| if kept(byte) { char::from(*byte).to_string() } else { format!("%{byte:02X}") };
    bytes.iter().map(escaped).collect()
}
