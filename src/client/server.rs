//! Addresses of servers.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Server {
    /// A host, by name or address, and a port: `HOST:PORT`. A name is looked up for each connection.
    Tcp(String),
    /// A Unix socket.
    Unix(PathBuf),
}

/// Why a text is not the address of a server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no server: {reason}; write HOST:PORT, http://HOST:PORT or unix:/PATH")]
pub struct NoServer {
    /// What was given.
    pub text: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

impl FromStr for Server {
    type Err = NoServer;

    fn from_str(text: &str) -> Result<Self, NoServer> {
        let path = text.strip_prefix("unix:").unwrap_or(text);
        let server = if path.starts_with('/') {
            Ok(Self::Unix(path.into()))
        } else if path.len() < text.len() {
            Err("the path of a Unix socket begins with a slash")
        } else {
            let address = text.strip_prefix("http://").unwrap_or(text);
            // What stands before a path, if there is an empty one.
            let address = address.strip_suffix('/').unwrap_or(address);
            check(address).map(|()| Self::Tcp(address.to_owned()))
        };
        server.map_err(|reason| NoServer {
            text: text.to_owned(),
            reason,
        })
    }
}

/// Looks whether that is a host and a port. It is sent in a header, where other signs could do harm.
fn check(address: &str) -> Result<(), &'static str> {
    if address.starts_with("https://") {
        return Err("TLS is not spoken");
    }
    let (host, port) = address.rsplit_once(':').ok_or("it has no port")?;
    if !port.parse::<u16>().is_ok_and(|port| port > 0) {
        return Err("the port is not a number from 1 to 65535");
    }
    let inside = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    if let Some(inside) = inside {
        let is_address = inside.parse::<std::net::Ipv6Addr>().is_ok();
        return is_address
            .then_some(())
            .ok_or("no IPv6 address is in the brackets");
    }
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    if host.is_empty() || !host.bytes().all(is_name) {
        return Err("the host is not a name or an address");
    }
    Ok(())
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => f.write_str(address),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_read_and_written() {
        for (text, written) in [
            ("localhost:7001", "localhost:7001"),
            ("http://10.0.0.1:7001", "10.0.0.1:7001"),
            ("http://ids_a.example:80/", "ids_a.example:80"),
            ("[::1]:7001", "[::1]:7001"),
            ("/run/shardflake/1.sock", "unix:/run/shardflake/1.sock"),
            ("unix:/run/shardflake/1.sock", "unix:/run/shardflake/1.sock"),
        ] {
            let server: Server = text.parse().unwrap();
            assert_eq!(server.to_string(), written);
        }
    }

    #[test]
    fn what_is_no_server_is_told() {
        for (text, reason) in [
            ("localhost", "no port"),
            ("https://localhost:7001", "TLS"),
            ("localhost:0", "port is not"),
            ("localhost:70000", "port is not"),
            (":7001", "host is not"),
            ("a b:7001", "host is not"),
            ("a\r\nb:7001", "host is not"),
            ("::1:7001", "host is not"),
            ("[::x]:7001", "IPv6"),
            ("http://a:7001/ids", "port is not"),
            ("unix:run.sock", "slash"),
        ] {
            let error = text.parse::<Server>().unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        }
    }
}
