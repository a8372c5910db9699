use std::fs;

use super::*;

const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const UID: &str = "0b7632a2-a56e-4278-987a-22de18008dbe";

/// A host whose files are made for the test, and a process of it.
struct Host {
    root: tempfile::TempDir,
    reader: WorkloadReader,
}

impl Host {
    fn new(cgroup: &str) -> Self {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("cgroup"), cgroup).unwrap();
        Self {
            reader: WorkloadReader::new(Some(root.path())),
            root,
        }
    }

    fn of_pod() -> Self {
        let uid = UID.replace('-', "_");
        Self::new(&format!(
            "0::/kubepods.slice/kubepods-pod{uid}.slice/cri-containerd-{ID}.scope\n"
        ))
    }

    fn write(&self, path: &str, content: &str) {
        let path = self.root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn make(&self, directory: &str) {
        fs::create_dir_all(self.root.path().join(directory)).unwrap();
    }

    /// What the process belongs to at a time.
    fn at(&mut self, seconds: u64) -> String {
        self.reader.start_round(Duration::from_secs(seconds));
        let found = self.reader.of_process(self.root.path());
        found.map_or("-".to_owned(), |found| found.to_string())
    }
}

fn config(uid: &str, pod: &str) -> String {
    format!(
        r#"{{"annotations": {{"io.kubernetes.cri.sandbox-uid": "{uid}",
            "io.kubernetes.cri.sandbox-name": "{pod}", "io.kubernetes.cri.sandbox-namespace": "shop",
            "io.kubernetes.cri.container-name": "app"}}}}"#
    )
}

const TASK: &str = "run/containerd/io.containerd.runtime.v2.task/k8s.io/";

#[test]
fn names_appear_when_files_do() {
    let mut host = Host::of_pod();
    assert_eq!(host.at(0), format!("pod {UID}"));
    host.make(&format!("var/log/pods/shop_cart_{UID}"));
    assert_eq!(host.at(5), format!("pod {UID}"), "not looked up each time");
    assert_eq!(host.at(15), "shop/cart");
    host.write(&format!("var/log/containers/cart_shop_app-{ID}.log"), "");
    assert_eq!(host.at(30), "shop/cart/app");
    // What is known stays known, whatever becomes of the files.
    fs::remove_dir_all(host.root.path().join("var")).unwrap();
    assert_eq!(host.at(1_000), "shop/cart/app");
    assert_eq!(host.reader.known.len(), 1);
    // Until nobody asks.
    host.reader.start_round(Duration::from_secs(1_001));
    host.reader.start_round(Duration::from_secs(1_002));
    assert!(host.reader.known.is_empty());
}

#[test]
fn a_sandbox_is_looked_up_once() {
    let mut host = Host::of_pod();
    let sandbox = r#"{"annotations": {"io.kubernetes.cri.container-type": "sandbox",
        "io.kubernetes.cri.sandbox-name": "cart", "io.kubernetes.cri.sandbox-namespace": "shop"}}"#;
    host.write(&format!("{TASK}{ID}/config.json"), sandbox);
    assert_eq!(host.at(0), "shop/cart");
    fs::remove_dir_all(host.root.path().join("run")).unwrap();
    assert_eq!(host.at(1_000), "shop/cart");
}

/// A pod that may write to /var/log could make any file there; none but root writes containerd's.
#[test]
fn the_runtime_is_believed_first() {
    let mut host = Host::of_pod();
    host.make(&format!("var/log/pods/shop_forged_{UID}"));
    host.write(&format!("{TASK}{ID}/config.json"), &config(UID, "cart"));
    assert_eq!(host.at(0), "shop/cart/app");
}

#[test]
fn a_file_of_another_pod_is_not_believed() {
    let mut host = Host::of_pod();
    host.write(&format!("{TASK}{ID}/config.json"), &config("other", "cart"));
    assert_eq!(host.at(0), format!("pod {UID}"));
}

#[test]
fn nobody_takes_a_name_by_naming_a_cgroup_like_it() {
    let mut host = Host::new(&format!(
        "0::/user.slice/user-1000.slice/user@1000.service/cri-containerd-{ID}.scope\n"
    ));
    host.write(&format!("{TASK}{ID}/config.json"), &config(UID, "cart"));
    assert_eq!(host.at(0), "0123456789ab of user@1000.service");
}

#[test]
fn containers_without_a_pod() {
    let mut docker = Host::new(&format!("0::/system.slice/docker-{ID}.scope\n"));
    let file = format!("var/lib/docker/containers/{ID}/config.v2.json");
    docker.write(&file, r#"{"Name": "/web"}"#);
    assert_eq!(docker.at(0), "web");
    let mut podman = Host::new(&format!("0::/machine.slice/libpod-{ID}.scope\n"));
    assert_eq!(podman.at(0), "0123456789ab");
    podman.write(
        "var/lib/containers/storage/overlay-containers/containers.json",
        &format!(r#"[{{"id": "{ID}", "names": ["db"]}}]"#),
    );
    assert_eq!(podman.at(15), "db");
}

#[test]
fn units_and_nothing() {
    let mut host = Host::new("0::/system.slice/ssh.service\n");
    assert_eq!(host.at(0), "ssh.service");
    let mut host = Host::new("0::/\n");
    assert_eq!(host.at(0), "-");
}
