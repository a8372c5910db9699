//! The records of a long run, made of those of a short one: again and again, at later times.

use std::io::Write;

use anyhow::{Context, Result, ensure};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

/// Of the samples and checks of the short run, which has ten a second, one in so many is taken, and of the events as if there were
/// fewer.
const ONE_IN: usize = 10;
const ONE_EVENT_IN: usize = 100;

/// A line, cut at the times in it.
struct Cut {
    texts: Vec<String>,
    times: Vec<Timestamp>,
}

/// A short run.
pub(super) struct Repeated {
    hello: String,
    lines: Vec<Cut>,
    summary: String,
    /// How much later each repetition is.
    length: SignedDuration,
    samples: u64,
}

impl Repeated {
    /// Takes what it needs of the JSON lines of a run.
    pub(super) fn of(lines: &str) -> Result<Self> {
        let (mut hello, mut summary, mut taken) = (None, None, Vec::new());
        let (mut samples, mut checks, mut events, mut at) = (0_usize, 0_usize, 0_usize, Vec::new());
        for line in lines.lines() {
            let record: Value = serde_json::from_str(line).context("a line is not JSON")?;
            let nth = |count: &mut usize, of: usize| {
                *count += 1;
                (*count - 1).is_multiple_of(of)
            };
            let take = match record["type"].as_str().unwrap_or_default() {
                "hello" => {
                    hello.get_or_insert_with(|| line.to_owned());
                    false
                }
                "summary" => {
                    summary = Some(line.to_owned());
                    false
                }
                "sample" => nth(&mut samples, ONE_IN),
                "crosscheck" => nth(&mut checks, ONE_IN),
                "event" => nth(&mut events, ONE_EVENT_IN),
                "verdict" => false,
                _ => true,
            };
            if take {
                if record["type"] == "sample" {
                    at.push(
                        record["time"]
                            .as_str()
                            .context("a time")?
                            .parse::<Timestamp>()?,
                    );
                }
                taken.push(Cut::of(line));
            }
        }
        let (first, last) = at.first().zip(at.last()).context("there are no samples")?;
        let second = SignedDuration::from_secs(1);
        let length = last.duration_since(*first) + second;
        ensure!(at.len() > 5, "too short a run");
        Ok(Self {
            hello: hello.context("there is no hello")?,
            lines: taken,
            summary: summary.context("there is no summary")?,
            length,
            samples: at.len() as u64,
        })
    }

    /// Writes the records of so many seconds, a sample each, and returns how many bytes there are.
    pub(super) fn write(&self, seconds: u64, to: &mut impl Write) -> Result<u64> {
        let mut bytes = 0;
        let mut put = |text: &str| -> Result<()> {
            bytes += text.len() as u64 + 1;
            to.write_all(text.as_bytes())?;
            Ok(to.write_all(b"\n")?)
        };
        put(&self.hello)?;
        let repetitions = seconds.div_ceil(self.samples);
        for repetition in 0..repetitions {
            let later = self.length * i32::try_from(repetition)?;
            for line in &self.lines {
                put(&line.later(later)?)?;
            }
        }
        put(&self.summary)?;
        Ok(bytes)
    }
}

impl Cut {
    /// Times are strings like `"2026-11-27T01:52:17.104721Z"`.
    fn of(line: &str) -> Self {
        let (mut texts, mut times, mut text) = (Vec::new(), Vec::new(), String::new());
        for (i, part) in line.split('"').enumerate() {
            if i > 0 {
                text.push('"');
            }
            match part.parse::<Timestamp>() {
                Ok(time) if part.ends_with('Z') => {
                    texts.push(std::mem::take(&mut text));
                    times.push(time);
                }
                _ => text.push_str(part),
            }
        }
        texts.push(text);
        Self { texts, times }
    }

    fn later(&self, by: SignedDuration) -> Result<String> {
        let mut line = String::new();
        for (i, text) in self.texts.iter().enumerate() {
            line.push_str(text);
            if let Some(time) = self.times.get(i) {
                line.push_str(&(*time + by).to_string());
            }
        }
        Ok(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_moved_and_nothing_else() -> Result<()> {
        let line = r#"{"time":"2026-01-01T00:00:01.5Z","a":"x 2026","n":1,"t":{"at":"2026-01-01T00:00:00Z"}}"#;
        let cut = Cut::of(line);
        assert_eq!(cut.later(SignedDuration::ZERO)?, line);
        let later = cut.later(SignedDuration::from_secs(3600))?;
        assert_eq!(later, line.replace("T00:", "T01:"));
        Ok(())
    }

    #[test]
    fn a_sample_a_second() -> Result<()> {
        let mut lines = vec![r#"{"type":"hello"}"#.to_owned()];
        for i in 0..200 {
            lines.push(format!(
                r#"{{"type":"sample","time":"2026-01-01T00:00:{:02}.{}Z"}}"#,
                i / 10,
                i % 10
            ));
        }
        lines.push(r#"{"type":"summary"}"#.to_owned());
        let repeated = Repeated::of(&lines.join("\n"))?;
        let mut text = Vec::new();
        let bytes = repeated.write(60, &mut text)?;
        let text = String::from_utf8(text)?;
        assert_eq!(bytes, text.len() as u64);
        assert_eq!(text.lines().count(), 62);
        assert!(text.contains("T00:00:59Z"), "{text}");
        Ok(())
    }
}
