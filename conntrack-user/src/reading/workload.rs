//! What processes and addresses belong to: a pod's container, another container, or a unit of systemd.

use std::{
    collections::HashMap,
    fmt::{self, Write as _},
    net::IpAddr,
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use crate::text::{Plain, Text};

/// The most characters that are shown of one name: those of a label of DNS, which most of these names are.
const SHOWN: usize = 63;

/// The digits of a container's id that its tools show.
const SHORT_ID: usize = 12;

/// A pod, container or unit. What is not known is left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Workload {
    /// The pod's namespace, which is none of the network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_namespace: Option<Text>,
    /// The pod's name, as its manifest has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod: Option<Text>,
    /// As the API server has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_uid: Option<Text>,
    /// The container's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<Text>,
    /// 64 hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container_id: Option<Text>,
    /// `containerd`, `cri-o`, `docker`, `podman`, `lxc`, `systemd-nspawn`, …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtime: Option<Text>,
    /// Of systemd, as `systemctl status` takes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<Text>,
}

impl Workload {
    /// Whether it is (a container of) a pod.
    #[must_use]
    pub fn is_of_pod(&self) -> bool {
        self.pod.is_some() || self.pod_uid.is_some()
    }

    /// Whether it is a container, of a pod or not.
    #[must_use]
    pub fn is_container(&self) -> bool {
        self.container.is_some() || self.container_id.is_some()
    }

    /// Whether it is a service of systemd, and no container.
    #[must_use]
    pub fn is_service(&self) -> bool {
        let unit = self.unit.as_ref().map(Text::raw);
        let service = unit.is_some_and(|unit| unit.ends_with(".service"));
        service && !self.is_of_pod() && !self.is_container()
    }

    /// Its pod, without the container.
    #[must_use]
    pub fn whole_pod(&self) -> Self {
        Self {
            pod_namespace: self.pod_namespace.clone(),
            pod: self.pod.clone(),
            pod_uid: self.pod_uid.clone(),
            ..Self::default()
        }
    }

    /// Whether `other` is the same, or a container of the pod that this is.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        self == other || (self.is_of_pod() && !self.is_container() && *self == other.whole_pod())
    }

    /// Whether it is the service that a program is named after: it says nothing more.
    #[must_use]
    pub fn is_service_of(&self, program: &str) -> bool {
        let unit = self.unit.as_ref().map(Text::raw);
        let service = unit.and_then(|unit| unit.strip_suffix(".service"));
        self.is_service() && service == Some(program)
    }
}

impl fmt::Display for Workload {
    /// `shop/cart-7d9f/app`, `shop/cart-7d9f`, `pod 0f3c…`, `web`, `0123456789ab`, `0123456789ab of user@1000.service`,
    /// `nginx.service`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let container = self.container.as_ref().map(|name| NamePart(name.raw()));
        match (&self.pod, &self.pod_uid) {
            (Some(pod), _) => {
                if let Some(namespace) = &self.pod_namespace {
                    write!(f, "{}/", NamePart(namespace.raw()))?;
                }
                NamePart(pod.raw()).fmt(f)?;
            }
            (None, Some(uid)) => write!(f, "pod {}", NamePart(uid.raw()))?,
            (None, None) => {
                return match (container, &self.container_id, &self.unit) {
                    (Some(name), _, None) => name.fmt(f),
                    (Some(name), _, Some(unit)) => write!(f, "{name} of {}", NamePart(unit.raw())),
                    (None, Some(id), None) => ShortId(id.raw()).fmt(f),
                    (None, Some(id), Some(unit)) => {
                        write!(f, "{} of {}", ShortId(id.raw()), NamePart(unit.raw()))
                    }
                    (None, None, Some(unit)) => NamePart(unit.raw()).fmt(f),
                    (None, None, None) => Ok(()),
                };
            }
        }
        match container {
            Some(name) => write!(f, "/{name}"),
            None => Ok(()),
        }
    }
}

/// A name between slashes: slashes of its own would make it two.
struct NamePart<'a>(&'a str);

impl fmt::Display for NamePart<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, part) in cut(self.0, SHOWN).split('/').enumerate() {
            if i > 0 {
                f.write_str("\\u{2f}")?;
            }
            Plain(part).fmt(f)?;
        }
        match cut(self.0, SHOWN).len() < self.0.len() {
            true => f.write_char('…'),
            false => Ok(()),
        }
    }
}

struct ShortId<'a>(&'a str);

impl fmt::Display for ShortId<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        NamePart(cut(self.0, SHORT_ID)).fmt(f)
    }
}

/// The first characters of a text.
fn cut(text: &str, chars: usize) -> &str {
    match text.char_indices().nth(chars) {
        Some((end, _)) => &text[..end],
        None => text,
    }
}

/// The workloads of the network namespaces of this host, and of their addresses.
#[derive(Debug, Default)]
pub struct Workloads {
    /// What each namespace belongs to; `None`: to the host, to several, or that is not known.
    owners: Vec<Option<Arc<Workload>>>,
    /// By the inode number of the namespace.
    by_inode: HashMap<u32, usize>,
    /// The namespaces that have an address.
    by_address: HashMap<IpAddr, Vec<usize>>,
}

impl Workloads {
    /// Adds a namespace.
    pub fn add(
        &mut self,
        inode: Option<u32>,
        addresses: impl IntoIterator<Item = IpAddr>,
        owner: Option<Arc<Workload>>,
    ) {
        let number = self.owners.len();
        self.owners.push(owner);
        self.by_inode.extend(inode.map(|inode| (inode, number)));
        for address in addresses {
            let namespaces = self.by_address.entry(address).or_default();
            if namespaces.last() != Some(&number) {
                namespaces.push(number);
            }
        }
    }

    /// The number of addresses.
    #[must_use]
    pub fn addresses(&self) -> usize {
        self.by_address.len()
    }

    /// Forgets all addresses: of a part of them it cannot be told which are in one namespace only.
    pub fn forget_addresses(&mut self) {
        self.by_address.clear();
    }

    /// What a namespace belongs to.
    #[must_use]
    pub fn of_namespace(&self, inode: u32) -> Option<&Arc<Workload>> {
        self.owners[*self.by_inode.get(&inode)?].as_ref()
    }

    /// What an address belongs to, as it is seen in the namespace `here`: if that has it, to what that belongs to; else to the
    /// only other namespace that has it. Of several that have it, nobody here knows which is meant.
    #[must_use]
    pub fn of_address(&self, address: IpAddr, here: Option<u32>) -> Option<&Arc<Workload>> {
        let namespaces = self.by_address.get(&address)?;
        let here = here.and_then(|inode| self.by_inode.get(&inode));
        match (here, &namespaces[..]) {
            (Some(here), all) if all.contains(here) => self.owners[*here].as_ref(),
            (_, [only]) => self.owners[*only].as_ref(),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::text::is_harmful;

    fn some(text: &str) -> Option<Text> {
        Some(text.to_owned().into())
    }

    fn pod(namespace: &str, name: &str, container: Option<&str>) -> Workload {
        Workload {
            pod_namespace: some(namespace),
            pod: some(name),
            container: container.and_then(some),
            ..Workload::default()
        }
    }

    #[test]
    fn workloads_are_shown_as_their_tools_name_them() {
        let id = some(&"0123456789ab".repeat(5));
        let unit = |unit| Workload {
            unit: some(unit),
            ..Workload::default()
        };
        for (workload, shown) in [
            (pod("shop", "cart-7d9f", Some("app")), "shop/cart-7d9f/app"),
            (pod("shop", "cart-7d9f", None), "shop/cart-7d9f"),
            (
                Workload {
                    pod_uid: some("0f3c"),
                    container_id: id.clone(),
                    ..Workload::default()
                },
                "pod 0f3c",
            ),
            (
                Workload {
                    container: some("web"),
                    container_id: id.clone(),
                    ..Workload::default()
                },
                "web",
            ),
            (
                Workload {
                    container_id: id,
                    ..unit("user@1000.service")
                },
                "0123456789ab of user@1000.service",
            ),
            (unit("nginx.service"), "nginx.service"),
        ] {
            assert_eq!(workload.to_string(), shown);
        }
        assert!(unit("nginx.service").is_service_of("nginx"));
        assert!(!unit("nginx.service").is_service_of("php"));
    }

    #[test]
    fn a_pod_covers_its_containers() {
        let cart = pod("shop", "cart", None);
        assert!(cart.covers(&pod("shop", "cart", Some("app"))));
        assert!(!cart.covers(&pod("shop", "other", Some("app"))));
        assert!(!pod("shop", "cart", Some("log")).covers(&pod("shop", "cart", Some("app"))));
        assert!(!Workload::default().covers(&cart));
    }

    #[test]
    fn a_name_cannot_pretend_to_be_two() {
        assert_eq!(
            pod("a/b", "c", Some("../d\n\u{202e}")).to_string(),
            "a\\u{2f}b/c/..\\u{2f}d\\n\\u{202e}"
        );
        let long = pod("n", &"x".repeat(300), None).to_string();
        assert_eq!(long, format!("n/{}…", "x".repeat(SHOWN)));
    }

    #[test]
    fn an_address_belongs_to_the_namespace_here_else_to_the_only_one() {
        let address = |last| IpAddr::from([10, 0, 0, last]);
        let owner = |name| Some(Arc::new(pod("n", name, None)));
        let mut workloads = Workloads::default();
        workloads.add(Some(1), [address(1), address(9)], None);
        workloads.add(Some(2), [address(2), address(3), address(9)], owner("a"));
        workloads.add(Some(3), [address(3)], owner("b"));
        let name = |last, here| {
            let found = workloads.of_address(address(last), here);
            found.map(|workload| workload.to_string())
        };
        assert_eq!(name(2, Some(1)), Some("n/a".to_owned()));
        assert_eq!(name(2, None), Some("n/a".to_owned()));
        assert_eq!(name(3, Some(1)), None, "in two namespaces");
        assert_eq!(name(3, Some(3)), Some("n/b".to_owned()));
        assert_eq!(name(9, Some(1)), None, "it is the host's own");
        assert_eq!(name(9, Some(2)), Some("n/a".to_owned()));
        assert_eq!(name(7, Some(1)), None);
        assert_eq!(workloads.of_namespace(1), None);
        assert!(workloads.of_namespace(3).is_some());
    }

    proptest! {
        #[test]
        fn any_names_are_shown_bounded_and_harmless(names in prop::array::uniform7(prop::option::of(any::<String>())), times in 1_usize..100) {
            let [pod_namespace, pod, pod_uid, container, container_id, runtime, unit] =
                names.map(|name| name.map(|name| Text::from(name.repeat(times))));
            let workload = Workload { pod_namespace, pod, pod_uid, container, container_id, runtime, unit };
            let shown = workload.to_string();
            prop_assert!(!shown.chars().any(is_harmful));
            prop_assert!(shown.chars().count() < 3 * (SHOWN * 10 + 1) + 10);
            prop_assert!(shown.matches('/').count() <= 2);
            let json = serde_json::to_string(&workload).map_err(|e| TestCaseError::fail(e.to_string()))?;
            let back: Workload = serde_json::from_str(&json).map_err(|e| TestCaseError::fail(e.to_string()))?;
            prop_assert_eq!(back, workload);
        }
    }
}
