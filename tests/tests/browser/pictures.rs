//! The pictures of the manual, made of recordings.

use std::{fs, path::Path};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::{
    driver::Browser,
    live_page::{records, unending, wait_for_last},
    report::{Page, data, view},
    stage::Stage,
};

/// The part of the second picture, in seconds after the start: the third burst, into a table that is full.
const PART: [f64; 2] = [4.3, 4.6];

#[test]
#[ignore = "writes tests/pictures; cargo xtask docs --pictures runs it"]
fn pictures_are_made_anew() -> Result<()> {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = Page::of(&tests.join("fixtures/recordings/bursts-6.12.ctp"), &[])?;
    let browser = Browser::start(1200)?;
    for (name, scheme) in [("report-light.png", "light"), ("report-dark.png", "dark")] {
        browser.tools(
            "Emulation.setDeviceMetricsOverride",
            &json!({"width": 1200, "height": 1500, "deviceScaleFactor": 1, "mobile": false}),
        )?;
        browser.tools(
            "Emulation.setEmulatedMedia",
            &json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]}),
        )?;
        page.open(&browser)?;
        if scheme == "dark" {
            let origin = data(&browser)?["from"].as_f64().context("from")?;
            let [from, to] = PART.map(|second| origin + second * 1e6);
            browser.script(&format!("location.hash = '#{from},{to}'"))?;
            let is_shown = format!("document.documentElement.dataset.drawn === '{from},{to}'");
            browser.wait_for("part", &is_shown)?;
            ensure!(view(&browser)? == [from, to], "another part is shown");
        }
        // As wide as the page, and as far as its last chart.
        let height = browser.script(
            "return document.querySelector('.folded').getBoundingClientRect().bottom + scrollY + 12",
        )?;
        capture(&browser, &height, name)?;
    }
    Ok(())
}

/// The page up to a height, as a file of `tests/pictures`.
fn capture(browser: &Browser, height: &Value, name: &str) -> Result<()> {
    let clip = json!({"x": 0, "y": 0, "width": 1200, "height": height, "scale": 1});
    let picture = browser.tools(
        "Page.captureScreenshot",
        &json!({"format": "png", "clip": clip, "captureBeyondViewport": true}),
    )?;
    let picture = picture["data"].as_str().context("no picture")?;
    // The page has a decoder of base64, and this crate none.
    let bytes = browser.script(&format!(
        "return [...atob('{picture}')].map((c) => c.charCodeAt(0))"
    ))?;
    let bytes: Vec<u8> = serde_json::from_value(bytes)?;
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    fs::write(tests.join("pictures").join(name), bytes)?;
    Ok(())
}

#[test]
#[ignore = "writes tests/pictures; cargo xtask docs --pictures runs it"]
fn live_pictures_are_made_anew() -> Result<()> {
    let name = "incident-6.12.ctp";
    let browser = Browser::start(1200)?;
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    let report = Page::of(&tests.join("fixtures/recordings").join(name), &[])?;
    report.open(&browser)?;
    // The recording is older than verdicts; the report has one all the same.
    let sentences = browser
        .script("return [...document.querySelectorAll('.verdict p')].map((p) => p.textContent)")?;
    let mut sent = unending(records(name)?);
    let last = sent.iter().rfind(|record| record["type"] == "sample");
    let time = last.context("no sample")?["time"].clone();
    sent.push(json!({"type": "verdict", "time": time, "instance": "self", "severity": "critical", "sentences": sentences}));
    let stage = Stage::open(&sent)?;
    browser.tools(
        "Emulation.setDeviceMetricsOverride",
        &json!({"width": 1200, "height": 1500, "deviceScaleFactor": 1, "mobile": false}),
    )?;
    browser.open(&stage.url())?;
    wait_for_last(&browser, &sent)?;
    let height = browser.script(
        "return document.querySelector('.folded').getBoundingClientRect().bottom + scrollY + 12",
    )?;
    // What it is of is long ago, and so it does not stay live for long.
    ensure!(browser.script("return document.body.dataset.state")? == "live");
    capture(&browser, &height, "live-page.png")
}
