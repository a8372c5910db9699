//! A law of conservation is broken: what counts wrongly gives way to its alternative, where the kernel has one.

use super::{Run, slots};
use crate::{
    clock::Clock,
    engine::error::EngineError,
    model::{record::Record, verify::by_laws},
    probes::{facts::HostFacts, plan::Replacement},
    reading::Purpose,
};

impl<C: Clock + Clone + Send + 'static> Run<C> {
    /// Replaces a function whose counts broke a law. Each function is replaced once at most, so this comes to an end.
    pub(super) fn follow_laws(&mut self, observed: &[Record]) -> Result<Vec<Record>, EngineError> {
        let checks = observed.iter().filter_map(|record| match record {
            Record::Crosscheck(crosscheck) => Some(&crosscheck.checks),
            _ => None,
        });
        let broken = checks.flat_map(|checks| by_laws::broken(checks));
        let broken: Vec<_> = broken
            .filter(|(law, _)| self.probes.may_have_alternative(law))
            .collect();
        if broken.is_empty() {
            return Ok(Vec::new());
        }
        if self.privileges.are_given_up() {
            for (law, _) in broken {
                self.probes.has_no_alternative(law);
                self.diagnostics.notify(format_args!(
                    "{law} does not hold, and no other function can be probed instead: the privileges to attach \
                     probes were given up; --privileges keep keeps them"
                ));
            }
            return Ok(Vec::new());
        }
        let facts = HostFacts::probe();
        let mut broken = broken.into_iter();
        let found =
            broken.find_map(|(law, population)| self.probes.give_up(law, population, &facts));
        match found {
            Some(replacement) => self.replace(replacement, facts),
            None => Ok(Vec::new()),
        }
    }

    /// Attaches all probes anew, with the alternative. It takes the kernel seconds to attach and detach them, so the new ones are
    /// attached while the old ones still count. What happens between the last reading of these and the first of those is in none.
    fn replace(
        &mut self,
        replacement: Replacement,
        facts: HostFacts,
    ) -> Result<Vec<Record>, EngineError> {
        let Replacement {
            disproved,
            alternative,
        } = replacement;
        let next = self.probes.attach_beside(facts);
        if !next.is_any() {
            self.probes.has_no_alternative(disproved.law);
            self.diagnostics.notify(format_args!(
                "{disproved}; {alternative} could not be probed instead"
            ));
            return Ok(Vec::new());
        }
        self.diagnostics
            .notify(format_args!("{disproved}; probing {alternative} instead"));
        let last = self.read(Purpose::Interval)?;
        let mut records = self.observe(&last.reading);
        let durations = self.all_durations();
        let old = self.probes.lose("its probes are being replaced");
        // As if nf_conntrack had been unloaded and loaded again, but for a moment that is not reported.
        self.spread_probes(durations)?;
        self.probes.switch(next);
        self.watch.set_slots(slots(&self.probes, self.single));
        records.extend(self.spread_probes(Vec::new())?);
        drop(old);
        Ok(records)
    }
}
