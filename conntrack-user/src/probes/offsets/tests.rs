use FieldStep::{Element, Member};

use super::*;
use crate::probes::btf::tests::BtfBuilder;

type TestResult = Result<(), Box<dyn std::error::Error>>;

/// `struct net` in vmlinux and `struct nf_conn` in the module, laid out as in no kernel.
fn kernel() -> (Vec<u8>, Vec<u8>) {
    let mut vmlinux = BtfBuilder::new();
    let int = vmlinux.int("unsigned int", 4);
    let long = vmlinux.int("unsigned long", 8);
    let pointer = vmlinux.pointer(0);
    let ns = vmlinux.structure("ns_common", 16, &[("ops", pointer, 0), ("inum", int, 64)]);
    let net = vmlinux.structure("net", 64, &[("passive", int, 0), ("ns", ns, 128)]);
    let node = vmlinux.structure("node", 16, &[("next", pointer, 0), ("pprev", pointer, 64)]);
    let possible_net = vmlinux.structure("", 8, &[("net", net, 0)]);
    let possible_net = vmlinux.typedef("possible_net_t", possible_net);

    let mut module = BtfBuilder::split(&vmlinux);
    let hash = module.structure("hash", 56, &[("hnnode", node, 0), ("tuple", int, 128)]);
    let hashes = module.array(hash, 2);
    let conn = [
        ("tuplehash", hashes, 128),
        ("status", long, 1024),
        ("ct_net", possible_net, 1088),
    ];
    module.structure("nf_conn", 256, &conn);
    (vmlinux.bytes(), module.bytes())
}

#[test]
fn offsets_add_up_along_a_path() -> TestResult {
    let (vmlinux, module) = kernel();
    let vmlinux = Btf::parse(&vmlinux)?;
    let module = Btf::parse_split(&module, &vmlinux)?;
    let offset = |structure, path| {
        let field = KernelField {
            global: "",
            structure,
            path,
        };
        offset(&module, &field).map(|offset| offset.bytes)
    };
    assert_eq!(offset("nf_conn", &[Member("ct_net")])?, 136);
    assert_eq!(offset("net", &[Member("ns"), Member("inum")])?, 24);
    let reply = &[Member("tuplehash"), Element(1)];
    assert_eq!(offset("nf_conn", reply)?, 16 + 56);
    let pprev = &[
        Member("tuplehash"),
        Element(1),
        Member("hnnode"),
        Member("pprev"),
    ];
    assert_eq!(offset("nf_conn", pprev)?, 16 + 56 + 8);
    Ok(())
}

#[test]
fn a_field_that_is_missing_says_so() -> TestResult {
    let (vmlinux, _) = kernel();
    let offsets = FieldOffsets::find(&Btf::parse(&vmlinux)?);
    assert_eq!(offsets.offset(fields::NET_INUM), Ok(24));
    let error = offsets.offset(fields::NF_CONN_STATUS).unwrap_err();
    assert_eq!(
        error.to_string(),
        "nf_conn.status: BTF has no struct nf_conn with members"
    );
    Ok(())
}

#[test]
fn functions_are_numbered_in_the_types_that_have_them() -> TestResult {
    const FUNCTIONS: [&str; 3] = ["early_drop", "nf_ct_delete", "nf_conntrack_in"];
    let mut vmlinux = BtfBuilder::new();
    vmlinux.int("int", 4);
    let in_vmlinux = vmlinux.function("nf_conntrack_in");
    let mut module = BtfBuilder::split(&vmlinux);
    let in_module = module.function("early_drop");
    let (vmlinux, module) = (vmlinux.bytes(), module.bytes());

    let vmlinux_types = Btf::parse(&vmlinux)?;
    let of_vmlinux = FentryTarget {
        function: "nf_conntrack_in",
        id: in_vmlinux,
        in_module: false,
    };
    let built_in = targets(&vmlinux_types, &FUNCTIONS, false);
    assert_eq!(built_in, [of_vmlinux]);
    let of_module = FentryTarget {
        function: "early_drop",
        id: in_module,
        in_module: true,
    };
    let split = Btf::parse_split(&module, &vmlinux_types)?;
    assert_eq!(targets(&split, &FUNCTIONS, true), [of_module, of_vmlinux]);

    // The same from files; without that of the module, nf_conntrack is built in or not loaded.
    let directory = tempfile::tempdir()?;
    std::fs::write(directory.path().join("vmlinux"), &vmlinux)?;
    let (_, read) = FieldOffsets::read(directory.path(), &FUNCTIONS)?;
    assert_eq!(read, [of_vmlinux]);
    std::fs::write(directory.path().join("nf_conntrack"), &module)?;
    let (_, read) = FieldOffsets::read(directory.path(), &FUNCTIONS)?;
    assert_eq!(read, [of_module, of_vmlinux]);
    std::fs::write(directory.path().join("nf_conntrack"), &module[..30])?;
    let error = FieldOffsets::read(directory.path(), &FUNCTIONS).unwrap_err();
    let error = error.to_string();
    assert!(error.contains("nf_conntrack: the type section"), "{error}");
    Ok(())
}

#[test]
fn a_file_that_is_missing_is_named() {
    let error = FieldOffsets::read(Path::new("no/such/directory"), &[]).unwrap_err();
    let error = error.to_string();
    assert!(error.starts_with("no/such/directory/vmlinux: "), "{error}");
}

#[test]
fn this_kernel_has_the_fields() -> TestResult {
    let directory = Path::new("/sys/kernel/btf");
    if !directory.join("vmlinux").exists() {
        eprintln!("skipped: this kernel shows no BTF (CONFIG_DEBUG_INFO_BTF)");
        return Ok(());
    }
    for (field, offset) in FieldOffsets::read(directory, &[])?.0.fields {
        match offset {
            Ok(offset) => eprintln!("{field} = {offset:?}"),
            Err(e @ FieldError::NoModule) if field != fields::NET_INUM => {
                eprintln!("skipped: {field}: {e}: nf_conntrack is not built in, nor loaded");
            }
            Err(e) => return Err(e.into()),
        }
    }
    Ok(())
}
