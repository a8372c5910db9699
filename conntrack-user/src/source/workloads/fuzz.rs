//! What fuzzing gives to the readers of names of containers.

use super::{cgroup, kubelet, runtimes};
use crate::reading::workload::Workload;

/// The cgroups of a process.
pub fn cgroup(text: &str) {
    if let Some(owner) = cgroup::owner(text) {
        shown(owner.workload);
    }
}

/// A file of a runtime, or names of kubelet's files.
pub fn names(bytes: &[u8]) {
    let found = [runtimes::oci(bytes, "containerd"), runtimes::docker(bytes)];
    found.into_iter().flatten().for_each(shown);
    for line in String::from_utf8_lossy(bytes).lines() {
        let found = [kubelet::pod(line), kubelet::container(line)];
        found
            .into_iter()
            .flatten()
            .for_each(|(_, named)| shown(named));
    }
}

/// Names can be shown as they are.
fn shown(named: Workload) {
    let text = named.to_string();
    assert!(!text.chars().any(crate::text::is_harmful), "{text:?}");
}
