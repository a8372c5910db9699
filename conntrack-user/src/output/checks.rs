//! What a check of the probes against the kernel found, in words.

use crate::{
    model::record::Check,
    output::format::number::{UNAVAILABLE, optional},
    text::Text,
};

/// What the kernel can have counted: one number, or a range as in `698..703`.
#[must_use]
pub fn range(check: &Check) -> String {
    range_with(check, "..")
}

/// The same in a sentence: `698 to 703`.
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

/// What a check compared, and why it ended as it did.
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
