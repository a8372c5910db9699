//! What is parsed, what is refused, and in which words.

use proptest::prelude::*;

use crate::reading::proc_stat::*;

fn check(text: &str, expected: Result<(&[&str], &[&[u32]]), ParseError>) {
    let parsed = ProcStat::parse(text);
    let parsed = parsed
        .as_ref()
        .map(|stat| (stat.columns(), stat.rows().collect::<Vec<_>>()));
    let expected = expected.map(|(columns, rows)| {
        let columns: Vec<_> = columns.iter().map(|&name| name.to_owned()).collect();
        (columns, rows.to_vec())
    });
    let expected = expected
        .as_ref()
        .map(|(columns, rows)| (columns.as_slice(), rows.clone()));
    assert_eq!(parsed, expected, "{text:?}");
}

fn bad_cell(line: usize, column: &'static str, cell: &'static str) -> ParseError {
    ParseError::BadCell {
        line,
        column: column.into(),
        cell: cell.into(),
    }
}

#[test]
fn accepts_what_kernels_print() {
    let columns: &[&str] = &["entries", "found"];
    check(
        "entries  found\n00000001  ffffffff\n",
        Ok((columns, &[&[1, u32::MAX]])),
    );
    check(
        "entries  found \n00000001  0000000a \n00000001  0000000B \n",
        Ok((columns, &[&[1, 10], &[1, 11]])),
    );
    check("entries found\n1 2\n", Ok((columns, &[&[1, 2]])));
    check(
        "entries found\n00000001 00000002",
        Ok((columns, &[&[1, 2]])),
    );
    check(
        "found entries\n2 1\n",
        Ok((&["found", "entries"], &[&[2, 1]])),
    );
}

#[test]
fn errors_name_the_problem_and_the_line() {
    let duplicate = ParseError::DuplicateColumn { name: "new".into() };
    let cells = |line, found| ParseError::CellCount {
        line,
        found,
        expected: 2,
    };
    check("", Err(ParseError::Empty));
    check("\n", Err(ParseError::Empty));
    check("00000001\n", Err(ParseError::NoEntriesColumn));
    check("entries new new\n1 2 3\n", Err(duplicate));
    check("entries new\n", Err(ParseError::NoRows));
    check("entries new\n1 2\n1\n", Err(cells(3, 1)));
    check("entries new\n1 2 3\n", Err(cells(2, 3)));
    check("entries new\n\n1 2\n", Err(cells(2, 0)));
    check("entries new\n1 xyz\n", Err(bad_cell(2, "new", "xyz")));
    check("entries new\n1 +1\n", Err(bad_cell(2, "new", "+1")));
    check("entries new\n1 2\n1 -1\n", Err(bad_cell(3, "new", "-1")));
    check(
        "entries new\n1 123456789\n",
        Err(bad_cell(2, "new", "123456789")),
    );
    check(
        "entries new\n00000001 00000012\n00000001 000000",
        Err(ParseError::CutCell {
            line: 3,
            column: "new".into(),
        }),
    );
}

#[test]
fn quoted_text_in_errors_is_short_and_escaped() {
    let long = "\u{1b}[2J".repeat(1 << 18);
    for text in [
        format!("entries new\n1 {long}\n"),
        format!("entries {long}\n1 x\n"),
        format!("entries {long} {long}\n"),
    ] {
        let message = ProcStat::parse(&text).expect_err("malformed").to_string();
        assert!(
            message.len() < 15_000 && !message.contains('\u{1b}'),
            "{}",
            message.len()
        );
    }
}

#[test]
fn a_header_of_a_million_columns_is_refused_at_once() {
    let header: String = (0..1 << 20).map(|i| format!("c{i} ")).collect();
    check(
        &format!("entries {header}\n"),
        Err(ParseError::TooManyColumns),
    );
}

#[test]
fn a_header_may_have_as_many_columns_as_no_kernel_will_print_and_no_more() {
    let parsed = |columns: usize| {
        let header: String = (1..columns).map(|i| format!("c{i} ")).collect();
        let row = "1 ".repeat(columns);
        ProcStat::parse(&format!("entries {header}\n{row}\n")).map(|stat| stat.columns().len())
    };
    assert_eq!(parsed(256), Ok(256));
    assert_eq!(parsed(257), Err(ParseError::TooManyColumns));
}

#[test]
fn columns_are_the_same_by_their_names() -> Result<(), ParseError> {
    let text = "entries found\n1 2\n";
    let (one, same) = (ProcStat::parse(text)?, ProcStat::parse(text)?);
    assert!(one.has_columns(same.shared_columns()));
    assert!(one.clone().has_columns(one.shared_columns()));
    let other = ProcStat::parse("found entries\n1 2\n")?;
    assert!(!one.has_columns(other.shared_columns()));
    Ok(())
}

#[test]
fn every_message_starts_with_its_line() {
    for text in [
        "",
        "x\n",
        "entries\n",
        "entries\n1 2\n",
        "entries\n1\nz\n",
        "entries\n1\n1",
    ] {
        let error = ProcStat::parse(text).expect_err("malformed");
        let prefix = format!("line {}: ", error.line());
        assert!(error.to_string().starts_with(&prefix), "{error}");
    }
}

#[test]
fn entries_is_a_gauge_and_never_summed() -> Result<(), ParseError> {
    let stat = ProcStat::parse("entries  found\n00000010  00000002\n00000010  00000003\n")?;
    assert_eq!(stat.entries(), 16);
    assert_eq!(stat.sum("entries"), None);
    assert_eq!(stat.sum("found"), Some(5));
    assert_eq!(stat.sum("new"), None);
    assert_eq!(stat.row_count(), 2);
    assert_eq!(stat.cell(1, 1), Some(3));
    assert_eq!(stat.cell(2, 1), None);
    assert_eq!(stat.cell(1, 2), None);
    Ok(())
}

#[test]
fn rows_from_elsewhere_must_be_whole() {
    let of = |columns: &[&str], rows: &[&[u32]]| {
        let columns = columns.iter().map(|&name| name.to_owned()).collect();
        ProcStat::from_rows(columns, rows, 9)
    };
    let stat = of(&["found", "drop"], &[&[1, 2], &[3, 4]]).expect("whole");
    assert_eq!((stat.entries(), stat.sum("drop")), (9, Some(6)));
    assert_eq!(stat.row_count(), 2);
    assert_eq!(of(&[], &[&[]]), None);
    assert_eq!(of(&["found"], &[]), None);
    assert_eq!(of(&["found", "drop"], &[&[1, 2], &[3]]), None);
    assert_eq!(of(&["found", "found"], &[&[1, 2]]), None);
    assert_eq!(of(&["found", "entries"], &[&[1, 2]]), None);
}

#[test]
fn a_sum_does_not_overflow() -> Result<(), ParseError> {
    let stat = ProcStat::parse("entries found\n0 ffffffff\n0 ffffffff\n")?;
    assert_eq!(stat.sum("found"), Some(2 * u64::from(u32::MAX)));
    Ok(())
}

/// Any header with `entries` somewhere in it, and 1..=64 rows under it.
fn table() -> impl Strategy<Value = (Vec<String>, Vec<Vec<u32>>)> {
    let names = prop::collection::btree_set("[a-z_]{1,12}", 0..20);
    (names, any::<prop::sample::Index>()).prop_flat_map(|(mut names, at)| {
        names.remove(ENTRIES);
        let mut columns = Vec::from_iter(names);
        columns.insert(at.index(columns.len() + 1), ENTRIES.to_owned());
        let row = prop::collection::vec(any::<u32>(), columns.len());
        (Just(columns), prop::collection::vec(row, 1..=64))
    })
}

proptest! {
    #[test]
    fn parsing_undoes_formatting((columns, rows) in table()) {
        let stat = ProcStat::parse(&kernel_text(&columns, &rows))?;
        prop_assert_eq!(stat.columns(), &columns);
        prop_assert_eq!(stat.row_count(), rows.len());
        prop_assert!(stat.rows().eq(rows.iter().map(Vec::as_slice)));
        for (index, name) in columns.iter().enumerate() {
            prop_assert_eq!(stat.column_index(name), Some(index));
            if name != ENTRIES {
                let sum = rows.iter().map(|row| u64::from(row[index])).sum();
                prop_assert_eq!(stat.sum(name), Some(sum));
            }
        }
    }

    #[test]
    fn a_cut_text_is_refused_or_reads_true((columns, rows) in table(), at in any::<prop::sample::Index>()) {
        let text = kernel_text(&columns, &rows);
        // A cut between rows cannot be seen in the text; everything that is returned must still be true.
        if let Ok(stat) = ProcStat::parse(&text[..at.index(text.len())]) {
            prop_assert!(stat.rows().zip(&rows).all(|(parsed, row)| parsed == row.as_slice()));
        }
    }

    #[test]
    fn never_panics(text in "(entries)?[ a-f0-9\\n]{0,200}") {
        let _ = ProcStat::parse(&text);
    }
}
