//! A value for each counter.

use crate::model::kernel::counters::{COUNT, COUNTERS, Counter, CounterSpec};

/// A value for some of the counters, indexed by counter.
#[derive(Clone, Debug, PartialEq)]
pub struct PerCounter<T>([Option<T>; COUNT]);

impl<T> Default for PerCounter<T> {
    fn default() -> Self {
        Self([const { None }; COUNT])
    }
}

impl<T> PerCounter<T> {
    /// The value of a counter, if it has one.
    #[must_use]
    pub fn get(&self, counter: Counter) -> Option<&T> {
        self.0[counter as usize].as_ref()
    }

    /// The value of a counter, if it has one, mutable.
    pub fn get_mut(&mut self, counter: Counter) -> Option<&mut T> {
        self.0[counter as usize].as_mut()
    }

    /// The value of a counter; inserts one if it has none.
    pub fn get_or_insert_with(&mut self, counter: Counter, value: impl FnOnce() -> T) -> &mut T {
        self.0[counter as usize].get_or_insert_with(value)
    }

    /// Sets or clears the value of a counter.
    pub fn set(&mut self, counter: Counter, value: Option<T>) {
        self.0[counter as usize] = value;
    }

    /// Whether no counter has a value.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(Option::is_none)
    }

    /// Computes the values from the table's rows.
    pub fn from_fn(mut value: impl FnMut(&'static CounterSpec) -> Option<T>) -> Self {
        Self(std::array::from_fn(|i| value(&COUNTERS[i])))
    }

    /// The counters with values, in table order, mutable.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (Counter, &mut T)> {
        COUNTERS
            .iter()
            .zip(&mut self.0)
            .filter_map(|(spec, value)| value.as_mut().map(|value| (spec.id, value)))
    }

    /// The counters that have a value, in table order.
    pub fn iter(&self) -> impl Iterator<Item = (Counter, &T)> {
        COUNTERS
            .iter()
            .filter_map(|spec| self.get(spec.id).map(|value| (spec.id, value)))
    }
}
