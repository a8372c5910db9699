//! Tests of the cursor in the tables of top talkers and among the events.

use ratatui::{
    crossterm::event::{KeyCode, KeyModifiers, MouseButton, MouseEvent, MouseEventKind},
    layout::Rect,
};

use crate::output::live::{
    App, Input, ViewRequest,
    state::{CursorList, ScreenLayout},
    tests::stage::{RICH, app, more, press, recording, screen, several, type_text},
};

fn with_talkers() -> App {
    let mut records = recording();
    records.extend(more());
    app(RICH, records)
}

fn copied(app: &mut App) -> String {
    press(app, KeyCode::Char('y'));
    match app.take_request() {
        Some(ViewRequest::Copy(text)) => text,
        other => panic!("nothing was copied: {other:?}"),
    }
}

#[test]
fn a_talker_is_chosen_copied_and_filtered_by() {
    let mut app = with_talkers();
    press(&mut app, KeyCode::Char('t'));
    assert_eq!(copied(&mut app), "127.0.0.1");
    press(&mut app, KeyCode::Down);
    assert_eq!(copied(&mut app), "10.0.0.7");
    // It ends where the table does.
    press(&mut app, KeyCode::PageDown);
    assert_eq!(copied(&mut app), "10.0.0.7");
    press(&mut app, KeyCode::Enter);
    assert_eq!(app.view.search_text, "src=10.0.0.7");
    press(&mut app, KeyCode::Enter);
    assert_eq!(app.view.search_text, "");
    // The next tables: evictions by source, new flows by port; then the events, and around.
    press(&mut app, KeyCode::Right);
    press(&mut app, KeyCode::Tab);
    assert_eq!(copied(&mut app), "56144");
    press(&mut app, KeyCode::Enter);
    assert_eq!(app.view.search_text, "dport=56144");
    press(&mut app, KeyCode::Tab);
    assert_eq!(
        app.event_cursor().map(|c| &c.list),
        Some(&CursorList::Events)
    );
    press(&mut app, KeyCode::Tab);
    press(&mut app, KeyCode::Left);
    assert_eq!(
        app.event_cursor().map(|c| &c.list),
        Some(&CursorList::Events)
    );
}

#[test]
fn tables_are_sorted_by_key_and_the_cursor_stays_on_its_row() {
    let mut app = with_talkers();
    press(&mut app, KeyCode::Char('t'));
    press(&mut app, KeyCode::Char('s'));
    assert_eq!(copied(&mut app), "127.0.0.1");
    assert!(screen(&app, 120, 40).contains("sorted by key"));
    press(&mut app, KeyCode::Up);
    assert_eq!(copied(&mut app), "10.0.0.7");
    press(&mut app, KeyCode::Char('s'));
    assert_eq!(copied(&mut app), "10.0.0.7");
    press(&mut app, KeyCode::Home);
    assert_eq!(copied(&mut app), "127.0.0.1");
}

#[test]
fn an_event_is_chosen_copied_and_filtered_by() {
    let mut app = with_talkers();
    press(&mut app, KeyCode::Char('e'));
    let newest = copied(&mut app);
    assert!(newest.starts_with("2026-11-25T14:52:"), "{newest}");
    press(&mut app, KeyCode::End);
    // The oldest that is an event, with its tuple.
    let mut oldest = copied(&mut app);
    while !oldest.contains(" → ") {
        press(&mut app, KeyCode::Up);
        let next = copied(&mut app);
        assert!(next != oldest, "there is no event");
        oldest = next;
    }
    assert!(oldest < newest, "{oldest}, {newest}");
    press(&mut app, KeyCode::Enter);
    assert!(
        app.view
            .search_text
            .starts_with("proto=udp,src=127.0.0.1,dst="),
        "{}",
        app.view.search_text
    );
    // What was chosen matches.
    press(&mut app, KeyCode::End);
    assert_eq!(copied(&mut app), oldest);
}

#[test]
fn the_cursor_stays_on_its_event_when_newer_ones_come() {
    let mut app = app(RICH, recording());
    press(&mut app, KeyCode::Char('e'));
    press(&mut app, KeyCode::Down);
    let chosen = copied(&mut app);
    app.update_all(more().into_iter().map(Input::Record));
    assert_eq!(copied(&mut app), chosen);
}

#[test]
fn every_row_can_be_scrolled_to() {
    let mut app = with_talkers();
    press(&mut app, KeyCode::Char('e'));
    press(&mut app, KeyCode::End);
    let oldest = copied(&mut app);
    let (_, line) = oldest.split_once(' ').expect("a time and the rest");
    let shown = screen(&app, 120, 24);
    let flow = line.split_whitespace().last().expect("an address");
    assert!(shown.contains(flow), "{flow} is not in\n{shown}");
}

#[test]
fn escape_shows_what_was_shown_before() {
    let mut app = with_talkers();
    press(&mut app, KeyCode::Char('3'));
    press(&mut app, KeyCode::Char('t'));
    assert_eq!(
        (app.view.focus, app.view.layout),
        (None, ScreenLayout::Lists)
    );
    press(&mut app, KeyCode::Char('e'));
    press(&mut app, KeyCode::Esc);
    assert_eq!(
        (app.view.focus, app.view.layout),
        (Some(2), ScreenLayout::Overview)
    );
    assert!(app.view.cursor.is_none());
    // Arrows zoom again.
    let span = app.view.span();
    press(&mut app, KeyCode::Up);
    assert!(app.view.span() < span);
    // The key that leads there leads back.
    for key in ['t', 'e'] {
        type_text(&mut app, &format!("{key}{key}"));
        assert!(app.view.cursor.is_none(), "{key}");
    }
}

#[test]
fn without_rows_there_is_no_cursor_but_a_reason() {
    let mut app = app(RICH, several());
    press(&mut app, KeyCode::Char('t'));
    assert!(app.view.cursor.is_none());
    assert!(screen(&app, 80, 24).contains("there are no top talkers to choose from"));
    press(&mut app, KeyCode::Char('x'));
    assert!(!screen(&app, 80, 24).contains("there are no top talkers"));
}

#[test]
fn what_is_copied_is_neutralised() {
    let mut records = recording();
    records.extend(more());
    for record in &mut records {
        if let crate::model::record::Record::Top(top) = record {
            top.tables[0].rows[0].key = "\u{1b}[2J10.0.0.1".into();
        }
    }
    let mut app = app(RICH, records);
    press(&mut app, KeyCode::Char('t'));
    assert_eq!(copied(&mut app), "\\u{1b}[2J10.0.0.1");
}

fn mouse(app: &mut App, kind: MouseEventKind, text: &str) {
    let shown = screen(app, 120, 40);
    let row = shown.lines().position(|line| line.contains(text));
    let row = row.unwrap_or_else(|| panic!("no {text} in\n{shown}"));
    let line = shown.lines().nth(row).unwrap_or_default();
    let before = line.split(text).next().unwrap_or_default();
    let event = MouseEvent {
        kind,
        column: u16::try_from(before.chars().count()).expect("a column"),
        row: u16::try_from(row).expect("a row"),
        modifiers: KeyModifiers::NONE,
    };
    app.update(Input::Mouse(event, Rect::new(0, 0, 120, 40)));
}

#[test]
fn the_mouse_chooses_charts_and_rows_and_its_wheel_zooms_and_rolls() {
    const CLICK: MouseEventKind = MouseEventKind::Down(MouseButton::Left);
    let mut app = with_talkers();
    mouse(&mut app, CLICK, "early_drop");
    assert_eq!(app.view.focus, Some(5));
    let span = app.view.span();
    mouse(&mut app, MouseEventKind::ScrollUp, "early_drop");
    assert!(app.view.span() < span);
    press(&mut app, KeyCode::Esc);
    mouse(&mut app, CLICK, "10.0.0.7");
    assert_eq!(copied(&mut app), "10.0.0.7");
    // It stays where it was clicked.
    assert_eq!(app.view.layout, ScreenLayout::Overview);
    mouse(&mut app, CLICK, "→ 127.1.5.8");
    let event = copied(&mut app);
    assert!(event.contains("→ 127.1.5.8"), "{event}");
    mouse(&mut app, MouseEventKind::ScrollDown, "→ 127.1.5.8");
    assert_ne!(copied(&mut app), event);
    press(&mut app, KeyCode::Home);
    mouse(&mut app, CLICK, "→ 127.1.5.8");
    assert_eq!(copied(&mut app), event);
    // Nothing is done to what is covered.
    press(&mut app, KeyCode::Esc);
    press(&mut app, KeyCode::Char('?'));
    mouse(&mut app, CLICK, "quit");
    assert_eq!((app.view.cursor.is_none(), app.view.focus), (true, None));
}
