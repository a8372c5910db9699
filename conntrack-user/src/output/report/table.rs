//! The start and end of a table.

use std::fmt::Write;

use crate::output::markup::Escaped;

/// Writes the start of a table.
pub(super) fn open(
    page: &mut String,
    title: &str,
    text: &str,
    columns: &[&str],
) -> std::fmt::Result {
    writeln!(
        page,
        "<details open><summary><h3>{}</h3></summary>",
        Escaped(title)
    )?;
    if !text.is_empty() {
        write!(page, "<p>{}</p>", Escaped(text))?;
    }
    page.push_str("<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"");
    write!(
        page,
        "{}\"><table class=\"rows\"><thead><tr>",
        Escaped(title)
    )?;
    for column in columns {
        write!(page, "<th scope=\"col\">{column}</th>")?;
    }
    page.push_str("</tr></thead><tbody>\n");
    Ok(())
}

/// Writes the end of a table.
pub(super) fn close(page: &mut String) {
    page.push_str("</tbody></table></div></details>\n");
}
