//! What a table is made of and limited by, as any recording may say it.

use proptest::{collection::vec, option, prelude::*};

use super::values::{count, float, instance, text, time};
use crate::model::record::{
    ChainLoad, Directions, EntryGroup, EntryMarks, Estimate, Evictable, ExpectationUse, HashUse,
    HelperEntries, Record, Spread, TableContents, TableLimits, TableMemory, TimeoutPolicy,
    TimeoutSetting,
};

fn estimate() -> impl Strategy<Value = Estimate> {
    (count(), float(), float()).prop_map(|(count, share, error)| Estimate {
        count,
        share,
        error,
    })
}

fn spread() -> impl Strategy<Value = Spread> {
    let times = [count(), count(), count(), count()];
    (times, vec((count(), count()), 0..4)).prop_map(|([p50_s, p90_s, p99_s, max_s], classes)| {
        Spread {
            p50_s,
            p90_s,
            p99_s,
            max_s,
            classes,
        }
    })
}

fn group() -> impl Strategy<Value = EntryGroup> {
    let spreads = [option::of(spread()), option::of(spread())];
    let counts = [count(), count()];
    (
        [text(), text()],
        estimate(),
        counts,
        option::of(count()),
        spreads,
    )
        .prop_map(
            |([proto, state], held, [assured, unreplied], timeout_s, [remaining, age])| {
                EntryGroup {
                    proto,
                    state,
                    held,
                    assured,
                    unreplied,
                    timeout_s,
                    setting: None,
                    remaining,
                    age,
                }
            },
        )
}

fn marks() -> impl Strategy<Value = EntryMarks> {
    (vec(estimate(), 9), option::of(count())).prop_map(|(of, dying)| EntryMarks {
        assured: of[0],
        unreplied: of[1],
        neither: of[2],
        offload: of[3],
        hw_offload: of[4],
        helper: of[5],
        expected: of[6],
        snat: of[7],
        dnat: of[8],
        dying,
    })
}

pub(super) fn contents() -> impl Strategy<Value = Record> {
    let helper = (text(), estimate()).prop_map(|(name, held)| HelperEntries { name, held });
    let evictable = (estimate(), estimate(), option::of(float())).prop_map(
        |(early_drop, nearly_full, found_percent)| Evictable {
            early_drop,
            nearly_full,
            found_percent,
        },
    );
    let directions = (estimate(), estimate(), estimate(), estimate()).prop_map(
        |(inbound, outbound, forwarded, local)| Directions {
            inbound,
            outbound,
            forwarded,
            local,
        },
    );
    let whose = (time(), instance(), any::<bool>(), any::<bool>());
    let numbers = (option::of(count()), count(), float(), float());
    let parts = (
        vec(group(), 0..6),
        option::of(estimate()),
        marks(),
        vec(helper, 0..3),
        evictable,
        option::of(directions),
        option::of(text()),
    );
    (whose, numbers, parts).prop_map(
        |(
            (time, instance, closing, sampled),
            (entries, listed, error, cpu_ms),
            (groups, other_groups, marks, helpers, evictable, directions, remark),
        )| {
            Record::Contents(Box::new(TableContents {
                time,
                instance,
                closing,
                entries,
                listed,
                sampled,
                error,
                cpu_ms,
                groups,
                other_groups,
                marks,
                helpers,
                evictable,
                directions,
                remark,
            }))
        },
    )
}

fn settings() -> impl Strategy<Value = Vec<TimeoutSetting>> {
    let setting = (text(), count()).prop_map(|(name, seconds)| TimeoutSetting { name, seconds });
    vec(setting, 0..4)
}

pub(super) fn limits() -> impl Strategy<Value = Record> {
    let load = || {
        let load = ([float(), float()], [count(), count()]);
        let load = load.prop_map(|([mean, too_long], [p99, longest])| ChainLoad {
            mean,
            p99,
            longest,
            too_long,
        });
        option::of(load)
    };
    let hash =
        ([count(), count()], load(), load()).prop_map(|([buckets, limit], now, full)| HashUse {
            buckets,
            now,
            full,
            limit,
        });
    let expectations =
        ([count(), count()], float()).prop_map(|([held, max], utilization)| ExpectationUse {
            held,
            max,
            utilization,
        });
    let bytes = vec(option::of(count()), 4);
    let memory = (float(), text(), count(), bytes).prop_map(
        |(entry_bytes, source, extension_bytes, bytes)| TableMemory {
            entry_bytes,
            source,
            extension_bytes,
            slab_bytes: bytes[0],
            entries_bytes: bytes[1],
            buckets_bytes: bytes[2],
            full_bytes: bytes[3],
        },
    );
    let policy =
        ([text(), text()], count(), settings()).prop_map(|([name, proto], uses, timeouts)| {
            TimeoutPolicy {
                name,
                proto,
                uses,
                timeouts,
            }
        });
    let whose = (time(), instance(), any::<bool>());
    let numbers = [option::of(count()), option::of(count())];
    let parts = (
        option::of(expectations),
        option::of(hash),
        option::of(memory),
        settings(),
        option::of(vec(policy, 0..3)),
    );
    (whose, numbers, parts).prop_map(
        |(
            (time, instance, closing),
            [entries, max],
            (expectations, hash, memory, timeouts, policies),
        )| {
            Record::Limits(Box::new(TableLimits {
                time,
                instance,
                closing,
                entries,
                max,
                expectations,
                hash,
                memory,
                timeouts,
                policies,
            }))
        },
    )
}
