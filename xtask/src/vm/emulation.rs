//! Faults of QEMU's emulation that crash a guest, and are neither the kernel's fault nor that of the code under test.

use super::console::{crash, without_time};

/// The emulation fault that crashed the kernel, if it was one.
pub(super) fn fault(log: &str) -> Option<&'static str> {
    crash(log)?;
    if is_stray_breakpoint(log) {
        Some("came across a breakpoint that its kernel had patched away")
    } else if is_endless_breakpoint(log) {
        Some("came across a breakpoint that its kernel had patched away, again and again")
    } else if flags(log).is_some_and(|flags| flags & RESERVED_FLAGS != 0) {
        Some("got processor flags that are always zero")
    } else {
        None
    }
}

/// Bits of RFLAGS that a processor never sets.
const RESERVED_FLAGS: u64 = 0xffff_ffff_ffc0_8028;

/// The processor's flags in a crash report.
fn flags(log: &str) -> Option<u64> {
    let (_, flags) = log.lines().find_map(|line| line.split_once("EFLAGS: "))?;
    u64::from_str_radix(flags.trim(), 16).ok()
}

/// Whether the kernel crashed on a breakpoint instruction that it had not set. That is a race in QEMU's multi-threaded emulation:
/// one CPU still executes a breakpoint that another has just patched away (`text_poke_bp`), and the kernel finds no reason for
/// it, or a wrong one. With single-threaded emulation, attaching under traffic does not cause it.
fn is_stray_breakpoint(log: &str) -> bool {
    let Some(line) = crash(log) else {
        return false;
    };
    // Kernels up to 6.9 use the first form.
    line.starts_with("int3: ") || line.starts_with("Oops: int3") || is_null_copy(line, log)
}

/// Whether the kernel took a stray breakpoint for a kprobe that has none: `kprobe_int3_handler` finds a probe that uses ftrace,
/// and jumps to its copy of the instruction with interrupts off (`setup_singlestep`). Such a probe has no copy
/// (`arch_prepare_kprobe_ftrace`).
fn is_null_copy(crash: &str, log: &str) -> bool {
    const INTERRUPTS: u64 = 1 << 9;
    let lines: Vec<&str> = log.lines().map(without_time).map(str::trim_end).collect();
    crash.starts_with("BUG: kernel NULL pointer dereference, address: 0000000000000000")
        && lines.contains(&"RIP: 0010:0x0")
        && flags(log).is_some_and(|flags| flags & INTERRUPTS == 0)
}

/// Whether a CPU hung at the instruction of a probe: at the start of a function, or after its `endbr64`. Kernels up to 6.7 take a
/// stray breakpoint for one that was just removed, and have the CPU execute the instruction again (`kprobe_int3_handler`);
/// emulation may hit the breakpoint again, in an endless loop.
fn is_endless_breakpoint(log: &str) -> bool {
    let at_probe = |line: &str| {
        let offset = line
            .split_once("RIP: 0010:")
            .and_then(|(_, rip)| rip.split_once("+0x"));
        offset.is_some_and(|(_, offset)| offset.starts_with("0/") || offset.starts_with("4/"))
    };
    let hung = crash(log).is_some_and(|line| line.starts_with("watchdog: BUG: soft lockup"));
    hung && log.lines().any(at_probe)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_that_no_processor_has_are_of_emulation() {
        let log = |flags: &str| {
            format!(
                "[   71.5] BUG: kernel NULL pointer dereference, address: 0000000000000b7b\n\
                 [   71.5] RIP: 0010:init_conntrack.constprop.0+0x429/0x4c0 [nf_conntrack]\n\
                 [   71.5] RSP: 0018:ff7a1eeb4322b778 EFLAGS: {flags}\n"
            )
        };
        assert!(fault(&log("7f304687")).is_some());
        assert_eq!(fault(&log("00010246")), None);
        // Only if there is a crash.
        assert_eq!(fault("[    1.0] EFLAGS: 7f304687\n"), None);
    }

    #[test]
    fn a_cpu_that_hangs_at_a_probe_is_of_emulation() {
        let log = |rip: &str| {
            format!(
                "[  880.8] watchdog: BUG: soft lockup - CPU#1 stuck for 67s! [guest-tests:116]\n\
                 [  880.8] RIP: 0010:{rip}\n\
                 [  880.8] Kernel panic - not syncing: softlockup: hung tasks\n"
            )
        };
        assert!(fault(&log("nf_conntrack_in+0x0/0x6b0 [nf_conntrack]")).is_some());
        assert!(fault(&log("nf_conntrack_in+0x4/0x6b0 [nf_conntrack]")).is_some());
        assert_eq!(
            fault(&log("nf_conntrack_in+0x43/0x6b0 [nf_conntrack]")),
            None
        );
    }

    #[test]
    fn a_stray_breakpoint_is_not_any_crash() {
        assert!(is_stray_breakpoint(
            "[    4.1] Oops: int3: 0000 [#1] PREEMPT SMP NOPTI\n"
        ));
        assert!(is_stray_breakpoint(
            "[    4.1] int3: 0000 [#1] PREEMPT SMP\n"
        ));
        assert!(!is_stray_breakpoint("[    4.1] Oops: 0000 [#1] SMP\n"));
        assert!(!is_stray_breakpoint(
            "[    4.1] Kernel panic - not syncing: sysrq triggered crash\n"
        ));
    }

    #[test]
    fn a_breakpoint_taken_for_a_kprobes_is_a_stray_one() {
        let log = |rip: &str, flags: &str| {
            format!(
                "[   26.8] BUG: kernel NULL pointer dereference, address: 0000000000000000\n\
                 [   26.8] Oops: Oops: 0010 [#1] PREEMPT SMP NOPTI\n\
                 [   26.8] RIP: 0010:{rip}\n\
                 [   26.8] RSP: 0018:ff4ac176c2bb7a20 EFLAGS: {flags}\n"
            )
        };
        assert!(is_stray_breakpoint(&log("0x0", "00000046")));
        // A call of a function that is not one: interrupts are still enabled.
        assert!(!is_stray_breakpoint(&log("0x0", "00000246")));
        assert!(!is_stray_breakpoint(&log(
            "nf_conntrack_in+0x3d/0x6b0",
            "00000046"
        )));
    }
}
