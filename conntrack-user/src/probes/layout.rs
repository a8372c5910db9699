//! Where the fields are that the programs read: from the running kernel's own type information
//! (BTF), so that one binary serves every kernel.

use std::{fmt, fs, io, path::Path};

use conntrack_ebpf::globals;

use crate::probes::btf::{self, Btf};

/// A field the programs read, and the global that takes its offset.
struct Field {
    global: &'static str,
    structure: &'static str,
    path: &'static [Step],
}

/// A step into a structure.
enum Step {
    /// A member by name, through anonymous structs and unions.
    Member(&'static str),
    /// An element of an array.
    Element(u32),
}

use Step::{Element, Member};

/// `IP_CT_DIR_REPLY` of `enum ip_conntrack_dir`: uapi.
const IP_CT_DIR_REPLY: u32 = 1;

const fn field(global: &'static str, structure: &'static str, path: &'static [Step]) -> Field {
    Field {
        global,
        structure,
        path,
    }
}

const FIELDS: [Field; 13] = [
    field(globals::NF_CONN_NET, "nf_conn", &[Member("ct_net")]),
    field(globals::NF_CONN_STATUS, "nf_conn", &[Member("status")]),
    field(globals::NF_CONN_TIMEOUT, "nf_conn", &[Member("timeout")]),
    field(
        globals::NF_CONN_TUPLEHASH,
        "nf_conn",
        &[Member("tuplehash")],
    ),
    field(
        globals::NF_CONN_TUPLEHASH_REPLY,
        "nf_conn",
        &[Member("tuplehash"), Element(IP_CT_DIR_REPLY)],
    ),
    field(
        globals::TUPLEHASH_TUPLE,
        "nf_conntrack_tuple_hash",
        &[Member("tuple")],
    ),
    field(
        globals::TUPLE_DIR,
        "nf_conntrack_tuple",
        &[Member("dst"), Member("dir")],
    ),
    field(globals::NET_INUM, "net", &[Member("ns"), Member("inum")]),
    field(
        globals::EXPECT_MASTER,
        "nf_conntrack_expect",
        &[Member("master")],
    ),
    field(globals::SKB_NFCT, "sk_buff", &[Member("_nfct")]),
    field(globals::SKB_HEAD, "sk_buff", &[Member("head")]),
    field(
        globals::SKB_NETWORK_HEADER,
        "sk_buff",
        &[Member("network_header")],
    ),
    field(globals::HOOK_STATE_NET, "nf_hook_state", &[Member("net")]),
];

/// Offsets in bytes by global, or why one is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout(Vec<(&'static str, Result<u32, String>)>);

impl Layout {
    /// The offset a global takes, or why it is not known.
    pub fn offset(&self, global: &str) -> Result<u32, String> {
        self.0.iter().find(|(name, _)| *name == global).map_or_else(
            || Err(format!("no field for {global}")),
            |(_, offset)| offset.clone(),
        )
    }

    /// The offsets that are known.
    pub fn known(&self) -> impl Iterator<Item = (&'static str, u32)> {
        self.0
            .iter()
            .filter_map(|(global, offset)| Some((*global, *offset.as_ref().ok()?)))
    }

    /// Reads the kernel's BTF below `directory` (/sys/kernel/btf): `vmlinux`, and that of the
    /// module nf_conntrack where it is one. Says besides which of the functions are vmlinux's own.
    pub fn read(
        directory: &Path,
        functions: &[&'static str],
    ) -> Result<(Self, Vec<&'static str>), String> {
        let vmlinux = directory.join("vmlinux");
        let vmlinux_bytes = fs::read(&vmlinux).map_err(|e| about(&vmlinux, e))?;
        let base = Btf::parse(&vmlinux_bytes).map_err(|e| about(&vmlinux, e))?;
        let own = functions.iter().copied();
        let own = own.filter(|function| base.has_function(function)).collect();
        let module = directory.join("nf_conntrack");
        let module_bytes = match fs::read(&module) {
            Ok(bytes) => bytes,
            // Built in, or not loaded yet: then vmlinux has what there is to have.
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok((Self::find(&base), own)),
            Err(e) => return Err(about(&module, e)),
        };
        let split = Btf::parse_split(&module_bytes, &base).map_err(|e| about(&module, e))?;
        Ok((Self::find(&split), own))
    }

    fn find(btf: &Btf<'_>) -> Self {
        Self(
            FIELDS
                .iter()
                .map(|field| {
                    let offset = offset(btf, field);
                    (field.global, offset.map_err(|e| format!("{field}: {e}")))
                })
                .collect(),
        )
    }

    /// A layout for tests.
    #[cfg(test)]
    pub(crate) fn complete() -> Self {
        Self(FIELDS.iter().map(|field| (field.global, Ok(8))).collect())
    }

    /// Forgets an offset.
    #[cfg(test)]
    pub(crate) fn forget(&mut self, global: &str) {
        for (name, offset) in &mut self.0 {
            if *name == global {
                *offset = Err("not in BTF".to_owned());
            }
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.structure)?;
        for step in self.path {
            match step {
                Member(name) => write!(f, ".{name}")?,
                Element(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

fn about(path: &Path, error: impl fmt::Display) -> String {
    format!("{}: {error}", path.display())
}

/// The offset in bytes of a field.
fn offset(btf: &Btf<'_>, field: &Field) -> Result<u32, btf::Error> {
    let mut id = btf.structure(field.structure)?;
    let mut offset = 0_u32;
    for step in field.path {
        let part = match step {
            Member(name) => btf.member(id, name),
            Element(index) => btf.element(id, *index),
        }?;
        offset = offset
            .checked_add(part.offset)
            .ok_or(btf::Error::TooLarge(id))?;
        id = part.id;
    }
    Ok(offset)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probes::btf::tests::Builder;

    type TestResult = Result<(), Box<dyn std::error::Error>>;

    /// `struct net` in vmlinux and `struct nf_conn` in the module, laid out as in no kernel.
    fn kernel() -> (Vec<u8>, Vec<u8>) {
        let mut vmlinux = Builder::new();
        let int = vmlinux.int("unsigned int", 4);
        let long = vmlinux.int("unsigned long", 8);
        let pointer = vmlinux.pointer(0);
        let ns = vmlinux.structure("ns_common", 16, &[("ops", pointer, 0), ("inum", int, 64)]);
        let net = vmlinux.structure("net", 64, &[("passive", int, 0), ("ns", ns, 128)]);
        let node = vmlinux.structure("node", 16, &[("next", pointer, 0), ("pprev", pointer, 64)]);
        let possible_net = vmlinux.structure("", 8, &[("net", net, 0)]);
        let possible_net = vmlinux.typedef("possible_net_t", possible_net);

        let mut module = Builder::split(&vmlinux);
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
        let offset = |structure, path| offset(&module, &field("", structure, path));
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
        let layout = Layout::find(&Btf::parse(&vmlinux)?);
        assert_eq!(layout.offset(globals::NET_INUM), Ok(24));
        assert_eq!(
            layout.offset(globals::NF_CONN_STATUS),
            Err("nf_conn.status: BTF has no struct nf_conn with members".to_owned())
        );
        Ok(())
    }

    #[test]
    fn a_file_that_is_missing_is_named() {
        let error = Layout::read(Path::new("no/such/directory"), &[]).unwrap_err();
        assert!(error.starts_with("no/such/directory/vmlinux: "), "{error}");
    }

    #[test]
    fn this_kernel_has_the_fields() -> TestResult {
        let directory = Path::new("/sys/kernel/btf");
        if !directory.join("vmlinux").exists() {
            eprintln!("skipped: this kernel shows no BTF (CONFIG_DEBUG_INFO_BTF)");
            return Ok(());
        }
        for (global, offset) in Layout::read(directory, &[])?.0.0 {
            match offset {
                Ok(offset) => eprintln!("{global} = {offset}"),
                Err(e) if global != globals::NET_INUM && e.contains("has no struct") => {
                    eprintln!("skipped: {e}: nf_conntrack is not built in, nor loaded");
                }
                Err(e) => return Err(e.into()),
            }
        }
        Ok(())
    }
}
