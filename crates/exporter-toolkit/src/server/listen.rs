//! Listening sockets, as the ecosystem writes their addresses.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::str::FromStr;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 1024;

/// An address to listen on: `host:port`, `:port` (every address, IPv4 and IPv6) or `[v6]:port`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenAddress {
    /// `None` means every address.
    host: Option<String>,
    port: u16,
}

impl ListenAddress {
    /// The host, without the brackets of IPv6; `None` means every address.
    pub fn host(&self) -> Option<&str> {
        self.host.as_deref()
    }

    /// The port; 0 means any that is free.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The host in a URL on the same host; one for every address is reached by the loopback one.
    pub fn host_from_here(&self) -> String {
        match self.host().map(|host| (host, host.parse::<IpAddr>())) {
            None => Ipv4Addr::LOCALHOST.to_string(),
            Some((_, Ok(IpAddr::V4(ip)))) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.to_string(),
            Some((_, Ok(IpAddr::V6(ip)))) if ip.is_unspecified() => format!("[{}]", Ipv6Addr::LOCALHOST),
            Some((_, Ok(IpAddr::V6(ip)))) => format!("[{ip}]"),
            Some((host, _)) => host.to_owned(),
        }
    }
}

impl FromStr for ListenAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refusal =
            || format!("{text:?} is not an address to listen on; write it like :10871, 127.0.0.1:10871 or [::1]:10871");
        let (host, port) = text.rsplit_once(':').ok_or_else(refusal)?;
        let port = port.parse().map_err(|_| refusal())?;
        let host = match host.strip_prefix('[').map(|rest| rest.strip_suffix(']')) {
            Some(Some(v6)) if v6.parse::<Ipv6Addr>().is_ok() => Some(v6.to_owned()),
            Some(_) => return Err(refusal()),
            None if host.is_empty() => None,
            None if host.contains([':', '/', ' ']) => return Err(refusal()),
            None => Some(host.to_owned()),
        };
        Ok(Self { host, port })
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            None => write!(f, ":{}", self.port),
            Some(host) if host.contains(':') => write!(f, "[{host}]:{}", self.port),
            Some(host) => write!(f, "{host}:{}", self.port),
        }
    }
}

/// An address that cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {reason}; {cure}")]
pub struct ListenError {
    address: ListenAddress,
    reason: io::Error,
    cure: &'static str,
}

/// Opens a listening socket. Must be called within a tokio runtime.
///
/// # Errors
/// If the host has no such address, the port is taken or may not be used; the message says what to do.
pub fn listen(address: &ListenAddress) -> Result<TcpListener, ListenError> {
    open(address).map_err(|reason| ListenError {
        address: address.clone(),
        cure: cure(reason.kind()),
        reason,
    })
}

fn open(address: &ListenAddress) -> io::Result<TcpListener> {
    let Some(host) = &address.host else {
        // One socket for both families; a host without IPv6 gets the IPv4 one.
        let every_v6 = SocketAddr::from((Ipv6Addr::UNSPECIFIED, address.port));
        return match bind(every_v6) {
            Err(error)
                if error.kind() != io::ErrorKind::AddrInUse && error.kind() != io::ErrorKind::PermissionDenied =>
            {
                bind(SocketAddr::from((Ipv4Addr::UNSPECIFIED, address.port)))
            }
            result => result,
        };
    };
    let mut result = Err(io::Error::from(io::ErrorKind::AddrNotAvailable));
    for resolved in (host.as_str(), address.port).to_socket_addrs()? {
        result = bind(resolved);
        if result.is_ok() {
            break;
        }
    }
    result
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        // Said outright, because the default is the host's to choose.
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    // A restart must not wait for the last connections of the process before it.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

fn cure(kind: io::ErrorKind) -> &'static str {
    match kind {
        io::ErrorKind::AddrInUse => "another process has it: stop that one or choose another --web.listen-address",
        io::ErrorKind::PermissionDenied => {
            "this user may not: choose a port from 1024 up or grant CAP_NET_BIND_SERVICE"
        }
        _ => "choose an address that this host has",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ecosystems_forms_are_understood_and_written_back() {
        for text in [":10871", "127.0.0.1:0", "localhost:80", "[::1]:9100", "[::]:1"] {
            assert_eq!(text.parse::<ListenAddress>().unwrap().to_string(), text);
        }
        for text in [
            "",
            "10871",
            "host",
            "host:",
            ":port",
            ":65536",
            "::1:9100",
            "[::1]",
            "[host]:1",
            "a b:1",
            "http://x:1",
        ] {
            let refusal = text.parse::<ListenAddress>().unwrap_err();
            assert!(refusal.contains("write it like :10871"), "{refusal}");
        }
    }

    #[tokio::test]
    async fn a_port_alone_serves_both_families() {
        let listener = listen(&":0".parse().unwrap()).unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port))
            .await
            .unwrap();
        if listener.local_addr().unwrap().is_ipv6() {
            tokio::net::TcpStream::connect((Ipv6Addr::LOCALHOST, port))
                .await
                .unwrap();
        }
    }

    #[tokio::test]
    async fn a_taken_port_is_one_line_with_the_cure() {
        let first = listen(&"127.0.0.1:0".parse().unwrap()).unwrap();
        let address: ListenAddress = first.local_addr().unwrap().to_string().parse().unwrap();
        let line = listen(&address).unwrap_err().to_string();
        assert!(
            line.starts_with(&format!("cannot listen on {address}: ")) && line.contains("another process has it"),
            "{line}"
        );
        assert!(!line.contains('\n'));
    }
}
