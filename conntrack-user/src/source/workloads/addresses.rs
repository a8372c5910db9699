//! The addresses of a process's network namespace, as its files in /proc show them to anybody: no namespace need be entered.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    path::Path,
};

use crate::files;

/// The most bytes of each file. `fib_trie` has all routes: some 10,000. A router has more, and its addresses stay unknown.
const MAX_BYTES: u64 = 1 << 20;

/// The addresses of the namespace of the process with this directory, but for those that each namespace has; `None` where they
/// cannot be read.
pub(super) fn of_process(process: &Path) -> Option<Vec<IpAddr>> {
    let net = process.join("net");
    let read = |name| {
        let bytes = files::read(&net.join(name), MAX_BYTES).ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    };
    let mut all: Vec<IpAddr> = ipv4(&read("fib_trie")?).map(IpAddr::V4).collect();
    // There is none without IPv6.
    let others = read("if_inet6").unwrap_or_default();
    all.extend(ipv6(&others).map(IpAddr::V6));
    all.sort_unstable();
    all.dedup();
    Some(all)
}

/// The local addresses in `fib_trie`:
///
/// ```text
///         |-- 10.244.1.7
///            /32 host LOCAL
/// ```
fn ipv4(trie: &str) -> impl Iterator<Item = Ipv4Addr> {
    let mut address: Option<Ipv4Addr> = None;
    trie.lines().filter_map(move |line| {
        let line = line.trim_start();
        if let Some(leaf) = line.strip_prefix("|-- ") {
            address = leaf.trim_end().parse().ok();
        }
        let is_local = line.starts_with("/32 host LOCAL");
        address.filter(|address| is_local && !address.is_loopback())
    })
}

/// The addresses in `if_inet6`:
///
/// ```text
/// fd000000000000000000000000000007 02 40 00 80 eth0
/// ```
fn ipv6(interfaces: &str) -> impl Iterator<Item = Ipv6Addr> {
    interfaces.lines().filter_map(|line| {
        let digits = line.get(..32)?;
        let address = Ipv6Addr::from_bits(u128::from_str_radix(digits, 16).ok()?);
        (!address.is_loopback() && !address.is_unicast_link_local()).then_some(address)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn local_addresses_are_found() {
        let trie = "Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
     +-- 10.244.1.0/24 2 0 2
        |-- 10.244.1.0
           /24 link UNICAST
        |-- 10.244.1.7
           /32 host LOCAL
Local:
     |-- 10.244.1.255
        /32 link BROADCAST
     |-- 127.0.0.1
        /32 host LOCAL
";
        let found: Vec<_> = ipv4(trie).collect();
        assert_eq!(found, [Ipv4Addr::new(10, 244, 1, 7)]);
        let interfaces = "fd000000000000000000000000000007 02 40 00 80     eth0
fe800000000000000042acfffe110002 02 40 20 80     eth0
00000000000000000000000000000001 01 80 10 80       lo
";
        let found: Vec<_> = ipv6(interfaces).map(|a| a.to_string()).collect();
        assert_eq!(found, ["fd00::7"]);
    }

    #[test]
    fn what_cannot_be_read_is_not_known() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(of_process(dir.path()), None);
        std::fs::create_dir(dir.path().join("net")).unwrap();
        std::fs::write(
            dir.path().join("net/fib_trie"),
            vec![b'x'; MAX_BYTES as usize + 1],
        )
        .unwrap();
        assert_eq!(of_process(dir.path()), None);
    }

    #[test]
    fn this_kernel() {
        let found = of_process(Path::new("/proc/thread-self")).expect("readable");
        assert!(found.iter().all(|address| !address.is_loopback()));
        if let Some(ours) = crate::source::own_addresses::read() {
            assert!(
                found.iter().all(|address| ours.contains(address)),
                "{found:?} of {ours:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_not(text in any::<String>()) {
            let _ = (ipv4(&text).count(), ipv6(&text).count());
        }
    }
}
