//! Where a webhook may go. An URL says little about that: a name is resolved when the connection is made, every
//! address that it has is checked, and the connection goes to an address that was, so that a name which means
//! something else a moment later gains nothing.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::{
    Url,
    dns::{Addrs, Name, Resolve, Resolving},
};

use crate::{
    config,
    error::{Error, Result},
};

/// What the configuration opens.
#[derive(Clone, Copy, Debug)]
pub struct Allowed {
    pub http: bool,
    pub private: bool,
}

impl From<&config::Webhooks> for Allowed {
    fn from(settings: &config::Webhooks) -> Self {
        Allowed { http: settings.allow_http, private: settings.allow_private }
    }
}

impl Allowed {
    /// The URL, if events may be sent there. A name is not resolved yet.
    pub fn url(self, text: &str) -> Result<Url> {
        let url = Url::parse(text).map_err(|cause| Error::usage(format!("`{text}` is no URL ({cause})")))?;
        match url.scheme() {
            "https" => {}
            "http" if self.http => {}
            "http" => {
                return Err(Error::usage(format!("`{text}` is not encrypted, use https or set `webhooks.allow_http`")));
            }
            other => return Err(Error::usage(format!("`{text}` is no web address, use https instead of `{other}`"))),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Error::usage(
                "a webhook's URL must not hold a user or a password, the signature says who sends",
            ));
        }
        // a connection to an address asks no resolver
        let host = url.host_str().unwrap_or_default();
        match host.trim_matches(['[', ']']).parse::<IpAddr>() {
            Ok(ip) if !self.address(ip) => Err(Error::usage(refusal(ip))),
            _ => Ok(url),
        }
    }

    pub fn address(self, ip: IpAddr) -> bool {
        match reach(ip) {
            Reach::Public => true,
            Reach::Private => self.private,
            Reach::Never => false,
        }
    }
}

fn refusal(ip: IpAddr) -> String {
    match reach(ip) {
        Reach::Private => format!("`{ip}` is no public address, use one that is or set `webhooks.allow_private`"),
        _ => format!("`{ip}` is no address to send events to, use a public one"),
    }
}

/// Asks the system's resolver, and refuses the name if one of its addresses is not allowed.
impl Resolve for Allowed {
    fn resolve(&self, name: Name) -> Resolving {
        let allowed = *self;
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            match found.iter().find(|address| !allowed.address(address.ip())) {
                // the owner is told, who need not know how names resolve here
                Some(_) => Err("its name means an address that is not public".into()),
                None => Ok(Box::new(found.into_iter()) as Addrs),
            }
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    Public,
    /// Of one machine or one network.
    Private,
    /// Of one link, of no single receiver, or of a cloud's own services, which hand out credentials.
    Never,
}

fn reach(ip: IpAddr) -> Reach {
    match ip {
        IpAddr::V4(ip) => reach_v4(ip),
        IpAddr::V6(ip) => reach_v6(ip),
    }
}

fn reach_v4(ip: Ipv4Addr) -> Reach {
    match ip.octets() {
        [0, ..] | [169, 254, ..] | [224..=255, ..] => Reach::Never,
        // services of Azure, Alibaba and Oracle that answer every machine in their networks
        [168, 63, 129, 16] | [100, 100, 100, 200] | [192, 0, 0, 192] => Reach::Never,
        [10, ..] | [127, ..] | [172, 16..=31, ..] | [192, 168, ..] | [100, 64..=127, ..] => Reach::Private,
        // protocol assignments, documentation, relays, benchmarks
        [192, 0, 0 | 2, _] | [192, 88, 99, _] | [198, 18 | 19, ..] | [198, 51, 100, _] | [203, 0, 113, _] => {
            Reach::Private
        }
        _ => Reach::Public,
    }
}

fn reach_v6(ip: Ipv6Addr) -> Reach {
    let s = ip.segments();
    let inner = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        reach_v4(Ipv4Addr::new(a, b, c, d))
    };
    match s {
        [0, 0, 0, 0, 0, 0, 0, 0] => Reach::Never,
        [0, 0, 0, 0, 0, 0, 0, 1] => Reach::Private,
        // an address of version 4 in the clothes of 6: mapped, compatible, translated, tunnelled
        [0, 0, 0, 0, 0, 0xffff | 0, high, low] | [0, 0, 0, 0, 0xffff, 0, high, low] => inner(high, low),
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => inner(high, low),
        // where Amazon keeps credentials, inside of the private range
        [0xfd00, 0xec2, ..] => Reach::Never,
        [0xfc00..=0xfdff, ..] => Reach::Private,
        // Teredo, ORCHID and the like, documentation: no receiver is there
        [0x2001, 0..=0x1ff | 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => Reach::Never,
        [0x2000..=0x3fff, ..] => Reach::Public,
        // link-local, site-local, multicast, and what nobody has assigned
        _ => Reach::Never,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLOSED: Allowed = Allowed { http: false, private: false };
    const OPEN: Allowed = Allowed { http: true, private: true };

    #[test]
    fn only_public_addresses_are_reached_unless_more_is_allowed() {
        // (address, by default, if private ones are allowed)
        for (address, by_default, private) in [
            ("93.184.215.14", true, true),
            ("1.1.1.1", true, true),
            ("172.15.255.255", true, true),
            ("172.32.0.1", true, true),
            ("100.63.255.255", true, true),
            ("2606:2800:21f:cb07:6820:80da:af6b:8b2c", true, true),
            ("127.0.0.1", false, true),
            ("127.255.255.254", false, true),
            ("10.0.0.1", false, true),
            ("172.16.0.1", false, true),
            ("172.31.255.255", false, true),
            ("192.168.1.1", false, true),
            ("100.64.0.1", false, true),
            ("198.18.0.1", false, true),
            ("192.0.2.1", false, true),
            ("::1", false, true),
            ("fc00::1", false, true),
            ("fd12:3456::1", false, true),
            ("::ffff:127.0.0.1", false, true),
            ("::ffff:10.0.0.1", false, true),
            ("::127.0.0.1", false, true),
            ("64:ff9b::10.0.0.1", false, true),
            ("2002:7f00:1::", false, true),
            ("0.0.0.0", false, false),
            ("0.1.2.3", false, false),
            ("169.254.169.254", false, false),
            ("169.254.0.1", false, false),
            ("168.63.129.16", false, false),
            ("100.100.100.200", false, false),
            ("224.0.0.1", false, false),
            ("255.255.255.255", false, false),
            ("240.0.0.1", false, false),
            ("::", false, false),
            ("fe80::1", false, false),
            ("fec0::1", false, false),
            ("ff02::1", false, false),
            ("fd00:ec2::254", false, false),
            ("::ffff:169.254.169.254", false, false),
            ("64:ff9b::169.254.169.254", false, false),
            ("64:ff9b:1::1", false, false),
            ("2002:a9fe:a9fe::", false, false),
            ("2001:0:4136:e378::1", false, false),
            ("2001:db8::1", false, false),
            ("::ffff:1.1.1.1", true, true),
            ("64:ff9b::1.1.1.1", true, true),
        ] {
            let ip: IpAddr = address.parse().expect(address);
            assert_eq!((CLOSED.address(ip), OPEN.address(ip)), (by_default, private), "{address}");
        }
    }

    #[test]
    fn an_address_in_an_url_is_read_as_the_connection_reads_it() {
        for url in [
            "https://127.0.0.1/",
            "https://127.1/",
            "https://2130706433/",
            "https://0x7f.0.0.1/",
            "https://0177.0.0.1/",
            "https://[::1]/",
            "https://[::ffff:10.0.0.1]/",
            "https://１２７.0.0.1/",
            "https://169.254.169.254/latest/meta-data/",
        ] {
            assert!(CLOSED.url(url).is_err(), "{url}");
        }
        assert!(OPEN.url("http://127.0.0.1:8080/hook").is_ok());
        assert!(OPEN.url("http://169.254.169.254/").is_err());
    }

    #[test]
    fn an_url_is_https_and_holds_no_password() {
        for (url, part) in [
            ("http://receiver.example/", "allow_http"),
            ("ftp://receiver.example/", "https instead of `ftp`"),
            ("file:///etc/passwd", "https instead of `file`"),
            ("https://user:secret@receiver.example/", "user or a password"),
            ("receiver.example", "no URL"),
        ] {
            let text = CLOSED.url(url).expect_err(url).to_string();
            assert!(text.contains(part) && !text.contains("secret"), "{text}");
        }
        assert!(CLOSED.url("https://receiver.example/hook?tenant=1").is_ok());
    }

    #[tokio::test]
    async fn a_name_is_judged_by_what_it_resolves_to() {
        let refused = CLOSED.resolve("localhost".parse().expect("a name")).await;
        assert!(refused.err().expect("refused").to_string().contains("not public"));
        assert!(OPEN.resolve("localhost".parse().expect("a name")).await.is_ok());
    }
}
