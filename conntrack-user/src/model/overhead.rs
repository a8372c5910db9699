//! The overhead of ctpulse itself: CPU and memory.

use crate::reading::usage::Usage;
use std::time::Duration;

/// The overhead of this process.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Overhead {
    /// Percent of one CPU.
    pub cpu_percent: f64,
    /// Memory it occupies, in bytes.
    pub memory: Option<u64>,
}

/// The time over which CPU use is averaged.
const OVER: Duration = Duration::from_secs(2);

/// Measures this process's overhead.
#[derive(Debug, Default)]
pub struct Meter {
    last: Option<Usage>,
}

impl Meter {
    /// Whether a measurement is due.
    #[must_use]
    pub fn is_due(&self, now: Duration) -> bool {
        self.last
            .is_none_or(|last| now.saturating_sub(last.at) >= OVER)
    }

    /// Takes the usage up to now; returns the overhead since the last measurement.
    pub fn observe(&mut self, usage: Usage) -> Option<Overhead> {
        let last = self.last.replace(usage)?;
        let elapsed = usage.at.saturating_sub(last.at).as_secs_f64();
        (elapsed > 0.0).then(|| Overhead {
            cpu_percent: usage.cpu.saturating_sub(last.cpu).as_secs_f64() * 100.0 / elapsed,
            memory: usage.memory,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_one_cpu() {
        let usage = |at, cpu| Usage {
            at: Duration::from_millis(at),
            cpu: Duration::from_millis(cpu),
            memory: Some(7),
        };
        let mut meter = Meter::default();
        assert!(meter.is_due(Duration::ZERO));
        assert_eq!(meter.observe(usage(1000, 50)), None);
        assert!(!meter.is_due(Duration::from_millis(2999)));
        assert!(meter.is_due(Duration::from_millis(3000)));
        assert_eq!(
            meter.observe(usage(3000, 60)),
            Some(Overhead {
                cpu_percent: 0.5,
                memory: Some(7),
            })
        );
        assert_eq!(meter.observe(usage(3000, 60)), None);
    }
}
