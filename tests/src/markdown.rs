//! Markdown tables that are aligned in the source.

use std::fmt::Write as _;

/// A table whose first `left` columns are left-aligned, and the others right-aligned.
pub fn table<const N: usize>(head: [&str; N], left: usize, rows: &[[String; N]]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        let widest = cells.chain([head[column].chars().count()]).max();
        widest.unwrap_or_default()
    };
    let widths: [usize; N] = std::array::from_fn(width);
    let mut text = String::new();
    let mut line = |cells: [&str; N]| {
        for (i, (cell, width)) in cells.into_iter().zip(widths).enumerate() {
            // Writing to a String cannot fail.
            let _ = if i < left {
                write!(text, "| {cell:<width$} ")
            } else {
                write!(text, "| {cell:>width$} ")
            };
        }
        text.push_str("|\n");
    };
    line(head);
    let rules: [String; N] = std::array::from_fn(|i| {
        let dashes = "-".repeat(widths[i].saturating_sub(1));
        format!("{dashes}{}", if i < left { '-' } else { ':' })
    });
    line(rules.each_ref().map(String::as_str));
    for row in rows {
        line(row.each_ref().map(String::as_str));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned() {
        let row = |a: &str, b: &str| [a.to_owned(), b.to_owned()];
        let text = table(["who", "µs"], 1, &[row("nothing", "1.0"), row("x", "")]);
        assert_eq!(
            text,
            "| who     |  µs |\n| ------- | --: |\n| nothing | 1.0 |\n| x       |     |\n"
        );
    }
}
