//! What pages have in common: their style, the script that draws charts, what that has to know, and what they may do.

mod html;

use std::fmt::Write;

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::Serialize;
use sha2::{Digest, Sha256};

pub(in crate::output) use self::html::script_json;
use crate::{
    model::report::track::BUCKET_US,
    output::format::{
        axis::{STEPS, TIME_STEPS_US},
        number::{COMPACT, UNAVAILABLE, WRONG},
    },
};

pub(in crate::output) const STYLE: &str = include_str!("page.css");

/// Defines `charts`, which draws them.
pub(in crate::output) const CHARTS: &str = include_str!("charts.js");

/// How numbers and axes are shown, for the script.
#[derive(Serialize)]
pub(in crate::output) struct PageFormats {
    /// Length of a bucket in microseconds.
    bucket: f64,
    /// The compact format: divisor, upper end after the division, decimals and suffix.
    compact: Vec<(f64, f64, usize, &'static str)>,
    /// Mantissas of round numbers, for axes.
    steps: [f64; STEPS.len()],
    /// Round steps of the time axis in microseconds.
    time_steps: [i64; TIME_STEPS_US.len()],
}

impl PageFormats {
    pub(in crate::output) fn new() -> Self {
        Self {
            bucket: BUCKET_US,
            compact: COMPACT
                .iter()
                .map(|step| (step.unit, step.below, step.decimals, step.suffix))
                .collect(),
            steps: STEPS,
            time_steps: TIME_STEPS_US,
        }
    }
}

/// Writes what the marks of the charts mean.
pub(in crate::output) fn how_to_read(page: &mut String) -> std::fmt::Result {
    page.push_str("<ul class=\"how\" aria-label=\"How to read the charts\">\n");
    for (sample, meaning) in [
        ("mean", "average"),
        (
            "peak",
            "busiest bucket of 1.05 ms; where only the kernel counts, busiest interval",
        ),
        ("limit", "maximum of entries"),
        ("burst", "burst"),
        ("warn", "alert: WARNING"),
        ("bad", "CRITICAL"),
        ("fine", "CLEAR again"),
    ] {
        writeln!(
            page,
            "<li><span class=\"key-of {sample}\"></span> {meaning}</li>"
        )?;
    }
    writeln!(
        page,
        "<li>▼ drawn below zero, though its numbers are positive</li>\n\
         <li>{UNAVAILABLE} unavailable, which is not 0</li>\n\
         <li>{WRONG} a check proved it wrong</li>\n<li>times are in UTC</li>\n</ul>"
    )
}

/// The content security policy of a page: its style and its script, images within it, and nothing else but what is in `more`.
pub(in crate::output) fn policy(style: &str, script: &str, more: &str) -> String {
    format!(
        "default-src 'none'; style-src {}; script-src {}; img-src data:; base-uri 'none'; form-action 'none'{more}",
        hash(style),
        hash(script)
    )
}

fn hash(text: &str) -> String {
    format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text)))
}
