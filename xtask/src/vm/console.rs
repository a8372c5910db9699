//! What the log of a guest's console says about its end.

/// How many lines of a crash are shown: its reason, the registers, and the stack.
const CRASH_LINES: usize = 60;
/// How many lines are shown when there is no crash among them.
const TAIL_LINES: usize = 25;

/// The first line of the kernel's report of a crash, if there is one.
pub(crate) fn crash(log: &str) -> Option<&str> {
    log.lines()
        .find(|line| is_crash(line))
        .map(|line| without_time(line.trim_end()))
}

/// What emulation did wrong, if that is why the kernel crashed.
pub(crate) fn fault_of_emulation(log: &str) -> Option<&'static str> {
    crash(log)?;
    if is_stray_breakpoint(log) {
        Some("came across a breakpoint that its kernel had patched away")
    } else if flags(log).is_some_and(|flags| flags & RESERVED_FLAGS != 0) {
        Some("got processor flags that are always zero")
    } else {
        None
    }
}

/// Bits of RFLAGS that no processor sets.
const RESERVED_FLAGS: u64 = 0xffff_ffff_ffc0_8028;

/// The processor's flags in the report of a crash.
fn flags(log: &str) -> Option<u64> {
    let (_, flags) = log.lines().find_map(|line| line.split_once("EFLAGS: "))?;
    u64::from_str_radix(flags.trim(), 16).ok()
}

/// Whether the kernel crashed of a breakpoint instruction that it had not set. That is a race of QEMU's
/// multi-threaded emulation: one CPU still executes the breakpoint that another has just patched away
/// (`text_poke_bp`), and the kernel knows no reason for it, or a wrong one. With single-threaded emulation
/// attaching under traffic does not do it.
fn is_stray_breakpoint(log: &str) -> bool {
    let Some(line) = crash(log) else {
        return false;
    };
    // The first is the form up to 6.9.
    line.starts_with("int3: ") || line.starts_with("Oops: int3") || is_null_copy(line, log)
}

/// Whether the kernel took a stray breakpoint for that of a kprobe which has none: `kprobe_int3_handler`
/// finds one that ftrace serves, and goes to its copy of the instruction, with interrupts off
/// (`setup_singlestep`). There is no copy (`arch_prepare_kprobe_ftrace`).
fn is_null_copy(crash: &str, log: &str) -> bool {
    const INTERRUPTS: u64 = 1 << 9;
    let lines: Vec<&str> = log.lines().map(without_time).map(str::trim_end).collect();
    crash.starts_with("BUG: kernel NULL pointer dereference, address: 0000000000000000")
        && lines.contains(&"RIP: 0010:0x0")
        && flags(log).is_some_and(|flags| flags & INTERRUPTS == 0)
}

/// The part of the log to show: from the crash on, or else its end.
pub(crate) fn excerpt(log: &str) -> Vec<&str> {
    let lines: Vec<_> = log.lines().map(str::trim_end).collect();
    match lines.iter().position(|line| is_crash(line)) {
        Some(start) => lines.into_iter().skip(start).take(CRASH_LINES).collect(),
        None => {
            let skipped = lines.len().saturating_sub(TAIL_LINES);
            lines.into_iter().skip(skipped).collect()
        }
    }
}

fn is_crash(line: &str) -> bool {
    const STARTS: [&str; 7] = [
        "Kernel panic - not syncing",
        "BUG: ",
        "kernel BUG at ",
        "Oops: ",
        "int3: ",
        "general protection fault",
        "Unable to handle kernel",
    ];
    let message = without_time(line);
    STARTS.iter().any(|start| message.starts_with(start))
}

/// A line without its time: `[    3.141592] message`.
fn without_time(line: &str) -> &str {
    match line
        .strip_prefix('[')
        .and_then(|line| line.split_once("] "))
    {
        Some((time, message))
            if time
                .trim()
                .bytes()
                .all(|byte| byte.is_ascii_digit() || byte == b'.') =>
        {
            message
        }
        _ => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PANIC: &str = "[    0.000000] Linux version 6.12\r\n[    1.500000] sysrq: Trigger a crash\r\n\
        [    1.500001] Kernel panic - not syncing: sysrq triggered crash\r\n[    1.500002] CPU: 0 UID: 0 PID: 77\r\n";

    #[test]
    fn flags_that_no_processor_has_are_of_emulation() {
        let log = |flags: &str| {
            format!(
                "[   71.5] BUG: kernel NULL pointer dereference, address: 0000000000000b7b\n\
                 [   71.5] RIP: 0010:init_conntrack.constprop.0+0x429/0x4c0 [nf_conntrack]\n\
                 [   71.5] RSP: 0018:ff7a1eeb4322b778 EFLAGS: {flags}\n"
            )
        };
        assert!(fault_of_emulation(&log("7f304687")).is_some());
        assert_eq!(fault_of_emulation(&log("00010246")), None);
        // Only of a crash.
        assert_eq!(fault_of_emulation("[    1.0] EFLAGS: 7f304687\n"), None);
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
        assert!(!is_stray_breakpoint(PANIC));
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
        // A function that is called although it is none: interrupts are as they were.
        assert!(!is_stray_breakpoint(&log("0x0", "00000246")));
        assert!(!is_stray_breakpoint(&log(
            "nf_conntrack_in+0x3d/0x6b0",
            "00000046"
        )));
    }

    #[test]
    fn a_panic_is_found_with_its_reason() {
        assert_eq!(
            crash(PANIC),
            Some("Kernel panic - not syncing: sysrq triggered crash")
        );
        assert_eq!(
            excerpt(PANIC),
            [
                "[    1.500001] Kernel panic - not syncing: sysrq triggered crash",
                "[    1.500002] CPU: 0 UID: 0 PID: 77"
            ]
        );
    }

    #[test]
    fn an_oops_counts_and_not_only_the_panic_that_follows() {
        let log = "[    2.0] BUG: kernel NULL pointer dereference, address: 0000000000000000\n\
            [    2.1] Kernel panic - not syncing: Fatal exception in interrupt\n";
        assert_eq!(
            crash(log),
            Some("BUG: kernel NULL pointer dereference, address: 0000000000000000")
        );
    }

    #[test]
    fn talk_about_bugs_is_no_crash() {
        for line in [
            "[    0.1] Spectre V2 : BUG: mitigated",
            "[    0.2] x86/bugs: ok",
            "panic=-1 oops=panic",
            "[x] BUG: y",
        ] {
            assert_eq!(crash(line), None, "{line}");
        }
    }

    #[test]
    fn without_a_crash_the_end_is_shown() {
        let log: String = (0..100).map(|i| format!("line {i}\n")).collect();
        let shown = excerpt(&log);
        assert_eq!(
            (shown.len(), shown.first(), shown.last()),
            (TAIL_LINES, Some(&"line 75"), Some(&"line 99"))
        );
        assert_eq!(excerpt(""), [""; 0]);
    }
}
