//! Results of the cross-check as text.

use crate::{
    model::record::Check,
    output::format::number::{UNAVAILABLE, optional},
    text::Text,
};

/// The range of the kernel's count, or its number if that is exact: `698..703`.
#[must_use]
pub fn range(check: &Check) -> String {
    range_with(check, "..")
}

/// The same for a sentence: `698 to 703`.
#[must_use]
pub fn range_in_text(check: &Check) -> String {
    range_with(check, " to ")
}

fn range_with(check: &Check, between: &str) -> String {
    match (check.kernel_low, check.kernel_high) {
        (Some(low), Some(high)) if low == high => low.to_string(),
        (Some(low), Some(high)) => format!("{low}{between}{high}"),
        _ => UNAVAILABLE.to_owned(),
    }
}

/// Explains a verdict: what was compared, and the reason.
#[must_use]
pub fn explanation(check: &Check) -> String {
    let reason = check
        .reason
        .as_ref()
        .map_or_else(|| "no reason known".to_owned(), Text::to_string);
    format!(
        "{} {}: probes {}, kernel {}: {reason}",
        check.verdict.name(),
        check.name,
        optional(check.probe),
        range(check),
    )
}
