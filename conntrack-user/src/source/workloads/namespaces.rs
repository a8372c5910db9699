//! What network namespaces belong to, by the processes in them, and their addresses.

use std::{
    collections::HashMap,
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{WorkloadReader, addresses};
use crate::reading::workload::{Workload, Workloads};

/// The most namespaces.
const NAMESPACES: usize = 4_096;

/// The most addresses of all of them together.
const ADDRESSES: usize = 65_536;

/// The most processes of a namespace whose cgroups are read.
const PROCESSES: usize = 64;

/// What is known of a namespace while processes are gone through.
struct Group {
    /// The first of its processes, whose files have its addresses.
    process: PathBuf,
    /// Its inode number, where we may see it.
    inode: Option<u32>,
    processes: usize,
    /// What the processes belong to, each once.
    workloads: Vec<Arc<Workload>>,
}

/// The workloads of all namespaces that have a process, below a directory that is /proc.
pub fn by_namespace(proc: &Path, reader: &mut WorkloadReader) -> Workloads {
    let host = identity(&proc.join("1"));
    let mut groups: HashMap<(u64, u64), Group> = HashMap::new();
    let mut too_many = false;
    for entry in fs::read_dir(proc).into_iter().flatten().flatten() {
        let name = entry.file_name();
        if !name.as_encoded_bytes().iter().all(u8::is_ascii_digit) {
            continue;
        }
        let process = entry.path();
        let Some(identity) = identity(&process) else {
            continue;
        };
        if groups.len() >= NAMESPACES && !groups.contains_key(&identity) {
            too_many = true;
            continue;
        }
        let group = groups.entry(identity).or_insert_with(|| Group {
            inode: inode(&process),
            process: process.clone(),
            processes: 0,
            workloads: Vec::new(),
        });
        // The host's own belongs to nothing, whatever pods use it.
        if Some(identity) != host && group.processes < PROCESSES {
            group.processes += 1;
            group.inode = group.inode.or_else(|| inode(&process));
            if let Some(workload) = reader.of_process(&process)
                && !group.workloads.contains(&workload)
            {
                group.workloads.push(workload);
            }
        }
    }
    let mut workloads = Workloads::default();
    for group in groups.into_values() {
        let addresses = addresses::of_process(&group.process).unwrap_or_default();
        too_many |= workloads.addresses() + addresses.len() > ADDRESSES;
        let addresses = addresses.into_iter().filter(|_| !too_many);
        workloads.add(group.inode, addresses, owner(&group.workloads));
    }
    if too_many {
        workloads.forget_addresses();
    }
    workloads
}

/// What tells the namespace of a process from others: other than its inode number, everybody may see it.
fn identity(process: &Path) -> Option<(u64, u64)> {
    let meta = fs::metadata(process.join("net/stat")).ok()?;
    Some((meta.dev(), meta.ino()))
}

fn inode(process: &Path) -> Option<u32> {
    let meta = fs::metadata(process.join("ns/net")).ok()?;
    u32::try_from(meta.ino()).ok()
}

/// What a namespace belongs to if these processes are in it: the pod, else the container, else the service. `None` if they are of
/// several: it is shared then.
fn owner(workloads: &[Arc<Workload>]) -> Option<Arc<Workload>> {
    let mut pods: Vec<Workload> = Vec::new();
    for pod in workloads.iter().filter(|workload| workload.is_of_pod()) {
        let pod = pod.whole_pod();
        let same = |known: &&mut Workload| match (&known.pod_uid, &pod.pod_uid) {
            (Some(known), Some(uid)) => known == uid,
            _ => known.pod == pod.pod && known.pod_namespace == pod.pod_namespace,
        };
        match pods.iter_mut().find(same) {
            // Of one of its containers more may be known than of another.
            Some(known) if known.pod.is_none() => *known = pod,
            Some(_) => {}
            None => pods.push(pod),
        }
    }
    match pods.len() {
        0 => {}
        1 => return pods.pop().map(Arc::new),
        _ => return None,
    }
    let of = |kind: fn(&Workload) -> bool| {
        let mut all = workloads.iter().filter(|workload| kind(workload));
        let first = all.next();
        (first.cloned(), all.next().is_some())
    };
    match of(Workload::is_container) {
        (Some(container), false) => return Some(container),
        (Some(_), true) => return None,
        (None, _) => {}
    }
    // Others, such as sessions, are in a namespace only for a while.
    match of(Workload::is_service) {
        (Some(service), false) => Some(service),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::Text;

    fn some(text: &str) -> Option<Text> {
        (!text.is_empty()).then(|| text.to_owned().into())
    }

    fn pod(uid: &str, name: &str, container: &str) -> Arc<Workload> {
        Arc::new(Workload {
            pod_uid: some(uid),
            pod: some(name),
            container: some(container),
            container_id: some("id"),
            ..Workload::default()
        })
    }

    fn container(name: &str) -> Arc<Workload> {
        pod("", "", name)
    }

    fn unit(name: &str) -> Arc<Workload> {
        Arc::new(Workload {
            unit: some(name),
            ..Workload::default()
        })
    }

    #[test]
    fn a_namespace_belongs_to_the_one_that_all_its_processes_are_of() {
        for (processes, expected) in [
            (vec![pod("1", "", ""), pod("1", "cart", "app")], "cart"),
            (
                vec![pod("1", "cart", "app"), pod("1", "cart", "log")],
                "cart",
            ),
            (
                vec![pod("", "cart", "app"), pod("1", "cart", "log")],
                "cart",
            ),
            (vec![pod("1", "cart", ""), unit("session-1.scope")], "cart"),
            (vec![pod("1", "", "")], "pod 1"),
            (vec![pod("1", "cart", ""), pod("2", "cart", "")], "-"),
            (vec![container("web"), unit("ssh.service")], "web"),
            (vec![container("web"), container("db")], "-"),
            (vec![unit("dnsmasq.service")], "dnsmasq.service"),
            (vec![unit("a.service"), unit("b.service")], "-"),
            (vec![unit("session-1.scope")], "-"),
            (vec![], "-"),
        ] {
            let owner = owner(&processes);
            let owner = owner.map_or("-".to_owned(), |owner| owner.to_string());
            assert_eq!(owner, expected, "{processes:?}");
        }
    }

    /// A tree like /proc, with processes of two namespaces; `net/stat` of one is linked into those of the same.
    #[test]
    fn namespaces_are_told_apart_without_privileges() {
        let dir = tempfile::tempdir().unwrap();
        let proc = dir.path();
        let uid = "0b7632a2_a56e_4278_987a_22de18008dbe";
        let trie = |last| format!("     |-- 10.0.0.{last}\n        /32 host LOCAL\n");
        for (pid, namespace, cgroup) in [
            (1, 1, "/init.scope".to_owned()),
            (20, 2, format!("/kubepods.slice/kubepods-pod{uid}.slice")),
            (30, 2, format!("/kubepods.slice/kubepods-pod{uid}.slice")),
            (40, 1, format!("/kubepods.slice/kubepods-pod{uid}.slice")),
        ] {
            let stat = proc.join(format!("stat-{namespace}"));
            fs::create_dir_all(&stat).unwrap();
            let process = proc.join(pid.to_string());
            fs::create_dir_all(process.join("net")).unwrap();
            std::os::unix::fs::symlink(stat, process.join("net/stat")).unwrap();
            fs::write(process.join("net/fib_trie"), trie(namespace)).unwrap();
            fs::write(process.join("cgroup"), format!("0::{cgroup}\n")).unwrap();
        }
        let mut reader = WorkloadReader::new(Some(proc));
        let found = by_namespace(proc, &mut reader);
        let of = |last| {
            let address = std::net::IpAddr::from([10, 0, 0, last]);
            let found = found.of_address(address, None);
            found.map(|workload| workload.to_string())
        };
        assert_eq!(of(1), None, "the host's");
        assert_eq!(of(2), Some(format!("pod {}", uid.replace('_', "-"))));
    }
}
