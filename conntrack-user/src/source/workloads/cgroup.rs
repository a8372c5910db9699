//! What the cgroup of a process says about it. Pure.
//!
//! The manager of the host (systemd, kubelet, a container runtime) names the first parts of a path, and only those are believed:
//! what is below a container, its processes may have named themselves. So is what is below a unit of systemd, which may have been
//! given to an ordinary user (`user@1000.service`); a container there is shown as that unit's.

use crate::{reading::workload::Workload, text::Text};

/// Hexadecimal digits of a container's id, as Docker, containerd, CRI-O and Podman choose it.
const ID: usize = 64;

/// Units that make the cgroups of containers with their own: containerd, where kubelet and it disagree about systemd.
const RUNTIMES: [&str; 1] = ["containerd.service"];

/// What a cgroup says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CgroupOwner {
    pub workload: Workload,
    /// Whether a unit may have named the cgroup, and not the manager of the host.
    pub delegated: bool,
}

/// Reads `/proc/PID/cgroup`; `None` where it tells nothing:
///
/// ```text
/// 1:name=systemd:/docker/<id>
/// 0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod<uid>.slice/cri-containerd-<id>.scope
/// ```
#[must_use]
pub fn owner(file: &str) -> Option<CgroupOwner> {
    let mut paths: Vec<(u8, &str)> = file
        .lines()
        .filter_map(|line| {
            let mut fields = line.splitn(3, ':');
            let (number, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
            let order = match (number, controllers) {
                ("0", "") => 0,
                (_, "name=systemd") => 1,
                _ => 2,
            };
            Some((order, path))
        })
        .collect();
    paths.sort_by_key(|(order, _)| *order);
    let mut owners: Vec<CgroupOwner> = paths.iter().filter_map(|(_, path)| of_path(path)).collect();
    let of_container = owners
        .iter()
        .position(|owner| owner.workload.is_container());
    match of_container {
        Some(at) => Some(owners.swap_remove(at)),
        None => owners.into_iter().next(),
    }
}

fn of_path(path: &str) -> Option<CgroupOwner> {
    // A process that ends may be in a cgroup that is gone.
    let path = path.strip_suffix(" (deleted)").unwrap_or(path);
    let mut unit: Option<&str> = None;
    let mut workload = Workload::default();
    let (mut parent, mut of_kubelet) = ("", false);
    // From within a cgroup namespace, others are beside it: `/../../kubepods-…`.
    let parts = path.split('/').filter(|part| !matches!(*part, "" | ".."));
    for part in parts {
        let delegated = unit.is_some_and(|unit| !RUNTIMES.contains(&unit));
        if !delegated {
            of_kubelet |= part.contains("kubepods");
            if let Some(uid) = of_kubelet.then(|| pod_uid(part)).flatten() {
                workload.pod_uid = Some(uid.into());
            }
        }
        let found = container(part, parent);
        // By its name alone, anything can be a machine.
        let found = found.filter(|found| !delegated || found.id.is_some());
        if let Some(found) = found {
            workload.container_id = found.id.map(|id| Text::from(id.to_owned()));
            workload.container = found.name.map(Text::from);
            workload.runtime = found.runtime.map(Text::fixed);
            workload.unit = unit.filter(|_| delegated).map(unit_text);
            return Some(CgroupOwner {
                workload,
                delegated,
            });
        }
        if unit.is_none() && is_unit(part) {
            unit = Some(part);
        }
        parent = part;
    }
    workload.unit = unit.map(unit_text);
    let known = workload.unit.is_some() || workload.is_of_pod();
    known.then_some(CgroupOwner {
        workload,
        delegated: false,
    })
}

/// The uid in a pod's cgroup: `kubepods-besteffort-pod<uid>.slice`, where systemd makes it, else `pod<uid>`.
fn pod_uid(part: &str) -> Option<String> {
    let part = part.split(':').next()?;
    let uid = match part.strip_suffix(".slice") {
        Some(slice) => slice.rsplit_once("-pod")?.1.replace('_', "-"),
        None => part.strip_prefix("pod")?.to_owned(),
    };
    // A UUID, or of a static pod a hash.
    let digits = uid.bytes().filter(u8::is_ascii_hexdigit).count();
    let dashes = uid.bytes().filter(|byte| *byte == b'-').count();
    (digits == 32 && digits + dashes == uid.len() && dashes <= 4).then_some(uid)
}

#[derive(Default)]
struct ContainerPart<'a> {
    id: Option<&'a str>,
    name: Option<String>,
    runtime: Option<&'static str>,
}

/// The container that a part of a path is of.
fn container<'a>(part: &'a str, parent: &str) -> Option<ContainerPart<'a>> {
    let named = |name: &str, runtime| ContainerPart {
        name: Some(unescaped(name)),
        runtime,
        ..ContainerPart::default()
    };
    if let Some(name) = part.strip_prefix("lxc.payload.") {
        return Some(named(name, Some("lxc")));
    }
    let nspawn = part.strip_prefix("systemd-nspawn@");
    if let Some(name) = nspawn.and_then(|part| part.strip_suffix(".service")) {
        return Some(named(name, Some("systemd-nspawn")));
    }
    let scope = part.strip_suffix(".scope");
    if let Some(name) = scope.and_then(|part| part.strip_prefix("machine-")) {
        return Some(named(name, None));
    }
    let part = scope.unwrap_or(part);
    let start = part.len().checked_sub(ID)?;
    let (maker, id) = (part.get(..start)?, part.get(start..)?);
    let maker = match maker {
        "" => "",
        maker => maker.strip_suffix(['-', ':'])?,
    };
    let maker = maker.rsplit(':').next()?;
    let is_id = id.bytes().all(|byte| byte.is_ascii_hexdigit());
    // What looks after a container is not in it.
    (is_id && !maker.contains("conmon")).then(|| ContainerPart {
        id: Some(id),
        name: None,
        runtime: runtime(maker, parent),
    })
}

fn runtime(maker: &str, parent: &str) -> Option<&'static str> {
    match (maker, parent) {
        ("cri-containerd" | "nerdctl", _) => Some("containerd"),
        ("crio", _) => Some("cri-o"),
        ("docker", _) | ("", "docker") => Some("docker"),
        ("libpod" | "libpod-payload", _) => Some("podman"),
        _ => None,
    }
}

fn is_unit(part: &str) -> bool {
    let part = unmarked(part);
    part.len() > ".scope".len() && (part.ends_with(".service") || part.ends_with(".scope"))
}

/// systemd marks names that would be taken for files of the kernel's: `_cgroup.service`.
fn unmarked(part: &str) -> &str {
    part.strip_prefix('_').unwrap_or(part)
}

fn unit_text(part: &str) -> Text {
    unmarked(part).to_owned().into()
}

/// What systemd has made part of a unit's name: `\x2d` is a dash. What is no such escape stays as it is.
fn unescaped(name: &str) -> String {
    let mut bytes = Vec::with_capacity(name.len());
    let mut rest = name.as_bytes();
    while let [first, after @ ..] = rest {
        let escaped = match rest {
            [b'\\', b'x', high, low, ..] => {
                let digit = |byte: u8| char::from(byte).to_digit(16);
                digit(*high)
                    .zip(digit(*low))
                    .map(|(high, low)| (high * 16 + low) as u8)
            }
            _ => None,
        };
        bytes.push(escaped.unwrap_or(*first));
        rest = match escaped {
            Some(_) => &rest[4..],
            None => after,
        };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ONE: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    const OTHER: &str = "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210";
    const UID: &str = "0b7632a2-a56e-4278-987a-22de18008dbe";
    const SYSTEMD_UID: &str = "0b7632a2_a56e_4278_987a_22de18008dbe";

    /// Short: pod's uid, container's id or name, runtime, unit, and whether it is delegated.
    fn short(file: &str) -> String {
        let Some(CgroupOwner {
            workload,
            delegated,
        }) = owner(file)
        else {
            return "-".to_owned();
        };
        let id = workload.container_id.map(|id| match id.raw() {
            ONE => "one".into(),
            OTHER => "other".into(),
            _ => id,
        });
        let parts = [
            workload.pod_uid.map(|uid| match uid.raw() {
                UID => "uid".into(),
                _ => uid,
            }),
            id.or(workload.container),
            workload.runtime,
            workload.unit,
            delegated.then(|| "delegated".into()),
        ];
        let parts: Vec<String> = parts.iter().flatten().map(ToString::to_string).collect();
        parts.join(" ")
    }

    fn of(path: &str) -> String {
        short(&format!("0::{path}\n"))
    }

    #[test]
    fn pods() {
        let slice = format!("kubepods-burstable-pod{SYSTEMD_UID}.slice");
        let below = format!("/kubepods.slice/kubepods-burstable.slice/{slice}");
        assert_eq!(
            of(&format!("{below}/cri-containerd-{ONE}.scope")),
            "uid one containerd"
        );
        assert_eq!(of(&format!("{below}/crio-{ONE}.scope")), "uid one cri-o");
        assert_eq!(of(&format!("{below}/docker-{ONE}.scope")), "uid one docker");
        // Guaranteed pods, and the cgroupfs driver.
        assert_eq!(
            of(&format!(
                "/kubepods.slice/kubepods-pod{SYSTEMD_UID}.slice/cri-containerd-{ONE}.scope"
            )),
            "uid one containerd"
        );
        for class in ["besteffort/", "burstable/", ""] {
            assert_eq!(of(&format!("/kubepods/{class}pod{UID}/{ONE}")), "uid one");
        }
        assert_eq!(
            of(&format!("/kubepods/pod{UID}/crio-{ONE}")),
            "uid one cri-o"
        );
        // A static pod has a hash for a uid.
        assert_eq!(
            of(&format!("/kubepods/burstable/pod{}/{ONE}", &OTHER[..32])),
            format!("{} one", &OTHER[..32])
        );
        // A configured root; containerd and kubelet that disagree; another cgroup namespace; what is left of a pod.
        assert_eq!(
            of(&format!(
                "/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-besteffort.slice/\
                 kubelet-kubepods-besteffort-pod{SYSTEMD_UID}.slice/cri-containerd-{ONE}.scope"
            )),
            "uid one containerd"
        );
        assert_eq!(
            of(&format!(
                "/system.slice/containerd.service/{slice}:cri-containerd:{ONE}"
            )),
            "uid one containerd"
        );
        assert_eq!(
            of(&format!("/../../{slice}/cri-containerd-{ONE}.scope")),
            "uid one containerd"
        );
        assert_eq!(of(&below), "uid");
        assert_eq!(of(&format!("{below} (deleted)")), "uid");
        // The monitor of a container is not in it.
        assert_eq!(
            of(&format!("{below}/crio-conmon-{ONE}.scope")),
            format!("uid crio-conmon-{ONE}.scope")
        );
    }

    #[test]
    fn containers() {
        for (path, expected) in [
            (format!("/system.slice/docker-{ONE}.scope"), "one docker"),
            (format!("/docker/{ONE}"), "one docker"),
            (
                format!("/machine.slice/libpod-{ONE}.scope/container"),
                "one podman",
            ),
            (format!("/default/{ONE}"), "one"),
            (format!("/ecs/task/{ONE}"), "one"),
            ("/lxc.payload.web".to_owned(), "web lxc"),
            (
                "/machine.slice/systemd-nspawn@my\\x2dbox.service/payload".to_owned(),
                "my-box systemd-nspawn",
            ),
            (
                "/machine.slice/machine-qemu\\x2d1\\x2dvm.scope".to_owned(),
                "qemu-1-vm",
            ),
        ] {
            assert_eq!(of(&path), expected, "{path}");
        }
    }

    #[test]
    fn units() {
        for (path, unit) in [
            ("/system.slice/ssh.service", "ssh.service"),
            ("/init.scope", "init.scope"),
            (
                "/system.slice/system-getty.slice/getty@tty1.service",
                "getty@tty1.service",
            ),
            (
                "/user.slice/user-1000.slice/session-3.scope",
                "session-3.scope",
            ),
            (
                "/user.slice/user-1000.slice/user@1000.service/app.slice/firefox.service",
                "user@1000.service",
            ),
            ("/system.slice/_cpu.service", "cpu.service"),
            ("/system.slice/a\\x2db.service", "a\\x2db.service"),
            ("/", "-"),
            ("/system.slice", "-"),
            ("/foo/bar", "-"),
        ] {
            assert_eq!(of(path), unit, "{path}");
        }
    }

    #[test]
    fn of_several_hierarchies_the_one_with_a_container_is_taken() {
        let hybrid = format!("4:memory:/docker/{ONE}\n1:name=systemd:/docker/{ONE}\n0::/\n");
        assert_eq!(short(&hybrid), "one docker");
        let legacy = format!("12:cpu,cpuacct:/docker/{ONE}\n1:name=systemd:/init.scope\n");
        assert_eq!(short(&legacy), "one docker");
        let unit = "4:memory:/foo.service\n1:name=systemd:/system.slice/ssh.service\n0::/\n";
        assert_eq!(short(unit), "ssh.service");
    }

    /// Anybody may make cgroups below a unit that was given to them, under any name.
    #[test]
    fn what_others_than_the_host_have_named_is_not_believed() {
        let pod =
            format!("kubepods.slice/kubepods-pod{SYSTEMD_UID}.slice/cri-containerd-{OTHER}.scope");
        let user = "/user.slice/user-1000.slice/user@1000.service";
        assert_eq!(
            of(&format!("{user}/user.slice/libpod-{ONE}.scope/container")),
            "one podman user@1000.service delegated"
        );
        assert_eq!(
            of(&format!("{user}/{pod}")),
            "other containerd user@1000.service delegated"
        );
        assert_eq!(of(&format!("{user}/lxc.payload.web")), "user@1000.service");
        // In a container, whose id is the host's word.
        assert_eq!(
            of(&format!("/system.slice/docker-{ONE}.scope/{pod}")),
            "one docker"
        );
        // A uid must be one.
        for uid in [
            "",
            "..",
            "0b7632a2/../x",
            "0b7632a2_a56e_4278_987a_22de18008dbx",
        ] {
            assert_eq!(
                of(&format!("/kubepods.slice/kubepods-pod{uid}.slice")),
                "-",
                "{uid}"
            );
        }
        // Not below kubelet's cgroups.
        assert_eq!(of(&format!("/pod{UID}/{ONE}")), "one");
    }

    #[test]
    fn names_are_unescaped() {
        for (escaped, name) in [
            ("a\\x2db", "a-b"),
            ("\\x41\\x4", "A\\x4"),
            ("\\x\\xzz\\", "\\x\\xzz\\"),
            ("\\xff", "\u{fffd}"),
        ] {
            assert_eq!(unescaped(escaped), name);
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_not(text in any::<String>()) {
            let _ = owner(&text);
        }

        #[test]
        fn any_path_is_read_or_not(parts in prop::collection::vec(prop_oneof![
            "[a-z-]{0,9}", "docker-[0-9a-f]{62,66}\\.scope", "kubepods(-pod[0-9a-f_]{30,38})?\\.slice",
            "\\PC{0,70}", "[a-z@]{1,5}\\.(service|scope|slice)", "pod[0-9a-f-]{30,38}", "lxc.payload.\\PC{0,9}"], 0..6)) {
            let file = format!("0::/{}\n", parts.join("/"));
            if let Some(CgroupOwner { workload, delegated }) = owner(&file) {
                prop_assert!(workload != Workload::default());
                prop_assert!(workload.container_id.iter().all(|id| id.raw().len() == ID));
                // Nothing of a pod is believed of what a unit has named.
                prop_assert!(!delegated || !workload.is_of_pod());
            }
        }
    }
}
