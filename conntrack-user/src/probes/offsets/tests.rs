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
        offset(&module, &field)
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
    for (field, offset) in FieldOffsets::read(directory, &[])?.0.0 {
        match offset {
            Ok(offset) => eprintln!("{field} = {offset}"),
            Err(e @ BtfError::NoStruct(_)) if field != fields::NET_INUM => {
                eprintln!("skipped: {field}: {e}: nf_conntrack is not built in, nor loaded");
            }
            Err(e) => return Err(e.into()),
        }
    }
    Ok(())
}
