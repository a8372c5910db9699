//! Netdata with nothing but its collection from the file: the CPU time of the thread that does it.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use ctpulse_tests::{cpu_time::cpu_time_of_thread, ctpulse::PATIENCE, netdata};

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
    let sections = format!(
        "[logs]\n\
         error = none\n\
         debug = none\n\
         access = none\n\
         [web]\n\
         mode = none\n\
         [health]\n\
         enabled = no\n\
         [plugins]\n\
         proc = yes\n\
         {}\
         [plugin:proc]\n\
         /proc/net/stat/conntrack = yes\n\
         {}",
        netdata::off(&netdata::OTHERS),
        netdata::off(&files)
    );
    netdata::configure(dir, &sections)
}
