//! The state of each instance's table, and what is judged of it.

use std::fmt;

use super::{
    families::{self, MetricFamily},
    writer::{Named, Out, counter, gauge},
};
use crate::{
    model::{
        alert::AlertStatus,
        exposition::{Latest, WINDOWS},
        record::{AlertState, Check, Instance, Workload},
    },
    text::Text,
};

pub(super) fn write_state(out: &mut Out<'_>, instances: &[Named]) -> fmt::Result {
    each(out, &families::LAST_SAMPLE, instances, |latest| {
        Some(latest.time.0.as_microsecond() as f64 / 1e6)
    })?;
    each(out, &families::ENTRIES, instances, |latest| latest.entries)?;
    each(out, &families::ENTRIES_LIMIT, instances, |latest| {
        latest.limit
    })?;
    let most = instances.iter().flat_map(|(name, instance)| {
        let windows = WINDOWS.iter().zip(instance.most_entries);
        windows.filter_map(|(window, most)| {
            Some(([("netns", &**name), ("window", window.label)], most?))
        })
    });
    out.values(&families::MOST_ENTRIES, most, gauge)?;
    each(out, &families::TIME_TO_FULL, instances, |latest| {
        latest.time_to_full
    })
}

/// A gauge of each instance that has it.
fn each<V: prometheus_client::encoding::EncodeGaugeValue>(
    out: &mut Out<'_>,
    family: &MetricFamily,
    instances: &[Named],
    value: impl Fn(&Latest) -> Option<V>,
) -> fmt::Result {
    let values = instances.iter().filter_map(|(name, instance)| {
        let value = value(instance.latest.as_ref()?)?;
        Some(([("netns", &**name)], value))
    });
    out.values(family, values, gauge)
}

pub(super) fn write_judgement(out: &mut Out<'_>, instances: &[Named]) -> fmt::Result {
    let lost = instances.iter().filter_map(|(name, instance)| {
        Some(([("netns", &**name)], instance.buckets_lost_ms? / 1e3))
    });
    out.values(&families::BUCKETS_LOST, lost, counter)?;
    write_checks(out, instances)?;
    write_alerts(out, instances)?;
    let severities = instances.iter().filter_map(|(name, instance)| {
        let severity = instance.severity?.name();
        Some(([("netns", &**name), ("severity", severity)], 1_u64))
    });
    out.values(&families::SEVERITY, severities, gauge)?;
    let tops = instances.iter().flat_map(top_rows);
    out.values(&families::TOP, tops, gauge)
}

fn write_checks(out: &mut Out<'_>, instances: &[Named]) -> fmt::Result {
    let checks: Vec<(&str, String, &Check)> = instances
        .iter()
        .flat_map(|(netns, instance)| {
            let checks = instance.checks.iter();
            checks.map(move |check| (&**netns, check.name.to_string(), check))
        })
        .collect();
    let verdicts = checks.iter().map(|(netns, name, check)| {
        let labels = [
            ("netns", *netns),
            ("check", name),
            ("verdict", check.verdict.name()),
        ];
        (labels, 1_u64)
    });
    out.values(&families::CHECK_VERDICT, verdicts, gauge)?;
    let residuals = checks.iter().filter_map(|(netns, name, check)| {
        let labels = [("netns", *netns), ("check", name)];
        Some((labels, check.residual?))
    });
    out.values(&families::CHECK_RESIDUAL, residuals, gauge)
}

fn write_alerts(out: &mut Out<'_>, instances: &[Named]) -> fmt::Result {
    let alerts: Vec<(&str, String, &AlertState)> = instances
        .iter()
        .flat_map(|(netns, instance)| {
            let alerts = instance.latest.iter().flat_map(|latest| &latest.alerts.0);
            alerts.map(move |(alert, state)| (&**netns, alert.to_string(), state))
        })
        .collect();
    let labelled = || {
        alerts
            .iter()
            .map(|(netns, alert, state)| ([("netns", *netns), ("alert", &**alert)], *state))
    };
    for (family, of) in [
        (
            families::ALERT_STATUS,
            (|state| state.status) as fn(&AlertState) -> AlertStatus,
        ),
        (families::ALERT_NOTIFIED, |state| state.notified),
    ] {
        let statuses =
            labelled().map(|(labels, state)| (labels, families::status_number(of(state))));
        out.values(&family, statuses, gauge)?;
    }
    let values = labelled().filter_map(|(labels, state)| Some((labels, state.value?)));
    out.values(&families::ALERT_VALUE, values, gauge)
}

fn top_rows<'a>(
    (name, instance): &'a Named,
) -> impl Iterator<Item = (Vec<(&'static str, String)>, u64)> + use<'a> {
    let tables = instance.tops.iter().flat_map(|top| &top.tables);
    tables.flat_map(move |table| {
        table.rows.iter().map(move |row| {
            let mut labels = vec![
                ("netns", name.clone()),
                ("by", table.by.to_string()),
                ("of", table.of.to_string()),
                ("key", row.key.to_string()),
            ];
            // A port belongs to the process that has it; an address need not belong to one that talks to it.
            let of_process = row.process_workload.as_deref();
            let of_process = of_process.filter(|_| table.of == "dport");
            if let Some(workload) = row.workload.as_deref().or(of_process) {
                labels.extend(workload_labels(workload));
            }
            (labels, row.count)
        })
    })
}

/// What network namespaces belong to.
pub(super) fn write_workloads(out: &mut Out<'_>, instances: &[Instance]) -> fmt::Result {
    let known = instances.iter().filter_map(|instance| {
        let mut labels = vec![("netns", instance.name.to_string())];
        labels.extend(workload_labels(instance.workload.as_ref()?));
        Some((labels, ()))
    });
    let no_more: [(&str, &str); 0] = [];
    out.values(&families::NETNS, known, |encoder, ()| {
        encoder.encode_info(&no_more)
    })
}

/// What is known of a workload.
fn workload_labels(workload: &Workload) -> impl Iterator<Item = (&'static str, String)> {
    let parts = [
        ("pod_namespace", &workload.pod_namespace),
        ("pod", &workload.pod),
        ("container", &workload.container),
        ("unit", &workload.unit),
    ];
    let known = |(label, value): (_, &Option<Text>)| Some((label, value.as_ref()?.to_string()));
    parts.into_iter().filter_map(known)
}
