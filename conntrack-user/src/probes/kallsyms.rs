//! Which functions the kernel has, from /proc/kallsyms.

use std::{
    collections::BTreeMap,
    io::{self, BufRead},
};

/// The functions that were looked for, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Symbols(BTreeMap<String, Occurrences>);

/// Under which symbols a function occurs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Occurrences {
    /// The name itself, or that with the hash that clang's ThinLTO appends to static functions: `NAME.llvm.HASH`, which have the
    /// same arguments.
    whole: Vec<String>,
    /// Versions that the compiler has made: `NAME.isra.0`, `NAME.part.0`, `NAME.constprop.0`.
    versions: Vec<String>,
}

/// What there is to probe of a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SymbolMatch<'a> {
    /// The kernel has no such function, or it is inlined everywhere.
    None,
    /// One symbol, which all calls pass.
    One(&'a str),
    /// Several functions have this name: static ones of different files. A probe by name would be put on any one of them.
    Several(usize),
    /// Versions with other arguments than in the source.
    OnlyVersions(&'a [String]),
    /// The function and versions of it: some calls pass these instead. (On 5.10 removals pass `nf_ct_delete.part.0`.)
    Split(&'a [String]),
}

impl Symbols {
    /// Reads lines like `ffffffffc0a01230 t __nf_conntrack_alloc [nf_conntrack]`, of which only functions in `wanted` are kept.
    /// Lines of any other form are skipped: the kernel's format is old and stable, and a name that is not found is reported
    /// where it is needed.
    ///
    /// # Errors
    ///
    /// Those of reading; [`io::ErrorKind::InvalidData`] for what is not text.
    pub fn read(mut text: impl BufRead, wanted: &[&str]) -> io::Result<Self> {
        let mut symbols: BTreeMap<String, Occurrences> = BTreeMap::new();
        let mut line = String::new();
        loop {
            line.clear();
            if text.read_line(&mut line)? == 0 {
                return Ok(Self(symbols));
            }
            let mut fields = line.split_ascii_whitespace();
            let (Some(_address), Some(kind), Some(symbol)) =
                (fields.next(), fields.next(), fields.next())
            else {
                continue;
            };
            let (name, suffix) = symbol.split_once('.').unwrap_or((symbol, ""));
            if !matches!(kind, "t" | "T" | "w" | "W") || !wanted.contains(&name) {
                continue;
            }
            let occurrences = symbols.entry(name.to_owned()).or_default();
            match suffix.split('.').next().unwrap_or_default() {
                "" | "llvm" => occurrences.whole.push(symbol.to_owned()),
                // Its rarely executed end, which nothing calls.
                "cold" => {}
                _ => occurrences.versions.push(symbol.to_owned()),
            }
        }
    }

    #[cfg(any(test, fuzzing))]
    pub(crate) fn parse(text: &str, wanted: &[&str]) -> Self {
        Self::read(text.as_bytes(), wanted).expect("text")
    }

    /// Whether none of the functions was found.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What there is to probe of a function.
    #[must_use]
    pub fn find(&self, name: &str) -> SymbolMatch<'_> {
        let Some(Occurrences { whole, versions }) = self.0.get(name) else {
            return SymbolMatch::None;
        };
        match (&whole[..], &versions[..]) {
            ([], []) => SymbolMatch::None,
            ([], versions) => SymbolMatch::OnlyVersions(versions),
            ([symbol], []) => SymbolMatch::One(symbol),
            ([_], versions) => SymbolMatch::Split(versions),
            (several, _) => SymbolMatch::Several(several.len()),
        }
    }

    /// Symbols for tests, each occurring once.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn of<'a>(names: impl Iterator<Item = &'a str>) -> Self {
        let names: std::collections::BTreeSet<&str> = names.collect();
        let names = Vec::from_iter(names);
        let line = |name: &&str| format!("0 t {name}\n");
        Self::parse(&names.iter().map(line).collect::<String>(), &names)
    }

    /// Adds a version of a function for tests.
    #[cfg(test)]
    pub(crate) fn add(&mut self, name: &str, version: &str) {
        let occurrences = self.0.entry(name.to_owned()).or_default();
        occurrences.versions.push(version.to_owned());
    }

    /// Removes a function, as if the kernel did not have it.
    pub fn remove(&mut self, name: &str) {
        self.0.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_data_and_duplicates() {
        let text = "\
0000000000000000 t nf_ct_destroy\t[nf_conntrack]
0000000000000000 T nf_conntrack_free\t[nf_conntrack]
0000000000000000 t nf_conntrack_free.cold\t[nf_conntrack]
0000000000000000 d early_drop
0000000000000000 t early_drop_list
0000000000000000 t twice
ffffffff81000000 t twice\t[other]

";
        let symbols = Symbols::parse(
            text,
            &["nf_ct_destroy", "nf_conntrack_free", "early_drop", "twice"],
        );
        assert_eq!(
            symbols.find("nf_ct_destroy"),
            SymbolMatch::One("nf_ct_destroy")
        );
        assert_eq!(
            symbols.find("nf_conntrack_free"),
            SymbolMatch::One("nf_conntrack_free")
        );
        assert_eq!(symbols.find("early_drop"), SymbolMatch::None);
        assert_eq!(symbols.find("early_drop_list"), SymbolMatch::None);
        assert_eq!(symbols.find("twice"), SymbolMatch::Several(2));
    }

    #[test]
    fn what_compilers_append_to_names() {
        let text = "\
0 t early_drop.llvm.1234567890123456789
0 t early_drop.cold
0 t init_conntrack.isra.0
0 T nf_ct_delete
0 t nf_ct_delete.part.0
0 t two.llvm.1
0 t two.llvm.2
0 t gone.cold
";
        let symbols = Symbols::parse(
            text,
            &[
                "early_drop",
                "init_conntrack",
                "nf_ct_delete",
                "two",
                "gone",
            ],
        );
        assert_eq!(
            symbols.find("early_drop"),
            SymbolMatch::One("early_drop.llvm.1234567890123456789")
        );
        let versions = ["init_conntrack.isra.0".to_owned()];
        assert_eq!(
            symbols.find("init_conntrack"),
            SymbolMatch::OnlyVersions(&versions)
        );
        let versions = ["nf_ct_delete.part.0".to_owned()];
        assert_eq!(symbols.find("nf_ct_delete"), SymbolMatch::Split(&versions));
        assert_eq!(symbols.find("two"), SymbolMatch::Several(2));
        assert_eq!(symbols.find("gone"), SymbolMatch::None);
    }
}
