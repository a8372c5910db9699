//! What a table is made of and what limits it, in words: for the text, the live view and the report.

use crate::{
    model::record::{
        ChainLoad, EntryGroup, Estimate, HashUse, Spread, TableContents, TableLimits, TableMemory,
    },
    output::format::{
        duration,
        number::{UNAVAILABLE, amount, compact, decimal, share},
    },
};

/// The columns of [`group_cells`].
pub const COLUMNS: [&str; 8] = [
    "protocol",
    "state",
    "entries",
    "share",
    "assured",
    "timeout",
    "time left: half, 99 %, all",
    "age: half, 99 %, all",
];

/// The most groups that are shown, and the most of other things: ctpulse writes fewer, a recording may have more.
const MOST: usize = 60;

/// The groups of a line while streaming.
const SHORT: usize = 4;

/// A name, and what is to be said of it.
pub type Fact = (&'static str, String);

/// How many entries there are, and what was listed of them.
#[must_use]
pub fn headline(contents: &TableContents) -> String {
    let entries = contents.entries.unwrap_or(contents.listed);
    match contents.sampled {
        true => format!(
            "{} entries, by a random sample of {}: each share is within {} percentage points",
            amount(entries),
            amount(contents.listed),
            decimal(contents.error, 2)
        ),
        false => format!("{} entries, all listed", amount(contents.listed)),
    }
}

/// The groups that are shown.
pub fn shown_groups(contents: &TableContents) -> impl Iterator<Item = &EntryGroup> {
    contents.groups.iter().take(MOST)
}

/// A group, by [`COLUMNS`].
#[must_use]
pub fn group_cells(group: &EntryGroup) -> [String; COLUMNS.len()] {
    let timeout = group.timeout_s.map(time);
    let spread = |spread: &Option<Spread>| match spread {
        Some(spread) => [spread.p50_s, spread.p99_s, spread.max_s]
            .map(time)
            .join(" "),
        None => UNAVAILABLE.to_owned(),
    };
    [
        group.proto.to_string(),
        group.state.to_string(),
        amount(group.held.count),
        share_of(&group.held),
        amount(group.assured),
        timeout.unwrap_or_else(|| UNAVAILABLE.to_owned()),
        spread(&group.remaining),
        spread(&group.age),
    ]
}

/// The facts besides the groups.
#[must_use]
pub fn facts(contents: &TableContents) -> Vec<Fact> {
    let marks = &contents.marks;
    let list = |all: &[(&str, Estimate)]| {
        let some = all.iter().filter(|(_, held)| held.count > 0);
        let some: Vec<String> = some
            .map(|(name, held)| format!("{name} {} ({})", amount(held.count), share_of(held)))
            .collect();
        match some.is_empty() {
            true => "none".to_owned(),
            false => some.join(", "),
        }
    };
    let mut facts = vec![
        (
            "marks",
            list(&[
                ("ASSURED", marks.assured),
                ("UNREPLIED", marks.unreplied),
                ("neither", marks.neither),
                ("OFFLOAD", marks.offload),
                ("HW_OFFLOAD", marks.hw_offload),
                ("EXPECTED", marks.expected),
            ]),
        ),
        (
            "translated",
            list(&[("source", marks.snat), ("destination", marks.dnat)]),
        ),
        (
            "can be evicted",
            list(&[
                ("when it is full", contents.evictable.early_drop),
                ("from 95 %", contents.evictable.nearly_full),
            ]),
        ),
    ];
    if let Some(found) = contents.evictable.found_percent {
        // Not rounded to all of them: of a million flows, one in a thousand is many.
        let text = format!("{} % of new flows, when it is full", decimal(found, 2));
        facts.push(("find one to evict", text));
    }
    if let Some(directions) = &contents.directions {
        let text = list(&[
            ("to here", directions.inbound),
            ("from here", directions.outbound),
            ("forwarded", directions.forwarded),
            ("within", directions.local),
        ]);
        facts.push(("directions", text));
    }
    if !contents.helpers.is_empty() {
        let helpers = contents.helpers.iter().take(MOST);
        let helpers: Vec<String> = helpers
            .map(|helper| format!("{} {}", helper.name, amount(helper.held.count)))
            .collect();
        facts.push(("helpers", helpers.join(", ")));
    }
    if let Some(dying) = marks.dying.filter(|dying| *dying > 0) {
        facts.push(("dying", format!("{} wait for listeners", amount(dying))));
    }
    if let Some(others) = &contents.other_groups {
        let text = format!("{} ({})", amount(others.count), share_of(others));
        facts.push(("of other protocols and states", text));
    }
    if let Some(remark) = &contents.remark {
        facts.push(("but", remark.to_string()));
    }
    facts
}

/// The facts about limits.
#[must_use]
pub fn limit_facts(limits: &TableLimits) -> Vec<Fact> {
    let mut facts = Vec::new();
    if let Some(expected) = &limits.expectations {
        let text = format!(
            "{} of {} ({})",
            amount(expected.held),
            amount(expected.max),
            share(expected.utilization)
        );
        facts.push(("expectations", text));
    }
    if let Some(hash) = &limits.hash {
        facts.push(("hash", hash_text(hash)));
    }
    if let Some(memory) = &limits.memory {
        facts.push(("memory", memory_text(memory)));
    }
    let named = limits.timeouts.iter().take(MOST);
    let named: Vec<String> = named
        .map(|setting| format!("{} {}", setting.name, time(setting.seconds)))
        .collect();
    if !named.is_empty() {
        facts.push(("timeouts", named.join(", ")));
    }
    for policy in limits.policies.iter().flatten().take(MOST) {
        let timeouts = policy.timeouts.iter().take(MOST);
        let timeouts: Vec<String> = timeouts
            .map(|setting| format!("{} {}", setting.name, time(setting.seconds)))
            .collect();
        let text = format!(
            "{} ({}): {}",
            policy.name,
            policy.proto,
            timeouts.join(", ")
        );
        facts.push(("timeout policy", text));
    }
    facts
}

/// `table now   1.00M  tcp TIME_WAIT 61%  …`, and what else is to be known of it.
#[must_use]
pub fn short_lines(contents: &TableContents, named: bool) -> Vec<String> {
    let instance = match named {
        true => format!("{} ", contents.instance),
        false => String::new(),
    };
    let entries = contents.entries.unwrap_or(contents.listed);
    let groups = contents.groups.iter().take(SHORT);
    let mut parts: Vec<String> = groups
        .map(|group| {
            format!(
                "{} {} {}",
                group.proto,
                group.state,
                share(group.held.share)
            )
        })
        .collect();
    if parts.is_empty() {
        return Vec::new();
    }
    let evictable = share(contents.evictable.early_drop.share);
    parts.push(format!("evictable {evictable}"));
    for (name, held) in [
        ("source translated", contents.marks.snat),
        ("destination translated", contents.marks.dnat),
        ("offloaded", contents.marks.offload),
    ] {
        if held.count > 0 {
            parts.push(format!("{name} {}", share(held.share)));
        }
    }
    if contents.sampled {
        let listed = amount(contents.listed);
        parts.push(format!(
            "(sample of {listed}: ±{})",
            decimal(contents.error, 1)
        ));
    }
    let total = compact(entries as f64);
    vec![format!(
        "table now {instance}held    {total:>5}  {}",
        parts.join("  ")
    )]
}

/// The groups, as lines of a table below the headline.
#[must_use]
pub fn table_lines(contents: &TableContents) -> Vec<String> {
    let mut lines = vec![headline(contents)];
    if contents.groups.is_empty() {
        return lines;
    }
    let mut rows = vec![COLUMNS.map(str::to_owned)];
    rows.extend(shown_groups(contents).map(group_cells));
    let widths: [usize; COLUMNS.len()] = std::array::from_fn(|column| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.max().unwrap_or(0)
    });
    for row in rows {
        let cells = row.iter().zip(widths).enumerate();
        let cells: Vec<String> = cells
            .map(|(column, (cell, width))| match column {
                2..=5 => format!("{cell:>width$}"),
                _ => format!("{cell:<width$}"),
            })
            .collect();
        lines.push(cells.join("  ").trim_end().to_owned());
    }
    lines
}

/// The facts besides, as lines; none of an empty table.
#[must_use]
pub fn other_lines(contents: &TableContents) -> Vec<String> {
    match contents.groups.is_empty() {
        true => Vec::new(),
        false => fact_lines(facts(contents)).collect(),
    }
}

/// What limits the table, in sentences of one line.
#[must_use]
pub fn limit_lines(limits: &TableLimits) -> Vec<String> {
    fact_lines(limit_facts(limits)).collect()
}

fn fact_lines(facts: Vec<Fact>) -> impl Iterator<Item = String> {
    facts
        .into_iter()
        .map(|(name, text)| format!("{name}: {text}"))
}

fn share_of(held: &Estimate) -> String {
    match held.error {
        0.0 => share(held.share),
        _ => format!("~{}", share(held.share)),
    }
}

/// A time, `0s`, `42s`, `2m00s`, `5h`, `5d`.
fn time(seconds: u64) -> String {
    match seconds {
        0..100 => format!("{seconds}s"),
        172_800.. => format!("{}d", decimal(seconds as f64 / 86_400.0, 0)),
        _ => duration::compact(seconds as f64),
    }
}

fn hash_text(hash: &HashUse) -> String {
    let load = |load: &Option<ChainLoad>| {
        let load = load.as_ref()?;
        Some(format!(
            "chains of {} on average, the longest of about {}",
            decimal(load.mean, 2),
            load.longest
        ))
    };
    let mut text = format!("{} buckets", amount(hash.buckets));
    for (when, load) in [("now", load(&hash.now)), ("when full", load(&hash.full))] {
        if let Some(load) = load {
            text.push_str(&format!("; {when} {load}"));
        }
    }
    text
}

fn memory_text(memory: &TableMemory) -> String {
    let measured = match memory.source == "slabinfo" {
        true => "",
        false => ", as is usual",
    };
    let mut text = format!(
        "{} bytes an entry{measured}, {} more for extensions",
        decimal(memory.entry_bytes, 0),
        memory.extension_bytes
    );
    let parts = [
        ("now", memory.entries_bytes),
        ("buckets", memory.buckets_bytes),
        ("when full", memory.full_bytes),
    ];
    for (what, bytes) in parts {
        if let Some(bytes) = bytes {
            text.push_str(&format!("; {what} {}", size(bytes)));
        }
    }
    text
}

/// Bytes in binary units.
fn size(bytes: u64) -> String {
    let bytes = bytes as f64;
    match bytes {
        ..1048576.0 => format!("{} KiB", decimal(bytes / 1024.0, 1)),
        ..1073741824.0 => format!("{} MiB", decimal(bytes / 1_048_576.0, 1)),
        _ => format!("{} GiB", decimal(bytes / 1_073_741_824.0, 2)),
    }
}
