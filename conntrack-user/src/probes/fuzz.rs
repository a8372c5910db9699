//! What fuzzing gives to the readers of the kernel's types and symbols, and to the plan that follows from them.

use std::{collections::BTreeSet, path::Path};

use conntrack_ebpf::table;

use super::{
    btf::Btf,
    facts::HostFacts,
    kallsyms::Symbols,
    offsets::FieldOffsets,
    plan::{self, Plan, ProbeGroup, ProbeRequest},
};

/// Types of vmlinux, types of a module, and symbols; two lengths before them say where each ends.
pub fn types(data: &[u8]) {
    let Some((lengths, rest)) = data.split_first_chunk::<4>() else {
        return;
    };
    let length = |low, high| usize::from(u16::from_le_bytes([low, high]));
    let [a, b, c, d] = *lengths;
    let (vmlinux, rest) = rest.split_at(length(a, b).min(rest.len()));
    let (module, symbols) = rest.split_at(length(c, d).min(rest.len()));
    let module = (!module.is_empty()).then_some(module);
    let functions: BTreeSet<_> = table::functions().map(|function| function.name).collect();
    let functions = Vec::from_iter(functions);
    let symbols = Symbols::read(symbols, &functions);
    let mut facts = HostFacts::capable();
    // What is no text is an error of reading, as any other.
    if let Ok(symbols) = symbols {
        for name in &functions {
            let _ = symbols.find(name);
        }
        facts.symbols = Ok(symbols);
    }
    match FieldOffsets::of(vmlinux, module, &functions, Path::new("fuzzed")) {
        Ok((offsets, targets)) => {
            facts.cast = offsets.cast;
            facts.offsets = Ok(offsets);
            facts.fentry = Ok(targets.into());
        }
        Err(error) => {
            assert!(error.to_string().chars().count() < 2_000, "{error}");
            facts.offsets = Err(error);
        }
    }
    if let Ok(btf) = Btf::parse(vmlinux) {
        let _ = btf.structure("nf_conn").map(|id| btf.member(id, "status"));
    }
    for group in [ProbeGroup::Flow, ProbeGroup::All] {
        let plan = Plan::new(ProbeRequest::Group(group), true, &facts);
        let attached: Vec<_> = plan.attachments().cloned().collect();
        let report = plan::report(group, &attached, &plan.missing);
        // A row is attached or missing.
        assert_eq!(plan.probes.len() + plan.missing.len(), table::PROBES.len());
        assert!(report.missing.len() <= table::PROBES.len() * 8);
        let _ = plan::coverage(&plan.missing);
        // Maps are made for programs alone.
        if !plan.probes.is_empty() {
            let _ = (plan.counter_shape(), plan.sketch_shape());
            let _ = (plan.tuple_type(), plan.duration_slots());
        }
    }
}
