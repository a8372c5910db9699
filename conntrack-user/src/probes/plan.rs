//! What to attach, decided from host facts: pure.

use conntrack_ebpf::{ProbeCounter, globals, leaders::Prefixes, programs};

use super::facts::{HostFacts, Support};
use crate::model::{
    origin::Coverage,
    record::{Missing, Probes},
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

/// Which probes: each group includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// At most a few times in a connection's life, or rarer.
    Flow,
    /// For every packet too.
    All,
}

impl Group {
    /// Its name in the contract.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Flow => "flow",
            Self::All => "all",
        }
    }
}

/// A program, and the function it goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attachment {
    /// The program in the object file.
    pub program: &'static str,
    /// The kernel function.
    pub function: &'static str,
}

/// Something to count: of the alternatives, the first whose functions all exist is taken.
struct ProbeSpec {
    group: Group,
    counters: &'static [ProbeCounter],
    /// Globals of the kernel fields its programs read.
    fields: &'static [&'static str],
    alternatives: &'static [&'static [Attachment]],
    /// Attached besides, where the function exists: not every kernel has what they count.
    extras: &'static [Attachment],
}

const fn on(program: &'static str, function: &'static str) -> Attachment {
    Attachment { program, function }
}

/// What it takes to know a conntrack's instance.
const CONN: [&str; 2] = [globals::NF_CONN_NET, globals::NET_INUM];
/// The same, and its status.
const CONN_STATUS: [&str; 3] = [
    globals::NF_CONN_NET,
    globals::NET_INUM,
    globals::NF_CONN_STATUS,
];
/// The same for an expectation's master.
const EXPECTATION: [&str; 3] = [
    globals::EXPECT_MASTER,
    globals::NF_CONN_NET,
    globals::NET_INUM,
];
/// The same for a packet's conntrack, and its tuple.
const PACKET_CONN: [&str; 6] = [
    globals::SKB_NFCT,
    globals::NF_CONN_NET,
    globals::NET_INUM,
    globals::NF_CONN_STATUS,
    globals::NF_CONN_TUPLEHASH,
    globals::TUPLEHASH_TUPLE,
];
/// A hook's namespace, and a packet's headers.
const HOOK_PACKET: [&str; 6] = [
    globals::HOOK_STATE_NET,
    globals::NET_INUM,
    globals::SKB_NFCT,
    globals::SKB_HEAD,
    globals::SKB_NETWORK_HEADER,
    globals::NF_CONN_STATUS,
];

use ProbeCounter as P;

/// Everything that may be probed.
const PROBES: [ProbeSpec; 17] = [
    ProbeSpec {
        group: Group::Flow,
        counters: &[P::AllocCall, P::AllocCallPacket],
        fields: &[globals::NET_INUM],
        alternatives: &[&[on(programs::ALLOC, "__nf_conntrack_alloc")]],
        extras: &[],
    },
    ProbeSpec {
        group: Group::Flow,
        counters: &[P::TableFull, P::TableFullPacket, P::EarlyDrop],
        fields: &[globals::NET_INUM],
        alternatives: &[&[
            on(programs::EARLY_DROP, "early_drop"),
            on(programs::EARLY_DROP_RETURN, "early_drop"),
        ]],
        extras: &[],
    },
    ProbeSpec {
        group: Group::Flow,
        counters: &[P::Free],
        fields: &CONN,
        alternatives: &[&[on(programs::FREE, "nf_conntrack_free")]],
        extras: &[],
    },
    ProbeSpec {
        group: Group::Flow,
        counters: &[P::Inserted],
        fields: &CONN,
        alternatives: &[&[on(programs::HASH_INSERT, "__nf_conntrack_hash_insert")]],
        extras: &[],
    },
    ProbeSpec {
        group: Group::Flow,
        counters: &[P::Deleted],
        fields: &CONN_STATUS,
        alternatives: &[
            &[on(programs::DESTROY, "nf_ct_destroy")],
            // Its name up to 5.14.
            &[on(programs::DESTROY, "destroy_conntrack")],
        ],
        extras: &[],
    },
    ProbeSpec {
        group: Group::Flow,
        counters: &[P::DeleteList],
        fields: &[
            globals::NF_CONN_NET,
            globals::NET_INUM,
            globals::NF_CONN_STATUS,
            globals::NF_CONN_TIMEOUT,
            globals::NF_CONN_TUPLEHASH,
            globals::TUPLEHASH_TUPLE,
        ],
        alternatives: &[
            &[on(programs::DELETE_FROM_LISTS, "__nf_ct_delete_from_lists")],
            &[on(programs::DELETE, "nf_ct_delete")],
        ],
        extras: &[],
    },
    ProbeSpec {
        group: Group::Flow,
        counters: &[P::ExpectNew],
        fields: &EXPECTATION,
        alternatives: &[&[on(
            programs::FIND_EXPECTATION_RETURN,
            "nf_ct_find_expectation",
        )]],
        extras: &[],
    },
    ProbeSpec {
        group: Group::Flow,
        counters: &[P::ClashResolved, P::ClashFailed],
        fields: &PACKET_CONN,
        alternatives: &[&[
            on(programs::RESOLVE_CLASH, "nf_ct_resolve_clash"),
            on(programs::RESOLVE_CLASH_RETURN, "nf_ct_resolve_clash"),
        ]],
        extras: &[],
    },
    ProbeSpec {
        group: Group::Flow,
        counters: &[P::CheckInserted, P::CheckChainTooLong],
        fields: &PACKET_CONN,
        alternatives: &[&[
            on(programs::CHECK_INSERT, "nf_conntrack_hash_check_insert"),
            on(
                programs::CHECK_INSERT_RETURN,
                "nf_conntrack_hash_check_insert",
            ),
        ]],
        extras: &[],
    },
    ProbeSpec {
        group: Group::Flow,
        counters: &[P::TupleTaken],
        fields: &CONN,
        alternatives: &[&[
            on(programs::TUPLE_TAKEN, "nf_conntrack_tuple_taken"),
            on(programs::TUPLE_TAKEN_RETURN, "nf_conntrack_tuple_taken"),
        ]],
        extras: &[],
    },
    ProbeSpec {
        group: Group::Flow,
        counters: &[P::IcmpError],
        fields: &HOOK_PACKET,
        alternatives: &[&[
            on(programs::ICMP_ERROR, "nf_conntrack_icmpv4_error"),
            on(programs::ICMP_ERROR_RETURN, "nf_conntrack_icmpv4_error"),
        ]],
        // Kernels without IPv6 have none.
        extras: &[
            on(programs::ICMP_ERROR, "nf_conntrack_icmpv6_error"),
            on(programs::ICMP_ERROR_RETURN, "nf_conntrack_icmpv6_error"),
        ],
    },
    ProbeSpec {
        group: Group::Flow,
        counters: &[P::ExpectCreate],
        fields: &EXPECTATION,
        alternatives: &[&[
            on(programs::EXPECT_RELATED, "nf_ct_expect_related_report"),
            on(
                programs::EXPECT_RELATED_RETURN,
                "nf_ct_expect_related_report",
            ),
        ]],
        // In some stable kernels (6.12.117).
        extras: &[
            on(programs::EXPECT_RELATED_PAIR, "nf_ct_expect_related_pair"),
            on(
                programs::EXPECT_RELATED_PAIR_RETURN,
                "nf_ct_expect_related_pair",
            ),
        ],
    },
    ProbeSpec {
        group: Group::Flow,
        counters: &[P::ExpectDelete],
        fields: &EXPECTATION,
        alternatives: &[&[on(programs::UNLINK_EXPECT, "nf_ct_unlink_expect_report")]],
        extras: &[],
    },
    ProbeSpec {
        group: Group::All,
        counters: &[P::ConfirmFailed, P::ConfirmChainTooLong, P::ConfirmStale],
        fields: &PACKET_CONN,
        alternatives: &[&[
            on(programs::CONFIRM, "__nf_conntrack_confirm"),
            on(programs::CONFIRM_RETURN, "__nf_conntrack_confirm"),
        ]],
        extras: &[],
    },
    ProbeSpec {
        group: Group::All,
        counters: &[P::SeqAdjustFailed],
        fields: &CONN,
        alternatives: &[&[
            on(programs::SEQ_ADJUST, "nf_ct_seq_adjust"),
            on(programs::SEQ_ADJUST_RETURN, "nf_ct_seq_adjust"),
        ]],
        extras: &[],
    },
    ProbeSpec {
        group: Group::All,
        counters: &[P::Ignore, P::InDropped, P::InUntracked],
        fields: &HOOK_PACKET,
        alternatives: &[&[
            on(programs::CONNTRACK_IN, "nf_conntrack_in"),
            on(programs::CONNTRACK_IN_RETURN, "nf_conntrack_in"),
        ]],
        extras: &[],
    },
    ProbeSpec {
        group: Group::All,
        counters: &[P::Lookup, P::LookupFound],
        fields: &[
            globals::NF_CONN_NET,
            globals::NET_INUM,
            globals::NF_CONN_TUPLEHASH,
            globals::NF_CONN_TUPLEHASH_REPLY,
            globals::TUPLEHASH_TUPLE,
            globals::TUPLE_DIR,
        ],
        alternatives: &[&[
            on(programs::FIND_GET, "__nf_conntrack_find_get"),
            on(programs::FIND_GET_RETURN, "__nf_conntrack_find_get"),
        ]],
        extras: &[],
    },
];

/// Every function that may get a probe.
#[must_use]
pub fn wanted_functions() -> Vec<&'static str> {
    let mut functions: Vec<&str> = PROBES
        .iter()
        .flat_map(|spec| {
            let alternatives = spec.alternatives.iter().flat_map(|all| all.iter());
            alternatives.chain(spec.extras)
        })
        .map(|attachment| attachment.function)
        .collect();
    functions.dedup();
    functions
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
    /// Decides.
    #[must_use]
    pub fn new(request: Request, facts: &HostFacts) -> Self {
        match ready(request, facts) {
            Ok(ready) => Self::probes(group_of(request), facts, &ready),
            Err(reason) => Self::blocked(request, &reason),
        }
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
        }
    }

    fn probes(group: Group, facts: &HostFacts, ready: &Ready<'_>) -> Self {
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
        };
        plan.globals.push((globals::CPUS, ready.cpus));
        for spec in &PROBES {
            if spec.group > group {
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
    symbols: &'a super::kallsyms::Symbols,
    layout: &'a super::layout::Layout,
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
    for support in [
        &facts.object,
        &facts.capabilities,
        &facts.lockdown,
        &facts.kprobes,
        &facts.conntrack,
    ] {
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
            let unfit = alternative
                .iter()
                .find_map(|attachment| unfit(attachment, facts, ready));
            match unfit {
                Some(reason) => reasons.push(reason),
                None => {
                    let extras = self
                        .extras
                        .iter()
                        .filter(|extra| ready.symbols.count(extra.function) == 1);
                    return Ok(alternative.iter().chain(extras).copied().collect());
                }
            }
        }
        Err(reasons.join("; "))
    }

    fn missing(&self, reason: String) -> MissingProbe {
        MissingProbe {
            function: self.alternatives[0][0].function,
            counters: self.counters,
            reason,
        }
    }
}

/// Why a program cannot go on its function; `None` when it can.
fn unfit(attachment: &Attachment, facts: &HostFacts, ready: &Ready<'_>) -> Option<String> {
    let function = attachment.function;
    match ready.symbols.count(function) {
        0 => Some(format!(
            "{} has no function {function} (inlined or renamed)",
            facts.kernel
        )),
        1 => None,
        n => Some(format!("{n} functions are named {function}")),
    }
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
pub fn report(group: Group, attached: &[&'static str], missing: &[MissingProbe]) -> Probes {
    let off = attached.is_empty();
    let mut reasons: Vec<&str> = missing.iter().map(|m| m.reason.as_str()).collect();
    reasons.dedup();
    Probes {
        mode: if off { "off" } else { "kprobe" }.into(),
        group: if off { "off" } else { group.name() }.into(),
        reason: (off && !reasons.is_empty()).then(|| reasons.join("; ")),
        attached: attached
            .iter()
            .map(|&function| function.to_owned())
            .collect(),
        missing: missing
            .iter()
            .map(|m| Missing {
                function: m.function.to_owned(),
                reason: m.reason.clone(),
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{kallsyms::Symbols, layout::Layout},
        *,
    };

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
        Plan::new(Request::Group(Group::All), &facts)
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
        let plan = Plan::new(Request::Group(Group::Flow), &capable());
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

    #[test]
    fn off_is_off() {
        for (request, option) in [
            (Request::Off, "--probes off"),
            (Request::OtherRoot, "--proc-root"),
        ] {
            let plan = Plan::new(request, &capable());
            assert!(plan.probes.is_empty());
            assert!(plan.blocked.is_some_and(|r| r.contains(option)), "{option}");
        }
    }
}
