//! nf_conntrack is loaded and unloaded during a run; the probes come and go with it.

use std::rc::Rc;

use super::{Run, rings, slots};
use crate::{
    clock::Clock,
    engine::{error::EngineError, instance::unless_gone},
    model::record::Record,
    probes::facts::HostFacts,
    reading::{InstanceInfo, Purpose, durations::Durations},
};

impl<C: Clock + Clone + Send + 'static> Run<C> {
    /// Follows nf_conntrack's module: detaches the probes when it was unloaded, attaches them when it is loaded.
    pub(super) fn follow_module(&mut self, present: bool) -> Result<Vec<Record>, EngineError> {
        let before = std::mem::replace(&mut self.conntrack_seen, present);
        if before && !present && self.probes.maps().is_some() {
            let reason = "nf_conntrack was unloaded";
            let next = match self.privileges.are_given_up() {
                true => "the run ends",
                false => "waiting for it to come back",
            };
            self.diagnostics.notify(format_args!("{reason}; {next}"));
            let durations = self.all_durations();
            drop(self.probes.lose(reason));
            if self.privileges.are_given_up() {
                self.failure = Some(EngineError::ProbesGone);
            }
            return self.spread_probes(durations);
        }
        if present && self.probes.is_waiting() {
            self.probes.attach(HostFacts::probe());
            if self.probes.maps().is_some() {
                self.watch.set_slots(slots(&self.probes, self.single));
                self.diagnostics
                    .notify("nf_conntrack is loaded; probes attached");
            }
            let records = self.spread_probes(Vec::new())?;
            self.give_up_privileges()?;
            return Ok(records);
        }
        Ok(Vec::new())
    }

    /// What the probes have counted up to now, in the order of the instances.
    pub(super) fn all_durations(&self) -> Vec<Option<Durations>> {
        let durations = self.watch.instances.iter().map(|i| self.durations(&i.info));
        durations.collect()
    }

    /// Switches every instance to the current probes, and takes new baselines. `durations` is what the previous probes had
    /// counted, in the order of the instances.
    pub(super) fn spread_probes(
        &mut self,
        durations: Vec<Option<Durations>>,
    ) -> Result<Vec<Record>, EngineError> {
        self.rings = rings(&self.probes, self.single);
        let capacity = self.watch.capacity();
        let missed = self.probes.missed();
        let mut durations = durations.into_iter();
        let mut readings = Vec::new();
        let mut instances = std::mem::take(&mut self.watch.instances);
        for instance in &mut instances {
            // Without probes there is no limit on slots, so its slot may be out of range now.
            if instance.info.slot.is_some_and(|slot| slot >= capacity) {
                instance.info = Rc::new(InstanceInfo {
                    slot: None,
                    ..(*instance.info).clone()
                });
            }
            self.connect(instance)?;
            let gone = durations.next();
            match self.read_instance(instance, Purpose::Baseline, missed) {
                Ok(mut reading) => {
                    if let Some(gone) = gone {
                        reading.durations = gone;
                    }
                    readings.push((Rc::clone(&instance.info), reading));
                }
                // The next reading reports that it is gone.
                Err(error) => unless_gone(error)?,
            }
        }
        self.watch.instances = instances;
        let baseline = self.reading(Purpose::Baseline, readings);
        Ok(self.observe(&baseline))
    }
}
