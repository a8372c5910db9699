//! Finds the reason of a guest's end in the log of its console.

/// The most lines of a crash that are shown: its reason, the registers, and the stack.
const CRASH_LINES: usize = 60;
/// The number of lines that are shown without a crash.
const TAIL_LINES: usize = 25;

/// The first line of the kernel's report of a crash, if there is one.
pub(crate) fn crash(log: &str) -> Option<&str> {
    log.lines()
        .find(|line| is_crash(line))
        .map(|line| without_time(line.trim_end()))
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
    const STARTS: [&str; 9] = [
        "watchdog: BUG: soft lockup",
        "Kernel panic - not syncing",
        "BUG: ",
        "kernel BUG at ",
        "Oops: ",
        "int3: ",
        "general protection fault",
        "Unable to handle kernel",
        "Internal error: ",
    ];
    let message = without_time(line);
    STARTS.iter().any(|start| message.starts_with(start))
}

/// A line without its timestamp: `[ 3.141592] message`.
pub(super) fn without_time(line: &str) -> &str {
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
    fn messages_about_bugs_are_no_crash() {
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
