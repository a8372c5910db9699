//! The lines of Netdata's protocol for external plugins: words separated by spaces or by `=`, in quotes where they contain either.

use std::{
    fmt,
    io::{self, Write},
};

use crate::text::Text;

/// What Netdata calls the program that collects, as in its configuration's section `[plugin:ctpulse]`.
pub const PLUGIN: &str = "ctpulse.plugin";

/// What is collected, as Netdata shows it beside the plugin.
const MODULE: &str = "nf_conntrack";

/// The name of the label that says which network namespace a chart is of.
const LABEL: &str = "netns";

/// The most characters of a name from outside: Netdata cuts longer ones.
pub(super) const LONGEST: usize = 100;

/// A text in quotes. Netdata has no way to write a quote or a backslash in there, so `_` stands for either.
pub(super) struct Quoted<'a>(pub(super) &'a Text);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.0.to_string();
        f.write_str("'")?;
        for c in shown.chars().take(LONGEST) {
            let kept = !matches!(c, '\'' | '"' | '\\');
            write!(f, "{}", if kept { c } else { '_' })?;
        }
        f.write_str("'")
    }
}

/// A name as a part of a chart's id, where letters, digits, `_` and `-` are allowed. Other characters become their number after a
/// point, so that different names have different ids.
pub(super) struct IdPart<'a>(pub(super) &'a Text);

impl fmt::Display for IdPart<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.raw().chars() {
            match c {
                c if c.is_ascii_alphanumeric() || c == '_' || c == '-' => write!(f, "{c}")?,
                c => write!(f, ".{:x}.", u32::from(c))?,
            }
        }
        Ok(())
    }
}

/// A chart as Netdata is told of it.
#[derive(Clone, Debug)]
pub(super) struct ChartLine<'a> {
    pub(super) id: &'a str,
    /// What charts of the same quantity have in common.
    pub(super) context: &'a str,
    pub(super) title: String,
    pub(super) unit: &'static str,
    /// The namespace, where it is not the host's own.
    pub(super) netns: Option<&'a Text>,
    pub(super) priority: u32,
    /// Seconds between its points.
    pub(super) every: u64,
    /// Whether it is over: Netdata archives it.
    pub(super) obsolete: bool,
}

impl ChartLine<'_> {
    /// Writes the chart and its labels.
    pub(super) fn write(&self, out: &mut impl Write) -> io::Result<()> {
        static FAMILY: Text = Text::fixed("conntrack");
        writeln!(
            out,
            "CHART {} '' '{}' '{}' {} {} line {} {} {} {PLUGIN} {MODULE}",
            self.id,
            self.title,
            self.unit,
            Quoted(self.netns.unwrap_or(&FAMILY)),
            self.context,
            self.priority,
            self.every,
            if self.obsolete { "obsolete" } else { "''" },
        )?;
        if let Some(netns) = self.netns.filter(|_| !self.obsolete) {
            writeln!(out, "CLABEL {LABEL} {} 1", Quoted(netns))?;
            writeln!(out, "CLABEL_COMMIT")?;
        }
        Ok(())
    }
}

/// Numbers are sent as integers: how many of the integer's units are one of the value's.
pub(super) const DIVISOR: f64 = 1000.0;

/// The greatest integer that is sent: Netdata's have 64 bits.
const GREATEST: f64 = 9e18;

/// Writes a line that defines a dimension of the chart that was written last.
pub(super) fn dimension(out: &mut impl Write, name: &str, below: bool) -> io::Result<()> {
    let multiplier = if below { -1 } else { 1 };
    writeln!(
        out,
        "DIMENSION {name} '' absolute {multiplier} {DIVISOR} ''"
    )
}

/// After so many seconds it makes no difference which clock says how many they were.
const LONGEST_GAP_S: f64 = 86_400.0;

/// Writes the start of a point of a chart. Netdata takes the time since the last point from its own clock where none is given.
pub(super) fn begin(out: &mut impl Write, id: &str, since_s: Option<f64>) -> io::Result<()> {
    match since_s.filter(|since| *since > 0.0 && *since < LONGEST_GAP_S) {
        Some(since) => writeln!(out, "BEGIN {id} {:.0}", since * 1e6),
        None => writeln!(out, "BEGIN {id}"),
    }
}

/// Writes a value of the point. Without one there is a gap.
pub(super) fn set(out: &mut impl Write, name: &str, value: Option<f64>) -> io::Result<()> {
    match value.filter(|value| value.is_finite()) {
        Some(value) => {
            let value = (value * DIVISOR).clamp(-GREATEST, GREATEST);
            writeln!(out, "SET {name} = {value:.0}")
        }
        None => writeln!(out, "SET {name} ="),
    }
}

/// Writes the end of a point.
pub(super) fn end(out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "END")
}

/// Writes a variable for expressions of alerts: of the chart whose point is being written, or of the host.
pub(super) fn variable(
    out: &mut impl Write,
    scope: VariableScope,
    name: &str,
    value: Option<u64>,
) -> io::Result<()> {
    let scope = match scope {
        VariableScope::Host => "HOST",
        VariableScope::Chart => "CHART",
    };
    match value {
        Some(value) => writeln!(out, "VARIABLE {scope} {name} = {value}"),
        None => writeln!(out, "VARIABLE {scope} {name} = nan"),
    }
}

/// Where a variable is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum VariableScope {
    Host,
    Chart,
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn quotes_and_lines_cannot_be_left() {
        let hostile = Text::from("a' b\"\\\nBEGIN x\u{1b}".to_owned());
        assert_eq!(Quoted(&hostile).to_string(), "'a_ b___nBEGIN x_u{1b}'");
        let long = Text::from("x".repeat(5000));
        assert_eq!(Quoted(&long).to_string().len(), LONGEST + 2);
    }

    #[test]
    fn gaps_are_empty() {
        let mut out = Vec::new();
        for value in [Some(1.5), Some(-0.0004), Some(1e300), None, Some(f64::NAN)] {
            set(&mut out, "new", value).unwrap();
        }
        let text = String::from_utf8(out).unwrap();
        assert_eq!(
            text,
            "SET new = 1500\nSET new = -0\nSET new = 9000000000000000000\nSET new =\nSET new =\n"
        );
    }

    proptest! {
        #[test]
        fn different_names_have_different_parts_of_ids(names in proptest::collection::vec("[a_.é -]{0,4}", 2..20)) {
            let mut seen = HashMap::new();
            for name in names {
                let part = IdPart(&Text::from(name.clone())).to_string();
                prop_assert!(part.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c)));
                let other = seen.insert(part, name.clone());
                prop_assert!(other.is_none_or(|other| other == name));
            }
        }

        #[test]
        fn any_text_stays_one_word(text in any::<String>()) {
            let quoted = Quoted(&Text::from(text)).to_string();
            let inside = &quoted[1..quoted.len() - 1];
            prop_assert!(!inside.contains(['\'', '"', '\\', '\n', '\r', '\0']));
        }
    }
}
