//! Parts of both reports: the environment and what was measured.

use std::fs;

use anyhow::{Context, Result};

use crate::{lab::Lab, probes};

/// The kernel, the CPUs, and the limits of the numbers.
pub(crate) fn header(lab: &Lab) -> Result<String> {
    let (mut text, emulated) = machine(lab.cpus())?;
    if emulated {
        text.push_str(
            "This CPU is software emulation: only ratios within this run mean anything.\n",
        );
    }
    if lab.cpus() < 2 {
        text.push_str("Only one CPU makes flows: nothing here is about contention.\n");
    }
    Ok(text)
}

/// The kernel and its CPUs in a line, and whether they are emulated.
pub(crate) fn machine(cpus: usize) -> Result<(String, bool)> {
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").context("read osrelease")?;
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").context("read /proc/cpuinfo")?;
    let model = cpu_model(&cpuinfo);
    let text = format!("Linux {}, {cpus} CPUs: {model}\n", kernel.trim());
    Ok((text, model.contains("TCG")))
}

/// The probes of the groups, and why one is missing.
pub(crate) fn groups(lab: &Lab) -> String {
    let mut text = format!(
        "flow group, and bpftrace: {}\n",
        probes::list(&lab.flow.probes)
    );
    text += &match &lab.all {
        Ok(group) => format!("all group: {}\n", probes::list(&group.probes)),
        Err(reason) => format!("all group: left out: {reason}\n"),
    };
    text
}

/// The CPU's model.
fn cpu_model(cpuinfo: &str) -> &str {
    let model = cpuinfo
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.trim() == "model name");
    model.map_or("unknown", |(_, model)| model.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cpus_name() {
        let cpuinfo = "processor\t: 0\nmodel name\t: QEMU TCG CPU version 2.5+\nflags\t\t: fpu\n";
        assert_eq!(cpu_model(cpuinfo), "QEMU TCG CPU version 2.5+");
        assert_eq!(cpu_model(""), "unknown");
    }
}
