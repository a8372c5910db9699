//! A netlink socket for requests to netfilter.

use std::{io, os::fd::OwnedFd, time::Duration};

use rustix::{
    io::{Errno, retry_on_intr},
    net::{
        AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType,
        netlink::{NETFILTER, SocketAddrNetlink},
        recvfrom, sendto, socket_with,
        sockopt::{Timeout, set_socket_timeout},
    },
};

use crate::source::{
    denied::{DeniedRemedy, NETLINK},
    nfnetlink::{
        attribute::{Malformed, Object},
        message::{Answer, AnswerError, NetlinkRequest},
    },
};

/// How long to wait for an answer. The kernel makes the first part of it while it takes the request, so only a fault makes us
/// wait; even then a stream must not hang.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(1);

/// The most bytes that the kernel puts into a datagram (`netlink_recvmsg`).
const DATAGRAM: usize = 32 * 1024;

/// The kernel's address.
const KERNEL: SocketAddrNetlink = SocketAddrNetlink::new(0, 0);

/// Why a request has no complete answer.
#[derive(Debug, thiserror::Error)]
pub enum NetlinkError {
    /// No socket can be opened.
    #[error("cannot open a NETLINK_NETFILTER socket: {0}; is nfnetlink in this kernel?")]
    Open(#[source] io::Error),
    /// It needs a capability that we do not have.
    #[error("{}: needs CAP_NET_ADMIN in this network namespace; {}", .0.name, .1)]
    NotPermitted(NetlinkRequest, DeniedRemedy),
    /// No module of this kernel answers it.
    #[error(
        "{}: this kernel cannot answer ({}); load {} (`modprobe {}`) where it has that module",
        .0.name, .1, .0.module, .0.module
    )]
    Unsupported(NetlinkRequest, #[source] io::Error),
    /// Refused for another reason, or not sent, or not received.
    #[error("{}: {}", .0.name, .1)]
    Io(NetlinkRequest, #[source] io::Error),
    /// No answer in time.
    #[error("{}: no answer within {} s; asked again at the next reading", .0.name, ANSWER_TIMEOUT.as_secs())]
    Timeout(NetlinkRequest),
    /// In each attempt the objects changed while they were listed, or the answer did not arrive whole.
    #[error("{}: no whole answer in {} tries; asked again at the next reading", .0.name, .1)]
    Incomplete(NetlinkRequest, u32),
    /// The answer cannot be parsed.
    #[error("{}: the answer makes no sense: {}", .0.name, .1)]
    Malformed(NetlinkRequest, #[source] Malformed),
}

/// How an answer ended.
#[derive(Debug)]
pub enum Asked<T> {
    /// With its objects, and whether they changed while the kernel listed them.
    Whole(Vec<T>, bool),
    /// Before its end: there was enough.
    Enough,
    /// The kernel lost a part of it.
    Lost,
}

/// A netlink socket in a network namespace: that of the thread that opened it, whatever thread uses
/// it later.
#[derive(Debug)]
pub struct NetlinkSocket {
    fd: OwnedFd,
    sequence: u32,
    buffer: Vec<u8>,
}

impl NetlinkSocket {
    /// Opens a socket in the calling thread's network namespace.
    ///
    /// # Errors
    ///
    /// [`NetlinkError::Open`].
    pub fn open() -> Result<Self, NetlinkError> {
        let open = || -> Result<OwnedFd, Errno> {
            let fd = socket_with(
                AddressFamily::NETLINK,
                SocketType::RAW,
                SocketFlags::CLOEXEC,
                Some(NETFILTER),
            )?;
            set_socket_timeout(&fd, Timeout::Recv, Some(ANSWER_TIMEOUT))?;
            set_socket_timeout(&fd, Timeout::Send, Some(ANSWER_TIMEOUT))?;
            Ok(fd)
        };
        Ok(Self {
            fd: open().map_err(|errno| NetlinkError::Open(errno.into()))?,
            sequence: 0,
            buffer: vec![0; DATAGRAM],
        })
    }

    /// Sends a request and waits for the answer: its objects, decoded with `decode`, and whether they changed while the kernel
    /// listed them. `Ok(None)` when the kernel lost a part of the answer.
    ///
    /// # Errors
    ///
    /// [`NetlinkError`]. Rests of the answer may still arrive on the socket then, so it must not be used again.
    pub fn ask<T>(
        &mut self,
        request: &NetlinkRequest,
        decode: impl Fn(&Object<'_>) -> Result<T, Malformed>,
    ) -> Result<Option<(Vec<T>, bool)>, NetlinkError> {
        Ok(match self.ask_until(request, decode, || false)? {
            Asked::Whole(items, changed) => Some((items, changed)),
            Asked::Enough | Asked::Lost => None,
        })
    }

    /// The same, until `enough` says so after a datagram. Unless the answer is whole, the socket must not be used again.
    ///
    /// # Errors
    ///
    /// [`NetlinkError`].
    pub fn ask_until<T>(
        &mut self,
        request: &NetlinkRequest,
        decode: impl Fn(&Object<'_>) -> Result<T, Malformed>,
        enough: impl Fn() -> bool,
    ) -> Result<Asked<T>, NetlinkError> {
        self.sequence = self.sequence.wrapping_add(1);
        let encoded = request.encode(self.sequence);
        retry_on_intr(|| sendto(&self.fd, &encoded, SendFlags::empty(), &KERNEL))
            .map_err(|errno| refused(request, errno))?;
        let mut answer = Answer::new(request, self.sequence);
        loop {
            let datagram = match self.receive() {
                Ok(datagram) => datagram.map_err(|e| NetlinkError::Malformed(*request, e))?,
                Err(Errno::NOBUFS) => return Ok(Asked::Lost),
                Err(errno) => return Err(refused(request, errno)),
            };
            match answer.take(datagram, &decode) {
                Ok(true) => {
                    let (items, changed) = answer.finish();
                    return Ok(Asked::Whole(items, changed));
                }
                Ok(false) if enough() => return Ok(Asked::Enough),
                Ok(false) => (),
                Err(AnswerError::Overrun) => return Ok(Asked::Lost),
                Err(AnswerError::Refused(errno)) => {
                    return Err(refused(request, Errno::from_raw_os_error(errno)));
                }
                Err(AnswerError::Malformed(error)) => {
                    return Err(NetlinkError::Malformed(*request, error));
                }
            }
        }
    }

    fn receive(&mut self) -> Result<Result<&[u8], Malformed>, Errno> {
        let (fd, buffer) = (&self.fd, &mut self.buffer);
        // TRUNC: the length is that of the datagram, even where it does not fit.
        let (_, length, sender) =
            retry_on_intr(|| recvfrom(fd, &mut buffer[..], RecvFlags::TRUNC))?;
        if sender.and_then(|sender| SocketAddrNetlink::try_from(sender).ok()) != Some(KERNEL) {
            return Ok(Err(Malformed::Content("it is not from the kernel")));
        }
        let room = self.buffer.len();
        Ok(self.buffer.get(..length).ok_or(Malformed::Length {
            what: "datagram",
            length,
            room,
        }))
    }
}

/// The error that an errno stands for, from a system call or in an answer.
fn refused(request: &NetlinkRequest, errno: Errno) -> NetlinkError {
    match errno {
        Errno::PERM | Errno::ACCESS => {
            NetlinkError::NotPermitted(*request, DeniedRemedy::after_denial(NETLINK))
        }
        Errno::AGAIN => NetlinkError::Timeout(*request),
        // nfnetlink_rcv_msg() returns EINVAL when no module answers, even after modprobe, or when the module is older than the
        // request.
        Errno::INVAL | Errno::NOENT | Errno::OPNOTSUPP | Errno::PROTONOSUPPORT => {
            NetlinkError::Unsupported(*request, errno.into())
        }
        _ => NetlinkError::Io(*request, errno.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_say_what_to_do() {
        let request = NetlinkRequest {
            name: "IPCTNL_MSG_CT_GET_STATS",
            module: "nf_conntrack_netlink",
            subsystem: 1,
            answer_subsystem: 1,
            message: 5,
            answer_message: None,
            family: 0,
            dump: false,
            attributes: &[],
        };
        let check = |errno, expected| {
            assert_eq!(refused(&request, errno).to_string(), expected);
        };
        assert_eq!(
            NetlinkError::NotPermitted(request, DeniedRemedy::BeRoot).to_string(),
            "IPCTNL_MSG_CT_GET_STATS: needs CAP_NET_ADMIN in this network namespace; run as root",
        );
        assert!(matches!(
            refused(&request, Errno::PERM),
            NetlinkError::NotPermitted(..)
        ));
        check(
            Errno::INVAL,
            "IPCTNL_MSG_CT_GET_STATS: this kernel cannot answer (Invalid argument (os error 22)); \
             load nf_conntrack_netlink (`modprobe nf_conntrack_netlink`) where it has that module",
        );
        check(
            Errno::AGAIN,
            "IPCTNL_MSG_CT_GET_STATS: no answer within 1 s; asked again at the next reading",
        );
        check(
            Errno::NOMEM,
            "IPCTNL_MSG_CT_GET_STATS: Cannot allocate memory (os error 12)",
        );
    }
}
