//! Every view can show any recording: none panics, output is bounded, and no control or bidirectional formatting characters come
//! through.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use jiff::Timestamp;
use proptest::{collection::vec, option, prelude::*, sample::select};
use ratatui::{
    Terminal,
    backend::TestBackend,
    crossterm::event::{KeyCode, KeyEvent},
};

use super::{hostile_contents, netdata};
use crate::{
    model::{
        alert::AlertStatus,
        durations::{
            latency::{CallTimes, Latency},
            lifetimes::Lifetimes,
        },
        event::{Family, Protocol, Tuple},
        forecast::TimeToFull,
        kernel::{charts::CHARTS, counters::COUNTERS, per_counter::PerCounter},
        record::{
            Alert, AlertState, Buckets, Burst, BurstTotals, Check, Crosscheck, Event, EventTotals,
            Hello, HostState, HostStatus, Instance, InstanceSummary, Ordered, Peak, PerCpu,
            Percentiles, Record, Sample, Skew, SourceKind, Summary, Time, Top, TopRow, TopTable,
            Total, Verdict,
        },
        report::Builder,
    },
    output::{
        Sink,
        csv::Csv,
        events::EventLines,
        json::Json,
        live::{
            App, Input, render,
            theme::{Glyphs, Palette, Theme},
        },
        netdata::{Ids, Netdata},
        report::page,
        terminal::Size,
        text::{Numbers, Selection, TextSink, View},
    },
    reading::{
        probes::{Missing, Probes},
        workload::Workload,
    },
    text::{Text, is_harmful},
};

/// Names: empty, known, and hostile.
pub(super) fn text() -> impl Strategy<Value = Text> {
    prop_oneof![
        select(vec![
            "",
            "self",
            "off",
            "new",
            "src",
            "zone",
            "0",
            "entries_balance",
            "table_full",
            "early_drop",
            "netfilter_conntrack_full",
            "conntrack_time_to_full",
            "\u{1b}]0;owned\u{7}\u{1b}[2J",
            "\u{9b}31m\u{202e}\u{2066}\u{e0041}\r\n\t",
            "</script><img src=x onerror=alert(1)>\"'&",
            "a,\"b\"\n=1+1",
        ])
        .prop_map(Text::from),
        any::<String>().prop_map(Text::from),
        Just(Text::from("\u{1b}x".repeat(5000))),
    ]
}

fn workload() -> impl Strategy<Value = Workload> {
    let some = || option::of(text());
    [some(), some(), some(), some(), some(), some(), some()].prop_map(
        |[
            pod_namespace,
            pod,
            pod_uid,
            container,
            container_id,
            runtime,
            unit,
        ]| Workload {
            pod_namespace,
            pod,
            pod_uid,
            container,
            container_id,
            runtime,
            unit,
        },
    )
}

/// Names of instances: mostly the same one, so that it has many records.
pub(super) fn instance() -> impl Strategy<Value = Text> {
    prop_oneof![3 => Just(Text::from("self")), 1 => text()]
}

pub(super) fn float() -> impl Strategy<Value = f64> {
    prop_oneof![
        select(vec![
            0.0,
            -0.0,
            1.0,
            -1.0,
            0.1,
            1.048_576,
            100.0,
            1e15,
            1e300,
            f64::MAX,
            f64::MIN,
            f64::MIN_POSITIVE,
            f64::NAN,
            f64::INFINITY,
            f64::NEG_INFINITY,
        ]),
        any::<f64>(),
        0.0..1e6_f64,
    ]
}

pub(super) fn count() -> impl Strategy<Value = u64> {
    prop_oneof![
        select(vec![0, 1, u64::MAX, u64::MAX - 1, 1 << 53]),
        0..10_000_u64,
        any::<u64>()
    ]
}

fn signed() -> impl Strategy<Value = i64> {
    prop_oneof![select(vec![0, i64::MIN, i64::MAX]), any::<i64>()]
}

/// Times: mostly within one minute, so that records overlap; else any.
pub(super) fn time() -> impl Strategy<Value = Time> {
    let at = |us| Time(Timestamp::from_microsecond(us).unwrap_or_default());
    prop_oneof![
        4 => (0..60_000_000_i64).prop_map(move |us| at(1_767_323_045_000_000 + us)),
        1 => select(vec![Timestamp::MIN, Timestamp::MAX, Timestamp::UNIX_EPOCH]).prop_map(Time),
        // The extremes in nanoseconds and in microseconds.
        1 => select(vec![i64::MAX / 1000, i64::MIN / 1000, (1 << 62) / 1000, -1]).prop_map(at),
        1 => any::<i64>().prop_map(at),
    ]
}

fn per_counter<T: Clone + std::fmt::Debug + 'static>(
    value: impl Strategy<Value = T> + 'static,
) -> BoxedStrategy<PerCounter<T>> {
    let values = option::of(value);
    vec((0..COUNTERS.len(), values), 0..8)
        .prop_map(|values| {
            let mut all = PerCounter::default();
            for (at, value) in values {
                all.set(COUNTERS[at].id, value);
            }
            all
        })
        .boxed()
}

/// Mostly known charts and dimensions in any order, some twice; and unknown ones.
fn charts<T: Clone + std::fmt::Debug + 'static>(
    value: impl Strategy<Value = T> + 'static,
) -> BoxedStrategy<Ordered<Ordered<T>>> {
    let known: Vec<&'static str> = CHARTS
        .iter()
        .flat_map(|chart| chart.dimensions.iter().map(|d| d.name))
        .collect();
    let dimension = prop_oneof![select(known).prop_map(Text::from), text()];
    let chart = prop_oneof![
        select(CHARTS.map(|chart| chart.name).to_vec()).prop_map(Text::from),
        text()
    ];
    let dimensions = vec((dimension, value), 0..6).prop_map(Ordered);
    vec((chart, dimensions), 0..8).prop_map(Ordered).boxed()
}

fn source() -> impl Strategy<Value = SourceKind> {
    select(vec![
        SourceKind::Proc,
        SourceKind::Probe,
        SourceKind::Unavailable,
    ])
}

fn status() -> impl Strategy<Value = AlertStatus> {
    select(vec![
        AlertStatus::Clear,
        AlertStatus::Warning,
        AlertStatus::Critical,
    ])
}

fn verdict() -> impl Strategy<Value = Verdict> {
    select(vec![
        Verdict::NotComparable,
        Verdict::Exact,
        Verdict::WithinBracket,
        Verdict::Undercount,
        Verdict::Mismatch,
    ])
}

fn check() -> impl Strategy<Value = Check> {
    let numbers = [
        option::of(signed()),
        option::of(signed()),
        option::of(signed()),
        option::of(signed()),
    ];
    (text(), numbers, verdict(), option::of(text())).prop_map(
        |(name, [probe, kernel_low, kernel_high, residual], verdict, reason)| Check {
            name,
            probe,
            kernel_low,
            kernel_high,
            residual,
            verdict,
            reason,
        },
    )
}

fn tuple() -> impl Strategy<Value = Tuple> {
    let ip = || {
        option::of(prop_oneof![
            any::<u32>().prop_map(|ip| IpAddr::V4(Ipv4Addr::from_bits(ip))),
            any::<u128>().prop_map(|ip| IpAddr::V6(Ipv6Addr::from_bits(ip))),
        ])
    };
    let family = option::of(select(vec![Family::Ipv4, Family::Ipv6]));
    (
        family,
        option::of(any::<u8>()),
        ip(),
        ip(),
        option::of(any::<[u16; 2]>()),
    )
        .prop_map(|(family, proto, src, dst, ports)| Tuple {
            family,
            proto: proto.map(Protocol),
            src,
            dst,
            sport: ports.map(|ports| ports[0]),
            dport: ports.map(|ports| ports[1]),
            ..Tuple::default()
        })
}

fn probes() -> impl Strategy<Value = Probes> {
    let missing = (text(), text()).prop_map(|(function, reason)| Missing { function, reason });
    (
        text(),
        text(),
        option::of(text()),
        vec(text(), 0..4),
        vec(missing, 0..4),
    )
        .prop_map(|(mode, group, reason, attached, missing)| Probes {
            mode,
            group,
            reason,
            by_kprobe: Vec::new(),
            attached,
            missing,
            functions: Vec::new(),
        })
}

/// Names of hosts, of which an instance and a status may have the same.
fn host_name() -> impl Strategy<Value = Text> {
    prop_oneof![select(vec!["a", "b"]).prop_map(Text::from), text()]
}

fn host() -> impl Strategy<Value = Record> {
    let state = select(vec![
        HostState::Connecting,
        HostState::Connected,
        HostState::Lost,
        HostState::Ended,
        HostState::Refused,
    ]);
    let known = (option::of(float()), option::of(hello()));
    (
        [time(), time()],
        (host_name(), text(), text()),
        state,
        known,
    )
        .prop_map(
            |([time, since], (name, source, reason), state, (clock_ahead_ms, hello))| {
                Record::Host(Box::new(HostStatus {
                    time,
                    name,
                    source,
                    state,
                    since,
                    reason: Some(reason),
                    clock_ahead_ms,
                    hello: match hello {
                        Some(Record::Hello(hello)) => Some(*hello),
                        _ => None,
                    },
                }))
            },
        )
}

fn hello() -> impl Strategy<Value = Record> {
    let instance = (
        instance(),
        option::of(any::<u32>()),
        option::of(host_name()),
        option::of(workload()),
    )
        .prop_map(|(name, netns, host, workload)| Instance {
            name,
            netns,
            host,
            workload: workload.map(Into::into),
        });
    (
        [text(), text(), text()],
        float(),
        probes(),
        vec(instance, 0..5),
        per_counter(text()),
    )
        .prop_map(
            |([version, kernel, hostname], interval_ms, probes, instances, unavailable)| {
                Record::Hello(Box::new(Hello {
                    schema: 1,
                    version,
                    kernel,
                    hostname,
                    interval_ms,
                    probes,
                    instances,
                    unavailable,
                }))
            },
        )
}

fn full() -> impl Strategy<Value = TimeToFull> {
    [float(), float(), float()].prop_map(|[estimate, low, high]| TimeToFull {
        estimate,
        low,
        high,
    })
}

fn percentiles() -> impl Strategy<Value = Percentiles> {
    (
        [float(), float(), float(), float(), float()],
        option::of(float()),
    )
        .prop_map(|([p50, p90, p99, p999, max], dispersion)| Percentiles {
            p50,
            p90,
            p99,
            p999,
            max,
            dispersion,
        })
}

fn per_cpu() -> impl Strategy<Value = PerCpu> {
    let skew = (any::<usize>(), float(), float()).prop_map(|(busiest, share, ratio)| Skew {
        busiest,
        share,
        ratio,
    });
    (
        option::of(vec(any::<u32>(), 0..4)),
        option::of(text()),
        per_counter(vec(float(), 0..6)),
        per_counter(vec(count(), 0..6)),
        per_counter(skew),
    )
        .prop_map(|(cpus, unknown, rates, totals, skew)| PerCpu {
            cpus,
            unknown,
            rates,
            totals,
            skew,
        })
}

fn alerts() -> impl Strategy<Value = Ordered<AlertState>> {
    let state = (status(), option::of(float()), status(), option::of(time())).prop_map(
        |(status, value, notified, notify_at)| AlertState {
            status,
            value,
            notified,
            notify_at,
        },
    );
    vec((text(), state), 0..4).prop_map(Ordered)
}

fn sample() -> impl Strategy<Value = Record> {
    let buckets =
        (time(), float(), vec(count(), 0..40)).prop_map(|(start, width_ms, counts)| Buckets {
            start,
            width_ms,
            counts,
        });
    let peak = (float(), float(), option::of(time())).prop_map(|(rate, window_ms, at)| Peak {
        rate,
        window_ms,
        at,
    });
    let table = (
        option::of(count()),
        option::of(count()),
        option::of(float()),
        option::of(full()),
    );
    let counted = (
        charts(option::of(float())),
        charts(source()),
        per_counter(count()),
        per_counter(peak),
        option::of(per_counter(percentiles())),
        option::of(per_counter(buckets)),
        option::of(per_cpu()),
        float(),
    );
    let judged = (
        option::of(text()),
        option::of(text()),
        alerts(),
        vec((text(), text()), 0..3).prop_map(Ordered),
        option::of(verdict()),
        per_counter(text()),
    );
    (time(), float(), instance(), table, counted, judged).prop_map(
        |(time, interval_s, instance, table, counted, judged)| {
            let (entries, max, utilization, time_to_full_s) = table;
            let (charts, sources, counters, peaks, histograms, buckets, per_cpu, buckets_lost_ms) =
                counted;
            let (untracked, buckets_unavailable, alerts, alerts_unavailable, verdict, wrong) =
                judged;
            Record::Sample(Box::new(Sample {
                entries_per_s: None,
                wrong,
                time,
                interval_s,
                instance,
                entries,
                max,
                utilization,
                time_to_full_s,
                charts,
                sources,
                counters,
                peaks,
                histograms,
                buckets,
                per_cpu,
                buckets_lost_ms,
                buckets_unavailable,
                untracked,
                alerts,
                alerts_unavailable,
                verdict,
            }))
        },
    )
}

fn burst() -> impl Strategy<Value = Burst> {
    (
        (instance(), text()),
        [time(), time()],
        [float(), float(), float(), float()],
        count(),
    )
        .prop_map(
            |(
                (instance, counter),
                [start, end],
                [duration_ms, peak_rate, window_ms, usual_rate],
                count,
            )| {
                Burst {
                    instance,
                    counter,
                    start,
                    end,
                    duration_ms,
                    count,
                    peak_rate,
                    window_ms,
                    usual_rate,
                }
            },
        )
}

fn top() -> impl Strategy<Value = Record> {
    let row = (
        text(),
        count(),
        float(),
        option::of(text()),
        [option::of(workload()), option::of(workload())],
    )
        .prop_map(
            |(key, count, share, process, [of_process, workload])| TopRow {
                key,
                count,
                share,
                process,
                process_workload: of_process.map(Into::into),
                workload: workload.map(Into::into),
                nat: None,
            },
        );
    let table = (
        [text(), text()],
        [count(), count()],
        any::<bool>(),
        vec(row, 0..12),
    )
        .prop_map(|([by, of], [total, error], certain, rows)| TopTable {
            by,
            of,
            total,
            error,
            certain,
            sampled: false,
            rows,
        });
    (
        time(),
        instance(),
        float(),
        any::<bool>(),
        vec(table, 0..5),
        option::of(text()),
    )
        .prop_map(|(time, instance, window_s, closing, tables, remark)| {
            Record::Top(Top {
                time,
                instance,
                window_s,
                closing,
                tables,
                remark,
            })
        })
}

fn call_times() -> impl Strategy<Value = CallTimes> {
    let times = [
        option::of(float()),
        option::of(float()),
        option::of(float()),
        option::of(float()),
        option::of(float()),
    ];
    (option::of(count()), times, option::of(text())).prop_map(
        |(count, [p50_us, p90_us, p99_us, p999_us, max_us], reason)| CallTimes {
            count,
            p50_us,
            p90_us,
            p99_us,
            p999_us,
            max_us,
            reason,
        },
    )
}

fn summary() -> impl Strategy<Value = Record> {
    let total = (option::of(count()), option::of(count()))
        .prop_map(|(probe, kernel)| Total { probe, kernel });
    let totals = (count(), count(), burst()).prop_map(|(number, count, largest)| BurstTotals {
        number,
        count,
        largest,
    });
    let lifetimes = call_times().prop_map(|times| Lifetimes {
        count: times.count,
        unknown: times.count,
        p50_s: times.p50_us,
        p90_s: times.p90_us,
        p99_s: times.p99_us,
        p999_s: times.p999_us,
        max_s: times.max_us,
        reason: times.reason,
    });
    let latency = (call_times(), call_times()).prop_map(|(confirm, early_drop)| Latency {
        confirm,
        early_drop,
    });
    let instance = (
        text(),
        per_counter(total),
        vec(check(), 0..4),
        [option::of(count()), option::of(count())],
        float(),
        (option::of(lifetimes), option::of(latency)),
        per_counter(percentiles()),
        per_counter(totals),
    )
        .prop_map(
            |(
                name,
                totals,
                crosscheck,
                [missed, lost_events],
                lost,
                durations,
                histograms,
                bursts,
            )| {
                InstanceSummary {
                    name,
                    totals,
                    crosscheck,
                    missed,
                    lost_events,
                    buckets_lost_ms: lost,
                    lifetimes: durations.0,
                    latency: durations.1,
                    histograms,
                    bursts,
                }
            },
        );
    let events =
        (text(), [count(), count(), count()]).prop_map(|(kind, [sent, suppressed, lost])| {
            (
                kind,
                EventTotals {
                    sent,
                    suppressed,
                    lost,
                },
            )
        });
    (float(), vec(events, 0..3), vec(instance, 0..3), count()).prop_map(
        |(duration_s, events, instances, instances_left_out)| {
            Record::Summary(Box::new(Summary {
                duration_s,
                events: Some(Ordered(events)),
                instances_left_out,
                instances,
            }))
        },
    )
}

fn record() -> impl Strategy<Value = Record> {
    let crosscheck =
        (time(), instance(), vec(check(), 0..5)).prop_map(|(time, instance, checks)| {
            Record::Crosscheck(Crosscheck {
                time,
                instance,
                checks,
            })
        });
    let event = (
        time(),
        (instance(), text()),
        option::of(tuple()),
        option::of(tuple()),
        option::of(tuple()),
        vec((text(), workload().prop_map(Into::into)), 0..3),
    )
        .prop_map(
            |(time, (instance, kind), tuple, by, translated, workloads)| {
                Record::Event(Box::new(Event {
                    time,
                    instance,
                    kind,
                    tuple,
                    by,
                    translated,
                    workloads: Ordered(workloads),
                }))
            },
        );
    let alert = (
        time(),
        (instance(), text(), text()),
        [status(), status()],
        float(),
        option::of(text()),
    )
        .prop_map(
            |(time, (instance, name, unit), [status, previous], value, reason)| {
                Record::Alert(Alert {
                    time,
                    instance,
                    name,
                    status,
                    value,
                    unit,
                    previous,
                    reason,
                })
            },
        );
    // Boxed: together they would overflow the stack.
    prop_oneof![
        2 => hello().boxed(),
        8 => sample().boxed(),
        1 => crosscheck.boxed(),
        1 => event.boxed(),
        1 => alert.boxed(),
        2 => burst().prop_map(Record::Burst).boxed(),
        1 => top().boxed(),
        1 => hostile_contents::contents().boxed(),
        1 => hostile_contents::limits().boxed(),
        2 => host().boxed(),
        1 => summary().boxed(),
    ]
}

fn written(mut sink: impl Sink, records: &[Record]) {
    for record in records {
        sink.write(record).expect("memory takes everything");
    }
    sink.flush().expect("memory takes everything");
}

/// The only control characters are the line breaks of the views, and the output per record is bounded: a text is cut at a
/// thousand characters, which are up to ten bytes each when escaped.
#[track_caller]
fn harmless(out: &[u8], records: usize) {
    let text = std::str::from_utf8(out).expect("views write UTF-8");
    let harm = text.chars().find(|c| *c != '\n' && is_harmful(*c));
    assert_eq!(harm, None, "{text:?}");
    assert!(out.len() < (records + 1) * 3_000_000, "{}", out.len());
}

fn views() -> impl Strategy<Value = (Option<Size>, View)> {
    let size = option::of((1..400_u16, 1..100_u16))
        .prop_map(|size| size.map(|(columns, rows)| Size { columns, rows }));
    let numbers = select(vec![Numbers::Human, Numbers::Exact]);
    (size, numbers).prop_map(|(size, numbers)| {
        let view = View {
            selection: Selection::Fitting,
            numbers,
            colours: false,
        };
        (size, view)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_records_in_every_format(records in vec(record(), 0..12), (size, view) in views()) {
        let mut out = Vec::new();
        written(TextSink::new(&mut out, size, view), &records);
        harmless(&out, records.len());
        let mut out = Vec::new();
        written(EventLines::new(&mut out, size), &records);
        harmless(&out, records.len());
        let mut out = Vec::new();
        written(Csv::new(&mut out), &records);
        harmless(&out, records.len());
        let mut out = Vec::new();
        written(Netdata::new(&mut out, Ids::Netdata, 1), &records);
        harmless(&out, records.len());
        netdata::follows_the_protocol(std::str::from_utf8(&out).expect("it is UTF-8"));
        let mut out = Vec::new();
        written(Json::new(&mut out), &records);
        let text = std::str::from_utf8(&out).expect("JSON is UTF-8");
        prop_assert!(!text.chars().any(|c| c != '\n' && is_harmful(c)));
        prop_assert_eq!(text.lines().count(), records.len());
    }

    #[test]
    fn any_records_in_the_live_view(
        records in vec(record(), 0..25),
        keys in vec(select(vec![
            '+', '-', 'b', 'B', 'm', 'l', 'i', 'c', 'n', '?', '1', '4', ' ', ',', '.', ']', '0',
        ]), 0..12),
        diagnostic in text(),
        sizes in vec((1..250_u16, 1..80_u16), 2),
        glyphs in select(vec![Glyphs::Braille, Glyphs::Ascii]),
        palette in select(vec![Palette::Mono, Palette::Ansi, Palette::Rich]),
    ) {
        let mut app = App::new(Theme { palette, glyphs });
        app.update(Input::Diagnostic(diagnostic));
        app.update_all(records.into_iter().map(Input::Record));
        let mut keys = keys.into_iter();
        loop {
            for (width, height) in sizes.iter().chain(&[(80, 24)]) {
                let mut terminal =
                    Terminal::new(TestBackend::new(*width, *height)).expect("memory");
                terminal.draw(|frame| render(&app, frame)).expect("memory");
                for cell in terminal.backend().buffer().content() {
                    prop_assert!(!cell.symbol().chars().any(is_harmful), "{:?}", cell.symbol());
                }
            }
            let Some(key) = keys.next() else { break };
            app.update(Input::Key(KeyEvent::from(KeyCode::Char(key))));
            for code in [KeyCode::Left, KeyCode::PageUp] {
                app.update(Input::Key(KeyEvent::from(code)));
            }
        }
    }

    #[test]
    fn any_records_in_a_report(records in vec(record(), 1..25), title in text()) {
        let mut builder = Builder::default();
        for record in &records {
            builder.add(record);
        }
        builder.note(title.clone());
        let Some(report) = builder.finish() else { return Ok(()) };
        let page = page(&report, title.raw());
        prop_assert!(page.len() < (records.len() + 1) * 3_000_000, "{}", page.len());
        prop_assert!(!page.contains("<img"));
        prop_assert_eq!(page.matches("</script>").count(), 2);
        let harm = page.chars().find(|c| *c != '\n' && is_harmful(*c));
        prop_assert_eq!(harm, None);
        // The script's data is JSON.
        let data = page.split("id=\"data\">").nth(1).and_then(|rest| rest.split("</script>").next());
        let data: serde_json::Value = serde_json::from_str(data.unwrap_or_default()).expect("JSON");
        prop_assert!(data["from"].as_i64() < data["to"].as_i64());
    }
}
