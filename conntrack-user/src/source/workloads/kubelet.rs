//! Names of pods and containers from the names of the files that kubelet keeps their logs in; no file is opened, no link followed.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
};

use super::name;
use crate::reading::workload::Workload;

/// The most entries of a directory that are looked at. Kubernetes is made for 110 pods a node.
const ENTRIES: usize = 16_384;

/// Where kubelet has the logs: of pods, and links to those of their containers.
const PODS: &str = "var/log/pods";
const CONTAINERS: &str = "var/log/containers";

/// What the directories say.
#[derive(Debug, Default)]
pub(super) struct KubeletLogs {
    pods: HashMap<String, Workload>,
    containers: HashMap<String, Workload>,
}

impl KubeletLogs {
    /// Lists the directories.
    pub(super) fn read(root: &Path) -> Self {
        let entries = |directory: PathBuf| {
            let entries = fs::read_dir(directory).into_iter().flatten();
            let names = entries.flatten().map(|entry| entry.file_name());
            names
                .map(|name| name.to_string_lossy().into_owned())
                .take(ENTRIES)
        };
        Self {
            pods: entries(root.join(PODS))
                .filter_map(|name| pod(&name))
                .collect(),
            containers: entries(root.join(CONTAINERS))
                .filter_map(|name| container(&name))
                .collect(),
        }
    }

    /// The names of a container, or at least of its pod.
    pub(super) fn names(&self, id: Option<&str>, pod_uid: Option<&str>) -> Option<Workload> {
        let container = id.and_then(|id| self.containers.get(id));
        let pod = pod_uid.and_then(|uid| self.pods.get(uid));
        match (container, pod) {
            // The link of a container names another pod than the cgroup does.
            (Some(container), Some(pod))
                if (&container.pod, &container.pod_namespace) != (&pod.pod, &pod.pod_namespace) =>
            {
                Some(pod.clone())
            }
            (Some(named), _) | (None, Some(named)) => Some(named.clone()),
            (None, None) => None,
        }
    }
}

/// `<namespace>_<pod>_<uid>`; none of them can have an underscore.
pub(super) fn pod(file: &str) -> Option<(String, Workload)> {
    let mut parts = file.split('_');
    let (namespace, pod, uid) = (parts.next()?, parts.next()?, parts.next()?);
    let named = Workload {
        pod_namespace: name(namespace),
        pod: Some(name(pod)?),
        ..Workload::default()
    };
    parts.next().is_none().then(|| (uid.to_owned(), named))
}

/// `<pod>_<namespace>_<container>-<id>.log`.
pub(super) fn container(file: &str) -> Option<(String, Workload)> {
    let mut parts = file.strip_suffix(".log")?.split('_');
    let (pod, namespace, rest) = (parts.next()?, parts.next()?, parts.next()?);
    let (container, id) = rest.rsplit_once('-')?;
    let named = Workload {
        pod_namespace: name(namespace),
        pod: Some(name(pod)?),
        container: name(container),
        ..Workload::default()
    };
    parts.next().is_none().then(|| (id.to_owned(), named))
}

#[cfg(test)]
mod tests {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt};

    use super::*;

    const UID: &str = "81e09ae0-12ec-4ec5-94b8-51cda7906370";

    fn shown(file: &str) -> Option<(String, String)> {
        let (key, named) = container(file).or_else(|| pod(file))?;
        Some((key, named.to_string()))
    }

    #[test]
    fn names_of_files() {
        let some = |key: &str, named: &str| Some((key.to_owned(), named.to_owned()));
        assert_eq!(
            shown(&format!("kube-system_kube-proxy-6xsx9_{UID}")),
            some(UID, "kube-system/kube-proxy-6xsx9")
        );
        assert_eq!(
            shown("kube-proxy-6xsx9_kube-system_kube-proxy-c269a1.log"),
            some("c269a1", "kube-system/kube-proxy-6xsx9/kube-proxy")
        );
        for no in ["", "a_b", "a_b_c_d", "a__c", "_a", "a_b_c-.txt_", UID] {
            assert_eq!(shown(no), None, "{no}");
        }
    }

    #[test]
    fn directories_with_any_names() {
        let root = tempfile::tempdir().unwrap();
        let (pods, containers) = (root.path().join(PODS), root.path().join(CONTAINERS));
        fs::create_dir_all(&pods).unwrap();
        fs::create_dir_all(&containers).unwrap();
        fs::create_dir(pods.join("shop_cart_u1")).unwrap();
        let mut hostile = b"shop_\x1b[2J\xff\n_u2".to_vec();
        fs::create_dir(pods.join(OsStr::from_bytes(&hostile))).unwrap();
        hostile.truncate(3);
        fs::create_dir(pods.join(OsStr::from_bytes(&hostile))).unwrap();
        // A link need not lead anywhere.
        let link = containers.join("cart_shop_app-1f.log");
        std::os::unix::fs::symlink("/nowhere", link).unwrap();
        fs::write(containers.join("other_shop_app-2f.log"), "").unwrap();
        let logs = KubeletLogs::read(root.path());
        let names = |id, uid| logs.names(id, uid).map(|named| named.to_string());
        let some = |named: &str| Some(named.to_owned());
        assert_eq!(names(Some("1f"), Some("u1")), some("shop/cart/app"));
        assert_eq!(names(Some("3f"), Some("u1")), some("shop/cart"));
        assert_eq!(names(None, Some("u1")), some("shop/cart"));
        assert_eq!(
            names(Some("2f"), Some("u1")),
            some("shop/cart"),
            "whose link?"
        );
        assert_eq!(names(None, Some("u2")), some("shop/\\u{1b}[2J\u{fffd}\\n"));
        assert_eq!(names(Some("4f"), Some("u4")), None);
    }

    #[test]
    fn no_kubelet_has_no_names() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(
            KubeletLogs::read(root.path()).names(Some("1"), Some("2")),
            None
        );
    }
}
