//! Whose request it is, also through reverse proxies.

use hyper::HeaderMap;
use ipnet::IpNet;
use std::net::{IpAddr, SocketAddr};

/// Where a request comes from. It stands in the extensions of every request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// The client's address: the socket's, or what trusted proxies say.
    pub addr: IpAddr,
    /// The other end of the socket.
    pub socket: SocketAddr,
    /// Did the client use TLS, here or up to a trusted proxy?
    pub secure: bool,
}

impl Peer {
    /// Looks through the proxies that are trusted. `X-Forwarded-For` grows at its end, so it is read
    /// from there: each address was written by the hop behind it, and is believed only as long as
    /// that hop is trusted. Whatever a client puts in front is never reached.
    pub(super) fn find(socket: SocketAddr, is_tls: bool, trusted: &[IpNet], headers: &HeaderMap) -> Self {
        let mut addr = socket.ip().to_canonical();
        let mut secure = is_tls;
        if is_trusted(addr, trusted) {
            // Divided as bytes: what a client put in front need not be text, and spoils only itself.
            let lines = headers.get_all("x-forwarded-for").iter();
            let hops: Vec<&[u8]> =
                lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b',')).collect();
            for hop in hops.into_iter().rev() {
                // What is no address ends the chain: the last known hop stands for the client.
                let Some(next) = parse_hop(hop) else { break };
                addr = next;
                if !is_trusted(addr, trusted) {
                    break;
                }
            }
            // The nearest proxy's word, if there are several.
            let proto = headers.get_all("x-forwarded-proto").iter().next_back();
            let proto = proto.and_then(|line| line.as_bytes().rsplit(|byte| *byte == b',').next());
            secure |= proto.is_some_and(|proto| proto.trim_ascii().eq_ignore_ascii_case(b"https"));
        }
        Self { addr, socket, secure }
    }
}

/// Is this address one of the trusted proxies?
pub(super) fn is_trusted(address: IpAddr, trusted: &[IpNet]) -> bool {
    let address = address.to_canonical();
    trusted.iter().any(|network| network.contains(&address))
}

/// An address as proxies write it: bare, in brackets, or with a port.
fn parse_hop(hop: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(hop).ok()?.trim();
    let bare = || text.parse::<IpAddr>().ok();
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    let in_brackets = || text.strip_prefix('[')?.strip_suffix(']')?.parse::<IpAddr>().ok();
    bare().or_else(with_port).or_else(in_brackets).map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn find(socket: &str, headers: &[(&'static str, &str)]) -> Peer {
        let trusted: Vec<IpNet> =
            ["127.0.0.0/8", "10.0.0.0/8", "::1/128"].iter().map(|text| text.parse().unwrap()).collect();
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        Peer::find(socket.parse().unwrap(), false, &trusted, &map)
    }

    #[test]
    fn forwarded_for() {
        const NAME: &str = "x-forwarded-for";
        for (socket, values, expected) in [
            ("192.0.2.1:5", &[][..], "192.0.2.1"),
            ("192.0.2.1:5", &["203.0.113.9"], "192.0.2.1"),
            ("127.0.0.1:5", &[], "127.0.0.1"),
            ("127.0.0.1:5", &["203.0.113.9"], "203.0.113.9"),
            ("127.0.0.1:5", &["6.6.6.6, 203.0.113.9"], "203.0.113.9"),
            ("127.0.0.1:5", &["203.0.113.9, 10.1.2.3"], "203.0.113.9"),
            ("127.0.0.1:5", &["6.6.6.6,203.0.113.9,10.1.2.3 , 10.0.0.1"], "203.0.113.9"),
            ("127.0.0.1:5", &["6.6.6.6", "203.0.113.9", "10.1.2.3"], "203.0.113.9"),
            ("127.0.0.1:5", &["10.0.0.7, 10.0.0.8"], "10.0.0.7"),
            ("127.0.0.1:5", &["203.0.113.9, unknown"], "127.0.0.1"),
            ("127.0.0.1:5", &["6.6.6.6, nonsense, 10.0.0.8"], "10.0.0.8"),
            ("127.0.0.1:5", &["\u{e4}, 203.0.113.9"], "203.0.113.9"),
            ("127.0.0.1:5", &[""], "127.0.0.1"),
            ("127.0.0.1:5", &["203.0.113.9:1234"], "203.0.113.9"),
            ("127.0.0.1:5", &["2001:db8::1"], "2001:db8::1"),
            ("127.0.0.1:5", &["[2001:db8::1]"], "2001:db8::1"),
            ("127.0.0.1:5", &["[2001:db8::1]:1234"], "2001:db8::1"),
            ("127.0.0.1:5", &["::ffff:203.0.113.9"], "203.0.113.9"),
            ("[::1]:5", &["203.0.113.9"], "203.0.113.9"),
            ("[::ffff:127.0.0.1]:5", &["203.0.113.9"], "203.0.113.9"),
            ("[::ffff:192.0.2.1]:5", &["203.0.113.9"], "192.0.2.1"),
        ] {
            let headers: Vec<_> = values.iter().map(|value| (NAME, *value)).collect();
            let peer = find(socket, &headers);
            assert_eq!(peer.addr.to_string(), expected, "{socket} {values:?}");
            assert_eq!(peer.socket, socket.parse().unwrap());
        }
    }

    #[test]
    fn forwarded_proto() {
        const NAME: &str = "x-forwarded-proto";
        for (socket, values, secure) in [
            ("127.0.0.1:5", &[][..], false),
            ("127.0.0.1:5", &["https"], true),
            ("127.0.0.1:5", &["HTTPS"], true),
            ("127.0.0.1:5", &["http"], false),
            ("127.0.0.1:5", &["https, http"], false),
            ("127.0.0.1:5", &["https", "http"], false),
            ("127.0.0.1:5", &["http, https"], true),
            ("127.0.0.1:5", &["\u{e4}, https"], true),
            ("192.0.2.1:5", &["https"], false),
        ] {
            let headers: Vec<_> = values.iter().map(|value| (NAME, *value)).collect();
            assert_eq!(find(socket, &headers).secure, secure, "{socket} {values:?}");
        }
        let tls = Peer::find("192.0.2.1:5".parse().unwrap(), true, &[], &HeaderMap::new());
        assert!(tls.secure);
    }

    proptest! {
        #[test]
        fn what_a_client_puts_in_front_is_never_reached(
            front in prop::collection::vec("\\PC{0,20}|[0-9a-f.:\\[\\], ]{0,30}|10\\.0\\.0\\.1", 0..4),
        ) {
            const NAME: &str = "x-forwarded-for";
            let headers: Vec<_> = front.iter().map(|value| (NAME, value.as_str())).collect();
            prop_assert_eq!(find("192.0.2.1:5", &headers).addr.to_string(), "192.0.2.1");
            let client = [&headers[..], &[(NAME, "203.0.113.9"), (NAME, "10.1.2.3")]].concat();
            prop_assert_eq!(find("127.0.0.1:5", &client).addr.to_string(), "203.0.113.9");
            let joined = format!("{}, 203.0.113.9,10.1.2.3", front.join(","));
            prop_assert_eq!(find("127.0.0.1:5", &[(NAME, &joined)]).addr.to_string(), "203.0.113.9");
        }
    }
}
