//! Pods, containers and units, named by real cgroups of processes in real network namespaces, and by files of kubelet and containerd
//! below a directory that is given as the host's root.

use std::{
    env,
    ffi::OsStr,
    fs,
    io::{BufRead as _, BufReader, Read as _},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
    process::{self, Child, ChildStdout, Command, Stdio},
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
};

use anyhow::{Context, Result, ensure};
use ctpulse_tests::kernel::{
    namespaces::{track, within},
    run,
};
use serde_json::{Value, json};

use crate::{
    program::{self, Running},
    schema,
};

/// What the process of a pod runs, where and in which cgroup: a program of its own is needed, and this is one.
const HOLDER: &str = "workloads::holds_a_listener";
const CGROUP: &str = "CTPULSE_TEST_CGROUP";
const ADDRESS: &str = "CTPULSE_TEST_ADDRESS";

const PORT: u16 = 8_080;
const CONNECTIONS: usize = 5;

/// Tests make the same cgroups, and remove them.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// A process that tests start, in a namespace and a cgroup, with a listener.
#[test]
#[ignore = "a process of a pod: run by the tests below"]
fn holds_a_listener() -> Result<()> {
    let Some((cgroup, address)) = env::var_os(CGROUP).zip(env::var(ADDRESS).ok()) else {
        return Ok(());
    };
    let procs = Path::new(&cgroup).join("cgroup.procs");
    fs::write(&procs, process::id().to_string()).context("join the cgroup")?;
    let address: SocketAddr = address.parse()?;
    let listener = TcpListener::bind(address)?;
    println!("listening");
    thread::spawn(move || listener.incoming().flatten().collect::<Vec<_>>());
    // Until the test ends.
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

/// A pod's uid as kubelet has it, or a container's id as containerd: other runs of these tests have others.
fn uid(first: u8) -> String {
    format!(
        "{first:02x}{:06x}-52d4-4b8e-9a66-0c9d5e1b2a37",
        process::id() & 0xff_ffff
    )
}

fn id(first: u8) -> String {
    format!(
        "{first:02x}{:06x}{}",
        process::id() & 0xff_ffff,
        "e5f60718".repeat(7)
    )
}

/// Cgroups and namespaces that are removed in the end, after the processes in them.
struct Node {
    /// Where the unified hierarchy of cgroups is mounted.
    mount: PathBuf,
    cgroups: Vec<PathBuf>,
    namespaces: Vec<String>,
    /// With what they say: a pipe that nobody holds would be an error of theirs.
    processes: Vec<(Child, BufReader<ChildStdout>)>,
    /// The host's root, as ctpulse is told.
    root: tempfile::TempDir,
    _alone: MutexGuard<'static, ()>,
}

impl Drop for Node {
    fn drop(&mut self) {
        for (process, _) in &mut self.processes {
            let _ = process.kill();
            let _ = process.wait();
        }
        for namespace in &self.namespaces {
            let _ = run(&["ip", "netns", "delete", namespace]);
        }
        for cgroup in self.cgroups.iter().rev() {
            let _ = fs::remove_dir(cgroup);
        }
    }
}

impl Node {
    /// `None`, and a word on stderr, where the kernel or our privileges do not allow it.
    fn new() -> Result<Option<Self>> {
        let mounts = fs::read_to_string("/proc/self/mounts")?;
        let mut unified = mounts.lines().map(|line| line.split(' '));
        let mount = unified.find_map(|mut fields| {
            let path = fields.nth(1)?;
            (fields.next()? == "cgroup2").then(|| PathBuf::from(path))
        });
        let Some(mount) = mount.filter(|_| rustix::process::geteuid().is_root()) else {
            eprintln!(
                "skipped: cgroups and network namespaces can only be made by root, in a mounted cgroup2"
            );
            return Ok(None);
        };
        let node = Self {
            mount,
            cgroups: Vec::new(),
            namespaces: Vec::new(),
            processes: Vec::new(),
            root: tempfile::tempdir()?,
            _alone: ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner),
        };
        let probe = node.mount.join(format!("ctpulse-{}", process::id()));
        if fs::create_dir(&probe).is_err() {
            eprintln!("skipped: {} cannot be written", node.mount.display());
            return Ok(None);
        }
        fs::remove_dir(&probe)?;
        Ok(Some(node))
    }

    fn cgroup(&mut self, path: &[u8]) -> Result<PathBuf> {
        let mut cgroup = self.mount.clone();
        for part in path.split(|byte| *byte == b'/') {
            cgroup.push(OsStr::from_bytes(part));
            if !cgroup.exists() {
                fs::create_dir(&cgroup).with_context(|| format!("make {}", cgroup.display()))?;
                self.cgroups.push(cgroup.clone());
            }
        }
        Ok(cgroup)
    }

    /// A namespace whose only other interface has this address; the name that it gets.
    fn namespace(&mut self, name: &str) -> Result<String> {
        let name = format!("ctp-{name}-{}", process::id());
        run(&["ip", "netns", "add", &name])?;
        self.namespaces.push(name.clone());
        within(&name, track)?;
        Ok(name)
    }

    /// Starts a process in a namespace and a cgroup that listens at this address there.
    fn process(&mut self, namespace: &str, cgroup: &[u8], address: SocketAddr) -> Result<()> {
        let cgroup = self.cgroup(cgroup)?;
        // Not by `ip netns exec`, which takes /sys/fs/cgroup away.
        let mut child = Command::new("nsenter")
            .arg(format!("--net=/run/netns/{namespace}"))
            .arg(env::current_exe()?)
            .args(["--exact", HOLDER, "--ignored", "--nocapture"])
            .env(CGROUP, cgroup)
            .env(ADDRESS, address.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("run nsenter")?;
        let stdout = child.stdout.take().context("stdout is piped")?;
        let mut stdout = BufReader::new(stdout);
        let mut lines = stdout.by_ref().lines().map_while(Result::ok);
        let listens = lines.any(|line| line.ends_with("listening"));
        self.processes.push((child, stdout));
        ensure!(listens, "the process in {namespace} ended");
        Ok(())
    }

    /// A pod's namespace beside `to`, with a link to it: the ends have the addresses `10.88.<net>.1` and `.2`.
    fn link(&mut self, name: &str, to: &str, net: u8) -> Result<(String, Ipv4Addr)> {
        let pod = self.namespace(name)?;
        let (here, there) = (format!("ctp{net}a"), format!("ctp{net}b"));
        let peer = ["type", "veth", "peer", "name", &there, "netns", &pod];
        run(&[&["ip", "link", "add", &here, "netns", to][..], &peer].concat())?;
        let ends = [(to, &here, 1), (&*pod, &there, 2)];
        for (namespace, interface, last) in ends {
            let address = format!("10.88.{net}.{last}/24");
            run(&[
                "ip", "-n", namespace, "address", "add", &address, "dev", interface,
            ])?;
            run(&["ip", "-n", namespace, "link", "set", interface, "up"])?;
        }
        Ok((pod, Ipv4Addr::new(10, 88, net, 2)))
    }

    fn write(&self, path: &str, content: &str) -> Result<()> {
        let path = self.root.path().join(path);
        fs::create_dir_all(path.parent().context("no directory")?)?;
        Ok(fs::write(path, content)?)
    }

    fn make(&self, directory: &[u8]) -> Result<()> {
        let path = self.root.path().join(OsStr::from_bytes(directory));
        Ok(fs::create_dir_all(path)?)
    }
}

/// As kubelet and containerd name the cgroup of a container.
fn pod_cgroup(uid: &str, id: &str) -> Vec<u8> {
    let uid = uid.replace('-', "_");
    format!(
        "kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{uid}.slice/cri-containerd-{id}.scope"
    )
    .into_bytes()
}

/// As containerd keeps the configuration of a container.
fn config(uid: &str, pod: &str, container: &str) -> Value {
    json!({"ociVersion": "1.2.0", "annotations": {
        "io.kubernetes.cri.container-type": if container.is_empty() { "sandbox" } else { "container" },
        "io.kubernetes.cri.container-name": container,
        "io.kubernetes.cri.sandbox-name": pod,
        "io.kubernetes.cri.sandbox-namespace": "shop",
        "io.kubernetes.cri.sandbox-uid": uid,
    }})
}

fn config_path(id: &str) -> String {
    format!("run/containerd/io.containerd.runtime.v2.task/k8s.io/{id}/config.json")
}

/// Connects from a namespace.
fn connect(from: &str, to: Ipv4Addr) -> Result<Vec<TcpStream>> {
    within(from, || {
        let connect = |_| TcpStream::connect((to, PORT));
        let connections: Result<Vec<_>, _> = (0..CONNECTIONS).map(connect).collect();
        connections.with_context(|| format!("connect to {to}"))
    })
}

/// The row of a key in a table of the entries that are held, if the record has it.
fn row<'a>(record: &'a Value, instance: &str, of: &str, key: &str) -> Option<&'a Value> {
    let is_of_entries = record["type"] == "top" && record["instance"] == instance;
    let mut tables = is_of_entries.then(|| record["tables"].as_array())??.iter();
    let table = tables.find(|table| table["by"] == "entries" && table["of"] == of)?;
    let mut rows = table["rows"].as_array()?.iter();
    rows.find(|row| row["key"] == key)
}

/// What an instance belongs to, if the record is a hello that has it.
fn of_instance<'a>(record: &'a Value, instance: &str) -> Option<&'a Value> {
    let mut instances = record["instances"].as_array()?.iter();
    let found = instances.find(|found| found["name"] == instance)?;
    found.get("workload")
}

fn watch<'a>(netns: &'a str, root: &'a str) -> Vec<&'a str> {
    let args = ["stream", "--probes", "off", "--top", "--netns", netns];
    [&args[..], &["--host-root", root]].concat()
}

#[test]
fn a_pod_is_named_by_kubelets_and_containerds_cgroups_and_files() -> Result<()> {
    let Some(mut node) = Node::new()? else {
        return Ok(());
    };
    let (uid, pause, app) = (uid(1), id(1), id(2));
    let here = node.namespace("node")?;
    let (pod, address) = node.link("pod", &here, 1)?;
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    node.process(&pod, &pod_cgroup(&uid, &pause), any)?;
    node.process(&pod, &pod_cgroup(&uid, &app), (address, PORT).into())?;
    let _connections = connect(&here, address)?;
    let root = node.root.path().to_str().context("no UTF-8")?.to_owned();
    let (netns, key) = (format!("{here},{pod}"), address.to_string());
    let args = [&watch(&netns, &root)[..], &["--format", "json"]].concat();

    // Without files there are the ids of the cgroups.
    let mut program = Running::start(&args)?;
    let found = program.wait_for("the pod", |record| of_instance(record, &pod).is_some())?;
    let nameless = json!({"pod_uid": uid});
    ensure!(of_instance(&found, &pod) == Some(&nameless), "{found}");
    program.stop()?;

    node.make(format!("var/log/pods/shop_cart-7d9f_{uid}/app").as_bytes())?;
    node.write(
        &format!("var/log/containers/cart-7d9f_shop_app-{app}.log"),
        "",
    )?;
    let named = json!({"pod_namespace": "shop", "pod": "cart-7d9f", "pod_uid": uid});
    for by_containerd in [false, true] {
        if by_containerd {
            fs::remove_dir_all(node.root.path().join("var"))?;
            node.write(
                &config_path(&app),
                &config(&uid, "cart-7d9f", "app").to_string(),
            )?;
            node.write(
                &config_path(&pause),
                &config(&uid, "cart-7d9f", "").to_string(),
            )?;
        }
        for privileges in ["keep", "drop"] {
            let more = ["--privileges", privileges];
            let mut program = Running::start(&[&args[..], &more].concat())?;
            let found = program.wait_for("the pod", |r| of_instance(r, &pod).is_some())?;
            ensure!(of_instance(&found, &pod) == Some(&named), "{found}");
            ensure!(of_instance(&found, &here).is_none(), "{found}");
            // Where its packets come from, its address is the pod's, and nobody's process.
            let found =
                program.wait_for("its address", |r| row(r, &here, "dst", &key).is_some())?;
            let there = row(&found, &here, "dst", &key).context("no row")?;
            ensure!(there["workload"] == named, "{there}");
            let service = format!("tcp/{key}:{PORT}");
            let found = row(&found, &here, "service", &service).context("no service")?;
            ensure!(found["workload"] == named, "{found}");
            // In it, the port is that of the process in the container.
            let port = format!("tcp/{PORT}");
            let its_own = |record: &Value| {
                let row = row(record, &pod, "dport", &port)?.clone();
                row.get("process").is_some().then_some(row)
            };
            let found = program.wait_for("its process", |r| its_own(r).is_some())?;
            let row = its_own(&found).context("no row")?;
            let text = row["process"].as_str().context("no text")?;
            ensure!(text.ends_with(" in shop/cart-7d9f/app"), "{row}");
            let of_process = &row["process_workload"];
            for (label, value) in [
                ("pod_namespace", "shop"),
                ("pod", "cart-7d9f"),
                ("pod_uid", &uid),
                ("container", "app"),
                ("container_id", &app),
                ("runtime", "containerd"),
            ] {
                ensure!(of_process[label] == value, "{label}: {row}");
            }
            let ended = program.stop()?;
            schema::require(ended.lines.iter().map(String::as_str))?;
        }
    }
    let ended = Running::start(&[&watch(&netns, &root)[..], &["--duration", "1s"]].concat())?;
    let lines = ended.wait()?.successful()?.lines;
    let shown = format!("{key} shop/cart-7d9f ");
    ensure!(lines.iter().any(|line| line.contains(&shown)), "{lines:#?}");
    Ok(())
}

#[test]
fn hostile_names_are_shown_harmless_and_believed_only_of_those_who_may_give_them() -> Result<()> {
    let Some(mut node) = Node::new()? else {
        return Ok(());
    };
    let (uid, other, app) = (uid(3), uid(4), id(3));
    let here = node.namespace("hnode")?;
    let hostile = "\u{1b}[2J\u{202e}/..\n\u{9b}";
    let long = format!("{hostile}{}", "x".repeat(300));
    // By a file of containerd, a directory of kubelet, and a cgroup; and by a user who takes the id of another's container.
    let mut by_kubelet = b"var/log/pods/shop_\x1b[2J\xff\n\xe2\x80\xae_".to_vec();
    by_kubelet.extend(other.bytes());
    node.make(&by_kubelet)?;
    node.write(
        &config_path(&app),
        &config(&uid, &long, hostile).to_string(),
    )?;
    let user = format!("user.slice/user-1000.slice/user@1000.service/cri-containerd-{app}.scope");
    let owners: [(&str, Vec<u8>); 4] = [
        ("h1", pod_cgroup(&uid, &app)),
        ("h2", pod_cgroup(&other, &id(4))),
        (
            "h3",
            b"system.slice/\x1b[2J\xff\xe2\x80\xae.service".to_vec(),
        ),
        ("h4", user.into_bytes()),
    ];
    let mut netns = here.clone();
    let mut pods = Vec::new();
    let mut connections = Vec::new();
    for (net, (name, cgroup)) in (11..).zip(owners) {
        let (pod, address) = node.link(name, &here, net)?;
        node.process(&pod, &cgroup, (address, PORT).into())?;
        connections.push(connect(&here, address)?);
        netns = format!("{netns},{pod}");
        pods.push(pod);
    }
    let root = node.root.path().to_str().context("no UTF-8")?.to_owned();
    let args = watch(&netns, &root);
    let mut program = Running::start(&[&args[..], &["--format", "json"]].concat())?;
    let all = |record: &Value| pods.iter().all(|pod| of_instance(record, pod).is_some());
    let found = program.wait_for("all of them", all)?;
    let of = |at: usize, label: &str| of_instance(&found, &pods[at]).map(|found| &found[label]);
    // JSON has names as they are, up to a limit.
    let kept: String = long.chars().take(300).collect();
    ensure!(of(0, "pod") == Some(&json!(kept)), "{found}");
    ensure!(
        of(1, "pod") == Some(&json!("\u{1b}[2J\u{fffd}\n\u{202e}")),
        "{found}"
    );
    ensure!(
        of(2, "unit") == Some(&json!("\u{1b}[2J\u{fffd}\u{202e}.service")),
        "{found}"
    );
    ensure!(
        of(3, "unit") == Some(&json!("user@1000.service")),
        "{found}"
    );
    ensure!(of(3, "pod") == Some(&Value::Null), "{found}");
    let ended = program.stop()?;
    schema::require(ended.lines.iter().map(String::as_str))?;

    let file = node.root.path().join("a.ctp");
    let file = file.to_str().context("no UTF-8")?;
    let record = [&["record", file][..], &args[1..], &["--duration", "1s"]].concat();
    program::run(&record)?.success();
    for show in [
        [&args[..], &["--duration", "1s"]].concat(),
        vec!["replay", file],
        vec!["report", file],
    ] {
        let ended = Running::start(&show)?.wait()?.successful()?;
        let text = ended.lines.join("\n");
        let harmful = |c: &char| c.is_control() || matches!(c, '\u{202e}' | '\u{9b}');
        let harmful = text.chars().filter(|c| *c != '\n').find(harmful);
        ensure!(harmful.is_none(), "{show:?}: {harmful:?}");
        let escaped = "shop/\\u{1b}[2J\\u{202e}\\u{2f}..\\n\\u{9b}xxx";
        ensure!(
            text.contains(escaped) || show[0] == "report",
            "{show:?}: {text}"
        );
        ensure!(!text.contains(&"x".repeat(64)), "{show:?}: {text}");
    }
    Ok(())
}
