//! Namespaces come and go during a run, and rings of buckets go to those that are busy.

use std::{collections::HashSet, rc::Rc, time::Duration};

use super::Run;
use crate::{
    clock::Clock,
    engine::{
        error::EngineError,
        gathered::Said,
        instance::{WatchedInstance, unless_gone},
        probes::wait_for_calls_in_flight,
        watch,
    },
    model::record::Record,
    reading::{EndedReading, InstanceInfo, InstanceReading, Purpose, Reading},
    source::namespaces::{Namespace, NamespaceError},
};

impl<C: Clock + Clone + Send + 'static> Run<C> {
    /// Ends the instances whose namespaces are gone, and starts to watch those that have appeared, if that is due.
    pub(super) fn follow_namespaces(&mut self, now: Duration) -> Result<Vec<Record>, EngineError> {
        if self.watch.wait(now).is_none_or(|wait| !wait.is_zero()) {
            return Ok(Vec::new());
        }
        let gone = self.watch.take_gone();
        let appeared = self.watch.appeared()?;
        let records = if gone.is_empty() && appeared.is_empty() {
            Vec::new()
        } else {
            let missed = self.probes.missed();
            let gone = gone.into_iter();
            let ended: Result<_, _> = gone.map(|instance| self.end(instance, missed)).collect();
            self.watch_all(appeared, ended?)?
        };
        self.watch.followed(self.clock.now().monotonic);
        Ok(records)
    }

    /// Starts to watch namespaces (`None`: the directory), and takes their baseline readings. Others have ended.
    pub(super) fn watch_all(
        &mut self,
        found: watch::Found,
        gone: Vec<EndedReading>,
    ) -> Result<Vec<Record>, EngineError> {
        let missed = self.probes.missed();
        let mut readings = Vec::new();
        for namespace in found {
            readings.extend(self.watch(namespace, missed)?);
        }
        let mut baseline = self.reading(Purpose::Baseline, readings);
        baseline.gone = gone;
        Ok(self.observe(&baseline))
    }

    fn watch(
        &mut self,
        namespace: Option<Namespace>,
        missed: Option<u64>,
    ) -> Result<Option<(Rc<InstanceInfo>, InstanceReading)>, EngineError> {
        let Some(mut instance) = self.watch.prepare(namespace) else {
            return Ok(None);
        };
        self.connect(&mut instance)?;
        let info = Rc::clone(&instance.info);
        let read = self.read_instance(&mut instance, Purpose::Baseline, missed);
        match read {
            Ok(reading) => {
                instance.let_go();
                self.conntrack_seen |= reading.kernel.entries().is_some();
                self.watch.instances.push(instance);
                Ok(Some((info, reading)))
            }
            Err(error) => {
                self.disconnect(&info)?;
                match error {
                    NamespaceError::Enter { source, .. } if self.watch.follows_all() => {
                        if self.watch.is_first_refusal(info.netns) {
                            instance.could_not_be_entered(&source);
                        }
                        if let Some(namespace) = instance.namespace.take() {
                            self.watch.postpone(namespace);
                        }
                    }
                    // It ended since the scan found it.
                    error => unless_gone(error)?,
                }
                self.take_messages(&mut instance);
                Ok(None)
            }
        }
    }

    /// Lets the probes count an instance in its slot, and in a ring if one is free.
    pub(super) fn connect(&mut self, instance: &mut WatchedInstance) -> Result<(), EngineError> {
        let mut ring = self.only_ring();
        if let Some((netns, slot)) = instance.info.netns.zip(instance.info.slot)
            && let (Some(rings), Some(maps)) = (&mut self.rings, self.probes.maps())
        {
            if rings.has_ended() {
                wait_for_calls_in_flight();
            }
            let now = self.clock.now().monotonic;
            ring = rings.add(slot, maps.hits(slot), now);
            if ring.is_none() && !std::mem::replace(&mut self.reported_few_rings, true) {
                self.diagnostics.notify(format_args!(
                    "there are more network namespaces than the {} for which there is memory for buckets of a millisecond: \
                     those that are busiest have them, the others have totals and checks",
                    maps.rings()
                ));
            }
            self.probes.assign(netns, slot)?;
        }
        instance.set_maps(self.probes.maps(), ring, &self.clock);
        if let Some(slot) = instance.info.slot
            && self.rings.is_some()
        {
            self.probes.set_ring(slot, ring)?;
        }
        Ok(())
    }

    /// The ring of a single instance, which is not lent.
    fn only_ring(&self) -> Option<u32> {
        self.rings.is_none().then_some(0)
    }

    /// Counts what still happens in a namespace together with the others that are not watched.
    fn disconnect(&mut self, info: &InstanceInfo) -> Result<(), EngineError> {
        if let Some(netns) = info.netns {
            self.probes.release(netns);
        }
        if let (Some(rings), Some(slot)) = (&mut self.rings, info.slot) {
            rings.remove(slot);
            self.probes.set_ring(slot, None)?;
        }
        Ok(())
    }

    /// Reads what was counted of a namespace that is gone, and gives its slot and ring back.
    ///
    /// # Errors
    ///
    /// When the kernel rejects a map update.
    pub(super) fn end(
        &mut self,
        mut instance: WatchedInstance,
        missed: Option<u64>,
    ) -> Result<EndedReading, EngineError> {
        self.take_messages(&mut instance);
        self.messages.add(Said::Gone, &instance.info.name);
        let ended = EndedReading {
            probes: instance.read_ended(&self.clock, missed),
            durations: self.durations(&instance.info),
            info: Rc::clone(&instance.info),
        };
        self.disconnect(&instance.info)?;
        Ok(ended)
    }

    pub(super) fn read_instance(
        &self,
        instance: &mut WatchedInstance,
        purpose: Purpose,
        missed: Option<u64>,
    ) -> Result<InstanceReading, NamespaceError> {
        let missed_now = || self.probes.missed();
        let info = Rc::clone(&instance.info);
        let disagrees = |reading: &InstanceReading| self.monitor.disagrees(&info, reading);
        let mut reading = instance.read(&self.clock, purpose, missed, &missed_now, &disagrees)?;
        if purpose != Purpose::Interval {
            reading.durations = self.durations(&info);
        }
        Ok(reading)
    }

    /// Gathers the messages about an instance.
    pub(super) fn take_messages(&mut self, instance: &mut WatchedInstance) {
        for message in instance.take_messages() {
            self.messages.add(Said::Text(message), &instance.info.name);
        }
    }

    /// Lends rings to the namespaces that were busy in a reading and have none.
    pub(super) fn lend_rings(&mut self, reading: &Reading) -> Result<(), EngineError> {
        let Some(rings) = &mut self.rings else {
            return Ok(());
        };
        for (info, reading) in &reading.instances {
            if let Some((slot, probes)) = info.slot.zip(reading.probes.as_ref()) {
                rings.observe(slot, probes.after.iter().sum(), reading.at.monotonic);
            }
        }
        let moves = rings.moves();
        if moves.is_empty() {
            return Ok(());
        }
        let ended = rings.has_ended();
        let from: HashSet<u32> = moves.iter().filter_map(|moved| moved.from).collect();
        for slot in &from {
            self.probes.set_ring(*slot, None)?;
        }
        if ended || !from.is_empty() {
            wait_for_calls_in_flight();
        }
        for slot in from {
            if let Some(instance) = self.watch.in_slot(slot) {
                instance.leave_ring(&self.clock);
            }
        }
        for moved in moves {
            if let Some(instance) = self.watch.in_slot(moved.to) {
                instance.follow_ring(moved.ring, &self.clock);
            }
            self.probes.set_ring(moved.to, Some(moved.ring))?;
        }
        Ok(())
    }
}
