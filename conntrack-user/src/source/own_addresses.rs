//! The addresses of the calling thread's network namespace.

use std::{collections::HashSet, net::IpAddr};

use nix::ifaddrs::getifaddrs;

/// The most addresses. A host with more forwards for others; whose they are is then not said.
const MOST: usize = 65_536;

/// The addresses of all interfaces; `None` where they cannot be read, or are too many.
#[must_use]
pub fn read() -> Option<HashSet<IpAddr>> {
    let addresses = getifaddrs().ok()?.filter_map(|interface| {
        let address = interface.address?;
        let v4 = address.as_sockaddr_in().map(|v4| IpAddr::V4(v4.ip()));
        v4.or_else(|| address.as_sockaddr_in6().map(|v6| IpAddr::V6(v6.ip())))
    });
    let found: HashSet<IpAddr> = addresses.take(MOST + 1).collect();
    (found.len() <= MOST).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_its_loopback() {
        let found = read().expect("addresses");
        assert!(found.contains(&IpAddr::from([127, 0, 0, 1])), "{found:?}");
    }
}
