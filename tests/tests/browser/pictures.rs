//! The pictures of the manual, made of the report of `fixtures/recordings/bursts-6.12.ctp`.

use std::{fs, path::Path};

use anyhow::{Context, Result, ensure};
use serde_json::json;

use crate::{
    driver::Browser,
    report::{Page, data, view},
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
        fs::write(tests.join("pictures").join(name), bytes)?;
    }
    Ok(())
}
