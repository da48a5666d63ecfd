//! What one report may read, unpack and say (step 4, pure): every input is hostile.

/// Bounds of one comparison. `rebuilder/src/limits.rs` has the reason of each default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes unpacked in all, on each side; they are held in memory.
    pub unpacked_bytes: u64,
    /// Unpacked bytes for each packed one, once a mebibyte is passed.
    pub ratio: u64,
    /// Containers inside of each other.
    pub depth: usize,
    /// Members looked at in all, on each side.
    pub members: usize,
    /// Differences that are told in full; the rest is counted.
    pub differences: usize,
    /// Rows, runs or lines shown for one difference; the rest is counted.
    pub excerpts: usize,
    /// Lines on each side that are aligned with each other; the work grows with their square.
    pub lines: usize,
    /// Bytes of the document.
    pub json_bytes: usize,
}
