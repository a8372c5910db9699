//! What processes belong to: the pod, container or unit that their cgroups say, with names from files of the host, as far as they
//! can be read. Nobody is asked: no API server, no runtime.

mod addresses;
mod cgroup;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod kubelet;
mod namespaces;
mod runtimes;

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use self::{cgroup::CgroupOwner, kubelet::KubeletLogs, runtimes::StoredNames};
use crate::{files, reading::workload::Workload, text::Text};

pub use namespaces::by_namespace;

/// The most bytes of `cgroup` that are read. It is longer only with dozens of cgroup hierarchies.
const CGROUP_BYTES: u64 = 64 << 10;

/// The most characters that are kept of a name: Kubernetes has up to 253.
const NAME: usize = 300;

/// The most containers whose names are looked up in a round; others wait for the next one.
const LOOK_UPS: usize = 500;

/// How long a container whose name was not found is not looked up again: kubelet makes its files when it has started.
const AGAIN: Duration = Duration::from_secs(15);

/// The host's file system as its first process sees it, also where ctpulse is in a container that shares process ids with the host.
const HOST_ROOT: &str = "/proc/1/root";

/// Finds out what processes belong to, and remembers the names of their containers.
#[derive(Debug)]
pub struct WorkloadReader {
    /// The host's root directory.
    root: PathBuf,
    known: HashMap<NameKey, NamedWorkload>,
    /// Files of all containers, once they are needed in a round.
    lists: Option<Lists>,
    now: Duration,
    look_ups: usize,
}

/// What names are found by: the container's id and the pod's uid.
type NameKey = (Option<Text>, Option<Text>);

#[derive(Debug)]
struct NamedWorkload {
    workload: Arc<Workload>,
    /// When to look for its names again; `None`: they are known, and never change.
    again: Option<Duration>,
    /// Whether it was asked for in this round.
    used: bool,
}

#[derive(Debug)]
struct Lists {
    logs: KubeletLogs,
    stored: StoredNames,
}

impl WorkloadReader {
    /// Starts without names. `root` is where the host's files are, if a user has said so.
    #[must_use]
    pub fn new(root: Option<&Path>) -> Self {
        Self {
            root: match root {
                Some(root) => root.to_owned(),
                None if Path::new(HOST_ROOT).join("proc").exists() => HOST_ROOT.into(),
                None => "/".into(),
            },
            known: HashMap::new(),
            lists: None,
            now: Duration::ZERO,
            look_ups: 0,
        }
    }

    /// Starts a round, in which each file is read at most once. Forgets the containers that were not asked for in the one before.
    pub fn start_round(&mut self, now: Duration) {
        self.known
            .retain(|_, known| std::mem::replace(&mut known.used, false));
        self.lists = None;
        self.now = now;
        self.look_ups = 0;
    }

    /// What the process with this directory belongs to; `None` where that is not known.
    pub fn of_process(&mut self, process: &Path) -> Option<Arc<Workload>> {
        let file = files::read_start(&process.join("cgroup"), CGROUP_BYTES).ok()?;
        let CgroupOwner {
            workload,
            delegated,
        } = cgroup::owner(&file)?;
        // A unit that names its own cgroups could take the name of any container.
        let has_names = !delegated && (workload.container_id.is_some() || workload.is_of_pod());
        Some(match has_names {
            true => self.named(workload),
            false => workload.into(),
        })
    }

    fn named(&mut self, workload: Workload) -> Arc<Workload> {
        let key = (workload.container_id.clone(), workload.pod_uid.clone());
        if let Some(known) = self.known.get_mut(&key) {
            known.used = true;
            if known.again.is_none_or(|again| self.now < again) {
                return Arc::clone(&known.workload);
            }
        }
        if self.look_ups >= LOOK_UPS {
            return workload.into();
        }
        self.look_ups += 1;
        let found = self.look_up(&key);
        // A runtime's file says all that there is: the sandbox of a pod has no name of its own.
        let is_complete = found
            .as_ref()
            .is_some_and(|found| found.container.is_some() || found.runtime.is_some());
        let found = found.unwrap_or_default();
        let workload = Arc::new(Workload {
            pod_namespace: found.pod_namespace,
            pod: found.pod,
            pod_uid: workload.pod_uid.or(found.pod_uid),
            container: workload.container.or(found.container),
            container_id: workload.container_id,
            runtime: workload.runtime.or(found.runtime),
            unit: workload.unit,
        });
        let known = NamedWorkload {
            workload: Arc::clone(&workload),
            again: (!is_complete).then(|| self.now + AGAIN),
            used: true,
        };
        self.known.insert(key, known);
        workload
    }

    /// Looks for names: first in what only the runtime may write.
    fn look_up(&mut self, (id, pod_uid): &NameKey) -> Option<Workload> {
        let id = id.as_ref().map(Text::raw);
        let agrees = |found: &Workload| match (&found.pod_uid, pod_uid) {
            (Some(said), Some(uid)) => said == uid,
            _ => true,
        };
        let of_runtime = id.and_then(|id| runtimes::names(&self.root, id));
        of_runtime.filter(agrees).or_else(|| {
            let lists = self.lists.get_or_insert_with(|| Lists {
                logs: KubeletLogs::read(&self.root),
                stored: StoredNames::read(&self.root),
            });
            match pod_uid {
                Some(uid) => lists.logs.names(id, Some(uid.raw())),
                None => lists.stored.name(id?),
            }
        })
    }
}

/// A name from a file; `None` if it is empty.
fn name(text: &str) -> Option<Text> {
    let kept: String = text.chars().take(NAME).collect();
    (!kept.is_empty()).then(|| kept.into())
}

#[cfg(test)]
mod tests;
