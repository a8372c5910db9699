//! What is drawn, gathered by colour, and written as SVG.

use std::{collections::BTreeMap, fmt::Write};

use ratatui::{buffer::Cell, style::Modifier, text::Span};

use super::{
    BACKGROUND, BASELINE, CHARACTER, FOREGROUND, MARGIN,
    colour::Rgb,
    shapes::{Area, add_dots, areas_of, whole},
};
use crate::output::markup::Escaped;

/// What there is to draw, by colour.
#[derive(Default)]
pub(super) struct Picture {
    backgrounds: BTreeMap<Rgb, Vec<Area>>,
    areas: BTreeMap<Rgb, Vec<Area>>,
    dots: BTreeMap<Rgb, String>,
    texts: BTreeMap<(Rgb, bool), Vec<Line>>,
}

/// Text on one line, in one style.
struct Line {
    x: u16,
    y: u16,
    columns: u16,
    text: String,
}

impl Picture {
    pub(super) fn add(&mut self, column: u16, row: u16, cell: &Cell) {
        let x = MARGIN + column * CHARACTER.0;
        let y = MARGIN + row * CHARACTER.1;
        let mut colour = Rgb::of(cell.fg, FOREGROUND);
        let mut background = Rgb::of(cell.bg, BACKGROUND);
        if cell.modifier.contains(Modifier::REVERSED) {
            std::mem::swap(&mut colour, &mut background);
        }
        if background != BACKGROUND {
            push(&mut self.backgrounds, background, whole(x, y));
        }
        let symbol = cell.symbol();
        let mut characters = symbol.chars();
        let only = characters.next().filter(|_| characters.next().is_none());
        match only {
            Some(' ') | None if symbol.trim().is_empty() => {}
            Some(braille @ '\u{2800}'..='\u{28ff}') => {
                let dots = self.dots.entry(colour).or_default();
                add_dots(dots, braille as u32 - 0x2800, x, y);
            }
            Some('░') => push(&mut self.areas, colour.light_on(background), whole(x, y)),
            Some(drawn) if !areas_of(drawn, x, y).is_empty() => {
                for area in areas_of(drawn, x, y) {
                    push(&mut self.areas, colour, area);
                }
            }
            _ => {
                let bold = cell.modifier.contains(Modifier::BOLD);
                self.write_symbol((colour, bold), x, y, symbol);
            }
        }
    }

    /// ASCII goes on in the run before it; anything else may be of another font, and is placed by itself.
    fn write_symbol(&mut self, style: (Rgb, bool), x: u16, y: u16, symbol: &str) {
        let columns = u16::try_from(Span::raw(symbol).width()).unwrap_or(1).max(1);
        let runs = self.texts.entry(style).or_default();
        if let Some(last) = runs.last_mut()
            && last.y == y
            && symbol.is_ascii()
            && last.text.is_ascii()
        {
            let gap = (x - last.x) / CHARACTER.0 - last.columns;
            if gap <= 1 {
                last.text.extend((0..gap).map(|_| ' '));
                last.text.push_str(symbol);
                last.columns += gap + columns;
                return;
            }
        }
        runs.push(Line {
            x,
            y,
            columns,
            text: symbol.to_owned(),
        });
    }

    pub(super) fn write(&self, columns: u16, rows: u16, title: &str) -> String {
        let width = columns * CHARACTER.0 + 2 * MARGIN;
        let height = rows * CHARACTER.1 + 2 * MARGIN;
        let mut out = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" \
             role=\"img\" font-family=\"ui-monospace,SFMono-Regular,Menlo,Consolas,DejaVu Sans Mono,Liberation Mono,monospace\" \
             font-size=\"13.2\" xml:space=\"preserve\">\n<title>{}</title>\n\
             <rect width=\"{width}\" height=\"{height}\" rx=\"6\" fill=\"{BACKGROUND}\"/>\n",
            Escaped(title)
        );
        // What is written to a string always succeeds.
        for (colour, areas) in self.backgrounds.iter().chain(&self.areas) {
            let _ = write!(out, "<path fill=\"{colour}\" d=\"");
            for area in areas {
                let Area {
                    x,
                    y,
                    width,
                    height,
                } = area;
                let _ = write!(out, "M{x} {y}h{width}v{height}h-{width}z");
            }
            out.push_str("\"/>\n");
        }
        for (colour, dots) in &self.dots {
            let _ = writeln!(
                out,
                "<path stroke=\"{colour}\" stroke-width=\"3\" stroke-linecap=\"round\" d=\"{dots}\"/>"
            );
        }
        for ((colour, bold), runs) in &self.texts {
            let weight = if *bold { " font-weight=\"bold\"" } else { "" };
            let _ = writeln!(out, "<g fill=\"{colour}\"{weight}>");
            for run in runs {
                let _ = writeln!(
                    out,
                    "<text x=\"{}\" y=\"{}\" textLength=\"{}\">{}</text>",
                    run.x,
                    run.y + BASELINE,
                    run.columns * CHARACTER.0,
                    Escaped(&run.text)
                );
            }
            out.push_str("</g>\n");
        }
        out.push_str("</svg>\n");
        out
    }
}

/// Adds an area, as a part of the last one where it continues that.
fn push(areas: &mut BTreeMap<Rgb, Vec<Area>>, colour: Rgb, area: Area) {
    let areas = areas.entry(colour).or_default();
    match areas.last_mut() {
        Some(last)
            if (last.y, last.height) == (area.y, area.height) && last.x + last.width == area.x =>
        {
            last.width += area.width;
        }
        _ => areas.push(area),
    }
}
