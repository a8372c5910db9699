//! What this process itself uses.

use std::{path::Path, time::Duration};

use rustix::{
    param::page_size,
    time::{ClockId, clock_gettime},
};

use crate::{files, reading::usage::Usage};

/// Reads it; `now` is the time on the monotonic clock.
#[must_use]
pub fn read(now: Duration) -> Usage {
    let cpu = clock_gettime(ClockId::ProcessCPUTime);
    Usage {
        at: now,
        cpu: Duration::new(
            u64::try_from(cpu.tv_sec).unwrap_or_default(),
            u32::try_from(cpu.tv_nsec).unwrap_or_default(),
        ),
        memory: files::read_beginning(Path::new("/proc/self/statm"), 4096)
            .ok()
            .and_then(|text| resident(&text, page_size() as u64)),
    }
}

/// The second number of `12345 678 90 …`: pages that are in memory.
fn resident(statm: &str, page: u64) -> Option<u64> {
    let pages: u64 = statm.split_ascii_whitespace().nth(1)?.parse().ok()?;
    pages.checked_mul(page)
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let usage = read(Duration::from_secs(1));
        assert!(usage.cpu > Duration::ZERO);
        assert!(usage.memory.is_some_and(|bytes| bytes > 0));
    }
}
