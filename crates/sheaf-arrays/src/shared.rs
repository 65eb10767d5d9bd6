//! One context for all readers of a statement: what one keeps is there for the others, and is reserved once.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::context::Context;

/// The context of some readers, which may follow each other or run at the same time. It is made when the
/// first of them begins, and what it keeps is given back when the last has ended.
#[derive(Debug)]
pub struct SharedContext {
    slot: Mutex<Slot>,
}

#[derive(Debug)]
struct Slot {
    /// Readers that have not ended.
    left: usize,
    context: Option<Context>,
}

/// A reader of a [`SharedContext`], which ends when this is dropped.
#[derive(Debug)]
pub struct Turn(Arc<SharedContext>);

impl SharedContext {
    /// The context of `readers` readers. One that is never begun keeps it as long as this is there; one that
    /// begins after that many have ended has a new context.
    #[must_use]
    pub fn new(readers: usize) -> Self {
        Self {
            slot: Mutex::new(Slot {
                left: readers,
                context: None,
            }),
        }
    }

    /// Begins a reader: the context that all have, which `make` makes for the first.
    #[must_use]
    pub fn begin(self: &Arc<Self>, make: impl FnOnce() -> Context) -> (Context, Turn) {
        let mut slot = self.slot.lock();
        let context = slot.context.get_or_insert_with(make).clone();
        (context, Turn(Arc::clone(self)))
    }

    fn end(&self) {
        let mut slot = self.slot.lock();
        slot.left = slot.left.saturating_sub(1);
        let over = match slot.left {
            0 => slot.context.take(),
            _ => None,
        };
        // What it keeps is let go where nobody waits for it.
        drop(slot);
        drop(over);
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.end();
    }
}

#[cfg(test)]
mod tests {
    use sheaf_base::ByteCount;

    use super::*;
    use crate::*;

    /// What the first of two readers keeps is there for the second, and is given back after it.
    #[test]
    fn readers_share_what_they_keep_until_the_last_ends() {
        let memory = Arc::new(FixedMemory::new(1 << 20));
        let make = || {
            let scratch = ScratchDirectory::new(std::env::temp_dir(), ByteCount(1 << 20));
            let used: Arc<dyn Memory> = Arc::clone(&memory) as _;
            Context::new(used, Arc::new(scratch), 1)
        };
        let left = || memory.limit() - memory.left();
        let grid = Grid::regular(&[4], &[4], DType::Int64).unwrap();
        let gathered = Gathered::new(grid);
        let last_in = |context: &Context| gathered.array().load(context).unwrap().get(&[3]);
        let shared = Arc::new(SharedContext::new(2));

        let (context, turn) = shared.begin(make);
        let chunk = Tensor::from_vec(&[4], vec![1i64, 2, 3, 4]).unwrap();
        gathered.put(&[0], chunk, &context).unwrap();
        assert_eq!(last_in(&context), Some(Scalar::Int(4)));
        drop((context, turn));
        assert_eq!(left(), 32);

        let (context, turn) = shared.begin(make);
        assert_eq!(last_in(&context), Some(Scalar::Int(4)));
        drop((context, turn));
        assert_eq!(left(), 0);

        let (context, _turn) = shared.begin(make);
        assert_eq!(last_in(&context), Some(Scalar::Int(0)));
    }
}
