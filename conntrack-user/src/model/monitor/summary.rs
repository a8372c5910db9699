//! The totals of one instance.

use super::{instance::InstanceMonitor, worse::add_worse};
use crate::{
    model::{
        kernel::per_counter::PerCounter,
        record::{Check, InstanceSummary, Total},
    },
    reading::buckets::BUCKET_MS,
};

impl InstanceMonitor {
    /// The totals of the run so far.
    #[must_use]
    pub fn summary(&self) -> InstanceSummary {
        InstanceSummary {
            name: self.settings.instance.clone(),
            totals: PerCounter::from_fn(|spec| {
                let total = Total {
                    probe: self.totals.of_probes(spec),
                    kernel: self.totals.of_kernel(spec, &self.origins),
                };
                (total.probe.is_some() || total.kernel.is_some()).then_some(total)
            }),
            crosscheck: self.checks_of_the_run(),
            missed: self.totals.missed,
            lost_events: self.totals.faults,
            buckets_lost_ms: self.buckets_lost as f64 * BUCKET_MS,
            lifetimes: self
                .settings
                .lifetimes
                .then(|| self.durations.lifetimes(&self.coverage)),
            latency: self
                .settings
                .latency
                .then(|| self.durations.latency(&self.coverage)),
            histograms: PerCounter::from_fn(|spec| self.buckets.percentiles(spec.id)),
            bursts: self.bursts.clone(),
        }
    }

    /// The last checks, except where those of earlier probes are worse.
    fn checks_of_the_run(&self) -> Vec<Check> {
        let mut checks = self.checks.clone();
        add_worse(&mut checks, &self.disproved);
        checks
    }
}
