//! From one response to bytes in the store (step 2): continued where an earlier connection ended.

use std::io::{Read, Write};
use std::sync::mpsc::Sender;

use reattest_attestation::Digest;
use ureq::http::Response;

use super::client::{Address, Client, header};
use super::heads::Head;
use super::progress::Tick;
use super::refusal::Refusal;
use super::{FetchProblem, Want};
use crate::cas::partial::Partial;
use crate::limits;

/// A signed index states its date within its first bytes; see [`Client::is_unchanged`].
const PREFIX_BYTES: usize = 4096;

impl Client {
    /// Takes what a server sends of a file whose digest is known.
    pub(super) fn continued(
        &self,
        address: &Address<'_>,
        partial: &mut Partial,
        response: &mut Response<ureq::Body>,
        ticks: &Sender<Tick>,
    ) -> Result<Digest, Refusal> {
        let want = address.want;
        let Some((digest, size)) = want.expected else {
            return Err(Refusal::Doubtful("a part of a file without digest".to_owned()));
        };
        match response.status().as_u16() {
            206 => check_range(response, partial.length(), size)?,
            // It ignores ranges and sends everything.
            _ => self.begin_again(want, partial, ticks)?,
        }
        let mut body = response.body_mut().as_reader();
        let mut length = partial.length();
        self.copy(want, &mut body, &mut length, partial, ticks)?;
        if length < size {
            return Err(Refusal::silent(format!("the connection ended after {length} bytes")));
        }
        partial.keep(&self.cas).map_err(|e| Refusal::store(want, &e))?;
        Ok(digest)
    }

    /// Forgets what was there, also in what is shown.
    pub(super) fn begin_again(
        &self,
        want: &Want,
        partial: &mut Partial,
        ticks: &Sender<Tick>,
    ) -> Result<(), Refusal> {
        let _ = ticks.send(Tick::Lost(partial.length()));
        partial.restart().map_err(|e| Refusal::write(want, self.heads.path(), &e))
    }

    /// Takes a whole file whose digest nobody knows.
    pub(super) fn whole(
        &self,
        address: &Address<'_>,
        landed: &str,
        head: Option<&Head>,
        response: &mut Response<ureq::Body>,
        ticks: &Sender<Tick>,
    ) -> Result<Digest, Refusal> {
        let want = address.want;
        let (etag, modified) = (header(response, "etag"), header(response, "last-modified"));
        let announced = header(response, "content-length").and_then(|l| l.parse::<u64>().ok());
        let mut body = response.body_mut().as_reader();
        let mut start = Vec::new();
        let first = body.by_ref().take(PREFIX_BYTES as u64).read_to_end(&mut start);
        first.map_err(|e| Refusal::silent(e.to_string()))?;
        let dated = head.filter(|_| address.dated);
        if let Some(head) = dated.filter(|h| self.is_unchanged(h, announced, &start)) {
            return Ok(head.digest);
        }
        let mut blob = self.cas.writer().map_err(|e| Refusal::store(want, &e))?;
        let mut size = 0;
        let mut body = start.as_slice().chain(body);
        self.copy(want, &mut body, &mut size, &mut blob, ticks)?;
        let digest = blob.keep(None).map_err(|e| Refusal::store(want, &e))?;
        let url = address.url.clone();
        let landed = (landed != url).then(|| landed.to_owned());
        self.heads.remember(&Head { url, landed, digest, size, etag, modified });
        Ok(digest)
    }

    /// A mirror without validators sends everything each time. An index of the same length and date
    /// is the same index; a mirror that lied here could as well answer 304, and gain as little.
    fn is_unchanged(&self, head: &Head, announced: Option<u64>, start: &[u8]) -> bool {
        let known = self.cas.read(&head.digest, limits::SIGNED_INDEX_BYTES).unwrap_or_default();
        announced == Some(head.size) && known.len() as u64 == head.size && known.starts_with(start)
    }

    fn copy(
        &self,
        want: &Want,
        body: &mut dyn Read,
        length: &mut u64,
        target: &mut dyn Write,
        ticks: &Sender<Tick>,
    ) -> Result<(), Refusal> {
        let mut buffer = vec![0; 1 << 16];
        loop {
            let count = body.read(&mut buffer).map_err(|e| Refusal::silent(e.to_string()))?;
            if count == 0 {
                return Ok(());
            }
            *length = length.saturating_add(count as u64);
            self.check_running(want, *length)?;
            target
                .write_all(buffer.get(..count).unwrap_or_default())
                .map_err(|e| Refusal::write(want, self.heads.path(), &e))?;
            self.came(count as u64);
            let _ = ticks.send(Tick::Came(count as u64));
        }
    }

    fn check_running(&self, want: &Want, length: u64) -> Result<(), Refusal> {
        let location = want.location.clone();
        if length > want.limit {
            return Err(Refusal::Final(FetchProblem::TooLarge { location, limit: want.limit }));
        }
        if self.cancel.is_cancelled() {
            return Err(Refusal::Final(FetchProblem::Cancelled { location }));
        }
        Ok(())
    }
}

/// `Content-Range: bytes START-END/TOTAL` must be exactly the rest that is missing.
fn check_range(response: &Response<ureq::Body>, start: u64, size: u64) -> Result<(), Refusal> {
    let said = header(response, "content-range").unwrap_or_default();
    if is_range(&said, start, size) {
        return Ok(());
    }
    Err(Refusal::Doubtful(format!(
        "it sent the range {said:?}, needed bytes from {start} of {size}"
    )))
}

fn is_range(said: &str, start: u64, size: u64) -> bool {
    let parse = || -> Option<(u64, u64, &str)> {
        let (range, total) = said.strip_prefix("bytes ")?.trim().split_once('/')?;
        let (first, last) = range.split_once('-')?;
        Some((first.parse().ok()?, last.parse().ok()?, total))
    };
    let total_fits = |total: &str| total == "*" || total.parse() == Ok(size);
    parse().is_some_and(|(first, last, total)| {
        first == start && first <= last && last < size && total_fits(total)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_missing_rest_is_a_range_to_go_on_with() {
        let table = [
            ("bytes 4-9/10", true),
            ("bytes 4-9/*", true),
            ("bytes 4-7/10", true),
            ("bytes 0-9/10", false),
            ("bytes 4-9/11", false),
            ("bytes 4-10/10", false),
            ("bytes 5-4/10", false),
            ("bytes */10", false),
            ("lines 4-9/10", false),
            ("", false),
        ];
        for (said, expected) in table {
            assert_eq!(is_range(said, 4, 10), expected, "{said}");
        }
    }
}
