//! Records, as recordings and other hosts have them, in every view and through everything that follows from records alone.

use ratatui::{Terminal, backend::TestBackend};

use super::parsed;
use crate::{
    model::{
        advice::{AdviceWishes, Advisor},
        cells::{GridFeed, GridStep},
        exposition::Exposition,
        record::Record,
        report::Builder,
        verdict::Verdicts,
    },
    output::{
        Sink,
        csv::Csv,
        events::EventLines,
        json::Json,
        live::{
            App, Input, render,
            theme::{Glyphs, Palette, Theme},
        },
        metrics::{Metrics, MetricsFormat},
        netdata::{Ids, Netdata},
        report::page,
        terminal::Size,
        text::{Numbers, Selection, TextSink, View},
    },
    text::{Text, is_harmful},
};

/// The most records of an input: what follows from a record does not depend on how many thousand came before it.
const RECORDS: usize = 64;

/// The most bytes that a record may become in a view; of it a bounded part is shown.
const PER_RECORD: usize = 3_000_000;

/// The terminal of the views.
const SIZE: Size = Size {
    columns: 120,
    rows: 40,
};

/// JSON lines as records: every view writes them, with no control character but line breaks, and in bounded length.
pub fn records(data: &[u8]) {
    let mut records = parsed(data);
    records.truncate(RECORDS);
    if records.is_empty() {
        return;
    }
    let (json, lines) = written(&records, Json::new);
    assert_eq!(lines, records.len());
    // What was read once is written, read and written the same.
    let again = parsed(json.as_bytes());
    assert_eq!(written(&again, Json::new).0, json);
    let view = || View {
        selection: Selection::Fitting,
        numbers: Numbers::Human,
        colours: false,
    };
    written(&records, |out| TextSink::new(out, Some(SIZE), view()));
    written(&records, |out| EventLines::new(out, Some(SIZE)));
    written(&records, Csv::new);
    written(&records, |out| Netdata::new(out, Ids::Netdata, 1));
    live(&records);
    report(&records);
    follow(&records);
}

/// What a view makes of the records, and how many lines that is.
fn written<S: Sink>(records: &[Record], sink: impl FnOnce(OutBytes) -> S) -> (String, usize) {
    let out = OutBytes::default();
    let mut sink = sink(out.clone());
    for record in records {
        sink.write(record).expect("memory takes everything");
    }
    sink.flush().expect("memory takes everything");
    let text = String::from_utf8(out.0.take()).expect("views write UTF-8");
    harmless(&text, records.len());
    let lines = text.lines().count();
    (text, lines)
}

/// Bytes that are written and can then be had, whatever still holds the writer.
#[derive(Clone, Default)]
struct OutBytes(std::rc::Rc<std::cell::RefCell<Vec<u8>>>);

impl std::io::Write for OutBytes {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn harmless(text: &str, records: usize) {
    let harm = text.chars().find(|&c| c != '\n' && is_harmful(c));
    assert_eq!(harm, None);
    assert!(text.len() < (records + 1) * PER_RECORD, "{}", text.len());
}

fn live(records: &[Record]) {
    let theme = Theme {
        palette: Palette::Mono,
        glyphs: Glyphs::Braille,
    };
    let mut app = App::new(theme);
    app.update_all(records.iter().cloned().map(Input::Record));
    let screen = TestBackend::new(SIZE.columns, SIZE.rows);
    let mut terminal = Terminal::new(screen).expect("memory");
    terminal.draw(|frame| render(&app, frame)).expect("memory");
    let cells = terminal.backend().buffer().content();
    assert!(
        cells
            .iter()
            .all(|cell| !cell.symbol().chars().any(is_harmful))
    );
}

fn report(records: &[Record]) {
    let mut builder = Builder::default();
    for record in records {
        builder.add(record);
    }
    if let Some(report) = builder.finish() {
        let page = page(&report, "fuzzed");
        harmless(&page, records.len());
        assert_eq!(page.matches("</script>").count(), 2);
    }
}

/// Verdicts, advice, metrics, and the cells of remote write.
fn follow(records: &[Record]) {
    let mut verdicts = Verdicts::default();
    let mut advisor = Advisor::default();
    let mut exposition = Exposition::default();
    let step: GridStep = "100ms".parse().expect("a step");
    let mut cells = GridFeed::after(step, None);
    let mut ends: Vec<(Text, i64)> = Vec::new();
    for record in records {
        verdicts.take(record);
        let _ = verdicts.changed();
        advisor.take(record);
        exposition.take(record);
        for of_instance in cells.take(record) {
            for cell in of_instance.cells {
                let name = &of_instance.instance;
                match ends.iter_mut().find(|(known, _)| known == name) {
                    // A receiver refuses what is not later than what it has.
                    Some((_, last)) => {
                        assert!(cell.end_ms > *last, "{} after {last}", cell.end_ms);
                        *last = cell.end_ms;
                    }
                    None => ends.push((name.clone(), cell.end_ms)),
                }
            }
        }
    }
    let hello = records.iter().find_map(|record| match record {
        Record::Hello(hello) => Some(hello),
        _ => None,
    });
    let names = hello.iter().flat_map(|hello| &hello.instances);
    let _ = verdicts.closing(names.map(|instance| &instance.name));
    for advice in advisor.advise(&AdviceWishes::default()) {
        let text = crate::output::advice::text(&advice, 80);
        harmless(&text, 1);
    }
    for format in [
        MetricsFormat::OpenMetrics,
        MetricsFormat::Text,
        MetricsFormat::Protobuf,
    ] {
        let metrics = Metrics {
            readout: exposition.readout(),
            ..Metrics::default()
        };
        metrics.encode(format).expect("memory takes everything");
    }
}
