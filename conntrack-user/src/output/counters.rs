//! Counters as the manual has them: in a table (Markdown), where each comes from on which kernel and how it is verified; and
//! in the JSON Schema.

use conntrack_ebpf::table::{PROBES, ProbeGroup};

use crate::{
    model::kernel::{
        counters::{COUNTERS, CounterSpec, Verify},
        era::{ColumnState, Era},
    },
    output::format::number::UNAVAILABLE,
};

/// Kernel versions by era.
const ERAS: [(Era, &str); 4] = [
    (Era::UpTo4_8, "≤ 4.8"),
    (Era::From4_9, "4.9 – 5.9"),
    (Era::From5_10, "5.10 – 5.14"),
    (Era::From5_15, "5.15 +"),
];

/// The era of the kernels that probes support.
const PROBED: Era = Era::From5_15;

/// The table of counters in Markdown, for the manual.
#[must_use]
pub fn table() -> String {
    let mut lines = vec![
        format!(
            "| counter | one event is | {} | verified by |",
            ERAS.map(|(_, kernels)| kernels).join(" | ")
        ),
        format!("|---|---|{}---|", "---|".repeat(ERAS.len())),
    ];
    lines.extend(COUNTERS.iter().map(row));
    lines.join("\n") + "\n"
}

/// Members of an object in the JSON Schema, a counter a line. All counters are in what this version writes; which of them are
/// in the oldest recordings too (`required`) does not change.
#[must_use]
pub fn schema() -> String {
    let names = COUNTERS.map(|spec| format!("\"{}\"", spec.name));
    let properties = COUNTERS.map(|spec| {
        let mut meaning = spec.meaning.chars();
        let first = meaning.next().map(|first| first.to_ascii_uppercase());
        let description: String = first.into_iter().chain(meaning).chain(['.']).collect();
        let reference = "\"$ref\": \"#/$defs/count_or_null\"";
        format!(
            "  \"{}\": {{ {reference}, \"description\": {} }}",
            spec.name,
            serde_json::Value::from(description)
        )
    });
    format!(
        "\"x-always\": [\n  {}\n],\n\"properties\": {{\n{}\n}}\n",
        names.join(",\n  "),
        properties.join(",\n")
    )
}

fn row(spec: &CounterSpec) -> String {
    let sources = ERAS.map(|(era, _)| sources(spec, era)).join(" | ");
    format!(
        "| `{}` | {} | {sources} | {} |",
        spec.name,
        spec.meaning,
        verified_by(spec)
    )
}

fn sources(spec: &CounterSpec, era: Era) -> String {
    let group = group(spec).filter(|_| era == PROBED);
    let sources: Vec<&str> = [counted_by_kernel(spec, era).then_some("proc"), group]
        .into_iter()
        .flatten()
        .collect();
    match sources[..] {
        [] => UNAVAILABLE.to_owned(),
        _ => sources.join(", "),
    }
}

fn counted_by_kernel(spec: &CounterSpec, era: Era) -> bool {
    match spec.column.map(|column| era.column_state(column)) {
        Some(ColumnState::Live) => true,
        Some(ColumnState::LiveNarrow(_)) => spec.narrow_column,
        _ => false,
    }
}

/// The group of probes that counts it.
fn group(spec: &CounterSpec) -> Option<&'static str> {
    let rows = spec.probe?.parts().flat_map(|counter| {
        let rows = PROBES.iter();
        rows.filter(move |row| row.counters.contains(&counter))
    });
    rows.map(|row| row.group).max().map(ProbeGroup::name)
}

fn verified_by(spec: &CounterSpec) -> String {
    match (spec.verify, spec.column) {
        (Verify::Equality, Some(column)) if counted_by_kernel(spec, PROBED) => {
            format!("equality with column `{column}`")
        }
        (Verify::PartOf(whole), _) => {
            let limit = whole.spec().column.unwrap_or_default();
            format!("guest tests; at most column `{limit}`")
        }
        (Verify::KernelOnly, _) => "nothing: no probe can count it".to_owned(),
        _ if !spec.laws.is_empty() => format!("`{}`", spec.laws.join("`, `")),
        _ if spec.in_guests => "guest tests".to_owned(),
        _ => "not verified".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::kernel::counters::Counter;

    fn row_of(counter: Counter) -> String {
        row(counter.spec())
    }

    #[test]
    fn a_row_has_its_sources_and_its_verification() {
        for (counter, end) in [
            (
                Counter::Alloc,
                "| — | — | — | flow | `entries_balance`, `unconfirmed_balance` |",
            ),
            (Counter::New, "| proc | — | — | flow | `packets_balance` |"),
            (
                Counter::Insert,
                "| proc | proc | proc | proc, flow | equality with column `insert` |",
            ),
            (
                Counter::Searched,
                "| proc | — | — | — | nothing: no probe can count it |",
            ),
            (
                Counter::Chaintoolong,
                "| — | — | — | proc, all | equality with column `chainlength` |",
            ),
            (Counter::Lookups, "| — | — | — | all | guest tests |"),
        ] {
            let row = row_of(counter);
            assert!(row.ends_with(end), "{row}");
        }
    }

    #[test]
    fn what_nothing_verifies_is_not_verified() {
        let untried = CounterSpec {
            in_guests: false,
            ..*Counter::Lookups.spec()
        };
        assert_eq!(verified_by(&untried), "not verified");
    }

    #[test]
    fn the_schema_describes_every_counter() -> serde_json::Result<()> {
        let members: serde_json::Value = serde_json::from_str(&format!("{{{}}}", schema()))?;
        assert_eq!(
            members["properties"]["free"]["description"],
            "Conntrack freed: entries fell by one."
        );
        for (i, spec) in COUNTERS.iter().enumerate() {
            assert_eq!(members["x-always"][i], spec.name);
            assert!(members["properties"][spec.name].is_object());
        }
        Ok(())
    }
}
