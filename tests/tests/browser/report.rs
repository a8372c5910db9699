//! What a browser makes of the report of `fixtures/recordings/flush-6.12.ctp`, which was recorded in a guest.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use jiff::Timestamp;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::driver::Browser;

/// Length of a bucket.
pub(crate) const BUCKET_US: f64 = 1048.576;

fn recording() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/recordings/flush-6.12.ctp")
}

pub(crate) fn ctpulse(args: &[&str]) -> Result<String> {
    let path = std::env::var_os("CTPULSE_BIN").context(
        "CTPULSE_BIN does not name the program under test: run `cargo xtask test`, which builds it",
    )?;
    let output = std::process::Command::new(path).args(args).output()?;
    ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8(output.stdout)?)
}

/// A report in a file of its own.
pub(crate) struct Page {
    dir: TempDir,
}

impl Page {
    pub(crate) fn new(args: &[&str]) -> Result<Self> {
        Self::of(&recording(), args)
    }

    /// The report of a recording.
    pub(crate) fn of(recording: &Path, args: &[&str]) -> Result<Self> {
        let page = Self {
            dir: tempfile::tempdir()?,
        };
        let file = page.path();
        let file = file.to_str().context("the path is no UTF-8")?;
        let recording = recording.to_str().context("the path is no UTF-8")?;
        ctpulse(&[&["report", recording, "-o", file], args].concat())?;
        Ok(page)
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("report.html")
    }

    fn url(&self) -> String {
        format!("file://{}", self.path().display())
    }

    /// Opens it and waits until its script has drawn.
    pub(crate) fn open(&self, browser: &Browser) -> Result<()> {
        browser.open(&self.url())?;
        browser.wait_for("drawing", "document.documentElement.dataset.drawn")
    }
}

/// The buckets of a counter in the recording: when each starts, in microseconds since 1970, and its events.
fn buckets(counter: &str) -> Result<Vec<(f64, u64)>> {
    let recording = recording();
    let recording = recording.to_str().context("the path is no UTF-8")?;
    let mut buckets = Vec::new();
    for line in ctpulse(&["replay", recording, "--format", "json"])?.lines() {
        let record: Value = serde_json::from_str(line)?;
        let series = &record["buckets"][counter];
        let Some(counts) = series["counts"].as_array() else {
            continue;
        };
        let start: Timestamp = series["start"].as_str().context("start")?.parse()?;
        for (i, count) in counts.iter().enumerate() {
            let at = start.as_microsecond() as f64 + i as f64 * BUCKET_US;
            buckets.push((at, count.as_u64().context("a count")?));
        }
    }
    Ok(buckets)
}

fn busiest(counter: &str) -> Result<(f64, f64)> {
    let buckets = buckets(counter)?;
    // The first of equals.
    let (at, count) = buckets
        .iter()
        .rev()
        .max_by_key(|(_, count)| *count)
        .context("no bucket")?;
    Ok((*at, *count as f64 * 1e6 / BUCKET_US))
}

/// What there was a burst of: the chart and the dimension in it, which is drawn below zero.
const BURST: &str = "deleted";
const CHART: &str = r#"document.querySelector('figure[data-chart="2"]')"#;
const PATH: &str = "path.peak.d1";

/// What part is drawn, in microseconds since the origin.
pub(crate) fn view(browser: &Browser) -> Result<[f64; 2]> {
    let drawn =
        browser.script("return document.documentElement.dataset.drawn.split(',').map(Number)")?;
    Ok(serde_json::from_value(drawn)?)
}

#[test]
fn nothing_is_requested_and_nothing_logged() -> Result<()> {
    let page = Page::new(&[])?;
    let browser = Browser::start(1200)?;
    page.open(&browser)?;
    // All that the page can do.
    browser.keys("b+-0")?;
    browser.script("document.querySelectorAll('button').forEach((button) => button.click())")?;
    browser.wait_for(
        "picture",
        "document.querySelectorAll('.plot path').length > 20",
    )?;
    assert_eq!(browser.console()?, Vec::<Value>::new());
    let requests: Vec<String> = browser
        .requests()?
        .into_iter()
        .filter(|url| !url.starts_with("data:"))
        .collect();
    assert_eq!(requests, [page.url()]);
    Ok(())
}

#[test]
fn a_request_would_be_noticed_and_refused() -> Result<()> {
    let page = Page::new(&[])?;
    let html = std::fs::read_to_string(page.path())?;
    let with = html.replace(
        "<main>",
        r#"<img src="http://127.0.0.1:9/x.png"><script>var stray = 1</script><main>"#,
    );
    std::fs::write(page.path(), with)?;
    let browser = Browser::start(1200)?;
    page.open(&browser)?;
    let console = browser.console()?;
    let refused = |what: &str| {
        console
            .iter()
            .any(|entry| entry["message"].as_str().is_some_and(|m| m.contains(what)))
    };
    assert!(refused("x.png") && refused("inline script"), "{console:?}");
    assert_eq!(browser.script("return typeof stray")?, "undefined");
    Ok(())
}

#[test]
fn the_burst_is_where_it_was() -> Result<()> {
    let page = Page::new(&[])?;
    let browser = Browser::start(1200)?;
    page.open(&browser)?;
    let (at, rate) = busiest(BURST)?;
    browser.script(&format!("{CHART}.focus()"))?;
    let [from, to] = view(&browser)?;
    browser.keys("b")?;
    browser.wait_for(
        "busiest moment",
        "(([a, b]) => b - a < 60e3)(document.documentElement.dataset.drawn.split(',').map(Number))",
    )?;
    let [start, end] = view(&browser)?;
    assert!(from <= start && end <= to, "{from} {start} {end} {to}");

    // The table beside the chart.
    let row = browser.script(&format!(
        "const row = {CHART}.querySelector('tr[data-dimension={BURST}]'); return [Number(row.dataset.peak), row.dataset.at]"
    ))?;
    let shown: Timestamp = row[1].as_str().context("at")?.parse()?;
    let off = shown.as_microsecond() as f64 - at;
    assert!(off.abs() <= BUCKET_US, "{off} us from where it was");
    let shown_rate = row[0].as_f64().context("peak")?;
    assert!(
        (shown_rate / rate - 1.0).abs() < 1e-6,
        "{shown_rate} {rate}"
    );

    // The plot: from the lowest point of its outline back to a time.
    let place = browser.script(&format!(
        "const d = {CHART}.querySelector('{PATH}').getAttribute('d'), width = {CHART}.querySelector('svg').viewBox.baseVal.width;
         let x = 0, best = [-Infinity, 0];
         for (const [, command, a, b] of d.matchAll(/([MHV])([\\d.]+)(?: ([\\d.]+))?/g)) {{
           if (command === 'M') {{ x = +a; if (+b > best[0]) best = [+b, x]; }}
           else if (command === 'H') x = +a;
           else if (+a > best[0]) best = [+a, x];
         }}
         return [(best[1] - 48) / (width - 58), 1 / (width - 58)]"
    ))?;
    let share = place[0].as_f64().context("place")?;
    let column = place[1].as_f64().context("column")? * (end - start);
    let origin = data(&browser)?["origin"].as_f64().context("origin")?;
    let drawn = origin + start + share * (end - start);
    let off = drawn - at;
    assert!(
        off.abs() <= BUCKET_US + column,
        "drawn {off} us from where it was"
    );
    Ok(())
}

pub(crate) fn data(browser: &Browser) -> Result<Value> {
    let text = browser.script("return document.getElementById('data').textContent")?;
    Ok(serde_json::from_str(text.as_str().context("text")?)?)
}

#[test]
fn busiest_moments_can_be_jumped_to() -> Result<()> {
    let page = Page::new(&[])?;
    let browser = Browser::start(1200)?;
    page.open(&browser)?;
    let origin = data(&browser)?["origin"].as_f64().context("origin")?;
    for counter in ["free", "deleted", "delete_list"] {
        let (at, _) = busiest(counter)?;
        browser.script("document.documentElement.dataset.drawn = ''")?;
        let clicked = browser.script(&format!(
            "const row = [...document.querySelectorAll('.rows tr')].find((row) => row.cells[0].textContent === '{counter}');
             row.querySelector('button').click(); return row.cells[3].textContent"
        ))?;
        browser.wait_for("moment", "document.documentElement.dataset.drawn")?;
        let [start, end] = view(&browser)?;
        assert!(
            start <= at - origin && at - origin <= end && end - start < 110_000.0,
            "{counter}"
        );
        let time = Timestamp::from_microsecond(at as i64)?;
        assert_eq!(
            clicked,
            time.strftime("%H:%M:%S%.3f").to_string(),
            "{counter}"
        );
    }
    Ok(())
}

#[test]
fn without_scripts_it_shows_the_same_in_tables() -> Result<()> {
    let page = Page::new(&[])?;
    let browser = Browser::start(1200)?;
    let legend = "return [...document.querySelectorAll('.legend')].map((table) => table.innerText)";
    let visible = |what: &str| {
        browser.script(&format!(
            "return [...document.querySelectorAll('{what}')].filter((node) => node.checkVisibility()).length"
        ))
    };
    page.open(&browser)?;
    let with = browser.script(legend)?;
    // Charts at zero are folded.
    assert_eq!(visible(".plot")?, 2);
    unfold(&browser)?;
    assert_eq!(visible(".plot")?, 6);
    assert_eq!(visible("#not-drawn")?, 0);
    browser.tools(
        "Emulation.setScriptExecutionDisabled",
        &json!({"value": true}),
    )?;
    browser.open(&page.url())?;
    let without = browser.script(legend)?;
    assert_eq!(with, without);
    assert_eq!(visible(".plot")?, 0, "empty charts");
    assert_eq!(visible("#not-drawn")?, 1, "nothing says what is missing");
    assert_eq!(visible("button")?, 0, "buttons that would do nothing");
    Ok(())
}

/// Opens what is folded, and waits until it is drawn.
pub(crate) fn unfold(browser: &Browser) -> Result<()> {
    browser.script(
        "document.querySelectorAll('details').forEach((details) => { details.open = true; })",
    )?;
    let drawn =
        "[...document.querySelectorAll('.plot')].every((plot) => plot.childElementCount > 0)";
    browser.wait_for("drawing of all charts", drawn)
}

/// What the labels of a chart's axis say, as numbers; `k` is for thousands.
fn axis(browser: &Browser) -> Result<Vec<f64>> {
    let labels = browser.script(&format!(
        "return [...{CHART}.querySelectorAll('svg text[text-anchor=end]')].map((text) => text.textContent)"
    ))?;
    let labels: Vec<String> = serde_json::from_value(labels)?;
    labels
        .iter()
        .map(|label| {
            let (digits, unit) = match label.strip_suffix('k') {
                Some(digits) => (digits, 1e3),
                None => (label.as_str(), 1.0),
            };
            Ok(digits.parse::<f64>()? * unit)
        })
        .collect()
}

#[test]
fn axes_are_divided_at_round_numbers() -> Result<()> {
    let page = Page::new(&[])?;
    let browser = Browser::start(1200)?;
    page.open(&browser)?;
    let (_, rate) = busiest(BURST)?;
    let labels = axis(&browser)?;
    let (zeros, others): (Vec<f64>, Vec<f64>) = labels.iter().partition(|value| **value == 0.0);
    assert_eq!(zeros.len(), 1, "{labels:?}");
    // Below zero they grow again.
    let step = others.iter().copied().fold(f64::MAX, f64::min);
    let most = others.iter().copied().fold(0.0, f64::max);
    let leading = step / 10_f64.powf(step.log10().floor());
    assert!([1.0, 2.0, 5.0].contains(&leading.round()), "{labels:?}");
    assert!(most >= rate && most - step < rate, "{labels:?} {rate}");
    for value in others {
        assert!((value / step).fract() < 1e-9, "{labels:?}");
    }

    // The time axis has round times too, which lie where they say.
    let marks = browser.script(&format!(
        "const svg = {CHART}.querySelector('svg'), width = svg.viewBox.baseVal.width - 58;
         return [...svg.querySelectorAll('text[text-anchor=middle]')].map((text) => [text.textContent, (text.getAttribute('x') - 48) / width])"
    ))?;
    let marks: Vec<(String, f64)> = serde_json::from_value(marks)?;
    assert!(marks.len() >= 2, "{marks:?}");
    let [from, to] = view(&browser)?;
    let origin = data(&browser)?["origin"].as_f64().context("origin")?;
    for (text, share) in marks {
        let at = Timestamp::from_microsecond((origin + from + share * (to - from)) as i64)?;
        let said: Timestamp = format!("{}T{text}Z", at.strftime("%Y-%m-%d")).parse()?;
        let off = said.as_microsecond() - at.as_microsecond();
        assert!(
            off.abs() as f64 <= (to - from) / 500.0,
            "{text} is {off} us off"
        );
    }
    Ok(())
}

#[test]
fn keys_are_enough() -> Result<()> {
    let page = Page::new(&[])?;
    let browser = Browser::start(1200)?;
    page.open(&browser)?;
    let whole = view(&browser)?;
    let press = |keys: &str| -> Result<[f64; 2]> {
        browser.script("document.documentElement.dataset.drawn = ''")?;
        browser.keys(keys)?;
        browser.wait_for("drawing", "document.documentElement.dataset.drawn")?;
        view(&browser)
    };
    let length = |[from, to]: [f64; 2]| to - from;
    let half = press("+")?;
    assert!((length(half) / length(whole) - 0.5).abs() < 0.01);
    // Right arrow.
    let later = press("\u{e014}")?;
    assert!(later[0] > half[0] && (length(later) - length(half)).abs() < 2.0);
    // The address names the part, and opens it again.
    let [from, to] = later;
    let part = format!("location.hash === `#${{Math.round({from})}},${{Math.round({to})}}`");
    browser.wait_for("address of the part", &part)?;
    let address = browser.script("return location.href")?;
    browser.open("about:blank")?;
    browser.open(address.as_str().context("address")?)?;
    browser.wait_for("drawing", "document.documentElement.dataset.drawn")?;
    assert_eq!(view(&browser)?, later);
    assert_eq!(press("0")?, whole);

    // Tab reaches every chart, and shows where it is.
    unfold(&browser)?;
    browser.script("document.activeElement.blur()")?;
    let mut reached = 0;
    for _ in 0..40 {
        browser.keys("\u{e004}")?;
        let focus = browser.script(
            "const at = document.activeElement; return [at.tagName, parseFloat(getComputedStyle(at).outlineWidth)]",
        )?;
        if focus[0] == "FIGURE" {
            reached += 1;
            assert!(focus[1].as_f64() >= Some(2.0), "{focus}");
        }
    }
    assert_eq!(reached, 6);
    Ok(())
}

#[test]
fn light_and_dark_narrow_and_on_paper() -> Result<()> {
    let page = Page::new(&[])?;
    let browser = Browser::start(500)?;
    page.open(&browser)?;
    let wider =
        "return document.documentElement.scrollWidth - document.documentElement.clientWidth";
    assert_eq!(browser.script(wider)?, 0, "wider than the screen");
    let background = "return getComputedStyle(document.body).backgroundColor";
    let mut seen = Vec::new();
    for scheme in ["light", "dark"] {
        browser.tools(
            "Emulation.setEmulatedMedia",
            &json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]}),
        )?;
        seen.push(browser.script(background)?);
    }
    assert_eq!(seen, ["rgb(251, 251, 250)", "rgb(18, 21, 26)"]);
    browser.tools("Emulation.setEmulatedMedia", &json!({"media": "print"}))?;
    assert_eq!(
        browser.script(background)?,
        "rgb(255, 255, 255)",
        "dark paper"
    );
    let offered = browser.script(
        "return [...document.querySelectorAll('button')].filter((b) => b.checkVisibility()).length",
    )?;
    assert_eq!(offered, 0, "buttons on paper");
    let pdf = browser.tools("Page.printToPDF", &json!({"printBackground": true}))?;
    assert!(
        pdf["data"]
            .as_str()
            .is_some_and(|data| data.starts_with("JVBERi")),
        "no PDF"
    );
    Ok(())
}

#[test]
fn hostile_text_stays_text() -> Result<()> {
    let hostile = "</title><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">\"'&";
    let page = Page::new(&["--title", hostile])?;
    let browser = Browser::start(1200)?;
    page.open(&browser)?;
    assert_eq!(browser.script("return document.title")?, hostile);
    assert_eq!(
        browser.script("return document.querySelector('h1').textContent")?,
        hostile
    );
    assert_eq!(
        browser.script("return document.querySelectorAll('img').length")?,
        0
    );
    assert_eq!(browser.console()?, Vec::<Value>::new());
    Ok(())
}

#[test]
fn everything_has_a_name() -> Result<()> {
    let page = Page::new(&[])?;
    let browser = Browser::start(1200)?;
    page.open(&browser)?;
    let nameless = browser.script(
        "const name = (node) => node.getAttribute('aria-label') || node.textContent.trim() ||
           document.getElementById(node.getAttribute('aria-labelledby'))?.textContent;
         return [...document.querySelectorAll('figure, svg, button, nav, section, [role=region], h1, h2, h3, th')]
           .filter((node) => !name(node)).map((node) => node.outerHTML.slice(0, 80))",
    )?;
    assert_eq!(nameless, json!([]));
    assert_eq!(
        browser.script("return document.documentElement.lang")?,
        "en"
    );
    Ok(())
}
