//! A few threads that wait for work without going to sleep.
//!
//! A token is some two hundred short parallel steps; waking a thread by the kernel would cost more than many
//! of them. Workers spin for a moment after each step, and sleep when no more comes. Units of work are handed
//! out one by one, so a worker that the system has put aside delays nobody: the caller takes what is left
//! and waits only for units that have been begun.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;

type Job = *const (dyn Fn(usize) + Sync);

/// Rounds of spinning before a worker sleeps: about a fifth of a millisecond.
const SPINS: u32 = 10_000;

struct Shared {
    /// Number of the job that may be worked at; 0 while there is none.
    open: AtomicU64,
    /// Workers that look at the job, or work at it.
    active: AtomicUsize,
    next: AtomicUsize,
    /// The open job. Written only while none is open and no worker is active.
    job: std::cell::UnsafeCell<(Option<Job>, usize)>,
    panicked: AtomicBool,
    stop: AtomicBool,
    sleepers: AtomicUsize,
    bed: Mutex<()>,
    bell: Condvar,
}

// SAFETY: `job` is written by the holder of `Pool::caller` while no worker is active, and read by workers
// that have announced themselves in `active` and then seen the job open; the caller closes the job and waits
// until none is active before it returns.
unsafe impl Sync for Shared {}
// SAFETY: the pointer in `job` is followed only while the one who stored it waits.
unsafe impl Send for Shared {}

/// A fixed number of threads, of which the caller is one.
pub(crate) struct Pool {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
    /// Held while a job runs; the number of the last one.
    caller: Mutex<u64>,
}

impl Pool {
    /// A pool in which `threads` (at least one, the caller) work.
    pub(crate) fn new(threads: usize) -> Pool {
        let shared = Arc::new(Shared {
            open: AtomicU64::new(0),
            active: AtomicUsize::new(0),
            next: AtomicUsize::new(0),
            job: std::cell::UnsafeCell::new((None, 0)),
            panicked: AtomicBool::new(false),
            stop: AtomicBool::new(false),
            sleepers: AtomicUsize::new(0),
            bed: Mutex::new(()),
            bell: Condvar::new(),
        });
        let spawn = |index| {
            let shared = Arc::clone(&shared);
            let thread = std::thread::Builder::new().name(format!("decoder-{index}"));
            thread.spawn(move || shared.work())
        };
        // Where the system gives no more threads, those that there are do all the work.
        let workers = (1..threads.max(1)).map_while(|index| spawn(index).ok()).collect();
        Pool { shared, workers, caller: Mutex::new(0) }
    }

    pub(crate) fn threads(&self) -> usize {
        self.workers.len() + 1
    }

    /// Calls `work` once with each number below `units`, on all threads, and returns when all are done.
    /// Not to be called from within `work`.
    ///
    /// # Panics
    /// If `work` does.
    pub(crate) fn run(&self, units: usize, work: &(dyn Fn(usize) + Sync)) {
        if units <= 1 || self.workers.is_empty() {
            return (0..units).for_each(work);
        }
        let mut number = self.caller.lock().unwrap_or_else(PoisonError::into_inner);
        *number += 1;
        let shared = &*self.shared;
        // SAFETY: only the lifetime is changed; `close` below returns before `work` goes away, also when
        // the caller's own part panics.
        let job: Job = unsafe {
            std::mem::transmute::<*const (dyn Fn(usize) + Sync + '_), Job>(std::ptr::from_ref(work))
        };
        // SAFETY: no job is open and no worker is active.
        unsafe { *shared.job.get() = (Some(job), units) };
        shared.next.store(0, SeqCst);
        shared.open.store(*number, SeqCst);
        if shared.sleepers.load(SeqCst) > 0 {
            drop(shared.bed.lock().unwrap_or_else(PoisonError::into_inner));
            shared.bell.notify_all();
        }
        let close = Close(shared);
        shared.take_units(work, units);
        drop(close);
        assert!(!shared.panicked.swap(false, SeqCst), "a worker of the decoder panicked");
    }
}

/// Rows of a buffer that several threads write, each its own.
#[derive(Clone, Copy)]
pub(crate) struct SharedRows {
    at: *mut f32,
    width: usize,
    rows: usize,
}

// SAFETY: `SharedRows::rows` asks that threads take different rows.
unsafe impl Sync for SharedRows {}

impl SharedRows {
    /// The rows of `width` floats of a buffer.
    pub(crate) fn new(buffer: &mut [f32], width: usize) -> SharedRows {
        SharedRows { at: buffer.as_mut_ptr(), width, rows: buffer.len() / width }
    }

    /// Some rows.
    ///
    /// # Safety
    /// The buffer lives and nobody else uses these rows meanwhile.
    #[expect(clippy::mut_from_ref, reason = "disjoint rows of one buffer; the caller vouches for it")]
    pub(crate) unsafe fn rows(&self, range: std::ops::Range<usize>) -> &mut [f32] {
        assert!(range.start <= range.end && range.end <= self.rows);
        // SAFETY: the range is within the buffer; the rest is the caller's.
        unsafe {
            std::slice::from_raw_parts_mut(self.at.add(range.start * self.width), range.len() * self.width)
        }
    }
}

/// Closes the job and waits for those who are at it.
struct Close<'a>(&'a Shared);

impl Drop for Close<'_> {
    fn drop(&mut self) {
        self.0.open.store(0, SeqCst);
        let mut spins = 0;
        while self.0.active.load(SeqCst) > 0 {
            spins += 1;
            if spins % 1000 == 0 { std::thread::yield_now() } else { std::hint::spin_loop() }
        }
    }
}

impl Shared {
    fn take_units(&self, work: &(dyn Fn(usize) + Sync), units: usize) {
        loop {
            let unit = self.next.fetch_add(1, SeqCst);
            if unit >= units {
                return;
            }
            work(unit);
        }
    }

    fn work(&self) {
        let mut last = 0;
        while self.await_job(last) {
            self.active.fetch_add(1, SeqCst);
            let number = self.open.load(SeqCst);
            if number != 0 {
                // SAFETY: the job was seen open after this worker announced itself.
                let (job, units) = unsafe { *self.job.get() };
                if let Some(job) = job {
                    // SAFETY: the caller waits in `Close` until this worker is no longer active.
                    let work = unsafe { &*job };
                    let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                        self.take_units(work, units);
                    }));
                    if done.is_err() {
                        self.panicked.store(true, SeqCst);
                    }
                }
                last = number;
            }
            self.active.fetch_sub(1, SeqCst);
        }
    }

    /// Waits for a job other than the last; false when the pool is going away.
    fn await_job(&self, last: u64) -> bool {
        let ready = || {
            let open = self.open.load(SeqCst);
            (open != 0 && open != last) || self.stop.load(SeqCst)
        };
        for _ in 0..SPINS {
            if ready() {
                return !self.stop.load(SeqCst);
            }
            std::hint::spin_loop();
        }
        let mut bed = self.bed.lock().unwrap_or_else(PoisonError::into_inner);
        self.sleepers.fetch_add(1, SeqCst);
        while !ready() {
            bed = self.bell.wait(bed).unwrap_or_else(PoisonError::into_inner);
        }
        self.sleepers.fetch_sub(1, SeqCst);
        !self.stop.load(SeqCst)
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.stop.store(true, SeqCst);
        drop(self.shared.bed.lock().unwrap_or_else(PoisonError::into_inner));
        self.shared.bell.notify_all();
        for worker in self.workers.drain(..) {
            // A worker catches what its work throws.
            let _ = worker.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unit_is_done_once() {
        for threads in [1, 2, 5] {
            let pool = Pool::new(threads);
            for units in [0, 1, 2, 7, 1000] {
                let counts: Vec<AtomicUsize> = (0..units).map(|_| AtomicUsize::new(0)).collect();
                for _ in 0..50 {
                    pool.run(units, &|unit| {
                        counts[unit].fetch_add(1, SeqCst);
                    });
                }
                assert!(counts.iter().all(|count| count.load(SeqCst) == 50));
            }
        }
    }

    #[test]
    fn a_pool_that_has_slept_wakes() {
        let pool = Pool::new(3);
        pool.run(8, &|_| {});
        std::thread::sleep(std::time::Duration::from_millis(50));
        let count = AtomicUsize::new(0);
        pool.run(8, &|_| {
            count.fetch_add(1, SeqCst);
        });
        assert_eq!(count.load(SeqCst), 8);
    }

    #[test]
    #[should_panic]
    fn a_panic_reaches_the_caller() {
        Pool::new(2).run(64, &|unit| assert!(unit != 40));
    }
}
