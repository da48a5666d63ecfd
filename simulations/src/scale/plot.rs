//! The growth as a plot: time to quorum by nodes, both logarithmic.

use plotters::prelude::{
    ChartBuilder, Color as _, EmptyElement, IntoDrawingArea as _, IntoFont as _, IntoLogRange as _,
    LineSeries, RGBColor, SVGBackend, Text, WHITE,
};
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::{Growth, Row, ScaleError, count, float};

/// Pixels.
const SIZE: (u32, u32) = (720, 440);

/// Pixels of the letters at axes and lines.
const LETTERS: u32 = 14;

/// A line: what it is called, its colour, its values.
type Line = (&'static str, RGBColor, fn(&Row) -> f64);

/// Where a line's name stands: the slow ones above, the others below, so that no two meet.
const NAMES: [(VPos, i32); 4] =
    [(VPos::Bottom, -9), (VPos::Top, 9), (VPos::Bottom, -9), (VPos::Top, 9)];

/// Of quorums with builds, and of the network's part in them.
const LINES: [Line; 4] = [
    ("quorum, 99 of 100", RGBColor(180, 60, 40), |row| row.quorum_p99),
    ("quorum, half", RGBColor(190, 110, 20), |row| row.quorum_p50),
    ("network alone, 99 of 100", RGBColor(40, 80, 160), |row| row.network_p99),
    ("network alone, half", RGBColor(60, 125, 200), |row| row.network_p50),
];

/// The plot as SVG.
pub fn svg(growth: &Growth) -> Result<String, ScaleError> {
    let mut text = String::new();
    let plot = |error: &dyn std::fmt::Display| ScaleError::Plot(error.to_string());
    {
        let area = SVGBackend::with_string(&mut text, SIZE).into_drawing_area();
        area.fill(&WHITE).map_err(|error| plot(&error))?;
        let nodes = |row: &Row| float(count(row.nodes));
        let (first, last) = (growth.rows.first(), growth.rows.last());
        let across = first.map_or(1.0, nodes)..last.map_or(10.0, nodes).max(10.0);
        let values = growth.rows.iter().flat_map(|row| LINES.map(|(_, _, value)| value(row)));
        let (low, high) = values.fold((1.0, 1.0), |(low, high): (f64, f64), value| {
            (low.min(value.max(0.1)), high.max(value))
        });
        let up = low / 2.0..high * 3.0;
        let mut chart = ChartBuilder::on(&area)
            .caption("Seconds from release to quorum, by nodes", ("sans-serif", 18))
            .margin(12)
            .margin_right(36)
            .x_label_area_size(48)
            .y_label_area_size(64)
            .build_cartesian_2d(across.log_scale(), up.log_scale())
            .map_err(|error| plot(&error))?;
        chart
            .configure_mesh()
            .bold_line_style(RGBColor(215, 215, 215))
            .light_line_style(RGBColor(240, 240, 240))
            .x_desc("nodes")
            .y_desc("seconds")
            .label_style(("sans-serif", LETTERS))
            .x_label_formatter(&|nodes| thousands(*nodes))
            .y_label_formatter(&|seconds| seconds.to_string())
            .draw()
            .map_err(|error| plot(&error))?;
        let middle = growth.rows.get(growth.rows.len() / 2);
        for ((name, colour, value), (side, away)) in LINES.into_iter().zip(NAMES) {
            let points = growth.rows.iter().map(|row| (nodes(row), value(row).max(0.1)));
            chart
                .draw_series(LineSeries::new(points, colour.stroke_width(2)))
                .map_err(|error| plot(&error))?;
            let letters = ("sans-serif", LETTERS).into_font().color(&colour);
            let letters = letters.pos(Pos::new(HPos::Left, side));
            let named = middle.map(|row| {
                let point = (nodes(row), value(row).max(0.1));
                EmptyElement::at(point) + Text::new(name, (8, away), letters)
            });
            chart.draw_series(named).map_err(|error| plot(&error))?;
        }
        area.present().map_err(|error| plot(&error))?;
    }
    Ok(text)
}

/// A number of nodes as people write it: `10,000`.
fn thousands(nodes: f64) -> String {
    let digits = format!("{nodes:.0}");
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && digits.len().saturating_sub(place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
