//! The Host header, which says for whom a request is meant. Nothing here depends on it; but whoever stands
//! in front may go by one of two where we would go by the other, or by what is none.

use std::net::Ipv6Addr;

use hyper::Version;
use hyper::header::HOST;
use hyper::http::request::Parts;

use super::error::Error;
use super::negotiation::shorten;

/// Refuses a request with two, a malformed one, or none where HTTP wants one.
#[inline]
pub(super) fn check(request: &Parts) -> Result<(), Error> {
    let mut hosts = request.headers.get_all(HOST).iter();
    let seen = match (hosts.next(), hosts.next()) {
        (Some(host), None) if is_host(host.as_bytes()) => return Ok(()),
        (None, _) if request.version < Version::HTTP_11 => return Ok(()),
        (None, _) => "none".to_owned(),
        (Some(_), Some(_)) => "more than one".to_owned(),
        (Some(host), None) => {
            format!("{:?}", shorten(&String::from_utf8_lossy(host.as_bytes())))
        }
    };
    Err(Error::Host { seen })
}

/// Whether `text` is a name or an address, and a port or none. All of it may be missing: a client that
/// has no name for us says so.
fn is_host(text: &[u8]) -> bool {
    if let Some(inner) = text.strip_prefix(b"[") {
        let Some(end) = inner.iter().position(|byte| *byte == b']') else {
            return false;
        };
        let address = &inner[..end];
        return (is_address(address) || is_future(address)) && is_port(&inner[end + 1..]);
    }
    let end = text.iter().position(|byte| !is_of_name(*byte));
    let end = end.unwrap_or(text.len());
    is_port(&text[end..])
}

/// Nothing, or a colon and a port; that may be missing as well.
fn is_port(text: &[u8]) -> bool {
    match text {
        [] => true,
        [b':', digits @ ..] => {
            digits.iter().all(u8::is_ascii_digit)
                && str::from_utf8(digits)
                    .is_ok_and(|digits| digits.is_empty() || digits.parse::<u16>().is_ok())
        }
        _ => false,
    }
}

/// What a registered name is made of; a percent sign without its two digits passes.
const fn is_of_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'-' | b'.'
                | b'_'
                | b'~'
                | b'%'
                | b'!'
                | b'$'
                | b'&'
                | b'\''
                | b'('
                | b')'
                | b'*'
                | b'+'
                | b','
                | b';'
                | b'='
        )
}

/// Of the sixth version, with a zone or without.
fn is_address(text: &[u8]) -> bool {
    let Ok(text) = str::from_utf8(text) else {
        return false;
    };
    let (address, zone) = text.split_once('%').unwrap_or((text, "0"));
    address.parse::<Ipv6Addr>().is_ok() && !zone.is_empty() && zone.bytes().all(is_of_name)
}

/// An address of a version to come, as RFC 3986 leaves room for.
fn is_future(text: &[u8]) -> bool {
    let [b'v' | b'V', rest @ ..] = text else {
        return false;
    };
    let Some(end) = rest.iter().position(|byte| *byte == b'.') else {
        return false;
    };
    let (version, address) = (&rest[..end], &rest[end + 1..]);
    let is_of_address = |byte: &u8| *byte == b':' || *byte != b'%' && is_of_name(*byte);
    let is_version = !version.is_empty() && version.iter().all(u8::is_ascii_hexdigit);
    is_version && !address.is_empty() && address.iter().all(is_of_address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_names_and_addresses_with_a_port_or_none() {
        for host in [
            "",
            "localhost",
            "localhost:7001",
            "localhost:",
            ":7001",
            "ids.example.org:65535",
            "ids.example.org.",
            "my_service",
            "a%20b",
            "xn--bcher-kva.example",
            "127.0.0.1:80",
            "[::1]",
            "[::1]:7001",
            "[2001:db8::7]:",
            "[::ffff:10.0.0.1]:80",
            "[fe80::1%25eth0]:80",
            "[v1.fe80::a+en1]:80",
            "[vF.a]",
            "%2Frun%2Fshardflake.sock",
        ] {
            assert!(is_host(host.as_bytes()), "{host}");
        }
    }

    #[test]
    fn what_else_there_is_is_none() {
        for host in [
            "a b",
            "a, b",
            "a/b",
            "/",
            "http://a",
            "me@a",
            "a?b",
            "a#b",
            "a\\b",
            "a\"b",
            "a<b>",
            "a\tb",
            "a:b",
            "a:-1",
            "a:+1",
            "a:65536",
            "a:99999999999999999999",
            "a:1:2",
            "::1",
            "[::1",
            "::1]",
            "[]",
            "[a]",
            "[v.a]",
            "[v1.]",
            "[vG.a]",
            "[v1a]",
            "[v1.a%25b]",
            "[127.0.0.1]",
            "[::1]7001",
            "[::1]:a",
            "[::1%]",
            "b\u{fc}cher.example",
        ] {
            assert!(!is_host(host.as_bytes()), "{host}");
        }
        assert!(!is_host(b"\xff"));
        assert!(!is_host(b"[\xff]"));
    }
}
