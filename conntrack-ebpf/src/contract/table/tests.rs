use super::*;

#[test]
fn counters_are_numbered_in_their_order() {
    for (i, counter) in ProbeCounter::ALL.into_iter().enumerate() {
        assert_eq!(counter.index(), i);
    }
}

#[test]
fn what_every_flow_increments_is_in_the_first_cache_line() {
    use ProbeCounter as P;
    for counter in [
        P::AllocCall,
        P::AllocCallPacket,
        P::Free,
        P::Inserted,
        P::Destroyed,
        P::DeleteList,
    ] {
        assert!(counter.index() < CACHE_LINE, "{counter:?}");
    }
}

#[test]
fn a_counter_is_lost_with_any_row_that_it_takes() {
    for counter in ProbeCounter::ALL {
        let rows = PROBES.iter().filter(|row| row.counters.contains(&counter));
        let expected = match counter {
            ProbeCounter::NatExhausted => 3,
            ProbeCounter::EarlyDrop => 2,
            _ => 1,
        };
        assert_eq!(rows.count(), expected, "{counter:?}");
    }
}

#[test]
fn a_counter_belongs_to_one_program() {
    // But for those of which only one is ever attached.
    for row in &PROBES {
        let returns = |functions: &[ProbedFunction]| {
            let programs = functions.iter().flat_map(|function| function.programs);
            programs.filter(|program| program.at_return).count()
        };
        let functions = (returns(&row.alternatives[..1]) + returns(row.extras)).max(1);
        assert!(functions <= row.counters.len(), "{:?}", row.counters);
    }
}

#[test]
fn a_function_is_in_one_row_and_numbered_in_its_order() {
    for (number, function) in functions().enumerate() {
        assert_eq!(function.function as usize, number, "{}", function.name);
    }
    // Those that take another function's place can be of another row, too.
    let own = || {
        let own = |row: &'static ProbeRow| row.alternatives[..1].iter().chain(row.extras);
        PROBES.iter().flat_map(own)
    };
    for function in own() {
        let same = own().filter(|other| other.name == function.name);
        assert_eq!(same.count(), 1, "{}", function.name);
    }
}

#[test]
fn names_of_programs_follow_from_their_stems() {
    let [entry, exit] = PROBES[1].alternatives[0].programs else {
        panic!("early_drop has two programs");
    };
    let names = |program: &ProgramPair| (program.kprobe, program.fentry, program.at_return);
    assert_eq!(names(entry), ("early_drop", "early_drop_fentry", false));
    assert_eq!(names(exit), ("early_drop_return", "early_drop_fexit", true));
}
