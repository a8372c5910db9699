//! A table that only grows: what it has to hold is not known before it levels off.

use super::{
    causes::Cause,
    observed::SeenInstance,
    phrases::{amount, duration, per_second, percent},
    wishes::AdviceWishes,
};
use crate::{
    model::{kernel::counters::Counter, record::AdviceTopic},
    text::Text,
};

/// It only grows while fewer than this part of the new entries go.
const GONE: f64 = 0.5;

/// Growth by less than this part of the mean says nothing.
const LEAST: f64 = 0.5;

/// New entries that stay, if the table would be full of them within the horizon.
pub(super) fn growth(observed: &SeenInstance, wishes: &AdviceWishes) -> Option<Cause> {
    let made = observed.count(Counter::Inserted)?;
    let grown = observed.entries.grown()?;
    let gone = made.saturating_sub(grown);
    let stays = gone as f64 <= made as f64 * GONE && observed.entries.drift() >= LEAST;
    if grown == 0 || !stays {
        return None;
    }
    let per_s = grown as f64 / observed.seconds.max(1e-3);
    let room = observed.max?.saturating_sub(observed.entries.last);
    let full_in_s = room as f64 / per_s;
    if full_in_s > wishes.horizon_s {
        return None;
    }
    let mut evidence: Vec<Text> = vec![
        format!(
            "{} entries were made and {} went in {}",
            amount(made),
            amount(gone),
            duration(observed.seconds)
        )
        .into(),
        format!(
            "at {} the table is full in {}",
            per_second(per_s),
            duration(full_in_s)
        )
        .into(),
    ];
    if let Some(largest) = observed.groups().first() {
        let share = largest.held() / observed.listed().max(1.0) * 100.0;
        let timeout = largest.last.timeout_s.map(|seconds| seconds as f64);
        let idle = timeout.map(|seconds| format!(", or idle for {}", duration(seconds)));
        evidence.push(
            format!(
                "{} of the entries are {}: they go when they are closed{}",
                percent(share),
                largest.name().raw(),
                idle.unwrap_or_default()
            )
            .into(),
        );
    }
    evidence.push(
        "a larger table only lasts longer: whoever makes them has to close them, or make fewer"
            .into(),
    );
    Some(Cause {
        topic: AdviceTopic::Growth,
        finding: "the table only grows: what it has to hold is not known before it levels off"
            .into(),
        evidence,
        change: None,
    })
}
