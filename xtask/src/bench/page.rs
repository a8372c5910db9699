//! Reports in the manual: each between two comments of a page, where the next one replaces it.

use std::fs;

use anyhow::{Context as _, Result};

use crate::docs;
use crate::process::say;

/// Where a report ends.
const END: &str = "<!-- end -->";

/// Writes the report of a bench into its page.
///
/// # Errors
/// When the page cannot be written or has no place for it.
pub(super) fn publish(report: &str, bench: &str, page: &str) -> Result<()> {
    let path = docs::directory().join(page);
    let text = replaced(&docs::read(&path)?, bench, report)
        .with_context(|| format!("cannot put the report into {page}"))?;
    fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    say(format_args!("wrote {}", path.display()));
    Ok(())
}

/// The page with a new report.
fn replaced(page: &str, bench: &str, report: &str) -> Result<String> {
    let start = format!("<!-- measured: bench {bench} -->\n");
    let missing = || format!("it has no `{}`", start.trim_end());
    let (before, rest) = page.split_once(&start).with_context(missing)?;
    let (_, after) = rest.split_once(END).with_context(missing)?;
    Ok(format!("{before}{start}{report}{END}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_replaces_the_one_before() -> Result<()> {
        let of = |bench: &str, report: &str| {
            format!("<!-- measured: bench {bench} -->\n{report}\n<!-- end -->\n")
        };
        let page = |report: &str| format!("a\n{}b\n{}c\n", of("x", "other"), of("y", report));
        let made = replaced(&page("old"), "y", "new\n")?;
        assert_eq!(made, page("new"));
        assert!(replaced("a\n", "y", "new\n").is_err());
        Ok(())
    }
}
