//! What is written comes back, and nothing that comes does harm.

use std::{collections::BTreeSet, time::Duration};

use jiff::Timestamp;
use proptest::prelude::*;

use crate::{
    Instant, KernelMonitor, Snapshot,
    client::HttpAddress,
    model::{
        alert::AlertStatus,
        forecast::TimeToFull,
        kernel::{counters::COUNTERS, per_counter::PerCounter},
        record::{
            Alert, Buckets, Burst, HostState, HostStatus, Ordered, Peak, Percentiles, Record,
            Sample, SourceKind, Time, Top, TopRow, TopTable,
        },
    },
    output::json::write_line,
    remote::{
        SshSettings,
        address::{AddressError, Source, SourcePlace, SshHost},
        decode::{DecodeError, Decoded, decode},
        ssh::{quoted, remote_command, ssh_arguments},
    },
    text::Text,
};

const RECORDS: [&str; 2] = [
    include_str!("../../../tests/fixtures/records/filling-6.12.jsonl"),
    include_str!("../../../tests/fixtures/records/view.jsonl"),
];

fn line(record: &Record) -> Vec<u8> {
    let mut line = Vec::new();
    write_line(&mut line, record).expect("memory");
    line
}

fn decoded(line: &[u8]) -> Record {
    match decode(line.trim_ascii_end()) {
        Ok(Decoded::Record(record)) => *record,
        other => panic!("{other:?} of {}", String::from_utf8_lossy(line)),
    }
}

#[test]
fn real_records_come_back() {
    for text in RECORDS.into_iter().flat_map(str::lines) {
        let record = decoded(text.as_bytes());
        assert_eq!(decoded(&line(&record)), record, "{text}");
    }
}

#[test]
fn all_records_of_a_run_come_back() {
    let mut monitor = KernelMonitor::new("a", Some("6.1.0"), Duration::from_secs(1));
    let at = |seconds: u32| Instant {
        monotonic: Duration::from_secs(seconds.into()),
        realtime: Timestamp::from_second(seconds.into()).expect("a time"),
    };
    fn of(stat: &str) -> Snapshot<'_> {
        Snapshot {
            stat: Some(stat),
            count: None,
            max: Some(100),
        }
    }
    let mut records = Vec::new();
    for (second, entries) in [(10, "01"), (11, "40"), (12, "63")] {
        let stat = format!("entries drop\n000000{entries} 000000{entries}\n");
        records.extend(monitor.observe(at(second), &of(&stat)).expect("counters"));
    }
    records.extend(
        monitor
            .finish(at(13), &of("entries drop\n00000064 0000000a\n"))
            .expect("counters"),
    );
    let kinds: BTreeSet<String> = records
        .iter()
        .map(|record| {
            assert_eq!(decoded(&line(record)), *record);
            let value = serde_json::to_value(record).expect("JSON");
            value["type"].to_string()
        })
        .collect();
    let expected = ["alert", "hello", "sample", "summary", "verdict"];
    assert_eq!(kinds, expected.map(|kind| format!("\"{kind}\"")).into());
}

/// As JSON has it: to the microsecond.
fn time() -> impl Strategy<Value = Time> {
    (0_i64..4_000_000_000_000_000)
        .prop_map(|us| Time(Timestamp::from_microsecond(us).expect("a time")))
}

fn rate() -> impl Strategy<Value = f64> {
    prop_oneof![
        Just(0.0),
        0.0..1e15,
        0.0..1e-9,
        any::<u32>().prop_map(f64::from)
    ]
}

fn text() -> impl Strategy<Value = Text> {
    any::<String>().prop_map(Text::from)
}

fn per_counter<T: Clone + std::fmt::Debug>(
    value: impl Strategy<Value = T>,
) -> impl Strategy<Value = PerCounter<T>> {
    proptest::collection::vec(proptest::option::of(value), COUNTERS.len()).prop_map(|values| {
        let mut values = values.into_iter();
        PerCounter::from_fn(|_| values.next().flatten())
    })
}

fn ordered<T: Clone + std::fmt::Debug>(
    value: impl Strategy<Value = T>,
) -> impl Strategy<Value = Ordered<T>> {
    proptest::collection::vec((text(), value), 0..4).prop_map(Ordered)
}

fn sample() -> impl Strategy<Value = Record> {
    let numbers = (
        time(),
        0.0..1e6,
        text(),
        proptest::option::of(any::<u64>()),
        proptest::option::of(any::<u64>()),
        proptest::option::of(rate()),
        proptest::option::of(rate()),
    );
    let series = (
        ordered(ordered(proptest::option::of(rate()))),
        ordered(ordered(prop_oneof![
            Just(SourceKind::Proc),
            Just(SourceKind::Probe),
            Just(SourceKind::Unavailable)
        ])),
        per_counter(any::<u64>()),
        per_counter((rate(), rate(), proptest::option::of(time()))),
        proptest::option::of(per_counter(rate())),
        proptest::option::of(per_counter((
            time(),
            proptest::collection::vec(any::<u64>(), 0..5),
        ))),
    );
    let rest = (
        proptest::option::of(text()),
        ordered(text()),
        per_counter(text()),
        rate(),
    );
    (numbers, series, rest).prop_map(|(numbers, series, rest)| {
        let (time, interval_s, instance, entries, max, utilization, forecast) = numbers;
        let (charts, sources, counters, peaks, histograms, buckets) = series;
        let (untracked, alerts_unavailable, wrong, buckets_lost_ms) = rest;
        let peak = |(rate, window_ms, at): &(f64, f64, Option<Time>)| Peak {
            rate: *rate,
            window_ms: *window_ms,
            at: *at,
        };
        let percentiles = |p50: &f64| Percentiles {
            p50: *p50,
            p90: *p50,
            p99: *p50,
            p999: *p50,
            max: *p50,
            dispersion: Some(*p50),
        };
        Record::Sample(Box::new(Sample {
            time,
            interval_s,
            instance,
            entries,
            max,
            utilization,
            entries_per_s: utilization,
            time_to_full_s: forecast.map(|estimate| TimeToFull {
                estimate,
                low: 0.0,
                high: estimate,
            }),
            charts,
            sources,
            counters,
            peaks: PerCounter::from_fn(|spec| peaks.get(spec.id).map(peak)),
            histograms: histograms
                .map(|all| PerCounter::from_fn(|spec| all.get(spec.id).map(percentiles))),
            buckets: buckets.map(|all| {
                PerCounter::from_fn(|spec| {
                    let (start, counts) = all.get(spec.id)?.clone();
                    Some(Buckets {
                        start,
                        width_ms: 1.048_576,
                        counts,
                    })
                })
            }),
            per_cpu: None,
            buckets_lost_ms,
            buckets_unavailable: untracked.clone(),
            untracked,
            alerts: Ordered::default(),
            alerts_unavailable,
            verdict: None,
            wrong,
        }))
    })
}

fn other() -> impl Strategy<Value = Record> {
    let burst = (text(), text(), time(), any::<u64>(), rate()).prop_map(
        |(instance, counter, start, count, rate)| {
            Record::Burst(Burst {
                instance,
                counter,
                start,
                end: start,
                duration_ms: rate,
                count,
                peak_rate: rate,
                window_ms: 1.048_576,
                usual_rate: rate,
            })
        },
    );
    let alert = (time(), text(), text(), rate(), proptest::option::of(text())).prop_map(
        |(time, instance, name, value, reason)| {
            Record::Alert(Alert {
                time,
                instance,
                name,
                status: AlertStatus::Warning,
                value,
                unit: "%".into(),
                previous: AlertStatus::Clear,
                reason,
            })
        },
    );
    let top = (time(), text(), text(), any::<u64>(), rate()).prop_map(
        |(time, instance, key, count, share)| {
            let row = TopRow {
                key: key.clone(),
                count,
                share,
                process: Some(key),
                ..TopRow::default()
            };
            Record::Top(Top {
                time,
                instance,
                window_s: 1.0,
                closing: true,
                tables: vec![TopTable {
                    by: "new".into(),
                    of: "src".into(),
                    total: count,
                    error: 0,
                    certain: true,
                    sampled: false,
                    rows: vec![row],
                }],
                remark: None,
            })
        },
    );
    let host = (time(), text(), proptest::option::of(-1e9..1e9)).prop_map(
        |(time, name, clock_ahead_ms)| {
            Record::Host(Box::new(HostStatus {
                time,
                source: name.clone(),
                reason: Some(name.clone()),
                name,
                state: HostState::Lost,
                since: time,
                clock_ahead_ms,
                hello: None,
            }))
        },
    );
    prop_oneof![burst, alert, top, host]
}

proptest! {
    #[test]
    fn what_is_written_comes_back(record in prop_oneof![sample(), other()]) {
        prop_assert_eq!(decoded(&line(&record)), record);
    }

    #[test]
    fn any_bytes_are_decoded_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode(&bytes);
    }

    #[test]
    fn any_change_of_a_record_is_decoded_or_refused(
        of in 0_usize..64, at in 0_usize..4_000, byte in any::<u8>(),
    ) {
        let lines: Vec<&str> = RECORDS[0].lines().collect();
        let mut bytes = lines[of % lines.len()].as_bytes().to_vec();
        let at = at % bytes.len();
        bytes[at] = byte;
        let _ = decode(&bytes);
    }

    #[test]
    fn a_word_stays_one_word_of_the_shell(word in "[ -~\u{e4}\n]{0,40}") {
        let echoed = std::process::Command::new("sh")
            .args(["-c", &format!("printf %s {}", quoted(&word))])
            .output()
            .expect("a shell");
        prop_assert_eq!(String::from_utf8_lossy(&echoed.stdout), word);
    }
}

fn refused(line: &str) -> String {
    decode(line.as_bytes())
        .expect_err("it is no record")
        .to_string()
}

#[test]
fn what_can_be_no_measurement_is_refused() {
    let sample = RECORDS[0].lines().nth(1).expect("a sample");
    let with = |from: &str, to: &str| {
        let changed = sample.replacen(from, to, 1);
        assert_ne!(changed, sample, "{from}");
        refused(&changed)
    };
    for (from, to, says) in [
        (
            "\"interval_s\":",
            "\"interval_s\":1e300,\"x\":",
            "no length of time",
        ),
        (
            "\"interval_s\":",
            "\"interval_s\":-1,\"x\":",
            "no length of time",
        ),
        (
            "\"interval_s\":",
            "\"interval_s\":1e999,\"x\":",
            "out of range",
        ),
        (
            "\"utilization\":",
            "\"utilization\":1e300,\"x\":",
            "too large",
        ),
        (
            "\"connections\":",
            "\"connections\":-1e200,\"x\":",
            "too large",
        ),
        ("\"entries\":", "\"entries\":-1,\"x\":", "invalid value"),
        ("2026-", "9026-", "no time of a running clock"),
        ("\"type\":\"sample\"", "\"type\":\"host\"", "missing field"),
        (
            "\"type\":\"sample\"",
            "\"type\":\"advice\"",
            "missing field",
        ),
    ] {
        let error = with(from, to);
        assert!(error.contains(says), "{error}");
    }
    let deep = format!("{{\"type\":\"sample\",\"x\":{}", "[".repeat(100_000));
    assert!(refused(&deep).starts_with("not a record: recursion limit"));
    assert_eq!(
        decode(b"{\"type\":\"later\",\"n\":1}"),
        Ok(Decoded::UnknownType)
    );
}

#[test]
fn a_newer_format_is_told_apart_from_nonsense() {
    let hello = RECORDS[0].lines().next().expect("a hello");
    for newer in [
        hello.replacen("\"schema\":1", "\"schema\":2", 1),
        "{\"type\":\"hello\",\"schema\":2,\"version\":\"3.0\"}".to_owned(),
    ] {
        let error = decode(newer.as_bytes());
        assert!(
            matches!(error, Err(DecodeError::Newer { schema: 2, .. })),
            "{error:?}"
        );
    }
    let added = hello.replacen('{', "{\"added\":{\"x\":[1]},", 1);
    assert!(matches!(decode(added.as_bytes()), Ok(Decoded::Record(_))));
}

fn place(text: &str) -> Result<SourcePlace, AddressError> {
    text.parse::<Source>().map(|source| source.place)
}

#[test]
fn sources_as_users_write_them() {
    let ssh = |user: Option<&str>, host: &str, port| {
        Ok(SourcePlace::Ssh(SshHost {
            user: user.map(str::to_owned),
            host: host.to_owned(),
            port,
        }))
    };
    assert_eq!(place("ssh://gateway"), ssh(None, "gateway", None));
    assert_eq!(
        place("ssh://root@gateway:2222/"),
        ssh(Some("root"), "gateway", Some(2222))
    );
    assert_eq!(
        place("ssh://[fe80::1%eth0]:22"),
        ssh(None, "fe80::1%eth0", Some(22))
    );
    let http = |tls, host: &str, port, authority: &str, path: &str| {
        Ok(SourcePlace::Http(HttpAddress {
            tls,
            host: host.to_owned(),
            port,
            authority: authority.to_owned(),
            path: path.to_owned(),
        }))
    };
    assert_eq!(
        place("http://a:9466/stream"),
        http(false, "a", 9466, "a:9466", "/stream")
    );
    assert_eq!(place("https://a"), http(true, "a", 443, "a", "/stream"));
    assert_eq!(
        place("http://[::1]:80/x?y"),
        http(false, "::1", 80, "[::1]:80", "/x?y")
    );
    assert_eq!(place("-"), Ok(SourcePlace::Stdin));
    assert_eq!(place("./a=b"), Ok(SourcePlace::File("./a=b".into())));
    let named: Source = "web-1=ssh://a".parse().expect("a source");
    assert_eq!(
        (named.name, named.place),
        (Some("web-1".into()), ssh(None, "a", None).expect("ssh"))
    );
    for (wrong, why) in [
        ("", AddressError::Empty),
        ("x=", AddressError::Empty),
        ("ssh://", AddressError::Ssh),
        ("ssh://-oProxyCommand=id", AddressError::Ssh),
        ("ssh://-l@a", AddressError::Ssh),
        ("ssh://a b", AddressError::Ssh),
        ("ssh://a;id", AddressError::Ssh),
        ("ssh://a:port", AddressError::Ssh),
        ("ssh://a:65536", AddressError::Ssh),
        ("ssh://user:secret@a", AddressError::Password),
        ("http://user:secret@a/", AddressError::Password),
        ("http://", AddressError::Http),
        ("ftp://a", AddressError::Scheme),
    ] {
        assert_eq!(place(wrong), Err(why), "{wrong}");
    }
}

#[test]
fn ssh_is_asked_for_nothing_but_the_stream() {
    let host = SshHost {
        user: Some("root".to_owned()),
        host: "gateway".to_owned(),
        port: Some(2222),
    };
    let mut settings = SshSettings {
        path: "/opt/my tools/ctpulse".to_owned(),
        arguments: ["stream", "--netns", "a b"].map(str::to_owned).into(),
        sudo: true,
        copy: false,
        options: vec!["IdentityFile=key".to_owned()],
    };
    let arguments = ssh_arguments(&host, &settings).join(" ");
    assert!(
        arguments.starts_with("-T -o BatchMode=yes -o IdentityFile=key -o "),
        "{arguments}"
    );
    assert!(
        arguments.ends_with("-p 2222 -l root -- gateway"),
        "{arguments}"
    );
    assert_eq!(
        remote_command(&settings, None),
        "sudo -n '/opt/my tools/ctpulse' stream --netns 'a b'"
    );
    settings.copy = true;
    let script = remote_command(&settings, Some(1234));
    assert!(script.starts_with("sh -c '"), "{script}");
    for part in [
        "umask 077",
        "rm -rf",
        "head -c 1234",
        "sudo -n \"$d/ctpulse\" stream --netns",
    ] {
        assert!(script.contains(part), "{part}: {script}");
    }
}
