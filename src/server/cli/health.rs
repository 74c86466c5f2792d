//! `health`: asks the server of this configuration whether it may issue, for supervisors without a
//! shell or an HTTP client.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::time::Duration;

use nix::sys::socket::{setsockopt, sockopt};
use nix::sys::time::{TimeVal, TimeValLike};

use super::exit::{Exit, Failure};
use super::running;
use crate::config::{Config, ConfigErrors, Environment, Flags, Listen};
use crate::http::connect_unix;

/// How long the server may take for each step.
const PATIENCE: Duration = Duration::from_secs(3);
/// More bytes than any answer of `/health` has.
const MOST: u64 = 64 * 1024;

/// Prints what `/health` says; the exit code tells whether the shard may issue.
pub(super) fn run(
    flags: &Flags,
    environment: &Environment,
    out: &mut dyn Write,
) -> Result<Exit, Failure> {
    let address = beside(flags, environment).map_or_else(|| address(flags, environment), Ok)?;
    let answer = ask(&address, PATIENCE)?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    writeln!(out, "{}", body.trim_end())?;
    let well = head.split(' ').nth(1) == Some("200");
    Ok(if well { Exit::Ok } else { Exit::Unavailable })
}

/// The address of the server that runs beside this command, by the flags that only the server was given.
fn beside(flags: &Flags, environment: &Environment) -> Option<Listen> {
    let untold = *flags == Flags::default();
    address(&untold.then(running::flags)??, environment).ok()
}

/// The address of the server of this configuration. Its shard number may be known to the service alone,
/// and is needed only where the address depends on it.
fn address(flags: &Flags, environment: &Environment) -> Result<Listen, ConfigErrors> {
    let listen = |flags: &Flags| {
        let mut config = Config::load(flags, environment)?;
        // The others lead to the same shard.
        Ok(config.http.listen.swap_remove(0))
    };
    let numbered = |number: &str| {
        listen(&Flags {
            shard_id: Some(number.to_owned()),
            ..flags.clone()
        })
    };
    listen(flags).or_else(
        |errors: ConfigErrors| match (numbered("0"), numbered("1")) {
            (Ok(address), Ok(other)) if address == other => Ok(address),
            _ => Err(errors),
        },
    )
}

/// The answer of the server at `address` to `/health`, if each step takes no longer than `patience`.
fn ask(address: &Listen, patience: Duration) -> Result<String, Failure> {
    let name = || address.to_string();
    let unreachable = |source| Failure::Unreachable {
        address: name(),
        source,
    };
    let over_tcp = |address: SocketAddr| -> Result<_, Failure> {
        let stream = TcpStream::connect_timeout(&address, patience);
        Ok(exchange(stream.map_err(unreachable)?, patience))
    };
    let answer = match address {
        Listen::Tcp(tcp) => over_tcp(reachable(*tcp))?,
        // Those of IPv4 are there with those of IPv6 and without.
        Listen::All(port) => over_tcp((Ipv4Addr::LOCALHOST, *port).into())?,
        Listen::Unix(path) => match connect_unix(path) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                return Err(Failure::Crowded { address: name() });
            }
            stream => exchange(stream.map_err(unreachable)?, patience),
        },
    };
    answer.map_err(|error| match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => Failure::Silent {
            address: name(),
            patience,
        },
        _ => unreachable(error),
    })
}

fn exchange(mut stream: impl Read + Write + AsFd, patience: Duration) -> io::Result<String> {
    let limit = TimeVal::microseconds(i64::try_from(patience.as_micros()).unwrap_or(i64::MAX));
    setsockopt(&stream, sockopt::ReceiveTimeout, &limit)?;
    setsockopt(&stream, sockopt::SendTimeout, &limit)?;
    stream.write_all(
        b"GET /health HTTP/1.1\r\nhost: localhost\r\naccept: text/plain\r\nconnection: close\r\n\r\n",
    )?;
    let mut answer = String::new();
    stream.take(MOST).read_to_string(&mut answer)?;
    Ok(answer)
}

/// An address to connect to, where all of this host's are listened on.
const fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        other => other,
    };
    SocketAddr::new(ip, address.port())
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use nix::sys::socket::{Backlog, listen};

    use super::*;

    #[test]
    fn a_number_is_needed_only_where_the_address_depends_on_it() {
        let of = |listen: &str, number: Option<&str>| {
            let mut variables = vec![("HOME", "/root"), ("SHARDFLAKE_HTTP__LISTEN", listen)];
            variables.extend(number.map(|number| ("SHARD_ID", number)));
            let found = address(&Flags::default(), &Environment::new(variables));
            found.ok().map(|address| address.to_string())
        };
        let plain = "127.0.0.1:7001";
        assert_eq!(of(plain, None).as_deref(), Some(plain));
        assert_eq!(of("127.0.0.1:7000+N", None), None);
        let seventh = Some("127.0.0.1:7007");
        assert_eq!(of("127.0.0.1:7000+N", Some("7")).as_deref(), seventh);
        assert_eq!(of("nowhere", None), None);
    }

    #[test]
    fn a_server_that_does_not_get_on_is_told_from_none() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("s.sock");
        let patience = Duration::from_millis(20);
        let ask = || {
            let failure = ask(&Listen::Unix(path.clone()), patience).unwrap_err();
            assert_eq!(Exit::from(&failure), Exit::Unavailable);
            failure.to_string()
        };
        assert!(ask().contains("no server answers at "));
        // Its queue takes this connection, and nobody accepts it.
        let listener = UnixListener::bind(&path).unwrap();
        let silent = ask();
        assert!(silent.contains("did not answer within 20ms"), "{silent}");
        listen(&listener, Backlog::new(0).unwrap()).unwrap();
        let mut queue = Vec::new();
        while let Ok(stream) = connect_unix(&path) {
            queue.push(stream);
            assert!(queue.len() < 1000, "the queue is never full");
        }
        let full = ask();
        assert!(
            full.contains("the queue") && full.contains("is full"),
            "{full}"
        );

        let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = Listen::Tcp(tcp.local_addr().unwrap());
        let silent = super::ask(&address, patience).unwrap_err().to_string();
        assert!(silent.contains("did not answer within 20ms"), "{silent}");
    }

    #[test]
    fn all_addresses_are_reached_at_the_loopback() {
        for (listen, reached) in [
            ("0.0.0.0:7001", "127.0.0.1:7001"),
            ("[::]:80", "[::1]:80"),
            ("10.0.0.7:7001", "10.0.0.7:7001"),
        ] {
            assert_eq!(reachable(listen.parse().unwrap()).to_string(), reached);
        }
    }
}
