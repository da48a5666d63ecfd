//! The table that a bench prints: one row a pair, with what was measured, the ratio and the goal.

use serde_json::{Value, json};

use crate::pairs::Pair;

/// What a number counts.
#[derive(Copy, Clone)]
pub(crate) enum Unit {
    /// Seconds.
    Seconds,
    /// Bytes.
    Bytes,
}

/// One comparison.
struct Row {
    what: String,
    against: String,
    ours: f64,
    theirs: f64,
    unit: Unit,
    goal: Option<f64>,
}

/// Rows in the order of measuring, and what was left out.
#[derive(Default)]
pub(crate) struct Table {
    rows: Vec<Row>,
    left_out: Vec<String>,
}

impl Table {
    /// Two times, and the most that the first may be of the second.
    pub(crate) fn times(&mut self, what: &str, against: &str, pair: Pair, goal: Option<f64>) {
        self.row(what, against, (pair.ours, pair.theirs), Unit::Seconds, goal);
    }

    /// A number against a bound or another number.
    pub(crate) fn row(
        &mut self,
        what: &str,
        against: &str,
        (ours, theirs): (f64, f64),
        unit: Unit,
        goal: Option<f64>,
    ) {
        let (what, against) = (what.to_owned(), against.to_owned());
        eprintln!("measured: {what}");
        self.rows.push(Row { what, against, ours, theirs, unit, goal });
    }

    /// A row that could not be measured.
    pub(crate) fn leave_out(&mut self, what: &str, why: &str) {
        self.left_out.push(format!("skipped 1: {what}: {why}"));
    }

    /// The table as aligned text.
    pub(crate) fn lines(&self) -> Vec<String> {
        let head = ["what", "time", "against", "time", "ratio", "goal", ""].map(str::to_owned);
        let cells: Vec<[String; 7]> =
            std::iter::once(head).chain(self.rows.iter().map(Row::cells)).collect();
        let width = |column: usize| {
            cells.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max()
        };
        let widths: Vec<usize> = (0..7).map(|column| width(column).unwrap_or_default()).collect();
        let line = |row: &[String; 7]| {
            let padded = row.iter().zip(&widths).enumerate().map(|(column, (cell, width))| {
                let number = matches!(column, 1 | 3 | 4 | 5);
                if number { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
            });
            padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        };
        cells.iter().map(line).chain(self.left_out.iter().cloned()).collect()
    }

    /// The table as one JSON document; times are seconds, sizes bytes.
    pub(crate) fn json(&self) -> Value {
        let rows: Vec<Value> = self.rows.iter().map(Row::json).collect();
        json!({"rows": rows, "left_out": self.left_out})
    }
}

impl Row {
    fn ratio(&self) -> f64 {
        self.ours / self.theirs
    }

    fn holds(&self) -> Option<bool> {
        self.goal.map(|goal| self.ratio() <= goal)
    }

    fn cells(&self) -> [String; 7] {
        let holds = self.holds().map_or("", |holds| if holds { "holds" } else { "does not hold" });
        [
            self.what.clone(),
            shown(self.ours, self.unit),
            self.against.clone(),
            shown(self.theirs, self.unit),
            format!("{:.2}", self.ratio()),
            self.goal.map_or_else(|| "-".to_owned(), |goal| format!("<= {goal:.2}")),
            holds.to_owned(),
        ]
    }

    fn json(&self) -> Value {
        let unit = match self.unit {
            Unit::Seconds => "seconds",
            Unit::Bytes => "bytes",
        };
        json!({
            "what": self.what, "ours": self.ours, "against": self.against, "theirs": self.theirs,
            "unit": unit, "ratio": self.ratio(), "goal": self.goal, "holds": self.holds(),
        })
    }
}

fn shown(number: f64, unit: Unit) -> String {
    match unit {
        Unit::Bytes if number < 65_536.0 => format!("{number:.0} B"),
        Unit::Bytes => format!("{:.1} MiB", number / 1_048_576.0),
        Unit::Seconds if number >= 1.0 => format!("{number:.3} s"),
        Unit::Seconds if number >= 1e-3 => format!("{:.2} ms", number * 1e3),
        Unit::Seconds => format!("{:.2} us", number * 1e6),
    }
}
