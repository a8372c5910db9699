//! Netdata with nothing but its collection from the file: the CPU time of the thread that does it.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use ctpulse_tests::{cpu_time::cpu_time_of_thread, ctpulse::PATIENCE};

use crate::collector::Collector;

/// It collects once a second.
const PERIOD: Duration = Duration::from_secs(1);

/// Collections that are measured at a time.
const COLLECTIONS: u32 = 5;

/// The name of its thread.
const THREAD: &str = "PLUGIN[proc]";

/// Netdata, started when it is measured for the first time.
pub(crate) struct Netdata {
    tree: PathBuf,
    running: Option<Agent>,
}

/// A running agent, and its directory.
struct Agent {
    child: Child,
    dir: PathBuf,
}

impl Netdata {
    pub(crate) fn new(tree: &Path) -> Self {
        Self {
            tree: tree.to_owned(),
            running: None,
        }
    }
}

impl Collector for Netdata {
    fn measure(&mut self) -> Result<Duration> {
        if self.running.is_none() {
            self.running = Some(Agent::start(&self.tree)?);
        }
        let agent = self.running.as_ref().context("it was started")?;
        let time = || {
            let time = cpu_time_of_thread(agent.child.id(), THREAD)?;
            time.with_context(|| format!("Netdata has no thread {THREAD}"))
        };
        let before = time()?;
        sleep(PERIOD * COLLECTIONS);
        Ok(time()?.saturating_sub(before) / COLLECTIONS)
    }
}

impl Agent {
    fn start(tree: &Path) -> Result<Self> {
        let dir = env::temp_dir().join(format!("ctpulse-tick-netdata-{}", std::process::id()));
        let config = configure(&dir)?;
        let multiarch = format!("{}-linux-gnu", env::consts::ARCH);
        let libraries = ["usr/lib", "lib"].map(|lib| tree.join(lib).join(&multiarch));
        let child = Command::new(tree.join("usr/sbin/netdata"))
            .env("LD_LIBRARY_PATH", env::join_paths(libraries)?)
            .arg("-D")
            .arg("-c")
            .arg(config)
            .args(["-u", "root"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("run Netdata")?;
        let mut agent = Self { child, dir };
        let deadline = Instant::now() + PATIENCE;
        while cpu_time_of_thread(agent.child.id(), THREAD)?.is_none() {
            if agent.child.try_wait()?.is_some() || Instant::now() > deadline {
                bail!("Netdata does not start to collect");
            }
            sleep(PERIOD);
        }
        // The first collections look for what there is.
        sleep(PERIOD * 3);
        Ok(agent)
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        // It may have ended by itself, and what is left is small.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// Everything off that can be, but for one file of the proc plugin.
fn configure(dir: &Path) -> Result<PathBuf> {
    let made = [
        "config",
        "stock",
        "health.d",
        "stock.d",
        "log",
        "web",
        "cache",
        "lib",
        "home",
        "plugins.d",
    ];
    for name in made {
        fs::create_dir_all(dir.join(name)).with_context(|| format!("make {name}"))?;
    }
    fs::write(dir.join("config/.opt-out-from-anonymous-statistics"), "")?;
    let plugins = [
        "diskspace",
        "cgroups",
        "tc",
        "idlejitter",
        "checks",
        "timex",
        "statsd",
        "netdata monitoring",
        "enable running new plugins",
        "go.d",
        "apps",
    ];
    let files = [
        "/proc/net/dev",
        "/proc/pagetypeinfo",
        "/proc/stat",
        "/proc/uptime",
        "/proc/loadavg",
        "/proc/sys/fs/file-nr",
        "/proc/sys/kernel/random/entropy_avail",
        "/proc/pressure",
        "/proc/interrupts",
        "/proc/softirqs",
        "/proc/vmstat",
        "/proc/meminfo",
        "/sys/kernel/mm/ksm",
        "/sys/block/zram",
        "/sys/devices/system/edac/mc",
        "/sys/devices/system/node",
        "/proc/net/wireless",
        "/proc/net/sockstat",
        "/proc/net/sockstat6",
        "/proc/net/netstat",
        "/proc/net/snmp6",
        "/proc/net/sctp/snmp",
        "/proc/net/softnet_stat",
        "/proc/net/ip_vs/stats",
        "/sys/class/infiniband",
        "/proc/net/stat/synproxy",
        "/proc/diskstats",
        "/proc/mdstat",
        "/proc/net/rpc/nfsd",
        "/proc/net/rpc/nfs",
        "/proc/spl/kstat/zfs/arcstats",
        "/sys/fs/btrfs",
        "ipc",
        "/sys/class/power_supply",
        "/proc/net/snmp",
        "/proc/spl/kstat/zfs/pool/state",
        "netdata server resources",
    ];
    let off =
        |names: &[&str]| -> String { names.iter().map(|name| format!("{name} = no\n")).collect() };
    let (plugins, files) = (off(&plugins), off(&files));
    let dir_shown = dir.display();
    let text = format!(
        "[directories]\n\
         config = {dir_shown}/config\n\
         stock config = {dir_shown}/stock\n\
         health config = {dir_shown}/health.d\n\
         stock health config = {dir_shown}/stock.d\n\
         log = {dir_shown}/log\n\
         web = {dir_shown}/web\n\
         cache = {dir_shown}/cache\n\
         lib = {dir_shown}/lib\n\
         home = {dir_shown}/home\n\
         lock = {dir_shown}/lib\n\
         plugins = \"{dir_shown}/plugins.d\"\n\
         [logs]\n\
         error = none\n\
         debug = none\n\
         access = none\n\
         [db]\n\
         mode = alloc\n\
         [ml]\n\
         enabled = no\n\
         [web]\n\
         mode = none\n\
         [registry]\n\
         enabled = no\n\
         [health]\n\
         enabled = no\n\
         [plugins]\n\
         proc = yes\n\
         {plugins}\
         [plugin:proc]\n\
         /proc/net/stat/conntrack = yes\n\
         {files}"
    );
    let config = dir.join("config/netdata.conf");
    fs::write(&config, text)?;
    Ok(config)
}
