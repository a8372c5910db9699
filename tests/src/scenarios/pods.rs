//! Pods, named in what probes report: a namespace, a process in a cgroup, and a log directory, named as kubelet and containerd name them.

use std::{
    fs,
    path::Path,
    process::{Child, Command},
};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::proof::prove;
use crate::{
    drive::nat::{self, Gateway},
    kernel::run,
};

const CGROUPS: &str = "/sys/fs/cgroup";
const UID: &str = "4f0f8a52-52d4-4b8e-9a66-0c9d5e1b2a37";
const CONTAINER: &str = "5ca1ab1e5ca1ab1e5ca1ab1e5ca1ab1e5ca1ab1e5ca1ab1e5ca1ab1e5ca1ab1e";

/// A process in the cgroup of a container, which ends when this is dropped.
struct Container(Child);

impl Container {
    fn start(netns: &str) -> Result<Self> {
        let procs = Path::new(CGROUPS).join("cgroup.procs");
        if !procs.exists() {
            run(&["mount", "-t", "cgroup2", "none", CGROUPS])?;
        }
        let pod = UID.replace('-', "_");
        let cgroup = Path::new(CGROUPS).join(format!(
            "kubepods.slice/kubepods-pod{pod}.slice/cri-containerd-{CONTAINER}.scope"
        ));
        fs::create_dir_all(&cgroup).context("make the cgroup")?;
        let join = format!(
            "echo $$ > {}/cgroup.procs && exec nsenter --net=/run/netns/{netns} sleep 1000",
            cgroup.display()
        );
        let child = Command::new("sh").args(["-c", &join]).spawn();
        Ok(Self(child.context("start the process of the pod")?))
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The pod behind a gateway whose ports are used up is named where its flows are: in events and in top talkers.
pub(super) fn named() -> Result<()> {
    const TOO_MANY: u16 = 9;
    let gateway = Gateway::new()?;
    let _container = Container::start(nat::CLIENT)?;
    fs::create_dir_all(format!("/var/log/pods/shop_cart-7d9f_{UID}/app"))?;
    let whole_run = ["--probes", "flow", "--top", "5"];
    let proof = prove(&whole_run, || gateway.crowd(nat::PORTS + TOO_MANY))?;
    let pod = json!({"pod_namespace": "shop", "pod": "cart-7d9f", "pod_uid": UID});
    proof.events("nat_exhausted", TOO_MANY.into(), |event| {
        event["tuple"]["src"] == nat::CLIENT_ADDRESS
            && event["workloads"][nat::CLIENT_ADDRESS] == pod
    })?;
    let rows = |record: &Value| -> Vec<Value> {
        let tables = record["tables"].as_array().into_iter().flatten();
        let by_source = tables.filter(|table| table["by"] == "new" && table["of"] == "src");
        let rows = by_source.flat_map(|table| table["rows"].as_array().into_iter().flatten());
        rows.cloned().collect()
    };
    let sources: Vec<Value> = proof.ended.of("top").flat_map(rows).collect();
    let its_own = |row: &&Value| row["key"] == nat::CLIENT_ADDRESS;
    let row = sources.iter().find(its_own).context("not among sources")?;
    ensure!(row["workload"] == pod, "{row}");
    Ok(())
}
