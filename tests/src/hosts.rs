//! Hosts that lack something: this one, seen from a mount namespace that hides files, or by a process that may do less.
//!
//! Each is a command in front of ctpulse, so that doctor and a stream run in the same one. A namespace ends with its command.

use std::{collections::BTreeSet, path::Path, process::Command};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// A host that lacks something.
#[derive(Clone, Copy, Debug)]
pub struct Host {
    /// What it lacks, for messages.
    pub name: &'static str,
    /// What a shell does in a mount namespace of its own first. /run is empty there.
    setup: &'static str,
    /// What is put in front of ctpulse.
    prefix: &'static [&'static str],
}

const fn hiding(name: &'static str, setup: &'static str) -> Host {
    Host {
        name,
        setup,
        prefix: &[],
    }
}

const fn lesser(name: &'static str, prefix: &'static [&'static str]) -> Host {
    Host {
        name,
        setup: ":",
        prefix,
    }
}

/// As it is.
pub const AS_IT_IS: Host = lesser("as it is", &[]);
/// All capabilities, none of which count.
pub const USER_NAMESPACE: Host = lesser("user namespace", &["unshare", "-U", "-r"]);
/// Root without any capability. The whole path, because busybox prefers a setpriv of its own, which cannot do this.
pub const NO_CAPABILITIES: Host = lesser(
    "no capabilities",
    &["/usr/bin/setpriv", "--bounding-set=-all", "--inh-caps=-all"],
);
/// Those that probes take, and no CAP_SYS_ADMIN.
pub const NO_ADMIN: Host = lesser(
    "CAP_BPF and CAP_PERFMON",
    &[
        "/usr/bin/setpriv",
        "--bounding-set=-all,+bpf,+perfmon",
        "--inh-caps=-all",
    ],
);
/// As in a systemd unit with `ProcSubset=pid`.
pub const PROCESSES_ONLY: Host = hiding("subset=pid", "mount -t proc -o subset=pid proc /proc");
/// As in some sandboxes.
pub const NO_SYMBOLS: Host = hiding(
    "empty kallsyms",
    ": > /run/kallsyms && mount -o bind /run/kallsyms /proc/kallsyms",
);
/// As GCC makes it of some kernels.
pub const RENAMED: Host = hiding(
    "early_drop.isra.0",
    "sed 's/ early_drop\\t/ early_drop.isra.0\\t/; s/ early_drop$/ early_drop.isra.0/' /proc/kallsyms > /run/kallsyms \
     && mount -o bind /run/kallsyms /proc/kallsyms",
);
/// Without CONFIG_DEBUG_INFO_BTF.
pub const NO_TYPES: Host = hiding("no types", "mount -o bind /run /sys/kernel/btf");
/// Without CONFIG_DEBUG_INFO_BTF_MODULES.
pub const NO_MODULE_TYPES: Host = hiding(
    "no types of modules",
    "cp /sys/kernel/btf/vmlinux /run && mount -o bind /run /sys/kernel/btf",
);
/// Without CONFIG_KPROBE_EVENTS.
pub const NO_KPROBES: Host = hiding(
    "no kprobes",
    "mount -o bind /run /sys/bus/event_source/devices",
);

/// With a network plugin that tracks connections in eBPF maps.
pub const CILIUM: Host = hiding(
    "Cilium",
    "mount -t tmpfs none /sys/fs/bpf && mkdir -p /sys/fs/bpf/tc/globals && : > /sys/fs/bpf/tc/globals/cilium_ct4_global",
);

/// All of them.
pub const ALL: &[Host] = &[
    AS_IT_IS,
    USER_NAMESPACE,
    NO_CAPABILITIES,
    NO_ADMIN,
    PROCESSES_ONLY,
    NO_SYMBOLS,
    RENAMED,
    NO_TYPES,
    NO_MODULE_TYPES,
    NO_KPROBES,
    CILIUM,
];

/// What doctor and a stream said of a host.
#[derive(Debug)]
pub struct Said {
    /// doctor's report.
    pub doctor: Value,
    /// The stream's first record.
    pub hello: Value,
    /// What the stream wrote to stderr.
    pub stderr: String,
}

impl Host {
    /// Runs doctor and a stream of all probes, and requires that they agree.
    ///
    /// # Errors
    ///
    /// When one cannot be run, or they differ.
    pub fn agreed(&self, ctpulse: &Path) -> Result<Said> {
        let (doctor, _) = self.run(ctpulse, &["doctor", "--format", "json"])?;
        let doctor = serde_json::from_str(&doctor).context("doctor's report")?;
        let stream = [
            "stream",
            "--format",
            "json",
            "--probes",
            "all",
            "--duration",
            "200ms",
        ];
        let (lines, stderr) = self.run(ctpulse, &stream)?;
        let hello = lines.lines().next().context("no hello")?;
        let hello = serde_json::from_str(hello).context("hello")?;
        let said = Said {
            doctor,
            hello,
            stderr,
        };
        said.agree()
            .with_context(|| format!("{}: {said:?}", self.name))?;
        Ok(said)
    }

    fn run(&self, ctpulse: &Path, args: &[&str]) -> Result<(String, String)> {
        let output = Command::new("unshare")
            .args(["-m", "sh", "-c"])
            .arg(format!(
                "mount -t tmpfs none /run && {} && exec \"$@\"",
                self.setup
            ))
            .arg("sh")
            .args(self.prefix)
            .arg(ctpulse)
            .args(args)
            .output()
            .context("run unshare")?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
        ensure!(
            output.status.success(),
            "{}: {}: {stderr}",
            self.name,
            output.status
        );
        Ok((stdout, stderr))
    }
}

impl Said {
    fn agree(&self) -> Result<()> {
        let probes = &self.hello["probes"];
        ensure!(
            self.doctor["blocked"] == probes["reason"],
            "different reasons"
        );
        let attached = names(probes["attached"].as_array().context("attached")?, "");
        ensure!(
            self.probes("ok")? == attached,
            "other functions are promised"
        );
        let missing = names(probes["missing"].as_array().context("missing")?, "function");
        if self.doctor["blocked"].is_null() {
            ensure!(
                self.probes("missing")? == missing,
                "other functions are missing"
            );
        }
        for counter in self.doctor["counters"].as_array().context("counters")? {
            let name = counter["name"].as_str().context("a counter's name")?;
            let reason = &self.hello["unavailable"][name];
            ensure!(counter["reason"] == *reason, "{name}: {reason}");
        }
        let refused = probes.to_string();
        ensure!(!refused.contains("refused"), "what was promised is refused");
        Ok(())
    }

    /// The functions that doctor lists as `ok` or `missing`.
    fn probes(&self, status: &str) -> Result<BTreeSet<String>> {
        let findings = self.doctor["findings"].as_array().context("findings")?;
        let lines = findings
            .iter()
            .filter(|finding| finding["name"] == "probe" && finding["status"] == status);
        let details = lines.filter_map(|finding| finding["detail"].as_str());
        let functions = details.flat_map(|detail| {
            let names = detail.split_once(": ").map_or(detail, |(names, _)| names);
            names.split(", ").map(str::to_owned)
        });
        Ok(functions.collect())
    }

    /// Why nothing is attached, as both say.
    pub fn reason(&self) -> &str {
        self.doctor["blocked"].as_str().unwrap_or_default()
    }
}

fn names(list: &[Value], key: &str) -> BTreeSet<String> {
    let name = |value: &Value| match key {
        "" => value.as_str().map(str::to_owned),
        key => value[key].as_str().map(str::to_owned),
    };
    list.iter().filter_map(name).collect()
}
