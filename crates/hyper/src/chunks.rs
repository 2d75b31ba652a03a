//! Files in chunks, whose buffers are reused.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use taskward_client::failure::TransportFailure;
use taskward_client::source::Opened;
use taskward_core::Source;

/// Bytes read from a file at a time.
const CHUNK: usize = 256 * 1024;
/// Buffers on their way that are waited for, to be used again.
const MAX_LENT: usize = 4;

/// A file opened for one attempt.
#[derive(Debug)]
pub(crate) struct Chunks {
    opened: Opened,
    lent: VecDeque<Bytes>,
}

impl Chunks {
    /// Opens `source` and compares it with its description.
    pub(crate) fn new(source: &Source) -> Result<Self, TransportFailure> {
        Ok(Self {
            opened: Opened::new(source)?,
            lent: VecDeque::new(),
        })
    }

    /// Reads the next bytes; `None` after exactly the described length.
    pub(crate) fn read(&mut self) -> Result<Option<Bytes>, TransportFailure> {
        let want = usize::try_from(self.opened.left()).map_or(CHUNK, |left| left.min(CHUNK));
        if want == 0 {
            return Ok(None);
        }
        let mut chunk = self.buffer(want);
        self.opened.read(&mut chunk)?;
        let chunk = chunk.freeze();
        self.lent.push_back(chunk.clone());
        Ok(Some(chunk))
    }

    /// Returns a buffer that was sent meanwhile, or a new one while few are in use.
    fn buffer(&mut self, want: usize) -> BytesMut {
        if let Some(oldest) = self.lent.pop_front() {
            match oldest.try_into_mut() {
                Ok(mut buffer) if buffer.len() >= want => {
                    buffer.truncate(want);
                    return buffer;
                }
                Ok(_) => {}
                Err(busy) if self.lent.len() < MAX_LENT => self.lent.push_front(busy),
                Err(_) => {}
            }
        }
        BytesMut::zeroed(want)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::io::Write as _;
    use std::path::Path;

    use taskward_client::source::{Fingerprints, resolve};
    use taskward_core::Cause;

    fn described(path: &Path) -> Source {
        let mut source = Source::path(path);
        resolve(vec![&mut source], Fingerprints::Left).expect("a readable file");
        source
    }

    #[test]
    fn a_changed_file_is_not_sent_and_a_grown_one_is_sent_as_it_was() {
        let dir = tempfile::tempdir().expect("dir");
        let path = dir.path().join("a.txt");
        std::fs::write(&path, "hello").expect("write");
        let source = described(&path);
        let mut opened = Chunks::new(&source).expect("same file");
        let mut longer = File::options().append(true).open(&path).expect("open");
        longer.write_all(b" world").expect("append");
        assert_eq!(opened.read(), Ok(Some(Bytes::from_static(b"hello"))));
        assert_eq!(opened.read(), Ok(None));
        let fault = Chunks::new(&source).expect_err("it changed");
        assert_eq!(fault.cause, Cause::SourceChanged);
    }

    #[test]
    fn a_file_that_shrinks_while_it_is_sent_is_never_padded() {
        let dir = tempfile::tempdir().expect("dir");
        let path = dir.path().join("a.bin");
        std::fs::write(&path, vec![7; 300 * 1024]).expect("write");
        let mut opened = Chunks::new(&described(&path)).expect("same file");
        assert_eq!(
            opened.read().map(|b| b.map(|b| b.len())),
            Ok(Some(256 * 1024))
        );
        File::options()
            .write(true)
            .open(&path)
            .and_then(|file| file.set_len(260 * 1024))
            .expect("shrink");
        let fault = opened.read().expect_err("it shrank");
        assert_eq!(fault.cause, Cause::SourceChanged);
    }
}
