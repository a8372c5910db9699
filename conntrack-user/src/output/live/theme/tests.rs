//! What terminals are shown, and that it is legible there.

use super::*;

fn detect(ascii: bool, variables: &[(&str, &str)]) -> (Palette, Glyphs) {
    let theme = Theme::detect(ascii, &|name| {
        let found = variables.iter().find(|(n, _)| *n == name);
        found.map(|(_, value)| (*value).to_owned())
    });
    (theme.palette, theme.glyphs)
}

/// The sixteen colours of xterm, of the Linux console (VGA) and of GNOME's terminal (Tango).
const SIXTEEN: [[u32; 16]; 3] = [
    [
        0x00_0000, 0xcd_0000, 0x00_cd00, 0xcd_cd00, 0x00_00ee, 0xcd_00cd, 0x00_cdcd, 0xe5_e5e5,
        0x7f_7f7f, 0xff_0000, 0x00_ff00, 0xff_ff00, 0x5c_5cff, 0xff_00ff, 0x00_ffff, 0xff_ffff,
    ],
    [
        0x00_0000, 0xaa_0000, 0x00_aa00, 0xaa_5500, 0x00_00aa, 0xaa_00aa, 0x00_aaaa, 0xaa_aaaa,
        0x55_5555, 0xff_5555, 0x55_ff55, 0xff_ff55, 0x55_55ff, 0xff_55ff, 0x55_ffff, 0xff_ffff,
    ],
    [
        0x2e_3436, 0xcc_0000, 0x4e_9a06, 0xc4_a000, 0x34_65a4, 0x75_507b, 0x06_989a, 0xd3_d7cf,
        0x55_5753, 0xef_2929, 0x8a_e234, 0xfc_e94f, 0x72_9fcf, 0xad_7fa8, 0x34_e2e2, 0xee_eeec,
    ],
];

/// A colour of the 256 that every terminal has alike.
fn of_256(index: u8) -> u32 {
    if index >= 232 {
        return (8 + 10 * u32::from(index - 232)) * 0x01_0101;
    }
    let level = |step: u8| {
        if step == 0 {
            0
        } else {
            55 + 40 * u32::from(step)
        }
    };
    let cube = index - 16;
    level(cube / 36) << 16 | level(cube / 6 % 6) << 8 | level(cube % 6)
}

/// How well two colours are told apart, from 1 to 21, by the definition of WCAG.
fn contrast(one: u32, other: u32) -> f64 {
    let luminance = |rgb: u32| {
        let part = |shift: u32, weight: f64| {
            let level = f64::from(rgb >> shift & 0xff) / 255.0;
            let linear = if level <= 0.04045 {
                level / 12.92
            } else {
                ((level + 0.055) / 1.055).powf(2.4)
            };
            weight * linear
        };
        part(16, 0.2126) + part(8, 0.7152) + part(0, 0.0722)
    };
    let (a, b) = (luminance(one) + 0.05, luminance(other) + 0.05);
    a.max(b) / a.min(b)
}

/// The colours of all that is text or a plot, but not of rules.
fn colours(palette: Palette) -> Vec<Color> {
    let theme = Theme {
        palette,
        glyphs: Glyphs::Braille,
    };
    let styles = [
        theme.muted(),
        theme.title(),
        theme.key(),
        theme.good(),
        theme.warning(),
        theme.critical(),
    ];
    let dimensions = [
        Colour::Green,
        Colour::Blue,
        Colour::Violet,
        Colour::Yellow,
        Colour::Purple,
        Colour::Red,
        Colour::Orange,
    ];
    let all = styles
        .into_iter()
        .chain(dimensions.map(|c| theme.colour(c)));
    all.map(|style| style.fg.expect("a colour")).collect()
}

#[test]
fn colours_are_legible_on_their_background() {
    for (palette, background) in [(Palette::Rich, 0x00_0000), (Palette::Light, 0xff_ffff)] {
        for colour in colours(palette) {
            let Color::Indexed(index) = colour else {
                panic!("{colour:?} depends on the terminal")
            };
            let contrast = contrast(of_256(index), background);
            assert!(contrast >= 3.0, "{palette:?} {index}: {contrast}");
        }
    }
}

#[test]
fn sixteen_colours_are_legible_on_dark_and_on_light() {
    for colour in colours(Palette::Ansi) {
        let index = match colour {
            Color::Red => 1,
            Color::Green => 2,
            Color::Magenta => 5,
            Color::Cyan => 6,
            Color::DarkGray => 8,
            Color::LightRed => 9,
            Color::LightBlue => 12,
            Color::LightMagenta => 13,
            other => panic!("{other:?} is not legible everywhere"),
        };
        for terminal in SIXTEEN {
            for background in [0x00_0000, 0xff_ffff] {
                let contrast = contrast(terminal[index], background);
                assert!(
                    contrast >= 1.9,
                    "{colour:?} on {background:06x}: {contrast}"
                );
            }
        }
    }
}

#[test]
fn a_configured_theme_is_known() {
    assert_eq!(ThemeChoice::named("auto"), ThemeChoice::Auto);
    for name in ["dark", "light", "16", "none"] {
        assert_ne!(ThemeChoice::named(name), ThemeChoice::Auto, "{name}");
    }
}

#[test]
fn the_theme_follows_the_environment() {
    let utf8 = ("LANG", "C.UTF-8");
    let check = |variables: &[(&str, &str)], expected| {
        assert_eq!(detect(false, variables), expected, "{variables:?}");
    };
    check(&[("TERM", "xterm"), utf8], (Palette::Ansi, Glyphs::Braille));
    check(
        &[("TERM", "xterm-256color"), utf8],
        (Palette::Rich, Glyphs::Braille),
    );
    check(
        &[("TERM", "xterm-256color"), utf8, ("NO_COLOR", "1")],
        (Palette::Mono, Glyphs::Braille),
    );
    check(
        &[("TERM", "xterm"), utf8, ("NO_COLOR", "")],
        (Palette::Ansi, Glyphs::Braille),
    );
    check(
        &[("TERM", "xterm-256color"), utf8, ("COLORFGBG", "0;15")],
        (Palette::Light, Glyphs::Braille),
    );
    check(&[("TERM", "linux"), utf8], (Palette::Ansi, Glyphs::Ascii));
    check(&[("TERM", "vt100"), utf8], (Palette::Mono, Glyphs::Braille));
    check(
        &[("TERM", "xterm"), ("LANG", "C.UTF-8"), ("LC_ALL", "C")],
        (Palette::Ansi, Glyphs::Ascii),
    );
    check(&[], (Palette::Ansi, Glyphs::Ascii));
    assert_eq!(detect(true, &[utf8]).1, Glyphs::Ascii);
}
