//! Guest scenarios: each makes the kernel do one thing and requires that ctpulse reports it.
//!
//! They run one after another, as root, in one guest: they load rules, flush the table and unload modules. Before each one,
//! [`crate::kernel::reset`] prepares an empty table that tracks connections, has room and keeps its entries, so a scenario need
//! not clean up.
//!
//! A scenario waits for states and never for a fixed time: [`crate::ctpulse`] shows how. It must pass on an emulated guest on a
//! busy machine, where anything can be delayed by some tenths of a second. So experiments that need exact timing are measured,
//! and repeated until they went as planned (`pulses`).

mod advise;
mod alerts;
mod bursts;
mod chain;
mod clash;
mod contents;
mod cpus;
mod ctnetlink;
mod expect;
mod faults;
mod fentry;
mod flows;
mod full;
mod host;
mod latency;
mod laws;
mod lifetimes;
mod loads;
mod many;
mod module;
mod nat;
mod netns;
mod plugin;
mod pods;
mod privileges;
mod proof;
mod pulses;
mod recording;
mod refused;
mod restart;
mod runbook;
mod scraped;
mod selector;
mod soak;
mod storm;
mod top;

use anyhow::Result;

/// A scenario and its name.
pub type Scenario = (&'static str, fn() -> Result<()>);

/// Not for kernels with nf_conntrack built in: it cannot be unloaded there.
pub const OF_MODULES: &[&str] = &[
    "nf_conntrack_may_come_late_and_go",
    "fentry_keeps_nf_conntrack_loaded",
    "probes_that_are_gone_end_a_run_without_privileges",
];

/// Not for kernels that do not limit hash chains: these scenarios fill chains until a flow is refused.
pub const OF_LIMITED_CHAINS: &[&str] = &[
    "alert_on_failed_inserts",
    "chains_grow_too_long_for_packets",
    "chains_grow_too_long_for_ctnetlink",
];

/// With exact timing: a sender that is delayed by some milliseconds changes the experiment. They run in a guest whose clock
/// counts instructions, so that other work on the machine does not delay it.
pub const EXACT: &[&str] = &[
    "alert_on_the_time_to_full",
    "a_shorter_udp_timeout_holds_what_was_predicted",
    "a_shorter_time_wait_holds_what_was_predicted",
    "a_syn_flood_holds_what_was_predicted",
    "nat_to_few_ports_holds_what_was_predicted",
    "churn_among_long_lived_holds_what_was_predicted",
    "the_advised_rules_free_what_was_said",
    "the_advised_maximum_holds_the_load",
    "the_advised_maximum_has_room_for_long_lived",
    "a_burst_is_placed_and_counted",
    "a_burst_is_seen_by_a_monitor_that_was_stopped",
    "a_square_pulse_is_a_burst",
    "a_ramp_is_a_burst",
    "two_pulses_30_ms_apart_are_two_bursts",
    "a_pulse_in_background_noise_is_a_burst",
    "a_steady_load_is_no_burst",
];

/// Only on request: they take minutes, or more memory than guests have by default.
pub const ON_REQUEST: &[&str] = &[
    "a_shorter_udp_timeout_holds_what_was_predicted",
    "a_shorter_time_wait_holds_what_was_predicted",
    "a_syn_flood_holds_what_was_predicted",
    "twins_hold_what_was_predicted",
    "nat_to_few_ports_holds_what_was_predicted",
    "churn_among_long_lived_holds_what_was_predicted",
    "the_advised_rules_free_what_was_said",
    "the_advised_maximum_holds_the_load",
    "the_advised_maximum_has_room_for_long_lived",
    "incident_leak",
    "incident_full",
    "incident_syn_flood",
    "incident_time_wait",
    "incident_bursts",
    "incident_twins",
    "incident_nat_ports",
    "incident_chains",
    "a_sample_of_a_million_is_within_its_error",
    "five_hundred_and_twelve_namespaces_at_once",
    "a_hundred_namespaces_a_second_for_a_minute",
    "a_soak_of_half_an_hour",
];

/// Those that take a program of a server's package, and its name in `/bin`.
pub const WITH_PROGRAMS: &[(&str, &str)] = &[
    ("node_exporter_says_the_same", "prometheus-node-exporter"),
    ("prometheus_reads_the_table_and_alerts", "prometheus"),
];

/// Together these drive every counter, all that is measured besides, and every way to attach: enough to show that ctpulse works on a
/// kernel or a processor that is tested on request.
pub const CHOSEN: &[&str] = &[
    "flows_made_and_flushed_are_counted_exactly",
    "fentry_is_used_where_it_can_be",
    "kprobes_and_fentry_go_together",
    "a_full_table_drops_packets",
    "a_full_table_refuses_ctnetlink",
    "a_full_table_evicts_unassured_flows",
    "a_full_table_evicts_ipv6_flows",
    "evicted_flows_have_their_real_destination",
    "invalid_packets",
    "icmp_errors",
    "untracked_packets_are_ignored",
    "tracked_packets_are_ignored",
    "ctnetlink_inserts_are_no_new_flows",
    "ctnetlink_duplicates_are_no_inserts",
    "the_conntrack_tool_inserts",
    "an_expected_flow_is_not_new",
    "expectations_are_deleted",
    "refused_expectations_are_events",
    "a_call_behind_nat_expects_two_flows",
    "nat_finds_ports_taken",
    "nat_runs_out_of_ports",
    "nat_runs_out_of_tcp_ports",
    "racing_packets_share_a_flow",
    "racing_packets_behind_nat_keep_their_ports",
    "racing_packets_lose_a_tcp_flow",
    "chains_grow_too_long_for_packets",
    "chains_grow_too_long_for_ctnetlink",
    "lookups_are_restarted",
    "a_wrong_selector_is_a_mismatch",
    "unseen_removals_break_the_law_of_the_list",
    "lost_probes_break_laws",
    "flows_obey_the_laws",
    "a_storm_of_everything",
    "a_burst_is_placed_and_counted",
    "a_square_pulse_is_a_burst",
    "two_namespaces_are_counted_apart",
    "lifetimes_are_those_of_the_flows",
    "latency_of_new_flows",
    "top_talkers_are_the_true_ones",
    "reading_takes_no_privileges",
    "nf_conntrack_may_come_late_and_go",
    "fentry_keeps_nf_conntrack_loaded",
];

/// All scenarios, in the order in which they run.
pub const ALL: &[Scenario] = &[
    (
        "flows_made_and_flushed_are_counted_exactly",
        flows::made_and_flushed,
    ),
    ("an_inlined_function_has_a_substitute", flows::substitute),
    (
        "insertions_are_seen_without_their_function",
        flows::insertions,
    ),
    ("fentry_is_used_where_it_can_be", fentry::best_way),
    ("kprobes_and_fentry_go_together", fentry::mixed),
    ("doctor_and_stream_agree_about_the_host", host::agree),
    ("a_full_table_raises_the_alert", flows::alert),
    ("alert_on_a_full_table", alerts::full),
    ("alert_on_refused_flows", alerts::table_full),
    ("alert_on_failed_inserts", alerts::insert_failed),
    ("alert_on_evictions", alerts::early_drop),
    ("alert_on_the_time_to_full", alerts::time_to_full),
    ("alert_on_a_mismatch", alerts::probe_mismatch),
    ("a_full_table_drops_packets", full::refuses),
    ("a_full_table_refuses_ctnetlink", full::refuses_ctnetlink),
    ("a_full_table_evicts_unassured_flows", full::evicts),
    ("a_full_table_evicts_ipv6_flows", full::evicts_ipv6),
    (
        "evicted_flows_have_their_real_destination",
        full::evicts_translated,
    ),
    ("invalid_packets", refused::invalid),
    ("icmp_errors", refused::icmp_error),
    ("a_reopened_connection_is_not_invalid", refused::reopened),
    ("untracked_packets_are_ignored", refused::untracked),
    ("tracked_packets_are_ignored", refused::already_tracked),
    ("ctnetlink_inserts_are_no_new_flows", ctnetlink::fresh),
    ("ctnetlink_duplicates_are_no_inserts", ctnetlink::duplicate),
    ("the_conntrack_tool_inserts", ctnetlink::by_tool),
    ("an_expected_flow_is_not_new", expect::ftp),
    ("expectations_over_ctnetlink", expect::ctnetlink),
    ("refused_expectations_are_events", expect::refused),
    ("expectations_are_deleted", expect::deleted),
    ("expectations_go_with_their_master", expect::orphaned),
    ("expectations_expire", expect::expired),
    ("a_call_expects_two_flows", expect::sip),
    (
        "a_call_behind_nat_expects_two_flows",
        expect::sip_behind_nat,
    ),
    ("nat_finds_ports_taken", nat::found),
    ("nat_runs_out_of_ports", nat::exhausted),
    ("nat_runs_out_of_ipv6_ports", nat::exhausted_ipv6),
    ("nat_runs_out_of_tcp_ports", nat::exhausted_tcp),
    (
        "nat_runs_out_of_ports_of_closed_connections",
        nat::exhausted_by_closed,
    ),
    ("nat_finds_another_port_for_a_service", nat::other_port),
    ("nat_runs_out_of_ports_of_a_gateway", nat::gateway),
    ("ports_of_nat_are_listed", nat::listed),
    ("alert_on_nat_without_ports", alerts::nat_exhausted),
    ("racing_packets_share_a_flow", clash::joined),
    (
        "racing_packets_behind_nat_keep_their_ports",
        clash::kept_for_replies,
    ),
    ("racing_packets_lose_a_tcp_flow", clash::lost),
    ("chains_grow_too_long_for_packets", chain::of_packets),
    ("chains_grow_too_long_for_ctnetlink", chain::of_ctnetlink),
    ("lookups_are_restarted", restart::counted_by_the_kernel),
    ("a_cpu_goes_and_comes_back", cpus::offline_and_online),
    ("cpus_are_counted_apart", cpus::counted_apart),
    ("a_wrong_selector_is_a_mismatch", selector::wrong),
    (
        "unseen_removals_break_the_law_of_the_list",
        laws::unseen_removals,
    ),
    ("a_broken_law_has_an_alternative_tried", laws::alternative),
    ("lost_probes_break_laws", laws::lost_probes),
    ("flows_obey_the_laws", laws::obeyed),
    ("a_storm_of_everything", storm::all_at_once),
    ("a_soak_of_three_minutes", soak::three_minutes),
    ("a_soak_of_half_an_hour", soak::half_an_hour),
    ("a_burst_is_placed_and_counted", bursts::placed),
    (
        "a_burst_is_seen_by_a_monitor_that_was_stopped",
        bursts::while_stopped,
    ),
    ("a_square_pulse_is_a_burst", pulses::square),
    ("a_ramp_is_a_burst", pulses::ramp),
    ("two_pulses_30_ms_apart_are_two_bursts", pulses::two),
    ("a_pulse_in_background_noise_is_a_burst", pulses::in_noise),
    ("a_steady_load_is_no_burst", pulses::steady),
    ("a_killed_monitor_leaves_nothing_attached", faults::killed),
    (
        "a_monitor_without_memory_leaves_nothing_attached",
        faults::out_of_memory,
    ),
    ("what_a_full_ring_loses_is_counted", faults::ring_full),
    ("the_clock_is_set", faults::clock_set),
    ("the_machine_is_suspended", faults::suspended),
    ("a_replay_shows_what_was_recorded", recording::exact),
    ("a_killed_recorder_leaves_a_recording", recording::killed),
    ("a_full_disk_leaves_a_recording", recording::full_disk),
    ("another_namespace_is_not_counted", netns::not_ours),
    ("two_namespaces_are_counted_apart", netns::both_at_once),
    (
        "a_namespace_appears_and_vanishes",
        netns::appears_and_vanishes,
    ),
    (
        "busy_namespaces_of_many_have_buckets",
        many::more_than_rings,
    ),
    ("namespaces_come_and_go", many::come_and_go),
    (
        "a_shorter_udp_timeout_holds_what_was_predicted",
        advise::udp_timeout,
    ),
    (
        "a_shorter_time_wait_holds_what_was_predicted",
        advise::time_wait,
    ),
    ("a_syn_flood_holds_what_was_predicted", advise::syn_flood),
    ("twins_hold_what_was_predicted", advise::twins),
    (
        "nat_to_few_ports_holds_what_was_predicted",
        advise::few_ports,
    ),
    (
        "churn_among_long_lived_holds_what_was_predicted",
        advise::churn_among_long_lived,
    ),
    ("the_advised_rules_free_what_was_said", advise::notrack),
    ("the_advised_maximum_holds_the_load", advise::maximum_of_udp),
    (
        "the_advised_maximum_has_room_for_long_lived",
        advise::maximum_among_long_lived,
    ),
    (
        "five_hundred_and_twelve_namespaces_at_once",
        many::five_hundred_and_twelve,
    ),
    (
        "a_hundred_namespaces_a_second_for_a_minute",
        many::a_hundred_a_second,
    ),
    ("lifetimes_are_those_of_the_flows", lifetimes::of_the_flows),
    ("lifetimes_of_each_namespace", lifetimes::of_each_namespace),
    ("latency_of_new_flows", latency::of_new_flows),
    ("latency_of_evictions", latency::of_evictions),
    ("latency_of_refusals", latency::of_refusals),
    ("latency_that_cannot_be_measured", latency::unavailable),
    ("top_talkers_are_the_true_ones", top::zipf),
    (
        "top_talkers_at_the_end_of_a_short_run",
        top::held_at_the_end,
    ),
    ("top_talkers_among_the_refused", top::dropped),
    ("top_talkers_among_the_evicted", top::evicted_ipv6),
    ("top_talkers_of_each_namespace", top::namespaces),
    ("contents_are_those_that_conntrack_lists", contents::whole),
    (
        "a_sample_of_a_million_is_within_its_error",
        contents::sample,
    ),
    (
        "limits_of_the_table_are_those_that_were_made",
        contents::limits,
    ),
    ("incident_leak", runbook::leak),
    ("incident_full", runbook::full),
    ("incident_syn_flood", runbook::syn_flood),
    ("incident_time_wait", runbook::time_wait),
    ("incident_bursts", runbook::bursts),
    ("incident_twins", runbook::twins),
    ("incident_nat_ports", runbook::nat_ports),
    ("incident_chains", runbook::chains),
    ("a_pod_is_named_where_its_flows_are", pods::named),
    ("the_listening_process_is_named", top::process_named),
    ("netdata_gets_all_dimensions", plugin::has_all_dimensions),
    ("node_exporter_says_the_same", scraped::beside_node_exporter),
    (
        "prometheus_reads_the_table_and_alerts",
        scraped::by_prometheus,
    ),
    ("nf_conntrack_may_come_late_and_go", module::comes_and_goes),
    ("fentry_keeps_nf_conntrack_loaded", module::kept_by_fentry),
    ("reading_takes_no_privileges", privileges::plain),
    (
        "other_namespaces_and_names_take_some_privileges",
        privileges::namespaces_and_top,
    ),
    (
        "a_user_of_its_own_attaches_by_what_it_was_given",
        privileges::own_user,
    ),
    (
        "probes_that_are_gone_end_a_run_without_privileges",
        privileges::probes_gone,
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_list_names_scenarios() {
        let with_programs: Vec<&str> = WITH_PROGRAMS.iter().map(|(name, _)| *name).collect();
        let lists = [
            OF_MODULES,
            OF_LIMITED_CHAINS,
            EXACT,
            CHOSEN,
            ON_REQUEST,
            &with_programs,
        ];
        for name in lists.concat() {
            assert!(
                ALL.iter().any(|(scenario, _)| *scenario == name),
                "there is no scenario {name}"
            );
        }
    }
}
