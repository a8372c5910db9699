//! Messages about namespaces: what concerns many of them is one line.

use std::{collections::BTreeMap, time::Duration};

use crate::{engine::diagnostics::Diagnostics, text::Text};

/// The least time between two lines that say the same of different namespaces.
const INTERVAL: Duration = Duration::from_secs(10);

/// The most names in a line.
const NAMES: usize = 3;

/// The most messages that are remembered so as not to repeat them too soon.
const MESSAGES: usize = 1_000;

/// What a message says of a namespace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Said {
    /// It has ended.
    Gone,
    /// Something else.
    Text(String),
}

/// Messages, until they are written.
pub(super) struct Gathered {
    diagnostics: Diagnostics,
    messages: BTreeMap<Said, Concerned>,
}

/// The namespaces that a message is about.
#[derive(Default)]
struct Concerned {
    /// The first of them.
    names: Vec<Text>,
    number: u64,
    /// When such a line was last written.
    written: Option<Duration>,
}

impl Gathered {
    pub(super) fn new(diagnostics: Diagnostics) -> Self {
        Self {
            diagnostics,
            messages: BTreeMap::new(),
        }
    }

    /// Adds a message about a namespace.
    pub(super) fn add(&mut self, said: Said, name: &Text) {
        let concerned = self.messages.entry(said).or_default();
        concerned.number += 1;
        if concerned.names.len() < NAMES {
            concerned.names.push(name.clone());
        }
    }

    /// Writes the messages that are due. `watched` is the number of watched namespaces: of a single one the name is not needed.
    pub(super) fn write(&mut self, now: Duration, watched: usize) {
        self.write_if(watched, now, |last| now.saturating_sub(last) >= INTERVAL);
    }

    /// Writes all messages, at the end of a run.
    pub(super) fn write_all(&mut self, now: Duration, watched: usize) {
        self.write_if(watched, now, |_| true);
    }

    fn write_if(&mut self, watched: usize, now: Duration, is_due: impl Fn(Duration) -> bool) {
        for (said, concerned) in &mut self.messages {
            if concerned.number > 0 && concerned.written.is_none_or(&is_due) {
                self.diagnostics.notify(line(said, concerned, watched));
                *concerned = Concerned {
                    written: Some(now),
                    ..Concerned::default()
                };
            }
        }
        if self.messages.len() > MESSAGES {
            self.messages.retain(|_, concerned| concerned.number > 0);
        }
    }
}

fn line(said: &Said, concerned: &Concerned, watched: usize) -> String {
    let number = concerned.number;
    let mut names: Vec<String> = concerned.names.iter().map(ToString::to_string).collect();
    if number > names.len() as u64 {
        names.push("…".to_owned());
    }
    let names = names.join(", ");
    match (said, number) {
        (Said::Gone, 1) => format!("network namespace {names} is gone"),
        (Said::Gone, _) => format!("{number} network namespaces are gone: {names}"),
        (Said::Text(text), 1) if watched <= 1 => text.clone(),
        (Said::Text(text), 1) => format!("network namespace {names}: {text}"),
        (Said::Text(text), _) => format!("{number} network namespaces ({names}): {text}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gathered() -> (Gathered, Diagnostics) {
        let diagnostics = Diagnostics::new();
        diagnostics.keep();
        (Gathered::new(diagnostics.clone()), diagnostics)
    }

    fn names(names: std::ops::Range<u32>) -> impl Iterator<Item = Text> {
        names.map(|n| format!("ns{n}").into())
    }

    #[test]
    fn many_namespaces_are_one_line() {
        let (mut gathered, diagnostics) = gathered();
        for name in names(0..37) {
            gathered.add(Said::Text("no counters".to_owned()), &name);
        }
        for name in names(0..512) {
            gathered.add(Said::Gone, &name);
        }
        gathered.write(Duration::ZERO, 600);
        assert_eq!(
            diagnostics.take(),
            [
                "512 network namespaces are gone: ns0, ns1, ns2, …",
                "37 network namespaces (ns0, ns1, ns2, …): no counters",
            ]
        );
    }

    #[test]
    fn one_namespace_is_named_unless_it_is_the_only_one() {
        let (mut gathered, diagnostics) = gathered();
        for (watched, expected) in [
            (1, "no counters"),
            (2, "network namespace ns0: no counters"),
        ] {
            for name in names(0..1) {
                gathered.add(Said::Text("no counters".to_owned()), &name);
            }
            gathered.write_all(Duration::ZERO, watched);
            assert_eq!(diagnostics.take(), [expected]);
        }
    }

    #[test]
    fn what_goes_on_is_a_line_every_ten_seconds() {
        let (mut gathered, diagnostics) = gathered();
        let mut lines = Vec::new();
        for second in 0..25_u32 {
            for name in names(second * 100..second * 100 + 100) {
                gathered.add(Said::Gone, &name);
            }
            gathered.write(Duration::from_secs(second.into()), 200);
            lines.extend(diagnostics.take());
        }
        gathered.write_all(Duration::from_secs(25), 0);
        lines.extend(diagnostics.take());
        assert_eq!(
            lines,
            [
                "100 network namespaces are gone: ns0, ns1, ns2, …",
                "1000 network namespaces are gone: ns100, ns101, ns102, …",
                "1000 network namespaces are gone: ns1100, ns1101, ns1102, …",
                "400 network namespaces are gone: ns2100, ns2101, ns2102, …",
            ]
        );
    }
}
