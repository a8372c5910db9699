//! What a browser shows of the bursts and top talkers of `fixtures/recordings/bursts-6.12.ctp`, which was
//! recorded in a guest.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use jiff::Timestamp;
use serde_json::Value;

use crate::{
    driver::Browser,
    report::{BUCKET_US, Page, ctpulse, data, view},
};

/// Where new connections are drawn.
const NEW: &str = r#"document.querySelector('figure[data-chart="1"]')"#;

fn recording() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/recordings/bursts-6.12.ctp")
}

/// The records of a type, from `replay`.
fn records(kind: &str) -> Result<Vec<Value>> {
    let recording = recording();
    let recording = recording.to_str().context("the path is no UTF-8")?;
    let mut records = Vec::new();
    for line in ctpulse(&["replay", recording, "--format", "json"])?.lines() {
        let record: Value = serde_json::from_str(line)?;
        if record["type"] == kind {
            records.push(record);
        }
    }
    ensure!(!records.is_empty(), "the recording has no {kind}");
    Ok(records)
}

fn time(record: &Value, name: &str) -> Result<Timestamp> {
    Ok(record[name].as_str().context("a time is text")?.parse()?)
}

#[test]
fn every_recorded_burst_is_listed_and_can_be_jumped_to() -> Result<()> {
    let page = Page::of(&recording(), &[])?;
    let browser = Browser::start(1200)?;
    page.open(&browser)?;
    let bursts = records("burst")?;
    let listed = browser.script(
        "return [...document.querySelectorAll('.burst-row')].map((row) => [...row.cells].map((cell) => cell.innerText))",
    )?;
    let listed: Vec<[String; 8]> = serde_json::from_value(listed)?;
    let origin = data(&browser)?["origin"].as_f64().context("origin")?;
    let from_origin = |time: Timestamp| time.as_microsecond() as f64 - origin;
    // Bursts of several counters at one time are one band.
    let mut spans = Vec::<[f64; 2]>::new();
    for burst in &bursts {
        let mut span = [time(burst, "start")?, time(burst, "end")?].map(from_origin);
        spans.retain(|other| {
            let apart = other[1] < span[0] || span[1] < other[0];
            if !apart {
                span = [span[0].min(other[0]), span[1].max(other[1])];
            }
            apart
        });
        spans.push(span);
    }
    for burst in &bursts {
        let [start, end] = [time(burst, "start")?, time(burst, "end")?];
        let counter = burst["counter"].as_str().context("counter")?;
        // Rows are in order of time, and begin with the first of their bursts.
        let time = start.strftime("%H:%M:%S%.3f").to_string();
        let at = listed.iter().rposition(|row| row[0] <= time);
        let at = at.with_context(|| format!("{time} is not listed: {listed:?}"))?;
        let [_, _, cause, events, _, _, effects, _] = &listed[at];
        let effect = format!("{counter} {}, peak ", burst["count"]);
        let count = burst["count"].as_u64().context("count")?;
        let is_cause = cause == counter && events.parse() == Ok(count);
        assert!(
            is_cause || effects.lines().any(|line| line.starts_with(&effect)),
            "{effect:?} is not in {:?}",
            listed[at]
        );
        browser.script("document.documentElement.dataset.drawn = ''")?;
        browser.script(&format!(
            "document.querySelectorAll('.burst-row')[{at}].querySelector('button').click()"
        ))?;
        browser.wait_for("burst", "document.documentElement.dataset.drawn")?;
        let [from, to] = view(&browser)?;
        let [start, end] = [start, end].map(from_origin);
        assert!(from <= start && end <= to, "{from} {start} {end} {to}");

        // The band that marks it, as far as it is in view, from its edges back to times; it is at
        // least 1.5 wide, else to 0.1.
        let span = spans.iter().find(|span| span[0] <= start && end <= span[1]);
        let [start, end] = span.context("a span")?.map(|edge| edge.clamp(from, to));
        let bands = browser.script(&format!(
            "const width = {NEW}.querySelector('svg').viewBox.baseVal.width - 58;
             return [...{NEW}.querySelectorAll('rect.burst')].map((band) => {{
               const x = +band.getAttribute('x') - 48;
               return [x / width, (x + +band.getAttribute('width')) / width, 2 / width];
             }})"
        ))?;
        let bands: Vec<[f64; 3]> = serde_json::from_value(bands)?;
        let marked = bands.iter().any(|&[left, right, column]| {
            let [left, right] = [left, right].map(|share| from + share * (to - from));
            let off = BUCKET_US.min(column * (to - from));
            (left - start).abs() <= off && (right - end).abs() <= off
        });
        assert!(marked, "no band from {start} to {end}: {bands:?}");
    }
    // Each is listed once.
    let effects = listed.iter().map(|row| row[6].lines().count());
    assert_eq!(listed.len() + effects.sum::<usize>(), bursts.len());
    // What set it off is first: flows arrived; those of the third found the table full; then `conntrack -F`.
    let causes: Vec<&str> = listed.iter().map(|row| row[2].as_str()).collect();
    assert_eq!(causes, ["new", "new", "new", "delete_list", "new"]);
    assert!(listed[2][6].contains("early_drop 540"), "{:?}", listed[2]);
    Ok(())
}

#[test]
fn the_top_talkers_are_those_of_the_closing_record() -> Result<()> {
    let page = Page::of(&recording(), &[])?;
    let browser = Browser::start(1200)?;
    page.open(&browser)?;
    let mut expected = BTreeMap::<[String; 2], Vec<[String; 3]>>::new();
    for top in records("top")? {
        if top["closing"] != true {
            continue;
        }
        for table in top["tables"].as_array().context("tables")? {
            let name = |key: &str| table[key].as_str().unwrap_or_default().to_owned();
            for row in table["rows"].as_array().context("rows")? {
                expected.entry([name("by"), name("of")]).or_default().push([
                    row["key"].as_str().context("key")?.to_owned(),
                    format!("{} of {}", row["count"], table["total"]),
                    format!("{:.1} %", row["share"].as_f64().context("share")?),
                ]);
            }
        }
    }
    for by in ["new", "dropped", "evicted"] {
        assert!(
            expected.keys().any(|[of, _]| of == by),
            "no top talkers by {by}"
        );
    }
    let rows = browser.script(
        "const heading = [...document.querySelectorAll('h3')].find((h3) => h3.textContent === 'Top talkers');
         return [...heading.closest('details').querySelectorAll('tbody tr')].map((row) => [...row.cells].map((cell) => cell.textContent))",
    )?;
    let rows: Vec<[String; 7]> = serde_json::from_value(rows)?;
    let mut shown = BTreeMap::<[String; 2], Vec<[String; 3]>>::new();
    let mut table = Default::default();
    for [by, of, _, who, count, share, _] in rows {
        // Named in the first row of each.
        if !by.is_empty() {
            table = [by, of];
        }
        shown
            .entry(table.clone())
            .or_default()
            .push([who, count, share]);
    }
    assert_eq!(shown, expected);
    Ok(())
}
