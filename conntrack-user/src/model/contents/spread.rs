//! How times are spread over entries.

use crate::{model::record::Spread, reading::time_classes::TimeClasses};

/// `None` if there are no times.
pub(super) fn spread(times: &TimeClasses) -> Option<Spread> {
    let max_s = times.most()?;
    let all: u64 = times.iter().map(|(_, _, count)| count).sum();
    // The greatest number of the class in which a part of all is reached: half of the entries have no more.
    let within = |part: f64| {
        let needed = (all as f64 * part).ceil().max(1.0) as u64;
        let mut sum = 0;
        let class = times.iter().find(|(_, _, count)| {
            sum += count;
            sum >= needed
        });
        class.map_or(max_s, |(_, greatest, _)| greatest.min(max_s))
    };
    Some(Spread {
        p50_s: within(0.5),
        p90_s: within(0.9),
        p99_s: within(0.99),
        max_s,
        classes: times.iter().map(|(least, _, n)| (least, n)).collect(),
    })
}
