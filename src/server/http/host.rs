//! The Host header, which names the server that a request is meant for. Nothing here depends on it. But a
//! proxy in front may go by one of two Host headers where we would go by the other, or by a malformed one:
//! such requests are refused.

use std::net::Ipv6Addr;

use hyper::Version;

use super::error::Error;
use super::head::Head;
use super::negotiation::shorten;

/// Whether the request has one well-formed Host header, or none where HTTP/1.0 asks for none.
#[inline]
pub(super) fn is_sound(request: &Head<'_>) -> bool {
    match (request.host, request.hosts) {
        (Some(host), 1) => is_host(host.as_bytes()),
        (Some(_), _) => false,
        (None, _) => request.version < Version::HTTP_11,
    }
}

/// Refuses a request whose host is not sound.
pub(super) fn check(request: &Head<'_>) -> Result<(), Error> {
    if is_sound(request) {
        return Ok(());
    }
    let seen = match (request.host, request.hosts) {
        (None, _) => "none".to_owned(),
        (Some(host), 1) => {
            format!("{:?}", shorten(&String::from_utf8_lossy(host.as_bytes())))
        }
        (Some(_), _) => "more than one".to_owned(),
    };
    Err(Error::Host { seen })
}

/// Whether `text` is a name or an address, with a port or without. It may be empty: so a client says that
/// it has no name for us.
#[inline]
fn is_host(text: &[u8]) -> bool {
    if text.starts_with(b"[") {
        return is_bracketed(text);
    }
    let is_of_name = |byte: &u8| IS_OF_NAME[usize::from(*byte)];
    let mut rest = text;
    // Four at a time, as long as all four belong to a name.
    while let [a, b, c, d, more @ ..] = rest
        && is_of_name(a) & is_of_name(b) & is_of_name(c) & is_of_name(d)
    {
        rest = more;
    }
    while let [next, more @ ..] = rest
        && is_of_name(next)
    {
        rest = more;
    }
    is_port(rest)
}

fn is_bracketed(text: &[u8]) -> bool {
    let Some(end) = text.iter().position(|byte| *byte == b']') else {
        return false;
    };
    let address = &text[1..end];
    is_port(&text[end + 1..]) && (is_address(address) || is_future(address))
}

/// Whether `text` is empty, or a colon with a port or without.
#[inline]
fn is_port(text: &[u8]) -> bool {
    let digits = match text {
        [] => return true,
        [b':', digits @ ..] => digits,
        _ => return false,
    };
    let mut port = 0;
    for byte in digits {
        let digit = byte.wrapping_sub(b'0');
        port = port * 10 + u32::from(digit);
        if digit > 9 || port > u32::from(u16::MAX) {
            return false;
        }
    }
    true
}

/// [`is_of_name`] of each byte: every request has its host looked at.
const IS_OF_NAME: [bool; 256] = {
    let mut all = [false; 256];
    let mut byte = 0;
    while byte < u8::MAX {
        all[byte as usize] = is_of_name(byte);
        byte += 1;
    }
    all
};

/// Whether a registered name may hold `byte`; a percent sign passes without its two digits too.
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

/// Whether `text` is an IPv6 address, with a zone or without.
fn is_address(text: &[u8]) -> bool {
    let Ok(text) = str::from_utf8(text) else {
        return false;
    };
    let (address, zone) = text.split_once('%').unwrap_or((text, "0"));
    address.parse::<Ipv6Addr>().is_ok() && !zone.is_empty() && zone.bytes().all(is_of_name)
}

/// Whether `text` is an address of a later version, as RFC 3986 leaves room for.
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
