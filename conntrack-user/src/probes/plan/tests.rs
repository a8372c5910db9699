use std::{io, path::PathBuf, sync::Arc};

use aya::programs::ProgramError;
use conntrack_ebpf::ProbeCounter;

use super::*;
use crate::probes::{
    error::AttachError,
    facts::{FactError, FentryTargets, NoFentry, Support},
    offsets::{FentryTarget, TypesError},
};

fn functions(plan: &Plan) -> Vec<&str> {
    let mut functions: Vec<&str> = plan.attachments().map(|a| a.function).collect();
    functions.dedup();
    functions
}

fn without(take_away: impl FnOnce(&mut HostFacts)) -> Plan {
    let mut facts = HostFacts::capable();
    take_away(&mut facts);
    Plan::new(ProbeRequest::Group(ProbeGroup::All), false, &facts)
}

#[test]
fn a_capable_host_gets_everything() {
    let plan = without(|_| ());
    // Of each row the first function, and those that are probed besides.
    let expected: Vec<&str> = PROBES
        .iter()
        .flat_map(|row| row.alternatives[..1].iter().chain(row.extras))
        .map(|function| function.name)
        .collect();
    assert_eq!(functions(&plan), expected);
    assert!(expected.contains(&"__nf_ct_delete_from_lists"));
    assert!(!expected.contains(&"nf_ct_delete"));
    assert_eq!((plan.missing.len(), plan.blocked.is_none()), (0, true));
    assert_eq!((plan.cpus, plan.counter_shape().cpus), (2, 2));
}

#[test]
fn fields_are_read_by_their_types_only_where_addresses_can_be_cast() {
    let structures = |cast| -> Vec<u64> {
        let plan = without(|f| f.cast = cast);
        assert_eq!((plan.cast, plan.places.len()), (cast, fields::ALL.len()));
        assert_eq!(plan.tuple_type(), cast.map(|_| 1));
        plan.places
            .iter()
            .map(|(_, place)| place.structure)
            .collect()
    };
    assert!(structures(None).iter().all(|structure| *structure == 0));
    assert!(structures(Some(7)).iter().all(|structure| *structure == 1));

    // Of a structure that only the module has.
    let offset = FieldOffset {
        bytes: 16,
        structure: None,
    };
    let place = place(offset, Some(7));
    assert_eq!((place.offset, place.structure), (16, 0));
}

#[test]
fn a_missing_requirement_blocks_all_probes_with_its_reason() {
    let no = || Support::no("it is so");
    let unread = || io::Error::other("it is so");
    let fact = || FactError::Read {
        path: PathBuf::new(),
        cause: Arc::new(unread()),
    };
    let types = || TypesError::Read {
        path: PathBuf::new(),
        cause: Arc::new(unread()),
    };
    let plans = [
        without(|f| f.object = no()),
        without(|f| f.capabilities = no()),
        without(|f| f.lockdown = no()),
        without(|f| f.kprobes = no()),
        without(|f| f.conntrack = no()),
        without(|f| f.symbols = Err(fact())),
        without(|f| f.offsets = Err(types())),
        without(|f| f.cpus = Err(fact())),
    ];
    for plan in plans {
        assert!(plan.probes.is_empty());
        assert!(
            plan.blocked
                .as_ref()
                .is_some_and(|r| r.to_string().contains("it is so")),
            "{plan:?}"
        );
        assert_eq!(plan.missing.len(), PROBES.len());
    }
}

#[test]
fn unknown_support_is_tried() {
    let plan = without(|f| f.lockdown = Support::Unknown("no securityfs".to_owned()));
    assert_eq!(plan.probes.len(), PROBES.len());
}

#[test]
fn older_kernels_have_other_names() {
    let plan = without(|f| {
        let symbols = f.symbols.as_mut().unwrap();
        symbols.remove("nf_ct_destroy");
        symbols.remove("__nf_ct_delete_from_lists");
    });
    assert!(functions(&plan).contains(&"nf_ct_delete_from_lists"));
    let plan = without(|f| {
        let symbols = f.symbols.as_mut().unwrap();
        symbols.remove("nf_ct_destroy");
        symbols.remove("__nf_ct_delete_from_lists");
        symbols.remove("nf_ct_delete_from_lists");
    });
    assert!(functions(&plan).contains(&"destroy_conntrack"));
    assert!(functions(&plan).contains(&"nf_ct_delete"));
    assert!(plan.missing.is_empty());
}

#[test]
fn one_absent_function_costs_only_its_counters() {
    let plan = without(|f| f.symbols.as_mut().unwrap().remove("nf_ct_find_expectation"));
    assert_eq!(plan.probes.len(), PROBES.len() - 1);
    assert_eq!(plan.missing.len(), 1);
    assert_eq!(plan.missing[0].counters, [ProbeCounter::ExpectNew]);
    assert!(
        plan.missing[0]
            .reason
            .to_string()
            .contains("nf_ct_find_expectation")
    );
}

#[test]
fn a_counter_that_takes_two_rows_is_lost_with_either() {
    use crate::reading::selector::Selector;
    let evictions = Selector::sum(&[ProbeCounter::EarlyDrop]);
    for gone in [
        &["early_drop"][..],
        &[
            "__nf_ct_delete_from_lists",
            "nf_ct_delete_from_lists",
            "nf_ct_delete",
        ],
    ] {
        let plan = without(|f| {
            let symbols = f.symbols.as_mut().unwrap();
            gone.iter().for_each(|function| symbols.remove(function));
        });
        let coverage = coverage(&plan.missing);
        let reason = coverage.missing(evictions);
        assert!(
            reason.is_some_and(|r| r.to_string().contains(gone[0])),
            "{reason:?}"
        );
    }
    assert!(
        coverage(&without(|_| ()).missing)
            .missing(evictions)
            .is_none()
    );
}

#[test]
fn one_absent_field_costs_only_what_reads_it() {
    let plan = without(|f| f.offsets.as_mut().unwrap().forget(fields::EXPECT_MASTER));
    let missing: Vec<&str> = plan.missing.iter().map(|m| m.function).collect();
    assert_eq!(
        missing,
        [
            "nf_ct_find_expectation",
            "nf_ct_expect_related_report",
            "nf_ct_unlink_expect_report"
        ]
    );
}

#[test]
fn the_flow_group_leaves_out_what_costs_every_packet_and_says_so() {
    let plan = Plan::new(
        ProbeRequest::Group(ProbeGroup::Flow),
        false,
        &HostFacts::capable(),
    );
    let per_packet: Vec<&str> = plan.missing.iter().map(|m| m.function).collect();
    assert_eq!(
        per_packet,
        [
            "__nf_conntrack_confirm",
            "nf_ct_seq_adjust",
            "nf_conntrack_in",
            "__nf_conntrack_find_get"
        ]
    );
    assert!(
        plan.missing
            .iter()
            .all(|m| m.reason.to_string().contains("--probes all"))
    );
}

#[test]
fn latency_brings_the_probes_that_measure_it_and_no_others() {
    let flow = |latency| {
        Plan::new(
            ProbeRequest::Group(ProbeGroup::Flow),
            latency,
            &HostFacts::capable(),
        )
    };
    let (without, with) = (flow(false), flow(true));
    let functions = |plan: &Plan| -> Vec<&str> {
        plan.probes
            .iter()
            .map(|probe| probe.attachments[0].function)
            .collect()
    };
    assert!(functions(&without).contains(&"early_drop"));
    let mut expected = functions(&without);
    expected.push("__nf_conntrack_confirm");
    assert_eq!(functions(&with), expected);
    assert_eq!(with.missing.len() + 1, without.missing.len());
    assert_eq!((without.latency, with.latency), (false, true));
}

#[test]
fn a_function_that_cannot_be_measured_is_missing_with_its_reason() {
    let mut facts = HostFacts::capable();
    let symbols = facts.symbols.as_mut().unwrap();
    symbols.remove("__nf_conntrack_confirm");
    let plan = Plan::new(ProbeRequest::Group(ProbeGroup::Flow), true, &facts);
    let confirm = |m: &&MissingProbe| m.function == "__nf_conntrack_confirm";
    let missing = plan.missing.iter().find(confirm).unwrap();
    assert!(
        missing.reason.to_string().contains("has no function"),
        "{missing:?}"
    );
}

#[test]
fn extras_are_left_out_if_the_kernel_lacks_them() {
    let plan = without(|f| {
        let symbols = f.symbols.as_mut().unwrap();
        symbols.remove("nf_ct_expect_related_pair");
        symbols.remove("nf_conntrack_icmpv6_error");
    });
    assert!(plan.missing.is_empty());
    assert!(functions(&plan).contains(&"nf_conntrack_icmpv4_error"));
    assert!(!functions(&plan).contains(&"nf_conntrack_icmpv6_error"));
}

/// The functions of a plan that are probed by fentry, or by kprobe.
fn by(plan: &Plan, fentry: bool) -> Vec<&str> {
    let probed = plan.attachments().filter(|a| a.how.is_fentry() == fentry);
    let mut functions: Vec<&str> = probed.map(|a| a.function).collect();
    functions.dedup();
    functions
}

/// What the kernel's types have of these functions.
fn targets<const N: usize>(functions: [&'static str; N]) -> Result<FentryTargets, NoFentry> {
    let target = |function| FentryTarget {
        function,
        id: 1,
        in_module: true,
    };
    Ok(functions.map(target).to_vec().into())
}

fn reported(plan: &Plan) -> crate::reading::probes::Probes {
    let attached: Vec<AttachPoint> = plan.attachments().cloned().collect();
    report(ProbeGroup::All, &attached, &plan.missing)
}

#[test]
fn fentry_is_preferred_for_each_function_that_has_it() {
    let plan = without(|f| f.fentry = targets(["nf_ct_destroy", "early_drop"]));
    assert_eq!(by(&plan, true), ["early_drop", "nf_ct_destroy"]);
    let report = reported(&plan);
    assert_eq!(report.mode, "fentry");
    assert!(report.attached.contains(&"early_drop".into()));
    assert!(!report.by_kprobe.contains(&"early_drop".into()));
    assert!(report.by_kprobe.contains(&"nf_conntrack_in".into()));
    for probed in &report.functions {
        let fentry = by(&plan, true).contains(&probed.function.raw());
        assert_eq!(
            (probed.by == "fentry", probed.reason.is_none()),
            (fentry, fentry),
            "{probed:?}"
        );
    }
}

#[test]
fn a_function_that_fentry_is_turned_off_for_says_so() {
    let plan = without(|f| {
        f.fentry = targets(["nf_ct_destroy", "early_drop"]);
        f.without_fentry = vec!["early_drop".to_owned()];
    });
    assert_eq!(by(&plan, true), ["nf_ct_destroy"]);
    let report = reported(&plan);
    let reason = |name: &str| {
        let mut functions = report.functions.iter();
        let probed = functions.find(|f| f.function == *name).unwrap();
        probed.reason.clone().unwrap().to_string()
    };
    assert!(reason("early_drop").contains("--no-fentry"));
    assert!(reason("nf_conntrack_in").contains("type information"));
}

#[test]
fn without_fentry_all_are_kprobes_without_a_message() {
    let plan = without(|_| ());
    assert!(by(&plan, true).is_empty());
    let report = reported(&plan);
    assert_eq!((report.mode.raw(), report.by_kprobe.len()), ("kprobe", 0));
}

#[test]
fn without_kprobes_functions_without_fentry_are_missing() {
    let plan = without(|f| {
        f.kprobes = Support::no("no kprobes");
        f.fentry = targets(["nf_ct_destroy"]);
    });
    assert_eq!(by(&plan, true), ["nf_ct_destroy"]);
    assert!(by(&plan, false).is_empty());
    assert_eq!(plan.missing.len(), PROBES.len() - 1);
    assert!(
        plan.missing
            .iter()
            .all(|m| m.reason.to_string().contains("no kprobes"))
    );
}

#[test]
fn an_extra_that_cannot_be_probed_costs_the_counter() {
    let plan = without(|f| {
        f.kprobes = Support::no("no kprobes");
        f.fentry = targets(["nf_conntrack_icmpv4_error"]);
    });
    assert!(plan.probes.is_empty(), "{:?}", by(&plan, true));
    let icmp = |m: &&MissingProbe| m.function == "nf_conntrack_icmpv4_error";
    let missing = plan.missing.iter().find(icmp).unwrap();
    assert!(
        missing
            .reason
            .to_string()
            .contains("nf_conntrack_icmpv6_error"),
        "{missing:?}"
    );
}

#[test]
fn off_is_off() {
    for (request, option) in [
        (ProbeRequest::Off, "--probes off"),
        (ProbeRequest::OtherRoot, "--proc-root"),
    ] {
        let plan = Plan::new(request, true, &HostFacts::capable());
        assert!(plan.probes.is_empty());
        assert!(
            plan.blocked.is_some_and(|r| r.to_string().contains(option)),
            "{option}"
        );
    }
}

/// The plan for a kernel that was built otherwise: what it has of the functions, without types of them.
fn on(kallsyms: &str) -> Plan {
    let wanted: Vec<_> = conntrack_ebpf::table::functions()
        .map(|function| function.name)
        .collect();
    without(|f| f.symbols = Ok(crate::probes::kallsyms::Symbols::parse(kallsyms, &wanted)))
}

/// Which functions are missing, and why.
fn missing(plan: &Plan) -> String {
    let missing = plan.missing.iter();
    let missing = missing.map(|m| format!("{}: {}\n", m.function, m.reason));
    missing.collect()
}

#[test]
fn names_with_thinltos_hash_are_taken() {
    let plan = on(include_str!("../../../../tests/fixtures/kallsyms/thinlto"));
    assert_eq!(missing(&plan), "");
    let alloc = plan
        .attachments()
        .find(|a| a.function == "__nf_conntrack_alloc");
    let symbol = &alloc.unwrap().symbol;
    assert!(symbol.starts_with("__nf_conntrack_alloc.llvm."), "{symbol}");
}

#[test]
fn a_kernel_of_clangs_gets_every_probe() {
    let plan = on(include_str!(
        "../../../../tests/fixtures/kallsyms/thinlto-6.12"
    ));
    assert_eq!(missing(&plan), "");
    let points = plan.attachments();
    let with_a_hash: Vec<_> = points.filter(|a| a.symbol.contains(".llvm.")).collect();
    assert!(
        with_a_hash
            .iter()
            .all(|a| a.function == "__nf_conntrack_alloc")
            && !with_a_hash.is_empty(),
        "{with_a_hash:?}"
    );
    // The callers of __nf_conntrack_hash_insert, which is inlined.
    let functions = functions(&plan);
    assert!(!functions.contains(&"__nf_conntrack_hash_insert"));
    let insertions = ["__nf_conntrack_confirm", "nf_conntrack_hash_check_insert"];
    assert!(
        functions.windows(2).any(|pair| pair == insertions),
        "{functions:?}"
    );
}

#[test]
fn functions_that_the_compiler_has_inlined_or_changed_are_named() {
    // Without __nf_conntrack_hash_insert; both of its callers are there.
    let cos = on(include_str!("../../../../tests/fixtures/kallsyms/cos"));
    assert_eq!(missing(&cos), "");
    let instead = |program: &str| cos.attachments().any(|a| a.program.kprobe == program);
    assert!(instead("confirm_inserts_return") && instead("check_inserts_return"));
    assert!(!instead("hash_insert"));
    let isra = on(include_str!("../../../../tests/fixtures/kallsyms/gcc-isra"));
    insta::assert_snapshot!(missing(&isra), @r"
    __nf_conntrack_alloc: there is no __nf_conntrack_alloc, only __nf_conntrack_alloc.isra.0, whose arguments may differ
    early_drop: there is no early_drop, only early_drop.isra.0, whose arguments may differ
    __nf_conntrack_find_get: there is no __nf_conntrack_find_get, only __nf_conntrack_find_get.constprop.0, whose arguments may differ
    ");
}

#[test]
fn a_function_whose_calls_pass_a_part_of_it_is_no_alternative() {
    // As 5.10 has it, were it not for nf_ct_delete_from_lists.
    let plan = without(|f| {
        let symbols = f.symbols.as_mut().unwrap();
        for name in ["__nf_ct_delete_from_lists", "nf_ct_delete_from_lists"] {
            symbols.remove(name);
        }
        symbols.add("nf_ct_delete", "nf_ct_delete.part.0");
    });
    assert!(
        missing(&plan).contains("nf_ct_delete.part.0"),
        "{}",
        missing(&plan)
    );
}

/// The flow group on a host where the kernel refuses every program of it.
fn refused_everywhere() -> Vec<MissingProbe> {
    let plan = Plan::new(
        ProbeRequest::Group(ProbeGroup::Flow),
        false,
        &HostFacts::capable(),
    );
    let refuse = |function| {
        MissingReason::from(AttachError::Kprobe {
            function,
            cause: ProgramError::NotLoaded,
        })
    };
    let refused = plan.probes.iter().map(|probe| MissingProbe {
        function: probe.attachments[0].function,
        counters: probe.counters,
        reason: refuse(probe.attachments[0].function),
    });
    plan.missing.iter().cloned().chain(refused).collect()
}

#[test]
fn like_reasons_are_one_and_what_was_not_asked_for_is_none() {
    let missing = refused_everywhere();
    assert!(missing.len() > 13 && !missing[0].is_asked_for());
    let reported = report(ProbeGroup::Flow, &[], &missing);
    let reason = reported.reason.unwrap().to_string();
    assert_eq!(
        reason,
        "the kernel refused a kprobe: the program is not loaded"
    );

    // To ask for more would be refused just so.
    let missing = none_attached(missing);
    assert!(missing.iter().all(MissingProbe::is_asked_for));
    let reported = report(ProbeGroup::Flow, &[], &missing);
    assert!(reported.missing.iter().all(|m| *m.reason.raw() == reason));
    assert_eq!(by_reason(&missing).len(), 1);
}

#[test]
fn a_reason_of_one_function_names_it() {
    let missing = refused_everywhere();
    let one = &missing[missing.len() - 1..];
    let reported = report(ProbeGroup::Flow, &[], one);
    let reason = reported.reason.unwrap().to_string();
    assert!(reason.contains(one[0].function), "{reason}");
}

#[test]
fn where_nothing_else_is_missing_what_was_not_asked_for_is_the_reason() {
    let plan = Plan::new(
        ProbeRequest::Group(ProbeGroup::Flow),
        false,
        &HostFacts::capable(),
    );
    let missing = none_attached(plan.missing);
    let reported = report(ProbeGroup::Flow, &[], &missing);
    assert!(reported.reason.unwrap().raw().contains("--probes all"));
}
