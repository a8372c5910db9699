//! Leaders counted by the programs, one generation after the other.

use aya::{
    Ebpf,
    maps::{Array, Map, MapData},
};
use conntrack_ebpf::{LEADERS_GENERATION_MAP, LEADERS_MAP};

use crate::source::maps::heavy_hitters::{LeaderMaps, LeaderShape};

/// The programs' counts.
pub struct KernelLeaders {
    generation: Array<MapData, u64>,
    current: u64,
    maps: LeaderMaps,
    shape: LeaderShape,
}

impl KernelLeaders {
    /// Takes the maps out of the loaded object.
    ///
    /// # Errors
    ///
    /// When they are not there, or cannot be mapped.
    pub fn new(ebpf: &mut Ebpf, shape: LeaderShape) -> Result<Self, String> {
        let missing = |name: &str| format!("the eBPF object has no map {name}");
        let maps = match ebpf.map(LEADERS_MAP) {
            Some(Map::Array(data)) => {
                LeaderMaps::new(data.fd(), shape).map_err(|e| format!("{LEADERS_MAP}: {e}"))?
            }
            _ => return Err(missing(LEADERS_MAP)),
        };
        let generation = ebpf
            .take_map(LEADERS_GENERATION_MAP)
            .ok_or_else(|| missing(LEADERS_GENERATION_MAP))?
            .try_into()
            .map_err(|e| format!("{LEADERS_GENERATION_MAP}: {e}"))?;
        Ok(Self {
            generation,
            // As the maps are when they are made.
            current: 0,
            maps,
            shape,
        })
    }

    /// Begins the next generation and gives the number of the one that ends. A program may still be
    /// counting in it: leave it a moment.
    ///
    /// # Errors
    ///
    /// When the kernel refuses.
    pub fn turn(&mut self) -> Result<u64, String> {
        let ended = self.current;
        self.generation
            .set(0, &(ended + 1), 0)
            .map_err(|e| format!("{LEADERS_GENERATION_MAP}: {e}"))?;
        self.current = ended + 1;
        Ok(ended)
    }

    /// The counts.
    #[must_use]
    pub fn maps(&self) -> &LeaderMaps {
        &self.maps
    }

    /// Their shape.
    #[must_use]
    pub fn shape(&self) -> LeaderShape {
        self.shape
    }
}
