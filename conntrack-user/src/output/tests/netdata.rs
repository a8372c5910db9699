//! What Netdata gets of records.

use super::{
    formats::TestResult,
    records::{burst, hello, probes_on},
    samples::{blind, busy, idle, per_counter, unprobed},
};
use crate::{
    model::{
        kernel::{counters::Counter, per_counter::PerCounter},
        record::{Hello, Instance, Percentiles, Record, Sample},
    },
    output::{
        Sink,
        netdata::{Ids, Netdata, health},
    },
    text::Text,
};

/// The lines for records that come in these batches, one a tick.
fn written(ids: Ids, batches: &[&[Record]]) -> Result<String, Box<dyn std::error::Error>> {
    let mut out = Vec::new();
    let mut sink = Netdata::new(&mut out, ids, 1);
    for batch in batches {
        for record in *batch {
            sink.write(record)?;
        }
        sink.flush()?;
    }
    Ok(String::from_utf8(out)?)
}

fn record(sample: Sample) -> Record {
    Record::Sample(Box::new(sample))
}

/// A busy second, with the distribution of its milliseconds.
fn whole_second() -> Sample {
    let percentiles = Percentiles {
        p50: 70_000.0,
        p90: 90_000.0,
        p99: 120_162.5,
        p999: 1_625_000.0,
        max: 1_625_000.0,
        dispersion: None,
    };
    Sample {
        interval_s: 1.000_25,
        histograms: Some(per_counter(&[(Counter::New, percentiles)])),
        ..busy()
    }
}

/// The words of a line as Netdata takes them apart: spaces and `=` separate them, quotes keep them together, and a backslash hides
/// what follows it from both.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut chars = line.chars().peekable();
    let is_space = |c: char| c == ' ' || c == '\t' || c == '=';
    loop {
        while chars.next_if(|c| is_space(*c)).is_some() {}
        let quote = chars.next_if(|c| *c == '\'' || *c == '"');
        if quote.is_none() && chars.peek().is_none() {
            return words;
        }
        let mut word = String::new();
        while let Some(c) = chars.next() {
            match quote {
                _ if c == '\\' => word.extend(chars.next()),
                Some(quote) if c == quote => break,
                None if is_space(c) => break,
                _ => word.push(c),
            }
        }
        words.push(word);
    }
}

/// Requires that every line is one of the protocol, with as many words as it has, and that values are set of what was defined.
#[track_caller]
pub(super) fn follows_the_protocol(text: &str) {
    let mut chart: Option<String> = None;
    let mut defined = std::collections::HashSet::new();
    for line in text.lines() {
        let words = words(line);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        match words[..] {
            [] | ["CLABEL_COMMIT"] => {}
            [
                "CHART",
                id,
                "",
                _,
                _,
                _,
                context,
                "line",
                priority,
                _,
                "" | "obsolete",
                _,
                _,
            ] => {
                assert!(id.starts_with(context), "{line}");
                assert!(priority.parse::<u32>().is_ok(), "{line}");
                chart = Some(id.to_owned());
            }
            ["CLABEL", "netns", _, "1"] => {}
            ["DIMENSION", name, "", "absolute", "1" | "-1", "1000", ""] => {
                defined.insert((chart.clone(), name.to_owned()));
            }
            ["BEGIN", id] => chart = Some(id.to_owned()),
            ["BEGIN", id, since] => {
                assert!(since.parse::<u128>().is_ok(), "{line}");
                chart = Some(id.to_owned());
            }
            ["SET", name] => assert!(
                defined.contains(&(chart.clone(), name.to_owned())),
                "{line}"
            ),
            ["SET", name, value] => {
                assert!(
                    defined.contains(&(chart.clone(), name.to_owned())),
                    "{line}"
                );
                assert!(value.parse::<i64>().is_ok(), "{line}");
            }
            [
                "VARIABLE",
                "HOST" | "CHART",
                "netfilter_conntrack_max",
                value,
            ] => {
                assert!(value == "nan" || value.parse::<u64>().is_ok(), "{line}");
            }
            ["END"] => chart = None,
            _ => panic!("not of the protocol: {line:?}"),
        }
    }
}

#[test]
fn netdata_of_a_run() -> TestResult {
    let text = written(
        Ids::Own,
        &[
            &[hello(probes_on()), record(whole_second())],
            &[burst(), record(whole_second()), burst()],
            &[record(idle())],
        ],
    )?;
    follows_the_protocol(&text);
    insta::assert_snapshot!(text);
    Ok(())
}

#[test]
fn netdata_with_the_ids_of_its_own_collector() -> TestResult {
    let text = written(
        Ids::Netdata,
        &[&[hello(probes_on()), record(whole_second())]],
    )?;
    follows_the_protocol(&text);
    insta::assert_snapshot!(text);
    Ok(())
}

/// The value that is set of a dimension of a chart in each of its points.
fn values<'a>(text: &'a str, chart: &str, dimension: &str) -> Vec<&'a str> {
    let mut inside = false;
    let mut values = Vec::new();
    for line in text.lines() {
        if let Some(begun) = line.strip_prefix("BEGIN ") {
            inside = begun.split(' ').next() == Some(chart);
        }
        let set = line
            .strip_prefix("SET ")
            .and_then(|set| set.split_once(" ="));
        if let Some((name, value)) = set
            && inside
            && name == dimension
        {
            values.push(value.trim_start());
        }
    }
    values
}

#[test]
fn what_is_unavailable_is_a_gap() -> TestResult {
    let batches: &[&[Record]] = &[
        &[hello(probes_on()), record(unprobed())],
        &[record(whole_second())],
        &[record(blind())],
        &[record(unprobed())],
    ];
    let text = written(Ids::Own, batches)?;
    follows_the_protocol(&text);
    // Nothing at all was known in the third second, and no probe counted in the fourth.
    assert_eq!(
        values(&text, "ctpulse.conntrack_new", "invalid"),
        ["0", "2500", "0"]
    );
    assert_eq!(
        values(&text, "ctpulse.conntrack_new", "new"),
        ["81250000", ""]
    );
    assert_eq!(
        values(&text, "ctpulse.conntrack_new_peak", "new"),
        ["1625000000"]
    );
    assert_eq!(values(&text, "ctpulse.conntrack_bursts", "new"), ["0"]);
    // No kernel of these samples counts it.
    assert!(!text.contains("searched"), "{text}");
    // After a gap Netdata looks at its own clock.
    let begun = text
        .lines()
        .filter(|line| line.starts_with("BEGIN ctpulse.conntrack_sockets"));
    let since: Vec<usize> = begun.map(|line| line.split(' ').count()).collect();
    assert_eq!(since, [2, 3, 2]);
    Ok(())
}

#[test]
fn what_a_check_proves_wrong_is_a_gap() -> TestResult {
    let wrong = Sample {
        wrong: PerCounter::from_fn(|spec| {
            (spec.id == Counter::New).then(|| "counted twice".into())
        }),
        ..whole_second()
    };
    let text = written(
        Ids::Own,
        &[
            &[hello(probes_on()), record(whole_second())],
            &[record(wrong)],
        ],
    )?;
    for chart in ["new", "new_peak", "new_p99", "bursts"] {
        let chart = format!("ctpulse.conntrack_{chart}");
        let values = values(&text, &chart, "new");
        let known = values.iter().filter(|value| !value.is_empty());
        assert_eq!(known.count(), 1, "{chart}: {values:?}");
    }
    let inserted = values(&text, "ctpulse.conntrack_changes", "inserted");
    assert_eq!(inserted, ["81240000", "81240000"]);
    Ok(())
}

/// The hello of a run that watches these namespaces.
fn watching(names: &[&str]) -> Record {
    let Record::Hello(hello) = hello(probes_on()) else {
        unreachable!("a hello")
    };
    let instances = names
        .iter()
        .zip(4_026_531_840..)
        .map(|(name, netns)| Instance {
            name: Text::from((*name).to_owned()),
            netns: Some(netns),
            host: None,
            workload: None,
        });
    Record::Hello(Box::new(Hello {
        instances: instances.collect(),
        ..*hello
    }))
}

fn of_namespace(name: &str) -> Record {
    record(Sample {
        instance: Text::from(name.to_owned()),
        ..unprobed()
    })
}

#[test]
fn each_namespace_has_charts_of_its_own() -> TestResult {
    let long = "ü".repeat(120);
    let names = ["self", "router", "a b", "a.20.b", "it's \"\\\n", &long];
    let mut first = vec![watching(&names)];
    first.extend(names.iter().map(|name| of_namespace(name)));
    let text = written(Ids::Own, &[&first, &[watching(&["self"])]])?;
    follows_the_protocol(&text);
    let entries: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("CHART ctpulse.conntrack_sockets"))
        .collect();
    insta::assert_snapshot!(entries.join("\n"));
    // A limit of another namespace is none of the host.
    assert_eq!(text.matches("VARIABLE HOST").count(), 1);
    assert_eq!(text.matches("VARIABLE CHART").count(), names.len());
    Ok(())
}

#[test]
fn the_alert_is_that_of_the_table() {
    insta::assert_snapshot!(health(Ids::Netdata));
}
