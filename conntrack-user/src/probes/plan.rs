//! What to attach, decided from host facts: pure.

use crate::text::Text;
use conntrack_ebpf::{ProbeCounter, Program, globals, leaders::Prefixes};

pub use crate::probes::spec::Group;
use crate::{
    probes::{
        facts::{HostFacts, Support},
        spec::{PROBES, ProbeSpec, Target},
    },
    reading::{
        coverage::Coverage,
        probes::{Missing, Probes},
    },
};

/// What the user asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// No probes.
    Off,
    /// No probes: the counters shown are those of a directory, not this kernel's.
    OtherRoot,
    /// A group of probes, as far as it can be had.
    Group(Group),
}

/// How a program gets to run on a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// By a breakpoint, or by ftrace where the kernel can: anywhere.
    Kprobe,
    /// By a trampoline: cheaper, but for functions that vmlinux's BTF knows.
    Fentry,
}

/// A program on a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attachment {
    /// The program.
    pub program: Program,
    /// The kernel function.
    pub function: &'static str,
    /// How.
    pub how: How,
}

/// A probe to attach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedProbe {
    /// Programs and their functions: all are needed.
    pub attachments: Vec<Attachment>,
    /// What it counts.
    pub counters: &'static [ProbeCounter],
}

/// A probe that is not to be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingProbe {
    /// The function it would go on.
    pub function: &'static str,
    /// What is not counted for it.
    pub counters: &'static [ProbeCounter],
    /// Why.
    pub reason: String,
}

/// What to attach, and what not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The group asked for.
    pub group: Group,
    /// Probes to attach.
    pub probes: Vec<PlannedProbe>,
    /// Probes that are not to be had.
    pub missing: Vec<MissingProbe>,
    /// The one reason why nothing is attached, where there is one.
    pub blocked: Option<String>,
    /// The object's globals.
    pub globals: Vec<(&'static str, u32)>,
    /// Number of CPU ids.
    pub cpus: u32,
    /// Events of one kind sent in a second.
    pub event_rate: u32,
    /// The namespace to count; `None`: those that are assigned a slot.
    pub netns: Option<u32>,
    /// How leaders are counted, if they are.
    pub top: Option<Leading>,
    /// Connections whose begin is remembered, to count lifetimes; `None`: they are not counted.
    pub lifetimes: Option<u32>,
    /// Whether the time spent in functions is measured.
    pub latency: bool,
}

/// How leaders are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leading {
    /// How much of an address is told apart.
    pub prefixes: Prefixes,
    /// Chooses which keys share a set; the same for the whole run, or its parts would not add up.
    pub seed: u32,
}

/// Events of one kind sent in a second, unless asked otherwise.
pub const EVENT_RATE: u32 = 1000;

impl Plan {
    /// Decides. `latency`: whether the time spent in functions is to be measured, which takes their
    /// probes whatever the group.
    #[must_use]
    pub fn new(request: Request, latency: bool, facts: &HostFacts) -> Self {
        match ready(request, facts) {
            Ok(ready) => Self::probes(group_of(request), latency, facts, &ready),
            Err(reason) => Self::blocked(request, &reason),
        }
    }

    /// Whether any program is to be attached by fentry.
    #[must_use]
    pub fn uses_fentry(&self) -> bool {
        self.attachments().any(|a| a.how == How::Fentry)
    }

    /// All programs and their functions.
    pub fn attachments(&self) -> impl Iterator<Item = &Attachment> {
        self.probes.iter().flat_map(|probe| &probe.attachments)
    }

    fn blocked(request: Request, reason: &str) -> Self {
        Self {
            group: group_of(request),
            probes: Vec::new(),
            missing: all_missing(reason),
            blocked: Some(reason.to_owned()),
            globals: Vec::new(),
            cpus: 0,
            event_rate: EVENT_RATE,
            netns: None,
            top: None,
            lifetimes: None,
            latency: false,
        }
    }

    fn probes(group: Group, latency: bool, facts: &HostFacts, ready: &Ready<'_>) -> Self {
        let mut plan = Self {
            group,
            probes: Vec::new(),
            missing: Vec::new(),
            blocked: None,
            globals: ready.layout.known().collect(),
            cpus: ready.cpus,
            event_rate: EVENT_RATE,
            netns: None,
            top: None,
            lifetimes: None,
            latency,
        };
        plan.globals.push((globals::CPUS, ready.cpus));
        for spec in &PROBES {
            let timed = latency && spec.counters.contains(&TIMED);
            if spec.group > group && !timed {
                plan.missing.push(spec.missing(NOT_ASKED.to_owned()));
                continue;
            }
            match spec.attachments(facts, ready) {
                Ok(attachments) => plan.probes.push(PlannedProbe {
                    attachments,
                    counters: spec.counters,
                }),
                Err(reason) => plan.missing.push(spec.missing(reason)),
            }
        }
        plan
    }
}

/// Of the probes beyond the flow group, what those count that also measure time.
const TIMED: ProbeCounter = ProbeCounter::ConfirmFailed;

/// Why probes of the group `all` are missing from the group `flow`.
const NOT_ASKED: &str = "costs every packet; ask for it with --probes all";

fn group_of(request: Request) -> Group {
    match request {
        Request::Group(group) => group,
        Request::Off | Request::OtherRoot => Group::Flow,
    }
}

/// What every probe needs.
struct Ready<'a> {
    symbols: &'a crate::probes::kallsyms::Symbols,
    layout: &'a crate::probes::layout::Layout,
    cpus: u32,
}

/// Goes through what every probe needs; the first thing that is missing is the reason.
fn ready(request: Request, facts: &HostFacts) -> Result<Ready<'_>, String> {
    match request {
        Request::Off => return Err("turned off with --probes off".to_owned()),
        Request::OtherRoot => {
            return Err("they would count this kernel, not what --proc-root shows".to_owned());
        }
        Request::Group(_) => {}
    }
    let support = [
        &facts.object,
        &facts.capabilities,
        &facts.lockdown,
        &facts.conntrack,
    ];
    // Without kprobes, what fentry cannot have is missing; without either, everything is.
    let kprobes = facts.fentry.is_err().then_some(&facts.kprobes);
    for support in support.into_iter().chain(kprobes) {
        // What is not known is tried: the attempt will tell.
        if let Support::No(reason) = support {
            return Err(reason.clone());
        }
    }
    Ok(Ready {
        symbols: facts.symbols.as_ref().map_err(Clone::clone)?,
        layout: facts
            .layout
            .as_ref()
            .map_err(|e| format!("no kernel type information: {e} (CONFIG_DEBUG_INFO_BTF)"))?,
        cpus: facts.cpus.clone()?,
    })
}

impl ProbeSpec {
    fn attachments(&self, facts: &HostFacts, ready: &Ready<'_>) -> Result<Vec<Attachment>, String> {
        for field in self.fields {
            ready.layout.offset(field)?;
        }
        let mut reasons = Vec::new();
        for alternative in self.alternatives {
            let attachments: Result<Vec<_>, _> = alternative
                .iter()
                .map(|target| attachment(target, facts, ready))
                .collect();
            match attachments {
                Err(reason) => reasons.push(reason),
                Ok(mut attachments) => {
                    // What is there has to be counted: a part of a counter would be a wrong one.
                    let there = |extra: &&Target| ready.symbols.count(extra.function) > 0;
                    for extra in self.extras.iter().filter(there) {
                        attachments.push(attachment(extra, facts, ready)?);
                    }
                    return Ok(attachments);
                }
            }
        }
        Err(reasons.join("; ").into())
    }

    fn missing(&self, reason: String) -> MissingProbe {
        MissingProbe {
            function: self.alternatives[0][0].function,
            counters: self.counters,
            reason,
        }
    }
}

/// How a program gets on its function, or why it cannot.
fn attachment(target: &Target, facts: &HostFacts, ready: &Ready<'_>) -> Result<Attachment, String> {
    let Target { program, function } = *target;
    let fentry = facts.fentry.as_ref();
    let how = match (ready.symbols.count(function), &facts.kprobes) {
        (0, _) => {
            return Err(format!(
                "{} has no function {function} (inlined or renamed)",
                facts.kernel
            ));
        }
        (1, _) if fentry.is_ok_and(|functions| functions.contains(&function)) => How::Fentry,
        (1, Support::No(reason)) => {
            return Err(format!(
                "{reason}, and vmlinux's type information does not have {function}, for fentry"
            ));
        }
        (1, _) => How::Kprobe,
        (n, _) => return Err(format!("{n} functions are named {function}")),
    };
    Ok(Attachment {
        program,
        function,
        how,
    })
}

/// Which counters are counted when all but these probes are attached.
#[must_use]
pub fn coverage(missing: &[MissingProbe]) -> Coverage {
    Coverage::except(
        missing
            .iter()
            .flat_map(|m| {
                m.counters
                    .iter()
                    .map(|&counter| (counter, m.reason.clone()))
            })
            .collect(),
    )
}

/// Every probe missing, all for one reason.
#[must_use]
pub fn all_missing(reason: &str) -> Vec<MissingProbe> {
    PROBES
        .iter()
        .map(|spec| spec.missing(reason.to_owned()))
        .collect()
}

/// What is attached, for the report.
#[must_use]
pub fn report(group: Group, attached: &[Attachment], missing: &[MissingProbe]) -> Probes {
    let off = attached.is_empty();
    let functions = |how: Option<How>| {
        let of_kind = attached
            .iter()
            .filter(|a| how.is_none_or(|how| a.how == how));
        let mut functions: Vec<Text> = of_kind.map(|a| a.function.into()).collect();
        functions.dedup();
        functions
    };
    let fentry = attached.iter().any(|a| a.how == How::Fentry);
    let mut reasons: Vec<&str> = missing.iter().map(|m| m.reason.as_str()).collect();
    reasons.dedup();
    Probes {
        mode: match () {
            () if off => "off",
            () if fentry => "fentry",
            () => "kprobe",
        }
        .into(),
        group: if off { "off" } else { group.name() }.into(),
        reason: (off && !reasons.is_empty()).then(|| reasons.join("; ").into()),
        attached: functions(None),
        by_kprobe: if fentry {
            functions(Some(How::Kprobe))
        } else {
            Vec::new()
        },
        missing: missing
            .iter()
            .map(|m| Missing {
                function: m.function.into(),
                reason: m.reason.clone().into(),
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probes::{kallsyms::Symbols, layout::Layout, spec::wanted_functions};

    /// A host that has everything: tests take one thing away.
    fn capable() -> HostFacts {
        HostFacts {
            kernel: "6.12.0".to_owned(),
            object: Support::Yes,
            capabilities: Support::Yes,
            lockdown: Support::Yes,
            kprobes: Support::Yes,
            conntrack: Support::Yes,
            symbols: Ok(Symbols::of(&wanted_functions())),
            fentry: Err("nf_conntrack is a module here".to_owned()),
            layout: Ok(Layout::complete()),
            cpus: Ok(2),
        }
    }

    fn functions(plan: &Plan) -> Vec<&str> {
        {
            let mut functions: Vec<&str> = plan
                .probes
                .iter()
                .flat_map(|p| &p.attachments)
                .map(|a| a.function)
                .collect();
            functions.dedup();
            functions
        }
    }

    fn without(take_away: impl FnOnce(&mut HostFacts)) -> Plan {
        let mut facts = capable();
        take_away(&mut facts);
        Plan::new(Request::Group(Group::All), false, &facts)
    }

    #[test]
    fn a_capable_host_gets_everything() {
        let plan = without(|_| ());
        assert_eq!(
            functions(&plan),
            [
                "__nf_conntrack_alloc",
                "early_drop",
                "nf_conntrack_free",
                "__nf_conntrack_hash_insert",
                "nf_ct_destroy",
                "__nf_ct_delete_from_lists",
                "nf_ct_find_expectation",
                "nf_ct_resolve_clash",
                "nf_conntrack_hash_check_insert",
                "nf_conntrack_tuple_taken",
                "nf_conntrack_icmpv4_error",
                "nf_conntrack_icmpv6_error",
                "nf_ct_expect_related_report",
                "nf_ct_expect_related_pair",
                "nf_ct_unlink_expect_report",
                "__nf_conntrack_confirm",
                "nf_ct_seq_adjust",
                "nf_conntrack_in",
                "__nf_conntrack_find_get",
            ]
        );
        assert_eq!((plan.missing.len(), &plan.blocked), (0, &None));
        assert!(plan.globals.contains(&(globals::CPUS, 2)));
    }

    #[test]
    fn what_every_probe_needs_blocks_them_all_with_its_reason() {
        let no = || Support::No("it is so".to_owned());
        let plans = [
            without(|f| f.object = no()),
            without(|f| f.capabilities = no()),
            without(|f| f.lockdown = no()),
            without(|f| f.kprobes = no()),
            without(|f| f.conntrack = no()),
            without(|f| f.symbols = Err("it is so".to_owned())),
            without(|f| f.layout = Err("it is so".to_owned())),
            without(|f| f.cpus = Err("it is so".to_owned())),
        ];
        for plan in plans {
            assert!(plan.probes.is_empty());
            assert!(
                plan.blocked
                    .as_ref()
                    .is_some_and(|r| r.contains("it is so")),
                "{plan:?}"
            );
            assert_eq!(plan.missing.len(), PROBES.len());
        }
    }

    #[test]
    fn what_is_unknown_is_tried() {
        let plan = without(|f| f.lockdown = Support::Unknown("no securityfs".to_owned()));
        assert_eq!(plan.probes.len(), PROBES.len());
    }

    #[test]
    fn older_kernels_have_other_names() {
        let plan = without(|f| {
            let symbols = f.symbols.as_mut().unwrap();
            symbols.remove("nf_ct_destroy");
            symbols.remove("__nf_ct_delete_from_lists");
        });
        assert!(functions(&plan).contains(&"destroy_conntrack"));
        assert!(functions(&plan).contains(&"nf_ct_delete"));
        assert!(plan.missing.is_empty());
    }

    #[test]
    fn one_absent_function_costs_only_its_counters() {
        let plan = without(|f| f.symbols.as_mut().unwrap().remove("nf_ct_find_expectation"));
        assert_eq!(plan.probes.len(), PROBES.len() - 1);
        assert_eq!(plan.missing.len(), 1);
        assert_eq!(plan.missing[0].counters, [ProbeCounter::ExpectNew]);
        assert!(plan.missing[0].reason.contains("nf_ct_find_expectation"));
    }

    #[test]
    fn one_absent_field_costs_only_what_reads_it() {
        let plan = without(|f| f.layout.as_mut().unwrap().forget(globals::EXPECT_MASTER));
        let missing: Vec<&str> = plan.missing.iter().map(|m| m.function).collect();
        assert_eq!(
            missing,
            [
                "nf_ct_find_expectation",
                "nf_ct_expect_related_report",
                "nf_ct_unlink_expect_report"
            ]
        );
    }

    #[test]
    fn the_flow_group_leaves_out_what_costs_every_packet_and_says_so() {
        let plan = Plan::new(Request::Group(Group::Flow), false, &capable());
        let per_packet: Vec<&str> = plan.missing.iter().map(|m| m.function).collect();
        assert_eq!(
            per_packet,
            [
                "__nf_conntrack_confirm",
                "nf_ct_seq_adjust",
                "nf_conntrack_in",
                "__nf_conntrack_find_get"
            ]
        );
        assert!(
            plan.missing
                .iter()
                .all(|m| m.reason.contains("--probes all"))
        );
    }

    #[test]
    fn latency_brings_the_probes_that_measure_it_and_no_others() {
        let flow = |latency| Plan::new(Request::Group(Group::Flow), latency, &capable());
        let (without, with) = (flow(false), flow(true));
        let functions = |plan: &Plan| -> Vec<&str> {
            plan.probes
                .iter()
                .map(|probe| probe.attachments[0].function)
                .collect()
        };
        assert!(functions(&without).contains(&"early_drop"));
        let mut expected = functions(&without);
        expected.push("__nf_conntrack_confirm");
        assert_eq!(functions(&with), expected);
        assert_eq!(with.missing.len() + 1, without.missing.len());
        assert_eq!((without.latency, with.latency), (false, true));
    }

    #[test]
    fn a_function_that_cannot_be_measured_is_missing_with_its_reason() {
        let mut facts = capable();
        let symbols = facts.symbols.as_mut().unwrap();
        symbols.remove("__nf_conntrack_confirm");
        let plan = Plan::new(Request::Group(Group::Flow), true, &facts);
        let confirm = |m: &&MissingProbe| m.function == "__nf_conntrack_confirm";
        let missing = plan.missing.iter().find(confirm).unwrap();
        assert!(missing.reason.contains("has no function"), "{missing:?}");
    }

    #[test]
    fn extras_are_left_out_where_the_kernel_has_them_not() {
        let plan = without(|f| {
            let symbols = f.symbols.as_mut().unwrap();
            symbols.remove("nf_ct_expect_related_pair");
            symbols.remove("nf_conntrack_icmpv6_error");
        });
        assert!(plan.missing.is_empty());
        assert!(functions(&plan).contains(&"nf_conntrack_icmpv4_error"));
        assert!(!functions(&plan).contains(&"nf_conntrack_icmpv6_error"));
    }

    /// How each function of a plan is probed.
    fn how(plan: &Plan) -> Vec<(&str, How)> {
        plan.attachments().map(|a| (a.function, a.how)).collect()
    }

    #[test]
    fn fentry_is_preferred_for_each_function_that_has_it() {
        let plan = without(|f| f.fentry = Ok(vec!["nf_ct_destroy", "early_drop"]));
        for (function, how) in how(&plan) {
            let known = ["nf_ct_destroy", "early_drop"].contains(&function);
            assert_eq!(how == How::Fentry, known, "{function}");
        }
        let attached: Vec<Attachment> = plan.attachments().copied().collect();
        let report = report(Group::All, &attached, &plan.missing);
        assert_eq!(report.mode, "fentry");
        assert!(report.attached.contains(&"early_drop".into()));
        assert!(!report.by_kprobe.contains(&"early_drop".into()));
        assert!(report.by_kprobe.contains(&"nf_conntrack_in".into()));
    }

    #[test]
    fn without_fentry_all_are_kprobes_and_nothing_more_is_said() {
        let plan = without(|_| ());
        assert!(how(&plan).iter().all(|(_, how)| *how == How::Kprobe));
        let attached: Vec<Attachment> = plan.attachments().copied().collect();
        let report = report(Group::All, &attached, &plan.missing);
        assert_eq!((report.mode.raw(), report.by_kprobe.len()), ("kprobe", 0));
    }

    #[test]
    fn without_kprobes_what_fentry_has_not_is_missing() {
        let plan = without(|f| {
            f.kprobes = Support::No("no kprobes".to_owned());
            f.fentry = Ok(vec!["nf_ct_destroy"]);
        });
        assert_eq!(how(&plan), [("nf_ct_destroy", How::Fentry)]);
        assert_eq!(plan.missing.len(), PROBES.len() - 1);
        assert!(plan.missing.iter().all(|m| m.reason.contains("no kprobes")));
    }

    #[test]
    fn an_extra_that_is_there_and_cannot_be_had_costs_the_counter() {
        let plan = without(|f| {
            f.kprobes = Support::No("no kprobes".to_owned());
            f.fentry = Ok(vec!["nf_conntrack_icmpv4_error"]);
        });
        assert!(plan.probes.is_empty(), "{:?}", how(&plan));
        let icmp = |m: &&MissingProbe| m.function == "nf_conntrack_icmpv4_error";
        let missing = plan.missing.iter().find(icmp).unwrap();
        assert!(
            missing.reason.contains("nf_conntrack_icmpv6_error"),
            "{missing:?}"
        );
    }

    #[test]
    fn a_counter_belongs_to_one_program() {
        // But for those of which only one is ever attached.
        let mut seen = Vec::new();
        for spec in &PROBES {
            let extras = spec.extras.iter().filter(|extra| extra.program.at_return);
            let returns = spec.alternatives[0].iter().filter(|t| t.program.at_return);
            let functions = returns.chain(extras).count().max(1);
            assert!(functions <= spec.counters.len(), "{:?}", spec.counters);
            for counter in spec.counters {
                assert!(!seen.contains(counter), "{counter:?}");
                seen.push(*counter);
            }
        }
        assert_eq!(seen.len(), ProbeCounter::ALL.len());
    }

    #[test]
    fn off_is_off() {
        for (request, option) in [
            (Request::Off, "--probes off"),
            (Request::OtherRoot, "--proc-root"),
        ] {
            let plan = Plan::new(request, true, &capable());
            assert!(plan.probes.is_empty());
            assert!(plan.blocked.is_some_and(|r| r.contains(option)), "{option}");
        }
    }
}
