//! Every screen.

use crate::{
    model::{
        alert::AlertStatus,
        forecast::TimeToFull,
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
    RICH, app, buffer, changed, crosscheck, filling, more, press, recording, screen, several,
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
fn in_blocks() {
    let theme = Theme {
        palette: Palette::Ansi,
        glyphs: Glyphs::Block,
    };
    assert_snapshot!("block-120x40", screen(&app(theme, recording()), 120, 40));
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
    // To the last burst, in which the table filled.
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
    press(&mut app, KeyCode::Down);
    assert_snapshot!("choose-80x24", screen(&app, 80, 24));
    press(&mut app, KeyCode::Enter);
    assert_snapshot!("untracked-80x24", screen(&app, 80, 24));
    press(&mut app, KeyCode::Char('n'));
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
        // On every screen, of any size that has two lines, and paused too.
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
        sample.alerts.0.push(("conntrack_refused".into(), state));
    });
    let text = screen(&app(RICH, records), 80, 24);
    assert!(text.contains("! CRITICAL conntrack_refused 12"), "{text}");
    // The gauge is about the table.
    assert!(text.contains("alert still CLEAR"), "{text}");
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
