//! What a source file names: parsed, with names made absolute. Tests are left out.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use syn::{
    Attribute, ItemMod, ItemUse, Macro, UseTree,
    visit::{self, Visit},
};

/// A file of a crate.
#[derive(Debug)]
pub struct SourceFile {
    /// Below the crate's `src`.
    pub path: PathBuf,
    /// Its module: `["model", "kernel", "era"]`; empty for the crate's root.
    pub module: Vec<String>,
    /// Lines that are not tests.
    pub lines: usize,
    /// What it names of its own crate: `crate::model::record::Record`, without `crate`.
    pub inside: Vec<Vec<String>>,
    /// What it names of others: `std::fs::read`.
    pub outside: Vec<String>,
    /// The macros it calls: `println`.
    pub macros: Vec<String>,
    /// The types and traits it defines.
    pub types: Vec<String>,
    /// Items whose doc comment says no more than their name.
    pub empty_words: Vec<String>,
    /// Blocks, functions, implementations and attributes that are unsafe.
    pub unsafe_code: usize,
    /// Return types that are a `Result` with a `String` for an error.
    pub string_errors: usize,
}

/// All files of a crate.
pub fn of_crate(src: &Path) -> Vec<SourceFile> {
    let mut files = Vec::new();
    collect(src, src, &mut files);
    assert!(!files.is_empty(), "no source below {}", src.display());
    files
}

fn collect(src: &Path, directory: &Path, files: &mut Vec<SourceFile>) {
    let mut entries: Vec<PathBuf> = fs::read_dir(directory)
        .unwrap_or_else(|e| panic!("{}: {e}", directory.display()))
        .map(|entry| entry.expect("an entry").path())
        .collect();
    entries.sort();
    for path in entries {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        // What fuzzing gives bytes to is for tests, too.
        let is_tests = matches!(
            &*name,
            "tests" | "tests.rs" | "fuzz.rs" | "fuzzing" | "fuzzing.rs"
        ) || name.ends_with("_tests.rs");
        if is_tests {
            continue;
        }
        if path.is_dir() {
            collect(src, &path, files);
        } else if name.ends_with(".rs") {
            let text =
                fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            let relative = path.strip_prefix(src).unwrap_or(&path);
            files.push(parse(relative, &text));
        }
    }
}

/// Parses the text of a file.
pub fn parse(path: &Path, text: &str) -> SourceFile {
    let syntax = syn::parse_file(text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let mut visitor = Visitor {
        module: module_of(path),
        file: SourceFile {
            path: path.to_owned(),
            module: module_of(path),
            lines: product_lines(text),
            inside: Vec::new(),
            outside: Vec::new(),
            macros: Vec::new(),
            types: Vec::new(),
            empty_words: Vec::new(),
            unsafe_code: 0,
            string_errors: 0,
        },
        names: BTreeMap::new(),
    };
    // Names that are brought in come first: what is named through them follows.
    for item in &syntax.items {
        if let syn::Item::Use(item) = item {
            visitor.visit_item_use(item);
        }
    }
    visitor.visit_file(&syntax);
    let mut file = visitor.file;
    for names in [&mut file.outside, &mut file.macros] {
        names.sort();
        names.dedup();
    }
    file.inside.sort();
    file.inside.dedup();
    file
}

/// The module of a file: `model/kernel/mod.rs` and `model/kernel.rs` are the same.
fn module_of(path: &Path) -> Vec<String> {
    let mut parts: Vec<String> = path
        .with_extension("")
        .iter()
        .map(|part| part.to_string_lossy().into_owned())
        .collect();
    if matches!(
        parts.last().map(String::as_str),
        Some("mod" | "lib" | "main")
    ) {
        parts.pop();
    }
    parts
}

/// Lines up to the tests at a file's end.
fn product_lines(text: &str) -> usize {
    let lines: Vec<&str> = text.lines().collect();
    let tests = lines.iter().position(|line| *line == "#[cfg(test)]");
    tests.unwrap_or(lines.len())
}

struct Visitor {
    module: Vec<String>,
    file: SourceFile,
    /// What the names mean that are brought in.
    names: BTreeMap<String, Vec<String>>,
}

/// Words that say nothing by themselves.
const FILLERS: [&str; 14] = [
    "a", "an", "the", "of", "its", "it", "is", "this", "to", "in", "that", "for", "what", "their",
];

/// The words of a name or a sentence, in lower case and singular, without fillers.
fn words(text: &str) -> Vec<String> {
    let mut spaced = String::new();
    for c in text.chars() {
        if c.is_uppercase() {
            spaced.push(' ');
        }
        spaced.extend(c.to_lowercase());
    }
    let mut words: Vec<String> = spaced
        .split(|c: char| !c.is_alphanumeric())
        .map(|word| word.strip_suffix('s').unwrap_or(word).to_owned())
        .filter(|word| !word.is_empty() && !FILLERS.contains(&word.as_str()))
        .collect();
    words.sort();
    words
}

fn doc(attributes: &[Attribute]) -> Option<String> {
    let lines = attributes.iter().filter_map(|attribute| {
        let syn::Meta::NameValue(meta) = &attribute.meta else {
            return None;
        };
        match &meta.value {
            syn::Expr::Lit(syn::ExprLit {
                lit: syn::Lit::Str(text),
                ..
            }) if meta.path.is_ident("doc") => Some(text.value()),
            _ => None,
        }
    });
    let text = lines.collect::<Vec<_>>().join("\n");
    (!text.is_empty()).then_some(text)
}

impl Visitor {
    /// Counts a piece of unsafe code.
    fn is_unsafe(&mut self, is_it: bool) {
        self.file.unsafe_code += usize::from(is_it);
    }

    /// Holds a doc comment against the name of what it is for.
    fn documented(&mut self, attributes: &[Attribute], name: &syn::Ident) {
        let name = name.to_string();
        if doc(attributes).is_some_and(|doc| words(&doc) == words(&name)) {
            self.file.empty_words.push(name);
        }
    }

    fn defined(&mut self, attributes: &[Attribute], name: &syn::Ident) {
        if !is_test(attributes) {
            self.documented(attributes, name);
            self.file.types.push(name.to_string());
        }
    }

    fn named(&mut self, path: &[String]) {
        let Some(first) = path.first() else { return };
        match first.as_str() {
            "crate" => self.file.inside.push(path[1..].to_vec()),
            "super" | "self" => {
                let mut absolute = self.module.clone();
                let mut rest = path;
                while let Some((part, more)) = rest.split_first() {
                    match part.as_str() {
                        "self" => {}
                        "super" => {
                            absolute.pop();
                        }
                        _ => break,
                    }
                    rest = more;
                }
                absolute.extend_from_slice(rest);
                self.file.inside.push(absolute);
            }
            _ => match self.names.get(first).cloned() {
                // `use log::log` does not say more about `log` than it said itself.
                Some(meaning) if meaning[0] != *first => {
                    let whole: Vec<String> = meaning.iter().chain(&path[1..]).cloned().collect();
                    self.named(&whole);
                }
                _ => self.file.outside.push(path.join("::")),
            },
        }
    }

    fn used(&mut self, tree: &UseTree, before: &[String]) {
        match tree {
            UseTree::Path(path) => {
                let whole = [before, &[path.ident.to_string()]].concat();
                self.used(&path.tree, &whole);
            }
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.used(tree, before);
                }
            }
            UseTree::Name(name) => {
                let name = name.ident.to_string();
                let whole = match name.as_str() {
                    "self" => before.to_vec(),
                    _ => [before, std::slice::from_ref(&name)].concat(),
                };
                let known_as = whole.last().cloned().unwrap_or_default();
                self.brought_in(known_as, whole);
            }
            UseTree::Rename(rename) => {
                let whole = [before, &[rename.ident.to_string()]].concat();
                self.brought_in(rename.rename.to_string(), whole);
            }
            UseTree::Glob(_) => self.named(before),
        }
    }

    fn brought_in(&mut self, known_as: String, whole: Vec<String>) {
        self.named(&whole);
        if whole.len() > 1 {
            self.names.insert(known_as, whole);
        }
    }
}

/// Whether something is only there in tests, or in tests and what is fuzzed.
pub fn is_test(attributes: &[Attribute]) -> bool {
    let is_it = |condition: &syn::Meta| match condition {
        syn::Meta::Path(path) => path.is_ident("test"),
        syn::Meta::List(list) => {
            let text = list.tokens.to_string().replace(' ', "");
            list.path.is_ident("any") && text == "test,fuzzing"
        }
        syn::Meta::NameValue(_) => false,
    };
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute
                .parse_args::<syn::Meta>()
                .is_ok_and(|condition| is_it(&condition))
    })
}

impl<'ast> Visit<'ast> for Visitor {
    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        if is_test(&item.attrs) {
            return;
        }
        self.module.push(item.ident.to_string());
        visit::visit_item_mod(self, item);
        self.module.pop();
    }

    fn visit_item_struct(&mut self, item: &'ast syn::ItemStruct) {
        self.defined(&item.attrs, &item.ident);
        visit::visit_item_struct(self, item);
    }

    fn visit_item_enum(&mut self, item: &'ast syn::ItemEnum) {
        self.defined(&item.attrs, &item.ident);
        visit::visit_item_enum(self, item);
    }

    fn visit_item_trait(&mut self, item: &'ast syn::ItemTrait) {
        self.defined(&item.attrs, &item.ident);
        visit::visit_item_trait(self, item);
    }

    fn visit_item_const(&mut self, item: &'ast syn::ItemConst) {
        self.documented(&item.attrs, &item.ident);
        visit::visit_item_const(self, item);
    }

    fn visit_field(&mut self, field: &'ast syn::Field) {
        if let Some(name) = &field.ident {
            self.documented(&field.attrs, name);
        }
        visit::visit_field(self, field);
    }

    fn visit_variant(&mut self, variant: &'ast syn::Variant) {
        self.documented(&variant.attrs, &variant.ident);
        visit::visit_variant(self, variant);
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        if !is_test(&item.attrs) {
            self.documented(&item.attrs, &item.sig.ident);
            self.is_unsafe(item.sig.unsafety.is_some());
            visit::visit_item_fn(self, item);
        }
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        if !is_test(&item.attrs) {
            self.documented(&item.attrs, &item.sig.ident);
            self.is_unsafe(item.sig.unsafety.is_some());
            visit::visit_impl_item_fn(self, item);
        }
    }

    fn visit_expr_unsafe(&mut self, block: &'ast syn::ExprUnsafe) {
        self.is_unsafe(true);
        visit::visit_expr_unsafe(self, block);
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        self.is_unsafe(item.unsafety.is_some());
        visit::visit_item_impl(self, item);
    }

    fn visit_item_foreign_mod(&mut self, item: &'ast syn::ItemForeignMod) {
        self.is_unsafe(true);
        visit::visit_item_foreign_mod(self, item);
    }

    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        // `#[unsafe(no_mangle)]`.
        self.is_unsafe(attribute.path().is_ident("unsafe"));
        visit::visit_attribute(self, attribute);
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        if !is_test(&item.attrs) {
            self.used(&item.tree, &[]);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let parts: Vec<String> = path.segments.iter().map(|s| s.ident.to_string()).collect();
        if parts.last().is_some_and(|last| last == "Result")
            && let Some(segment) = path.segments.last()
            && let syn::PathArguments::AngleBracketed(arguments) = &segment.arguments
            && let Some(syn::GenericArgument::Type(syn::Type::Path(error))) =
                arguments.args.iter().nth(1)
            && error.path.is_ident("String")
        {
            self.file.string_errors += 1;
        }
        if parts.len() > 1 || self.names.contains_key(&parts[0]) {
            self.named(&parts);
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast Macro) {
        if let Some(name) = call.path.segments.last() {
            self.file.macros.push(name.ident.to_string());
        }
        // What is inside is not parsed; paths of the own crate are found all the same.
        let text = call.tokens.to_string();
        let words = text.split(|c: char| !(c.is_alphanumeric() || c == '_'));
        self.file.unsafe_code += words.filter(|word| *word == "unsafe").count();
        for found in text.split("crate ::").skip(1) {
            let path = found
                .split(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':' || c == ' '))
                .next()
                .unwrap_or_default();
            let parts: Vec<String> = path
                .split("::")
                .map(|part| part.trim().to_owned())
                .take_while(|part| !part.is_empty() && !part.contains(' '))
                .collect();
            self.file.inside.push(parts);
        }
        visit::visit_macro(self, call);
    }
}
