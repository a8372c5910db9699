//! The checks.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use super::{
    rules::{FILE_LINES, FORBIDDEN_MACROS, OWNERS, PER_MODULE, ROOM_LINES, ROOMS, UNSAFE},
    source::{SourceFile, is_test, of_crate, parse},
};

fn src(of: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .join(of)
        .join("src")
}

fn user() -> Vec<SourceFile> {
    of_crate(&src("conntrack-user"))
}

/// Whether a module is in a room or place, given by a path: `model::kernel::era` is in `model::kernel` and in `model`.
fn is_in(module: &[String], place: &str) -> bool {
    let place: Vec<&str> = place.split("::").collect();
    module.len() >= place.len() && module.iter().zip(&place).all(|(a, b)| a == b)
}

fn room_of(module: &[String]) -> Option<&'static (&'static str, &'static [&'static str])> {
    ROOMS.iter().find(|(room, _)| is_in(module, room))
}

/// Names across a wall that has no door.
fn breaches_of_walls(files: &[SourceFile]) -> Vec<String> {
    let mut breaches = Vec::new();
    for file in files {
        let Some((room, allowed)) = room_of(&file.module) else {
            let root = matches!(file.module.join("::").as_str(), "" | "model");
            if !root {
                breaches.push(format!("{}: in no room", file.path.display()));
            }
            continue;
        };
        for named in &file.inside {
            let own = is_in(named, room);
            let through_door = allowed.iter().any(|other| is_in(named, other));
            // Names of no module, such as the crate's macros.
            let of_a_room = room_of(named).is_some() || is_in(named, "model");
            if of_a_room && !own && !through_door {
                breaches.push(format!(
                    "{}: {room} names {}",
                    file.path.display(),
                    named.join("::")
                ));
            }
        }
    }
    breaches
}

/// Things that only some places may name.
fn breaches_of_ownership(files: &[SourceFile]) -> Vec<String> {
    let mut breaches = Vec::new();
    for file in files {
        for named in &file.outside {
            let path: Vec<String> = named.split("::").map(str::to_owned).collect();
            for (owned, owners, why) in OWNERS {
                if is_in(&path, owned) && !owners.iter().any(|owner| is_in(&file.module, owner)) {
                    breaches.push(format!("{}: names {named}: {why}", file.path.display()));
                }
            }
        }
        for called in &file.macros {
            if FORBIDDEN_MACROS.contains(&called.as_str()) {
                breaches.push(format!("{}: calls {called}!", file.path.display()));
            }
        }
        if file.unsafe_code > 0 && !UNSAFE.iter().any(|place| is_in(&file.module, place)) {
            breaches.push(format!("{}: has unsafe code", file.path.display()));
        }
        if file.string_errors > 0 {
            breaches.push(format!(
                "{}: has {} errors that are strings",
                file.path.display(),
                file.string_errors
            ));
        }
    }
    breaches
}

/// What is too large.
fn breaches_of_size(files: &[SourceFile]) -> Vec<String> {
    let mut breaches = Vec::new();
    let mut rooms: BTreeMap<&str, usize> = BTreeMap::new();
    for file in files {
        if file.lines > FILE_LINES {
            breaches.push(format!("{}: {} lines", file.path.display(), file.lines));
        }
        if let Some((room, _)) = room_of(&file.module)
            && room.starts_with("model::")
        {
            *rooms.entry(room).or_default() += file.lines;
        }
    }
    let large = rooms.into_iter().filter(|(_, lines)| *lines > ROOM_LINES);
    breaches.extend(large.map(|(room, lines)| format!("{room}: {lines} lines")));
    breaches
}

/// Files that name each other in a circle. A module and what is below it in the tree of modules are one thing.
fn circles(files: &[SourceFile]) -> Vec<Vec<String>> {
    let modules: BTreeMap<Vec<String>, &SourceFile> = files
        .iter()
        .map(|file| (file.module.clone(), file))
        .collect();
    let home = |path: &[String]| {
        (1..=path.len())
            .rev()
            .find(|n| modules.contains_key(&path[..*n]))
            .map(|n| path[..n].to_vec())
    };
    let related = |a: &[String], b: &[String]| a.starts_with(b) || b.starts_with(a);
    let mut edges: BTreeMap<Vec<String>, BTreeSet<Vec<String>>> = BTreeMap::new();
    for file in files {
        for named in &file.inside {
            if let Some(other) = home(named).filter(|other| !related(other, &file.module)) {
                edges.entry(file.module.clone()).or_default().insert(other);
            }
        }
    }
    let reach = |from: &Vec<String>| {
        let mut seen = BTreeSet::new();
        let mut open = vec![from.clone()];
        while let Some(module) = open.pop() {
            for next in edges.get(&module).into_iter().flatten() {
                if seen.insert(next.clone()) {
                    open.push(next.clone());
                }
            }
        }
        seen
    };
    let reached: BTreeMap<_, _> = edges
        .keys()
        .map(|from| (from.clone(), reach(from)))
        .collect();
    let mut found: Vec<Vec<String>> = Vec::new();
    for (module, others) in &reached {
        if !others.contains(module) {
            continue;
        }
        let circle: Vec<String> = others
            .iter()
            .filter(|other| {
                reached
                    .get(*other)
                    .is_some_and(|back| back.contains(module))
            })
            .map(|other| other.join("::"))
            .collect();
        if !found.contains(&circle) {
            found.push(circle);
        }
    }
    found
}

/// Names of types that mean more than one thing.
fn breaches_of_names(files: &[SourceFile]) -> Vec<String> {
    let mut homes: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for file in files {
        for name in &file.types {
            let home = file.path.display().to_string();
            homes.entry(name).or_default().push(home);
        }
    }
    let twice = homes
        .into_iter()
        .filter(|(name, homes)| homes.len() > 1 && !PER_MODULE.contains(name));
    let twice = twice.map(|(name, homes)| format!("{name}: in {}", homes.join(" and ")));
    let empty = files.iter().flat_map(|file| {
        let of_file = |name| format!("{}: the comment of {name} is its name", file.path.display());
        file.empty_words.iter().map(of_file)
    });
    twice.chain(empty).collect()
}

fn none(breaches: &[String]) {
    assert!(breaches.is_empty(), "\n{}\n", breaches.join("\n"));
}

#[test]
fn rooms_name_only_what_they_may() {
    none(&breaches_of_walls(&user()));
}

#[test]
fn what_has_an_owner_is_left_to_it() {
    none(&breaches_of_ownership(&user()));
}

#[test]
fn nothing_is_too_large() {
    none(&breaches_of_size(&user()));
    for other in ["conntrack-ebpf", "xtask"] {
        none(&breaches_of_size(&of_crate(&src(other))));
    }
}

#[test]
fn no_files_name_each_other_in_a_circle() {
    for of in ["conntrack-user", "conntrack-ebpf", "xtask"] {
        let circles = circles(&of_crate(&src(of)));
        assert!(circles.is_empty(), "{of}: {circles:#?}");
    }
}

#[test]
fn a_name_of_a_type_means_one_thing_and_comments_say_more_than_names() {
    for of in ["conntrack-user", "conntrack-ebpf", "xtask"] {
        none(&breaches_of_names(&of_crate(&src(of))));
    }
}

/// A door that nobody uses is a wall somebody forgot.
#[test]
fn every_door_is_used() {
    let files = user();
    let mut unused = Vec::new();
    for (room, allowed) in ROOMS {
        for door in *allowed {
            let used = files.iter().any(|file| {
                is_in(&file.module, room)
                    && file
                        .inside
                        .iter()
                        .any(|named| is_in(named, door) && !is_in(named, room))
            });
            if !used {
                unused.push(format!("{room} never names {door}"));
            }
        }
    }
    none(&unused);
}

/// What other programs can name: what `lib.rs` makes public.
fn public(lib: &str) -> Vec<String> {
    let syntax = syn::parse_file(lib).expect("lib.rs can be parsed");
    let mut names = Vec::new();
    for item in &syntax.items {
        match item {
            syn::Item::Use(item) if matches!(item.vis, syn::Visibility::Public(_)) => {
                leaves(&item.tree, &mut names);
            }
            syn::Item::Mod(item)
                if matches!(item.vis, syn::Visibility::Public(_)) && !is_test(&item.attrs) =>
            {
                names.push(item.ident.to_string());
            }
            _ => {}
        }
    }
    names
}

fn leaves(tree: &syn::UseTree, names: &mut Vec<String>) {
    match tree {
        syn::UseTree::Path(path) => leaves(&path.tree, names),
        syn::UseTree::Group(group) => group.items.iter().for_each(|tree| leaves(tree, names)),
        syn::UseTree::Name(name) => names.push(name.ident.to_string()),
        syn::UseTree::Rename(rename) => names.push(rename.rename.to_string()),
        syn::UseTree::Glob(_) => names.push("*".to_owned()),
    }
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

#[test]
fn what_is_public_is_used_by_an_example() {
    let source = src("conntrack-user");
    let examples = source.join("../examples");
    let mut users = text(&source.join("main.rs"));
    for entry in fs::read_dir(&examples).expect("there are examples") {
        users.push_str(&text(&entry.expect("an entry").path()));
    }
    let unused = |lib: &str| {
        let unused = |name: &String| !users.split(|c: char| !is_of_a_name(c)).any(|n| n == name);
        public(lib).into_iter().filter(unused).collect::<Vec<_>>()
    };
    none(&unused(&text(&source.join("lib.rs"))));
    assert_eq!(
        unused("mod a; pub mod b; pub use c::{main, d::*}; pub use e::F as G;"),
        ["b", "*", "G"]
    );
}

fn is_of_a_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// A file as it would be below `src`, with this in it.
fn planted(path: &str, text: &str) -> Vec<SourceFile> {
    vec![parse(Path::new(path), text)]
}

#[test]
fn a_breach_of_each_is_found() {
    let walls = |path, text| breaches_of_walls(&planted(path, text));
    let model = "use crate::{model::record::Record, source::proc_fs::ProcRoot};";
    assert_eq!(
        walls("model/rates/delta.rs", model),
        ["model/rates/delta.rs: model::rates names source::proc_fs::ProcRoot"]
    );
    assert_eq!(
        walls(
            "model/rates/delta.rs",
            "fn f() { super::super::monitor::tick(); }"
        ),
        ["model/rates/delta.rs: model::rates names model::monitor::tick"]
    );
    assert_eq!(
        walls(
            "output/csv.rs",
            "fn f() { assert!(crate::engine::run::is_over()); }"
        ),
        ["output/csv.rs: output names engine::run::is_over"]
    );
    assert_eq!(walls("annex/new.rs", ""), ["annex/new.rs: in no room"]);
    // What only tests name is no breach.
    assert!(
        walls(
            "model/rates/delta.rs",
            "#[cfg(test)] mod tests { use crate::source::hooks; }"
        )
        .is_empty()
    );

    let owned = |path, text| breaches_of_ownership(&planted(path, text));
    for (path, text, named) in [
        (
            "model/alert/mod.rs",
            "fn f() { let t = std::time::Instant::now(); }",
            "std::time::Instant::now",
        ),
        (
            "engine/run.rs",
            "use std::time; fn f() { time::SystemTime::now(); }",
            "std::time::SystemTime::now",
        ),
        (
            "output/csv.rs",
            "use std::fs as files; fn f() { files::read(\"x\"); }",
            "std::fs::read",
        ),
        ("engine/run.rs", "use aya::Ebpf;", "aya::Ebpf"),
        (
            "engine/settings.rs",
            "#[derive(clap::Args)] struct A; fn f(a: clap::Arg) {}",
            "clap::Arg",
        ),
        (
            "model/monitor/mod.rs",
            "async fn f() { tokio::time::sleep(d).await }",
            "tokio::time::sleep",
        ),
        (
            "source/sockets.rs",
            "fn f() { std::thread::spawn(|| {}); }",
            "std::thread::spawn",
        ),
        (
            "commands/report.rs",
            "fn f() { std::io::stderr().write(b\"x\"); }",
            "std::io::stderr",
        ),
    ] {
        let found = owned(path, text);
        let start = format!("{path}: names {named}: ");
        assert!(
            found.iter().any(|breach| breach.starts_with(&start)),
            "{start} {found:?}"
        );
    }
    assert_eq!(
        owned("commands/report.rs", "fn f() { println!(\"x\"); }"),
        ["commands/report.rs: calls println!"]
    );
    assert_eq!(
        owned("model/alert/mod.rs", "fn f() { unsafe { g() } }"),
        ["model/alert/mod.rs: has unsafe code"]
    );
    assert_eq!(
        owned(
            "config/parse.rs",
            "fn f() -> Result<Vec<u8>, String> { Ok(vec![]) }"
        ),
        ["config/parse.rs: has 1 errors that are strings"]
    );

    let long = "\n".repeat(FILE_LINES + 1);
    assert_eq!(
        breaches_of_size(&planted("text.rs", &long)),
        [format!("text.rs: {} lines", FILE_LINES + 1)]
    );
    let room: Vec<SourceFile> = (0..7)
        .flat_map(|i| planted(&format!("model/top/f{i}.rs"), &"\n".repeat(FILE_LINES)))
        .collect();
    assert_eq!(breaches_of_size(&room), ["model::top: 2800 lines"]);

    let twice = [
        parse(
            Path::new("text.rs"),
            "/// A limit.\nstruct Limit { /// Bytes.\nof: u8 }",
        ),
        parse(
            Path::new("clock.rs"),
            "enum Limit { /// Of the time.\nTime } #[cfg(test)] mod tests { struct Limit; }",
        ),
    ];
    assert_eq!(
        breaches_of_names(&twice),
        [
            "Limit: in text.rs and clock.rs",
            "text.rs: the comment of Limit is its name",
            "clock.rs: the comment of Time is its name",
        ]
    );

    let circle = [
        parse(Path::new("source/a.rs"), "use super::b::B;"),
        parse(Path::new("source/b.rs"), "use super::c::C;"),
        parse(
            Path::new("source/c.rs"),
            "fn f() { crate::source::a::g(); }",
        ),
        parse(Path::new("source/mod.rs"), "pub use self::a::A;"),
    ];
    assert_eq!(circles(&circle), [["source::a", "source::b", "source::c"]]);
    assert!(circles(&circle[..2]).is_empty());
}
