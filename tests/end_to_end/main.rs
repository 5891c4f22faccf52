//! The whole program as a person uses it: the real binary, real stores, real models, files on a real disk.
//!
//! Models are taken from `$CARREL_MODELS`, else from the default store. A test that needs one that is not there says
//! so on stderr, whatever the test runner captures, and passes without having tested anything.

mod airgap;
mod asking;
mod command_line;
mod desk;
mod evaluating;
mod killing;
mod ledger;
mod power_loss;
mod step;
mod storm;
mod tasks;
mod trouble;
mod unlocking;
