//! The first lines: what is watched, how, and what is unavailable.

use crate::{model::record::Hello, output::format::number::UNAVAILABLE, text::Text};

/// The lines, not yet wrapped.
pub(super) fn lines(hello: &Hello) -> Vec<String> {
    let mut instances: Vec<String> = hello
        .instances
        .iter()
        .map(|i| match (i.netns, &i.workload) {
            (Some(inode), Some(workload)) => format!("{} ({inode}, {workload})", i.name),
            (Some(inode), None) => format!("{} ({inode})", i.name),
            (None, _) => i.name.to_string(),
        })
        .collect();
    if instances.is_empty() {
        instances.push(UNAVAILABLE.to_owned());
    }
    let mut lines = vec![format!(
        "ctpulse {}  host {}  kernel {}  netns {}  every {} ms",
        hello.version,
        hello.hostname,
        hello.kernel,
        instances.join(", "),
        hello.interval_ms,
    )];
    let probes = &hello.probes;
    if probes.is_attached() {
        lines.push(format!(
            "probes: {}, {} group, on {}",
            probes.mode,
            probes.group,
            joined(&probes.attached),
        ));
        for group in probes.by_kprobe_and_why() {
            let functions = joined(&group.functions);
            lines.push(match group.reason {
                Some(reason) => format!("by kprobe: {functions}: {reason}"),
                None => format!("by kprobe: {functions}"),
            });
        }
    } else {
        lines.push(format!("probes: off, {}", probes.why_off()));
    }
    for group in hello.unavailable_by_reason() {
        let names = group.names.join(", ");
        lines.push(format!("{UNAVAILABLE} {names}: {}", group.reason));
    }
    if probes.is_attached() {
        lines.push(
            "peak: the busiest 1.05 ms of the interval, in events/s; check: probes against the \
             kernel's own counters"
                .to_owned(),
        );
    }
    lines
}

fn joined(functions: &[Text]) -> String {
    let names: Vec<String> = functions.iter().map(Text::to_string).collect();
    names.join(" ")
}
