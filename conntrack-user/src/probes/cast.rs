//! Loads from the kernel's structures by their types, which cost a tenth of what the helper `bpf_probe_read_kernel` costs.
//!
//! A program calls `bpf_rdonly_cast`, a function of the kernel, with an address and the number of a structure's type. The verifier
//! makes of the call nothing but a copy of the address, and then knows what can be loaded there. aya does not know calls of the
//! kernel's functions, so the object has calls of a helper that does not exist, and they are replaced before aya reads it.

use std::{borrow::Cow, io};

use aya_obj::generated::bpf_insn;
use conntrack_ebpf::fields::CAST_HELPER;

use super::{bpf, offsets::FieldOffset};

/// Bytes of an instruction: opcode, registers, offset (2), immediate (4).
const INSTRUCTION: usize = 8;
/// `BPF_JMP | BPF_CALL`: the opcode of a call.
const CALL: u8 = 0x85;
/// `BPF_PSEUDO_KFUNC_CALL`: the source register of a call that is to a function of the kernel.
const OF_KERNEL: u8 = 2;

/// A call; of a helper if `source` is 0.
fn call(source: u8, immediate: u32) -> [u8; INSTRUCTION] {
    let [a, b, c, d] = immediate.to_le_bytes();
    [CALL, source << 4, 0, 0, a, b, c, d]
}

/// The object with calls of the kernel's function, whose number in the types of vmlinux is `cast`. Without one it is as it was: then
/// no structure has a number, so that the verifier removes the calls.
pub(super) fn linked(object: &[u8], cast: Option<u32>) -> Cow<'_, [u8]> {
    let Some(cast) = cast else {
        return Cow::Borrowed(object);
    };
    let (placeholder, call) = (call(0, CAST_HELPER), call(OF_KERNEL, cast));
    let mut object = object.to_vec();
    // Sections of code are aligned in the file as instructions are.
    let (instructions, _) = object.as_chunks_mut::<INSTRUCTION>();
    for instruction in instructions {
        if *instruction == placeholder {
            *instruction = call;
        }
    }
    Cow::Owned(object)
}

/// Has the verifier check a program that casts an address to a structure's type and loads a field of 4 bytes.
///
/// # Errors
///
/// When the kernel refuses it: without a JIT compiler, for example.
pub(super) fn try_to_load(cast: u32, field: FieldOffset) -> io::Result<()> {
    let instruction = |code: u8, dst: u8, src: u8, off: i16, imm: i32| bpf_insn {
        code,
        _bitfield_1: bpf_insn::new_bitfield_1(dst, src),
        off,
        imm,
    };
    let number = |number: u32| i32::try_from(number).map_err(io::Error::other);
    let structure = field.structure.ok_or(io::ErrorKind::Unsupported)?;
    let offset = i16::try_from(field.bytes).map_err(io::Error::other)?;
    bpf::try_kprobe(&[
        // r1 = 0; r2 = structure; r0 = cast(r1, r2); r0 = *(u32 *)(r0 + offset); r0 = 0; exit
        instruction(0xb7, 1, 0, 0, 0),
        instruction(0xb7, 2, 0, 0, number(structure)?),
        instruction(CALL, 0, OF_KERNEL, 0, number(cast)?),
        instruction(0x61, 0, 0, offset, 0),
        instruction(0xb7, 0, 0, 0, 0),
        instruction(0x95, 0, 0, 0, 0),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_replaced_and_nothing_else() {
        let placeholder = call(0, CAST_HELPER);
        let other = call(0, CAST_HELPER + 1);
        let object = [&placeholder[..], &other, &placeholder, &[0x85, 0, 0]].concat();
        assert_eq!(*linked(&object, None), object);
        let call = call(OF_KERNEL, 0x0102_0304);
        assert_eq!(call, [0x85, 0x20, 0, 0, 4, 3, 2, 1]);
        let expected = [&call[..], &other, &call, &[0x85, 0, 0]].concat();
        assert_eq!(*linked(&object, Some(0x0102_0304)), expected);
    }
}
