//! Reading what was written, checked, and a little of it before it is asked for.
//!
//! Threads of the I/O runtime read and check. A stream holds what it reads next, at most
//! [`READ_BYTES_MAX`]; it reads ahead if [`READ_AHEAD_MAX`] streams do not do so already, and
//! otherwise one block at a time when it is asked.

use std::fs::File;
use std::io::Read;
use std::sync::Arc;

use bytes::Bytes;
use futures::{Stream, stream};
use sheaf_base::SheafError;
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinHandle;

use super::file::{BLOCK_BYTES, Block, Content};
use super::label::Label;

/// Bytes that are read at a time.
const READ_BYTES_MAX: usize = 2 * BLOCK_BYTES;

/// Streams that read ahead at a time; the bytes they hold come to 4 MiB.
pub(super) const READ_AHEAD_MAX: usize = 32;

/// The bytes of a file in the order in which they were written, up to its end when it is reached.
pub(super) fn read(
    content: Arc<Content>,
) -> impl Stream<Item = Result<Bytes, SheafError>> + Send + 'static {
    let reader = Reader {
        content,
        file: None,
        next_block: 0,
        offset: 0,
        ahead: None,
    };
    stream::try_unfold(reader, |mut reader| async move {
        Ok(reader.next().await?.map(|bytes| (bytes, reader)))
    })
}

struct Reader {
    content: Arc<Content>,
    file: Option<File>,
    next_block: usize,
    /// Where the next block begins.
    offset: u64,
    ahead: Option<(JoinHandle<Chunk>, OwnedSemaphorePermit)>,
}

/// What has been read, and the file to read on from.
type Chunk = Result<(Bytes, File), SheafError>;

/// Reads blocks that follow each other. Holds nothing of the file but what it needs, so that the
/// file can go while this runs.
struct ReadJob {
    label: Arc<Label>,
    file: Option<File>,
    blocks: Vec<Block>,
    offset: u64,
}

impl Reader {
    async fn next(&mut self) -> Result<Option<Bytes>, SheafError> {
        let job = match self.ahead.take() {
            Some((job, _permit)) => job,
            None => {
                let blocks = &self.content.blocks;
                let blocks = blocks.read(self.next_block, BLOCK_BYTES).await?;
                if blocks.is_empty() {
                    return Ok(None);
                }
                self.start(blocks)
            }
        };
        let (bytes, file) = job.await.map_err(|_| self.content.label.shut_down())??;
        self.file = Some(file);
        self.read_ahead()?;
        Ok(Some(bytes))
    }

    fn read_ahead(&mut self) -> Result<(), SheafError> {
        let permits = Arc::clone(&self.content.shared.read_ahead);
        let Ok(permit) = permits.try_acquire_owned() else {
            return Ok(());
        };
        let blocks = self
            .content
            .blocks
            .try_read(self.next_block, READ_BYTES_MAX)?;
        if let Some(blocks) = blocks.filter(|blocks| !blocks.is_empty()) {
            self.ahead = Some((self.start(blocks), permit));
        }
        Ok(())
    }

    fn start(&mut self, blocks: Vec<Block>) -> JoinHandle<Chunk> {
        let job = ReadJob {
            label: Arc::clone(&self.content.label),
            file: self.file.take(),
            offset: self.offset,
            blocks,
        };
        self.next_block += job.blocks.len();
        self.offset += job.bytes() as u64;
        self.content.shared.io.spawn_blocking(move || job.run())
    }
}

impl ReadJob {
    fn bytes(&self) -> usize {
        self.blocks.iter().map(|block| block.bytes as usize).sum()
    }

    fn run(mut self) -> Chunk {
        let file = match self.file.take() {
            Some(file) => file,
            None => File::open(&self.label.path).map_err(|error| self.label.cannot_open(&error))?,
        };
        let length = self.bytes();
        let mut bytes = Vec::with_capacity(length);
        (&file)
            .take(length as u64)
            .read_to_end(&mut bytes)
            .map_err(|error| self.label.cannot_read(length, self.offset, &error))?;
        self.check(&bytes)?;
        Ok((bytes.into(), file))
    }

    fn check(&self, bytes: &[u8]) -> Result<(), SheafError> {
        let mut rest = bytes;
        let mut offset = self.offset;
        for block in &self.blocks {
            let Some((read, after)) = rest.split_at_checked(block.bytes as usize) else {
                return Err(self.label.cut_short(block.bytes, offset));
            };
            if !block.is(read) {
                return Err(self.label.damaged(block.bytes, offset));
            }
            rest = after;
            offset += u64::from(block.bytes);
        }
        Ok(())
    }
}
