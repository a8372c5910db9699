//! Top talkers as text: while streaming, a line per table with as many rows as fit; for the whole run, tables with all rows.

use crate::{
    model::record::{Top, TopRow, TopTable},
    output::format::{
        clock, duration,
        number::{self, compact},
    },
};

/// Blanks between two tables side by side.
const GAP: usize = 3;

/// The lines of a record, no wider than `width`. `named`: whether to name the instance.
#[must_use]
pub fn lines(top: &Top, width: Option<usize>, named: bool) -> Vec<String> {
    let width = width.unwrap_or(usize::MAX);
    if top.closing {
        return closing(top, width);
    }
    let instance = if named {
        format!("{} ", top.instance)
    } else {
        String::new()
    };
    let mut lines: Vec<String> = top
        .informative_tables()
        .map(|table| line(&format!("{} {instance}", when(top)), table, width))
        .collect();
    if !lines.is_empty() {
        lines.extend(top.remark.iter().map(|remark| format!("! {remark}")));
    }
    lines
}

fn when(top: &Top) -> String {
    if top.is_of_a_window() {
        format!("top {}", duration::seconds(top.window_s))
    } else {
        "top now  ".to_owned()
    }
}

/// `top 1.0 s new     48.2k src   10.0.0.1 45%  10.0.0.2 20%`.
fn line(start: &str, table: &TopTable, width: usize) -> String {
    let total = compact(table.total as f64);
    let mut line = format!("{start}{:<7} {total:>5} {:<5}", table.by, table.of);
    if !table.has_heavy_hitter() {
        line.push_str("  nobody stands out");
        return line;
    }
    for (i, row) in table.rows.iter().enumerate() {
        let more = format!("  {} {}", who(row), share(table, row));
        // The first row is shown even if it must be cut.
        if i > 0 && chars(&line) + chars(&more) > width {
            break;
        }
        line.push_str(&more);
    }
    line
}

fn closing(top: &Top, width: usize) -> Vec<String> {
    let of = if top.is_of_a_window() {
        format!("top of {}", duration::seconds(top.window_s))
    } else {
        format!("entries held at {}", clock::seconds(top.time))
    };
    let mut lines = vec![String::new(), format!("{}, {of}", top.instance)];
    let mut tables = top.informative_tables().peekable();
    if top.tables.is_empty() {
        lines.push("nothing could be counted".to_owned());
    } else if tables.peek().is_none() {
        lines.push("nothing was counted".to_owned());
    }
    while let Some(first) = tables.next() {
        let mut group = vec![first];
        while let Some(next) = tables.next_if(|next| next.by == first.by) {
            group.push(next);
        }
        lines.push(format!("{}: {}", first.by, first.total));
        let blocks = group.into_iter().map(block);
        for beside in side_by_side(blocks, width) {
            lines.extend(beside);
        }
    }
    lines.extend(top.remark.iter().map(|remark| format!("! {remark}")));
    lines
}

/// The lines of a table, all of the same length.
fn block(table: &TopTable) -> Vec<String> {
    let accuracy = match (table.error, table.certain) {
        (0, true) => String::new(),
        (0, false) => " (others may lead)".to_owned(),
        (error, true) => format!(" (up to {error} more)"),
        (error, false) => format!(" (up to {error} more; others may lead)"),
    };
    if !table.has_heavy_hitter() {
        return vec![format!("by {}: nobody stands out", table.of)];
    }
    let title = format!("by {}{accuracy}", table.of);
    let rows: Vec<[String; 3]> = table
        .rows
        .iter()
        .map(|row| [who(row), row.count.to_string(), share(table, row)])
        .collect();
    let widest = |column: usize| rows.iter().map(|r| chars(&r[column])).max().unwrap_or(0);
    let [key, count, share] = [widest(0), widest(1), widest(2)];
    let mut lines = vec![title];
    lines.extend(
        rows.iter()
            .map(|[k, c, s]| format!("{k:<key$} {c:>count$} {s:>share$}")),
    );
    let width = lines.iter().map(|line| chars(line)).max().unwrap_or(0);
    lines.iter().map(|line| format!("{line:<width$}")).collect()
}

/// Places tables side by side as long as they fit, the others below.
fn side_by_side(blocks: impl Iterator<Item = Vec<String>>, width: usize) -> Vec<Vec<String>> {
    let mut rows: Vec<Vec<Vec<String>>> = Vec::new();
    let mut used = 0;
    for block in blocks {
        let wide = block.first().map_or(0, |line| chars(line));
        match rows.last_mut() {
            Some(row) if used + GAP + wide <= width => {
                row.push(block);
                used += GAP + wide;
            }
            _ => {
                rows.push(vec![block]);
                used = wide;
            }
        }
    }
    rows.into_iter().map(join).collect()
}

fn join(blocks: Vec<Vec<String>>) -> Vec<String> {
    let height = blocks.iter().map(Vec::len).max().unwrap_or(0);
    let cell = |block: &Vec<String>, i: usize| match block.get(i) {
        Some(line) => line.clone(),
        None => " ".repeat(block.first().map_or(0, |line| chars(line))),
    };
    (0..height)
        .map(|i| {
            let cells: Vec<String> = blocks.iter().map(|block| cell(block, i)).collect();
            cells.join(&" ".repeat(GAP)).trim_end().to_owned()
        })
        .collect()
}

fn who(row: &TopRow) -> String {
    match row.more() {
        Some(more) => format!("{} {more}", row.key),
        None => row.key.to_string(),
    }
}

/// The share in percent; a lower bound if counts are not exact.
fn share(table: &TopTable, row: &TopRow) -> String {
    let at_least = if table.is_exact() { "" } else { "≥" };
    format!("{at_least}{}", number::share(row.share))
}

fn chars(text: &str) -> usize {
    text.chars().count()
}
