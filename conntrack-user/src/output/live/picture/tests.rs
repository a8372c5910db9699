use ratatui::{
    buffer::Buffer,
    layout::Rect,
    style::{Color, Modifier, Style},
};

use super::{FOREGROUND, colour::Rgb, drawing::Picture};

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
