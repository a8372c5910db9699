//! What instances and the addresses of events belong to.

use std::{rc::Rc, sync::Arc};

use super::Monitor;
use crate::{
    model::record::{Event, Ordered},
    reading::{
        InstanceInfo, Reading,
        workload::{Workload, Workloads},
    },
    text::Text,
};

impl Monitor {
    /// Takes what was found out since the reading before, which holds until it is found out again.
    pub(super) fn follow_workloads(&mut self, reading: &Reading) {
        if let Some(workloads) = &reading.workloads {
            self.workloads = Rc::clone(workloads);
            if let Some(top) = &mut self.top {
                top.set_workloads(Rc::clone(workloads));
            }
        }
    }

    /// What an instance belongs to.
    pub(super) fn workload(&self, info: &InstanceInfo) -> Option<Arc<Workload>> {
        self.workloads.of_namespace(info.netns?).cloned()
    }
}

/// What the addresses of an event belong to, each once, as it is seen in the namespace `here`.
pub(super) fn of_addresses(
    event: &Event,
    workloads: &Workloads,
    here: Option<u32>,
) -> Ordered<Arc<Workload>> {
    let tuples = [&event.tuple, &event.by, &event.translated];
    let addresses = tuples
        .into_iter()
        .flatten()
        .flat_map(|tuple| [tuple.src, tuple.dst]);
    let mut found: Vec<(Text, Arc<Workload>)> = Vec::new();
    for address in addresses.flatten() {
        let name = address.to_string();
        if let Some(workload) = workloads.of_address(address, here)
            && found.iter().all(|(known, _)| *known != *name)
        {
            found.push((name.into(), Arc::clone(workload)));
        }
    }
    Ordered(found)
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use jiff::Timestamp;

    use super::*;
    use crate::model::{event::Tuple, record::Time};

    fn tuple(src: u8, dst: u8) -> Option<Tuple> {
        let address = |last| Some(IpAddr::from([10, 0, 0, last]));
        Some(Tuple {
            src: address(src),
            dst: address(dst),
            ..Tuple::default()
        })
    }

    #[test]
    fn each_known_address_of_an_event_is_named_once() {
        let mut workloads = Workloads::default();
        let owner = |pod: &'static str| {
            Some(Arc::new(Workload {
                pod: Some(pod.into()),
                ..Workload::default()
            }))
        };
        workloads.add(
            Some(1),
            [[10, 0, 0, 1].into(), [10, 0, 0, 2].into()],
            owner("cart"),
        );
        workloads.add(Some(2), [[10, 0, 0, 3].into()], owner("db"));
        let event = Event {
            time: Time(Timestamp::UNIX_EPOCH),
            instance: "self".into(),
            kind: "early_drop".into(),
            tuple: tuple(1, 9),
            by: tuple(1, 3),
            translated: None,
            workloads: Ordered::default(),
        };
        let found = of_addresses(&event, &workloads, None);
        let event = Event {
            workloads: found,
            ..event
        };
        let owners = event.owners().expect("some are known");
        assert_eq!(owners, "10.0.0.1 is cart, 10.0.0.3 is db");
        assert!(
            event
                .described()
                .ends_with(" (10.0.0.1 is cart, 10.0.0.3 is db)")
        );
        let unknown = of_addresses(&event, &Workloads::default(), None);
        assert!(unknown.is_empty());
    }
}
