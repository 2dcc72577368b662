//! Which addresses a webhook must not reach.
//!
//! A machine in a cloud gets its credentials from a link-local address without any password, so an address
//! that leads there, by its spelling or by its name, would hand whoever can influence it what the machine may
//! do. Loopback and private networks are allowed: that is where people run their own ntfy.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Names of metadata services, without a dot at the end.
///
/// Source: the metadata pages of AWS, Google Cloud, Azure and Tencent Cloud.
const METADATA_NAMES: &[&str] = &[
    "instance-data",
    "instance-data.ec2.internal",
    "metadata",
    "metadata.azure.internal",
    "metadata.goog",
    "metadata.google.internal",
    "metadata.tencentyun.com",
];

const LINK_LOCAL: &str = "a link-local address";
const METADATA: &str = "a cloud's metadata service";
const UNSPECIFIED: &str = "not an address of a host";

/// Refuses a host by what can be seen without resolving it: a metadata name, or a refused address.
///
/// `host`: as a parsed URL spells it, in lower case; IPv6 with or without brackets.
/// Errors: what it is.
pub(super) fn check_host(host: &str) -> Result<(), &'static str> {
    let host = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host);
    match host.parse() {
        Ok(address) => check_address(address),
        Err(_) if METADATA_NAMES.contains(&host.trim_end_matches('.')) => Err(METADATA),
        Err(_) => Ok(()),
    }
}

/// Errors: what the address is.
pub(super) fn check_address(address: IpAddr) -> Result<(), &'static str> {
    let refusal = match address {
        IpAddr::V4(address) => refused_v4(address),
        IpAddr::V6(address) => refused_v6(address)
            .or_else(|| embedded(address).into_iter().flatten().find_map(refused_v4)),
    };
    refusal.map_or(Ok(()), Err)
}

fn refused_v4(address: Ipv4Addr) -> Option<&'static str> {
    match address.octets() {
        [0, ..] => Some(UNSPECIFIED),
        // In this order: the best known metadata address is a link-local one.
        [169, 254, 169, 254] => Some(METADATA),
        [169, 254, ..] => Some(LINK_LOCAL),
        // Alibaba Cloud, Azure, Oracle Cloud.
        [100, 100, 100, 200] | [168, 63, 129, 16] | [192, 0, 0, 192] => Some(METADATA),
        _ => None,
    }
}

fn refused_v6(address: Ipv6Addr) -> Option<&'static str> {
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] => Some(UNSPECIFIED),
        // fe80::/10
        [first, ..] if first & 0xffc0 == 0xfe80 => Some(LINK_LOCAL),
        // AWS and Google Cloud.
        [0xfd00, 0x0ec2, ..] | [0xfd20, 0x00ce, ..] => Some(METADATA),
        _ => None,
    }
}

/// The IPv4 addresses that a packet to this IPv6 address may end up at.
///
/// Source: RFC 4291 section 2.5.5 (compatible, mapped), RFC 2765 (translated), RFC 6052 and RFC 8215 (NAT64),
/// RFC 3056 (6to4), RFC 4380 (Teredo: server and client), RFC 5214 (ISATAP).
fn embedded(address: Ipv6Addr) -> [Option<Ipv4Addr>; 2] {
    let segments = address.segments();
    let v4 =
        |high: u16, low: u16| Some(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)));
    let [.., high, low] = segments;
    match segments {
        // ::1 is loopback, and ::0 was dealt with.
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => [None, None],
        [0, 0, 0, 0, 0, 0 | 0xffff, ..]
        | [0, 0, 0, 0, 0xffff, 0, ..]
        | [0x64, 0xff9b, 0, 0, 0, 0, ..]
        | [0x64, 0xff9b, 1, ..]
        | [_, _, _, _, 0 | 0x200, 0x5efe, ..] => [v4(high, low), None],
        [0x2002, high, low, ..] => [v4(high, low), None],
        [0x2001, 0, server_high, server_low, ..] => [v4(server_high, server_low), v4(!high, !low)],
        _ => [None, None],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn link_local_and_metadata_hosts_are_refused_in_every_spelling() {
        for host in [
            "169.254.169.254",
            "169.254.0.1",
            "169.254.170.2",
            "100.100.100.200",
            "168.63.129.16",
            "192.0.0.192",
            "0.0.0.0",
            "0.1.2.3",
            "[::]",
            "::",
            "[fe80::1]",
            "[febf::1]",
            "[fd00:ec2::254]",
            "[fd20:ce::254]",
            "[::ffff:169.254.169.254]",
            "[::169.254.169.254]",
            "[::ffff:0:169.254.169.254]",
            "[64:ff9b::169.254.169.254]",
            "[64:ff9b:1::a9fe:a9fe]",
            "[2002:a9fe:a9fe::1]",
            "[2001:0:a9fe:a9fe::1]",
            "[2001::5601:5601]",
            "[2001:db8::5efe:169.254.169.254]",
            "[::ffff:0.0.0.0]",
            "metadata",
            "metadata.google.internal",
            "metadata.google.internal.",
            "metadata.goog",
            "instance-data.ec2.internal",
        ] {
            assert!(check_host(host).is_err(), "{host}");
        }
    }

    #[test]
    fn loopback_private_networks_and_the_internet_are_allowed() {
        for host in [
            "127.0.0.1",
            "localhost",
            "[::1]",
            "10.0.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "100.100.100.201",
            "169.253.255.255",
            "[fd12:3456::1]",
            "[fec0::1]",
            "[::ffff:192.168.1.1]",
            "[2002:c0a8:101::1]",
            "[2001:db8::a9fe:a9fe]",
            "hooks.slack.com",
            "ntfy.internal",
            "metadata.example.com",
        ] {
            assert_eq!(check_host(host), Ok(()), "{host}");
        }
    }
}
