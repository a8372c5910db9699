//! The laws, tried on a kernel whose every step is known.

use conntrack_ebpf::{COUNTER_SLOTS, ProbeCounter};
use proptest::prelude::*;

use super::*;
use crate::reading::probes::ProbeTotals;

const IN_FLIGHT: u64 = 4;

/// What happens to conntracks.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// A packet begins a flow.
    Alloc,
    /// ctnetlink makes a conntrack, and inserts it.
    CtnetlinkInserts,
    /// ctnetlink makes one, finds that there is such a flow already, and frees it.
    CtnetlinkGivesUp,
    /// The table is full.
    Full,
    /// The first packet's conntrack is put into the table.
    Confirm,
    /// It is dropped before that.
    DropUnconfirmed,
    /// A clash is resolved by the reply alone: in the table, without being inserted.
    ClashHarder,
    /// A flow is taken out of the table.
    Remove,
    /// And no longer used.
    Destroy,
    /// There is no memory for a packet's conntrack, which the kernel counts as a drop.
    NoMemory,
    /// There is none for what belongs to it: it is freed without being destroyed, and a drop too.
    NoMemoryForExtensions,
}

/// A kernel, and probes that count every step.
#[derive(Clone)]
struct Kernel {
    counts: ProbeTotals,
    unconfirmed: u64,
    table: u64,
    dying: u64,
    drops: u64,
}

impl Kernel {
    /// What there was before the probes.
    fn with(unconfirmed: u64, table: u64, dying: u64) -> Self {
        Self {
            counts: [0; COUNTER_SLOTS],
            unconfirmed,
            table,
            dying,
            drops: 0,
        }
    }

    fn entries(&self) -> u64 {
        self.unconfirmed + self.table + self.dying
    }

    fn count(&mut self, counters: &[ProbeCounter]) {
        for counter in counters {
            self.counts[counter.index()] += 1;
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Alloc => {
                self.count(&[AllocCall, AllocCallPacket]);
                self.unconfirmed += 1;
            }
            Step::CtnetlinkInserts => {
                self.count(&[AllocCall, Inserted, CheckInserted]);
                self.table += 1;
            }
            Step::CtnetlinkGivesUp => self.count(&[AllocCall, Free]),
            Step::Full => self.count(&[AllocCall, AllocCallPacket, TableFull, TableFullPacket]),
            Step::Confirm if self.unconfirmed > 0 => {
                self.count(&[Inserted]);
                self.unconfirmed -= 1;
                self.table += 1;
            }
            Step::DropUnconfirmed if self.unconfirmed > 0 => {
                self.count(&[DestroyedUnconfirmed, Free]);
                self.unconfirmed -= 1;
            }
            Step::ClashHarder if self.unconfirmed > 0 => {
                self.count(&[ClashResolved]);
                self.unconfirmed -= 1;
                self.table += 1;
            }
            Step::Remove if self.table > 0 => {
                self.count(&[DeleteList]);
                self.table -= 1;
                self.dying += 1;
            }
            Step::Destroy if self.dying > 0 => {
                self.count(&[Destroyed, Free]);
                self.dying -= 1;
            }
            Step::NoMemory => {
                self.count(&[AllocCall, AllocCallPacket]);
                self.drops += 1;
            }
            Step::NoMemoryForExtensions => {
                self.count(&[AllocCall, AllocCallPacket, Free]);
                self.drops += 1;
            }
            // There is nothing that it could happen to.
            _ => {}
        }
    }
}

/// A run: the first reading, and what is known of it.
struct Run {
    kernel: Kernel,
    base: Bracket,
    conservation: Conservation,
    coverage: Coverage,
    /// At the first reading.
    drops: u64,
}

impl Run {
    fn start(kernel: Kernel) -> Self {
        Self {
            base: Bracket {
                before: kernel.counts,
                after: kernel.counts,
            },
            conservation: Conservation::new(Some(kernel.entries()), IN_FLIGHT),
            coverage: Coverage::except(Vec::new()),
            drops: kernel.drops,
            kernel,
        }
    }

    /// A reading during which these steps are taken, before and after the kernel's own number is read; `wrong` makes the probes
    /// say something else than they counted. Gives the laws that are broken.
    fn read(
        &mut self,
        [early, late]: [&[Step]; 2],
        wrong: impl Fn(&mut ProbeTotals),
    ) -> Vec<&'static str> {
        let told = |counts: &ProbeTotals| {
            let mut told = *counts;
            wrong(&mut told);
            told
        };
        let before = told(&self.kernel.counts);
        early.iter().for_each(|step| self.kernel.step(*step));
        let entries = Some(self.kernel.entries());
        let unseen_drops = self.kernel.drops - self.drops;
        late.iter().for_each(|step| self.kernel.step(*step));
        let now = Bracket {
            before,
            after: told(&self.kernel.counts),
        };
        let numbers = LawInputs {
            base: &self.base,
            now: &now,
            entries,
            unseen_drops,
            in_flight: IN_FLIGHT,
            coverage: &self.coverage,
        };
        let broken = Law::ALL.into_iter().filter(|law| {
            let allowed = self.conservation.allowed(*law, &numbers).unwrap();
            allowed.probe < allowed.low || allowed.probe > allowed.high
        });
        let broken = broken.map(Law::check).collect();
        self.conservation.narrow(&numbers);
        broken
    }
}

fn steps(longest: usize) -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => Just(Step::Alloc),
        1 => Just(Step::CtnetlinkInserts),
        1 => Just(Step::CtnetlinkGivesUp),
        1 => Just(Step::Full),
        4 => Just(Step::Confirm),
        1 => Just(Step::DropUnconfirmed),
        1 => Just(Step::ClashHarder),
        4 => Just(Step::Remove),
        4 => Just(Step::Destroy),
        1 => Just(Step::NoMemory),
        1 => Just(Step::NoMemoryForExtensions),
    ];
    prop::collection::vec(step, 0..longest)
}

/// Flows that come and go one by one.
fn churn(kernel: &mut Kernel, flows: u64) {
    for _ in 0..flows {
        for step in [Step::Alloc, Step::Confirm, Step::Remove, Step::Destroy] {
            kernel.step(step);
        }
    }
}

proptest! {
    /// Whatever happens, and whenever it is read: probes that count everything break no law.
    #[test]
    fn faithful_probes_break_no_law(
        (unconfirmed, table, dying) in (0_u64..5, 0_u64..50, 0_u64..5),
        before in steps(40),
        readings in prop::collection::vec([steps(40), steps(10), steps(10)], 1..20),
    ) {
        let mut kernel = Kernel::with(unconfirmed, table, dying);
        // What was counted before the first reading makes no difference.
        before.iter().for_each(|step| kernel.step(*step));
        let mut run = Run::start(kernel);
        for [between, early, late] in readings {
            between.iter().for_each(|step| run.kernel.step(*step));
            let broken = run.read([&early, &late], |_| {});
            prop_assert!(broken.is_empty(), "{broken:?}");
        }
    }

    /// A probe that loses hits breaks its law as soon as it has lost more than there ever were entries.
    #[test]
    fn a_probe_that_loses_hits_is_caught(
        table in 0_u64..200,
        (counter, law) in prop_oneof![
            Just((Inserted, "flows_balance")),
            Just((Inserted, "unconfirmed_balance")),
            Just((DeleteList, "list_balance")),
            Just((Destroyed, "flows_balance")),
            Just((Destroyed, "frees_balance")),
            Just((AllocCallPacket, "packets_balance")),
            Just((Free, "frees_balance")),
        ],
        every in 1_u64..10,
    ) {
        let mut run = Run::start(Kernel::with(0, table, 0));
        churn(&mut run.kernel, (table + IN_FLIGHT + 1) * every);
        let broken = run.read([&[], &[]], |counts| {
            let count = &mut counts[counter.index()];
            *count -= *count / every;
        });
        prop_assert!(broken.contains(&law), "{broken:?}");
    }
}

#[test]
fn what_was_there_at_first_is_one_number() {
    // Of 1,000 entries at first, all are gone after some time; so they were flows, every one of them, and none was unconfirmed. From
    // then on a few lost hits are seen, which 1,000 entries would have hidden: all but as many as there are calls in flight.
    let broken = |unseen: Step, counter: ProbeCounter, lost: u64| {
        let mut run = Run::start(Kernel::with(0, 1_000, 0));
        for _ in 0..1_000 {
            run.kernel.step(Step::Remove);
            run.kernel.step(Step::Destroy);
        }
        for step in [Step::Alloc, unseen, Step::Confirm] {
            (0..50).for_each(|_| run.kernel.step(step));
        }
        for step in [Step::Remove, Step::Destroy] {
            (0..50).for_each(|_| run.kernel.step(step));
        }
        assert!(run.read([&[], &[]], |_| {}).is_empty());
        churn(&mut run.kernel, 100);
        run.read([&[], &[]], |counts| counts[counter.index()] -= lost)
    };
    for (counter, law, unseen, hidden) in [
        (Destroyed, "flows_balance", Step::Confirm, 0),
        (Destroyed, "flows_balance", Step::ClashHarder, 50),
        (AllocCall, "unconfirmed_balance", Step::Confirm, 0),
        // As many more were allocated and given up as cannot be told from those.
        (AllocCall, "unconfirmed_balance", Step::CtnetlinkGivesUp, 50),
    ] {
        let broken = |lost| broken(unseen, counter, lost).contains(&law);
        assert!(!broken(hidden + IN_FLIGHT), "{counter:?}, {unseen:?}");
        assert!(broken(hidden + IN_FLIGHT + 1), "{counter:?}, {unseen:?}");
    }
}

#[test]
fn a_function_whose_calls_are_inlined_is_caught() {
    // As on 5.10: what removes flows does not pass through the function that is probed.
    let mut run = Run::start(Kernel::with(0, 100, 0));
    churn(&mut run.kernel, 32_000);
    let broken = run.read([&[], &[]], |counts| counts[DeleteList.index()] = 0);
    assert_eq!(broken, ["list_balance"]);
}

#[test]
fn what_comes_or_goes_unseen_breaks_no_law_however_often() {
    let removal = [Step::Remove, Step::Destroy];
    for (steps, again) in [
        ([Step::Alloc, Step::ClashHarder], &removal[..]),
        ([Step::NoMemory; 2], &[]),
        ([Step::NoMemoryForExtensions; 2], &[]),
        ([Step::CtnetlinkGivesUp; 2], &[]),
    ] {
        let mut run = Run::start(Kernel::with(0, 0, 0));
        for _ in 0..100 {
            let steps = steps.iter().chain(again);
            steps.for_each(|step| run.kernel.step(*step));
        }
        let broken = run.read([&[], &[]], |_| {});
        assert!(broken.is_empty(), "{steps:?}: {broken:?}");
    }
}

#[test]
fn what_is_being_destroyed_are_no_more_than_the_calls_in_flight() {
    // However many entries there are.
    let mut run = Run::start(Kernel::with(0, 1_000, 0));
    churn(&mut run.kernel, 100);
    let lost = |lost| move |counts: &mut ProbeTotals| counts[Free.index()] -= lost;
    let mut same = Run::start(Kernel::with(0, 1_000, 0));
    churn(&mut same.kernel, 100);
    assert!(same.read([&[], &[]], lost(IN_FLIGHT)).is_empty());
    let broken = run.read([&[], &[]], lost(IN_FLIGHT + 1));
    assert_eq!(broken, ["frees_balance"]);
}

#[test]
fn what_moves_while_it_is_read_is_allowed_for() {
    // A flow is inserted into an empty table: after the kernel's number was read, or before.
    let mut kernel = Kernel::with(0, 0, 0);
    let run = Run::start(kernel.clone());
    kernel.step(Step::Alloc);
    kernel.step(Step::Confirm);
    let now = Bracket {
        before: run.base.after,
        after: kernel.counts,
    };
    let allowed = |entries| {
        let numbers = LawInputs {
            base: &run.base,
            now: &now,
            entries: Some(entries),
            unseen_drops: 0,
            in_flight: IN_FLIGHT,
            coverage: &run.coverage,
        };
        run.conservation.allowed(Law::Flows, &numbers).unwrap()
    };
    let [low, probe] = [0, 1];
    let after = Allowed {
        probe,
        low,
        high: 1,
        bracketed: true,
    };
    assert_eq!(allowed(0), after);
    let before = Allowed {
        high: 2,
        bracketed: false,
        ..after
    };
    assert_eq!(allowed(1), before);
    // What is compared is what was counted since the first reading.
    let from_here = LawInputs {
        base: &now,
        now: &now,
        entries: Some(1),
        unseen_drops: 0,
        in_flight: IN_FLIGHT,
        coverage: &run.coverage,
    };
    let allowed = run.conservation.allowed(Law::Flows, &from_here).unwrap();
    assert_eq!(allowed.probe, 0);
}

#[test]
fn a_law_says_what_it_lacks() {
    let mut run = Run::start(Kernel::with(0, 1, 0));
    run.coverage = Coverage::except(vec![(DeleteList, "it is so".into())]);
    let now = run.base;
    let numbers = LawInputs {
        base: &run.base,
        now: &now,
        entries: None,
        unseen_drops: 0,
        in_flight: IN_FLIGHT,
        coverage: &run.coverage,
    };
    let reason = |law| {
        run.conservation
            .allowed(law, &numbers)
            .unwrap_err()
            .to_string()
    };
    assert_eq!(reason(Law::List), "needs its probes: it is so");
    assert!(reason(Law::Flows).contains("entries cannot be read"));
}
