//! The shape of a JSON stream: its order, its fields, its times.

use anyhow::{Context, Result, ensure};
use jiff::Timestamp;
use serde_json::Value;

use crate::{
    eras::CHARTS,
    program::{Ended, Running},
    tree::Tree,
};

/// A whole run over a still tree.
fn run(args: &[&str]) -> Result<Ended> {
    let tree = Tree::of("6.1/t0")?;
    let root = tree.root();
    let root = root.to_str().context("the path is no UTF-8")?;
    let fixed = ["stream", "--format", "json", "--proc-root", root];
    Running::start(&[&fixed[..], args].concat())?
        .wait()?
        .successful()
}

const SHORT: [&str; 4] = ["--interval", "20ms", "--duration", "300ms"];

#[test]
fn type_is_the_first_key_of_every_line() -> Result<()> {
    let ended = run(&SHORT)?;
    for line in &ended.lines {
        ensure!(line.starts_with(r#"{"type":""#), "{line}");
    }
    // Every line parses, and as one object.
    assert!(ended.records()?.iter().all(Value::is_object));
    assert_eq!(ended.stderr, "");
    Ok(())
}

#[test]
fn hello_comes_first_and_the_summary_last() -> Result<()> {
    let ended = run(&SHORT)?;
    let records = ended.records()?;
    let kinds: Vec<_> = records
        .iter()
        .filter_map(|record| record["type"].as_str())
        .collect();
    assert_eq!(kinds.first(), Some(&"hello"));
    assert_eq!(kinds.last(), Some(&"summary"));
    for once in ["hello", "summary"] {
        let times = kinds.iter().filter(|kind| **kind == once).count();
        assert_eq!(times, 1, "nothing changed: {once} once");
    }
    assert!(kinds.contains(&"sample"));
    Ok(())
}

#[test]
fn hello_says_what_is_watched_and_that_no_probe_is() -> Result<()> {
    // The tree may be another kernel's: asking for probes does not change that.
    for more in [&[][..], &["--probes", "flow"]] {
        let ended = run(&[&SHORT[..], more].concat())?;
        let hello = ended.of("hello")?.pop_front().context("no hello")?;
        assert_eq!(hello["schema"], 1);
        assert_eq!(hello["version"], env!("CARGO_PKG_VERSION"));
        assert_eq!(hello["kernel"], "6.1.192");
        assert_eq!(hello["interval_ms"].as_f64(), Some(20.0));
        assert!(hello["hostname"].is_string());
        assert_eq!(
            hello["instances"][0]["netns"],
            Value::Null,
            "no namespace of this host"
        );

        let probes = &hello["probes"];
        assert_eq!(
            (&probes["mode"], &probes["group"]),
            (&"off".into(), &"off".into())
        );
        assert_eq!(probes["attached"], Value::Array(Vec::new()));
        let reason = probes["reason"].as_str().context("no reason")?;
        assert!(reason.contains("--proc-root"), "{reason}");
        for missing in probes["missing"].as_array().context("missing is no list")? {
            assert!(
                missing["function"].is_string() && missing["reason"].is_string(),
                "{missing}"
            );
        }
    }
    Ok(())
}

#[test]
fn a_sample_has_the_contracts_fields_and_the_charts_in_order() -> Result<()> {
    let ended = run(&SHORT)?;
    let line = ended
        .lines
        .iter()
        .find(|line| line.contains(r#""sample""#))
        .context("no sample")?;
    let sample: Value = serde_json::from_str(line)?;
    for field in ["instance", "counters", "peaks"] {
        assert!(sample.get(field).is_some(), "{field}: {line}");
    }
    assert_eq!(sample["max"], 262_144);
    let utilization = sample["utilization"].as_f64().context("utilization")?;
    assert!(
        (utilization - 242_000.0 * 100.0 / 262_144.0).abs() < 1e-9,
        "{utilization}"
    );

    // In the text, because a parsed object has forgotten its order.
    let mut rest = line.as_str();
    for part in ["charts", "sources"] {
        rest = rest.split_once(&format!(r#""{part}":{{"#)).context(part)?.1;
        for (chart, dimensions) in CHARTS {
            let (before, after) = rest
                .split_once(&format!(r#""{chart}":{{"#))
                .context(chart)?;
            assert!(
                !before.contains("netfilter."),
                "a chart before {chart}: {before}"
            );
            let (inside, after) = after.split_once('}').context(chart)?;
            let names: Vec<_> = inside
                .split(',')
                .filter_map(|field| field.split(':').next())
                .map(|name| name.trim_matches('"'))
                .collect();
            assert_eq!(
                names,
                dimensions.iter().map(|(name, _)| *name).collect::<Vec<_>>()
            );
            rest = after;
        }
    }
    Ok(())
}

#[test]
fn times_are_utc_with_microseconds_and_rise() -> Result<()> {
    let before = Timestamp::now();
    let ended = run(&SHORT)?;
    let mut last = before;
    for sample in ended.of("sample")? {
        let text = sample["time"].as_str().context("no time")?;
        let (_, fraction) = text.split_once('.').with_context(|| text.to_owned())?;
        assert_eq!(fraction.len(), "000000Z".len(), "{text}");
        assert!(text.ends_with('Z'), "{text}");
        let time: Timestamp = text.parse()?;
        assert!(time >= last, "{text} after {last}");
        last = time;
        assert!(
            sample["interval_s"]
                .as_f64()
                .is_some_and(|interval| interval > 0.0),
            "{sample}"
        );
    }
    assert!(last <= Timestamp::now() && last > before);
    Ok(())
}

/// No moment between the first reading and the last is outside a sample.
#[test]
fn the_intervals_of_the_samples_fill_the_run() -> Result<()> {
    let ended = run(&SHORT)?;
    let samples = ended.of("sample")?;
    let intervals = samples.iter().map(|sample| sample["interval_s"].as_f64());
    let sum: f64 = intervals.sum::<Option<f64>>().context("no interval")?;
    let summary = ended.of("summary")?.pop_back().context("no summary")?;
    let duration = summary["duration_s"].as_f64().context("no duration")?;
    assert!(sum >= 0.3 && duration >= 0.3, "{sum} {duration}");
    Ok(())
}

#[test]
fn a_duration_shorter_than_the_interval_still_gives_a_sample() -> Result<()> {
    let ended = run(&["--interval", "1h", "--duration", "50ms"])?;
    assert_eq!(ended.of("sample")?.len(), 1);
    Ok(())
}

#[test]
fn a_summary_without_probes_claims_nothing_about_them() -> Result<()> {
    let summary = run(&SHORT)?
        .of("summary")?
        .pop_back()
        .context("no summary")?;
    let instance = &summary["instances"][0];
    assert_eq!(
        (&instance["missed"], &instance["lost_events"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(instance["crosscheck"], Value::Array(Vec::new()));
    assert_eq!(
        instance["histograms"],
        Value::Object(serde_json::Map::new())
    );
    Ok(())
}
