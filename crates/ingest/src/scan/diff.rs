//! Compares what a walk saw with what is known, and words the difference.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

use unicode_normalization::UnicodeNormalization;

use crate::rules::Rules;

use super::hash::{Hashed, Settled};
use super::walk::{Found, MountState, Walked, changed_mounts};
use super::{Change, Known, SETTLING, Scan, Stamp, path_from_stored, reason_hash};

/// The state of the comparison between looking at stamps and looking at bytes.
pub(super) struct Compared<'a> {
    by_path: HashMap<&'a str, &'a Known>,
    /// Known files that are nowhere to be seen, where that can be believed; by path.
    gone: Vec<&'a Known>,
    /// What is already clear.
    changes: Vec<Change>,
    /// Files whose bytes have to be looked at.
    pub unsure: Vec<Found>,
    unavailable: Vec<PathBuf>,
    /// What the next scan has to be told of mount points.
    mounts: Vec<(String, u64)>,
}

/// Compares paths and stamps.
pub(super) fn compare<'a>(walked: &Walked, known: &'a [Known], rules: &Rules) -> Compared<'a> {
    let by_path: HashMap<&str, &Known> = known.iter().map(|known| (known.path.as_str(), known)).collect();
    let seen = all_seen(walked);
    let (unavailable, protected) = out_of_reach(walked, known, &seen, rules);
    let roots: HashSet<&str> = walked.roots.iter().map(String::as_str).collect();
    let mut gone: Vec<&Known> = known
        .iter()
        .filter(|known| !seen.contains(known.path.as_str()))
        .filter(|known| beneath(&known.path, |path| roots.contains(path)))
        .filter(|known| !beneath(&known.path, |path| protected.contains(path)))
        .collect();
    gone.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    let mounts = remembered_mounts(walked, rules, &protected);
    let mut compared =
        Compared { by_path, gone, changes: Vec::new(), unsure: Vec::new(), unavailable, mounts };
    compared.sort_files(walked);
    compared
}

/// Every path that something stands at, whatever became of it.
fn all_seen(walked: &Walked) -> HashSet<&str> {
    let files = walked.files.iter().map(|file| file.path.as_str());
    let ignored = walked.ignored.iter().map(|(path, ..)| path.as_str());
    let unreadable = walked.unreadable.iter().map(|(path, _)| path.as_str());
    files.chain(ignored).chain(unreadable).collect()
}

/// Folders that are not there, and all folders beneath which absence proves nothing.
fn out_of_reach(
    walked: &Walked,
    known: &[Known],
    seen: &HashSet<&str>,
    rules: &Rules,
) -> (Vec<PathBuf>, HashSet<String>) {
    let mut unavailable: Vec<PathBuf> = walked.unavailable.clone();
    for (mount, state) in changed_mounts(rules) {
        let in_scope = beneath(mount, |path| walked.roots.iter().any(|root| root == path));
        let kept_nothing = || {
            let mut inside =
                known.iter().filter(|known| beneath(&known.path, |path| path == mount)).peekable();
            inside.peek().is_some() && inside.all(|known| !seen.contains(known.path.as_str()))
        };
        if in_scope && (state == MountState::Missing || kept_nothing()) {
            unavailable.push(path_from_stored(mount));
        }
    }
    for (root, emptied_ns) in &walked.empty_roots {
        // Emptying a folder changes its time: an older one shows another folder than the one that was read.
        let recorded = rules.mounts.iter().any(|(path, _)| path == root);
        let inside = known.iter().filter(|known| beneath(&known.path, |path| path == root));
        let newest = inside.map(|known| known.stamp.modified_ns).max();
        if !recorded && newest.is_some_and(|newest| newest > *emptied_ns) {
            unavailable.push(path_from_stored(root));
        }
    }
    unavailable.sort_unstable();
    unavailable.dedup();
    let folders = unavailable.iter().map(|path| super::stored_from_path(path));
    let protected = folders.chain(walked.unreadable.iter().map(|(path, _)| path.clone())).collect();
    (unavailable, protected)
}

/// The mount points as they are, but those that are out of reach as they were: else their absence would be forgotten.
fn remembered_mounts(walked: &Walked, rules: &Rules, protected: &HashSet<String>) -> Vec<(String, u64)> {
    let present = walked.mounts.iter().filter(|(path, _)| !protected.contains(path));
    let absent = rules.mounts.iter().filter(|(path, _)| protected.contains(path));
    let mut mounts: Vec<(String, u64)> = present.chain(absent).cloned().collect();
    mounts.sort_unstable();
    mounts
}

/// Whether `is_one` holds for `path` or for a folder above it.
fn beneath(path: &str, is_one: impl Fn(&str) -> bool) -> bool {
    let above = path.match_indices('/').map(|(at, _)| if at == 0 { "/" } else { &path[..at] });
    is_one(path) || above.into_iter().any(is_one)
}

impl Compared<'_> {
    fn sort_files(&mut self, walked: &Walked) {
        let mut by_stamp: HashMap<Stamp, &Known> = HashMap::new();
        for known in self.gone.iter().rev().filter(|known| is_identity(known.stamp)) {
            by_stamp.insert(known.stamp, known);
        }
        let mut moved = HashSet::new();
        for found in &walked.files {
            match self.by_path.get(found.path.as_str()) {
                Some(known) if known.stamp == found.stamp && found.stamp.inode != 0 => {}
                Some(_) => self.unsure.push(found.clone()),
                None => match by_stamp.remove(&found.stamp) {
                    Some(from) => {
                        moved.insert(from.path.as_str());
                        self.changes.push(moved_to(from, found));
                    }
                    None => self.unsure.push(found.clone()),
                },
            }
        }
        self.gone.retain(|known| !moved.contains(known.path.as_str()));
    }
}

/// Whether a stamp names one file: a time in whole seconds comes from a file system that is too coarse for that.
fn is_identity(stamp: Stamp) -> bool {
    stamp.inode != 0 && stamp.modified_ns % 1_000_000_000 != 0
}

fn moved_to(from: &Known, found: &Found) -> Change {
    let (from, hash) = (from.path.clone(), from.hash);
    Change::Moved { from, path: found.path.clone(), stamp: found.stamp, hash }
}

/// Puts together what a scan reports.
pub(super) fn report(walked: Walked, mut compared: Compared, settled: Settled) -> Scan {
    let deferred: HashSet<&str> = settled.deferred.iter().map(String::as_str).collect();
    let (mut new, mut unreadable) = (Vec::new(), walked.unreadable);
    for Hashed { found, hash, .. } in settled.ready {
        match (hash, compared.by_path.get(found.path.as_str())) {
            (Err(reason), _) => unreadable.push((found.path, reason)),
            (Ok(hash), None) => new.push((found, hash)),
            (Ok(hash), Some(known)) if known.hash == hash => {
                if known.stamp != found.stamp {
                    compared.changes.push(Change::Touched { path: found.path, stamp: found.stamp });
                }
            }
            (Ok(hash), Some(_)) => {
                compared.changes.push(Change::Changed { path: found.path, stamp: found.stamp, hash });
            }
        }
    }
    compared.pair_moves(new);
    for known in &compared.gone {
        compared.changes.push(Change::Removed { path: known.path.clone() });
    }
    let files = walked.files.len();
    for (path, stamp, rule) in walked.ignored {
        compared.push_unless_recorded(Change::Ignored { path, stamp, rule });
    }
    for (path, reason) in unreadable {
        compared.push_unless_recorded(Change::Unreadable { path, reason });
    }
    let again = settled.unsettled || !deferred.is_empty();
    let mut changes = compared.changes;
    changes.sort_by(|a, b| (rank(a), a.path()).cmp(&(rank(b), b.path())));
    Scan {
        changes,
        unavailable: compared.unavailable,
        files,
        deferred: settled.deferred,
        again_in: again.then_some(SETTLING),
        mounts: compared.mounts,
        cancelled: false,
    }
}

impl Compared<'_> {
    /// Finds for each new file the gone one that it was: same bytes, and of several such the one with the same inode,
    /// then the one with the same name. Without one, a gone file whose path differs only in Unicode normalisation
    /// is the same file, edited.
    fn pair_moves(&mut self, mut new: Vec<(Found, [u8; 32])>) {
        new.sort_unstable_by(|a, b| a.0.path.cmp(&b.0.path));
        for likeness in [Likeness::Inode, Likeness::Name, Likeness::Bytes, Likeness::Normalised] {
            if self.gone.is_empty() || new.is_empty() {
                break;
            }
            let mut by_key: HashMap<Key, Vec<&Known>> = HashMap::new();
            for known in self.gone.iter().rev() {
                by_key.entry(likeness.key(&known.path, known.stamp, known.hash)).or_default().push(known);
            }
            let mut paired = HashSet::new();
            new.retain(|(found, hash)| {
                let alike = by_key.get_mut(&likeness.key(&found.path, found.stamp, *hash));
                let Some(from) = alike.and_then(Vec::pop) else { return true };
                paired.insert(from.path.as_str());
                self.changes.push(moved_to(from, found));
                if from.hash != *hash {
                    let (path, stamp) = (found.path.clone(), found.stamp);
                    self.changes.push(Change::Changed { path, stamp, hash: *hash });
                }
                false
            });
            self.gone.retain(|known| !paired.contains(known.path.as_str()));
        }
        let added = |(found, hash): (Found, _)| Change::Added { path: found.path, stamp: found.stamp, hash };
        self.changes.extend(new.into_iter().map(added));
    }

    /// Reports what stays unread, unless the catalog has it with the same reason.
    fn push_unless_recorded(&mut self, change: Change) {
        let known = self.by_path.get(change.path());
        let reason = match &change {
            Change::Ignored { rule, .. } => rule,
            Change::Unreadable { reason, .. } => reason,
            _ => return,
        };
        if known.is_none_or(|known| known.hash != reason_hash(reason)) {
            self.changes.push(change);
        }
    }
}

/// In what a new file and a gone one are alike when they count as one.
#[derive(Clone, Copy)]
enum Likeness {
    /// Bytes and inode.
    Inode,
    /// Bytes and file name.
    Name,
    Bytes,
    /// The path, but for its Unicode normalisation.
    Normalised,
}

type Key = (Option<[u8; 32]>, Option<u64>, Option<String>);

impl Likeness {
    fn key(self, path: &str, stamp: Stamp, hash: [u8; 32]) -> Key {
        let name = || path.rsplit('/').next().unwrap_or(path).nfc().collect();
        match self {
            Likeness::Inode => (Some(hash), Some(stamp.inode), None),
            Likeness::Name => (Some(hash), None, Some(name())),
            Likeness::Bytes => (Some(hash), None, None),
            Likeness::Normalised => (None, None, Some(path.nfc().collect())),
        }
    }
}

fn rank(change: &Change) -> u8 {
    match change {
        Change::Moved { .. } => 0,
        Change::Touched { .. } => 1,
        Change::Removed { .. } => 2,
        Change::Changed { .. } => 3,
        Change::Added { .. } => 4,
        Change::Unreadable { .. } => 5,
        Change::Ignored { .. } => 6,
    }
}
