//! Tables for tbl(1): in columns if they fit a terminal, else row by row.

use std::fmt::Write as _;

use pulldown_cmark::Alignment;

/// The width of text in a terminal of 80 columns, between man's margins.
const WIDTH: usize = 70;

/// The gap between two columns.
const GAP: usize = 3;

/// Text of a table, with the widths it needs.
#[derive(Clone, Debug)]
pub(super) struct Cell {
    roff: String,
    /// Its width on one line.
    width: usize,
    /// The width of its longest word.
    word: usize,
}

impl Cell {
    pub(super) fn new(roff: String, plain: &str) -> Self {
        Self {
            roff,
            width: plain.chars().count(),
            word: plain
                .split_whitespace()
                .map(|word| word.chars().count())
                .max()
                .unwrap_or(0),
        }
    }
}

/// A table whose first row is the heading.
pub(super) fn roff(alignments: &[Alignment], rows: &[Vec<Cell>]) -> String {
    let Some((head, body)) = rows.split_first() else {
        return String::new();
    };
    match widths(alignments.len(), rows) {
        // A table of two columns becomes a list of terms.
        _ if head.len() == 2 && body.iter().all(|row| row.len() == 2) => terms(head, body),
        Some(widths) => columns(alignments, &widths, rows),
        None => terms(head, body),
    }
}

/// The width of each column: that of its cells, or less if the table would be too wide; `None` if its longest words do not fit.
fn widths(columns: usize, rows: &[Vec<Cell>]) -> Option<Vec<usize>> {
    let most = |of: fn(&Cell) -> usize, column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(of).max().unwrap_or(0)
    };
    let wide: Vec<usize> = (0..columns)
        .map(|c| most(|cell| cell.width, c).max(1))
        .collect();
    let least: Vec<usize> = (0..columns).map(|c| most(|cell| cell.word, c)).collect();
    let room = WIDTH.checked_sub(GAP * columns.saturating_sub(1))?;
    if wide.iter().sum::<usize>() <= room {
        return Some(wide);
    }
    // The rest of the width goes to the columns with the most text.
    let left = room.checked_sub(least.iter().sum())?;
    let wanted: Vec<usize> = wide.iter().zip(&least).map(|(w, l)| w - l).collect();
    let all: usize = wanted.iter().sum();
    let both = least.iter().zip(&wanted);
    Some(
        both.map(|(least, wanted)| least + left * wanted / all)
            .collect(),
    )
}

fn columns(alignments: &[Alignment], widths: &[usize], rows: &[Vec<Cell>]) -> String {
    let format = |font: &str| -> String {
        let columns = alignments.iter().zip(widths).map(|(alignment, width)| {
            let letter = match alignment {
                Alignment::Right => 'r',
                Alignment::Center => 'c',
                _ => 'l',
            };
            format!("{letter}{font}w({width}n)")
        });
        columns.collect::<Vec<_>>().join(" ")
    };
    let wrapped = |row: &Vec<Cell>| {
        row.iter()
            .zip(widths)
            .any(|(cell, width)| cell.width > *width)
    };
    // Rows of several lines need a separator.
    let apart = rows.iter().skip(1).any(wrapped);
    let mut out = format!(".PP\n.na\n.TS\n{}\n{}.\n", format("b"), format(""));
    for (i, row) in rows.iter().enumerate() {
        let cells: Vec<String> = row
            .iter()
            .zip(widths)
            .map(|(cell, width)| match cell.width > *width {
                true => format!("T{{\n{}\nT}}", cell.roff),
                false => cell.roff.clone(),
            })
            .collect();
        out.push_str(&cells.join("\t"));
        out.push('\n');
        match i {
            0 => out.push_str("_\n"),
            _ if apart && i + 1 < rows.len() => out.push_str(".sp 0.5v\n"),
            _ => {}
        }
    }
    out.push_str(".TE\n.ad\n");
    out
}

/// Each row as an item: its first cell, and below it the others, named if there are several.
fn terms(head: &[Cell], body: &[Vec<Cell>]) -> String {
    let mut out = String::new();
    // A heading of a single word, such as "key", is left out.
    if head.first().is_some_and(|cell| cell.width > cell.word) {
        let heads: Vec<&str> = head.iter().map(|cell| cell.roff.as_str()).collect();
        // Writing to a string cannot fail.
        let _ = writeln!(out, ".PP\n\\fI{}:\\fR", heads.join("\\fR \\(en \\fI"));
    }
    for row in body {
        let Some((term, rest)) = row.split_first() else {
            continue;
        };
        // Writing to a string cannot fail.
        let _ = write!(out, ".TP\n{}\n", or_space(&term.roff));
        let named = rest.len() > 1;
        let cells = rest.iter().zip(&head[1..]);
        let cells: Vec<String> = cells
            .filter(|(cell, _)| cell.width > 0)
            .map(|(cell, head)| match named {
                true => format!("{}: {}", head.roff, cell.roff),
                false => cell.roff.clone(),
            })
            .collect();
        out.push_str(&cells.join("\n.br\n"));
        out.push('\n');
    }
    out
}

/// An empty line would end the tag.
fn or_space(roff: &str) -> &str {
    if roff.is_empty() { "\\ " } else { roff }
}
