use super::*;
use crate::reading::proc_stat::{ProcStat, kernel_text};

const RULES: CheckRules = CheckRules {
    limits: CheckLimits::DEFAULT,
    requires_tracking: false,
};

fn kernel(entries: u64, max: u64) -> KernelReading {
    KernelReading {
        stat: None,
        count: Some(entries),
        max: Some(max),
    }
}

fn of(readings: Vec<KernelReading>) -> CheckReading {
    CheckReading {
        readings,
        ..CheckReading::default()
    }
}

fn with(change: impl FnOnce(&mut CheckLimits)) -> CheckRules {
    let mut rules = RULES;
    change(&mut rules.limits);
    rules
}

fn above(crit: f64) -> CheckThresholds {
    CheckThresholds {
        warn: None,
        crit: Some(crit),
    }
}

#[test]
fn a_threshold_is_exclusive() {
    for (entries, status) in [
        (0, Status::Ok),
        (900, Status::Ok),
        (901, Status::Warning),
        (950, Status::Warning),
        (951, Status::Critical),
        (2000, Status::Critical),
    ] {
        let verdict = judge(&of(vec![kernel(entries, 1000)]), &RULES).unwrap();
        assert_eq!(verdict.status, status, "{entries}");
        assert_eq!(verdict.limit_entries, [Some(900), Some(950)]);
        // Without the file the counters are unknown, not 0.
        assert!(verdict.counters.iter().all(|c| c.total.is_none()));
    }
}

#[test]
fn the_fullest_reading_counts() {
    let readings = vec![kernel(10, 1000), kernel(960, 1000), kernel(20, 1000)];
    let verdict = judge(&of(readings), &RULES).unwrap();
    assert_eq!((verdict.status, verdict.entries), (Status::Critical, 960));
}

#[test]
fn no_verdict_without_numbers() {
    for (readings, reason) in [
        (vec![], "the number of entries"),
        (vec![KernelReading::default()], "the number of entries"),
        (
            vec![KernelReading {
                count: Some(1),
                ..Default::default()
            }],
            "nf_conntrack_max",
        ),
    ] {
        let error = judge(&of(readings), &RULES).unwrap_err();
        assert!(error.to_string().contains(reason), "{error}");
    }
}

#[test]
fn without_a_limit_only_other_thresholds_can_be_judged() {
    let unlimited = of(vec![kernel(500, 0)]);
    let verdict = judge(&unlimited, &RULES).unwrap();
    assert_eq!(verdict.status, Status::Unknown);
    assert_eq!((verdict.entries, verdict.max), (500, None));
    assert_eq!(verdict.utilization, None);
    assert_eq!(verdict.findings, [Finding::NoLimit]);
    assert_eq!(verdict.limit_entries, [None, None]);

    let by_others = [
        with(|limits| limits.rates[1] = above(1.0)),
        with(|limits| limits.expectations = above(90.0)),
    ];
    let mut others = unlimited.clone();
    others.rates = [Some(0.0); 3];
    others.expectations = Some(Expectations { held: 1, max: 100 });
    for rules in by_others {
        let verdict = judge(&others, &rules).unwrap();
        assert_eq!((verdict.status, verdict.findings.len()), (Status::Ok, 0));
    }
    let by_count = |crit| with(|limits| limits.entries = above(crit));
    let verdict = judge(&unlimited, &by_count(500.0)).unwrap();
    assert_eq!((verdict.status, verdict.findings.len()), (Status::Ok, 0));
    let verdict = judge(&unlimited, &by_count(499.0)).unwrap();
    assert_eq!(verdict.status, Status::Critical);
    assert_eq!(verdict.findings, [Finding::Entries(499.0)]);
    assert_eq!(verdict.limit_entries, [None, Some(499)]);
}

#[test]
fn of_percent_and_count_the_lower_is_exceeded_first() {
    let rules = with(|limits| limits.entries = above(100.0));
    let verdict = judge(&of(vec![kernel(101, 1000)]), &rules).unwrap();
    assert_eq!(verdict.status, Status::Critical);
    assert_eq!(verdict.limit_entries, [Some(900), Some(100)]);
    let verdict = judge(&of(vec![kernel(99, 100)]), &rules).unwrap();
    assert_eq!(verdict.status, Status::Critical);
    assert_eq!(verdict.limit_entries, [Some(90), Some(95)]);
}

/// A table that is half empty, in which flows are refused.
#[test]
fn rates_are_judged_whatever_the_table_holds() {
    let mut reading = of(vec![kernel(500, 1000)]);
    reading.rates = [Some(0.5), None, Some(20.0)];
    assert_eq!(judge(&reading, &RULES).unwrap().status, Status::Ok);
    let rules = with(|limits| {
        limits.rates[0] = CheckThresholds {
            warn: Some(0.0),
            crit: Some(1.0),
        };
        limits.rates[2] = above(10.0);
    });
    let verdict = judge(&reading, &rules).unwrap();
    assert_eq!(verdict.status, Status::Critical);
    let [drop, insert_failed] = verdict.findings.as_slice() else {
        panic!("{:?}", verdict.findings);
    };
    assert!(matches!(drop, Finding::Rate { name: "drop", limit, .. } if *limit == 0.0));
    assert!(
        matches!(insert_failed, Finding::Rate { name: "insert_failed", limit, .. } if *limit == 10.0)
    );
    // What was to be judged and is not known is not well.
    let rules = with(|limits| limits.rates[1] = above(10.0));
    let verdict = judge(&reading, &rules).unwrap();
    assert_eq!(verdict.status, Status::Unknown);
    assert_eq!(verdict.findings, [Finding::UnknownRate("early_drop")]);
}

#[test]
fn expectations_are_judged_by_a_limit_of_their_own() {
    let mut reading = of(vec![kernel(1, 1000)]);
    let rules = with(|limits| limits.expectations = above(90.0));
    let verdict = judge(&reading, &rules).unwrap();
    assert_eq!(verdict.status, Status::Unknown);
    assert_eq!(verdict.findings, [Finding::UnknownExpectations]);
    reading.expectations = Some(Expectations { held: 91, max: 100 });
    let verdict = judge(&reading, &rules).unwrap();
    assert_eq!(verdict.status, Status::Critical);
    assert_eq!(verdict.findings, [Finding::Expectations(90.0)]);
}

#[test]
fn an_empty_table_has_its_reason() {
    let mut reading = of(vec![kernel(0, 1000)]);
    let required = CheckRules {
        requires_tracking: true,
        ..RULES
    };
    for (hooks, status, explained) in [
        (Some(Hooks::Registered), Status::Ok, false),
        (Some(Hooks::Absent), Status::Unknown, true),
        (Some(Hooks::Unknown("why".into())), Status::Unknown, true),
        (None, Status::Unknown, false),
    ] {
        reading.hooks = hooks;
        let verdict = judge(&reading, &RULES).unwrap();
        assert_eq!(verdict.status, Status::Ok);
        assert_eq!(verdict.untracked.is_some(), explained);
        let verdict = judge(&reading, &required).unwrap();
        assert_eq!(verdict.status, status, "{:?}", reading.hooks);
        let unknown = status == Status::Unknown && !explained;
        assert_eq!(!verdict.findings.is_empty(), unknown);
    }
    // Entries prove that something tracks.
    let held = of(vec![kernel(1, 1000)]);
    assert_eq!(judge(&held, &required).unwrap().status, Status::Ok);
}

#[test]
fn totals_are_those_of_the_newest_statistics() {
    let stat = |drop| {
        let text = kernel_text(&["entries", "drop"], &[vec![5, drop], vec![5, 1]]);
        KernelReading {
            stat: Some(ProcStat::parse(&text).unwrap()),
            count: None,
            max: Some(10),
        }
    };
    let verdict = judge(&of(vec![stat(1), stat(3), kernel(5, 10)]), &RULES).unwrap();
    let totals: Vec<Option<u64>> = verdict.counters.iter().map(|c| c.total).collect();
    assert_eq!(totals, [Some(4), None, None]);
}
