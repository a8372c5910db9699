//! Which counters are known to be wrong, instance by instance, so that each change is reported once.

use std::collections::BTreeMap;

use crate::{
    model::{
        kernel::{
            counters::{Counter, named},
            per_counter::PerCounter,
        },
        record::{Check, Sample, Verdict},
    },
    text::Text,
};

/// The counters that are wrong in the last sample of each instance; instances without any are left out.
#[derive(Default)]
pub(super) struct WrongCounters(BTreeMap<Text, PerCounter<()>>);

/// A change of what is known of a counter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum TrustChange {
    /// A check proves it wrong, and says this.
    Wrong(Counter, Text),
    /// Its check has nothing against it any longer.
    Agrees(Counter),
    /// It is not checked any longer.
    Unchecked(Counter),
}

impl WrongCounters {
    /// Whether a counter is wrong. Its name comes from a record.
    pub(super) fn has(&self, instance: &Text, counter: &Text) -> bool {
        let known = self.0.get(instance).zip(named(counter.raw()));
        known.is_some_and(|(wrong, spec)| wrong.get(spec.id).is_some())
    }

    /// Whether a check is about a counter that is wrong: its own check, or a law that it should obey.
    pub(super) fn explain(&self, instance: &Text, check: &Check) -> bool {
        let Some(wrong) = self.0.get(instance) else {
            return false;
        };
        let mut counters = wrong.iter().map(|(counter, ())| counter.spec());
        let about = counters.any(|spec| {
            check.name == *spec.name || spec.laws.iter().any(|law| check.name == **law)
        });
        check.verdict == Verdict::Mismatch && about
    }

    /// Takes a sample; returns what has changed since the one before.
    pub(super) fn update(&mut self, sample: &Sample) -> Vec<TrustChange> {
        let before = self.0.remove(&sample.instance).unwrap_or_default();
        let mut changes = Vec::new();
        for (counter, reason) in sample.wrong.iter() {
            if before.get(counter).is_none() {
                changes.push(TrustChange::Wrong(counter, reason.clone()));
            }
        }
        for (counter, ()) in before.iter() {
            if sample.wrong.get(counter).is_none() {
                changes.push(match sample.verdict {
                    None | Some(Verdict::NotComparable) => TrustChange::Unchecked(counter),
                    Some(_) => TrustChange::Agrees(counter),
                });
            }
        }
        if !sample.wrong.is_empty() {
            let now = PerCounter::from_fn(|spec| sample.wrong.get(spec.id).map(|_| ()));
            self.0.insert(sample.instance.clone(), now);
        }
        changes
    }
}

impl TrustChange {
    /// The line that reports it. `instance`: its instance, if there are several.
    pub(super) fn line(&self, instance: Option<&Text>) -> String {
        let place = instance.map_or_else(String::new, |name| format!(" in {name}"));
        match self {
            Self::Wrong(counter, reason) => {
                format!("! {}{place} is wrong: {reason}", counter.spec().name)
            }
            Self::Agrees(counter) => format!("  {}{place} agrees again", counter.spec().name),
            Self::Unchecked(counter) => {
                format!("  {}{place} is not checked any longer", counter.spec().name)
            }
        }
    }
}
