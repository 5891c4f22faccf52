//! What a disk may hold after the power fails: everything that was synced, and of the rest whatever is worst.
//!
//! No file system is taken for granted. Bytes that were written and not synced may be lost, alone or together, torn at a
//! sector, or be zeros in a file that has grown; names in a folder that was not synced may be as they were at any earlier
//! moment since it was. Only the order of the changes in one folder is kept.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use super::trace::{Change, Event};
use crate::desk::Random;

const SECTOR: u64 = 512;

/// What becomes of unsynced changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// Everything unsynced is lost.
    All,
    /// Nothing: the program was killed.
    Nothing,
    /// Bytes are lost, names are kept.
    Bytes,
    /// Names are lost, bytes are kept.
    Names,
    /// Every file and folder is as it was at some moment, the last write torn.
    Late,
    /// Each write is lost or kept, or torn, by itself.
    Scattered,
}

pub const LOSSES: [Loss; 6] =
    [Loss::All, Loss::Nothing, Loss::Bytes, Loss::Names, Loss::Late, Loss::Scattered];

/// Files by path, and folders.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Tree {
    pub files: BTreeMap<PathBuf, Vec<u8>>,
    pub folders: std::collections::BTreeSet<PathBuf>,
}

/// A file by whatever names it has.
type Inode = usize;

/// The events with what a file system makes of them: which file each is about, and what was durable when.
pub struct History<'a> {
    events: &'a [Event],
    /// The file that each event is about.
    inodes: Vec<Option<Inode>>,
    /// For every file and folder the syncs of it: when each was complete, and how many events had been done when it
    /// began.
    file_syncs: HashMap<Inode, Vec<(usize, usize)>>,
    folder_syncs: HashMap<PathBuf, Vec<(usize, usize)>>,
}

fn parent(path: &Path) -> PathBuf {
    path.parent().unwrap_or(Path::new("")).to_owned()
}

impl<'a> History<'a> {
    pub fn new(events: &'a [Event]) -> History<'a> {
        let mut history = History {
            events,
            inodes: Vec::with_capacity(events.len()),
            file_syncs: HashMap::new(),
            folder_syncs: HashMap::new(),
        };
        let mut names: HashMap<PathBuf, Inode> = HashMap::new();
        for (number, event) in events.iter().enumerate() {
            let inode = match &event.change {
                Change::Open { path, .. } => Some(*names.entry(path.clone()).or_insert(number)),
                Change::Write { path, .. } | Change::Truncate { path, .. } => names.get(path).copied(),
                Change::Rename { from, to } => {
                    let moved: Vec<(PathBuf, Inode)> = names
                        .iter()
                        .filter(|(path, _)| path.starts_with(from))
                        .map(|(p, i)| (p.clone(), *i))
                        .collect();
                    for (path, inode) in moved {
                        names.remove(&path);
                        let rest = path.strip_prefix(from).expect("it starts so");
                        let path = if rest.as_os_str().is_empty() { to.clone() } else { to.join(rest) };
                        names.insert(path, inode);
                    }
                    names.get(to).copied()
                }
                Change::Link { from, to } => {
                    let inode = names.get(from).copied();
                    names.extend(inode.map(|inode| (to.clone(), inode)));
                    inode
                }
                Change::Unlink { path } => names.remove(path),
                Change::MakeFolder { .. } => None,
                Change::Sync { path, since } => {
                    let inode = names.get(path).copied();
                    match inode {
                        Some(inode) => history.file_syncs.entry(inode).or_default().push((number, *since)),
                        None => history.folder_syncs.entry(path.clone()).or_default().push((number, *since)),
                    }
                    inode
                }
            };
            history.inodes.push(inode);
        }
        history
    }

    /// What the disk may hold when the power fails before event number `at`.
    pub fn crash(&self, at: usize, loss: Loss, random: &mut Random) -> Tree {
        let mut fate =
            Fate { history: self, at, loss, random, cuts: HashMap::new(), folder_cuts: HashMap::new() };
        let mut names: BTreeMap<PathBuf, Inode> = BTreeMap::new();
        let mut folders = std::collections::BTreeSet::new();
        let mut contents: HashMap<Inode, Vec<u8>> = HashMap::new();
        for number in 0..at {
            let inode = self.inodes[number];
            match &self.events[number].change {
                Change::Open { path, empties } => {
                    let inode = inode.expect("an opened file is known");
                    let content = contents.entry(inode).or_default();
                    if *empties && fate.keeps_bytes(inode, number) {
                        content.clear();
                    }
                    // The name is new when this open made the file.
                    if inode == number && fate.keeps_name(path, number) {
                        names.insert(path.clone(), inode);
                    }
                }
                Change::Write { offset, data, .. } => {
                    let Some(inode) = inode else { continue };
                    let content = contents.entry(inode).or_default();
                    fate.write(inode, number, content, *offset, data);
                }
                Change::Truncate { length, .. } => {
                    let Some(inode) = inode else { continue };
                    if fate.keeps_bytes(inode, number) {
                        contents.entry(inode).or_default().resize(*length as usize, 0);
                    }
                }
                Change::Rename { from, to } => {
                    if fate.keeps_name(to, number) {
                        rename(&mut names, &mut folders, from, to);
                    }
                }
                Change::Link { to, .. } => {
                    if let (Some(inode), true) = (inode, fate.keeps_name(to, number)) {
                        names.insert(to.clone(), inode);
                    }
                }
                Change::Unlink { path } => {
                    if fate.keeps_name(path, number) {
                        names.remove(path);
                        folders.remove(path);
                    }
                }
                Change::MakeFolder { path } => {
                    if fate.keeps_name(path, number) {
                        folders.insert(path.clone());
                    }
                }
                Change::Sync { .. } => {}
            }
        }
        // What stands in a folder that is lost is lost with it.
        let there = |path: &Path| {
            path.ancestors().skip(1).all(|above| above.as_os_str().is_empty() || folders.contains(above))
        };
        let files = names.iter().filter(|(path, _)| there(path));
        Tree {
            files: files
                .map(|(path, inode)| (path.clone(), contents.get(inode).cloned().unwrap_or_default()))
                .collect(),
            folders: folders.iter().filter(|path| there(path)).cloned().collect(),
        }
    }
}

fn rename(
    names: &mut BTreeMap<PathBuf, Inode>,
    folders: &mut std::collections::BTreeSet<PathBuf>,
    from: &Path,
    to: &Path,
) {
    let moved = |path: &Path| match path.strip_prefix(from) {
        Ok(rest) if rest.as_os_str().is_empty() => Some(to.to_owned()),
        Ok(rest) => Some(to.join(rest)),
        Err(_) => None,
    };
    let there = names.contains_key(from) || folders.contains(from);
    if !there {
        return; // the name was never durable, and the file it stood for is lost
    }
    *names = std::mem::take(names)
        .into_iter()
        .filter(|(path, _)| path != to)
        .map(|(path, inode)| (moved(&path).unwrap_or(path), inode))
        .collect();
    *folders = std::mem::take(folders).into_iter().map(|path| moved(&path).unwrap_or(path)).collect();
}

/// Decides for one crash what is lost.
struct Fate<'h, 'a, 'r> {
    history: &'h History<'a>,
    at: usize,
    loss: Loss,
    random: &'r mut Random,
    /// The event up to which each file has its bytes, and each folder its names.
    cuts: HashMap<Inode, usize>,
    folder_cuts: HashMap<PathBuf, usize>,
}

/// How many events at least are durable by these syncs when the power fails before event `at`.
fn synced(syncs: Option<&Vec<(usize, usize)>>, at: usize) -> usize {
    syncs.into_iter().flatten().filter(|(done, _)| *done < at).map(|(_, since)| *since).max().unwrap_or(0)
}

impl Fate<'_, '_, '_> {
    fn is_safe(&self, inode: Inode, number: usize) -> bool {
        number < synced(self.history.file_syncs.get(&inode), self.at)
    }

    fn cut(&mut self, inode: Inode) -> usize {
        let least = synced(self.history.file_syncs.get(&inode), self.at);
        let (at, random) = (self.at, &mut *self.random);
        *self.cuts.entry(inode).or_insert_with(|| least + random.below((at - least + 1) as u64) as usize)
    }

    fn keeps_bytes(&mut self, inode: Inode, number: usize) -> bool {
        self.is_safe(inode, number)
            || match self.loss {
                Loss::All | Loss::Bytes => false,
                Loss::Nothing | Loss::Names => true,
                Loss::Late => number < self.cut(inode),
                Loss::Scattered => self.random.below(2) == 0,
            }
    }

    fn keeps_name(&mut self, path: &Path, number: usize) -> bool {
        let folder = parent(path);
        let least = synced(self.history.folder_syncs.get(&folder), self.at);
        number < least
            || match self.loss {
                Loss::All | Loss::Names => false,
                Loss::Nothing | Loss::Bytes => true,
                Loss::Late | Loss::Scattered => {
                    let (at, random) = (self.at, &mut *self.random);
                    let cut = self.folder_cuts.entry(folder);
                    number < *cut.or_insert_with(|| least + random.below((at - least + 1) as u64) as usize)
                }
            }
    }

    fn write(&mut self, inode: Inode, number: usize, content: &mut Vec<u8>, offset: u64, data: &[u8]) {
        if self.is_safe(inode, number) || matches!(self.loss, Loss::Nothing | Loss::Names) {
            return put(content, offset, data);
        }
        match self.loss {
            Loss::Late => {
                let cut = self.cut(inode);
                if number + 1 < cut {
                    put(content, offset, data);
                } else if number < cut {
                    // Torn: the sectors up to some one.
                    let sectors = (offset + data.len() as u64).div_ceil(SECTOR) - offset / SECTOR;
                    let end = (offset / SECTOR + self.random.below(sectors + 1)) * SECTOR;
                    let kept = end.saturating_sub(offset).min(data.len() as u64);
                    put(content, offset, &data[..kept as usize]);
                }
            }
            Loss::Scattered => match self.random.below(4) {
                0 | 1 => put(content, offset, data),
                2 => {}
                // The file has grown, and what should stand there is not there.
                _ => {
                    let end = (offset as usize + data.len()).max(content.len());
                    content.resize(end, 0);
                }
            },
            _ => {}
        }
    }
}

fn put(content: &mut Vec<u8>, offset: u64, data: &[u8]) {
    let (start, end) = (offset as usize, offset as usize + data.len());
    if content.len() < end {
        content.resize(end, 0);
    }
    content[start..end].copy_from_slice(data);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(change: Change) -> Event {
        Event { began: 0.0, change }
    }

    fn shown(tree: &Tree) -> Vec<(String, String)> {
        let text = |bytes: &Vec<u8>| String::from_utf8_lossy(bytes).into_owned();
        tree.files.iter().map(|(path, bytes)| (path.display().to_string(), text(bytes))).collect()
    }

    /// A file is written and synced, then replaced by another that is not.
    fn replacement(syncs_file: bool, syncs_folder: bool) -> Vec<Event> {
        let (a, b) = (PathBuf::from("a"), PathBuf::from("b"));
        let write =
            |path: &PathBuf, text: &str| Change::Write { path: path.clone(), offset: 0, data: text.into() };
        let mut changes = vec![
            Change::Open { path: a.clone(), empties: false },
            write(&a, "old"),
            Change::Sync { path: a.clone(), since: 2 },
            Change::Sync { path: PathBuf::new(), since: 3 },
            Change::Open { path: b.clone(), empties: false },
            write(&b, "new"),
        ];
        if syncs_file {
            changes.push(Change::Sync { path: b.clone(), since: changes.len() });
        }
        changes.push(Change::Rename { from: b, to: a });
        if syncs_folder {
            changes.push(Change::Sync { path: PathBuf::new(), since: changes.len() });
        }
        changes.into_iter().map(event).collect()
    }

    fn check(events: &[Event], loss: Loss, expected: &[(&str, &str)]) {
        let tree = History::new(events).crash(events.len(), loss, &mut Random(1));
        let expected: Vec<(String, String)> =
            expected.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
        assert_eq!(shown(&tree), expected, "{loss:?}");
    }

    #[test]
    fn what_was_synced_stays_and_the_rest_may_go() {
        check(&replacement(false, false), Loss::All, &[("a", "old")]);
        check(&replacement(false, false), Loss::Nothing, &[("a", "new")]);
        check(&replacement(false, false), Loss::Bytes, &[("a", "")]);
        check(&replacement(true, false), Loss::Bytes, &[("a", "new")]);
        check(&replacement(true, false), Loss::Names, &[("a", "old")]);
        check(&replacement(true, true), Loss::All, &[("a", "new")]);
    }

    #[test]
    fn a_random_loss_never_touches_what_was_synced() {
        let events = replacement(true, true);
        for seed in 0..200 {
            for loss in [Loss::Late, Loss::Scattered] {
                let tree = History::new(&events).crash(events.len(), loss, &mut Random(seed));
                assert_eq!(shown(&tree), [("a".to_owned(), "new".to_owned())]);
                let early = History::new(&events).crash(6, loss, &mut Random(seed));
                assert_eq!(early.files[Path::new("a")], b"old");
            }
        }
    }
}
