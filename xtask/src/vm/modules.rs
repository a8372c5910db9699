//! Selects kernel modules for a guest, with their dependencies, from depmod's output.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The modules of a kernel and their dependencies.
#[derive(Debug, Default)]
pub(crate) struct Modules {
    by_name: BTreeMap<String, Module>,
}

#[derive(Debug, Default)]
struct Module {
    /// Relative to the directory `lib/modules/RELEASE`; `None` for a module that is only a dependency (built in).
    path: Option<PathBuf>,
    /// The modules that it needs, hard and soft dependencies.
    needs: Vec<String>,
}

impl Modules {
    /// Parses the output of `depmod --show`: the contents of modules.dep, modules.softdep and other files.
    ///
    /// ```text
    /// kernel/net/netfilter/nft_ct.ko.xz: kernel/net/netfilter/nf_tables.ko.xz kernel/net/netfilter/nfnetlink.ko.xz
    /// softdep libcrc32c pre: crc32c
    /// ```
    pub(crate) fn parse(depmod: &str) -> Self {
        let mut modules = Self::default();
        for line in depmod.lines() {
            if let Some(soft) = line.strip_prefix("softdep ") {
                let mut words = soft.split_whitespace();
                let Some(name) = words.next() else { continue };
                // Besides names there are the markers `pre:` and `post:`; the guest gets both kinds.
                let needs = words.filter(|word| !word.ends_with(':')).map(normal);
                modules
                    .by_name
                    .entry(normal(name))
                    .or_default()
                    .needs
                    .extend(needs);
            } else if let Some((path, needs)) = line.split_once(':')
                && let Some(name) = name(path)
            {
                let module = modules.by_name.entry(name).or_default();
                module.path = Some(path.into());
                module
                    .needs
                    .extend(needs.split_whitespace().filter_map(self::name));
            }
        }
        modules
    }

    /// The paths of the selected modules and of their dependencies, in order.
    ///
    /// A selected name that ends in `*` is a prefix. Modules that the kernel does not have (they are built in, or missing) are
    /// left out.
    pub(crate) fn select(&self, selection: &[&str]) -> BTreeSet<&Path> {
        let mut todo: Vec<&str> = self
            .by_name
            .keys()
            .filter(|name| {
                selection
                    .iter()
                    .any(|wanted| match wanted.strip_suffix('*') {
                        Some(prefix) => name.starts_with(prefix),
                        None => name == wanted,
                    })
            })
            .map(String::as_str)
            .collect();
        let mut seen = BTreeSet::new();
        let mut paths = BTreeSet::new();
        while let Some(name) = todo.pop() {
            if !seen.insert(name) {
                continue;
            }
            let Some(module) = self.by_name.get(name) else {
                continue;
            };
            paths.extend(module.path.as_deref());
            todo.extend(module.needs.iter().map(String::as_str));
        }
        paths
    }
}

/// The name of the module in a file `…/nf-conntrack.ko[.xz]`.
fn name(path: &str) -> Option<String> {
    let file = path.rsplit('/').next()?;
    let (stem, compression) = file.split_once(".ko")?;
    let known = matches!(compression, "" | ".xz" | ".zst" | ".gz");
    (known && !path.contains(' ')).then(|| normal(stem))
}

/// The kernel treats `-` and `_` in module names as equal.
fn normal(name: &str) -> String {
    name.replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEPMOD: &str = "\
kernel/net/netfilter/nf_conntrack.ko.xz: kernel/net/ipv6/netfilter/nf_defrag_ipv6.ko.xz kernel/lib/libcrc32c.ko.xz
kernel/net/netfilter/nf_conntrack_ftp.ko.xz: kernel/net/netfilter/nf_conntrack.ko.xz
kernel/net/netfilter/nft_ct.ko.xz: kernel/net/netfilter/nf_conntrack.ko.xz
kernel/net/ipv6/netfilter/nf_defrag_ipv6.ko.xz:
kernel/lib/libcrc32c.ko.xz:
kernel/arch/x86/crypto/crc32c-intel.ko.xz:
kernel/drivers/net/veth.ko.xz:
kernel/drivers/net/dummy.ko.xz:
# Aliases extracted from modules themselves.
alias ip_conntrack nf_conntrack
alias pci:v00001AF4d*sv*sd*bc*sc*i* virtio_pci
# Soft dependencies extracted from modules themselves.
softdep libcrc32c pre: crc32c-intel crc32c_builtin
";

    fn selected(selection: &[&str]) -> Vec<String> {
        let modules = Modules::parse(DEPMOD);
        let names = modules
            .select(selection)
            .into_iter()
            .filter_map(|path| name(path.to_str()?));
        names.collect()
    }

    #[test]
    fn a_module_comes_with_all_that_it_needs() {
        assert_eq!(
            selected(&["nft_ct"]),
            [
                "crc32c_intel",
                "libcrc32c",
                "nf_defrag_ipv6",
                "nf_conntrack",
                "nft_ct"
            ]
        );
    }

    #[test]
    fn a_star_means_all_names_that_start_so() {
        assert_eq!(
            selected(&["nf_conntrack*"]),
            [
                "crc32c_intel",
                "libcrc32c",
                "nf_defrag_ipv6",
                "nf_conntrack",
                "nf_conntrack_ftp"
            ]
        );
    }

    #[test]
    fn missing_modules_are_left_out() {
        assert_eq!(selected(&["nf_tables", "veth", "openvswitch*"]), ["veth"]);
    }

    #[test]
    fn names_of_files() {
        assert_eq!(
            name("kernel/a/crc32c-intel.ko.zst").as_deref(),
            Some("crc32c_intel")
        );
        assert_eq!(name("kernel/a/veth.ko").as_deref(), Some("veth"));
        for other in [
            "alias pci",
            "kernel/a/readme.txt",
            "kernel/a/veth.ko.bak",
            "alias x.ko",
        ] {
            assert_eq!(name(other), None, "{other}");
        }
    }
}
