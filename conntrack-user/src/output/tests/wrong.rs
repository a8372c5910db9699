//! Counts that a check proves wrong are marked in every format, and each change is reported once.

use super::{
    formats::{LARGE, SMALL, TestResult, as_csv, as_json, as_text},
    records::{burst, check, crosscheck, hello, not_comparable, probes_on, summary},
    samples::{busy, idle, per_counter},
};
use crate::{
    model::{
        kernel::{counters::Counter, per_counter::PerCounter},
        record::{Check, PerCpu, Record, Sample, Skew, Verdict},
    },
    output::{
        Sink,
        text::{Numbers, Selection, TextSink, View},
    },
    text::Text,
};

const DELETE_LIST: &str = "breaks list_balance (the probes counted 0; at least 31990)";
const NEW: &str =
    "breaks packets_balance (the probes counted 800; at least 900, if inserted is right)";

fn wrong(sample: Sample, counters: &[(Counter, &'static str)]) -> Record {
    let wrong = per_counter(counters);
    Record::Sample(Box::new(Sample {
        verdict: Some(Verdict::Mismatch),
        wrong: PerCounter::from_fn(|spec| wrong.get(spec.id).map(|reason| Text::fixed(reason))),
        ..sample
    }))
}

fn broken() -> Vec<Check> {
    let by_laws = |name, probe, reason: &str| Check {
        verdict: Verdict::Mismatch,
        ..not_comparable(name, probe, reason)
    };
    vec![
        check("list_balance", -31_990, [-8, 0], Verdict::Mismatch),
        by_laws("delete_list", 0, DELETE_LIST),
        check("packets_balance", -100, [0, 0], Verdict::Mismatch),
        by_laws("new", 800, NEW),
        check("expect_new", 1, [2, 2], Verdict::Mismatch),
    ]
}

fn run() -> Vec<Record> {
    vec![
        hello(probes_on()),
        Record::Sample(Box::new(idle())),
        wrong(idle(), &[(Counter::DeleteList, DELETE_LIST)]),
        crosscheck(0, broken().drain(..2).collect()),
        wrong(
            busy(),
            &[(Counter::DeleteList, DELETE_LIST), (Counter::New, NEW)],
        ),
        crosscheck(100, broken()),
        burst(),
        wrong(busy(), &[(Counter::New, NEW)]),
        Record::Sample(Box::new(idle())),
        wrong(busy(), &[(Counter::New, NEW)]),
        Record::Sample(Box::new(Sample {
            verdict: None,
            ..idle()
        })),
        summary(broken()),
    ]
}

#[test]
fn in_text() -> TestResult {
    insta::assert_snapshot!("wrong_text_80x24", as_text(SMALL, &run())?);
    insta::assert_snapshot!("wrong_text_200x50", as_text(LARGE, &run())?);
    Ok(())
}

#[test]
fn in_csv() -> TestResult {
    insta::assert_snapshot!("wrong_csv", as_csv(&run())?);
    Ok(())
}

#[test]
fn in_json_sources_keep_saying_probe() -> TestResult {
    let (_, value) = as_json(wrong(busy(), &[(Counter::DeleteList, DELETE_LIST)]))?;
    assert_eq!(
        value["wrong"],
        serde_json::json!({ "delete_list": DELETE_LIST })
    );
    let changes = "netfilter.conntrack_changes";
    assert_eq!(value["sources"][changes]["delete_list"], "probe");
    assert_eq!(value["charts"][changes]["delete_list"], 1_234_000.0);
    let (line, _) = as_json(Record::Sample(Box::new(busy())))?;
    assert!(!line.contains("wrong"), "{line}");
    Ok(())
}

/// The kernel counts it too, and right: only what comes from probes is marked.
#[test]
fn a_rate_of_the_kernel_s_own_is_not_marked() -> TestResult {
    let records = [
        hello(probes_on()),
        wrong(
            busy(),
            &[(Counter::Drop, "the probes counted 1, the kernel 2")],
        ),
    ];
    let text = as_text(LARGE, &records)?;
    assert!(text.contains(" 123k "), "{text}");
    assert!(!text.contains("123k!"), "{text}");
    assert!(
        text.contains("! drop is wrong: the probes counted 1, the kernel 2"),
        "{text}"
    );
    let csv = as_csv(&records)?;
    assert!(
        csv.contains(",123456,") && csv.ends_with(",drop\n"),
        "{csv}"
    );
    Ok(())
}

#[test]
fn with_all_digits_and_by_cpu() -> TestResult {
    let per_cpu = PerCpu {
        cpus: Some(vec![0, 1]),
        unknown: None,
        rates: PerCounter::from_fn(|spec| (spec.id == Counter::New).then(|| vec![81_000.0, 250.0])),
        totals: PerCounter::default(),
        skew: PerCounter::from_fn(|spec| {
            (spec.id == Counter::New).then_some(Skew {
                busiest: 0,
                share: 99.7,
                ratio: 2.0,
            })
        }),
    };
    let sample = Sample {
        per_cpu: Some(per_cpu),
        ..busy()
    };
    let names = "time,new.new,new.new.peak,changes.deleted,check";
    let columns = names.split(',').map(str::parse);
    let view = View {
        selection: Selection::Columns(columns.collect::<Result<_, _>>()?),
        numbers: Numbers::Exact,
        ..View::default()
    };
    let mut out = Vec::new();
    let mut text = TextSink::new(&mut out, LARGE, view);
    for record in [hello(probes_on()), wrong(sample, &[(Counter::New, NEW)])] {
        text.write(&record)?;
    }
    drop(text);
    insta::assert_snapshot!("wrong_exact", String::from_utf8(out)?);
    Ok(())
}
