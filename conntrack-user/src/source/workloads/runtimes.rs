//! Names of containers from the files of their runtimes, which only root may write.

use std::{collections::HashMap, path::Path};

use serde::Deserialize;

use super::name;
use crate::{files, reading::workload::Workload, text::Text};

/// The most bytes of a container's file. Those of the OCI specification have some 30,000.
const MAX_BYTES: u64 = 1 << 20;

/// The most bytes of Podman's and CRI-O's list of containers, of which each takes some 1,000.
const LIST_BYTES: u64 = 8 << 20;

/// Where containerd keeps what it runs: `<here>/<namespace>/<id>/config.json`. The second is K3s's.
const CONTAINERD: [&str; 2] = [
    "run/containerd/io.containerd.runtime.v2.task",
    "run/k3s/containerd/io.containerd.runtime.v2.task",
];

/// The namespaces of containerd: Kubernetes's, nerdctl's, Docker's.
const CONTAINERD_NAMESPACES: [&str; 3] = ["k8s.io", "default", "moby"];

const DOCKER: &str = "var/lib/docker/containers";

/// Where CRI-O and Podman keep what they run, and their lists of containers, the second of those that are removed when they end.
const CRI_O: &str = "run/containers/storage/overlay-containers";
const LISTS: [&str; 2] = [
    "var/lib/containers/storage/overlay-containers/containers.json",
    "var/lib/containers/storage/overlay-containers/volatile-containers.json",
];

/// A part of the configuration of the OCI specification.
#[derive(Debug, Deserialize)]
struct OciConfig {
    #[serde(default)]
    annotations: HashMap<String, serde_json::Value>,
}

/// A part of Docker's `config.v2.json`.
#[derive(Debug, Deserialize)]
struct DockerConfig {
    #[serde(rename = "Name", default)]
    name: String,
    #[serde(rename = "Config", default)]
    config: DockerLabels,
}

#[derive(Debug, Default, Deserialize)]
struct DockerLabels {
    #[serde(rename = "Labels", default)]
    labels: Option<HashMap<String, serde_json::Value>>,
}

/// A part of an entry of `containers.json`.
#[derive(Debug, Deserialize)]
struct StoredContainer {
    id: String,
    #[serde(default)]
    names: Option<Vec<String>>,
}

/// Names of containers by their ids, of the runtimes that have a list.
#[derive(Debug, Default)]
pub(super) struct StoredNames(HashMap<String, String>);

impl StoredNames {
    /// Reads the lists.
    pub(super) fn read(root: &Path) -> Self {
        let lists = LISTS.iter().filter_map(|list| {
            let bytes = files::read(&root.join(list), LIST_BYTES).ok()?;
            serde_json::from_slice::<Vec<StoredContainer>>(&bytes).ok()
        });
        let named = |container: StoredContainer| {
            let name = container.names?.into_iter().next()?;
            Some((container.id, name))
        };
        Self(lists.flatten().filter_map(named).collect())
    }

    /// The name of a container.
    pub(super) fn name(&self, id: &str) -> Option<Workload> {
        Some(Workload {
            container: Some(name(self.0.get(id)?)?),
            ..Workload::default()
        })
    }
}

/// The names of a container with this id, which is one: 64 hexadecimal digits.
pub(super) fn names(root: &Path, id: &str) -> Option<Workload> {
    let mut bundles = CONTAINERD.iter().flat_map(|tasks| {
        CONTAINERD_NAMESPACES
            .iter()
            .map(move |namespace| root.join(tasks).join(namespace))
    });
    bundles
        .find_map(|containers| of_oci(&containers.join(id).join("config.json"), "containerd"))
        .or_else(|| {
            let config = root.join(CRI_O).join(id).join("userdata/config.json");
            of_oci(&config, "cri-o")
        })
        .or_else(|| of_docker(&root.join(DOCKER).join(id).join("config.v2.json")))
}

fn of_oci(path: &Path, runtime: &'static str) -> Option<Workload> {
    oci(&files::read(path, MAX_BYTES).ok()?, runtime)
}

/// What a configuration of the OCI specification says.
pub(super) fn oci(bytes: &[u8], runtime: &'static str) -> Option<Workload> {
    let config: OciConfig = serde_json::from_slice(bytes).ok()?;
    let get = |key: &str| name(config.annotations.get(key)?.as_str()?);
    let any = |keys: [&str; 2]| keys.iter().find_map(|key| get(key));
    let sandbox = any([
        "io.kubernetes.cri.container-type",
        "io.kubernetes.cri-o.ContainerType",
    ]);
    let is_sandbox = sandbox.is_some_and(|kind| kind == "sandbox");
    let container = any([
        "io.kubernetes.cri.container-name",
        "io.kubernetes.container.name",
    ]);
    let named = Workload {
        pod_namespace: any([
            "io.kubernetes.cri.sandbox-namespace",
            "io.kubernetes.pod.namespace",
        ]),
        pod: any(["io.kubernetes.cri.sandbox-name", "io.kubernetes.pod.name"]),
        pod_uid: any(["io.kubernetes.cri.sandbox-uid", "io.kubernetes.pod.uid"]),
        // That of the sandbox is made up: POD.
        container: container
            .filter(|_| !is_sandbox)
            .or_else(|| get("nerdctl/name")),
        ..Workload::default()
    };
    with_runtime(named, runtime)
}

fn of_docker(path: &Path) -> Option<Workload> {
    docker(&files::read(path, MAX_BYTES).ok()?)
}

/// What Docker's own file about a container says.
pub(super) fn docker(bytes: &[u8]) -> Option<Workload> {
    let config: DockerConfig = serde_json::from_slice(bytes).ok()?;
    let labels = config.config.labels.unwrap_or_default();
    let get = |key: &str| name(labels.get(key)?.as_str()?);
    // Those of cri-dockerd.
    let container = get("io.kubernetes.container.name");
    let pod = get("io.kubernetes.pod.name");
    let own = name(config.name.strip_prefix('/').unwrap_or(&config.name));
    let named = Workload {
        pod_namespace: get("io.kubernetes.pod.namespace"),
        pod_uid: get("io.kubernetes.pod.uid"),
        container: match pod {
            Some(_) => container.filter(|name| *name != "POD"),
            None => own,
        },
        pod,
        ..Workload::default()
    };
    with_runtime(named, "docker")
}

/// What has names, with the runtime that has given them.
fn with_runtime(named: Workload, runtime: &'static str) -> Option<Workload> {
    let known = named.pod.is_some() || named.container.is_some();
    known.then(|| Workload {
        runtime: Some(Text::fixed(runtime)),
        ..named
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    fn write(root: &Path, path: &str, content: &[u8]) {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// What a file says of the container.
    fn said(path: &str, content: &Value) -> Option<Workload> {
        let root = tempfile::tempdir().unwrap();
        write(
            root.path(),
            &path.replace("ID", ID),
            content.to_string().as_bytes(),
        );
        names(root.path(), ID)
    }

    #[test]
    fn containerd() {
        let annotations = |kind: &str| {
            json!({"ociVersion": "1.1.0", "annotations": {
                "io.kubernetes.cri.container-type": kind,
                "io.kubernetes.cri.container-name": "app",
                "io.kubernetes.cri.sandbox-name": "cart-7d9f",
                "io.kubernetes.cri.sandbox-namespace": "shop",
                "io.kubernetes.cri.sandbox-uid": "u1"}})
        };
        for tasks in CONTAINERD {
            let path = format!("{tasks}/k8s.io/ID/config.json");
            let found = said(&path, &annotations("container")).unwrap();
            assert_eq!(found.to_string(), "shop/cart-7d9f/app");
            assert_eq!(found.pod_uid.unwrap(), "u1");
            assert_eq!(found.runtime.unwrap(), "containerd");
            let sandbox = said(&path, &annotations("sandbox")).unwrap();
            assert_eq!(sandbox.to_string(), "shop/cart-7d9f");
        }
        let nerdctl = json!({"annotations": {"nerdctl/name": "web"}});
        let path = format!("{}/default/ID/config.json", CONTAINERD[0]);
        assert_eq!(said(&path, &nerdctl).unwrap().to_string(), "web");
        assert_eq!(said(&path, &json!({"annotations": {}})), None);
        assert_eq!(
            said(&path, &json!({"annotations": {"nerdctl/name": 7}})),
            None
        );
    }

    #[test]
    fn cri_o() {
        let config = json!({"annotations": {
            "io.kubernetes.cri-o.ContainerType": "container",
            "io.kubernetes.container.name": "app",
            "io.kubernetes.pod.name": "cart-7d9f",
            "io.kubernetes.pod.namespace": "shop",
            "io.kubernetes.pod.uid": "u1"}});
        let found = said(&format!("{CRI_O}/ID/userdata/config.json"), &config).unwrap();
        assert_eq!(found.to_string(), "shop/cart-7d9f/app");
        assert_eq!(found.runtime.unwrap(), "cri-o");
    }

    #[test]
    fn docker() {
        let path = format!("{DOCKER}/ID/config.v2.json");
        let own = json!({"ID": ID, "Name": "/web", "Config": {"Labels": null}});
        assert_eq!(said(&path, &own).unwrap().to_string(), "web");
        let of_pod = json!({"Name": "/k8s_app_cart_shop_u1_0", "Config": {"Labels": {
            "io.kubernetes.container.name": "app", "io.kubernetes.pod.name": "cart",
            "io.kubernetes.pod.namespace": "shop", "io.kubernetes.pod.uid": "u1"}}});
        assert_eq!(said(&path, &of_pod).unwrap().to_string(), "shop/cart/app");
    }

    #[test]
    fn podman() {
        let root = tempfile::tempdir().unwrap();
        let list =
            json!([{"id": "other", "names": null}, {"id": ID, "names": ["web"], "image": "i"}]);
        write(root.path(), LISTS[0], list.to_string().as_bytes());
        write(
            root.path(),
            LISTS[1],
            b"[{\"id\":\"brief\",\"names\":[\"job\"]}]",
        );
        let stored = StoredNames::read(root.path());
        let name = |id| stored.name(id).map(|named| named.to_string());
        assert_eq!(name(ID), Some("web".to_owned()));
        assert_eq!(name("brief"), Some("job".to_owned()));
        assert_eq!(name("other"), None);
    }

    #[test]
    fn hostile_files_say_nothing() {
        let root = tempfile::tempdir().unwrap();
        let path = format!("{}/k8s.io/{ID}/config.json", CONTAINERD[0]);
        for content in [
            b"".to_vec(),
            b"\xff".to_vec(),
            b"[".repeat(100_000),
            br#"{"annotations": []}"#.to_vec(),
            vec![b' '; MAX_BYTES as usize + 1],
        ] {
            write(root.path(), &path, &content);
            assert_eq!(names(root.path(), ID), None);
        }
        fs::remove_file(root.path().join(&path)).unwrap();
        fs::create_dir(root.path().join(&path)).unwrap();
        assert_eq!(names(root.path(), ID), None);
    }

    proptest! {
        #[test]
        fn any_names_are_taken_whole_or_cut(value in any::<String>(), times in 1_usize..200) {
            let value = value.repeat(times);
            let config = json!({"annotations": {"io.kubernetes.cri.sandbox-name": value}});
            let path = format!("{}/k8s.io/ID/config.json", CONTAINERD[0]);
            let pod = said(&path, &config).and_then(|named| named.pod);
            prop_assert_eq!(pod.is_some(), !value.is_empty());
            prop_assert!(pod.is_none_or(|pod| value.starts_with(pod.raw()) && pod.raw().chars().count() <= 300));
        }
    }
}
