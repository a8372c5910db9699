use conntrack_ebpf::fields;

use super::{
    simulated::{SimulatedHost, functions, kallsyms},
    trampolines::usable,
    *,
};
use crate::probes::btf::tests::BtfBuilder;

#[test]
fn functions_of_a_module_take_an_administrator() {
    let target = |function, in_module| FentryTarget {
        function,
        id: 1,
        in_module,
    };
    let names = |result: Result<Vec<FentryTarget>, NoFentry>| -> Result<Vec<&str>, String> {
        let names = result.map(|targets| targets.iter().map(|t| t.function).collect());
        names.map_err(|reason| reason.to_string())
    };
    let module = vec![target("early_drop", true)];
    assert_eq!(names(usable(module.clone(), true)), Ok(vec!["early_drop"]));
    let refused = names(usable(module, false)).unwrap_err();
    assert!(refused.contains("CAP_SYS_ADMIN"), "{refused}");
    let mixed = vec![target("early_drop", true), target("nf_conntrack_in", false)];
    assert_eq!(names(usable(mixed, false)), Ok(vec!["nf_conntrack_in"]));
    let none = names(usable(Vec::new(), true)).unwrap_err();
    assert!(none.contains("no type information"), "{none}");
}

#[test]
fn cpu_ids_of_lists() {
    let host = SimulatedHost::capable();
    let file = "sys/devices/system/cpu/possible";
    let of = |text: &str| {
        host.write(file, text);
        host.facts().cpus.map_err(|error| error.to_string())
    };
    assert_eq!(of("0\n"), Ok(1));
    assert_eq!(of("0-7\n"), Ok(8));
    assert_eq!(of("0-3,8-11\n"), Ok(12));
    assert_eq!(of("0,2,5\n"), Ok(6));
    let error = of("").unwrap_err();
    let path = host.path(file);
    assert_eq!(error, format!("{}: cannot read \"\"", path.display()));
}

#[test]
fn lockdown_modes() {
    let of = |text: &str| lockdown(Ok(text.to_owned()));
    assert_eq!(of("[none] integrity confidentiality\n"), Support::Yes);
    assert_eq!(of("none [integrity] confidentiality\n"), Support::Yes);
    assert!(matches!(
        of("none integrity [confidentiality]\n"),
        Support::No(_)
    ));
    let gone = Host::this().read("no/such/file");
    assert!(matches!(lockdown(gone), Support::Unknown(_)));
}

#[test]
fn a_capable_host_has_everything() {
    let facts = SimulatedHost::capable().facts();
    for support in [
        &facts.capabilities,
        &facts.lockdown,
        &facts.kprobes,
        &facts.conntrack,
    ] {
        assert_eq!(*support, Support::Yes);
    }
    assert_eq!(facts.fentry.unwrap().len(), functions().len());
    let offsets = facts.offsets.unwrap();
    assert_eq!(offsets.known().count(), fields::ALL.len());
    assert!(facts.symbols.is_ok());
}

/// Why something is not there, and what to do about it.
fn lack(support: Support) -> (String, Option<&'static str>) {
    match support {
        Support::No(lack) => (lack.seen, lack.fix),
        other => panic!("{other:?}"),
    }
}

#[test]
fn capabilities_of_a_user_namespace_do_not_count() {
    let host = SimulatedHost::capable();
    host.user_namespace(4_026_532_177);
    let facts = host.facts();
    assert!(matches!(facts.fentry, Err(NoFentry::NotAllowed)));
    let (seen, fix) = lack(facts.capabilities);
    assert!(seen.contains("user namespace"), "{seen}");
    assert!(fix.is_some());
    // Kernels without user namespaces have no such file.
    host.remove("proc/self/ns/user");
    assert_eq!(host.facts().capabilities, Support::Yes);
}

#[test]
fn the_capabilities_that_probes_take() {
    let host = SimulatedHost::capable();
    let of = |effective: &str| {
        host.capabilities(effective);
        host.facts().capabilities
    };
    // CAP_BPF and CAP_PERFMON; only CAP_SYS_ADMIN; only one of the two; none.
    assert_eq!(of("000000c000000000"), Support::Yes);
    assert_eq!(of("0000000000200000"), Support::Yes);
    for lacking in ["0000008000000000", "0000004000000000", "0000000000000000"] {
        assert!(lack(of(lacking)).0.contains("run as root"));
    }
    host.remove("proc/self/status");
    assert!(matches!(host.facts().capabilities, Support::Unknown(_)));
}

#[test]
fn kprobes_that_the_kernel_refuses_are_not_there() {
    let mut host = SimulatedHost::capable();
    host.refuses_perf_events(libc::EACCES);
    host.capabilities("000000c000000000");
    for level in [3, 4] {
        host.write("proc/sys/kernel/perf_event_paranoid", format!("{level}\n"));
        let (seen, fix) = lack(host.facts().kprobes);
        assert!(
            seen.ends_with(&format!("kernel.perf_event_paranoid is {level}")),
            "{seen}"
        );
        assert!(fix.is_some_and(|fix| fix.contains("perf_event_paranoid=2")));
    }
    // Something else refuses.
    host.write("proc/sys/kernel/perf_event_paranoid", "2\n");
    let (seen, fix) = lack(host.facts().kprobes);
    assert!(
        seen.contains("perf_event_open: Permission denied"),
        "{seen}"
    );
    assert!(fix.is_some_and(|fix| fix.contains("seccomp")));
}

#[test]
fn the_kernel_is_asked_whatever_the_level() {
    // An unpatched kernel has no level 3, and refuses nothing.
    let host = SimulatedHost::capable();
    host.capabilities("000000c000000000");
    host.write("proc/sys/kernel/perf_event_paranoid", "3\n");
    assert_eq!(host.facts().kprobes, Support::Yes);
}

#[test]
fn a_kernel_that_refuses_bpf_refuses_probes() {
    let mut host = SimulatedHost::capable();
    host.refuses_maps(libc::EPERM);
    let (seen, fix) = lack(host.facts().capabilities);
    assert!(seen.contains("refuses bpf(2)"), "{seen}");
    assert!(fix.is_some_and(|fix| fix.contains("seccomp")));
    host.refuses_maps(libc::ENOSYS);
    assert!(
        lack(host.facts().capabilities)
            .0
            .contains("CONFIG_BPF_SYSCALL")
    );
    // Anything else may pass.
    host.refuses_maps(libc::ENOMEM);
    assert!(matches!(host.facts().capabilities, Support::Unknown(_)));
}

#[test]
fn a_procfs_of_processes_is_the_reason_for_what_it_hides() {
    let host = SimulatedHost::capable();
    host.hides_all_but_processes();
    let error = host.facts().symbols.unwrap_err();
    assert!(error.to_string().contains("subset=pid"), "{error}");
    assert!(error.fix().is_some_and(|fix| fix.contains("ProcSubset")));
    // Where nothing is hidden, it is the file that is missing.
    host.remove("proc/self/mountinfo");
    let error = host.facts().symbols.unwrap_err();
    assert!(error.to_string().contains("No such file"), "{error}");
}

#[test]
fn symbols_without_any_function_of_nf_conntrack_are_no_good() {
    let host = SimulatedHost::capable();
    for text in ["", "ffffffff81000000 T schedule\n"] {
        host.write("proc/kallsyms", text);
        let error = host.facts().symbols.unwrap_err();
        assert!(
            error
                .to_string()
                .ends_with("kallsyms has no function of nf_conntrack")
        );
    }
    // Its functions come with the module.
    host.remove("sys/module/nf_conntrack");
    assert!(host.facts().symbols.is_ok());
}

#[test]
fn a_missing_file_of_types_is_named() {
    let host = SimulatedHost::capable();
    host.remove("sys/kernel/btf/nf_conntrack");
    let facts = host.facts();
    assert!(matches!(facts.fentry, Err(NoFentry::NoFunctions)));
    let offsets = facts.offsets.unwrap();
    let error = offsets.offset(fields::NF_CONN_NET).unwrap_err();
    assert!(error.to_string().contains("CONFIG_DEBUG_INFO_BTF_MODULES"));
    assert!(offsets.offset(fields::NET_INUM).is_ok());
    host.remove("sys/kernel/btf");
    assert!(host.facts().offsets.is_err());
}

#[test]
fn functions_that_the_kernel_does_not_find_have_no_fentry() {
    let mut host = SimulatedHost::capable();
    host.write("proc/kallsyms", kallsyms("thinlto"));
    let facts = host.facts();
    let [renamed, plain] = ["early_drop", "nf_conntrack_free"]
        .map(|function| facts.fentry_target(function).map(|target| target.function));
    assert!(matches!(renamed, Err(NoFentry::Renamed)), "{renamed:?}");
    assert!(matches!(plain, Ok("nf_conntrack_free")), "{plain:?}");
    // Up to 6.10 the kernel ignores the hash.
    host.finds_renamed_functions();
    assert!(host.facts().fentry_target("early_drop").is_ok());
}

#[test]
fn a_kernel_that_finds_no_function_has_no_fentry() {
    let host = SimulatedHost::capable();
    let line = |function: &&str| format!("0 t {function}.llvm.1\n");
    let symbols: String = functions().iter().map(line).collect();
    host.write("proc/kallsyms", symbols);
    assert!(matches!(host.facts().fentry, Err(NoFentry::Renamed)));
}

#[test]
fn addresses_are_cast_where_the_kernel_has_the_function_and_lets_it_be_called() {
    let mut host = SimulatedHost::capable();
    let facts = host.facts();
    assert!(facts.cast.is_some());
    assert_eq!(facts.offsets.unwrap().cast, facts.cast);
    host.refuses_casts();
    let facts = host.facts();
    assert!(facts.cast.is_none() && facts.offsets.unwrap().cast.is_some());

    // Not by those who may not load programs.
    let host = SimulatedHost::capable();
    host.capabilities("0");
    assert!(host.facts().cast.is_none());
    // Older kernels lack it.
    let host = SimulatedHost::capable();
    let mut vmlinux = BtfBuilder::new();
    let int = vmlinux.int("unsigned int", 4);
    let ns = vmlinux.structure("ns_common", 8, &[("inum", int, 32)]);
    vmlinux.structure("net", 16, &[("ns", ns, 64)]);
    host.write("sys/kernel/btf/vmlinux", vmlinux.bytes());
    host.remove("sys/kernel/btf/nf_conntrack");
    let facts = host.facts();
    assert!(facts.cast.is_none());
    assert!(facts.offsets.unwrap().offset(fields::NET_INUM).is_ok());
}

#[test]
fn a_realtime_kernel_is_probed_by_kprobe_if_it_can_be() {
    let host = SimulatedHost::capable();
    host.write(
        "proc/version",
        "Linux version 6.12.118+deb13-rt-amd64 (builder@host) (gcc-14) #1 SMP PREEMPT_RT Debian 6.12.118-1\n",
    );
    assert!(matches!(host.facts().fentry, Err(NoFentry::Realtime)));
    host.remove("sys/bus/event_source/devices/kprobe");
    assert!(host.facts().fentry.is_ok());
    let host = SimulatedHost::capable();
    host.write(
        "proc/version",
        "Linux version 7.3.4 (gcc-15) #1 SMP PREEMPT_DYNAMIC Debian 7.3.4-1\n",
    );
    assert!(host.facts().fentry.is_ok());
}
