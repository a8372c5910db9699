//! A law of conservation is broken: what counts wrongly gives way to its alternative, where the kernel has one.

use super::{Run, slots};
use crate::{
    clock::Clock,
    engine::error::EngineError,
    model::{record::Record, verify::by_laws},
    probes::{facts::HostFacts, plan::Replacement},
};

impl<C: Clock + Clone + Send + 'static> Run<C> {
    /// Replaces a function whose counts broke a law, and attaches all probes anew. Each function is replaced once at most, so this
    /// comes to an end.
    pub(super) fn follow_laws(&mut self, observed: &[Record]) -> Result<Vec<Record>, EngineError> {
        let checks = observed.iter().filter_map(|record| match record {
            Record::Crosscheck(crosscheck) => Some(&crosscheck.checks),
            _ => None,
        });
        let mut broken = checks.flat_map(|checks| by_laws::broken(checks));
        let Some(Replacement {
            disproved,
            alternative,
        }) = broken.find_map(|(law, population)| self.probes.give_up(law, population))
        else {
            return Ok(Vec::new());
        };
        self.diagnostics
            .notify(format_args!("{disproved}; probing {alternative} instead"));
        // As if nf_conntrack had been unloaded and loaded again.
        self.detach_probes("its probes are being replaced")?;
        self.probes.attach(HostFacts::probe());
        self.watch.set_slots(slots(&self.probes, self.single));
        self.spread_probes(Vec::new())
    }
}
