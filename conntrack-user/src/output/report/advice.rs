//! What fills the table, and what to set.

use std::fmt::Write;

use crate::{
    model::report::InstanceReport,
    output::{advice, markup::Escaped},
};

/// Writes all advice as the command prints it, so that command lines can be copied as they are.
pub(super) fn write(page: &mut String, instance: &InstanceReport) -> std::fmt::Result {
    if instance.advice.is_empty() {
        return Ok(());
    }
    // The browser breaks lines.
    let text = advice::page(&instance.advice, usize::MAX);
    page.push_str("<details open><summary><h3>What to set</h3></summary>\n<pre class=\"advice\">");
    for line in text.trim_end().lines() {
        writeln!(page, "{}", Escaped(line))?;
    }
    page.push_str("</pre></details>\n");
    Ok(())
}
