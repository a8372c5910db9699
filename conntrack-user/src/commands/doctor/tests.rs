mod agreement;

use conntrack_ebpf::table;

use super::*;
use crate::probes::{facts::FentryTargets, offsets::FentryTarget};

/// What doctor says about fentry, on a capable host that is changed.
fn details(change: impl FnOnce(&mut HostFacts)) -> Vec<String> {
    let mut facts = HostFacts::capable();
    change(&mut facts);
    let plan = Plan::new(ProbeRequest::Group(ProbeGroup::All), false, &facts);
    let findings = fentry(&plan, &facts);
    assert!(findings.iter().all(|finding| finding.name == "fentry"));
    findings.into_iter().map(|finding| finding.detail).collect()
}

/// All functions have type information, except one; they are in the module, or in vmlinux.
fn all_but(without: &str, in_module: bool) -> FentryTargets {
    let targets: Vec<FentryTarget> = table::functions()
        .filter(|function| function.name != without)
        .map(|function| FentryTarget {
            function: function.name,
            id: 1,
            in_module,
        })
        .collect();
    targets.into()
}

#[test]
fn fentry_on_a_module_keeps_it() {
    let all = details(|facts| facts.fentry = Ok(all_but("", true)));
    let [programs, kept] = all.as_slice() else {
        panic!("{all:?}");
    };
    let numbers: Vec<&str> = programs
        .split(' ')
        .filter(|word| word.parse::<u32>().is_ok())
        .collect();
    assert!(numbers.len() == 2 && numbers[0] == numbers[1], "{programs}");
    assert!(
        kept.contains("cannot be unloaded") && kept.contains("--no-fentry"),
        "{kept}"
    );
    let built_in = details(|facts| facts.fentry = Ok(all_but("", false)));
    assert_eq!(built_in, [programs.as_str()]);
}

#[test]
fn functions_that_fentry_is_not_used_on_are_named_with_the_reason() {
    let mixed = details(|facts| {
        facts.fentry = Ok(all_but("nf_conntrack_in", false));
        facts.without_fentry = vec!["early_drop".to_owned(), "nf_conntrack_free".to_owned()];
    });
    assert_eq!(
        mixed[1..],
        [
            "kprobes on early_drop, nf_conntrack_free: turned off with --no-fentry",
            "kprobes on nf_conntrack_in: the kernel's type information does not have the function",
        ]
    );
}

#[test]
fn without_fentry_there_is_one_reason() {
    let none = details(|_| ());
    assert_eq!(none.len(), 1);
    assert!(
        none[0].starts_with("kprobes are used instead: "),
        "{none:?}"
    );
    assert!(
        none[0].contains("CONFIG_DEBUG_INFO_BTF_MODULES"),
        "{none:?}"
    );

    // A module that is not loaded has no type information yet.
    let not_loaded = details(|facts| facts.conntrack = Support::no("not loaded"));
    assert_eq!(not_loaded, ["unknown until nf_conntrack is loaded"]);
}

#[test]
fn where_nothing_can_be_attached_nothing_is_promised() {
    let refused = details(|facts| {
        facts.fentry = Ok(all_but("", true));
        facts.capabilities = Support::no("run as root");
    });
    assert_eq!(refused, ["offered by this kernel"]);
}
