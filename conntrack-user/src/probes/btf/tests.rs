//! BTF made by the tests themselves, valid and broken.

mod builder;

use proptest::prelude::*;

pub(in crate::probes) use builder::BtfBuilder;
use builder::length;

use super::{uapi::MAGIC, *};

type TestResult = Result<(), Box<dyn std::error::Error>>;

/// Every kind once, and the shapes that fields come in.
fn example() -> BtfBuilder {
    let mut b = BtfBuilder::new();
    let int = b.int("int", 4);
    let long = b.int("unsigned long", 8);
    let pointer = b.pointer(0);
    b.add(kind::ENUM, 2, "colour", 4, &[0, 0, 0, 1]);
    b.add(kind::ENUM64, 1, "wide", 8, &[0, 1, 2]);
    b.add(kind::FLOAT, 0, "double", 8, &[]);
    let prototype = b.add(kind::FUNC_PROTO, 2, "", int, &[0, int, 0, long]);
    let function = b.add(kind::FUNC, 1, "main", prototype, &[]);
    let variable = b.add(kind::VAR, 0, "jiffies", long, &[1]);
    b.add(kind::DATASEC, 1, ".data", 8, &[variable, 0, 8]);
    b.add(kind::DECL_TAG, 0, "kfunc", function, &[u32::MAX]);
    b.add(kind::FWD, 0, "outer", 0, &[]);
    b.structure("outer", 0, &[]);

    let innermost = b.composite(kind::UNION, "", 8, &[("deep", long, 0), ("also", int, 0)]);
    let inner = b.structure("", 16, &[("first", long, 0), ("", innermost, 64)]);
    let item = b.structure("item", 12, &[("key", int, 0), ("value", int, 64)]);
    let mut chained = b.typedef("item_t", item);
    for kind in [kind::CONST, kind::VOLATILE, kind::RESTRICT, kind::TYPE_TAG] {
        chained = b.add(kind, 0, "", chained, &[]);
    }
    let row = b.array(chained, 3);
    let rows = b.array(row, 2);
    let rows = b.typedef("rows_t", rows);
    b.structure(
        "outer",
        200,
        &[
            ("next", pointer, 0),
            ("", inner, 64),
            ("rows", rows, 192),
            ("last", long, 1536),
        ],
    );
    let short = b.add(kind::INT, 0, "", 4, &[8]);
    b.structure("old_bits", 4, &[("whole", int, 0), ("eight", short, 32)]);
    let flagged = |size: u32, offset: u32| size << 24 | offset;
    let members = [
        ("whole", int, flagged(0, 32)),
        ("eight", int, flagged(8, 64)),
        ("odd", int, flagged(0, 71)),
    ];
    let name = b.string("new_bits");
    let start = b.types.len();
    b.structure("", 16, &members);
    b.types[start..start + 4].copy_from_slice(&name.to_ne_bytes());
    let info = 1 << 31 | kind::STRUCT << 24 | length(&members);
    b.types[start + 4..start + 8].copy_from_slice(&info.to_ne_bytes());
    b
}

/// The offset of a member of a member.
fn nested(btf: &Btf<'_>, structure: &str, path: &[&str]) -> Result<u32, BtfError> {
    let mut id = btf.structure(structure)?;
    let mut offset = 0;
    for name in path {
        let part = btf.member(id, name)?;
        offset += part.offset;
        id = part.id;
    }
    Ok(offset)
}

#[test]
fn members_are_found_through_anonymous_ones() -> TestResult {
    let bytes = example().bytes();
    let btf = Btf::parse(&bytes)?;
    let offset = |name| nested(&btf, "outer", &[name]);
    assert_eq!(offset("next"), Ok(0));
    assert_eq!(offset("first"), Ok(8));
    assert_eq!(offset("deep"), Ok(16));
    assert_eq!(offset("also"), Ok(16));
    assert_eq!(offset("last"), Ok(192));
    // A member of a named member is not one of the outer.
    assert!(matches!(offset("key"), Err(BtfError::NoMember { .. })));
    // Nor does the start of a name match.
    assert!(matches!(offset("las"), Err(BtfError::NoMember { .. })));
    Ok(())
}

#[test]
fn elements_are_found_through_typedefs_and_qualifiers() -> TestResult {
    let bytes = example().bytes();
    let btf = Btf::parse(&bytes)?;
    let rows = btf.member(btf.structure("outer")?, "rows")?;
    let row = btf.element(rows.id, 1)?;
    assert_eq!(row.offset, 36);
    let item = btf.element(row.id, 2)?;
    assert_eq!(item.offset, 24);
    assert_eq!(btf.member(item.id, "value")?.offset, 8);
    assert!(matches!(
        btf.element(rows.id, 2),
        Err(BtfError::NoElement { index: 2, .. })
    ));
    assert!(matches!(
        btf.element(item.id, 0),
        Err(BtfError::NoElement { .. })
    ));
    Ok(())
}

#[test]
fn bit_fields_have_no_offset_in_bytes() -> TestResult {
    let bytes = example().bytes();
    let btf = Btf::parse(&bytes)?;
    let bit_field = |name: &str| Err(BtfError::BitField(name.to_owned()));
    for (structure, whole) in [("old_bits", 0), ("new_bits", 4)] {
        assert_eq!(nested(&btf, structure, &["whole"]), Ok(whole));
        assert_eq!(nested(&btf, structure, &["eight"]), bit_field("eight"));
    }
    assert_eq!(nested(&btf, "new_bits", &["odd"]), bit_field("odd"));
    Ok(())
}

#[test]
fn a_structure_without_members_is_not_found() -> TestResult {
    let mut b = BtfBuilder::new();
    b.add(kind::FWD, 0, "nf_conn", 0, &[]);
    b.structure("nf_conn", 0, &[]);
    b.composite(kind::UNION, "nf_conn", 0, &[("status", 0, 0)]);
    let bytes = b.bytes();
    assert_eq!(
        Btf::parse(&bytes)?.structure("nf_conn"),
        Err(BtfError::NoStruct("nf_conn".to_owned()))
    );
    Ok(())
}

#[test]
fn split_btf_continues_its_base() -> TestResult {
    let mut base = BtfBuilder::new();
    let long = base.int("unsigned long", 8);
    let list = base.structure("list", 16, &[("next", long, 0), ("pprev", long, 64)]);
    base.structure("both", 8, &[("of_vmlinux", long, 0)]);
    let mut split = BtfBuilder::split(&base);
    let own = split.typedef("own_list", list);
    // One name in the module's strings, one in those of vmlinux, one type of each.
    split.structure("conn", 24, &[("status", long, 0), ("node", own, 64)]);
    split.structure("both", 8, &[("of_module", long, 0)]);

    let (base, split) = (base.bytes(), split.bytes());
    let base = Btf::parse(&base)?;
    let split = Btf::parse_split(&split, &base)?;
    assert_eq!(nested(&split, "conn", &["node", "pprev"]), Ok(16));
    assert_eq!(nested(&split, "list", &["pprev"]), Ok(8));
    assert_eq!(nested(&split, "both", &["of_module"]), Ok(0));
    assert_eq!(nested(&base, "both", &["of_vmlinux"]), Ok(0));
    assert!(base.structure("conn").is_err());
    Ok(())
}

#[test]
fn functions_are_the_modules_own_before_those_of_vmlinux() -> TestResult {
    let mut base = BtfBuilder::new();
    let int = base.int("int", 4);
    // A structure and a variable of a function's name are no functions.
    base.structure("early_drop", 4, &[("net", int, 0)]);
    base.add(kind::VAR, 0, "nf_ct_delete", int, &[1]);
    let of_vmlinux = base.function("kfree");
    let in_both = base.function("nf_confirm");
    let mut split = BtfBuilder::split(&base);
    let of_module = split.function("early_drop");
    let also = split.function("nf_confirm");

    let (base, split) = (base.bytes(), split.bytes());
    let base = Btf::parse(&base)?;
    let split = Btf::parse_split(&split, &base)?;
    let found = |btf: &Btf<'_>, name| {
        let id = btf.function(name)?;
        Some((u32::try_from(id.0).ok()?, btf.is_own(id)))
    };
    assert_eq!(found(&split, "early_drop"), Some((of_module, true)));
    assert_eq!(found(&split, "nf_confirm"), Some((also, true)));
    assert_eq!(found(&split, "kfree"), Some((of_vmlinux, false)));
    assert_eq!(found(&base, "nf_confirm"), Some((in_both, true)));
    for name in ["early_drop", "nf_ct_delete", "kfre", "kfree_", ""] {
        assert_eq!(base.function(name), None, "{name}");
    }
    assert_eq!(split.function("nf_ct_delete"), None);
    Ok(())
}

#[test]
fn circles_end() -> TestResult {
    let mut b = BtfBuilder::new();
    let typedef = b.typedef("self", 1);
    let array = b.array(2, 1);
    // More ways through itself than could ever be walked.
    let members = vec![("", 3, 0); 1000];
    let composite = b.structure("eternal", 8, &members);
    let holder = b.structure("holder", 8, &[("loop", typedef, 0), ("array", array, 0)]);
    assert_eq!((typedef, array, composite, holder), (1, 2, 3, 4));
    let bytes = b.bytes();
    let btf = Btf::parse(&bytes)?;
    assert_eq!(
        nested(&btf, "holder", &["loop", "x"]),
        Err(BtfError::EndlessChain(TypeId(1)))
    );
    assert_eq!(
        btf.element(TypeId(2), 0),
        Err(BtfError::EndlessChain(TypeId(2)))
    );
    assert!(matches!(
        nested(&btf, "eternal", &["x"]),
        Err(BtfError::NoMember { .. })
    ));
    Ok(())
}

#[test]
fn unreadable_btf_says_why() {
    let error = |bytes: &[u8]| Btf::parse(bytes).err();
    let sound = example().bytes();
    assert_eq!(error(&sound), None);
    assert_eq!(error(&[]), Some(BtfError::HeaderCutShort));
    assert_eq!(error(&sound[..20]), Some(BtfError::HeaderCutShort));
    assert_eq!(
        error(&sound[..sound.len() - 1]),
        Some(BtfError::SectionOutside("string"))
    );

    let with = |at: usize, bytes: &[u8]| {
        let mut changed = sound.clone();
        changed[at..at + bytes.len()].copy_from_slice(bytes);
        error(&changed)
    };
    assert_eq!(
        with(0, &MAGIC.swap_bytes().to_ne_bytes()),
        Some(BtfError::OtherByteOrder)
    );
    assert_eq!(
        with(0, &0x457f_u16.to_ne_bytes()),
        Some(BtfError::NotBtf(0x457f))
    );
    assert_eq!(
        with(2, &[2, 0]),
        Some(BtfError::UnknownVersion {
            version: 2,
            flags: 0
        })
    );
    assert_eq!(
        with(12, &17_u32.to_ne_bytes()),
        Some(BtfError::TypeCutShort(TypeId(2)))
    );
}

#[test]
fn an_unknown_kind_is_named_or_passed_over() -> TestResult {
    let mut b = BtfBuilder::new();
    b.add(20, 2, "", 0, &[0; 5]);
    let long = b.int("unsigned long", 8);
    b.structure("conn", 8, &[("status", long, 64)]);
    let unknown = Btf::parse(&b.bytes()).err();
    let expected = BtfError::UnknownKind {
        id: TypeId(1),
        kind: 20,
    };
    assert_eq!(unknown, Some(expected));

    // Four bytes once, and eight for each of two elements.
    let mut layouts = vec![0; 20 * 4];
    layouts.extend([4, 8, 0, 0]);
    b.layouts = Some(layouts);
    let mut split = BtfBuilder::split(&b);
    split.add(20, 0, "", 0, &[0]);
    split.structure("own", 8, &[("status", long, 128)]);
    let (base, split) = (b.bytes(), split.bytes());
    let base = Btf::parse(&base)?;
    assert_eq!(nested(&base, "conn", &["status"]), Ok(8));
    let split = Btf::parse_split(&split, &base)?;
    assert_eq!(nested(&split, "own", &["status"]), Ok(16));
    Ok(())
}

/// Asks for everything there is, and more.
fn explore(btf: &Btf<'_>) {
    for name in ["outer", "item", "old_bits", "new_bits", "main", "", "x"] {
        let _ = btf.structure(name);
        let _ = btf.function(name).map(|id| btf.is_own(id));
    }
    for id in (0..40).map(TypeId) {
        for name in ["deep", "value", "eight", "odd", "", "x"] {
            let _ = btf.member(id, name);
        }
        for index in [0, 1, u32::MAX] {
            let _ = btf.element(id, index);
        }
    }
}

/// Changes bytes here and there; the first ones are the header.
fn mutated(bytes: Vec<u8>) -> impl Strategy<Value = Vec<u8>> {
    let change = (
        prop_oneof![0..bytes.len(), 4..24_usize],
        prop_oneof![any::<u8>(), Just(0), Just(1), Just(0xff)],
    );
    (
        proptest::collection::vec(change, 0..12),
        0..=bytes.len(),
        0..4_u8,
    )
        .prop_map(move |(changes, cut, whether)| {
            let mut bytes = bytes.clone();
            for (at, byte) in changes {
                bytes[at] = byte;
            }
            if whether == 0 {
                bytes.truncate(cut);
            }
            bytes
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_bytes_do_not_panic(
        mut bytes in proptest::collection::vec(any::<u8>(), 0..400),
        sound_header in any::<bool>(),
    ) {
        if sound_header {
            // All that follows a header is types and strings at once.
            let sections = u32::try_from(bytes.len())?;
            let mut whole = BtfBuilder::new().bytes();
            whole.truncate(8);
            for word in [0, sections, 0, sections] {
                whole.extend(word.to_ne_bytes());
            }
            whole.append(&mut bytes);
            bytes = whole;
        }
        if let Ok(btf) = Btf::parse(&bytes) {
            explore(&btf);
        }
    }

    #[test]
    fn any_corruption_does_not_panic(base in mutated(example().bytes()), split in mutated(example().bytes())) {
        if let Ok(base) = Btf::parse(&base) {
            explore(&base);
            if let Ok(split) = Btf::parse_split(&split, &base) {
                explore(&split);
            }
        }
    }
}
