//! Ctrl-C in commands that take long: the first asks them to stop at a safe point, the second ends them at once.
//! Both lose nothing, since every document is one transaction; the first also says where the work stands.

use std::sync::atomic::{AtomicBool, Ordering};

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// The exit status of a program that Ctrl-C ended.
pub const EXIT_STATUS: u8 = 130;

/// Takes over Ctrl-C. The server does not call this: it ends by its own signal handling.
pub fn install() {
    let handler = on_interrupt as extern "C" fn(libc::c_int);
    // SAFETY: the handler only touches an atomic and calls `_exit`, both of which are async-signal-safe.
    unsafe {
        libc::signal(libc::SIGINT, handler as libc::sighandler_t);
    }
}

/// Whether Ctrl-C was pressed since [`install`].
pub fn interrupted() -> bool {
    INTERRUPTED.load(Ordering::Relaxed)
}

extern "C" fn on_interrupt(_signal: libc::c_int) {
    if INTERRUPTED.swap(true, Ordering::Relaxed) {
        // SAFETY: `_exit` ends the process and runs nothing of ours.
        unsafe { libc::_exit(i32::from(EXIT_STATUS)) }
    }
}
