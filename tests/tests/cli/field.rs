//! What people who run such monitors have reported: hosts that monitors read wrongly, and how to see what is right. [`CASES`] has
//! the tests of each, wherever they are.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

use crate::program::run;

/// A test by its file, from the top of the repository, and its name.
type Named = (&'static str, &'static str);

const FILES: &str = "tests/tests/cli/field_files.rs";
const NAMESPACES: &str = "tests/tests/cli/field_namespaces.rs";
const THRESHOLDS: &str = "tests/tests/cli/field_thresholds.rs";
const HOST: &str = "tests/tests/cli/host.rs";
const AGREEMENT: &str = "conntrack-user/src/commands/doctor/tests/agreement.rs";
const PLAN: &str = "conntrack-user/src/probes/plan/tests.rs";

/// What is reported, and the tests that hold what is right.
const CASES: &[(&str, &[Named])] = &[
    (
        "a kernel without the statistics file: counters through ctnetlink, else said to be missing",
        &[
            (FILES, "counters_without_their_file_are_named"),
            (NAMESPACES, "ctnetlink_has_the_counters_too"),
            (
                "conntrack-user/src/source/kernel.rs",
                "ctnetlink_is_used_if_only_the_statistics_are_missing",
            ),
        ],
    ),
    (
        "the /proc of a host in a container: not its network namespace, and never a green 0",
        &[(
            NAMESPACES,
            "the_proc_of_another_host_is_not_taken_for_its_counters",
        )],
    ),
    (
        "a check in a namespace where nothing tracks",
        &[(NAMESPACES, "an_empty_table_says_whether_anything_tracks")],
    ),
    (
        "root of a user namespace, as doctor sees it",
        &[
            (
                AGREEMENT,
                "what_cannot_be_attached_is_not_promised_and_has_one_reason",
            ),
            (HOST, "doctor_and_stream_agree_on_hosts_that_lack_something"),
        ],
    ),
    (
        "root of a user namespace, as a stream reports it: the reason first, and no advice of --probes all",
        &[
            (
                AGREEMENT,
                "what_cannot_be_attached_is_not_promised_and_has_one_reason",
            ),
            (HOST, "doctor_and_stream_agree_on_hosts_that_lack_something"),
        ],
    ),
    (
        "no type information of the module",
        &[(
            AGREEMENT,
            "without_types_of_the_module_doctor_says_what_is_left",
        )],
    ),
    (
        "functions inlined on COS",
        &[(
            PLAN,
            "functions_that_the_compiler_has_inlined_or_changed_are_named",
        )],
    ),
    (
        "functions with a hash of ThinLTO in their names",
        &[(PLAN, "names_with_thinltos_hash_are_taken")],
    ),
    (
        "functions of which GCC has made versions",
        &[(
            PLAN,
            "functions_that_the_compiler_has_inlined_or_changed_are_named",
        )],
    ),
    (
        "a hundred namespaces with the same to say",
        &[(
            "conntrack-user/src/engine/gathered.rs",
            "many_namespaces_are_one_line",
        )],
    ),
    (
        "a limit that was lowered below what the table holds",
        &[(FILES, "a_table_over_its_limit_is_full_now")],
    ),
    (
        "resolved clashes counted under the name of searches",
        &[
            (FILES, "clashes_under_the_old_name_are_not_searches"),
            (
                "conntrack-user/src/model/kernel/era.rs",
                "searched_alone_is_resolved_clashes_under_the_old_name",
            ),
        ],
    ),
    (
        "files of the time of ip_conntrack",
        &[(FILES, "the_files_of_ip_conntrack_are_read")],
    ),
    (
        "far more possible CPUs than there are",
        &[(FILES, "rows_of_possible_cpus_are_not_called_online")],
    ),
    ("a limit of -1", &[(FILES, "a_limit_of_minus_one_is_none")]),
    (
        "thresholds as ratios",
        &[
            (THRESHOLDS, "ratios_are_refused"),
            (
                "conntrack-user/src/cli/check.rs",
                "ratios_are_not_taken_for_percentages",
            ),
        ],
    ),
    (
        "flows that are refused while the table is half empty",
        &[
            (THRESHOLDS, "rates_page_while_the_table_is_half_empty"),
            (
                "conntrack-user/src/model/alert/check/tests.rs",
                "rates_are_judged_whatever_the_table_holds",
            ),
        ],
    ),
    (
        "entries that a full table cannot evict",
        &[(
            NAMESPACES,
            "entries_are_told_apart_by_what_a_full_table_spares",
        )],
    ),
    (
        "root that may not open another process's namespaces",
        &[
            (NAMESPACES, "a_root_that_lacks_a_capability_is_told_which"),
            (
                "conntrack-user/src/source/denied.rs",
                "the_advice_names_what_is_missing",
            ),
        ],
    ),
    (
        "expectations up to their limit",
        &[
            (THRESHOLDS, "expectations_are_held_against_their_limit"),
            (
                "conntrack-user/src/model/alert/check/tests.rs",
                "expectations_are_judged_by_a_limit_of_their_own",
            ),
        ],
    ),
];

#[test]
fn each_case_has_its_tests() -> Result<()> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for (case, tests) in CASES {
        assert!(!tests.is_empty(), "{case}");
        for (file, test) in *tests {
            let text = fs::read_to_string(top.join(file)).with_context(|| (*file).to_owned())?;
            let head = format!("fn {test}() ");
            let at = text.find(&head);
            let at = at.with_context(|| format!("{case}: no {test} in {file}"))?;
            let before = text[..at].trim_end();
            assert!(before.ends_with("#[test]"), "{case}: {test} is no test");
        }
    }
    Ok(())
}

/// A host's files.
pub(crate) fn host(name: &str) -> PathBuf {
    crate::tree::fixture("hosts").join(name)
}

pub(crate) fn text_of(path: &Path) -> Result<&str> {
    path.to_str().context("the path is no UTF-8")
}

/// The line of a check with this exit status.
#[track_caller]
pub(crate) fn check(args: &[&str], status: i32) -> Result<String> {
    let output = run(&[&["check"], args].concat())?
        .code(status)
        .get_output()
        .clone();
    Ok(String::from_utf8(output.stdout)?)
}

#[track_caller]
pub(crate) fn check_of(root: &Path, args: &[&str], status: i32) -> Result<String> {
    check(&[&["--proc-root", text_of(root)?], args].concat(), status)
}
