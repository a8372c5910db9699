//! What a table has to hold that refuses or evicts.

use super::*;

/// 500 flows a second that are held for 30 s need 15,000 entries, of which 10,000 fit: entries are evicted at random.
#[test]
fn what_a_full_table_has_to_hold_is_found() {
    const MAX: usize = 10_000;
    let mut random = Random(9);
    let mut table: Vec<f64> = Vec::new();
    let (mut inserted, mut evicted) = (0, 0);
    let mut advisor = Advisor::default();
    for second in 0..400_i64 {
        table.retain(|end| *end > second as f64);
        for flow in 0..500 {
            if table.len() >= MAX {
                let victim = (random.next() * table.len() as f64) as usize;
                table.swap_remove(victim);
                evicted += 1;
            }
            table.push(second as f64 + f64::from(flow) / 500.0 + 30.0);
            inserted += 1;
        }
        if second < 100 {
            (inserted, evicted) = (0, 0);
            continue;
        }
        let counters =
            BTreeMap::from([("inserted", inserted), ("early_drop", evicted), ("drop", 0)]);
        advisor.take(&sample(second, table.len() as u64, MAX as u64, &counters));
        if second == 200 {
            let left = table.iter().map(|end| end - second as f64).collect();
            let groups = [("udp", "UNREPLIED", "udp_timeout", 30, left, 0.0)];
            advisor.take(&contents(second, &groups));
        }
    }
    let advice = advisor.advise(&AdviceWishes::default());
    let predicted = of(&advice, AdviceTopic::Demand)[0].predicted.unwrap();
    // The collector of garbage comes after 15 s, the average that is left, so the expired count for half of that.
    let held = 500.0 * (30.0 + 15.0 / 2.0);
    assert!(
        (predicted.expected as f64 / held - 1.0).abs() < 0.05,
        "{predicted:?}"
    );
    let set = change(&advice, AdviceTopic::TableFull).unwrap();
    let to = set.to.unwrap() as f64;
    // A quarter stays free just before the collector comes, above what fluctuations add.
    let most = 500.0 * (30.0 + 15.0);
    assert!((most / 0.75..most * 1.15 / 0.75).contains(&to), "{to}");
}

/// 500 flows a second that are held for 5 s, of which those fit that find room beside 800 connections that stay.
#[test]
fn what_stays_is_not_taken_for_what_was_refused() {
    const MAX: u64 = 2_000;
    let kept = vec![432_000.0 - 250.0; 800];
    let others: Vec<f64> = (0..1_200).map(|n| f64::from(n) / 240.0).collect();
    let groups = [
        ("udp", "UNREPLIED", "udp_timeout", 5, others, 0.0),
        (
            "tcp",
            "ESTABLISHED",
            "tcp_timeout_established",
            432_000,
            kept,
            1.0,
        ),
    ];
    let mut advisor = Advisor::default();
    for second in 0..300 {
        let counters = BTreeMap::from([
            ("inserted", 240 * second as u64),
            ("table_full", 260 * second as u64),
            ("drop", 260 * second as u64),
        ]);
        advisor.take(&sample(second, MAX, MAX, &counters));
        if second % 60 == 30 {
            advisor.take(&contents(second, &groups));
        }
    }
    let with = |rate| {
        let what_if = Some(WhatIf {
            rate: Some(rate),
            timeouts: Vec::new(),
        });
        advisor.advise(&AdviceWishes {
            what_if,
            ..AdviceWishes::default()
        })
    };
    let advice = with(1.0);
    let predicted = of(&advice, AdviceTopic::Demand)[0].predicted.unwrap();
    // With everything as it is, what would be is what is asked for.
    let unchanged = of(&advice, AdviceTopic::WhatIf)[0].predicted.unwrap();
    assert_eq!(unchanged.expected, predicted.expected);
    // Once there is room the collector comes once a minute, because of those that stay.
    let held = 800.0 + 500.0 * (5.0 + 60.0 / 2.0);
    assert!(
        (predicted.expected as f64 / held - 1.0).abs() < 0.05,
        "{predicted:?}"
    );
}
