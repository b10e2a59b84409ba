//! Where a request comes from: the other end of the connection or, if that is a trusted proxy, what it says.

use std::net::{IpAddr, SocketAddr};

use axum::{extract::ConnectInfo, http::request::Parts};
use ipnet::IpNet;

use crate::access::Origin;

const FORWARDED: &str = "x-forwarded-for";

pub(super) fn of(parts: &Parts, trusted: &[IpNet]) -> Origin {
    let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| plain(peer.ip()));
    let Some(peer) = peer else { return Origin::Unknown };
    let is_proxy = |address: &IpAddr| trusted.iter().any(|network| network.contains(address));
    if !is_proxy(&peer) {
        return Origin::Address(peer);
    }
    // each proxy adds at the end whom it heard from: the last one that is no proxy of ours is the client
    let mut from = peer;
    for said in parts.headers.get_all(FORWARDED).iter().rev() {
        let Ok(said) = said.to_str() else { return Origin::Unknown };
        for address in said.rsplit(',') {
            let Ok(address) = address.trim().parse() else { return Origin::Unknown };
            from = plain(address);
            if !is_proxy(&from) {
                return Origin::Address(from);
            }
        }
    }
    Origin::Address(from)
}

/// An address of IPv4 that came by IPv6 is in the networks of IPv4.
fn plain(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderValue, Request};

    use super::*;

    fn origin(peer: &str, said: &[&str], trusted: &str) -> Origin {
        let (mut parts, ()) = Request::new(()).into_parts();
        parts.extensions.insert(ConnectInfo(SocketAddr::new(peer.parse().unwrap(), 1)));
        for value in said {
            parts.headers.append(FORWARDED, HeaderValue::from_str(value).unwrap());
        }
        let trusted: Vec<IpNet> = trusted.split_whitespace().map(|network| network.parse().unwrap()).collect();
        of(&parts, &trusted)
    }

    fn at(address: &str) -> Origin {
        Origin::Address(address.parse().unwrap())
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        assert_eq!(origin("192.0.2.1", &["203.0.113.9"], ""), at("192.0.2.1"));
        assert_eq!(origin("192.0.2.1", &["203.0.113.9"], "10.0.0.0/8"), at("192.0.2.1"));
        assert_eq!(origin("10.0.0.1", &["203.0.113.9"], "10.0.0.0/8"), at("203.0.113.9"));
        assert_eq!(origin("10.0.0.1", &[], "10.0.0.0/8"), at("10.0.0.1"));
        assert_eq!(origin("::ffff:10.0.0.1", &["203.0.113.9"], "10.0.0.0/8"), at("203.0.113.9"));
    }

    #[test]
    fn what_a_client_writes_before_the_proxy_does_is_not_read() {
        let proxies = "10.0.0.0/8";
        assert_eq!(origin("10.0.0.1", &["198.51.100.7, 203.0.113.9"], proxies), at("203.0.113.9"));
        assert_eq!(origin("10.0.0.1", &["198.51.100.7", "203.0.113.9, 10.0.0.2"], proxies), at("203.0.113.9"));
        assert_eq!(origin("10.0.0.1", &["198.51.100.7, none"], proxies), Origin::Unknown);
        assert_eq!(origin("10.0.0.1", &["none, 203.0.113.9"], proxies), at("203.0.113.9"));
    }

    #[test]
    fn without_a_connection_nothing_is_told() {
        let (parts, ()) = Request::new(()).into_parts();
        assert_eq!(of(&parts, &["0.0.0.0/0".parse().unwrap()]), Origin::Unknown);
    }
}
