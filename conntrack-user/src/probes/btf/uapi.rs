//! Names and numbers of include/uapi/linux/btf.h.

/// `BTF_MAGIC`, in the byte order of the kernel that wrote it.
pub(super) const MAGIC: u16 = 0xeb9f;
/// `BTF_VERSION`
pub(super) const VERSION: u8 = 1;
/// `struct btf_header` up to and including `str_len`.
pub(super) const HEADER_LEN: u32 = 24;
/// `struct btf_header` of Linux 7.2, which also has `layout_off` and `layout_len`.
pub(super) const HEADER_WITH_LAYOUT_LEN: u32 = 32;

/// `BTF_KIND_*`
pub(super) mod kind {
    pub(crate) const UNKN: u32 = 0;
    pub(crate) const INT: u32 = 1;
    pub(crate) const PTR: u32 = 2;
    pub(crate) const ARRAY: u32 = 3;
    pub(crate) const STRUCT: u32 = 4;
    pub(crate) const UNION: u32 = 5;
    pub(crate) const ENUM: u32 = 6;
    pub(crate) const FWD: u32 = 7;
    pub(crate) const TYPEDEF: u32 = 8;
    pub(crate) const VOLATILE: u32 = 9;
    pub(crate) const CONST: u32 = 10;
    pub(crate) const RESTRICT: u32 = 11;
    pub(crate) const FUNC: u32 = 12;
    pub(crate) const FUNC_PROTO: u32 = 13;
    pub(crate) const VAR: u32 = 14;
    pub(crate) const DATASEC: u32 = 15;
    pub(crate) const FLOAT: u32 = 16;
    pub(crate) const DECL_TAG: u32 = 17;
    pub(crate) const TYPE_TAG: u32 = 18;
    pub(crate) const ENUM64: u32 = 19;
}
