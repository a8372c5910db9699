//! What the first screen answers: is it filling, was anything lost, who, the burst, are the counts proven.

use insta::assert_snapshot;
use ratatui::crossterm::event::KeyCode;

use crate::{
    model::{
        alert::AlertStatus,
        record::{AlertState, Burst, Record, Verdict},
        verdict::Completion,
    },
    output::{
        Sink,
        live::tests::{
            stage::{
                RICH, app, changed, crosscheck, more, press, recording, screen, time, type_text,
            },
            states::{before_full, sixty, states},
        },
        terminal::Size,
        text::{TextSink, View},
    },
};

const SIZES: [(u16, u16); 3] = [(80, 24), (120, 40), (200, 60)];

/// The text of a stream on a screen of this size: of a namespace its first lines, its last second and its end.
fn text(records: Vec<Record>, columns: u16, rows: u16) -> String {
    let mut out = Vec::new();
    let mut sink = TextSink::new(&mut out, Some(Size { columns, rows }), View::default());
    let mut completion = Completion::default();
    let ends = completion_of(&mut completion, records);
    for record in ends {
        let early = record.time().is_some_and(|at| at < time("14:52:09.6"));
        if !early || matches!(record, Record::Hello(_)) {
            sink.write(&record).expect("it is written to memory");
        }
    }
    drop(sink);
    String::from_utf8(out).expect("text")
}

fn completion_of(completion: &mut Completion, records: Vec<Record>) -> Vec<Record> {
    let mut all = Vec::new();
    for record in records {
        all.extend(completion.before(Some(&record)));
        all.push(record);
    }
    all.extend(completion.before(None));
    all
}

#[test]
fn the_text_of_every_state_at_every_size() {
    for (name, records) in states() {
        // Sixty namespaces are as one, sixty times.
        if name == "sixty" {
            continue;
        }
        for (width, height) in SIZES {
            let text = text(records.clone(), width, height);
            for line in text.lines() {
                assert!(line.chars().count() <= usize::from(width), "{line}");
            }
            assert_snapshot!(format!("text-{name}-{width}x{height}"), text);
        }
    }
}

#[test]
fn every_state_at_every_size() {
    for (name, records) in states() {
        let app = app(RICH, records);
        for (width, height) in SIZES {
            assert_snapshot!(
                format!("answers-{name}-{width}x{height}"),
                screen(&app, width, height)
            );
        }
    }
}

#[test]
fn a_burst_at_every_size() {
    let mut records = before_full(|_| {});
    records.extend(
        more()
            .into_iter()
            .filter(|r| !matches!(r, Record::Alert(_))),
    );
    // As a run reports them: with the interval in which they ended.
    records.sort_by_key(Record::time);
    let mut app = app(RICH, records);
    press(&mut app, KeyCode::Char('b'));
    for (width, height) in SIZES {
        assert_snapshot!(
            format!("answers-burst-{width}x{height}"),
            screen(&app, width, height)
        );
    }
}

/// A burst of one counter as the recording's first, which is of new flows.
fn with_the_first(counter: &'static str, count: u64) -> Record {
    let first = more().into_iter().find_map(|record| match record {
        Record::Burst(burst) => Some(burst),
        _ => None,
    });
    let first = first.expect("there is a burst");
    Record::Burst(Burst {
        counter: counter.into(),
        count,
        ..first
    })
}

#[test]
fn bursts_at_the_same_time_are_one_event() {
    let mut records = recording();
    // As they end: what the new flows caused may come first.
    records.push(with_the_first("early_drop", 250));
    records.push(with_the_first("alloc", 300));
    records.push(with_the_first("new", 300));
    records.push(with_the_first("inserted", 299));
    let mut app = app(RICH, records);
    type_text(&mut app, "/burst");
    press(&mut app, KeyCode::Enter);
    let text = screen(&app, 180, 60);
    let bursts: Vec<&str> = text
        .lines()
        .filter(|l| l.starts_with("14:52") && l.contains(" burst "))
        .collect();
    assert_eq!(bursts.len(), 1, "{text}");
    assert!(
        bursts[0].contains("300 new in 9.0 ms, peak 49.6k/s; with 299 inserted, 250 early_drop"),
        "{}",
        bursts[0]
    );
}

#[test]
fn top_talkers_are_those_of_the_moment() {
    let top = |clock: &str, key: &'static str| {
        let record = more().into_iter().find_map(|record| match record {
            Record::Top(top) => Some(top),
            _ => None,
        });
        let mut top = record.expect("there are top talkers");
        top.time = time(clock);
        for table in &mut top.tables {
            for row in &mut table.rows {
                row.key = key.into();
            }
        }
        Record::Top(top)
    };
    let mut records = recording();
    records.insert(1, top("14:52:07.5", "10.0.0.66"));
    records.push(top("14:52:09.9", "10.0.0.1"));
    records.extend(more().into_iter().filter(|r| matches!(r, Record::Burst(_))));
    let mut app = app(RICH, records);
    let now = screen(&app, 120, 40);
    assert!(
        now.contains("10.0.0.1") && !now.contains("10.0.0.66"),
        "{now}"
    );
    press(&mut app, KeyCode::Char('b'));
    press(&mut app, KeyCode::Char('b'));
    let then = screen(&app, 120, 40);
    assert!(
        then.contains("10.0.0.66") && !then.contains("10.0.0.1 "),
        "{then}"
    );
}

#[test]
fn alerts_are_those_of_the_moment() {
    let records = changed(|sample| {
        let raised = sample.time > time("14:52:09");
        let status = if raised {
            AlertStatus::Critical
        } else {
            AlertStatus::Clear
        };
        let state = AlertState {
            status,
            value: Some(498.0),
            notified: status,
            notify_at: None,
        };
        let name = "conntrack_early_drop".into();
        sample.alerts.0.push((name, state));
    });
    let mut app = app(RICH, records);
    let words = "! CRITICAL conntrack_early_drop 498 events/s";
    assert!(screen(&app, 80, 24).contains(words));
    press(&mut app, KeyCode::Char('+'));
    press(&mut app, KeyCode::Char('+'));
    press(&mut app, KeyCode::Home);
    assert!(!screen(&app, 80, 24).contains(words));
}

#[test]
fn a_status_that_is_held_says_until_when() {
    let records = changed(|sample| {
        sample.entries = Some(400);
        sample.utilization = Some(10.0);
        let (_, alert) = &mut sample.alerts.0[0];
        alert.status = AlertStatus::Clear;
        alert.notified = AlertStatus::Critical;
        alert.notify_at = Some(time("14:57:00"));
    });
    let text = screen(&app(RICH, records), 80, 24);
    assert!(
        text.contains("10.0%  CLEAR  CRITICAL held until 14:57:00"),
        "{text}"
    );
}

#[test]
fn the_view_opens_on_the_worst_namespace() {
    let mut app = app(RICH, sixty());
    let shown = |app: &crate::output::live::App| app.instance_name().map(ToString::to_string);
    assert_eq!(shown(&app).as_deref(), Some("pod-40"));
    // The next are the fullest of the others.
    press(&mut app, KeyCode::Char(']'));
    assert_eq!(shown(&app).as_deref(), Some("pod-59"));
    // Wherever one looks, the worst is named.
    let text = screen(&app, 80, 24);
    assert!(text.contains("pod-40: Table 100 % full"), "{text}");
}

#[test]
fn the_window_fits_what_there_is_until_it_is_zoomed() {
    let mut app = app(RICH, recording());
    assert_eq!(app.view.span(), 5_000_000_000);
    press(&mut app, KeyCode::Char('-'));
    assert_eq!(app.view.span(), 10_000_000_000);
    for record in recording() {
        app.update(crate::output::live::Input::Record(record));
    }
    assert_eq!(app.view.span(), 10_000_000_000);
}

#[test]
fn counts_that_are_not_proven_say_so() {
    let mut records = changed(|sample| sample.verdict = Some(Verdict::Mismatch));
    records.push(crosscheck("self", Verdict::Mismatch));
    let text = screen(&app(RICH, records), 80, 24);
    assert!(text.contains("Counts are NOT proven"), "{text}");
}

#[test]
fn on_a_small_screen_the_least_important_sentences_give_way() {
    let mut records = recording();
    records.extend(more());
    let app = app(RICH, records);
    let at_once = |width, height| {
        let text = screen(&app, width, height);
        [
            "Table 100 %",
            "1 flow refused",
            "New flows:",
            "bursts of new flows",
            "Counts are proven",
        ]
        .map(|sentence| text.contains(sentence))
    };
    assert_eq!(at_once(80, 24), [true; 5]);
    assert_eq!(at_once(80, 14), [true, true, true, false, true]);
    assert_eq!(at_once(80, 10), [true, true, false, false, true]);
}

#[test]
fn a_burst_of_several_counters_is_visited_once() {
    let mut records = recording();
    records.extend(more());
    records.push(with_the_first("inserted", 299));
    records.push(with_the_first("early_drop", 250));
    let mut app = app(RICH, records);
    assert!(
        screen(&app, 80, 24).contains("2 bursts"),
        "{}",
        screen(&app, 80, 24)
    );
    let mut ends = Vec::new();
    for _ in 0..4 {
        press(&mut app, KeyCode::Char('b'));
        ends.push(app.end());
    }
    ends.dedup();
    assert_eq!(ends.len(), 2, "{ends:?}");
}
