//! Records as text: tables that fit their terminal, and sentences.
//!
//! A changed snapshot changes what users see: look at it before accepting it (`cargo insta review`, or `INSTA_UPDATE=always`).

use std::io;

use conntrack_ebpf::BUCKET_NS;

use super::{
    formats::{LARGE, SMALL, TestResult, as_text},
    records::{eventful, good_checks, hello, plain, probes_mixed, probes_on_but_one, summary},
    samples::{DEAD, blind, idle},
};
use crate::{
    model::record::{Record, Sample},
    output::terminal::Size,
    reading::buckets::{BUCKET_MS, BUCKET_SECONDS},
};

#[test]
fn text_without_a_terminal_has_every_column() -> TestResult {
    insta::assert_snapshot!("text_piped_with_probes", as_text(None, &eventful())?);
    insta::assert_snapshot!("text_piped_without_probes", as_text(None, &plain())?);
    Ok(())
}

#[test]
fn text_on_a_small_terminal() -> TestResult {
    insta::assert_snapshot!("text_80x24_with_probes", as_text(SMALL, &eventful())?);
    insta::assert_snapshot!("text_80x24_without_probes", as_text(SMALL, &plain())?);
    Ok(())
}

#[test]
fn text_on_a_large_terminal() -> TestResult {
    insta::assert_snapshot!("text_200x50_with_probes", as_text(LARGE, &eventful())?);
    insta::assert_snapshot!("text_200x50_without_probes", as_text(LARGE, &plain())?);
    Ok(())
}

#[test]
fn text_names_what_a_missing_probe_costs() -> TestResult {
    insta::assert_snapshot!(as_text(None, &[hello(probes_on_but_one())])?);
    Ok(())
}

#[test]
fn text_names_functions_with_a_kprobe_instead_of_fentry() -> TestResult {
    insta::assert_snapshot!(as_text(None, &[hello(probes_mixed())])?);
    let mut all = probes_mixed();
    all.by_kprobe.clear();
    let text = as_text(None, &[hello(all)])?;
    assert!(text.contains("probes: fentry, flow group, on "), "{text}");
    assert!(!text.contains("kprobe"), "{text}");
    Ok(())
}

#[test]
fn text_of_a_good_summary() -> TestResult {
    insta::assert_snapshot!(as_text(SMALL, &[summary(good_checks())])?);
    Ok(())
}

/// Whether a line is a sample or its header: it starts with the time, or its heading.
fn is_tabular(line: &str) -> bool {
    line.starts_with("----UTC") || line.starts_with("time ") || line.starts_with("03:04:")
}

#[test]
fn tables_are_never_wider_than_the_terminal() -> TestResult {
    for columns in [40, 60, 79, 80, 81, 100, 120, 132, 160, 200, 300] {
        let terminal = Some(Size { columns, rows: 24 });
        for records in [eventful(), plain()] {
            let text = as_text(terminal, &records)?;
            let mut seen = 0;
            for line in text.lines().filter(|line| is_tabular(line)) {
                let width = line.chars().count();
                // Below this width the most important columns do not fit.
                let limit = usize::from(columns.max(64));
                assert!(width <= limit, "{width} of {columns}: {line}");
                seen += 1;
            }
            assert!(seen >= 4, "{text}");
        }
    }
    Ok(())
}

#[test]
fn every_line_of_a_table_has_its_cells_below_their_titles() -> TestResult {
    for terminal in [None, SMALL, LARGE] {
        let text = as_text(terminal, &eventful())?;
        let lines: Vec<_> = text.lines().filter(|line| is_tabular(line)).collect();
        let titles = lines
            .iter()
            .find(|line| line.starts_with("time "))
            .ok_or("no titles")?;
        let cells = titles.split_whitespace().count();
        for line in lines.iter().filter(|line| line.starts_with("03:04:")) {
            assert_eq!(line.split_whitespace().count(), cells, "{titles}\n{line}");
        }
    }
    Ok(())
}

#[test]
fn the_header_is_repeated_on_every_screen_of_a_terminal() -> TestResult {
    let samples: Vec<_> = (0..100).map(|_| Record::Sample(Box::new(idle()))).collect();
    let headers = |terminal| -> io::Result<usize> {
        let text = as_text(terminal, &samples)?;
        Ok(text
            .lines()
            .filter(|line| line.starts_with("time "))
            .count())
    };
    assert_eq!(
        headers(None)?,
        0,
        "a file is read from its top, where hello says it once"
    );
    // 21 samples below each header; the first header comes with hello.
    assert_eq!(headers(SMALL)?, 4);
    assert_eq!(headers(LARGE)?, 2);
    Ok(())
}

#[test]
fn unavailable_is_a_dash_and_idle_a_zero() -> TestResult {
    let cells = |sample: Sample| -> io::Result<Vec<String>> {
        let text = as_text(None, &[Record::Sample(Box::new(sample))])?;
        Ok(text.split_whitespace().skip(1).map(str::to_owned).collect())
    };
    let blind = cells(blind())?;
    assert!(blind.iter().all(|cell| cell == "—"), "{blind:?}");
    let dashes = cells(idle())?.iter().filter(|cell| *cell == "—").count();
    assert_eq!(dashes, DEAD.len());
    Ok(())
}

#[test]
fn text_has_no_escapes_of_a_terminal() -> TestResult {
    for records in [eventful(), plain()] {
        assert!(!as_text(None, &records)?.contains('\u{1b}'));
    }
    Ok(())
}

#[test]
fn a_bucket_is_named_by_its_exact_length() {
    // The text contains "1.05 ms".
    assert_eq!(format!("{BUCKET_MS:.2}"), "1.05");
    assert_eq!((BUCKET_SECONDS * 1e9) as u64, BUCKET_NS);
}
