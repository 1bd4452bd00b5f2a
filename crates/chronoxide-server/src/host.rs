//! What the machine or container is called that the server runs on.

use std::net::SocketAddr;

/// The name of this host, empty where the system does not tell it.
pub(crate) fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    name.trim().to_owned()
}

/// The `instance` of own series: the address that the server listens on, as a scraper of it would have it. An address
/// that stands for all of the host's own, as containers listen on, is the same on every host: its name tells more.
pub(crate) fn own_instance(address: SocketAddr, host: &str) -> String {
    if address.ip().is_unspecified() && !host.is_empty() {
        format!("{host}:{}", address.port())
    } else {
        address.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_series_carry_the_hosts_name_where_the_address_is_any() {
        for (address, host, instance) in [
            ("0.0.0.0:8490", "box", "box:8490"),
            ("[::]:8490", "box", "box:8490"),
            ("0.0.0.0:8490", "", "0.0.0.0:8490"),
            ("127.0.0.1:8490", "box", "127.0.0.1:8490"),
            ("10.0.0.7:80", "box", "10.0.0.7:80"),
            ("[fd00::7]:80", "box", "[fd00::7]:80"),
        ] {
            assert_eq!(own_instance(address.parse().unwrap(), host), instance);
        }
    }
}
