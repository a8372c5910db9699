//! The macro that turns rows of the table into types.

/// Defines [`ProbeCounter`], [`Function`] and [`PROBES`](super::PROBES) from the rows.
///
/// A row is: its group, `timed` where its programs measure time, and
/// - `counts`: one line a counter (none where the programs only serve what other rows count), marked `every_flow` when every flow increments it;
/// - `shares`: counters of other rows that take this row's programs, too;
/// - `on`: the function with its programs. `entry stem` are the programs `stem` (kprobe) and
///   `stem_fentry`, `exit stem` are `stem_return` (kretprobe) and `stem_fexit`;
/// - `or`: a function to use where the kernel has none of those before, `with` another that is probed together with it;
///   `and`: one to probe besides, if the kernel has it;
/// - `reads`: the kernel fields of all of its programs.
macro_rules! probes {
    ($(
        $group:ident $($timed:ident)? {
            counts { $( $(#[$doc:meta])* $counter:ident $(: $often:ident)?; )* }
            $(shares { $($shared:ident),+ })?
            on $function:ident = $symbol:literal { $($edge:ident $stem:ident),+ };
            $(or $other:ident = $other_symbol:literal { $($other_edge:ident $other_stem:ident),+ }
                $(with $more:ident = $more_symbol:literal { $($more_edge:ident $more_stem:ident),+ })?;)*
            $(and $extra:ident = $extra_symbol:literal { $($extra_edge:ident $extra_stem:ident),+ };)*
            reads { $($field:ident),* $(,)? }
        }
    )+) => {
        /// The counters of the programs. The discriminant is the index into
        /// [`CellTotals::counts`](crate::cells::CellTotals::counts) and [`Bucket::words`](crate::cells::Bucket::words).
        ///
        /// The counters that every flow increments come first, so that they share a cache line.
        #[repr(u32)]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum ProbeCounter {
            $($( $(#[$doc])* $counter = place(Declared::$counter as usize) as u32, )*)+
        }

        impl ProbeCounter {
            /// All counters, in the order of their discriminants.
            pub const ALL: [Self; COUNTERS] = {
                let declared = [$($( Self::$counter, )*)+];
                let mut all = declared;
                let mut i = 0;
                while i < COUNTERS {
                    all[declared[i] as usize] = declared[i];
                    i += 1;
                }
                all
            };
        }

        /// The counters in the order of the rows.
        #[derive(Clone, Copy)]
        enum Declared {
            $($( $counter, )*)+
        }

        const COUNTERS: usize = EVERY_FLOW.len();

        /// Whether every flow increments it, by [`Declared`].
        const EVERY_FLOW: &[bool] = &[$($( probes!(@often $($often)?), )*)+];

        /// The kernel functions that can be probed, in the order of the rows.
        #[repr(u32)]
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Function {
            $(
                #[doc = concat!("`", $symbol, "`")]
                $function,
                $(
                    #[doc = concat!("`", $other_symbol, "`")]
                    $other,
                    $( #[doc = concat!("`", $more_symbol, "`")] $more, )?
                )*
                $( #[doc = concat!("`", $extra_symbol, "`")] $extra, )*
            )+
        }

        /// The table, in the order in which probes are attached and reported.
        pub const PROBES: [ProbeRow; [$(ProbeGroup::$group),+].len()] = [$(
            ProbeRow {
                group: ProbeGroup::$group,
                timed: probes!(@timed $($timed)?),
                counters: &[$(ProbeCounter::$counter,)* $($(ProbeCounter::$shared),+)?],
                reads: &[$(fields::$field),*],
                alternatives: &[
                    probes!(@function $function $symbol [] $($edge $stem)+),
                    $( probes!(
                        @function $other $other_symbol
                        [$( probes!(@function $more $more_symbol [] $($more_edge $more_stem)+) )?]
                        $($other_edge $other_stem)+
                    ), )*
                ],
                extras: &[
                    $( probes!(@function $extra $extra_symbol [] $($extra_edge $extra_stem)+), )*
                ],
            },
        )+];
    };

    (@often every_flow) => { true };
    (@often) => { false };
    (@timed timed) => { true };
    (@timed) => { false };
    (@function $function:ident $symbol:literal [$($besides:expr)?] $($edge:ident $stem:ident)+) => {
        ProbedFunction {
            function: Function::$function,
            name: $symbol,
            programs: &[$(probes!(@$edge $stem)),+],
            besides: &[$($besides)?],
        }
    };
    (@entry $stem:ident) => {
        ProgramPair {
            kprobe: stringify!($stem),
            fentry: concat!(stringify!($stem), "_fentry"),
            at_return: false,
        }
    };
    (@exit $stem:ident) => {
        ProgramPair {
            kprobe: concat!(stringify!($stem), "_return"),
            fentry: concat!(stringify!($stem), "_fexit"),
            at_return: true,
        }
    };
}

pub(super) use probes;
