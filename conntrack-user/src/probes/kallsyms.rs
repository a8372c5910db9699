//! Which functions the kernel has, from /proc/kallsyms.

use std::collections::BTreeMap;

/// Functions by name, with how often each name occurs. One that occurs more than once (static functions of different files)
/// cannot be probed by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Symbols(BTreeMap<String, u32>);

impl Symbols {
    /// Parses lines like `ffffffffc0a01230 t __nf_conntrack_alloc [nf_conntrack]`, of which only
    /// names in `wanted` are kept. Lines of any other form are skipped: the kernel's format is old and
    /// stable, and a name that is not found is reported where it is needed.
    #[must_use]
    pub fn parse(text: &str, wanted: &[&str]) -> Self {
        let mut symbols = BTreeMap::new();
        for line in text.lines() {
            let mut fields = line.split_ascii_whitespace();
            let (Some(_address), Some(kind), Some(name)) =
                (fields.next(), fields.next(), fields.next())
            else {
                continue;
            };
            if matches!(kind, "t" | "T" | "w" | "W") && wanted.contains(&name) {
                *symbols.entry(name.to_owned()).or_insert(0) += 1;
            }
        }
        Self(symbols)
    }

    /// How many functions have this name.
    #[must_use]
    pub fn count(&self, name: &str) -> u32 {
        self.0.get(name).copied().unwrap_or_default()
    }

    /// Symbols for tests, each occurring once.
    #[cfg(test)]
    pub(crate) fn of<'a>(names: impl Iterator<Item = &'a str>) -> Self {
        Self(names.map(|name| (name.to_owned(), 1)).collect())
    }

    /// Removes a symbol, as if the kernel had no such function.
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
0000000000000000 d early_drop
0000000000000000 t early_drop_list
0000000000000000 t twice
ffffffff81000000 t twice\t[other]

";
        let symbols = Symbols::parse(
            text,
            &["nf_ct_destroy", "nf_conntrack_free", "early_drop", "twice"],
        );
        assert_eq!(symbols.count("nf_ct_destroy"), 1);
        assert_eq!(symbols.count("nf_conntrack_free"), 1);
        assert_eq!(symbols.count("early_drop"), 0);
        assert_eq!(symbols.count("early_drop_list"), 0);
        assert_eq!(symbols.count("twice"), 2);
    }
}
