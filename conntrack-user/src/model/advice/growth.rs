//! A table that only grows: what it has to hold is not known before it levels off.

use super::{
    cause::Cause,
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

/// A shorter look says nothing either: each table grows for some seconds.
const SECONDS: f64 = 20.0;

/// New entries that stay, if the table would be full of them within the horizon.
pub(super) fn growth(observed: &SeenInstance, wishes: &AdviceWishes) -> Option<Cause> {
    let (grown, seconds) = observed.entries.grown()?;
    let made = observed.rate(Counter::Inserted)? * seconds;
    let gone = (made - grown as f64).max(0.0);
    let stays = gone <= made * GONE && observed.entries.drift() >= LEAST;
    if grown == 0 || !stays || seconds < SECONDS {
        return None;
    }
    let per_s = grown as f64 / seconds.max(1.0);
    let room = observed.max?.saturating_sub(observed.entries.last);
    let full_in_s = room as f64 / per_s;
    if full_in_s > wishes.horizon_s {
        return None;
    }
    let mut evidence: Vec<Text> = vec![
        format!(
            "{} entries were made and {} went in the last {}",
            amount(made.round() as u64),
            amount(gone.round() as u64),
            duration(seconds)
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
        let goes = match (largest.last.proto.raw(), timeout.map(duration)) {
            ("tcp", Some(timeout)) => {
                format!(": they go when they are closed, or idle for {timeout}")
            }
            (_, Some(timeout)) => format!(": they go when they are idle for {timeout}"),
            (_, None) => String::new(),
        };
        let (share, name) = (percent(share), largest.name());
        evidence.push(format!("{share} of the entries are {}{goes}", name.raw()).into());
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
