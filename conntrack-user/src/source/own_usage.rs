//! CPU time and memory of ctpulse itself, for the live view's header.

use std::path::Path;

use rustix::param::page_size;

use crate::{clock::Clock, files, reading::usage::Usage};

#[must_use]
pub fn read(clock: &impl Clock) -> Usage {
    Usage {
        at: clock.now().monotonic,
        cpu: clock.process_cpu_time(),
        memory: files::read_start(Path::new("/proc/self/statm"), 4096)
            .ok()
            .and_then(|text| resident(&text, page_size() as u64)),
    }
}

/// Resident memory in bytes, from `/proc/PID/statm`: its second number is that of resident pages.
fn resident(statm: &str, page: u64) -> Option<u64> {
    let pages: u64 = statm.split_ascii_whitespace().nth(1)?.parse().ok()?;
    pages.checked_mul(page)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock::SystemClock;

    #[test]
    fn pages_in_memory() {
        assert_eq!(
            resident("15642 2331 1954 1 0 412 0\n", 4096),
            Some(2331 * 4096)
        );
        assert_eq!(resident("", 4096), None);
    }

    #[test]
    fn this_process_uses_something() {
        let usage = read(&SystemClock);
        assert!(usage.cpu > Duration::ZERO);
        assert!(usage.memory.is_some_and(|bytes| bytes > 0));
    }
}
