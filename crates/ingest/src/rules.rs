//! Which files are left out, and by which rule: a person must be able to see the rule and to change it.
//!
//! Three sources, the later overriding the earlier: the built-in list of what programs leave behind, the ignore
//! lines of the configuration, and `.carrelignore` files, which follow gitignore's syntax. A line `!.notes/` in a
//! `.carrelignore` therefore brings back what a built-in rule leaves out.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use ignore::Match;
use ignore::gitignore::{Gitignore, GitignoreBuilder};

/// Name of the ignore file that is looked for in every folder.
pub const IGNORE_FILE: &str = ".carrelignore";

/// An ignore file larger than this is not an ignore file.
const IGNORE_FILE_BYTES: u64 = 1 << 20;

/// What programs leave behind, as (prefix, suffix, what it is); the name must be longer than both together.
/// Compared without regard to ASCII case.
const LEFTOVERS: &[(&str, &str, &str)] = &[
    ("~$", "", "Office lock file"),
    (".~lock.", "#", "LibreOffice lock file"),
    (".#", "", "Emacs lock file"),
    ("#", "#", "Emacs autosave file"),
    (".", ".swp", "Vim swap file"),
    (".", ".swo", "Vim swap file"),
    (".", ".swx", "Vim swap file"),
    ("", "~", "backup file"),
    ("", ".tmp", "temporary file"),
    ("", ".temp", "temporary file"),
    ("", ".part", "unfinished download"),
    ("", ".crdownload", "unfinished download"),
    ("._", "", "macOS resource file"),
    (".nfs", "", "NFS placeholder"),
    (".fuse_hidden", "", "FUSE placeholder"),
    (".goutputstream-", "", "temporary file"),
];

/// Files that a system keeps for itself, by their whole name in lower case.
const SYSTEM_FILES: &[&str] = &[".ds_store", "thumbs.db", "ehthumbs.db", "desktop.ini", ".localized"];

/// Folders of machine-made or discarded files, by their whole name in lower case.
const SYSTEM_FOLDERS: &[(&str, &str)] = &[
    (".git", "version control"),
    (".hg", "version control"),
    (".svn", "version control"),
    ("node_modules", "downloaded packages"),
    ("__pycache__", "compiled code"),
    ("$recycle.bin", "recycle bin"),
    ("system volume information", "system folder"),
    ("lost+found", "system folder"),
    ("@eadir", "thumbnails"),
    ("__macosx", "macOS resource files"),
];

/// What decides whether a file is read. See the module's documentation.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// Ignore lines of the configuration, in gitignore's syntax, relative to each folder.
    pub lines: Vec<String>,
    /// Whether files and folders whose name begins with a dot are read too.
    pub hidden: bool,
    /// Devices of the folders and of the mount points in them as the last scan found them
    /// ([`Scan::mounts`](crate::Scan::mounts)): what tells an unmounted folder from an emptied one.
    pub mounts: Vec<(String, u64)>,
}

impl Rules {
    /// The built-in rules, and `lines` over them.
    pub fn new(lines: impl IntoIterator<Item = impl Into<String>>) -> Rules {
        Rules { lines: lines.into_iter().map(Into::into).collect(), ..Rules::default() }
    }
}

/// The ignore lines that are in force at one folder: its own over those of the folders above.
#[derive(Debug)]
pub(crate) struct Layer {
    above: Option<Arc<Layer>>,
    source: &'static str,
    matcher: Gitignore,
    lines: Vec<String>,
}

impl Layer {
    /// The lines of the configuration for the folder `root`; `None` where there are none.
    pub(crate) fn of_rules(rules: &Rules, root: &Path) -> Option<Arc<Layer>> {
        let lines = rules.lines.clone();
        (!lines.is_empty()).then(|| Arc::new(Layer::new(None, "configuration", root, lines)))
    }

    /// The `.carrelignore` of `folder`, over `above`.
    pub(crate) fn of_folder(folder: &Path, above: Option<Arc<Layer>>) -> Option<Arc<Layer>> {
        let file = folder.join(IGNORE_FILE);
        let small = fs::metadata(&file).is_ok_and(|meta| meta.is_file() && meta.len() <= IGNORE_FILE_BYTES);
        let Some(bytes) = small.then(|| fs::read(&file).ok()).flatten() else { return above };
        let text = String::from_utf8_lossy(&bytes);
        let lines = text.trim_start_matches('\u{feff}').lines().map(str::to_owned).collect();
        Some(Arc::new(Layer::new(above, IGNORE_FILE, folder, lines)))
    }

    /// A line that is no valid pattern is as if it were not there, as in git.
    fn new(above: Option<Arc<Layer>>, source: &'static str, root: &Path, lines: Vec<String>) -> Layer {
        let mut builder = GitignoreBuilder::new(root);
        for line in &lines {
            let _ = builder.add_line(None, line);
        }
        let matcher = builder.build().unwrap_or_else(|_| Gitignore::empty());
        Layer { above, source, matcher, lines }
    }

    /// What the nearest layer that speaks of `path` says: ignore it by this rule, or `Keep` it.
    fn verdict(&self, path: &Path, is_dir: bool) -> Option<Verdict> {
        match self.matcher.matched(path, is_dir) {
            Match::Ignore(glob) => {
                let line = self.lines.iter().rposition(|line| line.trim_end() == glob.original().trim_end());
                let number = line.map_or(0, |index| index + 1);
                Some(Verdict::Ignore(format!("{}:{number} {}", self.source, glob.original())))
            }
            Match::Whitelist(_) => Some(Verdict::Keep),
            Match::None => self.above.as_ref()?.verdict(path, is_dir),
        }
    }
}

enum Verdict {
    Ignore(String),
    Keep,
}

/// The rule by which `path` is left out, as the ledger shows it; `None` where it is read. `name` is the last part
/// of `path`.
pub(crate) fn ignored_by(
    rules: &Rules,
    layer: Option<&Layer>,
    path: &Path,
    name: &str,
    is_dir: bool,
) -> Option<String> {
    match layer.and_then(|layer| layer.verdict(path, is_dir)) {
        Some(Verdict::Ignore(rule)) => Some(rule),
        Some(Verdict::Keep) => None,
        None if is_dir => ignored_folder(rules, path, name),
        None => ignored_file(rules, name),
    }
}

fn ignored_file(rules: &Rules, name: &str) -> Option<String> {
    if SYSTEM_FILES.iter().any(|system| name.eq_ignore_ascii_case(system)) {
        return Some(format!("system file: {name}"));
    }
    for (prefix, suffix, what) in LEFTOVERS {
        if is_leftover(name.as_bytes(), prefix.as_bytes(), suffix.as_bytes()) {
            return Some(format!("{what}: {prefix}*{suffix}"));
        }
    }
    (!rules.hidden && name.starts_with('.')).then(|| "hidden file: .*".to_owned())
}

fn is_leftover(name: &[u8], prefix: &[u8], suffix: &[u8]) -> bool {
    name.len() > prefix.len() + suffix.len()
        && name[..prefix.len()].eq_ignore_ascii_case(prefix)
        && name[name.len() - suffix.len()..].eq_ignore_ascii_case(suffix)
}

fn ignored_folder(rules: &Rules, path: &Path, name: &str) -> Option<String> {
    for (folder, what) in SYSTEM_FOLDERS {
        if name.eq_ignore_ascii_case(folder) {
            return Some(format!("{what}: {name}/"));
        }
    }
    if !rules.hidden && name.starts_with('.') {
        return Some("hidden folder: .*/".to_owned());
    }
    // A folder named `target` may be anybody's; what a build tool made says so inside.
    for (marker, what) in [("CACHEDIR.TAG", "cache folder"), ("pyvenv.cfg", "Python environment")] {
        if path.join(marker).is_file() {
            return Some(format!("{what}: it holds {marker}"));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, is_dir: bool, expected: Option<&str>) {
        let path = Path::new("/nowhere").join(name);
        let rule = ignored_by(&Rules::default(), None, &path, name, is_dir);
        assert_eq!(rule.as_deref(), expected, "{name}");
    }

    #[test]
    fn what_programs_leave_behind_is_named() {
        check("~$report.docx", false, Some("Office lock file: ~$*"));
        check(".notes.txt.swp", false, Some("Vim swap file: .*.swp"));
        check(".#notes.org", false, Some("Emacs lock file: .#*"));
        check("upload.TMP", false, Some("temporary file: *.tmp"));
        check("THUMBS.DB", false, Some("system file: THUMBS.DB"));
        check(".env", false, Some("hidden file: .*"));
        check(".git", true, Some("version control: .git/"));
        check("node_modules", true, Some("downloaded packages: node_modules/"));
        check(".ssh", true, Some("hidden folder: .*/"));
    }

    #[test]
    fn ordinary_names_are_read() {
        for name in ["report.docx", "~", "tmp", "a.tmpl", "Cargo.lock", "#1 plan.md", "départ.txt", "~ü"] {
            check(name, false, None);
        }
        for name in ["target", "tmp", "Node"] {
            check(name, true, None);
        }
    }

    #[test]
    fn the_nearest_ignore_file_decides_and_is_cited_by_line() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(IGNORE_FILE), "# comment\n\n*.bak\n!.env\n/drafts/\n").unwrap();
        let sub = dir.path().join("sub");
        fs::create_dir(&sub).unwrap();
        fs::write(sub.join(IGNORE_FILE), "!keep.bak\n").unwrap();
        let rules = Rules::new(["*.iso"]);
        let configured = Layer::of_rules(&rules, dir.path());
        let top = Layer::of_folder(dir.path(), configured);
        let inner = Layer::of_folder(&sub, top.clone());
        let rule = |layer: &Option<Arc<Layer>>, path: &Path, is_dir| {
            let name = path.file_name().unwrap().to_str().unwrap();
            ignored_by(&rules, layer.as_deref(), path, name, is_dir)
        };
        assert_eq!(rule(&top, &dir.path().join("a.bak"), false).unwrap(), ".carrelignore:3 *.bak");
        assert_eq!(rule(&top, &dir.path().join("drafts"), true).unwrap(), ".carrelignore:5 /drafts/");
        assert_eq!(rule(&top, &dir.path().join(".env"), false), None);
        assert_eq!(rule(&inner, &sub.join("keep.bak"), false), None);
        assert_eq!(rule(&inner, &sub.join("b.bak"), false).unwrap(), ".carrelignore:3 *.bak");
        assert_eq!(rule(&inner, &sub.join("disk.iso"), false).unwrap(), "configuration:1 *.iso");
    }
}
