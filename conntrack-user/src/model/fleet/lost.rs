//! What is reported of an instance while the records of its host do not come: that its values are not known.

use crate::{
    model::{
        alert::ALERTS,
        kernel::{charts::CHARTS, per_counter::PerCounter},
        record::{
            HostLoss, InstanceVerdict, Ordered, Sample, Severity, SourceKind, Time, VerdictFacts,
        },
        verdict::sentences,
    },
    text::Text,
};

/// A sample without values, of the time since the one before.
pub(super) fn sample(instance: &Text, time: Time, interval_s: f64, why: &Text) -> Sample {
    Sample {
        time,
        interval_s,
        instance: instance.clone(),
        entries: None,
        max: None,
        utilization: None,
        entries_per_s: None,
        time_to_full_s: None,
        charts: of_dimensions(None),
        sources: of_dimensions(SourceKind::Unavailable),
        counters: PerCounter::default(),
        peaks: PerCounter::default(),
        histograms: None,
        buckets: None,
        per_cpu: None,
        buckets_lost_ms: 0.0,
        buckets_unavailable: Some(why.clone()),
        untracked: None,
        alerts: Ordered::default(),
        alerts_unavailable: Ordered(
            ALERTS
                .iter()
                .map(|spec| (spec.name.into(), why.clone()))
                .collect(),
        ),
        verdict: None,
        wrong: PerCounter::default(),
    }
}

fn of_dimensions<T: Copy>(value: T) -> Ordered<Ordered<T>> {
    let charts = CHARTS.iter().map(|chart| {
        let dimensions = chart.dimensions.iter();
        let values = dimensions.map(|dimension| (dimension.name.into(), value));
        (chart.name.into(), Ordered(values.collect()))
    });
    Ordered(charts.collect())
}

/// The verdict on an instance from the loss of its host on, by the one before.
pub(super) fn verdict(last: &InstanceVerdict, loss: HostLoss) -> InstanceVerdict {
    let known = &last.facts;
    let mut proof = known.proof.clone();
    (proof.checks, proof.agree) = (0, 0);
    proof.disagree.clear();
    let facts = VerdictFacts {
        since: known.since,
        entries: None,
        max: None,
        utilization: None,
        highest: known.highest,
        full_since: None,
        entries_per_s: None,
        time_to_full_s: None,
        untracked: None,
        advice: None,
        // What was lost before remains true. That nothing was does not.
        losses: Ordered(
            known
                .losses
                .0
                .iter()
                .map(|(kind, loss)| (kind.clone(), loss.filter(|loss| loss.count > 0)))
                .collect(),
        ),
        busiest: known.busiest,
        bursts: known.bursts,
        who: Ordered::default(),
        proof,
        host_lost: Some(loss),
    };
    let utc = |time: Time, _: usize| format!("{} UTC", time.0.strftime("%H:%M:%S"));
    let said = sentences(&facts, &utc).into_iter();
    InstanceVerdict {
        time: facts
            .host_lost
            .as_ref()
            .map_or(last.time, |lost| lost.since),
        instance: last.instance.clone(),
        closing: false,
        severity: Severity::Unknown,
        sentences: said.map(|sentence| sentence.text).collect(),
        facts,
    }
}
