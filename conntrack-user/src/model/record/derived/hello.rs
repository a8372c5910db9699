//! What is unavailable, and why.

use crate::{
    model::{
        kernel::{
            charts::{Dimension, Quantity},
            counters::Counter,
        },
        record::hello::Hello,
    },
    text::Text,
};

/// The names of everything that is unavailable for one reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UnavailableGroup {
    /// Why they are unavailable.
    pub reason: Text,
    /// Counters or dimensions of a chart, in their order.
    pub names: Vec<&'static str>,
}

fn grouped(unavailable: impl IntoIterator<Item = (Text, &'static str)>) -> Vec<UnavailableGroup> {
    let mut groups: Vec<UnavailableGroup> = Vec::new();
    for (reason, name) in unavailable {
        match groups.iter_mut().find(|group| group.reason == reason) {
            Some(group) => group.names.push(name),
            None => groups.push(UnavailableGroup {
                reason,
                names: vec![name],
            }),
        }
    }
    groups
}

impl Counter {
    /// Whether it is on a chart; the others are in JSON alone.
    #[must_use]
    pub(crate) fn is_charted(self) -> bool {
        self.spec().place.is_some()
    }
}

impl Hello {
    /// The charted counters that are unavailable, by reason, in table order.
    #[must_use]
    pub(crate) fn unavailable_by_reason(&self) -> Vec<UnavailableGroup> {
        let charted = self.unavailable.iter().filter(|(c, _)| c.is_charted());
        grouped(charted.map(|(counter, reason)| (reason.clone(), counter.spec().name)))
    }

    /// Why dimensions of a chart are unavailable.
    #[must_use]
    pub(crate) fn why_unavailable(&self, dimensions: &[Dimension]) -> Vec<UnavailableGroup> {
        grouped(
            dimensions
                .iter()
                .map(|dimension| (self.reason(dimension.quantity), dimension.name)),
        )
    }

    /// Why a quantity is unavailable.
    #[must_use]
    pub(crate) fn reason(&self, quantity: Quantity) -> Text {
        let reason = match quantity {
            Quantity::Rate(counter) => self.unavailable.get(counter).cloned(),
            Quantity::Entries => Some(Text::fixed("the number of entries cannot be read")),
        };
        reason.unwrap_or_else(|| Text::fixed("unavailable"))
    }
}
