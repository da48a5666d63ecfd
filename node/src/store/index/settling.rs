//! How index records come to rest: little into sled, much into a segment, similar segments into one.

use std::fs;

use super::StoredIndex;
use super::segment::{Segment, merged};
use crate::disk::FileSystem;
use crate::limits::{INDEX_NEWEST, INDEX_SIMILAR};
use crate::store::{LogError, partial};

impl StoredIndex {
    /// Puts what came since into the database, if it is little: many at once become a segment, and
    /// a kill costs no more than reading the entries again.
    pub(super) fn settle(&mut self) -> Result<(), LogError> {
        let few = self.pending.len() <= INDEX_NEWEST.wrapping_div(64);
        if few || self.directory.is_none() { self.keep_pending() } else { Ok(()) }
    }

    fn keep_pending(&mut self) -> Result<(), LogError> {
        let many = self.newest.len().saturating_add(self.pending.len()) > INDEX_NEWEST;
        let Some(directory) = self.directory.clone() else {
            self.newest.insert(&std::mem::take(&mut self.pending));
            return Ok(());
        };
        if many {
            return self.write_segment();
        }
        if self.unwritten {
            self.manifest.write(&directory)?;
            self.unwritten = false;
        }
        self.newest.insert(&std::mem::take(&mut self.pending));
        Ok(())
    }

    /// Closes the index: what is on disk now is what the next start may believe.
    pub fn close(mut self) {
        if let Err(error) = self.keep_pending() {
            tracing::warn!(%error, "the newest index entries are read from the logs next time");
            return;
        }
        self.newest.close(&self.covered);
    }

    /// Makes everything that is not in a segment one.
    pub(in crate::store) fn write_segment(&mut self) -> Result<(), LogError> {
        let Some(directory) = self.directory.clone() else {
            return Ok(());
        };
        let mut records = self.newest.all();
        records.append(&mut self.pending);
        records.sort_unstable();
        records.dedup();
        let mut merged_away = Vec::new();
        let written =
            Segment::write(&directory, self.manifest.next, records.iter().copied().map(Ok));
        if written.is_err() {
            // They stay where they are found; `newest` holds its own.
            self.pending = records;
        }
        self.add(written?);
        while let Some(class) = crowded(&self.segments) {
            let (similar, others) =
                self.segments.drain(..).partition(|segment| class_of(segment) == class);
            self.segments = others;
            let merged = Segment::write(&directory, self.manifest.next, merged(&similar));
            match merged {
                Ok(segment) => {
                    self.add(segment);
                    merged_away.extend(similar);
                }
                Err(error) => {
                    self.segments.extend(similar);
                    tracing::warn!(%error, "index segments were not merged");
                    break;
                }
            }
        }
        self.manifest.covered.clone_from(&self.covered);
        self.manifest.segments =
            self.segments.iter().map(|segment| (segment.number, segment.records)).collect();
        self.manifest.write(&directory)?;
        self.unwritten = false;
        merged_away.into_iter().for_each(Segment::remove);
        self.newest.clear()
    }

    fn add(&mut self, segment: Segment) {
        self.manifest.next = self.manifest.next.saturating_add(1);
        if segment.records > 0 {
            self.segments.push(segment);
        } else {
            segment.remove();
        }
    }

    /// Removes segments that the manifest does not name, and what killed writes left.
    pub(super) fn remove_strays(&self) {
        let Some(directory) = &self.directory else { return };
        let named: Vec<String> =
            self.segments.iter().map(|segment| format!("segment-{}", segment.number)).collect();
        for path in fs::read_dir(directory).into_iter().flatten().flatten().map(|e| e.path()) {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let stray = name.starts_with("segment-") && !named.contains(&name);
            if stray || name.starts_with(".new-") {
                partial::remove(&FileSystem, &path);
            }
        }
    }
}

/// Segments of one class are of similar size: within a factor of four.
fn class_of(segment: &Segment) -> u32 {
    segment.records.max(1).ilog2().wrapping_div(2)
}

/// A class with so many segments that they become one.
fn crowded(segments: &[Segment]) -> Option<u32> {
    let of_class = |class| segments.iter().filter(|segment| class_of(segment) == class).count();
    (0..=u64::BITS).find(|class| of_class(*class) >= INDEX_SIMILAR)
}
