//! The ribbon: where in the window it was busiest, to the millisecond, and where bursts were found.

use ratatui::{
    buffer::Buffer,
    layout::Rect,
    style::Style,
    text::{Line, Span},
};

use crate::{
    model::{
        history::{nanos, window::busiest},
        kernel::charts::CHARTS,
    },
    output::{
        live::{
            app::App,
            panels::{chart::Shape, pieces, views::Views},
            plot::dots_in_character,
        },
        number::compact,
    },
};

/// Draws it.
pub(super) fn draw(app: &App, area: Rect, shape: Shape, views: &Views<'_>, buffer: &mut Buffer) {
    let Some(instance) = app.instance().filter(|_| !area.is_empty()) else {
        return;
    };
    let theme = app.theme;
    let plot = shape.plot(area);
    let columns = shape.columns(theme);
    let window = pieces::window(app, columns);
    let per = dots_in_character(theme);
    let rates: Vec<_> = (1..CHARTS.len()).map(|c| views.of(c, columns)).collect();
    let rates: Vec<_> = rates.iter().flat_map(|views| views.iter()).collect();
    let busiest = busiest(&rates, per);
    let mut in_burst = vec![false; busiest.len()];
    let (mut count, mut highest) = (0_usize, 0.0_f64);
    for burst in instance.bursts(&window) {
        count += 1;
        highest = highest.max(burst.peak_rate);
        for i in window.columns_of(&(nanos(burst.start)..nanos(burst.end))) {
            if let Some(mark) = in_burst.get_mut(i / per) {
                *mark = true;
            }
        }
    }
    let most = busiest.iter().flatten().copied().fold(0.0, f64::max);
    let summary = if count > 0 {
        Line::from(vec![
            Span::styled(format!("{count} "), theme.warning()),
            Span::styled(
                if count == 1 { "burst, " } else { "bursts, " },
                Style::new(),
            ),
            Span::styled(compact(highest), theme.strong()),
            Span::styled("/s", Style::new()),
        ])
    } else if most > 0.0 {
        Line::from(vec![
            Span::styled("busiest ", theme.muted()),
            Span::raw(compact(most)),
            Span::styled("/s", theme.muted()),
        ])
    } else {
        Line::styled("quiet", theme.muted())
    };
    pieces::line(buffer, shape.legend(area), &summary);
    if plot.is_empty() {
        return;
    }
    let levels = theme.levels();
    for ((rate, burst), x) in busiest
        .into_iter()
        .zip(in_burst)
        .zip(plot.left()..plot.right())
    {
        let symbol = match rate {
            None => " ",
            Some(rate) => levels[level(rate, most, levels.len())],
        };
        let style = if burst {
            theme.warning()
        } else {
            theme.muted()
        };
        if let Some(cell) = buffer.cell_mut((x, plot.y)) {
            // A burst is seen even where it is small beside another.
            cell.set_symbol(if burst && symbol == " " {
                levels[1]
            } else {
                symbol
            });
            cell.set_style(style);
        }
    }
}

/// Of how many steps: rates differ by orders of magnitude, so each step is about twice the last.
fn level(rate: f64, most: f64, levels: usize) -> usize {
    if rate <= 0.0 || most <= 0.0 {
        return 0;
    }
    let below = (most / rate).log2().max(0.0).floor() as usize;
    (levels - 1).saturating_sub(below).max(1)
}
