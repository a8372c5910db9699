//! One recording gives the same numbers everywhere: in the records of JSON, in the verdict, at the end of `replay` as text, in the
//! live view at the end, and on the page of `report`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::{
    program::{Running, run},
    tree::Tree,
};

fn stdout(args: &[&str]) -> Result<String> {
    let output = run(args)?.success().get_output().stdout.clone();
    Ok(String::from_utf8(output)?)
}

/// A recording, in each of its forms.
struct Forms {
    records: Vec<Value>,
    text: String,
    /// The live view at the end of the recording, as a picture.
    live: String,
    page: String,
}

impl Forms {
    fn of(recording: &Path) -> Result<Self> {
        let recording = recording.to_str().context("the path is no UTF-8")?;
        let lines = stdout(&["replay", recording, "--format", "json"])?;
        Ok(Self {
            records: lines
                .lines()
                .map(serde_json::from_str)
                .collect::<Result<_, _>>()?,
            text: stdout(&["replay", recording])?,
            live: stdout(&["generate", "picture", recording, "--size", "200x60"])?,
            page: stdout(&["report", recording, "-o", "-"])?,
        })
    }

    fn of_type<'a>(&'a self, kind: &'a str) -> impl DoubleEndedIterator<Item = &'a Value> {
        self.records
            .iter()
            .filter(move |record| record["type"] == kind)
    }

    /// The sample in which the table was fullest, relative to its limit; the first of equals.
    fn fullest(&self) -> Result<&Value> {
        let used = |sample: &Value| sample["utilization"].as_f64().unwrap_or(-1.0);
        let samples = self.of_type("sample").rev();
        samples
            .max_by(|a, b| used(a).total_cmp(&used(b)))
            .context("no sample")
    }

    /// The count of a counter since the start of the run.
    fn total(&self, counter: &str) -> Result<u64> {
        let last = self.of_type("sample").next_back().context("no sample")?;
        last["counters"][counter]
            .as_u64()
            .with_context(|| format!("no {counter}"))
    }

    /// The sentences at the head of the page.
    fn sentences(&self) -> Result<Vec<String>> {
        let (_, verdict) = self
            .page
            .split_once("<div class=\"verdict ")
            .context("no verdict on the page")?;
        let (verdict, _) = verdict.split_once("</div>").context("no end of it")?;
        let paragraphs = verdict.split("<p>").skip(1);
        let sentences: Vec<String> = paragraphs
            .map(|text| text.split("</p>").next().unwrap_or_default().to_owned())
            .collect();
        ensure!(sentences.len() >= 3, "{sentences:?}");
        Ok(sentences)
    }

    /// A fact of the page: its value and text.
    fn fact(&self, name: &str) -> Result<String> {
        let (_, fact) = self
            .page
            .split_once(&format!("<dt>{name}</dt><dd><b>"))
            .with_context(|| format!("no fact {name}"))?;
        let (fact, _) = fact.split_once("</dd>").context("no end of it")?;
        Ok(fact.replace("</b>", ""))
    }

    /// The columns of a counter in the table at the end of the text.
    fn row(&self, name: &str) -> Result<Vec<&str>> {
        let (_, end) = self
            .text
            .rsplit_once("  check ")
            .context("no table at the end")?;
        let row = end
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>())
            .find(|row| row.first() == Some(&name));
        row.with_context(|| format!("no {name} in {end}"))
    }

    /// Requires that the sentences of the page end the text, each once, and are in the live view.
    fn text_ends_with_the_sentences(&self) -> Result<()> {
        for sentence in self.sentences()? {
            let shown = format!(">{sentence}<");
            ensure!(
                self.live.contains(&shown),
                "{sentence:?} is not in {}",
                self.live
            );
            let lines = self.text.lines().filter(|line| *line == sentence);
            ensure!(
                lines.count() == 1,
                "{sentence:?} is not once in {}",
                self.text
            );
        }
        Ok(())
    }

    /// Requires that page, sentences and records have the same highest utilization and the same time of it.
    fn highest_use_is_the_same(&self) -> Result<()> {
        let fullest = self.fullest()?;
        let used = fullest["utilization"].as_f64().context("utilization")?;
        let time = fullest["time"].as_str().context("time")?;
        let clock = &time[11..19];
        let expected = format!(
            "{used:.1} % {} of {} entries at {}",
            fullest["entries"],
            fullest["max"],
            &time[11..23]
        );
        let fact = self.fact("Fullest")?;
        ensure!(fact.starts_with(&expected), "{fact:?}, not {expected:?}");
        let whole = format!("{used:.0} % ");
        let tenths = format!("{} % ", (used * 10.0).round() / 10.0);
        let sentence = self.sentences()?.remove(0);
        let says = sentence.contains(&whole) || sentence.contains(&tenths);
        let last = self.of_type("sample").next_back().context("no sample")?;
        let is_past = last["utilization"].as_f64() != Some(used);
        ensure!(
            says && (!is_past || sentence.contains(clock)),
            "{sentence:?}: {used} {clock}"
        );
        Ok(())
    }
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures/recordings")
        .join(name)
}

#[test]
fn of_bursts_into_a_full_table() -> Result<()> {
    for name in ["bursts-6.12.ctp", "incident-6.12.ctp"] {
        let forms = Forms::of(&fixture(name))?;
        forms.highest_use_is_the_same()?;
        forms.text_ends_with_the_sentences()?;
        let [refused, evicted] = [forms.total("table_full")?, forms.total("early_drop")?];
        assert!(refused > 0 && evicted > 0);
        let losses = &forms.sentences()?[1];
        let expected = format!("{refused} flows refused, {evicted} evicted since ");
        assert!(losses.starts_with(&expected), "{losses}");
        let summary = forms.of_type("summary").next_back().context("no summary")?;
        let totals = &summary["instances"][0]["totals"];
        assert_eq!(totals["table_full"]["probe"], refused);
        assert_eq!(totals["early_drop"]["probe"], evicted);
        for (counter, total) in [("table_full", refused), ("early_drop", evicted)] {
            assert_eq!(forms.row(counter)?[1], total.to_string(), "{counter}");
        }
        let events = forms.fact("Events")?;
        for part in [
            format!("{evicted} early_drop"),
            format!("{refused} table_full"),
        ] {
            assert!(events.contains(&part), "{events}: {part}");
        }

        let rate = |sample: &Value| sample["peaks"]["new"]["rate"].as_f64().unwrap_or(-1.0);
        let samples = forms.of_type("sample").rev();
        let busiest = samples.max_by(|a, b| rate(a).total_cmp(&rate(b)));
        let busiest = busiest.context("no sample")?;
        let peak = format!("{:.1}k", rate(busiest) / 1e3);
        let at = busiest["peaks"]["new"]["at"].as_str().context("at")?;
        let fact = forms.fact("Busiest")?;
        let expected = format!("{peak}/s new connections at {};", &at[11..23]);
        assert!(fact.starts_with(&expected), "{fact}: {expected}");
        assert!(forms.row("new")?.contains(&peak.as_str()), "{peak}");
        let window_ms = busiest["peaks"]["new"]["window_ms"].as_f64();
        let flows = rate(busiest) * window_ms.context("window")? / 1e3;
        let end = format!("; busiest millisecond {flows:.0} at {}.", &at[11..23]);
        let sentences = forms.sentences()?;
        let said = sentences.iter().any(|sentence| sentence.ends_with(&end));
        assert!(said, "{end}: {sentences:?}");
    }
    Ok(())
}

#[test]
fn of_a_table_that_was_emptied() -> Result<()> {
    let forms = Forms::of(&fixture("flush-6.12.ctp"))?;
    forms.highest_use_is_the_same()?;
    forms.text_ends_with_the_sentences()?;
    let used = forms.fullest()?["utilization"].as_f64();
    assert!(used > Some(300.0), "{used:?}");
    Ok(())
}

#[test]
fn of_a_recording_with_verdicts_of_its_own() -> Result<()> {
    let tree = Tree::of("4.4/t0")?;
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("a.ctp");
    let (recording, root) = (file.to_str(), tree.root());
    let (recording, root) = recording.zip(root.to_str()).context("no UTF-8")?;
    let mut program = Running::start(&[
        "record",
        recording,
        "--proc-root",
        root,
        "--interval",
        "20ms",
        "--show",
        "--format",
        "json",
    ])?;
    program.wait_for_sample("sample", |_| true)?;
    tree.become_snapshot("4.4/t1")?;
    program.wait_for_sample("change", |sample| {
        sample["charts"]["netfilter.conntrack_new"]["new"].as_f64() > Some(0.0)
    })?;
    program.stop()?;
    let forms = Forms::of(&file)?;
    forms.highest_use_is_the_same()?;
    forms.text_ends_with_the_sentences()?;
    let verdict = forms.of_type("verdict").next_back().context("no verdict")?;
    assert_eq!(verdict["closing"], true);
    let sentences: Vec<String> = serde_json::from_value(verdict["sentences"].clone())?;
    assert_eq!(forms.sentences()?, sentences);
    let facts = &verdict["facts"];
    let (fullest, last) = (forms.fullest()?, forms.of_type("sample").next_back());
    let last = last.context("no sample")?;
    assert_eq!(facts["highest"]["utilization"], fullest["utilization"]);
    assert_eq!(facts["highest"]["at"], fullest["time"]);
    for name in ["entries", "max", "utilization"] {
        assert_eq!(facts[name], last[name], "{name}");
    }
    for (loss, counter) in [
        ("evicted", "early_drop"),
        ("failed", "insert_failed"),
        ("dropped", "drop"),
    ] {
        assert_eq!(
            facts["losses"][loss]["count"], last["counters"][counter],
            "{loss}"
        );
    }
    Ok(())
}
