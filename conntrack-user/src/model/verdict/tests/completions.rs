//! Recordings that lack verdicts get them; others keep theirs.

use super::*;
use crate::model::record::Summary;

/// Two instances in a hello, and samples of them.
fn of_two(story: &Story) -> Result<(Record, [Record; 2]), Box<dyn Error>> {
    let Record::Hello(mut hello) = story.hello.clone() else {
        return Err("no hello".into());
    };
    let mut instance = hello.instances[0].clone();
    let names = ["a", "b"].map(Text::from);
    hello.instances = names
        .clone()
        .map(|name| {
            instance.name = name;
            instance.clone()
        })
        .into();
    let samples = names.map(|name| {
        let mut sample = story.sample.clone();
        sample.instance = name;
        Record::Sample(Box::new(sample))
    });
    Ok((Record::Hello(hello), samples))
}

#[test]
fn verdicts_come_when_all_instances_have_had_their_samples() -> TestResult {
    let (hello, [a, b]) = of_two(&Story::new()?)?;
    let mut completion = Completion::default();
    let records = [&hello, &a, &b, &a, &b].map(Some);
    let mut made = Vec::new();
    for next in records.into_iter().chain([None, None]) {
        made.push(completion.before(next).len());
    }
    // Before the third sample those of the first two, and at the end the closing ones, once.
    assert_eq!(made, [0, 0, 0, 2, 0, 2, 0]);
    Ok(())
}

#[test]
fn a_recording_with_verdicts_keeps_them() -> TestResult {
    let mut story = Story::new()?;
    let (hello, [a, b]) = of_two(&story)?;
    let verdict = Record::Verdict(Box::new(story.fill(100).ok_or("no verdict")?));
    let mut completion = Completion::default();
    for next in [&hello, &a, &b, &verdict, &a, &b, &a]
        .map(Some)
        .into_iter()
        .chain([None])
    {
        assert!(completion.before(next).is_empty());
    }
    Ok(())
}

#[test]
fn a_run_that_is_appended_starts_anew() -> TestResult {
    let mut story = Story::new()?;
    let mut completion = Completion::default();
    let mut run = |refused: u64| -> Vec<InstanceVerdict> {
        story.sample.counters.set(Counter::TableFull, Some(refused));
        let sample = Record::Sample(Box::new(story.sample.clone()));
        let summary = Record::Summary(Box::new(Summary {
            duration_s: 1.0,
            events: None,
            instances: Vec::new(),
            instances_left_out: 0,
        }));
        let records = [story.hello.clone(), sample, summary];
        let made = records
            .iter()
            .flat_map(|record| completion.before(Some(record)));
        made.filter_map(|record| match record {
            Record::Verdict(verdict) => Some(*verdict),
            _ => None,
        })
        .collect()
    };
    let refused = |closing: &[InstanceVerdict]| {
        let facts = closing.last().map(|verdict| &verdict.facts);
        facts
            .and_then(|facts| facts.loss(LossKind::Refused))
            .map(|loss| loss.count)
    };
    assert_eq!(refused(&run(36)), Some(36));
    assert_eq!(refused(&run(2)), Some(2));
    Ok(())
}

#[test]
fn a_recording_is_closed_once() -> TestResult {
    let mut story = Story::new()?;
    story.fill(100);
    let summary = serde_json::from_value(
        serde_json::json!({"type": "summary", "duration_s": 1.0, "events": {}, "instances": []}),
    )?;
    let sample = Record::Sample(Box::new(story.sample.clone()));
    let mut completion = Completion::default();
    let mut made = Vec::new();
    for next in [Some(&story.hello), Some(&sample), Some(&summary), None] {
        made.push(completion.before(next).len());
    }
    assert_eq!(made, [0, 0, 1, 0]);
    Ok(())
}
