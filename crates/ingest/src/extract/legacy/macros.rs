//! Macros (VBA projects): their source, which nobody who reads the document sees.

use std::io::Cursor;
use std::panic::AssertUnwindSafe;

use calamine::vba::VbaProject;
use carrel_corpus::{BlockKind, Locator};

use super::super::Draft;

/// Adds the modules of the macro project in an OLE compound file, where it has one.
pub(in super::super) fn push(bytes: &[u8], draft: &mut Draft) {
    // The library takes the offsets that a project states on trust.
    let read = || VbaProject::new(&mut Cursor::new(bytes), bytes.len()).ok();
    let Some(project) = std::panic::catch_unwind(AssertUnwindSafe(read)).ok().flatten() else { return };
    for name in project.get_module_names() {
        let Ok(source) = project.get_module(name) else { continue };
        let lines: Vec<&str> = source.lines().filter(|line| !line.starts_with("Attribute VB_")).collect();
        draft.push(BlockKind::Hidden, Locator::Part { name: format!("macro {name}") }, &lines.join("\n"));
    }
}
