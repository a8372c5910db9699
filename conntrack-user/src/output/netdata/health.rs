//! The alert of the manual as a file of Netdata's health engine.

use std::time::Duration;

use crate::{
    model::alert::{AlertId, AlertStatus, Level, Worse},
    output::netdata::Ids,
};

/// Writes the file: the alert `netfilter_conntrack_full` with its default thresholds and delays, on charts with these ids.
#[must_use]
pub fn health(ids: Ids) -> String {
    let alert = AlertId::Full.spec();
    let rule = &alert.defaults;
    let window = seconds(rule.window.unwrap_or_default());
    let delay = &rule.delay;
    let thresholds = &rule.thresholds;
    let beyond = match thresholds.worse {
        Worse::Above => ">",
        Worse::Below => "<",
    };
    let status = |name, level: Option<Level>, status: AlertStatus, held| {
        let Some(Level { raise, hold }) = level else {
            return String::new();
        };
        format!("    {name}: $this {beyond} (($status {held} ${status}) ? ({hold}) : ({raise}))\n")
    };
    let mut text = format!(
        "# Written by ctpulse {}: `ctpulse generate netdata-health`.\n\
         # {}.\n\n",
        env!("CARGO_PKG_VERSION"),
        alert.meaning
    );
    text += &format!(
        "template: {}\n      \
         on: {}\n   \
         class: Workload\n    \
         type: System\n\
         component: Network\n  \
         lookup: max -{window} unaligned of connections\n    \
         calc: $this * 100 / $netfilter_conntrack_max\n   \
         units: {}\n   \
         every: {window}\n",
        alert.name,
        ids.entries_context(),
        alert.unit,
    );
    text += &status("warn", thresholds.warning, AlertStatus::Warning, ">=");
    text += &status("crit", thresholds.critical, AlertStatus::Critical, "==");
    text += &format!(
        "   delay: up {} down {} multiplier {} max {}\n    \
         info: {}\n      \
         to: sysadmin\n",
        seconds(delay.up),
        seconds(delay.down),
        delay.multiplier,
        seconds(delay.max),
        alert.meaning,
    );
    text
}

/// A duration as the health engine reads it.
fn seconds(duration: Duration) -> String {
    format!("{}s", duration.as_secs())
}
