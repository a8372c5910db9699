//! Every view can show any recording: none panics, output is bounded, and no control or bidirectional formatting characters come
//! through.

mod contents;
mod hosts;
mod records;
mod samples;
mod summaries;
mod values;

use proptest::{collection::vec, option, prelude::*, sample::select};
use ratatui::{
    Terminal,
    backend::TestBackend,
    crossterm::event::{KeyCode, KeyEvent},
};

use self::{records::record, values::text};
use super::netdata;
use crate::{
    model::{record::Record, report::Builder},
    output::{
        Sink,
        csv::Csv,
        events::EventLines,
        json::Json,
        live::{
            App, Input, render,
            theme::{Glyphs, Palette, Theme},
        },
        netdata::{Ids, Netdata},
        report::page,
        terminal::Size,
        text::{Numbers, Selection, TextSink, View},
    },
    text::is_harmful,
};

fn written(mut sink: impl Sink, records: &[Record]) {
    for record in records {
        sink.write(record).expect("memory takes everything");
    }
    sink.flush().expect("memory takes everything");
}

/// The only control characters are the line breaks of the views, and the output per record is bounded: a text is cut at a
/// thousand characters, which are up to ten bytes each when escaped.
#[track_caller]
fn harmless(out: &[u8], records: usize) {
    let text = std::str::from_utf8(out).expect("views write UTF-8");
    let harm = text.chars().find(|c| *c != '\n' && is_harmful(*c));
    assert_eq!(harm, None, "{text:?}");
    assert!(out.len() < (records + 1) * 3_000_000, "{}", out.len());
}

fn views() -> impl Strategy<Value = (Option<Size>, View)> {
    let size = option::of((1..400_u16, 1..100_u16))
        .prop_map(|size| size.map(|(columns, rows)| Size { columns, rows }));
    let numbers = select(vec![Numbers::Human, Numbers::Exact]);
    (size, numbers).prop_map(|(size, numbers)| {
        let view = View {
            selection: Selection::Fitting,
            numbers,
            colours: false,
        };
        (size, view)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_records_in_every_format(records in vec(record(), 0..12), (size, view) in views()) {
        let mut out = Vec::new();
        written(TextSink::new(&mut out, size, view), &records);
        harmless(&out, records.len());
        let mut out = Vec::new();
        written(EventLines::new(&mut out, size), &records);
        harmless(&out, records.len());
        let mut out = Vec::new();
        written(Csv::new(&mut out), &records);
        harmless(&out, records.len());
        let mut out = Vec::new();
        written(Netdata::new(&mut out, Ids::Netdata, 1), &records);
        harmless(&out, records.len());
        netdata::follows_the_protocol(std::str::from_utf8(&out).expect("it is UTF-8"));
        let mut out = Vec::new();
        written(Json::new(&mut out), &records);
        let text = std::str::from_utf8(&out).expect("JSON is UTF-8");
        prop_assert!(!text.chars().any(|c| c != '\n' && is_harmful(c)));
        prop_assert_eq!(text.lines().count(), records.len());
    }

    #[test]
    fn any_records_in_the_live_view(
        records in vec(record(), 0..25),
        keys in vec(select(vec![
            '+', '-', 'b', 'B', 'm', 'l', 'i', 'c', 'n', '?', '1', '4', ' ', ',', '.', ']', '0',
        ]), 0..12),
        diagnostic in text(),
        sizes in vec((1..250_u16, 1..80_u16), 2),
        glyphs in select(vec![Glyphs::Braille, Glyphs::Ascii]),
        palette in select(vec![Palette::Mono, Palette::Ansi, Palette::Rich]),
    ) {
        let mut app = App::new(Theme { palette, glyphs });
        app.update(Input::Diagnostic(diagnostic));
        app.update_all(records.into_iter().map(Input::Record));
        let mut keys = keys.into_iter();
        loop {
            for (width, height) in sizes.iter().chain(&[(80, 24)]) {
                let mut terminal =
                    Terminal::new(TestBackend::new(*width, *height)).expect("memory");
                terminal.draw(|frame| render(&app, frame)).expect("memory");
                for cell in terminal.backend().buffer().content() {
                    prop_assert!(!cell.symbol().chars().any(is_harmful), "{:?}", cell.symbol());
                }
            }
            let Some(key) = keys.next() else { break };
            app.update(Input::Key(KeyEvent::from(KeyCode::Char(key))));
            for code in [KeyCode::Left, KeyCode::PageUp] {
                app.update(Input::Key(KeyEvent::from(code)));
            }
        }
    }

    #[test]
    fn any_records_in_a_report(records in vec(record(), 1..25), title in text()) {
        let mut builder = Builder::default();
        for record in &records {
            builder.add(record);
        }
        builder.note(title.clone());
        let Some(report) = builder.finish() else { return Ok(()) };
        let page = page(&report, title.raw());
        prop_assert!(page.len() < (records.len() + 1) * 3_000_000, "{}", page.len());
        prop_assert!(!page.contains("<img"));
        prop_assert_eq!(page.matches("</script>").count(), 2);
        let harm = page.chars().find(|c| *c != '\n' && is_harmful(*c));
        prop_assert_eq!(harm, None);
        // The script's data is JSON.
        let data = page.split("id=\"data\">").nth(1).and_then(|rest| rest.split("</script>").next());
        let data: serde_json::Value = serde_json::from_str(data.unwrap_or_default()).expect("JSON");
        prop_assert!(data["from"].as_i64() < data["to"].as_i64());
    }
}
