//! Runs in the states that an operator meets, made of the recording of a guest.

use crate::{
    model::{
        forecast::TimeToFull,
        kernel::counters::Counter,
        record::{Instance, Record, Sample},
    },
    output::live::tests::stage::{changed, more, recording},
};

/// The recording before the table was full: a burst of 300 flows a third of a second.
pub fn before_full(mut change: impl FnMut(&mut Sample)) -> Vec<Record> {
    let mut records = changed(|sample| {
        sample.max = Some(8_000);
        sample.utilization = sample.entries.map(|entries| entries as f64 / 80.0);
        for counter in [Counter::TableFull, Counter::EarlyDrop, Counter::Drop] {
            if sample.counters.get(counter).is_some() {
                sample.counters.set(counter, Some(0));
            }
        }
        for (_, value) in &mut sample.charts.0[5].1.0 {
            *value = value.map(|_| 0.0);
        }
        change(sample);
    });
    records.retain(|record| !matches!(record, Record::Event(_)));
    records
}

fn idle() -> Vec<Record> {
    let mut records = before_full(|sample| {
        sample.entries = Some(12);
        sample.utilization = Some(0.15);
        sample.charts.0[0].1.0[0].1 = Some(12.0);
        for (_, dimensions) in sample.charts.0.iter_mut().skip(1) {
            for (_, value) in &mut dimensions.0 {
                *value = value.map(|_| 0.0);
            }
        }
        sample.buckets = Some(Default::default());
        for (_, peak) in sample.peaks.iter_mut() {
            peak.rate = 0.0;
            peak.at = None;
        }
    });
    records.retain(|r| !matches!(r, Record::Burst(_) | Record::Top(_)));
    records
}

fn filling() -> Vec<Record> {
    let mut records = before_full(|sample| {
        sample.time_to_full_s = Some(TimeToFull {
            estimate: 190.0,
            low: 120.0,
            high: 300.0,
        });
    });
    records.extend(
        more()
            .into_iter()
            .filter(|record| matches!(record, Record::Top(_))),
    );
    records
}

fn without_probes() -> Vec<Record> {
    let mut records = changed(|sample| {
        sample.buckets = None;
        sample.verdict = None;
        sample.peaks = Default::default();
        for (chart, dimension) in [(1, 0), (2, 0), (2, 1), (2, 2)] {
            sample.charts.0[chart].1.0[dimension].1 = None;
            sample.sources.0[chart].1.0[dimension].1 =
                crate::model::record::SourceKind::Unavailable;
        }
        for counter in [Counter::TableFull, Counter::New] {
            sample.counters.set(counter, None);
        }
    });
    records.retain(|r| !matches!(r, Record::Event(_) | Record::Crosscheck(_)));
    if let Some(Record::Hello(hello)) = records.first_mut() {
        hello.probes.mode = "off".into();
        hello.probes.reason = Some("this kernel has no kprobes".into());
    }
    records
}

/// Sixty namespaces, the fortieth full.
pub fn sixty() -> Vec<Record> {
    let names: Vec<String> = (0..60).map(|i| format!("pod-{i:02}")).collect();
    let mut records = Vec::new();
    for record in recording() {
        match record {
            Record::Hello(mut hello) => {
                hello.instances = names
                    .iter()
                    .map(|name| Instance {
                        name: name.clone().into(),
                        netns: Some(4_026_531_840),
                        host: None,
                        workload: None,
                    })
                    .collect();
                records.push(Record::Hello(hello));
            }
            Record::Sample(sample) => {
                for (i, name) in names.iter().enumerate() {
                    let mut sample = sample.clone();
                    sample.instance = name.clone().into();
                    if i != 40 {
                        let entries = 40 + i as u64;
                        sample.entries = Some(entries);
                        sample.utilization = Some(entries as f64 / 40.0);
                        sample.charts.0[0].1.0[0].1 = Some(entries as f64);
                        sample.counters.set(Counter::TableFull, Some(0));
                        sample.counters.set(Counter::EarlyDrop, Some(0));
                        sample.counters.set(Counter::Drop, Some(0));
                    }
                    records.push(Record::Sample(sample));
                }
            }
            Record::Crosscheck(crosscheck) => {
                for name in &names {
                    let mut crosscheck = crosscheck.clone();
                    crosscheck.instance = name.clone().into();
                    records.push(Record::Crosscheck(crosscheck));
                }
            }
            _ => {}
        }
    }
    records
}

/// What an operator meets, but for a burst.
pub fn states() -> [(&'static str, Vec<Record>); 5] {
    let mut full = recording();
    full.extend(more());
    full.sort_by_key(Record::time);
    [
        ("idle", idle()),
        ("filling", filling()),
        ("full", full),
        ("without-probes", without_probes()),
        ("sixty", sixty()),
    ]
}
