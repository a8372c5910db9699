//! What limits the table of the calling thread's network namespace besides `nf_conntrack_max`.

use std::path::Path;

use rustix::param::page_size;

use crate::{
    files,
    reading::table_limits::{LimitsReading, PolicyReading, SlabUse},
    source::{
        ctnetlink::{Ctnetlink, timeouts::PolicyKind},
        kernel::{KernelCounters, KernelSource},
        proc_fs::{PROC, ProcRoot},
    },
};

/// The settings of the calling thread's network namespace.
const SETTINGS: &str = "/proc/sys/net/netfilter";

/// The slabs of the host; root's.
const SLABINFO: &str = "/proc/slabinfo";

/// The modules that are loaded, as directories.
const MODULES: &str = "/sys/module";

/// The most bytes of a file. /proc/slabinfo has a line of some 150 bytes for each of some hundred slabs, and for each slab of each
/// memory control group in kernels before 5.9.
const MAX_BYTES: u64 = 4 << 20;

/// The most timeouts. Kernels have up to 60.
const TIMEOUTS: usize = 200;

/// The most policies.
const POLICIES: usize = 100;

/// `nf_conntrack_buckets`.
#[must_use]
pub fn buckets() -> Option<u64> {
    setting("nf_conntrack_buckets")
}

/// Reads the limits. Where nf_conntrack is not loaded, there are none, and nothing is asked that would load it.
#[must_use]
pub fn read() -> LimitsReading {
    let proc = ProcRoot::new(PROC);
    let mut kernel = KernelCounters::new(proc.clone(), KernelSource::Auto);
    LimitsReading {
        entries: proc.count().ok(),
        max: proc.max().ok(),
        buckets: buckets(),
        expectations: kernel.expectations().ok(),
        slab: text(Path::new(SLABINFO))
            .and_then(|slabs| SlabUse::parse(&slabs, "nf_conntrack", page_size() as u64)),
        extended: are_extended(),
        timeouts: timeouts(),
        policies: policies(),
    }
}

/// Whether something adds extensions to each new entry. Events are left out where they are made only for listeners (2), and labels,
/// which rules ask for.
fn are_extended() -> bool {
    let is_on = |name: &str| setting(name) == Some(1);
    is_on("nf_conntrack_acct")
        || is_on("nf_conntrack_timestamp")
        || is_on("nf_conntrack_events")
        || is_loaded("nf_nat")
}

fn timeouts() -> Vec<(String, u64)> {
    let Ok(files) = Path::new(SETTINGS).read_dir() else {
        return Vec::new();
    };
    let mut timeouts: Vec<_> = files
        .filter_map(|file| file.ok()?.file_name().into_string().ok())
        // That of fragments of IPv6 is no timeout of entries.
        .filter(|name| name.contains("timeout") && !name.contains("frag6"))
        .take(TIMEOUTS)
        .filter_map(|name| {
            let seconds = setting(&name)?;
            let short = name
                .strip_prefix("nf_conntrack_")
                .or(name.strip_prefix("nf_"));
            Some((short.unwrap_or(&name).to_owned(), seconds))
        })
        .collect();
    timeouts.sort();
    timeouts
}

/// The policies of both kinds; `None` where it cannot be told whether there are any without loading a module.
fn policies() -> Option<Vec<PolicyReading>> {
    let mut found = Vec::new();
    for kind in [PolicyKind::Ctnetlink, PolicyKind::Nftables] {
        if is_loaded(kind.module()) {
            found.extend(Ctnetlink::default().policies(kind).ok()?);
        } else if !text(Path::new("/proc/modules"))?.contains("nf_conntrack ") {
            // Where nf_conntrack is built in, these may be as well, and have no directory there.
            return None;
        }
    }
    found.truncate(POLICIES);
    Some(found)
}

fn is_loaded(module: &str) -> bool {
    Path::new(MODULES).join(module).exists()
}

fn setting(name: &str) -> Option<u64> {
    text(&Path::new(SETTINGS).join(name))?.trim().parse().ok()
}

fn text(path: &Path) -> Option<String> {
    let bytes = files::read(path, MAX_BYTES).ok()?;
    String::from_utf8(bytes).ok()
}
