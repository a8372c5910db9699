//! What each instance's table is made of, and what limits it.

use std::fmt;

use super::{
    families::{self, MetricFamily},
    writer::{Named, Out, gauge},
};
use crate::model::record::{Estimate, TableContents, TableLimits};

pub(super) fn write(out: &mut Out<'_>, instances: &[Named]) -> fmt::Result {
    let listed = instances.iter().filter_map(|(name, instance)| {
        let contents = instance.contents.as_deref()?;
        Some((&**name, contents))
    });
    let listed: Vec<(&str, &TableContents)> = listed.collect();
    let limited = instances.iter().filter_map(|(name, instance)| {
        let limits = instance.limits.as_deref()?;
        Some((&**name, limits))
    });
    let limited: Vec<(&str, &TableLimits)> = limited.collect();
    write_contents(out, &listed)?;
    write_limits(out, &limited)
}

fn write_contents(out: &mut Out<'_>, listed: &[(&str, &TableContents)]) -> fmt::Result {
    let held = listed.iter().flat_map(|(name, contents)| {
        contents.groups.iter().map(move |group| {
            let labels = [
                ("netns", (*name).to_owned()),
                ("proto", group.proto.to_string()),
                ("state", group.state.to_string()),
            ];
            (labels, group.held.count)
        })
    });
    out.values(&families::HELD, held, gauge)?;
    let marked = labelled(listed, |contents| {
        let marks = contents.marks;
        vec![
            ("assured", marks.assured),
            ("unreplied", marks.unreplied),
            ("neither", marks.neither),
            ("offload", marks.offload),
            ("hw_offload", marks.hw_offload),
            ("helper", marks.helper),
            ("expected", marks.expected),
            ("snat", marks.snat),
            ("dnat", marks.dnat),
        ]
    });
    out.values(
        &families::MARKED,
        marked.map(|(netns, mark, held)| ([("netns", netns), ("mark", mark)], held.count)),
        gauge,
    )?;
    let evictable = labelled(listed, |contents| {
        let evictable = contents.evictable;
        vec![
            ("early_drop", evictable.early_drop),
            ("nearly_full", evictable.nearly_full),
        ]
    });
    out.values(
        &families::EVICTABLE,
        evictable.map(|(netns, when, held)| ([("netns", netns), ("when", when)], held.count)),
        gauge,
    )?;
    let count = listed
        .iter()
        .map(|(name, contents)| ([("netns", *name)], contents.listed));
    out.values(&families::LISTED, count, gauge)?;
    let error = listed
        .iter()
        .map(|(name, contents)| ([("netns", *name)], contents.error / 100.0));
    out.values(&families::LISTING_ERROR, error, gauge)
}

fn labelled<'a>(
    listed: &'a [(&'a str, &'a TableContents)],
    of: impl Fn(&TableContents) -> Vec<(&'static str, Estimate)> + 'a,
) -> impl Iterator<Item = (&'a str, &'static str, Estimate)> + 'a {
    listed.iter().flat_map(move |(name, contents)| {
        let all = of(contents).into_iter();
        all.map(move |(label, held)| (*name, label, held))
    })
}

fn write_limits(out: &mut Out<'_>, limited: &[(&str, &TableLimits)]) -> fmt::Result {
    each(out, &families::EXPECTATIONS, limited, |limits| {
        limits.expectations.map(|expectations| expectations.held)
    })?;
    each(out, &families::EXPECTATIONS_LIMIT, limited, |limits| {
        limits.expectations.map(|expectations| expectations.max)
    })?;
    each(out, &families::BUCKETS, limited, |limits| {
        limits.hash.map(|hash| hash.buckets)
    })?;
    let memory = limited.iter().flat_map(|(name, limits)| {
        let of = limits.memory.iter().flat_map(|memory| {
            [
                ("entries", memory.entries_bytes),
                ("buckets", memory.buckets_bytes),
                ("full", memory.full_bytes),
            ]
        });
        of.filter_map(move |(of, bytes)| Some(([("netns", *name), ("of", of)], bytes?)))
    });
    out.values(&families::TABLE_MEMORY, memory, gauge)?;
    let timeouts = limited.iter().flat_map(|(name, limits)| {
        limits.timeouts.iter().map(move |setting| {
            let labels = [
                ("netns", (*name).to_owned()),
                ("setting", setting.name.to_string()),
            ];
            (labels, setting.seconds)
        })
    });
    out.values(&families::TIMEOUT, timeouts, gauge)
}

fn each(
    out: &mut Out<'_>,
    family: &MetricFamily,
    limited: &[(&str, &TableLimits)],
    value: impl Fn(&TableLimits) -> Option<u64>,
) -> fmt::Result {
    let values = limited
        .iter()
        .filter_map(|(name, limits)| Some(([("netns", *name)], value(limits)?)));
    out.values(family, values, gauge)
}
