//! Who the client is, when a proxy stands in between.

use super::Peer;
use crate::config::trusts;
use hyper::HeaderMap;
use ipnet::IpNet;
use std::net::IpAddr;

/// The client of a request that came from `socket`. What headers say counts only from trusted proxies:
/// of the chain they tell, the last address that is not itself a trusted proxy.
pub(super) fn peer(socket: IpAddr, tls: bool, headers: &HeaderMap, proxies: &[IpNet]) -> Peer {
    let socket = socket.to_canonical();
    if !trusts(proxies, socket) {
        return Peer { address: socket, secure: tls };
    }
    let mut address = socket;
    let forwarded = headers.get_all("x-forwarded-for").iter().rev().filter_map(|value| value.to_str().ok());
    for hop in forwarded.flat_map(|value| value.rsplit(',')) {
        let Ok(hop) = hop.trim().parse::<IpAddr>() else { break };
        address = hop.to_canonical();
        if !trusts(proxies, address) {
            break;
        }
    }
    let proto = headers.get("x-forwarded-proto").and_then(|value| value.to_str().ok());
    Peer { address, secure: tls || proto.is_some_and(|proto| proto.eq_ignore_ascii_case("https")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_trusted_proxies_are_believed() {
        let proxies: Vec<IpNet> = vec!["127.0.0.1/32".parse().unwrap(), "10.0.0.0/8".parse().unwrap()];
        let table: &[(&str, &[&str], &str)] = &[
            ("127.0.0.1", &[], "127.0.0.1"),
            ("127.0.0.1", &["203.0.113.5"], "203.0.113.5"),
            ("203.0.113.9", &["203.0.113.5"], "203.0.113.9"),
            ("127.0.0.1", &["1.1.1.1, 203.0.113.5"], "203.0.113.5"),
            ("127.0.0.1", &["1.1.1.1, 203.0.113.5, 10.1.2.3"], "203.0.113.5"),
            ("127.0.0.1", &["1.1.1.1", "203.0.113.5"], "203.0.113.5"),
            ("127.0.0.1", &["garbage"], "127.0.0.1"),
            ("127.0.0.1", &["203.0.113.5, garbage"], "127.0.0.1"),
            ("127.0.0.1", &["10.0.0.1"], "10.0.0.1"),
            ("127.0.0.1", &["2001:db8::1"], "2001:db8::1"),
            ("::ffff:127.0.0.1", &["203.0.113.5"], "203.0.113.5"),
        ];
        for (socket, forwarded, expected) in table {
            let mut headers = HeaderMap::new();
            for value in *forwarded {
                headers.append("x-forwarded-for", value.parse().unwrap());
            }
            let found = peer(socket.parse().unwrap(), false, &headers, &proxies);
            assert_eq!(found.address, expected.parse::<IpAddr>().unwrap(), "{socket} {forwarded:?}");
        }
    }

    #[test]
    fn https_at_the_proxy_counts_only_from_a_trusted_one() {
        let proxies: Vec<IpNet> = vec!["127.0.0.1/32".parse().unwrap()];
        let mut headers = HeaderMap::new();
        headers.insert("x-forwarded-proto", "https".parse().unwrap());
        let secure = |socket: &str| peer(socket.parse().unwrap(), false, &headers, &proxies).secure;
        assert!(secure("127.0.0.1"));
        assert!(!secure("203.0.113.9"));
    }
}
