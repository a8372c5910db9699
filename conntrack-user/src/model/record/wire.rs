//! How the parts of records are serialized and deserialized.

use std::{borrow::Cow, fmt, marker::PhantomData};

use jiff::Timestamp;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, MapAccess, Visitor},
    ser::SerializeMap,
};

use crate::{model::kernel::per_counter::PerCounter, text::Text};

/// A point in time, written as RFC 3339 in UTC with microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time(pub Timestamp);

impl Time {
    /// The latest that [`Self::nanos`] gives, in 2116: two of them and a length of time add up to less than [`i64::MAX`].
    pub(crate) const LATEST: i64 = 1 << 62;

    /// In nanoseconds since 1970, clamped to 1970 to 2116, whatever a recording contains.
    #[must_use]
    pub(crate) fn nanos(self) -> i64 {
        let nanos = self.0.as_nanosecond().clamp(0, i128::from(Self::LATEST));
        i64::try_from(nanos).unwrap_or(Self::LATEST)
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.6}", self.0)
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        text.parse().map(Self).map_err(de::Error::custom)
    }
}

/// A map that keeps its order, as that of chart dimensions is documented.
#[derive(Clone, Debug, PartialEq)]
pub struct Ordered<V>(pub Vec<(Text, V)>);

impl<V> Default for Ordered<V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<V> Ordered<V> {
    /// Whether it has no entries.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&V> {
        self.0.iter().find(|(k, _)| *k == key).map(|(_, v)| v)
    }
}

impl<V: Serialize> Serialize for Ordered<V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(k, v)| (k, v)))
    }
}

impl<'de, V: Deserialize<'de>> Deserialize<'de> for Ordered<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        entries(deserializer).map(Self)
    }
}

/// The entries of a map, in their order.
fn entries<'de, V: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<(Text, V)>, D::Error> {
    struct Entries<V>(PhantomData<V>);

    impl<'de, V: Deserialize<'de>> Visitor<'de> for Entries<V> {
        type Value = Vec<(Text, V)>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut entries = Vec::new();
            while let Some(entry) = map.next_entry()? {
                entries.push(entry);
            }
            Ok(entries)
        }
    }

    deserializer.deserialize_map(Entries(PhantomData))
}

/// The values of counters by name. Counters that this version does not know are ignored.
pub(super) fn from_names<'de, V: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<PerCounter<V>, D::Error> {
    let mut values = PerCounter::default();
    for (name, value) in entries::<Option<V>, D>(deserializer)? {
        if let Some(spec) = crate::model::kernel::counters::named(name.raw()) {
            values.set(spec.id, value);
        }
    }
    Ok(values)
}

pub(super) fn optional_from_names<'de, V: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<PerCounter<V>>, D::Error> {
    from_names(deserializer).map(Some)
}

pub(super) fn by_name<T: Serialize, S: Serializer>(
    values: &PerCounter<T>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(
        values
            .iter()
            .map(|(counter, value)| (counter.spec().name, value)),
    )
}

/// All counters, `null` where unavailable.
pub(super) fn all_by_name<T: Serialize, S: Serializer>(
    values: &PerCounter<T>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(crate::model::kernel::counters::COUNT))?;
    for spec in &crate::model::kernel::counters::COUNTERS {
        map.serialize_entry(spec.name, &values.get(spec.id))?;
    }
    map.end()
}

pub(super) fn is_none_left_out(count: &u64) -> bool {
    *count == 0
}

pub(super) fn is_zero(value: &f64) -> bool {
    *value == 0.0
}

pub(super) fn optional_by_name<T: Serialize, S: Serializer>(
    values: &Option<PerCounter<T>>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match values {
        Some(values) => by_name(values, serializer),
        None => serializer.serialize_none(),
    }
}
