//! Which tables of top talkers are informative, and whether their counts are exact.

use crate::{
    model::record::top::{NatPortsLeft, Top, TopRow, TopTable},
    reading::workload::Workload,
};

/// A top row with a smaller share than this, in percent, does not stand out: of thousands of talkers with one flow each, any ten
/// would be as good.
const STANDS_OUT: f64 = 1.0;

impl Top {
    /// Whether the counts are of a time window, and not of the current entries.
    #[must_use]
    pub(crate) fn is_of_a_window(&self) -> bool {
        self.window_s > 0.0
    }

    /// The tables that are worth showing.
    pub(crate) fn informative_tables(&self) -> impl Iterator<Item = &TopTable> {
        self.tables.iter().filter(|table| table.is_informative())
    }
}

impl TopTable {
    /// Whether anything was counted, other than the default value that all entries have (no zone, no mark).
    #[must_use]
    pub(crate) fn is_informative(&self) -> bool {
        let unset = |row: &TopRow| row.key == "0" || row.key == "0x0";
        let only_unset = matches!(self.of.raw(), "zone" | "mark") && self.rows.iter().all(unset);
        self.total > 0 && !only_unset
    }

    /// Whether one talker has far more than the others. Ports of NAT run out for each destination by itself, however many others
    /// there are.
    #[must_use]
    pub(crate) fn has_heavy_hitter(&self) -> bool {
        let first = self.rows.first();
        first.is_some_and(|row| row.share >= STANDS_OUT || row.nat.is_some())
    }

    /// Whether every count is exact, and not a lower bound.
    #[must_use]
    pub(crate) fn is_exact(&self) -> bool {
        self.error == 0
    }
}

impl TopRow {
    /// What else is known about the talker: what has its address, the process behind it, what is left to it.
    #[must_use]
    pub(crate) fn more(&self) -> Option<String> {
        // A process of the pod with that address says so itself.
        let says_so = |workload: &Workload| {
            let of_process = self.process_workload.as_ref();
            of_process.is_some_and(|of_process| workload.covers(of_process))
        };
        let workload = self.workload.as_ref().filter(|workload| !says_so(workload));
        let parts = [
            workload.map(ToString::to_string),
            self.process.as_ref().map(ToString::to_string),
            self.nat.as_ref().map(NatPortsLeft::described),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        (!parts.is_empty()).then(|| parts.join(" "))
    }
}

impl NatPortsLeft {
    /// `of at most 64512 ports, none left in 210 s`.
    fn described(&self) -> String {
        let most = if self.assumed { "at most " } else { "" };
        let mut text = format!("of {most}{} ports", self.limit);
        if self.refused {
            text.push_str(", flows refused");
        } else if let Some(time) = self.exhausted_in_s {
            text.push_str(&format!(", none left in {:.0} s", time.estimate));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::text::Text;

    #[test]
    fn whatever_has_the_address_is_named_before_the_process() {
        let workload = |pod: &'static str, container: Option<&'static str>| {
            Some(Arc::new(Workload {
                pod: Some(pod.into()),
                container: container.map(Text::from),
                ..Workload::default()
            }))
        };
        let more = |workload, process: Option<&'static str>, process_workload| {
            let row = TopRow {
                workload,
                process: process.map(Text::from),
                process_workload,
                ..TopRow::default()
            };
            row.more().unwrap_or_default()
        };
        let app = workload("cart", Some("app"));
        assert_eq!(more(None, None, None), "");
        assert_eq!(more(workload("cart", None), None, None), "cart");
        assert_eq!(
            more(workload("cart", None), Some("curl[7]"), None),
            "cart curl[7]"
        );
        // Its own process says so itself.
        let text = "app[7] in cart/app";
        assert_eq!(more(workload("cart", None), Some(text), app.clone()), text);
        assert_eq!(
            more(workload("db", None), Some(text), app),
            "db app[7] in cart/app"
        );
    }
}
