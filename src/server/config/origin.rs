//! Origins of web pages.

use std::net::Ipv6Addr;

use config::ValueKind;

use super::error::ValueError;
use super::value;

/// Origins as browsers send them, or `*` alone.
pub(super) fn read(kind: &ValueKind) -> Result<Vec<String>, ValueError> {
    let origins = match kind {
        ValueKind::String(text) if text.is_empty() => Vec::new(),
        kind => value::list(kind)?,
    };
    for (i, origin) in origins.iter().enumerate() {
        let alone = *origin == "*" && origins.len() == 1;
        if !(alone || is_origin(origin)) || origins[..i].contains(origin) {
            return Err(ValueError::Origin((*origin).to_owned()));
        }
    }
    Ok(origins.into_iter().map(str::to_owned).collect())
}

/// Whether browsers write an origin so. They write each in one way: one that differs in case, names a
/// default port or ends with a slash would never match.
fn is_origin(text: &str) -> bool {
    let Some((scheme, authority)) = text.split_once("://") else {
        return false;
    };
    // An address of IPv6 has colons of its own, in brackets.
    let end = authority.rfind(']').map_or(0, |bracket| bracket + 1);
    let (host, port) = match authority[end..].split_once(':') {
        Some((rest, port)) => (&authority[..end + rest.len()], Some(port)),
        None => (authority, None),
    };
    let is_needed = |port| match scheme {
        "http" => port != 80,
        "https" => port != 443,
        _ => true,
    };
    scheme.starts_with(|first: char| first.is_ascii_lowercase())
        && is_made_of(scheme, b"+-.")
        && is_host(host)
        && port.is_none_or(|port| value::port(port).is_ok_and(is_needed))
}

fn is_host(text: &str) -> bool {
    let Some(inner) = text.strip_prefix('[') else {
        return is_made_of(text, b"-._");
    };
    let inner = inner.strip_suffix(']').unwrap_or_default();
    let address = inner.parse::<Ipv6Addr>();
    address.is_ok_and(|address| address.to_string() == inner)
}

/// Whether it is made of small letters, digits and these others, at least one in all.
fn is_made_of(text: &str, others: &[u8]) -> bool {
    let fits =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || others.contains(&byte);
    !text.is_empty() && text.bytes().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_written_as_browsers_do() {
        let read = |text: &str| super::read(&text.into());
        assert_eq!(read(""), Ok(Vec::new()));
        assert_eq!(super::read(&ValueKind::Array(Vec::new())), Ok(Vec::new()));
        for list in [
            "*",
            "https://example.org",
            "https://example.org, http://localhost:3000",
            "http://[::1]:8080,http://[2001:db8::1]",
            "https://xn--bcher-kva.example:80,http://10.0.0.1:443",
            "moz-extension://0a1b-2c,capacitor://localhost",
        ] {
            assert_eq!(
                read(list).map(|read| read.len()),
                Ok(list.split(',').count()),
                "{list}"
            );
        }
        for (list, wrong) in [
            ("*,https://example.org", "*"),
            ("*,*", "*"),
            ("https://a,https://a", "https://a"),
            ("https://a,", ""),
            ("null", "null"),
            ("example.org", "example.org"),
            ("https://", "https://"),
            ("://a", "://a"),
            ("1http://a", "1http://a"),
            ("https://example.org/", "https://example.org/"),
            ("https://Example.org", "https://Example.org"),
            ("HTTPS://example.org", "HTTPS://example.org"),
            ("https://example.org:443", "https://example.org:443"),
            ("http://example.org:80", "http://example.org:80"),
            ("https://example.org:", "https://example.org:"),
            ("https://example.org:x", "https://example.org:x"),
            ("https://*.example.org", "https://*.example.org"),
            ("https://me@example.org", "https://me@example.org"),
            ("https://b\u{fc}cher.example", "https://b\u{fc}cher.example"),
            ("http://[::1", "http://[::1"),
            ("http://[::0:1]", "http://[::0:1]"),
            ("http://[::1]x", "http://[::1]x"),
            ("http://::1", "http://::1"),
        ] {
            assert_eq!(
                read(list),
                Err(ValueError::Origin(wrong.to_owned())),
                "{list}"
            );
        }
        assert!(matches!(
            super::read(&ValueKind::Boolean(true)),
            Err(ValueError::List(_))
        ));
    }
}
