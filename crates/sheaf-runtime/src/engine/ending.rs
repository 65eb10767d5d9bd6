//! How runtimes end: without anybody waiting for them, and without threads that nobody waits for.

use std::sync::mpsc::{self, SendError};
use std::thread;

use tokio::runtime::Runtime;

/// Ends `runtime` in the background. May be called on any thread, those of runtimes too.
///
/// `Runtime::shutdown_background` lets go of threads while they end. glibc's `pthread_detach` looks at
/// a thread once more after it has declared it detached (glibc's bug 19951); a thread that has ended in
/// between has taken its memory along, if its stack is too large to be kept for another thread, as those
/// of planning threads are. The process dies of it. So a thread of its own waits for those of the
/// runtime, and is itself let go of before it can end.
pub(super) fn end(runtime: Runtime) {
    let (hand_over, handed_over) = mpsc::channel();
    let waiting = thread::Builder::new()
        .name("sheaf-end".to_owned())
        .spawn(move || drop(handed_over.recv()));
    let refused = match waiting {
        Ok(thread) => {
            // It waits for the runtime now, and does not end.
            drop(thread);
            hand_over.send(runtime).err().map(|SendError(it)| it)
        }
        Err(_) => Some(runtime),
    };
    if let Some(runtime) = refused {
        runtime.shutdown_background();
    }
}
