//! The live view as a picture (SVG), for pages.
//!
//! How wide a font makes Braille, blocks and rules differs from reader to reader. So those are drawn, and each piece of text
//! is told its width: the picture is the same everywhere, and the same records give the same bytes.

use std::{
    collections::BTreeMap,
    fmt::{self, Write},
};

use ratatui::{
    buffer::{Buffer, Cell},
    layout::Rect,
    style::{Color, Modifier},
    text::Span,
};

use crate::output::live::{App, draw};

/// Size of a character, in pixels. Dots of Braille, a quarter of each apart, are at whole numbers.
const CHARACTER: (u16, u16) = (8, 16);

/// From a character's top to the line that its letters stand on.
const BASELINE: u16 = 12;

/// Around the terminal, in pixels.
const MARGIN: u16 = 10;

/// What a terminal shows where nothing else was asked for.
const BACKGROUND: Rgb = Rgb(0x0d, 0x11, 0x17);
const FOREGROUND: Rgb = Rgb(0xd0, 0xd7, 0xde);

/// What is drawn on a terminal of this size. The title is for those who cannot see the picture.
#[must_use]
pub fn svg(app: &App, width: u16, height: u16, title: &str) -> String {
    let mut buffer = Buffer::empty(Rect::new(0, 0, width, height));
    draw(app, &mut buffer);
    let mut picture = Picture::default();
    for y in 0..height {
        for x in 0..width {
            picture.add(x, y, &buffer[(x, y)]);
        }
    }
    picture.write(width, height, title)
}

/// A colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Rgb(u8, u8, u8);

impl fmt::Display for Rgb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{:02x}{:02x}{:02x}", self.0, self.1, self.2)
    }
}

impl Rgb {
    /// As xterm has them by default.
    fn of(color: Color, default: Self) -> Self {
        let index = match color {
            Color::Reset => return default,
            Color::Rgb(red, green, blue) => return Self(red, green, blue),
            Color::Indexed(index) => index,
            Color::Black => 0,
            Color::Red => 1,
            Color::Green => 2,
            Color::Yellow => 3,
            Color::Blue => 4,
            Color::Magenta => 5,
            Color::Cyan => 6,
            Color::Gray => 7,
            Color::DarkGray => 8,
            Color::LightRed => 9,
            Color::LightGreen => 10,
            Color::LightYellow => 11,
            Color::LightBlue => 12,
            Color::LightMagenta => 13,
            Color::LightCyan => 14,
            Color::White => 15,
        };
        match index {
            7 => Self(0xe5, 0xe5, 0xe5),
            8 => Self(0x7f, 0x7f, 0x7f),
            0..16 => {
                let level = |bit: u8| match (index & bit != 0, index >= 8) {
                    (false, _) => 0,
                    (true, false) => 0xcd,
                    (true, true) => 0xff,
                };
                Self(level(1), level(2), level(4))
            }
            16..232 => {
                let level = |step: u8| match (index - 16) / step % 6 {
                    0 => 0,
                    n => 55 + 40 * n,
                };
                Self(level(36), level(6), level(1))
            }
            232.. => {
                let level = 8 + 10 * (index - 232);
                Self(level, level, level)
            }
        }
    }

    /// A quarter of this on a background.
    fn light_on(self, background: Self) -> Self {
        let mix = |a: u8, b: u8| ((u16::from(a) + 3 * u16::from(b)) / 4) as u8;
        Self(
            mix(self.0, background.0),
            mix(self.1, background.1),
            mix(self.2, background.2),
        )
    }
}

/// What there is to draw, by colour.
#[derive(Default)]
struct Picture {
    backgrounds: BTreeMap<Rgb, Vec<Area>>,
    areas: BTreeMap<Rgb, Vec<Area>>,
    dots: BTreeMap<Rgb, String>,
    texts: BTreeMap<(Rgb, bool), Vec<Run>>,
}

/// A rectangle, in pixels.
#[derive(Clone, Copy)]
struct Area {
    x: u16,
    y: u16,
    width: u16,
    height: u16,
}

/// Text on one line, in one style.
struct Run {
    x: u16,
    y: u16,
    columns: u16,
    text: String,
}

impl Picture {
    fn add(&mut self, column: u16, row: u16, cell: &Cell) {
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
        runs.push(Run {
            x,
            y,
            columns,
            text: symbol.to_owned(),
        });
    }

    fn write(&self, columns: u16, rows: u16, title: &str) -> String {
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

fn whole(x: u16, y: u16) -> Area {
    let (width, height) = CHARACTER;
    Area {
        x,
        y,
        width,
        height,
    }
}

/// Blocks and rules as rectangles; none for what is text.
fn areas_of(symbol: char, x: u16, y: u16) -> Vec<Area> {
    let (width, height) = CHARACTER;
    let area = |dx, dy, width, height| Area {
        x: x + dx,
        y: y + dy,
        width,
        height,
    };
    let (middle, half) = (width / 2, height / 2);
    let left = area(0, half, middle + 1, 1);
    let right = area(middle, half, width - middle, 1);
    let up = area(middle, 0, 1, half + 1);
    let down = area(middle, half, 1, half);
    match symbol {
        '▁'..='█' => {
            let eighths = (symbol as u32 - '▁' as u32 + 1) as u16;
            let filled = height * eighths / 8;
            vec![area(0, height - filled, width, filled)]
        }
        '▪' => vec![area(2, half - 2, 4, 5)],
        '─' | '━' => vec![area(0, half, width, 1)],
        '│' | '┃' => vec![area(middle, 0, 1, height)],
        '╷' => vec![down],
        '┌' | '╭' => vec![right, down],
        '┐' | '╮' => vec![left, down],
        '└' | '╰' => vec![right, up],
        '┘' | '╯' => vec![left, up],
        _ => Vec::new(),
    }
}

/// Dots are strokes without length that have round ends.
fn add_dots(path: &mut String, dots: u32, x: u16, y: u16) {
    // As Unicode numbers them: down the left column, down the right one, and the last row afterwards.
    const PLACES: [(u16, u16); 8] = [
        (0, 0),
        (0, 1),
        (0, 2),
        (1, 0),
        (1, 1),
        (1, 2),
        (0, 3),
        (1, 3),
    ];
    let (width, height) = (CHARACTER.0 / 2, CHARACTER.1 / 4);
    for (bit, (column, row)) in PLACES.into_iter().enumerate() {
        if dots & (1 << bit) != 0 {
            let x = x + width / 2 + column * width;
            let y = y + height / 2 + row * height;
            // What is written to a string always succeeds.
            let _ = write!(path, "M{x} {y}h0");
        }
    }
}

/// Text in XML, which has no place for control characters.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                c if c.is_control() => f.write_char('\u{fffd}')?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui::style::Style;

    fn picture(line: &str, style: Style) -> String {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 12, 1));
        buffer.set_string(0, 0, line, style);
        let mut picture = Picture::default();
        for x in 0..12 {
            picture.add(x, 0, &buffer[(x, 0)]);
        }
        picture.write(12, 1, "a <title>")
    }

    #[test]
    fn text_is_escaped_and_has_the_width_of_its_columns() {
        let svg = picture("a <b>&c  d→e", Style::new().add_modifier(Modifier::BOLD));
        for part in [
            "<title>a &lt;title&gt;</title>",
            "<g fill=\"#d0d7de\" font-weight=\"bold\">",
            "<text x=\"10\" y=\"22\" textLength=\"56\">a &lt;b&gt;&amp;c</text>",
            "<text x=\"82\" y=\"22\" textLength=\"8\">d</text>",
            "<text x=\"90\" y=\"22\" textLength=\"8\">→</text>",
            "<text x=\"98\" y=\"22\" textLength=\"8\">e</text>",
        ] {
            assert!(svg.contains(part), "{part}\n{svg}");
        }
    }

    #[test]
    fn nothing_becomes_markup_or_a_control_character() {
        assert_eq!(
            Escaped("\u{1b}[2J</text>\"").to_string(),
            "\u{fffd}[2J&lt;/text&gt;&quot;"
        );
    }

    #[test]
    fn braille_is_drawn_dot_by_dot() {
        let svg = picture("⡁⠐", Style::new());
        // The left column's first and last dot; the second of the right column, one character on.
        assert!(svg.contains("d=\"M12 12h0M12 24h0M24 16h0\""), "{svg}");
        assert!(!svg.contains("<text"), "{svg}");
    }

    #[test]
    fn blocks_and_rules_are_areas_that_go_on() {
        let svg = picture("██▂──", Style::new());
        assert!(
            svg.contains("d=\"M10 10h16v16h-16zM26 22h8v4h-8zM34 18h16v1h-16z\""),
            "{svg}"
        );
    }

    #[test]
    fn colours_are_those_of_xterm() {
        let of = |color| Rgb::of(color, FOREGROUND).to_string();
        assert_eq!(of(Color::Reset), "#d0d7de");
        assert_eq!(of(Color::Red), "#cd0000");
        assert_eq!(of(Color::LightYellow), "#ffff00");
        assert_eq!(of(Color::Indexed(16)), "#000000");
        assert_eq!(of(Color::Indexed(78)), "#5fd787");
        assert_eq!(of(Color::Indexed(231)), "#ffffff");
        assert_eq!(of(Color::Indexed(240)), "#585858");
    }

    #[test]
    fn what_is_reversed_has_its_colour_behind_it() {
        let svg = picture(
            "x",
            Style::new()
                .fg(Color::Indexed(203))
                .add_modifier(Modifier::REVERSED),
        );
        assert!(
            svg.contains("<path fill=\"#ff5f5f\" d=\"M10 10h8v16h-8z\"/>"),
            "{svg}"
        );
        assert!(svg.contains("<g fill=\"#0d1117\">"), "{svg}");
    }
}
