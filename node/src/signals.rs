//! Ctrl-C and the system's wish to stop, for what runs a sandbox: it is ended in order, never torn off.
#![expect(clippy::disallowed_methods, reason = "a thread waits for signals")]

use reattest_rebuilder::Cancel;
use tokio::signal::unix::{SignalKind, signal};

use crate::fault::Fault;

/// Raises the flag at an interrupt or a termination, from the moment this returns.
///
/// A process that is killed instead can leave a starting bubblewrap behind, whose child waits for
/// it before it has bound itself to its parent.
pub fn cancel_on_stop(cancel: Cancel) -> Result<(), Fault> {
    let fail = |error| Fault::new("signals cannot be watched", error);
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(fail)?;
    let inside = runtime.enter();
    let mut interrupt = signal(SignalKind::interrupt()).map_err(fail)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(fail)?;
    drop(inside);
    std::thread::spawn(move || {
        runtime.block_on(async {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        });
        cancel.cancel();
    });
    Ok(())
}
