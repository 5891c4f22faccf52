//! Questions first: background work asks here before each small step whether somebody is waiting for an answer.

use std::sync::{Condvar, Mutex, PoisonError};

/// Counts the questions in flight.
#[derive(Default)]
pub(super) struct Gate {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    questions: usize,
    released: bool,
}

/// A question in flight, until it is dropped.
pub(super) struct Question<'a>(&'a Gate);

impl Gate {
    /// Holds background work back until what is returned is dropped.
    pub(super) fn enter(&self) -> Question<'_> {
        self.lock().questions += 1;
        Question(self)
    }

    /// Returns when no question is in flight, or when [`Gate::release_waiting`] was called.
    pub(super) fn wait_until_quiet(&self) {
        let state = self.lock();
        let waited = self.changed.wait_while(state, |state| state.questions > 0 && !state.released);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }

    /// Lets everything that waits go on, now and in future: the library is stopping.
    pub(super) fn release_waiting(&self) {
        self.lock().released = true;
        self.changed.notify_all();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Question<'_> {
    fn drop(&mut self) {
        self.0.lock().questions -= 1;
        self.0.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn background_work_waits_for_the_last_question() {
        let gate = Gate::default();
        let first = gate.enter();
        let second = gate.enter();
        std::thread::scope(|scope| {
            let (sender, receiver) = std::sync::mpsc::channel();
            let gate = &gate;
            scope.spawn(move || {
                gate.wait_until_quiet();
                sender.send(()).unwrap();
            });
            drop(first);
            assert!(receiver.recv_timeout(std::time::Duration::from_millis(50)).is_err());
            drop(second);
            receiver.recv().unwrap();
        });
    }
}
