//! The normalizers and their limits, included as files under a name of their own: the node has limits too.

#[path = "../../rebuilder/src/limits.rs"]
pub mod limits;
#[path = "../../rebuilder/src/normalize/mod.rs"]
pub mod normalize;
