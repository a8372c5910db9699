//! Tests of counters by CPU.

use crate::{
    model::{
        kernel::{counters::Counter, per_counter::PerCounter},
        record::{PerCpu, Skew},
    },
    output::per_cpu::lines,
};

type TestResult = Result<(), Box<dyn std::error::Error>>;

fn on(cpus: Option<Vec<u32>>, new: &[f64], inserted: &[f64]) -> PerCpu {
    let mut rates = PerCounter::default();
    let mut skew = PerCounter::default();
    for (counter, of) in [(Counter::New, new), (Counter::Inserted, inserted)] {
        let most = of.iter().copied().fold(0.0, f64::max);
        let sum: f64 = of.iter().sum();
        rates.set(counter, Some(of.to_vec()));
        let of_most = Skew {
            busiest: of.iter().position(|&rate| rate == most).unwrap_or_default(),
            share: most * 100.0 / sum,
            ratio: most * of.len() as f64 / sum,
        };
        skew.set(counter, Some(of_most));
    }
    let mut totals = PerCounter::default();
    totals.set(
        Counter::New,
        Some(new.iter().map(|&rate| rate as u64).collect()),
    );
    PerCpu {
        cpus,
        unknown: None,
        rates,
        totals,
        skew,
    }
}

fn text(per_cpu: &PerCpu, width: Option<usize>) -> String {
    lines(per_cpu, |_| true, |_| false, width).join("\n")
}

/// Two sockets with a gap between their CPU ids.
fn eight() -> PerCpu {
    on(
        Some(vec![0, 1, 2, 3, 64, 65, 66, 67]),
        &[120.0, 0.0, 4_640.0, 0.0, 0.0, 12_300.0, 10.0, 0.0],
        &[1000.0; 8],
    )
}

#[test]
fn the_busiest_come_first() {
    insta::assert_snapshot!(text(&eight(), None));
}

#[test]
fn omitted_cpus_are_counted() {
    let many: Vec<f64> = (0..128).map(|i| f64::from(i) * 10.0).collect();
    let per_cpu = on(Some((0..128).collect()), &many, &many);
    let text = text(&per_cpu, Some(80));
    assert!(text.lines().all(|line| line.len() <= 80), "{text}");
    insta::assert_snapshot!(text);
}

#[test]
fn rows_without_ids_are_named_rows() {
    let per_cpu = on(None, &[0.0, 5.0], &[1.0, 2.0]);
    let text = text(&per_cpu, None);
    assert!(text.contains("row1 5.0") && !text.contains("cpu"), "{text}");
}

#[test]
fn only_selected_columns_are_shown() {
    let lines = lines(&eight(), |counter| counter == Counter::New, |_| false, None);
    assert_eq!(lines.len(), 1);
}

#[test]
fn per_cpu_json_round_trips() -> TestResult {
    let text = serde_json::to_string(&eight())?;
    assert_eq!(serde_json::from_str::<PerCpu>(&text)?, eight());
    insta::assert_snapshot!(text);
    Ok(())
}
