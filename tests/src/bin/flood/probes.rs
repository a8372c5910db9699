//! Lists functions with kprobes, as reported by the kernel and not by the tool that attached them.

use std::{collections::BTreeSet, fmt, fs};

use anyhow::{Context, Result, ensure};

use ctpulse_tests::kernel::conntrack_is_a_module;

use crate::process::wait_until;

const LIST: &str = "/sys/kernel/debug/kprobes/list";

/// A probe on a function.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Probe {
    /// The kernel function.
    pub(crate) function: String,
    /// When it hits.
    pub(crate) at: At,
}

/// The position of a probe in a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum At {
    /// kprobe
    Entry,
    /// kretprobe
    Return,
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Entry => "kprobe",
            Self::Return => "kretprobe",
        })
    }
}

/// In bpftrace's syntax.
impl fmt::Display for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.at, self.function)
    }
}

impl Probe {
    /// As a pattern, for which bpftrace uses kprobe.multi. No other function fits it: the hits in the report show that.
    pub(crate) fn pattern(&self) -> String {
        let Self { function, at } = self;
        let start = function.len().saturating_sub(1);
        format!("{at}:{}*", function.get(..start).unwrap_or_default())
    }

    /// By fentry or fexit, by the names that older bpftrace knows, too.
    pub(crate) fn fentry(&self, module: &str) -> String {
        let kind = match self.at {
            At::Entry => "kfunc",
            At::Return => "kretfunc",
        };
        format!("{kind}:{module}:{}", self.function)
    }
}

/// Where the kernel's types have conntrack's functions.
pub(crate) fn module() -> Result<&'static str> {
    let module = conntrack_is_a_module()?;
    Ok(if module { "nf_conntrack" } else { "vmlinux" })
}

/// All probes in the kernel.
pub(crate) fn attached() -> Result<BTreeSet<Probe>> {
    let text = fs::read_to_string(LIST)
        .with_context(|| format!("read {LIST} (debugfs and CONFIG_KPROBES are needed)"))?;
    Ok(text.lines().filter_map(parse).collect())
}

/// Requires that there are no probes: those of other tools would be measured too.
pub(crate) fn require_none() -> Result<()> {
    let others = attached()?;
    ensure!(
        others.is_empty(),
        "there are kprobes already: {}",
        list(&others)
    );
    Ok(())
}

/// Waits until there are no probes: the kernel removes them some time after their owner has ended.
pub(crate) fn until_none() -> Result<()> {
    wait_until("the kernel has removed all kprobes", || {
        Ok(attached()?.is_empty())
    })
}

/// A list of probes in one line.
pub(crate) fn list(probes: &BTreeSet<Probe>) -> String {
    let on = |at: At| {
        let functions = probes.iter().filter(move |probe| probe.at == at);
        let names: Vec<_> = functions.map(|probe| probe.function.as_str()).collect();
        (!names.is_empty()).then(|| format!("{at} on {}", names.join(" ")))
    };
    let kinds: Vec<_> = [At::Entry, At::Return].into_iter().filter_map(on).collect();
    kinds.join("; ")
}

/// Parses a line of the kernel's list (`report_probe` in kernel/kprobes.c). The offset is not 0 if functions start with `endbr64`
/// or a call of ftrace:
///
/// ```text
/// ffffffffc0a5b3a4  r  nf_ct_find_expectation+0x4    nf_conntrack [FTRACE]
/// ```
fn parse(line: &str) -> Option<Probe> {
    let mut words = line.split_whitespace().skip(1);
    let at = match words.next()? {
        "k" => At::Entry,
        "r" => At::Return,
        _ => return None,
    };
    let function = words.next()?.split('+').next()?.to_owned();
    // Of a module that was unloaded.
    let gone = words.any(|word| word.contains("[GONE]"));
    (!gone).then_some(Probe { function, at })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_kernels_list() {
        let parsed = |line| parse(line).map(|probe| probe.to_string());
        assert_eq!(
            parsed("ffffffffc0a5b3a4  r  nf_ct_find_expectation+0x4    nf_conntrack [FTRACE]"),
            Some("kretprobe:nf_ct_find_expectation".to_owned())
        );
        assert_eq!(
            parsed("ffffffff81234560  k  kernel_clone+0x0    "),
            Some("kprobe:kernel_clone".to_owned())
        );
        assert_eq!(
            parsed("ffffffffc0a5b3a4  k  nf_ct_delete+0x4  nf_conntrack [GONE][FTRACE]"),
            None
        );
        assert_eq!(parsed(""), None);
    }

    #[test]
    fn probes_in_one_line() {
        let probe = |function: &str, at| Probe {
            function: function.to_owned(),
            at,
        };
        let probes = [
            probe("f", At::Entry),
            probe("g", At::Entry),
            probe("g", At::Return),
        ];
        assert_eq!(list(&probes.into()), "kprobe on f g; kretprobe on g");
        assert_eq!(list(&BTreeSet::new()), "");
    }
}
