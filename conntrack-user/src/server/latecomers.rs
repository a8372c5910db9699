//! What a reader of events has to know that comes late: the last of what is only said when it changes.

use std::collections::BTreeMap;

use crate::{model::record::Record, text::Text};

/// The last hello, and of each of its instances the last verdict, the last top talkers, and what its table is made
/// of and limited by.
#[derive(Debug, Default)]
pub(super) struct ForLatecomers {
    hello: Option<Record>,
    instances: BTreeMap<Text, [Option<Record>; 5]>,
}

impl ForLatecomers {
    pub(super) fn take(&mut self, record: &Record) {
        let (instance, at) = match record {
            Record::Hello(hello) => {
                let is_there = |name: &Text| hello.instances.iter().any(|i| i.name == *name);
                self.instances.retain(|name, _| is_there(name));
                self.hello = Some(record.clone());
                return;
            }
            Record::Verdict(verdict) => (&verdict.instance, 0),
            Record::Top(top) if top.is_of_a_window() => (&top.instance, 1),
            Record::Top(top) => (&top.instance, 2),
            Record::Contents(contents) => (&contents.instance, 3),
            Record::Limits(limits) => (&limits.instance, 4),
            _ => return,
        };
        let of_instance = self.instances.entry(instance.clone()).or_default();
        of_instance[at] = Some(record.clone());
    }

    pub(super) fn records(&self) -> impl Iterator<Item = &Record> {
        let of_instances = self.instances.values().flatten().flatten();
        self.hello.iter().chain(of_instances)
    }
}
