//! Hosts that lack something: what doctor promises is what the stream then does, and what cannot be had has one reason.

use std::path::Path;

use anyhow::{Context, Result, ensure};

use crate::{
    ctpulse::best_mode,
    hosts::{self, Host, Said},
    kernel::{conntrack_is_a_module, sysctl, tracking},
};

/// What should come of a host.
enum Expected {
    /// Every function is probed, in this mode.
    Probed(&'static str),
    /// All but one function are probed, which is missing for a reason with these words.
    AllBut(&'static str, &'static str),
    /// Nothing is attached, for a reason with these words.
    Refused(&'static str),
}

/// Level of `kernel.perf_event_paranoid` at which every kernel lets those with CAP_PERFMON have kprobes.
const LENIENT: i32 = 2;
/// Level from which Debian's kernels do not.
const PARANOID: i32 = 3;

pub(super) fn agree() -> Result<()> {
    use Expected::{AllBut, Probed, Refused};
    tracking()?;
    let best = best_mode()?;
    // fentry on functions of a module takes CAP_SYS_ADMIN, or the module's types.
    let (lesser, paranoid) = if conntrack_is_a_module()? {
        ("kprobe", Refused("kernel.perf_event_paranoid is 3"))
    } else {
        (best, Probed(best))
    };
    let without_kprobes = match best {
        "fentry" => Probed(best),
        _ => Refused("no kprobes"),
    };
    sysctl("kernel/perf_event_paranoid", LENIENT)?;
    for (host, expected) in [
        (hosts::AS_IT_IS, Probed(best)),
        (hosts::USER_NAMESPACE, Refused("in a user namespace")),
        (hosts::NO_CAPABILITIES, Refused("run as root")),
        (hosts::NO_ADMIN, Probed(lesser)),
        (hosts::PROCESSES_ONLY, Refused("subset=pid")),
        (hosts::NO_SYMBOLS, Refused("no function of nf_conntrack")),
        (hosts::RENAMED, AllBut("early_drop", "early_drop.isra.0")),
        (hosts::NO_TYPES, Refused("CONFIG_DEBUG_INFO_BTF")),
        (hosts::NO_MODULE_TYPES, Probed(lesser)),
        (hosts::NO_KPROBES, without_kprobes),
        (hosts::CILIUM, Probed(best)),
    ] {
        check(&host, &expected)?;
    }
    sysctl("kernel/perf_event_paranoid", PARANOID)?;
    check(&hosts::AS_IT_IS, &Probed(best))?;
    check(&hosts::NO_ADMIN, &paranoid)
}

fn check(host: &Host, expected: &Expected) -> Result<()> {
    let said = host.agreed(Path::new("/bin/ctpulse"))?;
    is_as(&said, expected).with_context(|| format!("{}: {said:?}", host.name))?;
    println!("{}: as expected", host.name);
    Ok(())
}

fn is_as(said: &Said, expected: &Expected) -> Result<()> {
    let probes = &said.hello["probes"];
    let missing = probes["missing"].as_array().context("missing")?;
    match expected {
        Expected::Probed(mode) => {
            ensure!(probes["mode"] == *mode, "by {}", probes["mode"]);
            ensure!(missing.is_empty(), "something is missing");
        }
        Expected::AllBut(function, words) => {
            let [only] = &missing[..] else {
                anyhow::bail!("{} are missing", missing.len());
            };
            let reason = only["reason"].as_str().unwrap_or_default();
            ensure!(
                only["function"] == *function && reason.contains(words),
                "{only}"
            );
        }
        Expected::Refused(words) => {
            ensure!(probes["mode"] == "off", "by {}", probes["mode"]);
            ensure!(said.reason().contains(words), "not {words}");
            let alike = missing.iter().all(|one| one["reason"] == said.reason());
            ensure!(alike, "other reasons, too");
        }
    }
    Ok(())
}
