//! Snapshots of every screen.

use crate::{
    model::{
        alert::AlertStatus,
        forecast::TimeToFull,
        kernel::counters::Counter,
        record::{AlertState, Record, Verdict},
    },
    output::live::theme::{Glyphs, Palette, Theme},
};
use insta::assert_snapshot;
use ratatui::{
    crossterm::event::KeyCode,
    style::{Color, Modifier},
};

use crate::output::live::tests::stage::{
    RICH, app, buffer, changed, crosscheck, filling, more, press, recording, screen, several, time,
    type_text,
};

#[test]
fn overview() {
    let mut records = recording();
    records.extend(more());
    let app = app(RICH, records);
    for (width, height) in [(80, 24), (120, 40), (200, 50), (300, 80)] {
        assert_snapshot!(
            format!("overview-{width}x{height}"),
            screen(&app, width, height)
        );
    }
}

#[test]
fn small_terminals_show_what_matters_most() {
    let app = filling();
    for (width, height) in [(60, 16), (40, 10), (20, 5), (12, 1)] {
        assert_snapshot!(
            format!("small-{width}x{height}"),
            screen(&app, width, height)
        );
    }
}

#[test]
fn without_unicode() {
    let theme = Theme {
        palette: Palette::Ansi,
        glyphs: Glyphs::Ascii,
    };
    let mut records = recording();
    records.extend(more());
    let mut app = app(theme, records);
    let text = screen(&app, 80, 24);
    assert!(text.is_ascii(), "{text}");
    assert_snapshot!("ascii-80x24", text);
    for key in ['?', '3', 'c'] {
        press(&mut app, KeyCode::Char(key));
        let text = screen(&app, 120, 40);
        assert!(text.is_ascii(), "{text}");
        press(&mut app, KeyCode::Esc);
    }
}

#[test]
fn without_colours() {
    let theme = Theme {
        palette: Palette::Mono,
        glyphs: Glyphs::Braille,
    };
    let mut records = changed(|sample| sample.verdict = Some(Verdict::Mismatch));
    records.push(crosscheck("self", Verdict::Mismatch));
    let app = app(theme, records);
    let buffer = buffer(&app, 120, 40);
    for cell in buffer.content() {
        assert_eq!((cell.fg, cell.bg), (Color::Reset, Color::Reset), "{cell:?}");
    }
    assert_snapshot!("mono-120x40", screen(&app, 120, 40));
}

#[test]
fn sixteen_colours_are_enough() {
    let theme = Theme {
        palette: Palette::Ansi,
        glyphs: Glyphs::Braille,
    };
    let buffer = buffer(&app(theme, recording()), 200, 50);
    for cell in buffer.content() {
        for colour in [cell.fg, cell.bg] {
            assert!(
                !matches!(colour, Color::Indexed(_) | Color::Rgb(..)),
                "{cell:?}"
            );
        }
    }
}

#[test]
fn a_chart_alone() {
    let mut app = filling();
    for (key, name) in [('2', "new"), ('3', "changes"), ('6', "errors")] {
        press(&mut app, KeyCode::Char(key));
        assert_snapshot!(format!("focus-{name}-120x40"), screen(&app, 120, 40));
    }
    assert_snapshot!("focus-errors-80x24", screen(&app, 80, 24));
}

#[test]
fn single_milliseconds() {
    let mut records = recording();
    records.extend(more());
    let mut app = app(RICH, records);
    // Go to the last burst, in which the table filled.
    press(&mut app, KeyCode::Char('b'));
    assert_snapshot!("burst-120x40", screen(&app, 120, 40));
    press(&mut app, KeyCode::Char('+'));
    press(&mut app, KeyCode::Char('6'));
    assert_snapshot!("burst-errors-80x24", screen(&app, 80, 24));
}

#[test]
fn layouts() {
    let mut records = recording();
    records.extend(more());
    let mut app = app(RICH, records);
    for name in ["charts", "events"] {
        press(&mut app, KeyCode::Char('l'));
        assert_snapshot!(format!("layout-{name}-120x40"), screen(&app, 120, 40));
    }
    assert_snapshot!("layout-events-80x24", screen(&app, 80, 24));
}

#[test]
fn the_cursor_in_lists() {
    let mut records = recording();
    records.extend(more());
    let mut app = app(RICH, records);
    press(&mut app, KeyCode::Char('t'));
    press(&mut app, KeyCode::Down);
    assert_snapshot!("talkers-80x24", screen(&app, 80, 24));
    press(&mut app, KeyCode::Char('e'));
    press(&mut app, KeyCode::PageDown);
    press(&mut app, KeyCode::PageDown);
    assert_snapshot!("events-120x40", screen(&app, 120, 40));
}

#[test]
fn a_recording_has_its_keys_on_the_bottom_line_and_in_the_help() {
    let mut app = filling();
    app.update(crate::output::live::Input::Playback("×2".into()));
    press(&mut app, KeyCode::Char('?'));
    assert_snapshot!("help-of-a-recording-80x24", screen(&app, 80, 24));
}

#[test]
fn what_is_told_may_need_several_rows() {
    let mut app = filling();
    app.update(crate::output::live::Input::Told(
        "wrote something with a name that is long ".repeat(3).into(),
    ));
    let shown = screen(&app, 60, 16);
    let rows: Vec<&str> = shown.lines().skip(13).collect();
    assert_eq!(
        rows,
        [
            "wrote something with a name that is long wrote something",
            "with a name that is long wrote something with a name that is",
            "long"
        ]
    );
    // It is among the events afterwards.
    press(&mut app, KeyCode::Char('l'));
    press(&mut app, KeyCode::Char('l'));
    let shown = screen(&app, 120, 40);
    assert!(shown.contains("note          wrote something"), "{shown}");
}

#[test]
fn help_and_checks() {
    let mut app = filling();
    press(&mut app, KeyCode::Char('?'));
    assert_snapshot!("help-80x24", screen(&app, 80, 24));
    press(&mut app, KeyCode::Char('c'));
    assert_snapshot!("checks-120x40", screen(&app, 120, 40));
}

#[test]
fn several_namespaces() {
    let mut app = app(RICH, several());
    assert_snapshot!("several-200x50", screen(&app, 200, 50));
    press(&mut app, KeyCode::Char('i'));
    // The fullest come first; in the last nothing tracks.
    press(&mut app, KeyCode::Down);
    press(&mut app, KeyCode::Down);
    assert_snapshot!("choose-80x24", screen(&app, 80, 24));
    press(&mut app, KeyCode::Enter);
    assert_snapshot!("untracked-80x24", screen(&app, 80, 24));
    let text = screen(&app, 60, 24);
    assert!(text.contains("no rule asks for it"), "{text}");
}

#[test]
fn a_filter() {
    let mut app = filling();
    type_text(&mut app, "/dst=127.1.1");
    assert_snapshot!("prompt-80x24", screen(&app, 80, 24));
    press(&mut app, KeyCode::Enter);
    assert_snapshot!("prompt-error-80x24", screen(&app, 80, 24));
    press(&mut app, KeyCode::Esc);
    type_text(&mut app, "/table_full");
    press(&mut app, KeyCode::Enter);
    assert_snapshot!("filtered-120x40", screen(&app, 120, 40));
}

#[test]
fn counts_that_are_wrong_cannot_be_missed() {
    for (verdict, word) in [
        (Verdict::Mismatch, "WRONG!"),
        (Verdict::Undercount, "UNDERCOUNT!"),
    ] {
        let mut records = changed(|sample| sample.verdict = Some(verdict));
        records.push(crosscheck("self", verdict));
        let mut app = app(RICH, records);
        assert_snapshot!(
            format!("verdict-{}-80x24", verdict.name()),
            screen(&app, 80, 24)
        );
        // On every screen of at least two lines, and while paused.
        for key in [None, Some('4'), Some('?'), Some('l'), Some(' ')] {
            if let Some(key) = key {
                press(&mut app, KeyCode::Char(key));
            }
            for (width, height) in [(300, 80), (80, 24), (40, 8), (30, 3)] {
                let text = screen(&app, width, height);
                assert!(text.contains(word), "{key:?} {width}x{height}\n{text}");
            }
            press(&mut app, KeyCode::Esc);
        }
        let buffer = buffer(&app, 80, 24);
        let loud = buffer.content().iter().filter(|cell| {
            cell.bg == Color::Indexed(160) && cell.modifier.contains(Modifier::BOLD)
        });
        assert!(loud.count() > 40);
    }
}

#[test]
fn another_namespace_s_wrong_counts_cannot_be_missed() {
    let mut records = several();
    for record in &mut records {
        if let Record::Sample(sample) = record
            && sample.instance == "tenant-blue"
        {
            sample.verdict = Some(Verdict::Mismatch);
        }
    }
    records.push(crosscheck("tenant-blue", Verdict::Mismatch));
    let text = screen(&app(RICH, records), 80, 24);
    assert!(
        text.contains("WRONG! do not trust the probes in tenant-blue"),
        "{text}"
    );
}

#[test]
fn without_probes_what_is_missing_says_why() {
    let mut records = changed(|sample| {
        sample.buckets = None;
        sample.verdict = None;
        for (chart, dimension) in [(1, 0), (2, 0), (2, 1), (2, 2)] {
            sample.charts.0[chart].1.0[dimension].1 = None;
            sample.sources.0[chart].1.0[dimension].1 =
                crate::model::record::SourceKind::Unavailable;
        }
    });
    if let Some(Record::Hello(hello)) = records.first_mut() {
        use crate::model::kernel::counters::Counter;
        hello.probes.mode = "off".into();
        hello.probes.reason = Some("this kernel has no kprobes".into());
        for counter in [
            Counter::New,
            Counter::Inserted,
            Counter::Deleted,
            Counter::DeleteList,
        ] {
            let reason =
                "not counted by the kernel since 4.9; no probe: this kernel has no kprobes";
            hello.unavailable.set(counter, Some(reason.into()));
        }
    }
    let mut app = app(RICH, records);
    assert_snapshot!("no-probes-80x24", screen(&app, 80, 24));
    press(&mut app, KeyCode::Char('3'));
    assert_snapshot!("no-probes-changes-80x24", screen(&app, 80, 24));
}

#[test]
fn other_alerts_take_a_line_of_their_own() {
    let records = changed(|sample| {
        let state = AlertState {
            status: AlertStatus::Critical,
            value: Some(12.0),
            notified: AlertStatus::Critical,
            notify_at: None,
        };
        sample.alerts.0.push(("conntrack_table_full".into(), state));
    });
    let text = screen(&app(RICH, records), 80, 24);
    assert!(
        text.contains("! CRITICAL conntrack_table_full 12 events/s"),
        "{text}"
    );
    // The gauge is about the table.
    assert!(text.contains("alert still CLEAR"), "{text}");
}

/// The status beside the gauge, and its colour.
fn gauge(app: &crate::output::live::App) -> (String, Color) {
    let line = screen(app, 80, 2)
        .lines()
        .nth(1)
        .unwrap_or_default()
        .to_owned();
    let word = line
        .rsplit("% ")
        .next()
        .unwrap_or_default()
        .trim()
        .to_owned();
    let at = line.chars().position(|c| c == '█').unwrap_or_default();
    let at = u16::try_from(at).expect("a column");
    (word, buffer(app, 80, 2)[(at, 1)].fg)
}

#[test]
fn the_gauge_goes_by_the_alert_that_is_reported() {
    const GREEN: Color = Color::Indexed(71);
    let held = |percent: f64, change: &dyn Fn(&mut crate::model::record::Sample)| {
        app(
            RICH,
            changed(|sample| {
                sample.entries = Some((percent * 40.0) as u64);
                sample.utilization = Some(percent);
                change(sample);
            }),
        )
    };
    // The thresholds are configured: 97 % is CLEAR, and 10 % is not.
    assert_eq!(gauge(&held(97.0, &|_| {})), ("CLEAR".to_owned(), GREEN));
    let (word, colour) = gauge(&held(10.0, &|sample| {
        sample.alerts.0[0].1.status = AlertStatus::Warning;
    }));
    assert_eq!(word, "WARNING");
    assert_ne!(colour, GREEN);
    // Not evaluated is not CLEAR.
    let mut unjudged = held(10.0, &|sample| {
        sample.alerts.0.clear();
        let why = "turned off in the configuration".into();
        sample
            .alerts_unavailable
            .0
            .push(("netfilter_conntrack_full".into(), why));
    });
    let (word, colour) = gauge(&unjudged);
    assert_eq!(word, "not judged");
    assert_ne!(colour, GREEN);
    press(&mut unjudged, KeyCode::Char('n'));
    let text = screen(&unjudged, 80, 24);
    assert!(
        text.contains("— netfilter_conntrack_full: turned off in the configuration"),
        "{text}"
    );
    // A full table is shown as full, also between two evaluations.
    let (word, colour) = gauge(&held(100.0, &|_| {}));
    assert!(word.starts_with("FULL"), "{word}");
    assert_ne!(colour, GREEN);
}

/// Nothing happens; flows are counted by probes, or not.
fn idle(probes: bool) -> Vec<Record> {
    let mut records = changed(|sample| {
        for (_, dimensions) in &mut sample.charts.0 {
            for (_, value) in &mut dimensions.0 {
                *value = value.map(|_| 0.0);
            }
        }
        sample.buckets = probes.then(crate::model::kernel::per_counter::PerCounter::default);
        if !probes {
            for (chart, dimension) in [(1, 0), (2, 0), (2, 1), (2, 2)] {
                sample.charts.0[chart].1.0[dimension].1 = None;
            }
        }
    });
    records.retain(|record| matches!(record, Record::Hello(_) | Record::Sample(_)));
    if let Some(Record::Hello(hello)) = records.first_mut()
        && !probes
    {
        hello.probes.mode = "off".into();
        hello.probes.reason = Some("this kernel has no kprobes".into());
    }
    records
}

#[test]
fn the_header_shows_how_probes_are_attached() {
    let header = |mode: &'static str, by_kprobe: &[&'static str]| {
        let mut records = idle(true);
        let Some(Record::Hello(hello)) = records.first_mut() else {
            panic!("a hello comes first");
        };
        hello.probes.mode = mode.into();
        hello.probes.by_kprobe = by_kprobe.iter().map(|name| (*name).into()).collect();
        let screen = screen(&app(RICH, records), 120, 40);
        screen.lines().next().unwrap_or_default().to_owned()
    };
    for (mode, by_kprobe, shown) in [
        ("kprobe", &[][..], " kprobe/flow "),
        ("fentry", &[], " fentry/flow "),
        ("fentry", &["early_drop"], " fentry+kprobe/flow "),
    ] {
        let header = header(mode, by_kprobe);
        assert!(header.contains(shown), "{header}");
    }
}

#[test]
fn the_view_is_quiet_only_if_flows_are_counted() {
    let quiet = screen(&app(RICH, idle(true)), 120, 40);
    assert!(quiet.contains("quiet"), "{quiet}");
    let unknown = screen(&app(RICH, idle(false)), 120, 40);
    assert!(unknown.contains("— not counted"), "{unknown}");
    assert!(!unknown.contains("quiet"), "{unknown}");
    assert!(unknown.contains("no events without probes"), "{unknown}");
    assert!(!unknown.contains("nothing was"), "{unknown}");
}

#[test]
fn typed_text_is_escaped() {
    let mut app = filling();
    // As pasted: the terminal passes it on as text.
    type_text(&mut app, "/\u{202e}a=b\u{e0041}");
    let is_harmless = |text: &str| {
        !text
            .chars()
            .any(|c| c != '\n' && crate::text::is_harmful(c))
    };
    let text = screen(&app, 120, 40);
    assert!(
        is_harmless(&text) && text.contains("\\u{202e}a=b"),
        "{text}"
    );
    press(&mut app, KeyCode::Enter);
    assert!(is_harmless(&screen(&app, 120, 40)));
    press(&mut app, KeyCode::Esc);
    type_text(&mut app, "/\u{202e}");
    press(&mut app, KeyCode::Enter);
    let text = screen(&app, 120, 40);
    assert!(
        is_harmless(&text) && text.contains("no event matches \\u{202e}"),
        "{text}"
    );
}

#[test]
fn when_the_table_will_be_full() {
    let records = changed(|sample| {
        sample.utilization = Some(62.0);
        sample.time_to_full_s = Some(TimeToFull {
            estimate: 190.0,
            low: 120.0,
            high: 300.0,
        });
        let why = "needs probes".to_owned();
        sample
            .alerts_unavailable
            .0
            .push(("conntrack_table_full".into(), why.into()));
    });
    let mut app = app(RICH, records);
    let text = screen(&app, 120, 40);
    assert!(text.contains("full in 3m10s (2m00s-5m00s)"), "{text}");
    assert!(screen(&app, 80, 24).contains("full in 3m10s"));
    press(&mut app, KeyCode::Char('n'));
    let text = screen(&app, 80, 24);
    assert!(
        text.contains("— conntrack_table_full: needs probes"),
        "{text}"
    );
}

#[test]
fn before_anything_is_known() {
    let empty = app(RICH, []);
    assert_snapshot!("nothing-80x24", screen(&empty, 80, 24));
    // nf_conntrack is not loaded.
    let records = changed(|sample| {
        sample.entries = None;
        sample.max = None;
        sample.utilization = None;
        sample.charts.0[0].1.0[0].1 = None;
    });
    assert_snapshot!("no-conntrack-80x24", screen(&app(RICH, records), 80, 24));
}

/// The recording with counters that are wrong in its last second.
fn wrong_at_last() -> Vec<Record> {
    const REASON: &str = "breaks list_balance (the probes counted 0; at least 31990)";
    let mut records = changed(|sample| {
        if sample.time < time("14:52:09") {
            return;
        }
        sample.verdict = Some(Verdict::Mismatch);
        sample.wrong.set(Counter::DeleteList, Some(REASON.into()));
        sample
            .wrong
            .set(Counter::New, Some("breaks packets_balance".into()));
    });
    records.extend(more());
    records
}

#[test]
fn wrong_counters_are_marked_and_named() {
    let mut app = app(RICH, wrong_at_last());
    assert_snapshot!("wrong-120x40", screen(&app, 120, 40));
    assert_snapshot!("wrong-80x24", screen(&app, 80, 24));
    press(&mut app, KeyCode::Char('3'));
    assert_snapshot!("wrong-changes-120x40", screen(&app, 120, 40));
    let buffer = buffer(&app, 120, 40);
    let rows = 0..buffer.area.height;
    let mut rows = rows.map(|y| -> String { (0..120).map(|x| buffer[(x, y)].symbol()).collect() });
    let y = rows.position(|row| row.contains("!delete_list")).unwrap();
    let y = u16::try_from(y).unwrap();
    let x = (0..120).find(|x| buffer[(*x, y)].symbol() == "!").unwrap();
    assert_eq!(Some(buffer[(x, y)].bg), RICH.alarm().bg);
}

#[test]
fn before_it_was_wrong_nothing_is_marked() {
    let mut app = app(RICH, wrong_at_last());
    // The oldest second.
    for _ in 0..5 {
        press(&mut app, KeyCode::Char('+'));
    }
    press(&mut app, KeyCode::Home);
    let text = screen(&app, 120, 40);
    assert!(!text.contains("!delete_list"), "{text}");
    // What is wrong now cannot be missed all the same.
    assert!(
        text.contains("WRONG! do not trust new, delete_list"),
        "{text}"
    );
}
