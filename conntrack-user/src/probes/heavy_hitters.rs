//! The eBPF programs' tables of heavy hitters, and the generation that rotates them: programs count in one half while user space
//! reads the other.

use aya::{
    Ebpf,
    maps::{Array, MapData, MapError},
};
use conntrack_ebpf::{heavy_hitters::SketchShape, maps};

use super::{
    error::AttachError,
    load::{array, take},
};
use crate::source::maps::heavy_hitters::SketchMaps;

/// The tables, and the generation, whose lowest bit tells the programs which half to count in.
pub struct KernelSketches {
    generation: Array<MapData, u64>,
    current: u64,
    maps: SketchMaps,
}

impl KernelSketches {
    /// Takes the maps out of the loaded object.
    ///
    /// # Errors
    ///
    /// When they are not there, or cannot be mapped.
    pub fn new(ebpf: &mut Ebpf, shape: SketchShape) -> Result<Self, AttachError> {
        let maps =
            SketchMaps::new(array(ebpf, maps::HEAVY_HITTERS)?.fd(), shape).map_err(|cause| {
                AttachError::Memory {
                    what: "heavy hitters",
                    cause,
                }
            })?;
        let generation = take(ebpf, maps::HEAVY_HITTERS_GENERATION)?
            .try_into()
            .map_err(of_generation)?;
        Ok(Self {
            generation,
            // The value of a new map.
            current: 0,
            maps,
        })
    }

    /// Starts the next generation, and returns the number of the one that ended. A program may still be counting in that one: wait a
    /// moment before reading it.
    ///
    /// # Errors
    ///
    /// When the kernel refuses.
    pub fn rotate(&mut self) -> Result<u64, AttachError> {
        let ended = self.current;
        self.generation
            .set(0, &(ended + 1), 0)
            .map_err(of_generation)?;
        self.current = ended + 1;
        Ok(ended)
    }

    /// The tables of both halves.
    #[must_use]
    pub fn maps(&self) -> &SketchMaps {
        &self.maps
    }
}

fn of_generation(cause: MapError) -> AttachError {
    AttachError::Map {
        map: maps::HEAVY_HITTERS_GENERATION,
        cause,
    }
}
