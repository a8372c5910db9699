//! A value for each counter.

use crate::model::kernel::counters::{COUNT, COUNTERS, Counter, CounterSpec};

/// A value for some of the counters, indexed by counter. Without any it takes no memory: many of a sample's are empty.
#[derive(Clone, Debug)]
pub struct PerCounter<T>(Option<Box<Values<T>>>);

type Values<T> = [Option<T>; COUNT];

impl<T> Default for PerCounter<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T: PartialEq> PartialEq for PerCounter<T> {
    fn eq(&self, other: &Self) -> bool {
        let mut counters = COUNTERS.iter().map(|spec| spec.id);
        counters.all(|counter| self.get(counter) == other.get(counter))
    }
}

impl<T> PerCounter<T> {
    /// The value of a counter, if it has one.
    #[must_use]
    pub fn get(&self, counter: Counter) -> Option<&T> {
        self.0.as_ref()?[counter as usize].as_ref()
    }

    /// The value of a counter, if it has one, mutable.
    pub fn get_mut(&mut self, counter: Counter) -> Option<&mut T> {
        self.0.as_mut()?[counter as usize].as_mut()
    }

    /// The value of a counter; inserts one if it has none.
    pub fn get_or_insert_with(&mut self, counter: Counter, value: impl FnOnce() -> T) -> &mut T {
        self.values()[counter as usize].get_or_insert_with(value)
    }

    /// Sets or clears the value of a counter.
    pub fn set(&mut self, counter: Counter, value: Option<T>) {
        if value.is_some() || self.0.is_some() {
            self.values()[counter as usize] = value;
        }
    }

    /// Whether no counter has a value.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let values = self.0.iter().flat_map(|values| &**values);
        values.flatten().next().is_none()
    }

    /// Computes the values from the table's rows.
    pub fn from_fn(mut value: impl FnMut(&'static CounterSpec) -> Option<T>) -> Self {
        let values: Values<T> = std::array::from_fn(|i| value(&COUNTERS[i]));
        let any = values.iter().any(Option::is_some);
        Self(any.then(|| Box::new(values)))
    }

    /// The counters with values, in table order, mutable.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (Counter, &mut T)> {
        let values = self.0.iter_mut().flat_map(|values| &mut **values);
        COUNTERS
            .iter()
            .zip(values)
            .filter_map(|(spec, value)| value.as_mut().map(|value| (spec.id, value)))
    }

    /// The counters that have a value, in table order.
    pub fn iter(&self) -> impl Iterator<Item = (Counter, &T)> {
        COUNTERS
            .iter()
            .filter_map(|spec| self.get(spec.id).map(|value| (spec.id, value)))
    }

    fn values(&mut self) -> &mut Values<T> {
        self.0
            .get_or_insert_with(|| Box::new([const { None }; COUNT]))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    type Map = BTreeMap<Counter, u8>;

    fn changes() -> impl Strategy<Value = Vec<(usize, Option<u8>)>> {
        prop::collection::vec((0..COUNT, prop::option::of(0..3_u8)), 0..6)
    }

    fn made(changes: &[(usize, Option<u8>)]) -> (PerCounter<u8>, Map) {
        let (mut values, mut map) = (PerCounter::default(), Map::new());
        for (i, value) in changes {
            let counter = COUNTERS[*i].id;
            values.set(counter, *value);
            match value {
                Some(value) => map.insert(counter, *value),
                None => map.remove(&counter),
            };
        }
        (values, map)
    }

    proptest! {
        /// It is a map in the order of the table.
        #[test]
        fn it_is_a_map(one in changes(), other in changes(), i in 0..COUNT) {
            let ((mut values, mut map), (others, other)) = (made(&one), made(&other));
            let counter = COUNTERS[i].id;
            prop_assert_eq!(values.get(counter), map.get(&counter));
            prop_assert_eq!(values.get_mut(counter), map.get_mut(&counter));
            prop_assert_eq!(values.is_empty(), map.is_empty());
            prop_assert_eq!(values == others, map == other);
            let copied = PerCounter::from_fn(|spec| map.get(&spec.id).copied());
            prop_assert!(copied == values);
            prop_assert!(values.iter().eq(map.iter().map(|(counter, value)| (*counter, value))));
            let mut seen = Map::new();
            for (counter, value) in values.iter_mut() {
                seen.insert(counter, *value);
                *value += 1;
            }
            prop_assert_eq!(&seen, &map);
            map.values_mut().for_each(|value| *value += 1);
            let inserted = *values.get_or_insert_with(counter, || 9);
            prop_assert_eq!(inserted, *map.entry(counter).or_insert(9));
            prop_assert!(values.iter().map(|(counter, value)| (counter, *value)).eq(map));
        }
    }

    #[test]
    fn without_values_it_takes_no_memory() {
        let mut values = PerCounter::<u64>::default();
        values.set(Counter::New, None);
        assert!(values.0.is_none() && PerCounter::<u64>::from_fn(|_| None).0.is_none());
    }
}
