//! The inventory of unsafe code: who adds to it changes this list, and who reads it knows where to look.

use std::path::Path;

use super::source::{SourceFile, of_crate, parse};

/// Every file of a crate that has unsafe code, and how much: blocks, functions, implementations and attributes.
const INVENTORY: &[(&str, &[(&str, usize)])] = &[
    (
        "conntrack-user",
        &[
            ("commands/live.rs", 1),
            ("commands/screen.rs", 4),
            ("engine/signals.rs", 2),
            ("privileges/install.rs", 1),
            ("probes/bpf.rs", 7),
            ("probes/events.rs", 1),
            ("probes/perf_event.rs", 2),
            ("source/maps/counters.rs", 3),
            ("source/maps/durations.rs", 4),
            ("source/maps/heavy_hitters.rs", 1),
            ("source/maps/view.rs", 4),
        ],
    ),
    (
        "conntrack-ebpf",
        &[
            ("atomic.rs", 6),
            ("call.rs", 2),
            ("count.rs", 5),
            ("entry_context.rs", 2),
            ("event.rs", 4),
            ("fields.rs", 5),
            ("globals.rs", 4),
            ("histogram.rs", 5),
            ("instance.rs", 2),
            ("kernel.rs", 1),
            ("latency.rs", 2),
            ("lifetime.rs", 5),
            ("main.rs", 2),
            ("probes/confirm.rs", 1),
            ("probes/eviction.rs", 2),
            ("probes/icmp.rs", 1),
            ("probes/nat.rs", 1),
            ("registers.rs", 4),
            ("slot.rs", 1),
            ("top.rs", 5),
            ("totals.rs", 1),
        ],
    ),
    ("tests", &[]),
    ("tests/fuzz", &[("lib.rs", 9)]),
    ("xtask", &[("vm/qemu.rs", 1)]),
];

/// Where a crate and its list differ.
fn differences(listed: &[(&str, usize)], files: &[SourceFile]) -> Vec<String> {
    let found = |path: &Path| listed.iter().find(|(name, _)| Path::new(name) == path);
    let mut differences = Vec::new();
    for file in files {
        let listed = found(&file.path).map_or(0, |(_, pieces)| *pieces);
        if file.unsafe_code != listed {
            let (path, pieces) = (file.path.display(), file.unsafe_code);
            differences.push(format!("(\"{path}\", {pieces}), and not {listed}"));
        }
    }
    let is_there = |name: &str| files.iter().any(|file| file.path == Path::new(name));
    let gone = listed.iter().filter(|(name, _)| !is_there(name));
    differences.extend(gone.map(|(name, _)| format!("{name} is not there")));
    differences
}

#[test]
fn unsafe_code_is_what_the_inventory_has() {
    let mut all = Vec::new();
    for (name, listed) in INVENTORY {
        let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let files = of_crate(&crates.join(name).join("src"));
        let differences = differences(listed, &files);
        all.extend(differences.iter().map(|found| format!("{name}: {found}")));
    }
    assert!(all.is_empty(), "\n{}\n", all.join("\n"));
}

#[test]
fn unsafe_code_that_is_not_listed_is_found() {
    let file = |text| vec![parse(Path::new("a.rs"), text)];
    for (text, pieces) in [
        ("fn f() { unsafe { g() }; unsafe { h() } }", 2),
        ("unsafe fn f() {}", 1),
        ("struct S; unsafe impl Send for S {}", 1),
        ("struct S; impl S { unsafe fn f() { unsafe { g() } } }", 2),
        ("unsafe extern \"C\" { fn f(); }", 1),
        ("#[unsafe(no_mangle)] fn f() {}", 1),
        ("macro_rules! m { () => { unsafe { f() } } }", 1),
        ("fn f() { m!(unsafe { g() }) }", 1),
        ("#[cfg(test)] mod tests { fn f() { unsafe { g() } } }", 0),
        ("// unsafe\nfn f() { g(\"unsafe\") }", 0),
    ] {
        let files = file(text);
        assert_eq!(files[0].unsafe_code, pieces, "{text}");
        assert_eq!(differences(&[("a.rs", pieces)], &files), [""; 0], "{text}");
        assert_eq!(
            differences(&[("a.rs", pieces + 1)], &files).len(),
            1,
            "{text}"
        );
    }
    let files = file("fn f() {}");
    assert_eq!(differences(&[("b.rs", 1)], &files), ["b.rs is not there"]);
}
