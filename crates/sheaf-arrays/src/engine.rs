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
    files: Mutex<Vec<Arc<dyn SpillFile>>>,
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
            files: Mutex::default(),
        }))
    }
}

impl ScratchFile for Pieces {
    fn append(&self, bytes: &[u8]) -> Result<u64> {
        let file = self.disk.create_tmp_file(&self.user)?;
        let mut writer = file.open_writer()?;
        writer.write_all(bytes)?;
        writer.finish()?;
        let mut files = self.files.lock();
        files.push(file);
        Ok(files.len() as u64 - 1)
    }

    fn read(&self, place: u64, into: &mut [u8]) -> Result<()> {
        let files = self.files.lock();
        let file = usize::try_from(place)
            .ok()
            .and_then(|place| files.get(place).cloned());
        drop(files);
        let file = file.ok_or_else(|| SheafError::internal("a piece that was never written"))?;
        let _entered = self.runtime.as_ref().map(Handle::enter);
        let mut stream = file.read_stream()?;
        let mut filled = 0;
        while let Some(bytes) = wait(stream.next()) {
            let bytes = bytes?;
            let room = into.get_mut(filled..filled + bytes.len());
            room.ok_or_else(|| SheafError::internal("a piece is longer than it was written"))?
                .copy_from_slice(&bytes);
            filled += bytes.len();
        }
        match filled == into.len() {
            true => Ok(()),
            false => Err(SheafError::internal(
                "a piece is shorter than it was written",
            )),
        }
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
}
