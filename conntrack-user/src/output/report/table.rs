//! A table of a section. On a narrow screen each row becomes a card, whose values carry the names of their columns.

use std::fmt::{Display, Write};

use crate::{
    model::{kernel::counters::Counter, report::InstanceReport},
    output::{format::number::WRONG, markup::Escaped},
};

/// The most rows of a table on paper, where it does not scroll. The style has the same number.
const ON_PAPER: usize = 24;

/// The column of buttons, which is not printed.
pub(super) const CHART: &str = "chart";

/// The mark of a counter's numbers, if it was wrong at any time.
pub(super) fn mark(instance: &InstanceReport, counter: Counter) -> &'static str {
    match instance.wrong.get(counter) {
        Some(_) => WRONG,
        None => "",
    }
}

/// A table that is being written.
pub(super) struct Table<'p> {
    page: &'p mut String,
    columns: Vec<&'static str>,
    /// The rows so far.
    rows: usize,
    /// The cells so far of the current row.
    cells: usize,
}

impl<'p> Table<'p> {
    /// Writes the start of a table.
    pub(super) fn open(
        page: &'p mut String,
        title: &str,
        text: &str,
        columns: &[&'static str],
    ) -> Result<Self, std::fmt::Error> {
        writeln!(
            page,
            "<details open><summary><h3>{}</h3></summary>",
            Escaped(title)
        )?;
        if !text.is_empty() {
            writeln!(page, "<p>{}</p>", Escaped(text))?;
        }
        page.push_str("<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"");
        write!(
            page,
            "{}\"><table class=\"rows\"><thead><tr>",
            Escaped(title)
        )?;
        for column in columns {
            let class = match *column {
                CHART => " class=\"to-chart-of\"",
                _ => "",
            };
            write!(page, "<th scope=\"col\"{class}>{column}</th>")?;
        }
        page.push_str("</tr></thead><tbody>\n");
        Ok(Self {
            page,
            columns: columns.to_vec(),
            rows: 0,
            cells: 0,
        })
    }

    /// Starts a row of a class, which may be empty.
    pub(super) fn row(&mut self, class: &str) -> std::fmt::Result {
        self.end_row();
        self.rows += 1;
        match class {
            "" => self.page.push_str("<tr>"),
            class => write!(self.page, "<tr class=\"{}\">", Escaped(class))?,
        }
        Ok(())
    }

    /// Writes the next cell of the row.
    pub(super) fn cell(&mut self, content: impl Display) -> std::fmt::Result {
        let column = self.column();
        write!(
            self.page,
            "<td data-column=\"{column}\">{}</td>",
            Escaped(content)
        )
    }

    /// Writes a cell with a value a line.
    pub(super) fn list(&mut self, values: impl Iterator<Item = String>) -> std::fmt::Result {
        let column = self.column();
        write!(self.page, "<td data-column=\"{column}\">")?;
        for value in values {
            write!(self.page, "<div>{}</div>", Escaped(value))?;
        }
        self.page.push_str("</td>");
        Ok(())
    }

    /// Writes a cell with a button that zooms the charts to a time span.
    pub(super) fn show(&mut self, (from, to): (i64, i64), what: &str) -> std::fmt::Result {
        let _ = self.column();
        write!(
            self.page,
            "<td class=\"to-chart\"><button type=\"button\" hidden data-from=\"{from}\" data-to=\"{to}\" aria-label=\"Show {}\">Show</button></td>",
            Escaped(what)
        )
    }

    fn column(&mut self) -> &'static str {
        let column = self.columns.get(self.cells).copied().unwrap_or_default();
        self.cells += 1;
        column
    }

    fn end_row(&mut self) {
        if std::mem::take(&mut self.cells) > 0 {
            self.page.push_str("</tr>\n");
        }
    }

    /// Writes the end of the table.
    pub(super) fn close(mut self) -> std::fmt::Result {
        self.end_row();
        self.page.push_str("</tbody></table></div>\n");
        if self.rows > ON_PAPER {
            writeln!(
                self.page,
                "<p class=\"on-paper\">The first {ON_PAPER} of {} rows are printed; the page has all.</p>",
                self.rows
            )?;
        }
        self.page.push_str("</details>\n");
        Ok(())
    }
}
