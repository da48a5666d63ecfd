//! The pure part of `rebuilder/src/report.rs` as files: its shell needs a sandbox, and a fuzzer none.

#[path = "../../rebuilder/src/report/archive.rs"]
mod archive;
#[path = "../../rebuilder/src/report/bounds.rs"]
mod bounds;
#[path = "../../rebuilder/src/report/budget.rs"]
mod budget;
#[path = "../../rebuilder/src/report/bytes.rs"]
mod bytes;
#[path = "../../rebuilder/src/report/classify.rs"]
mod classify;
#[path = "../../rebuilder/src/report/compare.rs"]
mod compare;
#[path = "../../rebuilder/src/report/document.rs"]
mod document;
#[path = "../../rebuilder/src/report/elf.rs"]
mod elf;
#[path = "../../rebuilder/src/report/html.rs"]
pub(crate) mod html;
#[path = "../../rebuilder/src/report/lines.rs"]
mod lines;
#[path = "../../rebuilder/src/report/members.rs"]
mod members;
#[path = "../../rebuilder/src/report/packed.rs"]
mod packed;
#[path = "../../rebuilder/src/report/pyc.rs"]
mod pyc;
#[path = "../../rebuilder/src/report/shown.rs"]
mod shown;
#[path = "../../rebuilder/src/report/summary.rs"]
mod summary;
#[path = "../../rebuilder/src/report/text.rs"]
pub(crate) mod text;
#[path = "../../rebuilder/src/report/variation.rs"]
mod variation;
#[path = "../../rebuilder/src/report/zip.rs"]
mod zip;

pub(crate) use bounds::Limits;
pub(crate) use compare::{Side, compare};
pub(crate) use document::Report;
pub(crate) use variation::Dependence;
