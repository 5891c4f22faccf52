//! Real models for tests.

use std::io::Write;
use std::path::PathBuf;

use crate::Store;

/// The store with this model: `$CARREL_MODELS`, else the default one. `None`, loudly, where it is not there.
pub(crate) fn store_with(name: &str) -> Option<Store> {
    let default = || Some(PathBuf::from(std::env::var_os("HOME")?).join(".local/share/carrel/models"));
    let directory = std::env::var_os("CARREL_MODELS").map(PathBuf::from).or_else(default)?;
    let store = directory.is_dir().then(|| Store::open(&directory).ok()).flatten();
    let store = store.filter(|store| store.get(name).is_ok());
    if store.is_none() {
        let thread = std::thread::current();
        let test = thread.name().unwrap_or("a test");
        // Written past the test runner, which would swallow it.
        let _ = writeln!(
            std::io::stderr(),
            "LEFT OUT: {test} needs {name} in `{}`; `carrel models pull {name}` fetches it",
            directory.display()
        );
    }
    store
}

/// A file below the project's `tests/data`.
pub(crate) fn data(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/data").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
