//! Plots mirrored at zero, at the resolution of Braille dots: some dimensions grow up, others down.

use ratatui::{buffer::Buffer, layout::Rect, style::Style};

use crate::output::{
    format::axis::round_up,
    live::theme::{Glyphs, Palette, Theme},
};

/// A dimension in a plot.
#[derive(Clone, Debug)]
pub struct Drawn {
    /// A value for each column of dots; `None` if it is unknown.
    pub values: Vec<Option<f64>>,
    /// Whether it is drawn below zero.
    pub down: bool,
    /// Its index among the dimensions, which selects its pattern without colours.
    pub place: usize,
    /// Its colour.
    pub style: Style,
}

impl Drawn {
    fn highest(&self) -> f64 {
        self.values.iter().flatten().copied().fold(0.0, f64::max)
    }
}

/// The position of zero, and the scale.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PlotScale {
    /// Dots above zero.
    pub up: usize,
    /// Dots below zero.
    pub down: usize,
    /// The value of the topmost dot.
    pub top: f64,
    /// The value of the lowest dot.
    pub bottom: f64,
}

/// The number of dot columns in a plot of this width.
#[must_use]
pub fn dots_across(theme: Theme, width: u16) -> usize {
    usize::from(width) * across(theme.glyphs)
}

/// The number of dot columns in a character.
#[must_use]
pub fn dots_in_character(theme: Theme) -> usize {
    across(theme.glyphs)
}

fn across(glyphs: Glyphs) -> usize {
    match glyphs {
        Glyphs::Braille => 2,
        Glyphs::Ascii => 1,
    }
}

fn down(glyphs: Glyphs) -> usize {
    match glyphs {
        Glyphs::Braille => 4,
        Glyphs::Ascii => 2,
    }
}

impl PlotScale {
    /// Both directions have the same scale, so that they can be compared. `mirrored` reserves rows below zero even if there are
    /// no values.
    #[must_use]
    pub fn new(theme: Theme, drawn: &[Drawn], rows: u16, mirrored: bool) -> Self {
        let cell = down(theme.glyphs);
        let rows = usize::from(rows);
        let highest = |down: bool| {
            let of = drawn.iter().filter(|d| d.down == down);
            round_up(of.map(Drawn::highest).fold(0.0, f64::max))
        };
        let (above, below) = (highest(false), highest(true));
        // Zero is between two rows, so that no character shows both sides.
        let rows_up = if !mirrored || rows < 2 {
            if above == 0.0 && below > 0.0 { 0 } else { rows }
        } else if above + below == 0.0 {
            rows.div_ceil(2)
        } else {
            let share = (above / (above + below) * rows as f64).round() as usize;
            let least = usize::from(above > 0.0);
            let most = rows - usize::from(below > 0.0);
            share.clamp(least, most)
        };
        let (up, down) = (rows_up * cell, (rows - rows_up) * cell);
        let per_dot = |most: f64, dots: usize| if dots > 0 { most / dots as f64 } else { 0.0 };
        let dot = per_dot(above, up).max(per_dot(below, down));
        Self {
            up,
            down,
            top: dot * up as f64,
            bottom: dot * down as f64,
        }
    }

    /// The number of dots for a value: at least one if it is not 0.
    fn dots(self, value: f64, down: bool) -> usize {
        let (room, most) = if down {
            (self.down, self.bottom)
        } else {
            (self.up, self.top)
        };
        if value <= 0.0 || room == 0 || most <= 0.0 {
            return 0;
        }
        ((value / most * room as f64).round() as usize).clamp(1, room)
    }
}

/// Draws dimensions on top of each other, the largest at the back, with a line at zero.
pub fn draw(buffer: &mut Buffer, area: Rect, theme: Theme, drawn: &[Drawn], scale: PlotScale) {
    if area.is_empty() {
        return;
    }
    let mut order: Vec<&Drawn> = drawn.iter().collect();
    // Of equals, the first is in front.
    order.sort_by(|a, b| {
        let by_size = b.highest().total_cmp(&a.highest());
        by_size.then(b.place.cmp(&a.place))
    });
    zero_line(buffer, area, theme, drawn, scale);
    match theme.glyphs {
        Glyphs::Braille => braille(buffer, area, theme, &order, scale),
        Glyphs::Ascii => ascii(buffer, area, &order, scale),
    }
}

/// Draws the zero line where values are known. Without a line a value is unknown, and not zero.
fn zero_line(buffer: &mut Buffer, area: Rect, theme: Theme, drawn: &[Drawn], scale: PlotScale) {
    let per_cell = across(theme.glyphs);
    let known = |x: u16| {
        let first = usize::from(x - area.x) * per_cell;
        drawn.iter().any(|d| {
            let dots = d.values.iter().skip(first).take(per_cell);
            dots.flatten().next().is_some()
        })
    };
    let rows_up = u16::try_from(scale.up / down(theme.glyphs)).unwrap_or(u16::MAX);
    // The last row above zero, or the first below if there is none.
    let y = area.y + rows_up.saturating_sub(1).min(area.height - 1);
    for x in (area.left()..area.right()).filter(|x| known(*x)) {
        if let Some(cell) = buffer.cell_mut((x, y)) {
            cell.set_symbol(match theme.glyphs {
                Glyphs::Ascii => "_",
                Glyphs::Braille if rows_up == 0 => "⠉",
                Glyphs::Braille => "⣀",
            });
            cell.set_style(theme.rule());
        }
    }
}

/// The bits of the dots of a Braille character, by row and column.
const DOTS: [[u32; 2]; 4] = [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]];

fn braille(buffer: &mut Buffer, area: Rect, theme: Theme, order: &[&Drawn], scale: PlotScale) {
    let width = usize::from(area.width);
    let mut masks = vec![0_u32; width * usize::from(area.height)];
    let mut styles = vec![Style::new(); masks.len()];
    for dimension in order {
        for (x, value) in dimension.values.iter().enumerate().take(width * 2) {
            let dots = scale.dots(value.unwrap_or(0.0), dimension.down);
            for dot in 0..dots {
                let y = if dimension.down {
                    scale.up + dot
                } else {
                    scale.up - 1 - dot
                };
                let cell = y / 4 * width + x / 2;
                let (Some(mask), Some(style)) = (masks.get_mut(cell), styles.get_mut(cell)) else {
                    continue;
                };
                let bit = DOTS[y % 4][x % 2];
                if theme.palette != Palette::Mono || pattern(dimension.place, x, y, dot + 1 == dots)
                {
                    *mask |= bit;
                } else {
                    *mask &= !bit;
                }
                *style = dimension.style;
            }
        }
    }
    for (i, (mask, style)) in masks.into_iter().zip(styles).enumerate() {
        let symbol = char::from_u32(0x2800 + mask).filter(|_| mask > 0);
        let (x, y) = (i % width, i / width);
        let at = |origin: u16, offset: usize| origin + u16::try_from(offset).unwrap_or(u16::MAX);
        if let (Some(symbol), Some(cell)) =
            (symbol, buffer.cell_mut((at(area.x, x), at(area.y, y))))
        {
            cell.set_char(symbol);
            cell.set_style(Style::reset().patch(style));
        }
    }
}

/// Whether a dot is set when dimensions are distinguished by patterns: solid, chequered with an edge, the edge only, every second
/// line.
fn pattern(place: usize, x: usize, y: usize, edge: bool) -> bool {
    match place {
        0 => true,
        1 => edge || (x + y).is_multiple_of(2),
        2 => edge,
        _ => x.is_multiple_of(2),
    }
}

/// Draws in ASCII: each character shows the frontmost dimension that reaches into it.
fn ascii(buffer: &mut Buffer, area: Rect, order: &[&Drawn], scale: PlotScale) {
    let rows = usize::from(area.height);
    let steps = (scale.up + scale.down) / rows.max(1);
    if steps == 0 {
        return;
    }
    let zero = scale.up / steps;
    for x in 0..usize::from(area.width) {
        for row in 0..rows {
            let down = row >= zero;
            // The distance of the row's near side from zero.
            let near = if down { row - zero } else { zero - 1 - row } * steps;
            let filled = |d: &&&Drawn| {
                let value = d.values.get(x).copied().flatten().unwrap_or(0.0);
                scale.dots(value, d.down).saturating_sub(near).min(steps)
            };
            let mut here = order
                .iter()
                .rev()
                .filter(|d| d.down == down && filled(d) > 0);
            let Some(front) = here.next() else {
                continue;
            };
            let at = |origin: u16, offset: usize| origin + u16::try_from(offset).unwrap_or(0);
            if let Some(cell) = buffer.cell_mut((at(area.x, x), at(area.y, row))) {
                cell.set_char(ascii_symbol(filled(&front), front));
                cell.set_style(Style::reset().patch(front.style));
            }
        }
    }
}

/// The symbol of a dimension in a character of which `filled` steps are used, counted from zero.
fn ascii_symbol(filled: usize, dimension: &Drawn) -> char {
    const FULL: [char; 4] = ['#', '*', '+', 'o'];
    match (filled, dimension.down) {
        (1, false) => '.',
        (1, true) => '\'',
        _ => FULL[dimension.place.min(3)],
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn theme(glyphs: Glyphs, palette: Palette) -> Theme {
        Theme { palette, glyphs }
    }

    fn drawn(values: &[f64], down: bool, place: usize) -> Drawn {
        Drawn {
            values: values.iter().map(|v| Some(*v)).collect(),
            down,
            place,
            style: Style::new(),
        }
    }

    fn picture(theme: Theme, dimensions: &[Drawn], width: u16, height: u16) -> Vec<String> {
        let area = Rect::new(0, 0, width, height);
        let mut buffer = Buffer::empty(area);
        let scale = PlotScale::new(theme, dimensions, height, true);
        draw(&mut buffer, area, theme, dimensions, scale);
        (0..height)
            .map(|y| (0..width).map(|x| buffer[(x, y)].symbol()).collect())
            .collect()
    }

    #[test]
    fn below_dimensions_are_drawn_below_zero() {
        let dimensions = [
            drawn(&[0.0, 1.0, 2.5, 5.0], false, 0),
            drawn(&[5.0, 2.5, 1.0, 0.0], true, 1),
        ];
        let check = |glyphs, width, expected: [&str; 4]| {
            let theme = theme(glyphs, Palette::Ansi);
            assert_eq!(picture(theme, &dimensions, width, 4), expected);
        };
        check(Glyphs::Ascii, 4, ["   #", "_.##", "**' ", "*   "]);
        check(Glyphs::Braille, 2, [" ⢸", "⢠⣿", "⣿⠃", "⡇ "]);
    }

    proptest! {
        #[test]
        fn any_values_fit_any_area(
            up in prop::collection::vec(prop_oneof![Just(0.0), 0.0..1e12_f64], 0..20),
            down in prop::collection::vec(0.0..1e6_f64, 0..20),
            width in 0..12_u16,
            height in 0..9_u16,
            mirrored in any::<bool>(),
        ) {
            for glyphs in [Glyphs::Braille, Glyphs::Ascii] {
                for palette in [Palette::Mono, Palette::Rich] {
                    let theme = theme(glyphs, palette);
                    let dimensions = [drawn(&up, false, 0), drawn(&down, true, 1)];
                    let area = Rect::new(1, 1, width, height);
                    let mut buffer = Buffer::empty(Rect::new(0, 0, width + 2, height + 2));
                    let untouched = buffer.clone();
                    let scale = PlotScale::new(theme, &dimensions, height, mirrored);
                    draw(&mut buffer, area, theme, &dimensions, scale);
                    for y in 0..height + 2 {
                        for x in 0..width + 2 {
                            if !area.contains((x, y).into()) {
                                prop_assert_eq!(&buffer[(x, y)], &untouched[(x, y)]);
                            }
                        }
                    }
                }
            }
        }

        #[test]
        fn non_zero_values_are_visible(value in 1e-3..1e9_f64, other in 1e-3..1e9_f64) {
            for glyphs in [Glyphs::Braille, Glyphs::Ascii] {
                let theme = theme(glyphs, Palette::Ansi);
                let dimensions = [drawn(&[value], false, 0), drawn(&[other], true, 1)];
                let scale = PlotScale::new(theme, &dimensions, 3, true);
                prop_assert!(scale.dots(value, false) > 0);
                prop_assert!(scale.dots(other, true) > 0);
            }
        }
    }
}
