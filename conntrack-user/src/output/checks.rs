//! Results of the cross-check as text.

use crate::{
    model::{kernel::laws::Law, record::Check},
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
    let verdict = check.verdict.name();
    if check.kernel_low.is_none() {
        return format!("{verdict} {}: {reason}", check.name);
    }
    // A law leaves room for a range; the kernel counts nothing that it could be compared with.
    let is_law = Law::ALL.iter().any(|law| check.name == *law.check());
    let than = if is_law { "possible" } else { "kernel" };
    format!(
        "{verdict} {}: probes {}, {than} {}: {reason}",
        check.name,
        optional(check.probe),
        range(check),
    )
}
