//! What people who run such monitors have reported: hosts that monitors read wrongly, and how to see what is right. [`CASES`] has
//! the tests of each, wherever they are.

use std::{
    fs,
    net::Ipv4Addr,
    os::fd::AsFd,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::Duration,
};

use anyhow::{Context, Result, anyhow};
use ctpulse_tests::drive::ctnetlink::{Ctnetlink, Flow, Tuple, status};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::{
    elsewhere::Elsewhere,
    program::{Running, json_stream, path, run},
    tree::{COUNT, MAX, Tree},
};

/// A test by its file, from the top of the repository, and its name.
type Named = (&'static str, &'static str);

const HERE: &str = "tests/tests/cli/field.rs";
const HOST: &str = "tests/tests/cli/host.rs";
const AGREEMENT: &str = "conntrack-user/src/commands/doctor/tests/agreement.rs";
const PLAN: &str = "conntrack-user/src/probes/plan/tests.rs";

/// What is reported, and the tests that hold what is right.
const CASES: &[(&str, &[Named])] = &[
    (
        "a kernel without the statistics file: counters through ctnetlink, else said to be missing",
        &[
            (HERE, "counters_without_their_file_are_named"),
            (HERE, "ctnetlink_has_the_counters_too"),
            (
                "conntrack-user/src/source/kernel.rs",
                "ctnetlink_is_used_if_only_the_statistics_are_missing",
            ),
        ],
    ),
    (
        "the /proc of a host in a container: not its network namespace, and never a green 0",
        &[(
            HERE,
            "the_proc_of_another_host_is_not_taken_for_its_counters",
        )],
    ),
    (
        "a check in a namespace where nothing tracks",
        &[(HERE, "an_empty_table_says_whether_anything_tracks")],
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
        &[(HERE, "a_table_over_its_limit_is_full_now")],
    ),
    (
        "resolved clashes counted under the name of searches",
        &[
            (HERE, "clashes_under_the_old_name_are_not_searches"),
            (
                "conntrack-user/src/model/kernel/era.rs",
                "searched_alone_is_resolved_clashes_under_the_old_name",
            ),
        ],
    ),
    (
        "files of the time of ip_conntrack",
        &[(HERE, "the_files_of_ip_conntrack_are_read")],
    ),
    (
        "far more possible CPUs than there are",
        &[(HERE, "rows_of_possible_cpus_are_not_called_online")],
    ),
    ("a limit of -1", &[(HERE, "a_limit_of_minus_one_is_none")]),
    (
        "thresholds as ratios",
        &[
            (HERE, "ratios_are_refused"),
            (
                "conntrack-user/src/cli/check.rs",
                "ratios_are_not_taken_for_percentages",
            ),
        ],
    ),
    (
        "flows that are refused while the table is half empty",
        &[
            (HERE, "rates_page_while_the_table_is_half_empty"),
            (
                "conntrack-user/src/model/alert/check/tests.rs",
                "rates_are_judged_whatever_the_table_holds",
            ),
        ],
    ),
    (
        "entries that a full table cannot evict",
        &[(HERE, "entries_are_told_apart_by_what_a_full_table_spares")],
    ),
    (
        "root that may not open another process's namespaces",
        &[
            (HERE, "a_root_that_lacks_a_capability_is_told_which"),
            (
                "conntrack-user/src/source/denied.rs",
                "the_advice_names_what_is_missing",
            ),
        ],
    ),
    (
        "expectations up to their limit",
        &[
            (HERE, "expectations_are_held_against_their_limit"),
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
fn host(name: &str) -> PathBuf {
    crate::tree::fixture("hosts").join(name)
}

fn text_of(path: &Path) -> Result<&str> {
    path.to_str().context("the path is no UTF-8")
}

/// The line of a check with this exit status.
#[track_caller]
fn check(args: &[&str], status: i32) -> Result<String> {
    let output = run(&[&["check"], args].concat())?
        .code(status)
        .get_output()
        .clone();
    Ok(String::from_utf8(output.stdout)?)
}

#[track_caller]
fn check_of(root: &Path, args: &[&str], status: i32) -> Result<String> {
    check(&[&["--proc-root", text_of(root)?], args].concat(), status)
}

fn is_root(what: &str) -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        eprintln!("skipped: {what} takes root");
    }
    root
}

/// Output and exit status of ctpulse with these arguments, after what a shell does in new namespaces.
fn behind(unshare: &[&str], setup: &str, args: &[&str]) -> Result<(String, Option<i32>)> {
    let output = Command::new("unshare")
        .args(unshare)
        .args(["sh", "-c"])
        .arg(format!("{setup} && exec \"$@\""))
        .arg("sh")
        .arg(path()?)
        .args(args)
        .output()
        .context("run unshare")?;
    let text = [output.stdout, output.stderr].concat();
    Ok((String::from_utf8(text)?, output.status.code()))
}

/// `IPS_CONFIRMED`: newer kernels want it of what is put into the table.
const CONFIRMED: u32 = 1 << 3;

/// A network namespace with entries: so many assured, so many without a reply. `None` where they cannot be made.
fn with_entries(assured: u16, unreplied: u16) -> Result<Option<Elsewhere>> {
    if !is_root("making entries") {
        return Ok(None);
    }
    let Some(elsewhere) = Elsewhere::start(b"entries")? else {
        return Ok(None);
    };
    let namespace = fs::File::open(format!("/proc/{}/ns/net", elsewhere.pid()))?;
    // A thread of its own, which stays there.
    let made = thread::spawn(move || -> Result<bool> {
        move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))?;
        let ctnetlink = Ctnetlink::open()?;
        for port in 0..assured + unreplied {
            let flow = Flow {
                status: match port < assured {
                    true => status::SEEN_REPLY | status::ASSURED | CONFIRMED,
                    false => 0,
                },
                ..Flow::of(Tuple {
                    protocol: 17,
                    from: (Ipv4Addr::new(10, 0, 0, 1), 1024 + port),
                    to: (Ipv4Addr::new(10, 0, 0, 2), 53),
                })
            };
            if let Err(error) = ctnetlink.insert(&flow)? {
                eprintln!("skipped: this kernel makes no entries: {error}");
                return Ok(false);
            }
        }
        Ok(true)
    });
    let made = made.join().map_err(|_| anyhow!("the thread panicked"))??;
    Ok(made.then_some(elsewhere))
}

#[test]
fn counters_without_their_file_are_named() -> Result<()> {
    let root = host("no-stat-file-5.15");
    let line = check_of(&root, &[], 0)?;
    assert!(line.contains("3105 of 262144 entries"), "{line}");
    assert!(
        line.contains("drop, early_drop, insert_failed cannot be read (")
            && line.contains("net/stat/nf_conntrack does not exist)"),
        "{line}"
    );
    assert!(!line.contains("drop="), "{line}");
    // What was asked for and cannot be judged is not well.
    let line = check_of(&root, &["--crit-drop", "5", "--window", "20ms"], 3)?;
    assert!(line.contains("the rate of drop is not known"), "{line}");

    let with_file = check_of(&host("early-drops-5.15"), &[], 0)?;
    let evicted = 0x000e_57d1 + 0x000e_504c;
    assert!(
        with_file.contains(&format!(" early_drop={evicted}c")),
        "{with_file}"
    );
    Ok(())
}

#[test]
fn ctnetlink_has_the_counters_too() -> Result<()> {
    let Some(elsewhere) = with_entries(3, 0)? else {
        return Ok(());
    };
    let netns = elsewhere.pid().to_string();
    let line = check(&["--netns", &netns, "--source", "ctnetlink", "-v"], 0)?;
    for part in [
        "3 of ",
        " drop=0c early_drop=0c insert_failed=0c",
        "counters of: ctnetlink",
    ] {
        assert!(line.contains(part), "{line}");
    }
    // Where procfs has no statistics they come from there by themselves.
    let setup = "mount -t proc -o subset=pid proc /proc";
    let (hidden, status) = behind(&["-m"], setup, &["check", "-v"])?;
    assert!(
        hidden.contains("counters of: ctnetlink") && status == Some(0),
        "{hidden}"
    );
    Ok(())
}

#[test]
fn the_proc_of_another_host_is_not_taken_for_its_counters() -> Result<()> {
    let Some(elsewhere) = with_entries(0, 50)? else {
        return Ok(());
    };
    let place = tempfile::tempdir()?;
    let root = text_of(place.path())?;
    let bind = format!("mount -o bind /proc {root}");
    let here = ["check", "--proc-root", root];
    let (line, status) = behind(&["-n", "-m"], &bind, &here)?;
    assert_eq!(status, Some(3), "{line}");
    assert!(
        line.contains(&format!("take --proc-root {root}/1, or --netns")),
        "{line}"
    );
    let stream = ["stream", "--duration", "50ms", "--proc-root", root];
    let (stderr, status) = behind(&["-n", "-m"], &bind, &stream)?;
    assert_eq!((stderr.lines().count(), status), (1, Some(1)), "{stderr}");

    // The directory of a process is of its namespace, whoever reads it; the limit is one for all.
    let process = format!("{root}/{}", elsewhere.pid());
    let (line, status) = behind(&["-n", "-m"], &bind, &["check", "--proc-root", &process])?;
    let max = fs::read_to_string("/proc/sys/net/netfilter/nf_conntrack_max")?;
    assert_eq!(status, Some(0), "{line}");
    assert!(
        line.contains(&format!("50 of {} entries", max.trim())),
        "{line}"
    );
    let path = format!("{process}/ns/net");
    let (line, _) = behind(&["-n", "-m"], &bind, &["check", "--netns", &path])?;
    assert!(line.contains("- 50 of "), "{line}");

    // In the namespace of its first process, as with the host's network in a container, it is what it seems to be.
    let own = fs::read_link("/proc/self/ns/net")?;
    if fs::read_link("/proc/1/ns/net").is_ok_and(|first| first == own) {
        let (line, status) = behind(&["-m"], &bind, &here)?;
        assert!(status != Some(3) && line.contains(" entries ("), "{line}");
    }
    Ok(())
}

#[test]
fn an_empty_table_says_whether_anything_tracks() -> Result<()> {
    if !is_root("a network namespace") {
        return Ok(());
    }
    let says = |line: &str| {
        line.contains("nothing tracks here: no rule")
            || line.contains("no connection is tracked here now; whether any rule asks")
    };
    let (line, status) = behind(&["-n"], ":", &["check"])?;
    assert!(status == Some(0) && says(&line), "{line}");
    let (line, status) = behind(&["-n"], ":", &["check", "--require-tracking"])?;
    assert!(status == Some(3) && says(&line), "{line}");
    Ok(())
}

#[test]
fn a_table_over_its_limit_is_full_now() -> Result<()> {
    let root = host("limit-below-entries");
    let line = check_of(&root, &[], 2)?;
    assert!(
        line.contains("300000 of 262144 entries (114.4 %)"),
        "{line}"
    );
    let stream = [
        "stream",
        "--interval",
        "50ms",
        "--duration",
        "300ms",
        "--proc-root",
    ];
    let output = run(&[&stream, &[text_of(&root)?][..]].concat())?
        .success()
        .get_output()
        .clone();
    let text = String::from_utf8(output.stdout)?;
    assert!(
        text.lines()
            .any(|line| line.contains(" 114.4% ") && line.contains(" now ")),
        "{text}"
    );
    assert!(
        !text.contains("full in 0.0s") && !text.contains(" 0.0s "),
        "{text}"
    );
    Ok(())
}

#[test]
fn clashes_under_the_old_name_are_not_searches() -> Result<()> {
    let root = host("clashes-as-searched");
    let mut program = Running::start(&json_stream(text_of(&root)?))?;
    let sample = program.wait_for_sample("sample", |_| true)?;
    for dead in ["searched", "new", "deleted", "delete_list", "ignore"] {
        assert!(sample["counters"][dead].is_null(), "{dead}: {sample}");
    }
    assert_eq!(sample["counters"]["found"], 0, "{sample}");
    program.stop()?;

    // What is counted is not dead for looking alike.
    let root = host("ignore-only-4.15");
    let mut program = Running::start(&json_stream(text_of(&root)?))?;
    let sample = program.wait_for_sample("sample", |_| true)?;
    assert_eq!(sample["counters"]["ignore"], 0, "{sample}");
    assert!(sample["counters"]["new"].is_null(), "{sample}");
    program.stop()?;
    Ok(())
}

#[test]
fn the_files_of_ip_conntrack_are_read() -> Result<()> {
    let root = host("ip_conntrack-2.6.18");
    let line = check_of(&root, &[], 2)?;
    assert!(line.contains("16156 of 16384 entries (98.6 %)"), "{line}");
    assert!(line.contains(" drop=0c"), "{line}");
    let mut program = Running::start(&json_stream(text_of(&root)?))?;
    let sample = program.wait_for_sample("sample", |_| true)?;
    // All columns live at that time.
    assert_eq!(
        (&sample["counters"]["new"], &sample["entries"]),
        (&0.into(), &16_156.into())
    );
    assert_eq!(program.stop()?.stderr, "");
    Ok(())
}

#[test]
fn rows_of_possible_cpus_are_not_called_online() -> Result<()> {
    let tree = Tree::absent()?;
    let from = host("128-possible-cpus");
    for file in [COUNT, MAX, crate::tree::STAT] {
        tree.write(file, &fs::read_to_string(from.join(file))?)?;
    }
    let root = tree.root();
    let root = text_of(&root)?;
    let args = [
        "stream",
        "--per-cpu",
        "--interval",
        "50ms",
        "--proc-root",
        root,
    ];
    let mut program = Running::start(&args)?;
    program.wait_for_text("a line", |line| line.contains(" 85.8%"))?;
    tree.count("drop", 1000)?;
    program.wait_for_text("the legend", |line| {
        line.contains("by the mean of all rows, those of CPUs that are offline too")
    })?;
    // All on one of 128 rows.
    program.wait_for_text("the skew", |line| {
        line.contains("drop") && line.contains("128.0x")
    })?;
    program.stop()?;
    Ok(())
}

#[test]
fn a_limit_of_minus_one_is_none() -> Result<()> {
    let tree = Tree::of("6.1/t0")?;
    for none in ["-1\n", "4294967295\n"] {
        tree.write(MAX, none)?;
        let line = check_of(&tree.root(), &[], 3)?;
        assert!(line.contains("242000 entries, no limit"), "{line}");
        // By count it can be judged.
        check_of(&tree.root(), &["--crit-entries", "1000000"], 0)?;
        let line = check_of(&tree.root(), &["--warn-entries", "100000"], 1)?;
        assert!(line.contains(" entries=242000;100000;;0; "), "{line}");
    }
    let root = tree.root();
    let mut program = Running::start(&json_stream(text_of(&root)?))?;
    let sample = program.wait_for_sample("sample", |_| true)?;
    assert_eq!(
        (&sample["entries"], &sample["max"]),
        (&242_000.into(), &0.into())
    );
    assert!(sample["utilization"].is_null(), "{sample}");
    let ended = program.stop()?;
    assert_eq!(ended.stderr, "");
    Ok(())
}

#[test]
fn ratios_are_refused() -> Result<()> {
    let tree = Tree::of("6.1/t0")?;
    let line = check_of(&tree.root(), &["-w", "0.8", "-c", "0.9"], 3)?;
    assert!(
        line.contains("UNKNOWN") && line.contains("looks like a ratio: write 80%"),
        "{line}"
    );
    check_of(&tree.root(), &["-w", "0.8%", "-c", "0.9%"], 2)?;
    Ok(())
}

#[test]
fn rates_page_while_the_table_is_half_empty() -> Result<()> {
    for (column, option) in [
        ("drop", "--crit-drop"),
        ("insert_failed", "--crit-insert-failed"),
    ] {
        let tree = Tree::of("6.1/t0")?;
        tree.set_entries(131_072)?;
        let root = tree.root();
        let args = [
            "check",
            "--proc-root",
            text_of(&root)?,
            "--window",
            "1500ms",
            option,
            "10/s",
        ];
        let quiet = run(&args)?.code(0).get_output().clone();
        let quiet = String::from_utf8(quiet.stdout)?;
        assert!(
            quiet.contains(&format!(" {column}_rate=0.000;;10;0")),
            "{quiet}"
        );
        let program = Running::start(&args)?;
        thread::sleep(Duration::from_millis(700));
        tree.count(column, 3000)?;
        let ended = program.wait()?;
        let line = ended.lines.concat();
        assert_eq!(ended.status.code(), Some(2), "{line}");
        assert!(
            line.contains("(50.0 %)") && line.contains("/s, above 10/s"),
            "{line}"
        );
    }
    Ok(())
}

#[test]
fn entries_are_told_apart_by_what_a_full_table_spares() -> Result<()> {
    let Some(elsewhere) = with_entries(200, 70)? else {
        return Ok(());
    };
    let netns = elsewhere.pid().to_string();
    let args = [
        "stream",
        "--probes",
        "off",
        "--top",
        "--format",
        "json",
        "--duration",
        "3s",
        "--netns",
        &netns,
    ];
    let ended = Running::start(&args)?.wait()?.successful()?;
    let tops = ended.of("top")?;
    let tables = tops
        .iter()
        .filter_map(|top| top["tables"].as_array())
        .flatten();
    let mut by_status = tables.filter(|table| table["by"] == "entries" && table["of"] == "status");
    let table = by_status
        .next()
        .with_context(|| format!("no table: {tops:?}"))?;
    assert_eq!(table["total"], 270);
    let rows = table["rows"].as_array().context("rows")?;
    let rows: Vec<_> = rows
        .iter()
        .map(|row| (&row["key"], &row["count"]))
        .collect();
    let expected = [
        (&"ASSURED".into(), &200.into()),
        (&"UNREPLIED".into(), &70.into()),
    ];
    assert_eq!(rows, expected);
    Ok(())
}

#[test]
fn a_root_that_lacks_a_capability_is_told_which() -> Result<()> {
    let setpriv = "/usr/bin/setpriv";
    if !is_root("giving up a capability") || !Path::new(setpriv).exists() {
        return Ok(());
    }
    let output = Command::new(setpriv)
        .args(["--bounding-set=-sys_ptrace", "--inh-caps=-sys_ptrace"])
        .arg(path()?)
        .args(["check", "--netns", "1"])
        .output()?;
    let line = String::from_utf8(output.stdout)?;
    assert_eq!(output.status.code(), Some(3), "{line}");
    for name in ["CAP_SYS_PTRACE", "CAP_SYS_ADMIN"] {
        assert!(line.contains(name), "{line}");
    }
    assert!(!line.contains("run as root"), "{line}");

    let (line, status) = behind(&["-U", "-r"], ":", &["check", "--netns", "1"])?;
    assert_eq!(status, Some(3), "{line}");
    assert!(line.contains("root of a user namespace"), "{line}");
    Ok(())
}

#[test]
fn expectations_are_held_against_their_limit() -> Result<()> {
    let tree = Tree::of("6.1/t0")?;
    tree.set_entries(100)?;
    let expectation = "297 l3proto = 2 proto=6 src=10.0.0.1 dst=10.0.0.2 sport=0 dport=4711 ftp\n";
    tree.write("net/nf_conntrack_expect", &expectation.repeat(3))?;
    tree.write("sys/net/netfilter/nf_conntrack_expect_max", "4\n")?;
    let line = check_of(&tree.root(), &[], 0)?;
    assert!(line.contains("; 3 of 4 expectations |"), "{line}");
    assert!(line.contains(" expectations=3;;;0;4"), "{line}");
    let line = check_of(
        &tree.root(),
        &["--warn-expect", "70", "--crit-expect", "90"],
        1,
    )?;
    assert!(line.contains("expectations above 70 %"), "{line}");
    tree.write("net/nf_conntrack_expect", &expectation.repeat(4))?;
    check_of(&tree.root(), &["--crit-expect", "90"], 2)?;
    tree.remove("net/nf_conntrack_expect")?;
    let line = check_of(&tree.root(), &["--crit-expect", "90"], 3)?;
    assert!(line.contains("expectations cannot be read"), "{line}");
    Ok(())
}
