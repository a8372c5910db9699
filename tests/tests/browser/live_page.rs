//! The live page: what it shows of what is sent, and of what is not.

use std::{collections::BTreeMap, fs, path::Path, sync::mpsc, thread};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::{
    driver::Browser,
    layout::{BROKEN, WIDTHS},
    report::ctpulse,
    stage::{Served, Stage},
};

fn fixture(path: &str) -> String {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.join("fixtures").join(path).display().to_string()
}

/// The records of a recording, as they are sent.
pub(crate) fn records(name: &str) -> Result<Vec<Value>> {
    let text = ctpulse(&[
        "replay",
        &fixture(&format!("recordings/{name}")),
        "--format",
        "json",
    ])?;
    let records = text
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()?;
    Ok(records)
}

/// Without the end of the run, after which nothing comes.
pub(crate) fn unending(mut records: Vec<Value>) -> Vec<Value> {
    records.retain(|record| record["type"] != "summary");
    records
}

fn open(browser: &Browser, url: &str) -> Result<()> {
    browser.open(url)?;
    browser.wait_for("sample", "document.documentElement.dataset.drawn")
}

/// Waits until everything that was sent is shown.
pub(crate) fn wait_for_last(browser: &Browser, records: &[Value]) -> Result<()> {
    let last = records
        .iter()
        .rev()
        .find(|record| record["type"] == "sample");
    let time = last.context("no sample")?["time"]
        .as_str()
        .context("time")?;
    browser.wait_for(
        "last sample",
        &format!("document.documentElement.dataset.drawn === '{time}'"),
    )
}

/// The charts, in the order of the page.
const CHARTS: [&str; 6] = ["sockets", "new", "changes", "expect", "search", "errors"];

/// The numbers that the page shows now, by chart and dimension, and the moment that they are of.
const NOW: &str = "
    const values = {};
    for (const figure of document.querySelectorAll('figure'))
      for (const row of figure.querySelectorAll('tbody tr')) {
        const now = row.querySelector('.now');
        if (now) values[`${figure.dataset.chart} ${row.dataset.dimension}`] = [now.dataset.value, now.hidden ? '—' : now.textContent];
      }
    return [document.documentElement.dataset.drawn, values, document.querySelector('#facts').textContent]";

#[test]
fn the_page_has_the_numbers_of_the_stream() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let root = dir.path().join("proc");
    for file in [
        "net/stat/nf_conntrack",
        "sys/net/netfilter/nf_conntrack_count",
        "sys/net/netfilter/nf_conntrack_max",
        "sys/kernel/osrelease",
    ] {
        let to = root.join(file);
        fs::create_dir_all(to.parent().context("no parent")?)?;
        fs::copy(fixture(&format!("proc/6.1/t0/{file}")), to)?;
    }
    let served = Served::of(&root.display().to_string(), "200ms")?;
    let (sender, lines) = mpsc::channel();
    let stream = served.stream()?;
    thread::spawn(move || stream.for_each(|record| drop(sender.send(record))));
    let browser = Browser::start(1200)?;
    open(&browser, &served.url())?;
    // The kernel counts on.
    let stat = root.join("net/stat/nf_conntrack");
    fs::copy(fixture("proc/6.1/t1/net/stat/nf_conntrack"), &stat)?;
    let mut compared = 0;
    for _ in 0..5 {
        let (time, shown, facts): (String, BTreeMap<String, [String; 2]>, String) =
            serde_json::from_value(browser.script(NOW)?)?;
        let sample = lines
            .iter()
            .find(|record| record["type"] == "sample" && record["time"].as_str() >= Some(&time))
            .context("no such sample")?;
        ensure!(sample["time"] == time.as_str(), "{sample} is not of {time}");
        let charts = sample["charts"].as_object().context("charts")?;
        for (c, name) in CHARTS.iter().enumerate() {
            let dimensions = &charts[&format!("netfilter.conntrack_{name}")];
            for (dimension, value) in dimensions.as_object().context("dimensions")? {
                let [exact, text] = shown
                    .get(&format!("{c} {dimension}"))
                    .with_context(|| format!("{name} {dimension}"))?;
                match value.as_f64() {
                    Some(value) => {
                        ensure!(
                            exact.parse::<f64>()? == value,
                            "{name} {dimension}: {exact}, not {value}"
                        );
                        ensure!(text != "—" && !text.is_empty());
                        compared += 1;
                    }
                    None => ensure!(text == "—", "{name} {dimension}: {text}"),
                }
            }
        }
        ensure!(
            facts.contains(&format!(
                "{} of {} entries",
                sample["entries"], sample["max"]
            )),
            "{facts}"
        );
        browser.wait_for(
            "next sample",
            &format!("document.documentElement.dataset.drawn > '{time}'"),
        )?;
    }
    ensure!(compared > 30, "{compared}");
    let first = browser.script(
        "return [document.querySelector('.verdict p').textContent, document.body.dataset.state]",
    )?;
    let (verdict, state): (String, String) = serde_json::from_value(first)?;
    ensure!(
        verdict.starts_with("Table 9") && state == "live",
        "{verdict} {state}"
    );
    // Nothing else was asked for, nothing failed.
    assert_eq!(browser.console()?, Vec::<Value>::new());
    let own = format!("http://{}/", served.address);
    for url in browser.requests()? {
        let is_own = [own.clone() + "live", own.clone() + "events"].contains(&url);
        ensure!(is_own || url.starts_with("data:"), "{url}");
    }
    // Time goes by, and a server that is gone is not shown as if it were there.
    let address = served.address.to_string();
    drop(served);
    browser.wait_for(
        "loss",
        "document.body.dataset.state === 'lost' && !document.querySelector('#lost').hidden",
    )?;
    let colour = browser
        .script("return getComputedStyle(document.querySelector('#state'), '::before').color")?;
    let dim =
        browser.script("return getComputedStyle(document.querySelector('.fact dt')).color")?;
    assert_eq!(colour, dim);
    let again = Served::at(&address, &root.display().to_string(), "200ms")?;
    browser.wait_for(
        "return",
        "document.body.dataset.state === 'live' && document.querySelector('#lost').hidden",
    )?;
    drop(again);
    Ok(())
}

#[test]
fn a_recording_that_is_sent_is_shown() -> Result<()> {
    let sent = unending(records("incident-6.12.ctp")?);
    let stage = Stage::open(&sent)?;
    let browser = Browser::start(1400)?;
    open(&browser, &stage.url())?;
    wait_for_last(&browser, &sent)?;
    let last = sent
        .iter()
        .rfind(|record| record["type"] == "sample")
        .context("no sample")?;
    let shown = browser.script(
        "return [document.querySelectorAll('#burst-rows tr').length, document.querySelectorAll('#talkers section').length,
           document.querySelectorAll('#charts figure .plot path.peak').length, document.querySelector('.gauge').getAttribute('aria-valuenow'),
           document.querySelector('#host b').textContent]",
    )?;
    let (bursts, talkers, paths, gauge, host): (usize, usize, usize, String, String) =
        serde_json::from_value(shown)?;
    // Each burst is in one row, together with those of other counters at the same time.
    let rows = browser.script(
        "return [...document.querySelectorAll('#burst-rows tr')].map((row) => {
           const text = (column) => row.querySelector(`[data-column='${column}']`);
           return [text('of').innerText, ...[...text('rose with it').children].map((line) => line.innerText.split(' ')[0])];
         })",
    )?;
    let mut rows: Vec<Vec<String>> = serde_json::from_value(rows)?;
    let all = sent.iter().filter(|record| record["type"] == "burst");
    let all: Vec<&str> = all.filter_map(|burst| burst["counter"].as_str()).collect();
    ensure!(
        bursts == rows.len() && bursts < all.len().min(50),
        "{bursts} rows of {} bursts",
        all.len()
    );
    let mut listed: Vec<String> = rows.concat();
    listed.sort_unstable();
    let mut expected = all.clone();
    expected.sort_unstable();
    assert_eq!(listed, expected);
    for row in &mut rows {
        let number = row.len();
        row.sort_unstable();
        row.dedup();
        assert_eq!(row.len(), number, "a counter is twice in {row:?}");
    }
    ensure!(talkers > 3 && paths > 3, "{talkers} {paths}");
    let used = last["utilization"].as_f64().context("utilization")?;
    assert_eq!(gauge, format!("{used:.1}"));
    assert_eq!(json!(host), sent[0]["hostname"]);
    // The busiest bucket within what is shown is that of the records.
    browser.script("document.querySelector('button[data-span=\"120\"]').click()")?;
    browser.wait_for(
        "two minutes",
        "document.querySelector('tr[data-dimension=new] .peak').textContent !== ''",
    )?;
    let most = sent.iter().filter(|record| record["type"] == "sample");
    let most = most
        .filter_map(|sample| sample["peaks"]["new"]["rate"].as_f64())
        .fold(0.0, f64::max);
    browser.wait_for("peak", &format!("Math.abs(document.querySelector('figure[data-chart=\"1\"] tr[data-dimension=new]').dataset.peak / {most} - 1) < 0.01"))?;
    assert_eq!(browser.console()?, Vec::<Value>::new());
    Ok(())
}

#[test]
fn what_is_lost_silent_or_over_is_not_shown_as_live() -> Result<()> {
    let sent = unending(records("bursts-6.12.ctp")?);
    let stage = Stage::open(&sent)?;
    let browser = Browser::start(1200)?;
    open(&browser, &stage.url())?;
    wait_for_last(&browser, &sent)?;
    // Nothing more comes.
    browser.wait_for("silence", "document.body.dataset.state === 'silent'")?;
    let note = browser.script("return document.querySelector('#lost').innerText")?;
    ensure!(
        note.as_str()
            .is_some_and(|note| note.starts_with("Nothing has come for")),
        "{note}"
    );
    // What is not current has no colour.
    let colours = browser.script(
        "return [...document.querySelectorAll('.verdict, .fact')].map((node) => getComputedStyle(node).borderLeftColor)",
    )?;
    let colours: Vec<String> = serde_json::from_value(colours)?;
    ensure!(
        colours.iter().all(|colour| *colour == colours[0]),
        "{colours:?}"
    );
    stage.cut(true);
    browser.wait_for("loss", "document.body.dataset.state === 'lost'")?;
    stage.cut(false);
    browser.wait_for("return", "document.body.dataset.state === 'live'")?;
    stage.send(&[records("bursts-6.12.ctp")?.pop().context("no summary")?]);
    browser.wait_for("end", "document.body.dataset.state === 'ended'")?;
    Ok(())
}

#[test]
fn text_from_outside_stays_text() -> Result<()> {
    let hostile = "<img src=x onerror=\"window.stray=1\">\u{202e}</script><script>window.stray=1</script>&amp;";
    let mut sent = unending(records("incident-6.12.ctp")?);
    for record in &mut sent {
        match record["type"].as_str() {
            Some("hello") => {
                record["hostname"] = json!(hostile);
                record["kernel"] = json!(hostile);
                record["instances"][0]["name"] = json!(hostile);
                record["unavailable"]["searched"] = json!(hostile);
            }
            Some("top") => {
                record["remark"] = json!(hostile);
                for table in record["tables"].as_array_mut().context("tables")? {
                    if table["rows"] == json!([]) {
                        continue;
                    }
                    table["rows"][0]["key"] = json!(hostile);
                    table["rows"][0]["process"] = json!(hostile);
                    let pod = json!({"pod": hostile, "pod_namespace": hostile});
                    table["rows"][0]["workload"] = pod;
                }
            }
            Some("sample") => record["alerts_unavailable"] = json!({ hostile: hostile }),
            Some("burst") => record["counter"] = json!(hostile),
            Some("alert") => record["name"] = json!(hostile),
            _ => {}
        }
        if record["instance"].is_string() {
            record["instance"] = json!(hostile);
        }
    }
    let time = &sent
        .iter()
        .rfind(|record| record["type"] == "sample")
        .context("no sample")?["time"];
    sent.push(json!({"type": "verdict", "time": time, "instance": hostile, "severity": "critical", "sentences": [hostile, hostile], "facts": {}}));
    // Names that every object of JavaScript has.
    let mut other = sent
        .iter()
        .rfind(|record| record["type"] == "sample")
        .context("no sample")?
        .clone();
    other["instance"] = json!("__proto__");
    sent[0]["instances"] =
        json!([{"name": hostile, "netns": 1}, {"name": "__proto__", "netns": 2}]);
    sent.push(other);
    sent.push(json!({"type": "constructor", "text": hostile}));
    let stage = Stage::open(&sent)?;
    let browser = Browser::start(1200)?;
    open(&browser, &stage.url())?;
    wait_for_last(&browser, &sent)?;
    let shown = browser.script(
        "return [window.stray === undefined, document.querySelectorAll('img, main script, iframe').length,
           document.querySelector('.verdict p').textContent, document.querySelector('#instance').options.length,
           document.querySelector('#host b').textContent]",
    )?;
    let (clean, tags, verdict, options, host): (bool, usize, String, usize, String) =
        serde_json::from_value(shown)?;
    ensure!(
        clean && tags == 0 && options == 2,
        "{clean} {tags} {options}"
    );
    // What changes the direction of writing is replaced.
    let plain = hostile.replace('\u{202e}', "\u{fffd}");
    assert_eq!([verdict, host], [plain.clone(), plain]);
    // Chosen, it is shown like any other.
    browser.script("const select = document.querySelector('#instance'); select.value = '__proto__'; select.dispatchEvent(new Event('change'))")?;
    browser.wait_for(
        "the other",
        "document.querySelector('#name').textContent.endsWith('__proto__')",
    )?;
    let text = browser.script("return document.body.innerText")?;
    ensure!(!text.as_str().unwrap_or_default().contains('\u{202e}'));
    assert_eq!(browser.console()?, Vec::<Value>::new());
    Ok(())
}

#[test]
fn it_fits_every_screen() -> Result<()> {
    let browser = Browser::start(1400)?;
    for name in ["bursts-6.12.ctp", "incident-6.12.ctp"] {
        let sent = unending(records(name)?);
        let stage = Stage::open(&sent)?;
        for width in WIDTHS {
            browser.tools(
                "Emulation.setDeviceMetricsOverride",
                &json!({"width": width, "height": 1000, "deviceScaleFactor": 1, "mobile": false}),
            )?;
            open(&browser, &stage.url())?;
            wait_for_last(&browser, &sent)?;
            browser.script("document.querySelectorAll('details').forEach((details) => { details.open = true })")?;
            let broken: Vec<String> = serde_json::from_value(browser.script(BROKEN)?)?;
            // Addresses and names of processes may be.
            let broken: Vec<_> = broken
                .into_iter()
                .filter(|word| !word.contains(['.', ':', '[']))
                .collect();
            ensure!(broken.is_empty(), "{name} at {width}: {broken:?}");
            let outside = browser.script(
                "const right = document.documentElement.clientWidth;
                 return [...document.querySelectorAll('body *')]
                   .filter((node) => node.checkVisibility() && !node.closest('svg') && node.getBoundingClientRect().right > right + 1)
                   .map((node) => node.outerHTML.slice(0, 80))",
            )?;
            assert_eq!(outside, json!([]), "{name} at {width}");
            // The verdict comes first, and is seen without scrolling.
            let order = browser.script(
                "return ['h1', '.verdict', '.gauge', '.facts', 'figure', '#bursts', '#talkers'].map((what) => document.querySelector(what).getBoundingClientRect().top)",
            )?;
            let order: Vec<f64> = serde_json::from_value(order)?;
            ensure!(
                order.is_sorted() && order[1] < 600.0,
                "{name} at {width}: {order:?}"
            );
        }
    }
    Ok(())
}
