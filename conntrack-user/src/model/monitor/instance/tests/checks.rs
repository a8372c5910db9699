//! Checks of the probes against the kernel, and counters that they prove wrong.

use super::*;

/// One side moves and the other does not.
#[test]
fn a_disagreement_is_seen_before_the_snapshot_is_observed() -> TestResult {
    let at_rest = |ms| -> Result<_, ParseError> {
        Ok(snapshot(
            ms,
            Some(stat(MODERN, 100, &[])?),
            Some(reading(totals(&[]))),
        ))
    };
    let mut monitor = monitor(everything());
    assert!(
        !monitor.disagrees(&at_rest(0)?),
        "nothing to compare with yet"
    );
    monitor.observe(&at_rest(0)?);
    assert!(!monitor.disagrees(&at_rest(100)?));

    let allocated = |entries| -> Result<_, ParseError> {
        let probes = reading(totals(&[(ProbeCounter::AllocCall, 3)]));
        Ok(snapshot(
            100,
            Some(stat(MODERN, entries, &[])?),
            Some(probes),
        ))
    };
    assert!(!monitor.disagrees(&allocated(103)?));
    assert!(monitor.disagrees(&allocated(102)?));

    // A column that the kernel counts and the probe missed.
    let expected = stat(MODERN, 100, &[("expect_new", 1)])?;
    let unseen = snapshot(100, Some(expected), Some(reading(totals(&[]))));
    assert!(monitor.disagrees(&unseen));
    assert!(monitor.disagrees(&unseen), "looking does not take it in");
    // The next reading finds that the probe was only late.
    let mut seen = unseen;
    seen.probes = Some(reading(totals(&[(ProbeCounter::ExpectNew, 1)])));
    assert!(!monitor.disagrees(&seen));
    let checks = next(&mut monitor, &seen)?
        .crosscheck
        .ok_or("no cross-check")?
        .checks;
    assert_eq!(worst(&checks), Some(Verdict::Exact));
    Ok(())
}

#[test]
fn a_mismatch_is_in_the_sample_and_the_crosscheck() -> TestResult {
    let mut monitor = monitor(everything());
    monitor.observe(&snapshot(
        0,
        Some(stat(MODERN, 10, &[])?),
        Some(reading(totals(&[]))),
    ));
    let probes = reading(totals(&[(ProbeCounter::Free, 4)]));
    let observation = next(
        &mut monitor,
        &snapshot(100, Some(stat(MODERN, 9, &[])?), Some(probes)),
    )?;
    assert_eq!(observation.sample.verdict, Some(Verdict::Mismatch));
    let checks = observation.crosscheck.ok_or("no cross-check")?.checks;
    let balance = checks.first().ok_or("no check")?;
    assert_eq!(
        (balance.probe, balance.kernel_low, balance.residual),
        (Some(-4), Some(-1), Some(-3))
    );
    Ok(())
}

fn balance(monitor: &mut InstanceMonitor, snapshot: &InstanceReading) -> Result<Check, String> {
    let crosscheck = next(monitor, snapshot)?.crosscheck;
    let checks = crosscheck.ok_or("no cross-check")?.checks;
    checks
        .into_iter()
        .next()
        .ok_or_else(|| "no checks".to_owned())
}

#[test]
fn a_call_in_flight_is_no_mismatch_and_a_lost_hit_becomes_one() -> TestResult {
    let mut monitor = monitor(everything());
    monitor.observe(&in_flight(0, 0, 0)?);
    let late = in_flight(200, 3, 2)?;
    assert!(monitor.disagrees(&late), "worth another look");
    let check = balance(&mut monitor, &late)?;
    assert_eq!(
        (check.verdict, check.residual),
        (Verdict::WithinBracket, Some(1))
    );
    assert_eq!(
        check.reason.as_ref().map(|t| t.raw()),
        Some("1 call may be in flight")
    );
    assert_eq!(
        balance(&mut monitor, &in_flight(400, 3, 3)?)?.verdict,
        Verdict::Exact
    );

    for (ms, verdict) in [
        (600, Verdict::WithinBracket),
        (1500, Verdict::WithinBracket),
        (1600, Verdict::Mismatch),
    ] {
        let check = balance(&mut monitor, &in_flight(ms, 4, 5)?)?;
        assert_eq!(check.verdict, verdict, "{ms} ms: {check:?}");
    }
    Ok(())
}

#[test]
fn the_last_reading_confirms_all_differences() -> TestResult {
    let mut monitor = monitor(everything());
    monitor.observe(&in_flight(0, 0, 0)?);
    assert_eq!(
        balance(&mut monitor, &in_flight(200, 1, 1)?)?.verdict,
        Verdict::Exact
    );
    monitor.conclude();
    assert_eq!(
        balance(&mut monitor, &in_flight(400, 2, 3)?)?.verdict,
        Verdict::Mismatch
    );
    Ok(())
}

#[test]
fn a_call_in_flight_at_the_first_reading_is_allowed_for() -> TestResult {
    let mut monitor = monitor(everything());
    // Counted by the probe, but not yet by the kernel.
    monitor.observe(&in_flight(0, 1, 0)?);
    for ms in [200, 1200] {
        let check = balance(&mut monitor, &in_flight(ms, 1, 1)?)?;
        assert_eq!(check.verdict, Verdict::WithinBracket, "{ms} ms: {check:?}");
    }
    let check = balance(&mut monitor, &in_flight(1400, 5, 5)?)?;
    assert_eq!(check.verdict, Verdict::Exact, "{check:?}");
    assert_eq!(
        check.reason.as_ref().map(|t| t.raw()),
        Some("1 call was in flight at the first reading")
    );
    Ok(())
}

#[test]
fn a_counter_is_wrong_only_once_its_law_is_broken_for_certain() -> TestResult {
    let mut monitor = monitor(everything());
    monitor.observe(&in_flight(0, 0, 0)?);
    next(&mut monitor, &in_flight(200, 3, 3)?)?;
    for (ms, verdict) in [
        (400, Verdict::WithinBracket),
        (1300, Verdict::WithinBracket),
        (1400, Verdict::Mismatch),
    ] {
        let sample = next(&mut monitor, &in_flight(ms, 4, 5)?)?.sample;
        assert_eq!(sample.verdict, Some(verdict), "{ms} ms");
        let reason = sample.wrong.get(Counter::Alloc).map(Text::raw);
        let expected = (verdict == Verdict::Mismatch).then_some(
            "breaks entries_balance (the probes counted 4; at least 5, if free is right)",
        );
        assert_eq!(reason, expected, "{ms} ms");
    }
    // It was not lost after all: the call took that long.
    let sample = next(&mut monitor, &in_flight(1600, 5, 5)?)?.sample;
    assert!(sample.wrong.is_empty(), "{:?}", sample.wrong);
    Ok(())
}
