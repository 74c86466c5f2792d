//! The addresses that the server listens on.

use std::fmt;
use std::net::{IpAddr, SocketAddr, SocketAddrV4};
use std::path::PathBuf;
use std::str::FromStr;

use super::error::ValueError;

/// The kernel keeps a socket's path in 108 bytes, the closing zero among them.
const MAX_PATH_BYTES: usize = 107;

/// An address that the server listens on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Listen {
    /// A TCP address; port 0 takes a free port.
    Tcp(SocketAddr),
    /// A TCP port of all addresses, of IPv4 and of IPv6 where this host has it.
    All(u16),
    /// A Unix socket at an absolute path.
    Unix(PathBuf),
}

impl Listen {
    /// Whether this stands for all addresses of the host, and `other` is one of them: nobody can listen on
    /// both. All of IPv4 can be had beside all of IPv6.
    pub(super) fn covers(&self, other: &Self) -> bool {
        let (all, one) = match (self, other) {
            (Self::Tcp(all), Self::Tcp(one)) => (all, one),
            (Self::All(port), Self::Tcp(one)) => return *port == one.port() && *port != 0,
            _ => return false,
        };
        all.ip().is_unspecified()
            && all.ip() != one.ip()
            && all.is_ipv4() == one.is_ipv4()
            && all.port() == one.port()
            && all.port() != 0
    }

    /// Reads an address as [`FromStr`] does, and two more forms: one without a port, which gets `own`; and
    /// one with a port that ends in `+N`, to which `shard` is added, so that servers with one configuration
    /// listen on ports of their own.
    pub(super) fn of_server(text: &str, shard: u32, own: u16) -> Result<Self, ValueError> {
        if text == "*" {
            return Ok(Self::All(own));
        }
        if let Some(ip) = address_alone(text) {
            return Ok(Self::Tcp(SocketAddr::new(ip, own)));
        }
        let base = text.strip_suffix("+N").map(str::parse);
        let shifted = |port: u16| {
            let sum = u32::from(port).saturating_add(shard);
            let sum = u16::try_from(sum).ok().filter(|_| port != 0);
            sum.ok_or_else(|| ValueError::ShardPort {
                address: text.to_owned(),
                shard,
            })
        };
        match base {
            Some(Ok(Self::All(port))) => shifted(port).map(Self::All),
            Some(Ok(Self::Tcp(address))) => {
                let port = shifted(address.port())?;
                Ok(Self::Tcp(SocketAddr::new(address.ip(), port)))
            }
            // A path may end like that as well.
            _ => text.parse(),
        }
    }
}

impl FromStr for Listen {
    type Err = ValueError;

    /// Reads `ip:port`, `[ip6]:port`, `*:port`, `unix:/path` or an absolute path.
    fn from_str(text: &str) -> Result<Self, ValueError> {
        let path = text.strip_prefix("unix:").unwrap_or(text);
        if path.starts_with('/') {
            return unix(path);
        }
        if path != text {
            return Err(ValueError::SocketPath(path.to_owned()));
        }
        let refuse = |_| ValueError::Address(text.to_owned());
        if let Some(port) = text.strip_prefix("*:") {
            // As strict as where an address stands before the port.
            let any = format!("0.0.0.0:{port}").parse::<SocketAddrV4>();
            return any.map(|any| Self::All(any.port())).map_err(refuse);
        }
        text.parse().map(Self::Tcp).map_err(refuse)
    }
}

/// An IP address without a port. One of IPv6 stands in brackets: without them, `::1:80` would be one.
fn address_alone(text: &str) -> Option<IpAddr> {
    let inner = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    inner.map_or_else(
        || text.parse().ok().map(IpAddr::V4),
        |inner| inner.parse().ok().map(IpAddr::V6),
    )
}

fn unix(path: &str) -> Result<Listen, ValueError> {
    if path.len() > MAX_PATH_BYTES || path.contains('\0') || path.ends_with('/') {
        return Err(ValueError::SocketPath(path.to_owned()));
    }
    Ok(Listen::Unix(PathBuf::from(path)))
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "{address}"),
            Self::All(port) => write!(f, "*:{port}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adds_the_shard_to_a_port() {
        for (text, written) in [
            ("127.0.0.1:7000+N", "127.0.0.1:7016"),
            ("[::1]:65519+N", "[::1]:65535"),
            ("127.0.0.1:7000", "127.0.0.1:7000"),
            ("*:7000+N", "*:7016"),
            ("/run/a+N", "unix:/run/a+N"),
            ("unix:/run/1:7000+N", "unix:/run/1:7000+N"),
        ] {
            let read = Listen::of_server(text, 16, 80).unwrap();
            assert_eq!(read.to_string(), written);
        }
        for text in ["[::1]:65520+N", "127.0.0.1:0+N", "*:65520+N", "*:0+N"] {
            let address = text.to_owned();
            let error = ValueError::ShardPort { address, shard: 16 };
            assert_eq!(Listen::of_server(text, 16, 80), Err(error));
        }
        for text in [
            "127.0.0.1:+N",
            "127.0.0.1+N",
            "+N",
            "127.0.0.1:7000+n",
            "127.0.0.1:7000+1",
        ] {
            let error = ValueError::Address(text.to_owned());
            assert_eq!(Listen::of_server(text, 16, 80), Err(error));
        }
    }

    #[test]
    fn an_address_alone_gets_the_servers_own_port() {
        for (text, written) in [
            ("0.0.0.0", "0.0.0.0:8080"),
            ("127.0.0.1", "127.0.0.1:8080"),
            ("[::]", "[::]:8080"),
            ("*", "*:8080"),
            ("*:80", "*:80"),
            ("0.0.0.0:80", "0.0.0.0:80"),
            ("[::1]:80", "[::1]:80"),
        ] {
            let read = Listen::of_server(text, 16, 8080).unwrap();
            assert_eq!(read.to_string(), written);
        }
        for text in [
            "::",
            "::1",
            "::1:80",
            "[0.0.0.0]",
            "[::",
            "::]",
            "[]",
            "0.0.0",
            " 0.0.0.0",
            "localhost",
        ] {
            let error = ValueError::Address(text.to_owned());
            assert_eq!(Listen::of_server(text, 16, 8080), Err(error));
        }
    }

    #[test]
    fn reads_addresses_and_paths() {
        for (text, written) in [
            ("127.0.0.1:7001", "127.0.0.1:7001"),
            ("[::1]:0", "[::1]:0"),
            ("unix:/run/s.sock", "unix:/run/s.sock"),
            ("/run/s.sock", "unix:/run/s.sock"),
            ("*:0", "*:0"),
        ] {
            assert_eq!(text.parse::<Listen>().unwrap().to_string(), written);
        }
    }

    #[test]
    fn refuses_what_is_neither() {
        for text in [
            "",
            "7001",
            ":7001",
            "localhost:7001",
            "::1:7001",
            "127.0.0.1",
            "127.0.0.1:65536",
            "127.0.0.1:+1",
            "http://127.0.0.1:7001",
            " 127.0.0.1:7001",
            "*",
            "*:",
            "*:+1",
            "*:65536",
            "* :1",
            "./s.sock",
        ] {
            let error = text.parse::<Listen>().unwrap_err();
            assert_eq!(error, ValueError::Address(text.to_owned()));
            assert!(error.to_string().contains("127.0.0.1:7001"), "{error}");
        }
        let long = format!("/{}", "x".repeat(107));
        for text in ["unix:run/s.sock", "unix:", "/run/", "/a\0b", &long] {
            let error = text.parse::<Listen>().unwrap_err();
            assert!(matches!(error, ValueError::SocketPath(_)), "{text}");
            assert!(error.to_string().contains("at most 107 bytes"), "{error}");
        }
        assert!(long[..107].parse::<Listen>().is_ok());
    }
}
