//! Hosts for tests: a directory with what a capable host has in /proc and /sys, of which tests take away, and a kernel that answers.

use std::{
    collections::BTreeSet,
    fs, io,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use conntrack_ebpf::table;

use super::{Host, HostFacts, KernelAnswers, NoFentry};
use crate::probes::{
    btf::tests::BtfBuilder,
    offsets::{FentryTarget, FieldOffset},
};

/// All capabilities, as of root.
const ROOT: &str = "000001ffffffffff";

/// A host, and its kernel's answers.
pub(crate) struct SimulatedHost {
    directory: tempfile::TempDir,
    kernel: SimulatedKernel,
}

#[derive(Default)]
struct SimulatedKernel {
    no_map: Option<i32>,
    no_perf_event: Option<i32>,
    no_trampolines: bool,
    finds_renamed: bool,
    no_casts: bool,
}

impl KernelAnswers for SimulatedKernel {
    fn release(&self) -> String {
        "6.12.0".to_owned()
    }

    fn map(&self) -> io::Result<()> {
        answer(self.no_map)
    }

    fn perf_event(&self) -> io::Result<()> {
        answer(self.no_perf_event)
    }

    fn trampolines(&self, _test: u32) -> Result<(), NoFentry> {
        match self.no_trampolines {
            false => Ok(()),
            true => Err(NoFentry::NoTrampolines),
        }
    }

    fn finds(&self, _: FentryTarget) -> bool {
        self.finds_renamed
    }

    fn cast(&self, _function: u32, field: FieldOffset) -> io::Result<()> {
        assert!(field.structure.is_some(), "a structure of vmlinux");
        answer(self.no_casts.then_some(libc::EINVAL))
    }
}

fn answer(error: Option<i32>) -> io::Result<()> {
    error.map_or(Ok(()), |error| Err(io::Error::from_raw_os_error(error)))
}

impl SimulatedHost {
    /// A host that has everything, nf_conntrack as a module, and lets root do everything.
    pub(crate) fn capable() -> Self {
        let host = Self {
            directory: tempfile::tempdir().unwrap(),
            kernel: SimulatedKernel::default(),
        };
        host.capabilities(ROOT);
        host.user_namespace(4_026_531_837);
        host.write("proc/sys/kernel/perf_event_paranoid", "2\n");
        // Without addresses, as those see it who may not have them.
        let line = |name: &str| format!("0000000000000000 t {name}\t[nf_conntrack]\n");
        let symbols: String = functions().into_iter().map(line).collect();
        host.write("proc/kallsyms", symbols);
        host.write(
            "sys/kernel/security/lockdown",
            "[none] integrity confidentiality\n",
        );
        host.write("sys/bus/event_source/devices/kprobe/type", "6\n");
        host.write("sys/module/nf_conntrack/refcnt", "1\n");
        host.write("sys/devices/system/cpu/possible", "0-1\n");
        let (vmlinux, module) = types();
        host.write("sys/kernel/btf/vmlinux", vmlinux);
        host.write("sys/kernel/btf/nf_conntrack", module);
        host
    }

    pub(crate) fn facts(&self) -> HostFacts {
        let mut facts = HostFacts::of(&Host::simulated(self.directory.path(), &self.kernel));
        // Whatever this build has: that is not of the host.
        facts.object = super::Support::Yes;
        facts
    }

    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.directory.path().join(file)
    }

    pub(crate) fn write(&self, file: &str, bytes: impl AsRef<[u8]>) {
        let path = self.path(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    /// Removes a file, or a directory with all that is in it.
    pub(crate) fn remove(&self, file: &str) {
        let path = self.path(file);
        if path.is_dir() {
            fs::remove_dir_all(path).unwrap();
        } else {
            fs::remove_file(path).unwrap();
        }
    }

    /// The effective capabilities, as /proc/PID/status has them.
    pub(crate) fn capabilities(&self, effective: &str) {
        let status = format!("Name:\tctpulse\nCapEff:\t{effective}\n");
        self.write("proc/self/status", status);
    }

    /// The inode number of our user namespace.
    pub(crate) fn user_namespace(&self, inode: u32) {
        let link = self.path("proc/self/ns/user");
        fs::create_dir_all(link.parent().unwrap()).unwrap();
        let _ = fs::remove_file(&link);
        symlink(format!("user:[{inode}]"), link).unwrap();
    }

    /// The kernel refuses maps with this error.
    pub(crate) fn refuses_maps(&mut self, error: i32) {
        self.kernel.no_map = Some(error);
    }

    /// The kernel refuses performance events with this error.
    pub(crate) fn refuses_perf_events(&mut self, error: i32) {
        self.kernel.no_perf_event = Some(error);
    }

    pub(crate) fn has_no_trampolines(&mut self) {
        self.kernel.no_trampolines = true;
    }

    /// Puts trampolines on functions whose symbols are not the names in its types.
    pub(crate) fn finds_renamed_functions(&mut self) {
        self.kernel.finds_renamed = true;
    }

    pub(crate) fn refuses_casts(&mut self) {
        self.kernel.no_casts = true;
    }

    /// Its /proc has processes only.
    pub(crate) fn hides_all_but_processes(&self) {
        self.remove("proc/sys");
        self.remove("proc/kallsyms");
        let proc = self.path("proc");
        let mount = format!(
            "36 35 0:33 / {} rw - proc proc rw,subset=pid\n",
            proc.display()
        );
        self.write("proc/self/mountinfo", mount);
    }
}

/// Types of vmlinux and of nf_conntrack: the fields that programs read, laid out as in no kernel, and all functions.
fn types() -> (Vec<u8>, Vec<u8>) {
    let mut vmlinux = BtfBuilder::new();
    let int = vmlinux.int("unsigned int", 4);
    let ns = vmlinux.structure("ns_common", 8, &[("inum", int, 32)]);
    vmlinux.structure("net", 16, &[("ns", ns, 64)]);
    let skb = [
        ("_nfct", int, 0),
        ("head", int, 32),
        ("network_header", int, 64),
    ];
    vmlinux.structure("sk_buff", 12, &skb);
    vmlinux.structure("nf_hook_state", 8, &[("net", int, 32)]);
    vmlinux.function("bpf_rdonly_cast");
    vmlinux.function("bpf_fentry_test1");

    let mut module = BtfBuilder::split(&vmlinux);
    let dst = module.structure("", 4, &[("dir", int, 0)]);
    let tuple = module.structure("nf_conntrack_tuple", 8, &[("dst", dst, 32)]);
    let hash = module.structure("nf_conntrack_tuple_hash", 16, &[("tuple", tuple, 64)]);
    let hashes = module.array(hash, 2);
    let conn = [
        ("ct_net", int, 0),
        ("status", int, 32),
        ("timeout", int, 64),
        ("tuplehash", hashes, 96),
    ];
    module.structure("nf_conn", 64, &conn);
    module.structure("nf_conntrack_expect", 8, &[("master", int, 32)]);
    for function in functions() {
        module.function(function);
    }
    (vmlinux.bytes(), module.bytes())
}

/// The functions that may be probed. Some are of several rows.
pub(crate) fn functions() -> BTreeSet<&'static str> {
    table::functions().map(|function| function.name).collect()
}

/// A fixture of kallsyms.
pub(crate) fn kallsyms(name: &str) -> String {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/kallsyms");
    fs::read_to_string(directory.join(name)).unwrap()
}
