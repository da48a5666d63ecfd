//! The model of large networks: it costs what it must at least, repeats, and is drawn.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use reattest_simulations::scale::{Growth, Model, WAYS, grow, svg};

fn small() -> Model {
    Model {
        nodes: 300,
        rebuilders: 30,
        artifacts: 900,
        copies: 7,
        need: 4,
        degree: 6,
        ways: WAYS,
        bandwidth: 20_000_000,
        build_seconds: 300,
        followed: 10,
        seed: 1,
    }
}

fn grown(model: &Model) -> Growth {
    grow(model, |_| {}).unwrap()
}

#[test]
fn every_node_sees_the_quorum_and_pays_at_least_the_lower_bound() {
    let growth = grown(&small());
    let sizes: Vec<usize> = growth.rows.iter().map(|row| row.nodes).collect();
    assert_eq!(sizes, [100, 300], "ten nodes have too few rebuilders for seven copies");
    for row in &growth.rows {
        assert!(row.times_bound > 1.0 && row.network_p50 > 0.0, "{row}");
        // Four of seven builds of 30 to 300 s end before the longest one, and after the shortest.
        assert!(row.quorum_p50 > 30.0 && row.quorum_p50 <= row.quorum_p99, "{row}");
        assert!(row.network_p99 < row.quorum_p50, "{row}");
    }
}

#[test]
fn one_seed_is_one_day_and_a_slower_network_is_later() {
    let figures = |model: &Model| {
        let rows = grown(model).rows;
        rows.iter().map(|row| (row.network_p99, row.bytes)).collect::<Vec<_>>()
    };
    let fast = figures(&small());
    assert_eq!(fast, figures(&small()));
    let slow = figures(&Model { bandwidth: 200_000, ..small() });
    assert!(fast.iter().zip(&slow).all(|(fast, slow)| fast.0 < slow.0), "{fast:?} {slow:?}");
}

#[test]
fn more_links_cost_more_copies_of_each_head() {
    let bytes = |degree| grown(&Model { degree, ..small() }).rows[1].bytes;
    assert!(bytes(4) < bytes(8));
}

#[test]
fn the_plot_has_a_line_for_each_figure() {
    let plot = svg(&grown(&small())).unwrap();
    assert!(plot.starts_with("<svg") && plot.trim_end().ends_with("</svg>"));
    assert!(plot.matches("<polyline").count() >= 4);
    assert!(plot.contains("network alone, 99 of 100"));
}

#[test]
fn more_logs_than_a_node_follows_are_refused() {
    let model = Model { nodes: 20_000, rebuilders: 2_000, ..small() };
    let refused = grow(&model, |_| {}).unwrap_err().to_string();
    assert!(refused.contains("needed at most 1024"), "{refused}");
}
