//! The growth as a plot: time to quorum by nodes, both logarithmic.

use plotters::prelude::{
    ChartBuilder, Color as _, IntoDrawingArea as _, IntoLogRange as _, LineSeries, PathElement,
    RGBColor, SVGBackend, WHITE,
};

use super::{Growth, Row, ScaleError, count, float};

/// Pixels.
const SIZE: (u32, u32) = (720, 440);

/// A line: what it is called, its colour, its values.
type Line = (&'static str, RGBColor, fn(&Row) -> f64);

/// Of quorums with builds, and of the network's part in them.
const LINES: [Line; 4] = [
    ("quorum, 99 of 100", RGBColor(180, 60, 40), |row| row.quorum_p99),
    ("quorum, half", RGBColor(230, 150, 60), |row| row.quorum_p50),
    ("network alone, 99 of 100", RGBColor(40, 80, 160), |row| row.network_p99),
    ("network alone, half", RGBColor(110, 160, 220), |row| row.network_p50),
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
        let up = 0.1..values.fold(1.0, f64::max) * 2.0;
        let mut chart = ChartBuilder::on(&area)
            .caption("Seconds from release to quorum, by nodes", ("sans-serif", 18))
            .margin(12)
            .x_label_area_size(36)
            .y_label_area_size(52)
            .build_cartesian_2d(across.log_scale(), up.log_scale())
            .map_err(|error| plot(&error))?;
        chart
            .configure_mesh()
            .x_desc("nodes")
            .y_desc("seconds")
            .draw()
            .map_err(|error| plot(&error))?;
        for (name, colour, value) in LINES {
            let points = growth.rows.iter().map(|row| (nodes(row), value(row).max(0.1)));
            chart
                .draw_series(LineSeries::new(points, colour.stroke_width(2)))
                .map_err(|error| plot(&error))?
                .label(name)
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], colour));
        }
        chart
            .configure_series_labels()
            .background_style(WHITE)
            .draw()
            .map_err(|error| plot(&error))?;
        area.present().map_err(|error| plot(&error))?;
    }
    Ok(text)
}
