//! Tests of options of the text format: columns, exact numbers, colours.

use std::{cell::Cell, io, rc::Rc};

use crate::{
    model::{kernel::counters::Counter, record::Record},
    output::{
        Sink,
        terminal::{Size, Terminal},
        text::{Numbers, Selection, TextSink, View},
    },
};

/// A run with probes, from JSON: hello, a sample, its cross-check and an alert.
fn run() -> io::Result<Vec<Record>> {
    include_str!("../../../../tests/fixtures/records/view.jsonl")
        .lines()
        .map(|line| serde_json::from_str(line).map_err(io::Error::from))
        .collect()
}

fn shown(view: View, columns: u16) -> io::Result<String> {
    let mut out = Vec::new();
    let mut text = TextSink::new(&mut out, Some(Size { columns, rows: 24 }), view);
    for record in run()? {
        text.write(&record)?;
    }
    drop(text);
    String::from_utf8(out).map_err(io::Error::other)
}

fn columns(names: &str) -> Result<Selection, Box<dyn std::error::Error>> {
    let names = names.split(',').map(str::parse);
    Ok(Selection::Columns(names.collect::<Result<_, _>>()?))
}

fn charts(names: &str) -> Result<Selection, Box<dyn std::error::Error>> {
    let names = names.split(',').map(str::parse);
    Ok(Selection::Charts(names.collect::<Result<_, _>>()?))
}

type TestResult = Result<(), Box<dyn std::error::Error>>;

#[test]
fn chosen_columns_are_in_their_order() -> TestResult {
    let view = View {
        selection: columns("time,new.new,new.new.peak,errors.drop,used,check")?,
        ..View::default()
    };
    insta::assert_snapshot!(shown(view, 80)?);
    Ok(())
}

#[test]
fn chosen_charts_are_shown_whole() -> TestResult {
    let view = View {
        selection: charts("sockets,errors")?,
        ..View::default()
    };
    insta::assert_snapshot!(shown(view, 80)?);
    Ok(())
}

#[test]
fn all_digits_on_request() -> TestResult {
    let view = View {
        numbers: Numbers::Exact,
        ..View::default()
    };
    insta::assert_snapshot!(shown(view, 200)?);
    Ok(())
}

#[test]
fn colours_change_no_character() -> TestResult {
    let colours = View {
        colours: true,
        ..View::default()
    };
    let coloured = shown(colours, 80)?;
    assert_eq!(
        anstream::adapter::strip_str(&coloured).to_string(),
        shown(View::default(), 80)?
    );
    insta::assert_snapshot!(coloured.replace('\u{1b}', "␛"));
    Ok(())
}

/// A terminal that the test resizes.
#[derive(Clone)]
struct Resized(Rc<Cell<u16>>);

impl Terminal for Resized {
    fn size(&self) -> Option<Size> {
        let columns = self.0.get();
        Some(Size { columns, rows: 24 })
    }
}

#[test]
fn a_resized_terminal_gets_other_columns_under_a_new_header() -> TestResult {
    let mut out = Vec::new();
    let terminal = Resized(Rc::new(Cell::new(200)));
    let records = run()?;
    let mut text = TextSink::new(&mut out, terminal.clone(), View::default());
    text.write(&records[0])?;
    text.write(&records[1])?;
    terminal.0.set(60);
    text.write(&records[1])?;
    drop(text);
    let out = String::from_utf8(out)?;
    let widths: Vec<_> = out
        .lines()
        .filter(|line| line.starts_with("time "))
        .map(|line| line.chars().count())
        .collect();
    assert_eq!(widths.len(), 2, "{out}");
    assert!(widths[0] > 60 && widths[1] <= 60, "{widths:?}");
    Ok(())
}

#[test]
fn nothing_is_wider_than_the_screen_or_breaks_in_a_word() -> TestResult {
    let text = shown(View::default(), 80)?;
    for line in text.lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }
    // The reason in the hello is longer than a line.
    assert!(
        text.contains("6.12.117+deb12-amd64 has no function"),
        "{text}"
    );
    Ok(())
}

#[test]
fn what_is_unavailable_gives_way_at_80_columns() -> TestResult {
    let mut out = Vec::new();
    let size = Size {
        columns: 80,
        rows: 24,
    };
    let mut text = TextSink::new(&mut out, Some(size), View::default());
    for mut record in run()? {
        if let Record::Hello(hello) = &mut record {
            hello.probes.mode = "off".into();
            for counter in [Counter::New, Counter::Inserted, Counter::Deleted] {
                hello.unavailable.set(counter, Some("no probes".into()));
            }
        }
        text.write(&record)?;
    }
    drop(text);
    let text = String::from_utf8(out)?;
    let header = text.lines().find(|line| line.contains("entries"));
    let header = header.ok_or("no header")?;
    for shown in [" max", " net/s", " drop"] {
        assert!(header.contains(shown), "{header}");
    }
    for unavailable in [
        " new", "inserted", "deleted", "ignore", "searched", "del_list",
    ] {
        assert!(!header.contains(unavailable), "{header}");
    }
    Ok(())
}
