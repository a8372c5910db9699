//! Tests of key bindings.

use crate::{
    keyboard::actions::Action,
    model::{history::time::nanos, record::Record},
    output::live::{
        Input, ViewRequest,
        state::{Measure, SPANS, ScreenLayout},
    },
};
use jiff::tz::TimeZone;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use crate::output::live::tests::stage::{
    RICH, app, filling, more, press, recording, screen, several, time, type_text,
};

#[test]
fn a_paused_view_does_not_follow() {
    let mut records = recording();
    let last = records.pop().expect("the recording has records");
    let mut app = app(RICH, records);
    press(&mut app, KeyCode::Char(' '));
    let end = app.end();
    let Record::Sample(mut sample) = recording()
        .into_iter()
        .rfind(|r| matches!(r, Record::Sample(_)))
        .expect("the recording has samples")
    else {
        panic!("a sample is a sample")
    };
    app.update(Input::Record(last));
    sample.time = time("14:53:00");
    app.update(Input::Record(Record::Sample(sample)));
    assert_eq!(app.end(), end);
    press(&mut app, KeyCode::Char(' '));
    assert_eq!(app.end(), nanos(time("14:53:00")));
}

#[test]
fn scrolling_ends_where_the_data_ends() {
    let mut app = filling();
    let now = app.end();
    // From what there is, 5 s, to a window of one second.
    for _ in 0..2 {
        press(&mut app, KeyCode::Char('+'));
    }
    assert_eq!(app.view.span(), 1_000_000_000);
    press(&mut app, KeyCode::Left);
    assert_eq!(app.end(), now - 250_000_000);
    press(&mut app, KeyCode::PageUp);
    assert_eq!(app.end(), now - 1_250_000_000);
    press(&mut app, KeyCode::Home);
    let oldest = app.end();
    press(&mut app, KeyCode::Left);
    assert_eq!(app.end(), oldest);
    press(&mut app, KeyCode::PageDown);
    assert_eq!(app.end(), oldest + 1_000_000_000);
    // At the end the view follows new samples again.
    for _ in 0..9 {
        press(&mut app, KeyCode::PageDown);
    }
    assert_eq!(app.view.at, None);
    press(&mut app, KeyCode::Left);
    press(&mut app, KeyCode::End);
    assert_eq!(app.view.at, None);
}

#[test]
fn zooming_keeps_the_middle_of_a_paused_view() {
    let mut app = filling();
    for _ in 0..4 {
        press(&mut app, KeyCode::Up);
    }
    press(&mut app, KeyCode::PageUp);
    let middle = app.end() - app.view.span() / 2;
    press(&mut app, KeyCode::Up);
    assert_eq!(app.end() - app.view.span() / 2, middle);
    for _ in 0..40 {
        press(&mut app, KeyCode::Char('-'));
    }
    assert_eq!(app.view.zoom, SPANS.len() - 1);
    for _ in 0..40 {
        press(&mut app, KeyCode::Char('+'));
    }
    assert_eq!(app.view.span(), 50_000_000);
}

#[test]
fn bursts_are_found_back_and_forth() {
    let mut records = recording();
    records.extend(more());
    let mut app = app(RICH, records);
    let middle = |app: &crate::output::live::App| app.end() - app.view.span() / 2;
    press(&mut app, KeyCode::Char('b'));
    assert_eq!(middle(&app), nanos(time("14:52:09.5815")));
    // Ten times as long as the burst, so 200 ms.
    assert_eq!(app.view.span(), 200_000_000);
    press(&mut app, KeyCode::Char('b'));
    assert_eq!(middle(&app), nanos(time("14:52:08.1615")));
    press(&mut app, KeyCode::Char('b'));
    assert_eq!(middle(&app), nanos(time("14:52:08.1615")));
    press(&mut app, KeyCode::Char('B'));
    assert_eq!(middle(&app), nanos(time("14:52:09.5815")));
}

#[test]
fn charts_layouts_and_measures() {
    let mut app = filling();
    press(&mut app, KeyCode::Char('3'));
    assert_eq!(app.view.focus, Some(2));
    press(&mut app, KeyCode::Tab);
    assert_eq!(app.view.focus, Some(3));
    press(&mut app, KeyCode::Char('4'));
    assert_eq!(app.view.focus, None);
    press(&mut app, KeyCode::Char('m'));
    assert_eq!(app.view.measure, Measure::Peak);
    press(&mut app, KeyCode::Char('l'));
    assert_eq!(app.view.layout, ScreenLayout::Charts);
}

#[test]
fn instances_are_chosen() {
    let mut app = app(RICH, several());
    assert_eq!(app.instance_name().map(|name| name.raw()), Some("self"));
    // In the order of how full they are.
    press(&mut app, KeyCode::Char('['));
    assert_eq!(
        app.instance_name().map(|name| name.raw()),
        Some("tenant-blue")
    );
    press(&mut app, KeyCode::Char(']'));
    press(&mut app, KeyCode::Char(']'));
    assert_eq!(
        app.instance_name().map(|name| name.raw()),
        Some("tenant-with-a-very-long-name")
    );
    // An instance that is gone is not shown.
    let Some(hello) = recording().into_iter().next() else {
        panic!("the recording has a hello")
    };
    app.update(Input::Record(hello));
    assert_eq!(app.instance_name().map(|name| name.raw()), Some("self"));
}

#[test]
fn keys_of_a_prompt_are_text() {
    let mut app = filling();
    type_text(&mut app, "/qqq");
    assert_eq!(app.take_request(), None);
    assert_eq!(app.view.prompt.as_ref().map(|p| &*p.text), Some("qqq"));
    press(&mut app, KeyCode::Enter);
    assert_eq!(app.view.search_text, "qqq");
    // Control keys are not text.
    type_text(&mut app, "/");
    let control = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
    app.update(Input::Key(control));
    assert_eq!(app.take_request(), Some(ViewRequest::Quit));
}

#[test]
fn quitting_closes_what_is_on_top_first() {
    let mut app = filling();
    press(&mut app, KeyCode::Char('?'));
    press(&mut app, KeyCode::Char('q'));
    assert_eq!((app.view.overlay, app.take_request()), (None, None));
    press(&mut app, KeyCode::Char('q'));
    assert_eq!(app.take_request(), Some(ViewRequest::Quit));
    let control = KeyEvent::new(KeyCode::Char('z'), KeyModifiers::CONTROL);
    app.update(Input::Key(control));
    assert_eq!(app.take_request(), Some(ViewRequest::Suspend));
}

#[test]
fn escape_and_a_key_typed_at_once_are_both() {
    let mut app = filling();
    press(&mut app, KeyCode::Char('?'));
    let key = KeyEvent::new(KeyCode::Char('3'), KeyModifiers::ALT);
    app.update(Input::Key(key));
    assert_eq!((app.view.overlay, app.view.focus), (None, Some(2)));
}

#[test]
fn only_changes_request_a_redraw() {
    let mut app = filling();
    assert!(app.take_dirty());
    assert!(!app.take_dirty());
    let mut release = KeyEvent::from(KeyCode::Char('m'));
    release.kind = KeyEventKind::Release;
    app.update(Input::Key(release));
    assert!(!app.take_dirty());
    press(&mut app, KeyCode::Char('m'));
    assert!(app.take_dirty());
}

#[test]
fn times_are_local_if_the_zone_is_known() {
    let mut app = filling();
    press(&mut app, KeyCode::Char('u'));
    assert!(!app.view.local_time);
    assert!(screen(&app, 100, 30).contains("the local time zone is not known"));
    app.local = Some(TimeZone::fixed(jiff::tz::offset(2)));
    press(&mut app, KeyCode::Char('u'));
    let shown = screen(&app, 80, 24);
    assert!(shown.contains(" 16:52:10 +02"), "{shown}");
    assert!(!shown.contains("14:52"), "{shown}");
    press(&mut app, KeyCode::Char('u'));
    let shown = screen(&app, 100, 30);
    assert!(shown.contains(" 14:52:10 UTC"), "{shown}");
}

#[test]
fn a_recording_is_played_by_keys_and_a_kernel_is_not() {
    let mut app = filling();
    press(&mut app, KeyCode::Char('s'));
    assert_eq!(app.take_request(), None);
    app.update(Input::Playback("at once".into()));
    for (key, action) in [
        ('s', Action::Step),
        ('g', Action::Resume),
        ('<', Action::Slower),
        ('>', Action::Faster),
    ] {
        press(&mut app, KeyCode::Char(key));
        assert_eq!(app.take_request(), Some(ViewRequest::Play(action)));
    }
}

#[test]
fn keys_are_those_that_are_bound() {
    let mut app = filling();
    assert_eq!(app.bindings.bind(Action::Write, "f2"), Ok(()));
    press(&mut app, KeyCode::Char('w'));
    assert_eq!(app.take_request(), None);
    press(&mut app, KeyCode::F(2));
    assert_eq!(app.take_request(), Some(ViewRequest::Write));
    let shown = screen(&app, 160, 40);
    assert!(shown.contains("F2 write"), "{shown}");
}

#[test]
fn what_does_not_fit_into_a_popup_is_scrolled_to() {
    let mut app = filling();
    press(&mut app, KeyCode::Char('?'));
    let shown = |app: &crate::output::live::App| {
        let screen = screen(app, 80, 14);
        (
            screen.contains(" quit "),
            screen.contains("suspend; redraw"),
        )
    };
    assert_eq!(shown(&app), (true, false));
    for _ in 0..3 {
        press(&mut app, KeyCode::PageDown);
    }
    assert_eq!(shown(&app), (false, true));
    // It opens at its start.
    type_text(&mut app, "??");
    assert_eq!(shown(&app), (true, false));
}
