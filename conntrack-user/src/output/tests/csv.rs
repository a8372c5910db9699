//! Records as CSV: a line of each sample.
//!
//! A changed snapshot changes what programs read: look at it before accepting it (`cargo insta review`, or `INSTA_UPDATE=always`).

use super::{
    formats::{DOCUMENTED, TestResult, as_csv},
    records::{eventful, plain},
};

#[test]
fn csv_of_a_run() -> TestResult {
    let mut records = eventful();
    records.extend(plain());
    insta::assert_snapshot!(as_csv(&records)?);
    Ok(())
}

#[test]
fn csv_has_as_many_cells_on_every_line() -> TestResult {
    let mut records = eventful();
    records.extend(plain());
    let csv = as_csv(&records)?;
    let mut lines = csv.lines();
    let header: Vec<_> = lines.next().ok_or("no header")?.split(',').collect();
    let mut expected = vec![
        "time",
        "interval_s",
        "instance",
        "entries",
        "max",
        "utilization",
    ];
    let dimensions: Vec<_> = DOCUMENTED
        .iter()
        .flat_map(|(chart, dimensions)| {
            let chart = chart.trim_start_matches("netfilter.conntrack_");
            dimensions
                .iter()
                .map(move |dimension| format!("{chart}.{dimension}"))
        })
        .collect();
    expected.extend(dimensions.iter().map(String::as_str));
    expected.extend([
        "crosscheck",
        "time_to_full_s",
        "time_to_full_low_s",
        "time_to_full_high_s",
        "wrong",
    ]);
    assert_eq!(header, expected);
    for line in lines {
        assert_eq!(line.split(',').count(), header.len(), "{line}");
    }
    assert_eq!(
        csv.lines().count(),
        1 + 5,
        "a line for each sample, and nothing else"
    );
    Ok(())
}
