//! How the page lies on screens of several widths and on paper, and what it has at its head.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::{
    driver::Browser,
    report::{Page, ctpulse, unfold},
};

/// The width of a phone, a tablet and a desktop.
pub(crate) const WIDTHS: [u32; 3] = [400, 800, 1400];

/// Words on more than one line. A word may end at a hyphen, a dash or a slash.
pub(crate) const BROKEN: &str = r"
    const broken = [], walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let node; (node = walker.nextNode());) {
      const parent = node.parentElement;
      if (parent.closest('script, style, svg') || !parent.checkVisibility()) continue;
      for (const word of node.data.matchAll(/[^\s\-–—\/]+/g)) {
        const range = document.createRange();
        range.setStart(node, word.index);
        range.setEnd(node, word.index + word[0].length);
        const lines = [...range.getClientRects()].filter((rect) => rect.width > 0).map((rect) => Math.round(rect.top));
        if (new Set(lines).size > 1) broken.push(word[0]);
      }
    }
    return broken";

fn recording(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures/recordings")
        .join(name)
}

const RECORDINGS: [&str; 3] = ["flush-6.12.ctp", "bursts-6.12.ctp", "incident-6.12.ctp"];

#[test]
fn no_word_is_broken_and_nothing_scrolls_sideways() -> Result<()> {
    let browser = Browser::start(1400)?;
    for name in RECORDINGS {
        let page = Page::of(&recording(name), &[])?;
        for width in WIDTHS {
            browser.tools(
                "Emulation.setDeviceMetricsOverride",
                &json!({"width": width, "height": 1000, "deviceScaleFactor": 1, "mobile": false}),
            )?;
            page.open(&browser)?;
            unfold(&browser)?;
            let broken = browser.script(BROKEN)?;
            assert_eq!(broken, json!([]), "{name} at {width}");
            let sideways = browser.script(
                "return [document.documentElement, ...document.querySelectorAll('.scroll, figure, .fact')]
                   .filter((node) => node.scrollWidth > node.clientWidth)
                   .map((node) => `${node.tagName} ${node.className} ${node.getAttribute('aria-label')}`)",
            )?;
            assert_eq!(sideways, json!([]), "{name} at {width}");
            let outside = browser.script(
                "const right = document.documentElement.clientWidth;
                 return [...document.querySelectorAll('body *')]
                   .filter((node) => node.checkVisibility() && !node.closest('svg') && node.getBoundingClientRect().right > right + 1)
                   .map((node) => node.outerHTML.slice(0, 80))",
            )?;
            assert_eq!(outside, json!([]), "{name} at {width}");
        }
    }
    // Broken words are found.
    browser.script(
        "document.querySelector('.verdict').style.cssText = 'width: 40px; overflow-wrap: anywhere'",
    )?;
    let broken = browser.script(BROKEN)?;
    assert!(broken.as_array().is_some_and(|words| !words.is_empty()));
    Ok(())
}

#[test]
fn a_name_without_end_does_not_widen_the_page() -> Result<()> {
    let browser = Browser::start(1400)?;
    let page = Page::of(
        &recording("bursts-6.12.ctp"),
        &["--title", &"endless".repeat(100)],
    )?;
    for width in WIDTHS {
        browser.tools(
            "Emulation.setDeviceMetricsOverride",
            &json!({"width": width, "height": 1000, "deviceScaleFactor": 1, "mobile": false}),
        )?;
        page.open(&browser)?;
        unfold(&browser)?;
        // Wherever text from outside may be.
        browser.script(
            "for (const node of document.querySelectorAll('h1, h2, .verdict p, .fact dd, .fact b, .note, summary, .reason, .rows td, footer p'))
               node.append(' ' + 'endless'.repeat(100))",
        )?;
        let sideways = browser.script(
            "return document.documentElement.scrollWidth - document.documentElement.clientWidth",
        )?;
        assert_eq!(sideways, 0, "at {width}");
    }
    Ok(())
}

#[test]
fn short_recordings_are_four_pages_at_most() -> Result<()> {
    let browser = Browser::start(1200)?;
    for name in RECORDINGS {
        let page = Page::of(&recording(name), &[])?;
        page.open(&browser)?;
        for (paper, size) in [("A4", [8.27, 11.69]), ("letter", [8.5, 11.0])] {
            let printed = browser.tools(
                "Page.printToPDF",
                &json!({"printBackground": true, "paperWidth": size[0], "paperHeight": size[1]}),
            )?;
            let printed = printed["data"].as_str().context("no PDF")?;
            let pages = browser.script(&format!(
                "return (atob('{printed}').match(/\\/Type\\s*\\/Page\\b/g) || []).length"
            ))?;
            let pages = pages.as_u64().context("a number")?;
            assert!((1..=4).contains(&pages), "{name} on {paper}: {pages} pages");
        }
    }
    Ok(())
}

/// The sample in which the table was fullest, relative to its limit; the first of equals.
fn fullest(name: &str) -> Result<Value> {
    let recording = recording(name);
    let recording = recording.to_str().context("the path is no UTF-8")?;
    let mut fullest = Value::Null;
    for line in ctpulse(&["replay", recording, "--format", "json"])?.lines() {
        let record: Value = serde_json::from_str(line)?;
        if record["utilization"].as_f64() > fullest["utilization"].as_f64() {
            fullest = record;
        }
    }
    ensure!(!fullest.is_null(), "no sample");
    Ok(fullest)
}

#[test]
fn the_highest_utilization_is_shown_and_where_the_limit_was() -> Result<()> {
    let browser = Browser::start(1200)?;
    for (name, percent) in [
        ("flush-6.12.ctp", "331.0 %"),
        ("bursts-6.12.ctp", "143.7 %"),
    ] {
        let fullest = fullest(name)?;
        let used = fullest["utilization"].as_f64().context("utilization")?;
        assert_eq!(format!("{used:.1} %"), percent, "{name}");
        let page = Page::of(&recording(name), &[])?;
        page.open(&browser)?;
        let shown = browser.script(
            "const [fact] = document.querySelectorAll('.fact'), cells = (name) =>
               document.querySelector(`figure[data-chart='0'] tr[data-dimension=${name}]`).cells;
             return [fact.className, fact.querySelector('b').textContent, fact.querySelector('dd').textContent,
               cells('utilization')[1].textContent, cells('utilization')[2].textContent, cells('max')[1].textContent,
               document.querySelector('.verdict p').textContent]",
        )?;
        let [class, value, text, peak, at, limit, sentence]: [String; 7] =
            serde_json::from_value(shown)?;
        let time = fullest["time"].as_str().context("time")?;
        assert_eq!([value.as_str(), &peak], [percent; 2], "{name}");
        assert_eq!(at, time[11..23], "{name}");
        assert!(class.contains("bad"), "{name}: {class}");
        let of = format!("{} of {} entries", fullest["entries"], fullest["max"]);
        assert!(text.contains(&of), "{name}: {text}");
        assert!(
            limit.contains(&fullest["max"].to_string()),
            "{name}: {limit}"
        );
        let whole = format!("{used:.0} % at its highest, {}", &time[11..19]);
        assert!(sentence.contains(&whole), "{name}: {sentence}");

        // The limit then, as a line: its height by the labels of the axis.
        let heights = browser.script(
            "const svg = document.querySelector(`figure[data-chart='0'] svg`);
             const at = (text) => text.getAttribute('y') - 3.5;
             const ticks = [...svg.querySelectorAll('.tick')], zero = ticks.find((text) => text.textContent === '0');
             const one = ticks.find((text) => text !== zero);
             const lines = [...svg.querySelectorAll('path.limit')].map((path) => Number(path.getAttribute('d').match(/ ([\\d.]+)H/)[1]));
             return [one.textContent, lines.map((y) => (at(zero) - y) / (at(zero) - at(one))), svg.querySelector('.limit-label').textContent]",
        )?;
        let (tick, lines, label): (String, Vec<f64>, String) = serde_json::from_value(heights)?;
        let tick = match tick.strip_suffix('k') {
            Some(thousands) => thousands.parse::<f64>()? * 1e3,
            None => tick.parse()?,
        };
        let max = fullest["max"].as_f64().context("max")?;
        let drawn = lines
            .iter()
            .any(|share| (share * tick / max - 1.0).abs() < 0.02);
        assert!(drawn, "{name}: {lines:?} of {tick}, not {max}");
        assert_eq!(label, format!("maximum {max} = 100 %"), "{name}");
    }
    Ok(())
}

#[test]
fn charts_at_zero_are_one_line_that_names_them() -> Result<()> {
    let page = Page::of(&recording("bursts-6.12.ctp"), &[])?;
    let browser = Browser::start(1200)?;
    page.open(&browser)?;
    let line = browser.script("return document.querySelector('.folded summary').innerText")?;
    assert_eq!(
        line,
        "At zero all the time: Expectations (created, deleted, new), Searches (restarted, found). \
         Unavailable (not counted by the kernel since 4.9): Searches (searched)."
    );
    let titles = "return [...document.querySelectorAll('figcaption b')].filter((b) => b.checkVisibility()).map((b) => b.textContent)";
    let shown = browser.script(titles)?;
    assert_eq!(
        shown,
        json!([
            "Entries in the table",
            "New connections",
            "Changes of the table",
            "Errors"
        ])
    );
    unfold(&browser)?;
    let all = browser.script(titles)?;
    assert_eq!(all.as_array().map(Vec::len), Some(6));
    Ok(())
}

#[test]
fn labels_of_axes_have_no_more_digits_than_they_need() -> Result<()> {
    let browser = Browser::start(1200)?;
    for name in RECORDINGS {
        let page = Page::of(&recording(name), &[])?;
        page.open(&browser)?;
        let labels = browser.script(
            "return [...document.querySelectorAll('.tick')].map((text) => text.textContent)",
        )?;
        let labels: Vec<String> = serde_json::from_value(labels)?;
        assert!(labels.len() > 10);
        for label in labels {
            let digits = label.trim_end_matches(['k', 'M']);
            assert_eq!(digits, digits.parse::<f64>()?.to_string(), "{label}");
        }
    }
    Ok(())
}

#[test]
fn the_verdict_heads_the_section() -> Result<()> {
    let page = Page::of(&recording("incident-6.12.ctp"), &[])?;
    let browser = Browser::start(1200)?;
    page.open(&browser)?;
    let order = browser.script(
        "const top = (what) => document.querySelector(what).getBoundingClientRect().top;
         return ['h1', '.verdict', '.facts', '.how', 'figure', '.rows', 'footer'].map(top)",
    )?;
    let order: Vec<f64> = serde_json::from_value(order)?;
    assert!(order.is_sorted(), "{order:?}");
    // Seen without scrolling.
    let end = browser
        .script("return document.querySelector('.verdict').getBoundingClientRect().bottom")?;
    assert!(end.as_f64() < Some(600.0), "{end}");
    let colours = browser.script(
        "const style = getComputedStyle(document.querySelector('.verdict.bad p'));
         return [style.color, getComputedStyle(document.querySelector('.verdict')).borderLeftColor]",
    )?;
    assert_eq!(colours, json!(["rgb(185, 28, 28)", "rgb(185, 28, 28)"]));
    Ok(())
}
