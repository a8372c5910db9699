//! The hello: what is watched and how, whenever that changes.

use std::rc::Rc;

use super::Monitor;
use crate::{
    model::{
        kernel::{
            origin::{Origins, unavailable},
            per_counter::PerCounter,
        },
        record::{Hello, Instance, Record, SCHEMA},
    },
    reading::{InstanceInfo, workload::Workloads},
    text::Text,
};

/// A hello, and what is in it that can change.
pub(super) struct ReportedHello {
    hello: Hello,
    kernel_release: Option<Text>,
    probes: u32,
    instances: Vec<Rc<InstanceInfo>>,
    workloads: Rc<Workloads>,
    /// Of the first instance.
    origins: Option<Rc<Origins>>,
}

impl Monitor {
    /// The hello, if it has changed.
    pub(super) fn hello(&mut self) -> Option<Record> {
        let current = |reported: &ReportedHello| self.is_current(reported);
        if self.reported.as_ref().is_some_and(current) {
            return None;
        }
        let mut reasons = PerCounter::default();
        if let Some(watched) = self.watched.first() {
            for (counter, reason) in unavailable(watched.monitor.origins()) {
                reasons.set(counter, Some(reason.reason().clone()));
            }
        }
        let hello = Hello {
            schema: SCHEMA,
            version: env!("CARGO_PKG_VERSION").into(),
            kernel: self
                .kernel_release
                .clone()
                .unwrap_or_else(|| "unknown".into()),
            hostname: self.settings.hostname.clone(),
            interval_ms: self.settings.interval.as_secs_f64() * 1e3,
            probes: self.probes.report.clone(),
            instances: self
                .watched
                .iter()
                .map(|watched| Instance {
                    name: watched.info.name.clone(),
                    netns: watched.info.netns,
                    host: None,
                    workload: self.workload(&watched.info),
                })
                .collect(),
            unavailable: reasons,
        };
        let origins = self.watched.first().map(|w| w.monitor.origins());
        let before = self.reported.replace(ReportedHello {
            hello: hello.clone(),
            kernel_release: self.kernel_release.clone(),
            probes: self.probes.number,
            instances: self.watched.iter().map(|w| Rc::clone(&w.info)).collect(),
            workloads: Rc::clone(&self.workloads),
            origins: origins.cloned(),
        });
        let same = before.is_some_and(|before| before.hello == hello);
        (!same).then(|| Record::Hello(Box::new(hello)))
    }

    /// Whether nothing has changed that a hello has.
    fn is_current(&self, reported: &ReportedHello) -> bool {
        let infos = self.watched.iter().map(|watched| &watched.info);
        let origins = self.watched.first().map(|w| w.monitor.origins());
        reported.probes == self.probes.number
            && reported.kernel_release == self.kernel_release
            && Rc::ptr_eq(&reported.workloads, &self.workloads)
            && reported.instances.iter().eq(infos)
            && reported.origins.as_ref().map(Rc::as_ptr) == origins.map(Rc::as_ptr)
    }
}
