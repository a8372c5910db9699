//! The eBPF programs, held against the table of probes: what a program counts is what its row has, and each counter has one program.
//!
//! A program counts what its body names, and what the functions name that it calls. Calls are followed by name; methods are not, so
//! a counter that a method names is a breach.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use conntrack_ebpf::table::{PROBES, ProbeRow, ProbedFunction};
use syn::{
    Macro, UseTree,
    visit::{self, Visit},
};

/// The enum of the counters.
const COUNTERS: &str = "ProbeCounter";

/// A function by the name of its file and its own.
type Name = (String, String);

/// What the source of the programs has.
#[derive(Debug, Default)]
struct Source {
    /// The paths that each function names, as they are written.
    functions: BTreeMap<Name, Vec<Vec<String>>>,
    /// The body of each program.
    programs: BTreeMap<String, Name>,
    /// By file: what names mean that are brought in.
    brought_in: BTreeMap<String, BTreeMap<String, Vec<String>>>,
    breaches: Vec<String>,
}

impl Source {
    fn of_programs() -> Self {
        let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("../conntrack-ebpf/src");
        let mut source = Self::default();
        for directory in [src.clone(), src.join("probes")] {
            let entries =
                fs::read_dir(&directory).unwrap_or_else(|e| panic!("{}: {e}", directory.display()));
            for entry in entries {
                let path = entry.expect("an entry").path();
                // What is deeper would be another room of the programs, and missed here.
                let known = ["contract", "probes"].map(|name| src.join(name));
                assert!(
                    !path.is_dir() || known.contains(&path),
                    "{}: not looked into",
                    path.display()
                );
                let stem = path.file_stem().unwrap_or_default().to_string_lossy();
                if path.extension().is_some_and(|extension| extension == "rs") {
                    let text = fs::read_to_string(&path).expect("a source can be read");
                    source.add(&stem, &text);
                }
            }
        }
        source
    }

    fn add(&mut self, file: &str, text: &str) {
        let syntax = syn::parse_file(text).unwrap_or_else(|e| panic!("{file}: {e}"));
        let mut visitor = Visitor {
            source: self,
            file,
            function: None,
        };
        visitor.visit_file(&syntax);
    }

    /// A path with what its first part was brought in as.
    fn meaning(&self, file: &str, path: &[String]) -> Vec<String> {
        let brought_in = self
            .brought_in
            .get(file)
            .and_then(|names| names.get(&path[0]));
        match brought_in {
            Some(meaning) => [meaning, &path[1..]].concat(),
            None => path.to_vec(),
        }
    }

    /// The counter that a path names.
    fn counter(&self, file: &str, path: &[String]) -> Option<String> {
        let meaning = self.meaning(file, path);
        let place = meaning.iter().position(|part| part == COUNTERS)?;
        meaning.get(place + 1).cloned()
    }

    /// The function of the programs' source that a path names.
    fn called(&self, file: &str, path: &[String]) -> Option<Name> {
        let meaning = self.meaning(file, path);
        let (name, before) = meaning.split_last()?;
        let of = before.last().map_or(file, String::as_str);
        let of = if of == "self" { file } else { of };
        let called = (of.to_owned(), name.clone());
        self.functions.contains_key(&called).then_some(called)
    }

    /// The counters that a function names.
    fn named_in(&self, function: &Name) -> BTreeSet<String> {
        let paths = self.functions[function].iter();
        paths
            .filter_map(|path| self.counter(&function.0, path))
            .collect()
    }

    /// A function, and what it calls.
    fn reached_from(&self, function: &Name) -> BTreeSet<Name> {
        let mut reached = BTreeSet::new();
        let mut open = vec![function.clone()];
        while let Some(function) = open.pop() {
            if !self.functions.contains_key(&function) || !reached.insert(function.clone()) {
                continue;
            }
            let paths = self.functions[&function].iter();
            open.extend(paths.filter_map(|path| self.called(&function.0, path)));
        }
        reached
    }

    /// What each program counts, by the name of its kprobe.
    fn counts(&self) -> BTreeMap<&str, BTreeSet<String>> {
        let counts = self.programs.iter().map(|(program, body)| {
            let reached = self.reached_from(body);
            let counters = reached.iter().flat_map(|name| self.named_in(name));
            (program.as_str(), counters.collect())
        });
        counts.collect()
    }

    /// Where the programs are not what the rows say.
    fn breaches(&self, rows: &[ProbeRow]) -> Vec<String> {
        let counts = self.counts();
        let mut breaches = self.breaches.clone();
        for (program, counters) in &counts {
            for counter in counters {
                let allowed = rows
                    .iter()
                    .any(|row| has(row, counter) && runs(row, program));
                if !allowed {
                    breaches.push(format!(
                        "{program} counts {counter}: its row has no such counter"
                    ));
                }
            }
        }
        let counted: BTreeSet<String> = counts.values().flatten().cloned().collect();
        for counter in &counted {
            let by = counts
                .iter()
                .filter(|(_, counters)| counters.contains(counter));
            let by: Vec<&str> = by.map(|(program, _)| *program).collect();
            for (i, a) in by.iter().enumerate() {
                for b in &by[i + 1..] {
                    if !rows.iter().any(|row| are_alternatives(row, a, b)) {
                        breaches.push(format!("{a} and {b} both count {counter}"));
                    }
                }
            }
        }
        let reached: BTreeSet<Name> = self
            .programs
            .values()
            .flat_map(|body| self.reached_from(body))
            .collect();
        for function in self.functions.keys().filter(|name| !reached.contains(name)) {
            for counter in self.named_in(function) {
                let (file, name) = function;
                breaches.push(format!(
                    "{file}::{name} names {counter}, and no program calls it"
                ));
            }
        }
        for counter in rows.iter().flat_map(names) {
            let counts = |function: &ProbedFunction| {
                let mut programs = function.programs.iter();
                programs.any(|program| {
                    counts
                        .get(program.kprobe)
                        .is_some_and(|c| c.contains(&counter))
                })
            };
            let mut having = rows.iter().filter(|row| has(row, &counter));
            let counted = |row: &ProbeRow| {
                let mut besides = row.alternatives.iter().flat_map(|f| f.besides);
                row.alternatives.iter().all(counts)
                    || row.extras.iter().any(counts)
                    || besides.any(counts)
            };
            if !having.any(counted) {
                breaches.push(format!(
                    "{counter} is not counted wherever its row is attached"
                ));
            }
        }
        breaches.sort();
        breaches.dedup();
        breaches
    }
}

fn names(row: &ProbeRow) -> impl Iterator<Item = String> {
    row.counters.iter().map(|counter| format!("{counter:?}"))
}

fn has(row: &ProbeRow, counter: &str) -> bool {
    names(row).any(|name| name == counter)
}

fn runs(row: &ProbeRow, program: &str) -> bool {
    row.programs().any(|pair| pair.kprobe == program)
}

/// Whether two programs are of functions of which only one is ever probed.
fn are_alternatives(row: &ProbeRow, a: &str, b: &str) -> bool {
    let of = |function: &ProbedFunction, program: &str| {
        let mut programs = function.programs.iter();
        programs.any(|pair| pair.kprobe == program)
    };
    let together = |function: &ProbedFunction| of(function, a) && of(function, b);
    let every = |program: &str| row.alternatives.iter().any(|f| of(f, program));
    every(a) && every(b) && !row.alternatives.iter().any(together)
}

struct Visitor<'a> {
    source: &'a mut Source,
    file: &'a str,
    /// The function that is being read.
    function: Option<Name>,
}

impl Visitor<'_> {
    fn named(&mut self, path: Vec<String>) {
        if let Some(function) = &self.function {
            let paths = self.source.functions.entry(function.clone());
            paths.or_default().push(path);
        } else if path.iter().any(|part| part == COUNTERS) {
            let path = path.join("::");
            let breach = format!("{}: names {path} outside of functions", self.file);
            self.source.breaches.push(breach);
        }
    }

    fn used(&mut self, tree: &UseTree, before: &[String]) {
        let (known_as, last) = match tree {
            UseTree::Path(path) => {
                return self.used(&path.tree, &[before, &[path.ident.to_string()]].concat());
            }
            UseTree::Group(group) => {
                group.items.iter().for_each(|tree| self.used(tree, before));
                return;
            }
            UseTree::Name(name) => (name.ident.to_string(), name.ident.to_string()),
            UseTree::Rename(rename) => (rename.rename.to_string(), rename.ident.to_string()),
            UseTree::Glob(_) => (String::new(), "*".to_owned()),
        };
        let whole = match last.as_str() {
            "self" => before.to_vec(),
            _ => [before, std::slice::from_ref(&last)].concat(),
        };
        if before.iter().any(|part| part == COUNTERS) || last == "*" {
            let breach = format!("{}: brings in {}", self.file, whole.join("::"));
            self.source.breaches.push(breach);
        }
        let known_as = match known_as.as_str() {
            "self" => whole.last().cloned().unwrap_or_default(),
            _ => known_as,
        };
        let names = self.source.brought_in.entry(self.file.to_owned());
        names.or_default().insert(known_as, whole);
    }

    fn inside(&mut self, name: &syn::Ident, visit: impl FnOnce(&mut Self)) {
        let name = (self.file.to_owned(), name.to_string());
        self.source.functions.entry(name.clone()).or_default();
        let outer = self.function.replace(name);
        visit(self);
        self.function = outer;
    }
}

impl<'ast> Visit<'ast> for Visitor<'_> {
    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.used(&item.tree, &[]);
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.inside(&item.sig.ident, |visitor| {
            visit::visit_item_fn(visitor, item)
        });
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.inside(&item.sig.ident, |visitor| {
            visit::visit_impl_item_fn(visitor, item)
        });
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        self.named(path.segments.iter().map(|s| s.ident.to_string()).collect());
        visit::visit_path(self, path);
    }

    fn visit_item_macro(&mut self, item: &'ast syn::ItemMacro) {
        // What a macro is made of is read where it is called.
        if item.ident.is_none() {
            visit::visit_item_macro(self, item);
        }
    }

    fn visit_macro(&mut self, call: &'ast Macro) {
        let tokens = call.tokens.to_string();
        let words: Vec<&str> = tokens
            .split(|c: char| !(c.is_alphanumeric() || c == '_'))
            .filter(|word| !word.is_empty())
            .collect();
        let is_program = call.path.is_ident("entry") || call.path.is_ident("exit");
        match words[..] {
            [kprobe, _, body] if is_program => {
                let body = (self.file.to_owned(), body.to_owned());
                self.source.programs.insert(kprobe.to_owned(), body);
            }
            // What is inside is not parsed: it is enough that a counter is named.
            _ if words.contains(&COUNTERS) => {
                let name = call.path.segments.last().map(|s| s.ident.to_string());
                let name = name.unwrap_or_default();
                let breach = format!("{}: names a counter inside {name}!", self.file);
                self.source.breaches.push(breach);
            }
            _ => {}
        }
        visit::visit_macro(self, call);
    }
}

#[test]
fn a_program_counts_what_its_row_has_and_a_counter_has_one_program() {
    let source = Source::of_programs();
    let breaches = source.breaches(&PROBES);
    assert!(breaches.is_empty(), "\n{}\n", breaches.join("\n"));
    let programs: BTreeSet<&str> = source.programs.keys().map(String::as_str).collect();
    let rows = PROBES.iter().flat_map(ProbeRow::programs);
    assert_eq!(programs, rows.map(|pair| pair.kprobe).collect());
}

#[test]
fn a_breach_by_a_program_is_found() {
    let counter = |name: &str| format!("count(slot, ProbeCounter::{name});");
    for (planted, found) in [
        (
            format!(
                "fn f() {{ {} }} entry!(hash_insert, g => f);",
                counter("Free")
            ),
            "hash_insert counts Free: its row has no such counter",
        ),
        // Through a function of another file.
        (
            "fn f() { eviction::removed(ctx, it); } entry!(free, g => f);".to_owned(),
            "free counts EarlyDrop: its row has no such counter",
        ),
        // Through another name.
        (
            "use conntrack_ebpf::ProbeCounter as P; fn f() { count(slot, P::Lookup); } \
             entry!(free, g => f);"
                .to_owned(),
            "free counts Lookup: its row has no such counter",
        ),
        // Its row has it, and another program of the row counts it, too.
        (
            format!(
                "fn f() {{ {} }} entry!(confirm, g => f);",
                counter("ConfirmStale")
            ),
            "confirm and confirm_return both count ConfirmStale",
        ),
        // Two rows have it, and both are attached.
        (
            format!(
                "fn f() {{ {} }} entry!(early_drop, g => f);",
                counter("EarlyDrop")
            ),
            "delete_from_lists and early_drop both count EarlyDrop",
        ),
        (
            format!("fn f() {{ {} }}", counter("Lookup")),
            "planted::f names Lookup, and no program calls it",
        ),
        (
            format!("impl A {{ fn f(&self) {{ {} }} }}", counter("Lookup")),
            "planted::f names Lookup, and no program calls it",
        ),
        (
            "fn f() {} entry!(hash_insert, g => f);".to_owned(),
            "Inserted is not counted wherever its row is attached",
        ),
        // One of two names of a function.
        (
            "fn f() {} entry!(delete, g => f);".to_owned(),
            "DeleteList is not counted wherever its row is attached",
        ),
        (
            "use conntrack_ebpf::ProbeCounter::Free;".to_owned(),
            "planted: brings in conntrack_ebpf::ProbeCounter::Free",
        ),
        (
            "type P = ProbeCounter;".to_owned(),
            "planted: names ProbeCounter outside of functions",
        ),
        (
            "fn f() { twice!(ProbeCounter::Free); }".to_owned(),
            "planted: names a counter inside twice!",
        ),
    ] {
        let mut source = Source::of_programs();
        source.add("planted", &format!("use super::eviction; {planted}"));
        let breaches = source.breaches(&PROBES);
        assert!(
            breaches.iter().any(|breach| breach == found),
            "{planted}: {breaches:#?}"
        );
    }
}
