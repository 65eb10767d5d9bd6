//! The engine's memory pool and its spill files, as readers of arrays use them.

use std::future::Future;
use std::io::Write;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Poll, Wake, Waker};
use std::thread::Thread;

use datafusion::execution::disk_manager::DiskManager;
use datafusion::execution::memory_pool::{
    MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation,
};
use datafusion::execution::spill_file::SpillFile;
use futures::StreamExt;
use parking_lot::Mutex;
use sheaf_base::{Result, SheafError};
use tokio::runtime::Handle;

use crate::context::{Context, Memory};
use crate::scratch::{Scratch, ScratchFile};

/// Bytes that can be reserved in a pool without a limit.
const NO_LIMIT: usize = usize::MAX / 4;

struct EngineMemory {
    pool: Arc<dyn MemoryPool>,
    reservation: MemoryReservation,
}

struct EngineScratch {
    disk: Arc<DiskManager>,
    /// Whose threads read: those of the engine's own disk manager, which asks where it is.
    runtime: Option<Handle>,
}

/// Each piece is a file of its own: the engine's files are read from their beginning.
struct Pieces {
    disk: Arc<DiskManager>,
    runtime: Option<Handle>,
    user: String,
    pieces: Mutex<Vec<Piece>>,
}

/// What was appended at once.
#[derive(Clone)]
struct Piece {
    begin: u64,
    end: u64,
    file: Arc<dyn SpillFile>,
}

impl Context {
    /// A reader that reserves in a query's memory pool, as `name`, and spills to the engine's disk.
    #[must_use]
    pub fn of_engine(
        name: &str,
        pool: &Arc<dyn MemoryPool>,
        disk: &Arc<DiskManager>,
        threads: usize,
    ) -> Self {
        let memory = EngineMemory {
            pool: Arc::clone(pool),
            reservation: MemoryConsumer::new(name).register(pool),
        };
        let scratch = EngineScratch {
            disk: Arc::clone(disk),
            runtime: Handle::try_current().ok(),
        };
        Self::new(Arc::new(memory), Arc::new(scratch), threads)
    }
}

impl Memory for EngineMemory {
    fn try_grow(&self, bytes: usize) -> bool {
        self.reservation.try_grow(bytes).is_ok()
    }

    fn shrink(&self, bytes: usize) {
        self.reservation.shrink(bytes);
    }

    fn left(&self) -> usize {
        self.limit().saturating_sub(self.pool.reserved())
    }

    fn limit(&self) -> usize {
        match self.pool.memory_limit() {
            MemoryLimit::Finite(bytes) => bytes,
            _ => NO_LIMIT,
        }
    }
}

impl Scratch for EngineScratch {
    fn create(&self, user: &str) -> Result<Arc<dyn ScratchFile>> {
        Ok(Arc::new(Pieces {
            disk: Arc::clone(&self.disk),
            runtime: self.runtime.clone(),
            user: user.to_owned(),
            pieces: Mutex::default(),
        }))
    }
}

impl ScratchFile for Pieces {
    fn append(&self, bytes: &[u8]) -> Result<u64> {
        let file = self.disk.create_tmp_file(&self.user)?;
        let mut writer = file.open_writer()?;
        writer.write_all(bytes)?;
        writer.finish()?;
        let mut pieces = self.pieces.lock();
        let begin = pieces.last().map_or(0, |last| last.end);
        let end = begin + bytes.len() as u64;
        pieces.push(Piece { begin, end, file });
        Ok(begin)
    }

    fn read(&self, offset: u64, into: &mut [u8]) -> Result<()> {
        let mut filled = 0;
        while filled < into.len() {
            let place = offset + filled as u64;
            let piece = {
                let pieces = self.pieces.lock();
                let number = pieces.partition_point(|piece| piece.end <= place);
                pieces.get(number).cloned()
            };
            let piece =
                piece.ok_or_else(|| SheafError::internal("a piece that was never written"))?;
            let rest = &mut into[filled..];
            filled += self.read_piece(&piece, place - piece.begin, rest)?;
        }
        Ok(())
    }
}

impl Pieces {
    /// Reads what a piece has from `skipped` bytes on, as far as there is room; how much that was.
    fn read_piece(&self, piece: &Piece, skipped: u64, into: &mut [u8]) -> Result<usize> {
        let _entered = self.runtime.as_ref().map(Handle::enter);
        let left = usize::try_from(piece.end - piece.begin - skipped).unwrap_or(usize::MAX);
        let wanted = left.min(into.len());
        let mut skipped = usize::try_from(skipped).unwrap_or(usize::MAX);
        let mut stream = piece.file.read_stream()?;
        let mut filled = 0;
        while filled < wanted {
            let Some(bytes) = wait(stream.next()) else {
                return Err(SheafError::internal(
                    "a piece is shorter than it was written",
                ));
            };
            let bytes = bytes?;
            let part = bytes.get(skipped.min(bytes.len())..).unwrap_or_default();
            skipped = skipped.saturating_sub(bytes.len());
            let count = part.len().min(wanted - filled);
            into[filled..filled + count].copy_from_slice(&part[..count]);
            filled += count;
        }
        Ok(wanted)
    }
}

/// Wakes a thread that waits.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Waits on this thread for what threads of the engine do.
fn wait<T>(future: impl Future<Output = T>) -> T {
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut task = std::task::Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut task) {
            Poll::Ready(value) => return value,
            Poll::Pending => std::thread::park(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::execution::disk_manager::DiskManagerBuilder;
    use datafusion::execution::memory_pool::{GreedyMemoryPool, MemoryPool};

    use crate::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn pieces_come_back_from_the_engines_disk_and_memory_is_given_back() {
        let pool: Arc<dyn MemoryPool> = Arc::new(GreedyMemoryPool::new(200_000));
        let disk = Arc::new(DiskManagerBuilder::default().build().unwrap());
        let context = Context::of_engine("arrays", &pool, &disk, 2);
        let grid = Grid::regular(&[200, 150], &[50, 50], DType::Float64).unwrap();
        let even = Distribution::Uniform {
            low: 0.0,
            high: 1.0,
        };
        let source = random(grid, even, 3).unwrap();
        let running = cumulative(&source, Cumulative::Sum, 0).unwrap();
        let turned = rechunk(&running, &[10, 150]).unwrap();
        let difference = binary(BinaryOp::Subtract, &turned, &running).unwrap();
        let norm = reduce(&difference, Reduction::Norm(2.0), &ReduceOptions::default()).unwrap();
        let norm = norm.load(&context).unwrap();
        assert_eq!(norm.get(&[]), Some(Scalar::Float(0.0)));
        drop((context, norm));
        assert_eq!(pool.reserved(), 0);
    }

    /// Any part can be read of what was appended, wherever the pieces end.
    #[tokio::test(flavor = "multi_thread")]
    async fn parts_of_pieces_come_back() {
        let pool: Arc<dyn MemoryPool> = Arc::new(GreedyMemoryPool::new(200_000));
        let disk = Arc::new(DiskManagerBuilder::default().build().unwrap());
        let context = Context::of_engine("arrays", &pool, &disk, 1);
        let file = context.scratch().create("a test").unwrap();
        let bytes: Vec<u8> = (0..100_000u32).map(|number| (number % 251) as u8).collect();
        let (mut begin, mut length) = (0, 1);
        while begin < bytes.len() {
            let end = bytes.len().min(begin + length);
            assert_eq!(file.append(&bytes[begin..end]).unwrap(), begin as u64);
            (begin, length) = (end, length * 3);
        }
        for (first, count) in [
            (0, 1),
            (0, 100_000),
            (3, 5),
            (1000, 50_000),
            (99_999, 1),
            (7, 0),
        ] {
            let mut part = vec![0; count];
            file.read(first as u64, &mut part).unwrap();
            assert_eq!(part, bytes[first..first + count]);
        }
        assert!(file.read(99_999, &mut [0; 2]).is_err());
    }
}
