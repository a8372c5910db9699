//! The metrics as the manual has them: in a table (Markdown).

use super::{
    families::{COUNTER, FAMILIES, FamilyKind, MetricFamily},
    node_exporter,
};

/// The table of metrics in Markdown.
#[must_use]
pub fn table() -> String {
    let mut lines = vec![
        "| metric | type | labels | what it is |".to_owned(),
        "|---|---|---|---|".to_owned(),
    ];
    lines.extend(FAMILIES.iter().map(row));
    let gauge = |name: &str, help: &str| {
        format!(
            "| `{}` | gauge | | {} (with `--compat node-exporter`) |",
            node_exporter::full_name(name),
            help.trim_end_matches('.')
        )
    };
    lines.extend(node_exporter::all().map(|(name, help)| gauge(&name, help)));
    lines.join("\n") + "\n"
}

fn row(family: &MetricFamily) -> String {
    let kind = match family.kind {
        FamilyKind::Counter => "counter",
        FamilyKind::Gauge => "gauge",
        FamilyKind::Histogram => "histogram",
        FamilyKind::Info => "info",
    };
    let labels: Vec<String> = family
        .labels
        .iter()
        .map(|label| format!("`{label}`"))
        .collect();
    let help = match family.help {
        COUNTER => "what the [counter](counters.md) counts, since the start of ctpulse".to_owned(),
        help => help.replace(": <counter>", ", of each counter that probes count"),
    };
    let name = family.full_name();
    format!("| `{name}` | {kind} | {} | {help} |", labels.join(", "))
}
