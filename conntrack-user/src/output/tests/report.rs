//! Tests of the report's HTML: its contents, and that text of records is escaped. Its appearance and behaviour are tested in a
//! browser.

use crate::{
    model::{
        kernel::{charts::CHARTS, counters::Counter},
        record::{Record, Verdict},
        report::{Builder, RecordingReport},
        verdict::Completion,
    },
    output::report::page,
};
use serde_json::{Value, json};

/// Hostile text for every name and text from outside.
const HOSTILE: &str = "</script><img src=x onerror=alert(1)>\"'&\u{202e}";

fn record(value: Value) -> Record {
    serde_json::from_value(value).expect("a record")
}

fn hello(name: &str) -> Record {
    record(json!({
        "type": "hello", "schema": 1, "version": "0.1.0", "kernel": "6.12.117", "hostname": name,
        "interval_ms": 100.0,
        "probes": {"mode": "kprobe", "group": "flow", "attached": ["nf_conntrack_free"], "missing": []},
        "instances": [{"name": name, "netns": 4_026_531_840_u32}],
        "unavailable": {"ignore": "not counted by the kernel since 5.10", "searched": name},
    }))
}

/// A sample that ends so many tenths of a second after the start.
fn sample(name: &str, tenth: u32, buckets: &Value) -> Record {
    let dimensions = |value: &dyn Fn(&str) -> Value| -> Value {
        let charts = CHARTS.iter().map(|chart| {
            let dimensions = chart
                .dimensions
                .iter()
                .map(|d| (d.name.to_owned(), value(d.name)));
            (chart.name.to_owned(), Value::Object(dimensions.collect()))
        });
        Value::Object(charts.collect())
    };
    let dead = |name: &str| ["ignore", "searched"].contains(&name);
    record(json!({
        "type": "sample", "time": format!("2026-01-02T03:04:05.{tenth}00000Z"), "interval_s": 0.1,
        "instance": name, "entries": 1500 + tenth, "max": 8192, "utilization": 18.3,
        "charts": dimensions(&|name| match name {
            "connections" => json!(1500.0),
            name if dead(name) => Value::Null,
            "new" | "inserted" => json!(70.0),
            _ => json!(0.0),
        }),
        "sources": dimensions(&|name| match name {
            name if dead(name) => json!("unavailable"),
            "new" | "inserted" => json!("probe"),
            _ => json!("proc"),
        }),
        "counters": {"new": 7},
        "peaks": {"new": {"rate": 4768.4, "window_ms": 1.048576, "at": "2026-01-02T03:04:05.050000Z"}},
        "buckets": buckets,
        "alerts": {"netfilter_conntrack_full":
            {"status": "CLEAR", "value": 18.3, "notified": "CLEAR", "notify_at": null}},
        "verdict": "exact",
    }))
}

fn report(name: &str) -> RecordingReport {
    let new =
        json!({"start": "2026-01-02T03:04:05.050000Z", "width_ms": 1.048576, "counts": [2, 0, 5]});
    let mut records = vec![hello(name), sample(name, 1, &json!({"new": new}))];
    let others = [
        json!({"type": "crosscheck", "time": "2026-01-02T03:04:05.1Z", "instance": name, "checks": [
            {"name": "entries_balance", "probe": 7, "kernel_low": 7, "kernel_high": 7, "residual": 0,
             "verdict": "exact", "reason": null},
            {"name": "new", "probe": 7, "kernel_low": null, "kernel_high": null, "residual": null,
             "verdict": "not_comparable", "reason": name}]}),
        json!({"type": "event", "time": "2026-01-02T03:04:05.06Z", "instance": name, "kind": name, "tuple":
            {"family": "ipv4", "proto": "udp", "src": "10.0.0.1", "sport": 1, "dst": "10.0.0.2", "dport": 53}}),
        json!({"type": "alert", "time": "2026-01-02T03:04:05.1Z", "instance": name, "name": name,
            "status": "WARNING", "value": 92.3, "unit": "%", "previous": "CLEAR"}),
        json!({"type": "burst", "instance": name, "counter": "new", "start": "2026-01-02T03:04:05.05Z",
            "end": "2026-01-02T03:04:05.053146Z", "duration_ms": 3.146, "count": 7, "peak_rate": 4768.4,
            "window_ms": 1.048576}),
        json!({"type": "top", "time": "2026-01-02T03:04:05.1Z", "instance": name, "window_s": 10.0, "tables": [
            {"by": "new", "of": "src", "total": 7, "error": 0, "rows": [
                {"key": "10.0.0.1", "count": 6, "share": 85.7, "process": name}, {"key": name, "count": 1}]}]}),
        json!({"type": "summary", "duration_s": 0.2, "events": {}, "instances": [{"name": name, "totals": {},
            "crosscheck": [], "missed": 0, "lost_events": 0, "buckets_lost_ms": 0.0, "histograms": {},
            "lifetimes": {"count": 5, "unknown": 2, "p50_s": 0.0012, "p90_s": 30.2, "p99_s": 30.2,
                "p999_s": 30.2, "max_s": 30.2},
            "latency": {
                "confirm": {"count": null, "p50_us": null, "p90_us": null, "p99_us": null,
                    "p999_us": null, "max_us": null, "reason": name},
                "early_drop": {"count": 0, "p50_us": null, "p90_us": null, "p99_us": null,
                    "p999_us": null, "max_us": null}}}]}),
    ];
    records.extend(others.map(record));
    records.push(sample(name, 2, &json!({})));
    let mut builder = with_verdicts(&records);
    builder.note(name.to_owned());
    builder.finish().expect("there are samples")
}

/// The records, with the verdicts that belong to them.
fn with_verdicts(records: &[Record]) -> Builder {
    let mut builder = Builder::default();
    let mut completion = Completion::default();
    for next in records.iter().map(Some).chain([None]) {
        for made in completion.before(next) {
            builder.add(&made);
        }
        next.into_iter().for_each(|record| builder.add(record));
    }
    builder
}

/// The visible part of the page, without its style, script and data.
fn shown(page: &str) -> &str {
    let from = page.find("<body>").unwrap_or_default();
    let to = page.find("<script type=").unwrap_or(page.len());
    &page[from..to]
}

#[test]
fn contents() {
    insta::assert_snapshot!(shown(&page(&report("self"), "conntrack on gateway")));
}

#[test]
fn what_the_script_draws_from() {
    let page = page(&report("self"), "conntrack on gateway");
    let data = page
        .split("id=\"data\">")
        .nth(1)
        .unwrap()
        .split("</script>")
        .next()
        .unwrap();
    let data: Value = serde_json::from_str(data).unwrap();
    let new = &data["instances"][0]["charts"][1][0];
    // 50 ms after the origin, and the second bucket after that.
    assert_eq!(new["phase"], 50_000);
    assert_eq!(new["cells"], json!([[0, 2, 2], [2, 5, 5]]));
    assert_eq!(new["steps"], json!([[0.0, 2e5, 0.0, 0.0]]));
    let entries = &data["instances"][0]["charts"][0][0];
    assert_eq!(
        entries["steps"],
        json!([[0.0, 1e5, 1500.0, 1500.0], [1e5, 1e5, 1500.0, 1500.0]])
    );
    assert_eq!(data["instances"][0]["bursts"], json!([[50_000, 53_146]]));
    assert_eq!(
        data["instances"][0]["alerts"],
        json!([[100_000, "warn", "self WARNING"]])
    );
    assert_eq!(data["to"], 200_000);
}

#[test]
fn bursts_of_several_counters_make_one_band() {
    let mut builder = Builder::default();
    builder.add(&hello("self"));
    builder.add(&sample("self", 1, &json!({})));
    for (counter, start, end) in [
        ("new", "05.05Z", "05.053Z"),
        ("inserted", "05.0505Z", "05.054Z"),
        ("deleted", "05.06Z", "05.061Z"),
        ("delete_list", "05.0601Z", "05.0605Z"),
    ] {
        builder.add(&record(
            json!({"type": "burst", "instance": "self", "counter": counter,
            "start": format!("2026-01-02T03:04:{start}"), "end": format!("2026-01-02T03:04:{end}"),
            "duration_ms": 3.0, "count": 7, "peak_rate": 4768.4, "window_ms": 1.048576}),
        ));
    }
    let report = builder.finish().expect("there are samples");
    assert_eq!(
        report.burst_spans(&report.instances[0]),
        [(50_000, 54_000), (60_000, 61_000)]
    );
}

#[test]
fn hostile_names_stay_names() {
    let page = page(&report(HOSTILE), HOSTILE);
    assert!(!page.contains("<img"), "a tag");
    assert_eq!(
        page.matches("</script>").count(),
        2,
        "the page's own two scripts"
    );
    assert!(!page.contains('\u{202e}'), "text turned around");
    assert!(page.contains("&lt;img src=x onerror=alert(1)&gt;"));
}

/// The fact with this name: its class, value and text.
fn fact(page: &str, name: &str) -> [String; 3] {
    let between = |text: &str, from: &str, to: &str| {
        let rest = text.split_once(from).map_or("", |(_, rest)| rest);
        rest.split(to).next().unwrap_or_default().to_owned()
    };
    let facts = page.split("<div class=\"fact ");
    let mut found = facts.filter(|fact| fact.contains(&format!("<dt>{name}</dt>")));
    let fact = found.next().expect("every fact is there");
    [
        fact.split('"').next().unwrap_or_default().to_owned(),
        between(fact, "<b>", "</b>"),
        between(fact, "</b> ", "</dd>"),
    ]
}

/// The page of a hello, a sample, and these.
pub(super) fn page_with(records: &[Record]) -> String {
    let mut builder = Builder::default();
    builder.add(&hello("self"));
    builder.add(&sample("self", 1, &json!({})));
    for record in records {
        builder.add(record);
    }
    page(&builder.finish().expect("there is a sample"), "t")
}

/// The page of a hello and one sample.
fn page_of(probes: &Value, change: impl FnOnce(&mut crate::model::record::Sample)) -> String {
    let (Record::Hello(mut hello), Record::Sample(mut sample)) =
        (hello("self"), sample("self", 1, &json!({})))
    else {
        panic!("a hello and a sample")
    };
    hello.probes = serde_json::from_value(probes.clone()).expect("probes");
    change(&mut sample);
    let mut builder = Builder::default();
    builder.add(&Record::Hello(hello));
    builder.add(&Record::Sample(sample));
    page(&builder.finish().expect("there is a sample"), "t")
}

#[test]
fn no_events_are_good_news_only_where_they_would_have_been_seen() {
    let all = json!({"mode": "kprobe", "group": "all", "attached": [], "missing": []});
    let seen = page_of(&all, |_| {});
    assert_eq!(
        fact(&seen, "Events"),
        ["fine", "0", "nothing dropped, evicted or refused was seen"]
    );

    let off = json!({"mode": "off", "group": "off", "reason": "no kprobes", "attached": [], "missing": []});
    let [class, value, text] = fact(&page_of(&off, |sample| sample.verdict = None), "Events");
    assert_eq!((class.as_str(), value.as_str()), ("", "—"));
    assert_eq!(
        text,
        "only probes see events, and there were none: no kprobes; counted: drop 0, early_drop 0, insert_failed 0"
    );
    let [class, value, text] = fact(
        &page_of(&off, |sample| sample.verdict = None),
        "Cross-check",
    );
    assert_eq!((class.as_str(), value.as_str()), ("", "—"));
    assert_eq!(text, "nothing was compared: no kprobes");

    let missing = json!({"mode": "kprobe", "group": "flow", "attached": [],
        "missing": [{"function": "early_drop", "reason": "inlined <here>"}]});
    let page = page_of(&missing, |_| {});
    let [class, value, text] = fact(&page, "Events");
    assert_eq!((class.as_str(), value.as_str()), ("", "0"));
    assert!(
        text.contains("not all are seen of table_full, early_drop"),
        "{text}"
    );
    assert!(page.contains("table_full, early_drop (inlined &lt;here&gt;)"));
}

#[test]
fn functions_with_a_kprobe_instead_of_fentry_are_named() {
    let mut mixed = json!({"mode": "fentry", "group": "flow", "missing": [],
    "attached": ["early_drop", "nf_ct_destroy"], "by_kprobe": ["early_drop"], "functions": [
        {"function": "early_drop", "by": "kprobe", "reason": "refused <here>"},
        {"function": "nf_ct_destroy", "by": "fentry", "reason": null},
    ]});
    let page = page_of(&mixed, |_| {});
    assert!(page.contains("by fentry probes (group flow)"));
    assert!(page.contains("<p>By kprobe: early_drop (refused &lt;here&gt;).</p>"));
    // Recordings of before do not have the reason.
    mixed["functions"] = json!([]);
    assert!(page_of(&mixed, |_| {}).contains("<p>By kprobe: early_drop.</p>"));
}

#[test]
fn the_fullest_moment_is_coloured_by_the_recorded_alert() {
    use crate::model::{alert::AlertStatus, record::Sample};
    let probes = json!({"mode": "kprobe", "group": "flow", "attached": [], "missing": []});
    let of = |change: &dyn Fn(&mut Sample)| fact(&page_of(&probes, change), "Fullest");
    let held = |sample: &mut Sample, entries: u64| {
        sample.entries = Some(entries);
        sample.utilization = Some(entries as f64 * 100.0 / 8192.0);
    };
    // The thresholds are configured: 97 % is CLEAR, and 10 % is not.
    assert_eq!(of(&|sample| held(sample, 8000))[0], "fine");
    let [class, value, _] = of(&|sample| {
        held(sample, 820);
        sample.alerts.0[0].1.status = AlertStatus::Warning;
    });
    assert_eq!((class.as_str(), value.as_str()), ("warn", "10.0 %"));
    // Not evaluated is not CLEAR.
    let [class, _, text] = of(&|sample| {
        sample.alerts.0.clear();
        let why = "turned off in the configuration".into();
        sample
            .alerts_unavailable
            .0
            .push(("netfilter_conntrack_full".into(), why));
    });
    assert_eq!(class, "");
    assert!(
        text.ends_with("; the alert was not judged: turned off in the configuration"),
        "{text}"
    );
    // A full table is shown as full, also between two evaluations.
    let [class, value, text] = of(&|sample| held(sample, 8192));
    assert_eq!((class.as_str(), value.as_str()), ("bad", "100.0 %"));
    assert!(text.ends_with("; the table was full"), "{text}");
    // Nothing was read.
    let [class, value, _] = of(&|sample| {
        sample.entries = None;
        sample.utilization = None;
    });
    assert_eq!((class.as_str(), value.as_str()), ("", "—"));
}

#[test]
fn a_report_loads_nothing() {
    let page = page(&report("self"), "t");
    for asks in [
        "http:",
        "https:",
        "src=",
        "url(",
        "@import",
        "fetch(",
        "XMLHttpRequest",
        "import(",
    ] {
        let used = page.replace("http://www.w3.org/2000/svg", "");
        assert!(!used.contains(asks), "{asks}");
    }
    for handler in ["onclick=", "onerror=", " style="] {
        assert!(!page.contains(handler), "{handler}");
    }
}

#[test]
fn without_samples_there_is_no_report() {
    let mut builder = Builder::default();
    builder.add(&hello("self"));
    assert!(builder.finish().is_none());
}

#[test]
fn counts_that_were_wrong_are_marked_and_listed() {
    let new =
        json!({"start": "2026-01-02T03:04:05.050000Z", "width_ms": 1.048576, "counts": [2, 0, 5]});
    let mut builder = Builder::default();
    builder.add(&hello("self"));
    for tenth in 1..=3 {
        let mut record = sample("self", tenth, &json!({"new": new}));
        if let Record::Sample(sample) = &mut record
            && tenth == 2
        {
            let reason = "breaks packets_balance (the probes counted 7; at least 9)";
            sample.wrong.set(Counter::New, Some(reason.into()));
            sample.verdict = Some(Verdict::Mismatch);
        }
        builder.add(&record);
    }
    let report = builder.finish().expect("there are samples");
    let page = page(&report, "a recording");
    let [class, value, text] = fact(&page, "Do not trust");
    assert_eq!([class.as_str(), value.as_str()], ["bad", "new"]);
    assert_eq!(
        text,
        "new, first at 03:04:05.200: breaks packets_balance (the probes counted 7; at least 9)"
    );
    let marked = |line: &&str| line.contains("class=\"wrong\"");
    let rows: Vec<&str> = page.lines().filter(marked).collect();
    insta::assert_snapshot!("wrong_legend", rows.join("\n"));
    assert!(
        page.contains("<td data-column=\"counter\">new!</td>") && page.contains("4.77k!/s"),
        "{page}"
    );
    let data = page.split_once("<script type=\"application/json\" id=\"data\">");
    let (data, _) = data
        .and_then(|(_, data)| data.split_once("</script>"))
        .expect("data");
    let data: Value = serde_json::from_str(data).expect("JSON");
    let charts = &data["instances"][0]["charts"];
    assert_eq!([&charts[1][0]["mark"], &charts[2][0]["mark"]], ["!", ""]);
}

/// The sentences at the head of the section that is number `i`.
fn sentences(page: &str, i: usize) -> Vec<&str> {
    let section = page.split("<section ").nth(i + 1).unwrap_or_default();
    let verdict = section.split_once("<div class=\"verdict ");
    let verdict = verdict.and_then(|(_, verdict)| verdict.split_once("</div>"));
    let paragraphs = verdict.map_or("", |(verdict, _)| verdict).split("<p>");
    paragraphs
        .skip(1)
        .map(|paragraph| paragraph.split("</p>").next().unwrap_or_default())
        .collect()
}

#[test]
fn the_last_verdict_heads_each_section_and_the_worst_is_first() {
    let quiet = [sample("calm", 1, &json!({})), sample("calm", 2, &json!({}))];
    let mut full = Vec::new();
    for tenth in [1, 2] {
        let Record::Sample(mut sample) = sample("busy", tenth, &json!({})) else {
            panic!("a sample")
        };
        sample.entries = Some(8192);
        sample.utilization = Some(100.0);
        sample.alerts.0[0].1.status = crate::model::alert::AlertStatus::Critical;
        full.push(Record::Sample(sample));
    }
    let mut hello = hello("calm");
    if let Record::Hello(hello) = &mut hello {
        let mut busy = hello.instances[0].clone();
        busy.name = "busy".into();
        hello.instances.push(busy);
    }
    let [calm_1, calm_2] = quiet;
    let [full_1, full_2] = <[Record; 2]>::try_from(full).expect("two samples");
    let records = [hello, calm_1, full_1, calm_2, full_2];
    let report = with_verdicts(&records).finish().expect("there are samples");
    let page = page(&report, "t");
    let first = sentences(&page, 0);
    assert_eq!(first[0], "Table 100 % full (8192 of 8192) since 03:04:05.");
    assert!(page.contains("<div class=\"verdict bad\">"));
    assert!(
        sentences(&page, 1)[0].starts_with("Table 18.3 % full (max 8192)")
            || sentences(&page, 1)[0].starts_with("Table 18 % full (max 8192)")
    );
    let list = page
        .split_once("<nav class=\"namespaces\"")
        .expect("a list")
        .1;
    let (busy, calm) = (
        list.find("busy").expect("busy"),
        list.find("calm").expect("calm"),
    );
    assert!(busy < calm);
    assert!(list.contains("<li class=\"bad\"><a href=\"#i0\">busy</a> Table 100 % full"));
}

#[test]
fn charts_at_zero_are_named_in_one_line_and_unavailable_is_not_zero() {
    let zero = |sample: &mut crate::model::record::Sample| {
        sample.charts = serde_json::from_value(json!({
            "netfilter.conntrack_sockets": {"connections": 5.0},
            "netfilter.conntrack_expect": {"created": 0.0, "deleted": 0.0, "new": 0.0},
            "netfilter.conntrack_search": {"searched": null, "restarted": 0.0, "found": null},
        }))
        .expect("charts");
    };
    let off = json!({"mode": "off", "group": "off", "reason": "no kprobes", "attached": [], "missing": []});
    let page = page_of(&off, zero);
    let summary = page
        .split_once("<details class=\"folded\"><summary>")
        .expect("folded")
        .1;
    let summary = summary.split("</summary>").next().unwrap_or_default();
    insta::assert_snapshot!(summary);
    assert!(!summary.contains("Entries"), "entries are always a chart");
}

#[test]
fn counters_that_rose_together_are_one_row() {
    let mut records = vec![hello("self"), sample("self", 1, &json!({}))];
    for (counter, start, end, count) in [
        ("early_drop", "05.052Z", "05.060Z", 540),
        ("new", "05.05Z", "05.055Z", 463),
        ("deleted", "05.2Z", "05.201Z", 9),
    ] {
        records.push(record(
            json!({"type": "burst", "instance": "self", "counter": counter,
            "start": format!("2026-01-02T03:04:{start}"), "end": format!("2026-01-02T03:04:{end}"),
            "duration_ms": 3.0, "count": count, "peak_rate": 4768.4, "window_ms": 1.048576}),
        ));
    }
    let report = with_verdicts(&records).finish().expect("there are samples");
    let page = page(&report, "t");
    let rows: Vec<&str> = page
        .lines()
        .filter(|line| line.starts_with("<tr class=\"burst-row\">"))
        .collect();
    insta::assert_snapshot!(rows.join("\n"));
    assert!(page.contains("<h3>Bursts (2)</h3>"));
}
