//! No size, order of records or keys make the view panic.

use crate::output::live::{
    App, Input,
    theme::{Glyphs, Palette, Theme},
};
use proptest::prelude::*;
use ratatui::{
    crossterm::event::{KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind},
    layout::Rect,
};

use crate::output::live::tests::stage::{app, buffer, more, recording, several};

#[test]
fn every_size_is_drawn() {
    let mut records = several();
    records.extend(more());
    let theme = Theme {
        palette: Palette::Rich,
        glyphs: Glyphs::Braille,
    };
    let mut app = app(theme, records);
    for key in ["", "2", "0l", "l", "t", "\t", "es", "l?", "c", "i"] {
        for c in key.chars() {
            let code = match c {
                '\t' => KeyCode::Tab,
                c => KeyCode::Char(c),
            };
            app.update(Input::Key(KeyEvent::from(code)));
        }
        for width in (1..90).step_by(4).chain([2, 3, 160, 240, 400]) {
            for height in (1..40).step_by(4).chain([2, 3, 80]) {
                buffer(&app, width, height);
            }
        }
    }
}

fn key() -> impl Strategy<Value = KeyCode> {
    prop_oneof![
        prop::char::range(' ', '~').prop_map(KeyCode::Char),
        prop::sample::select(vec![
            KeyCode::Left,
            KeyCode::Right,
            KeyCode::Up,
            KeyCode::Down,
            KeyCode::Home,
            KeyCode::End,
            KeyCode::PageUp,
            KeyCode::PageDown,
            KeyCode::Enter,
            KeyCode::Esc,
            KeyCode::Tab,
            KeyCode::Backspace,
        ]),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_keys_at_any_size(
        keys in prop::collection::vec(key(), 0..40),
        (width, height) in (1..200_u16, 1..60_u16),
        glyphs in prop::sample::select(vec![Glyphs::Braille, Glyphs::Ascii]),
    ) {
        let mut records = several();
        records.extend(more());
        let theme = Theme { palette: Palette::Mono, glyphs };
        let mut app = app(theme, records);
        for (i, key) in keys.into_iter().enumerate() {
            app.update(Input::Key(KeyEvent::from(key)));
            buffer(&app, width, height);
            // A mouse goes over the screen meanwhile.
            let kind = [
                MouseEventKind::Down(MouseButton::Left),
                MouseEventKind::ScrollDown,
                MouseEventKind::ScrollUp,
            ][i % 3];
            let at = i as u16 * 37;
            let event = MouseEvent {
                kind,
                column: at % width,
                row: at % height,
                modifiers: KeyModifiers::NONE,
            };
            app.update(Input::Mouse(event, Rect::new(0, 0, width, height)));
            buffer(&app, width, height);
        }
    }

    #[test]
    fn records_in_any_order(order in prop::collection::vec(any::<prop::sample::Index>(), 1..60)) {
        let mut records = recording();
        records.extend(more());
        let theme = Theme { palette: Palette::Ansi, glyphs: Glyphs::Braille };
        let mut app = App::new(theme);
        for at in order {
            app.update(Input::Record(at.get(&records).clone()));
        }
        buffer(&app, 120, 40);
    }
}
