//! What a program did to a disk, read from what `strace` wrote about it.
//!
//! The trace is made with `-f -ttt -y -xx`: every string is in hexadecimal, every descriptor has its path beside it, and
//! every line begins with a process and a time. A call that another one interrupted comes in two lines; it counts
//! from the second one on, except that a sync promises nothing about what was written after its first.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Calls that `strace` is to note.
pub const CALLS: &str = "openat,open,creat,close,lseek,write,pwrite64,writev,pwritev,pwritev2,ftruncate,truncate,fallocate,\
copy_file_range,sendfile,rename,renameat,renameat2,link,linkat,symlink,symlinkat,unlink,unlinkat,mkdir,mkdirat,rmdir,fsync,\
fdatasync,sync_file_range,dup,dup2,dup3,fcntl";

/// One thing that was done to the disk.
#[derive(Clone, Debug)]
pub struct Event {
    /// When the call began, in seconds since the epoch.
    pub began: f64,
    pub change: Change,
}

#[derive(Clone, Debug)]
pub enum Change {
    /// A file was opened in a way that may have made it, or emptied it.
    Open {
        path: PathBuf,
        empties: bool,
    },
    Write {
        path: PathBuf,
        offset: u64,
        data: Vec<u8>,
    },
    Truncate {
        path: PathBuf,
        length: u64,
    },
    Rename {
        from: PathBuf,
        to: PathBuf,
    },
    Link {
        from: PathBuf,
        to: PathBuf,
    },
    Unlink {
        path: PathBuf,
    },
    MakeFolder {
        path: PathBuf,
    },
    /// A file or folder was synced; `since` events had been done when that began.
    Sync {
        path: PathBuf,
        since: usize,
    },
}

/// Reads a trace; gives what was done beneath `root`, in order.
///
/// # Panics
/// At a call that changes files beneath `root` and is not understood: to pass over it would be to test something else.
pub fn read(text: &str, root: &Path) -> Vec<Event> {
    let mut reader = Reader { root, events: Vec::new(), offsets: HashMap::new(), lengths: HashMap::new() };
    let mut unfinished: HashMap<&str, (f64, usize, String)> = HashMap::new();
    for line in text.lines() {
        let Some((process, rest)) = line.trim_start().split_once(' ') else { continue };
        let Some((time, call)) = rest.trim_start().split_once(' ') else { continue };
        let Ok(time) = time.parse::<f64>() else { continue };
        if let Some(begun) = call.strip_suffix(" <unfinished ...>") {
            unfinished.insert(process, (time, reader.events.len(), begun.to_owned()));
        } else if let Some((_, rest)) =
            call.strip_prefix("<... ").and_then(|call| call.split_once(" resumed>"))
        {
            if let Some((began, since, begun)) = unfinished.remove(process) {
                reader.call(began, since, &(begun + rest));
            }
        } else {
            let since = reader.events.len();
            reader.call(time, since, call);
        }
    }
    reader.events
}

struct Reader<'a> {
    root: &'a Path,
    events: Vec<Event>,
    /// Where the next plain write of a descriptor goes. Workers have no files beneath the root, and the threads of the
    /// program share their descriptors.
    offsets: HashMap<u64, Offset>,
    lengths: HashMap<PathBuf, u64>,
}

#[derive(Clone, Copy)]
enum Offset {
    At(u64),
    End,
}

impl Reader<'_> {
    fn call(&mut self, began: f64, since: usize, line: &str) {
        let Some((name, rest)) = line.split_once('(') else { return };
        let Some((arguments, result)) = rest.rsplit_once(" = ") else { return };
        let arguments = arguments.trim_end().strip_suffix(')').unwrap_or(arguments);
        let arguments = split(arguments);
        let (value, _) = descriptor(result);
        let Some(value) = value else { return }; // it failed, or never returned
        let change = self.change(name, &arguments, value, result, since);
        if let Some(change) = change {
            self.events.push(Event { began, change });
        }
    }

    fn change(
        &mut self,
        name: &str,
        arguments: &[&str],
        value: u64,
        result: &str,
        since: usize,
    ) -> Option<Change> {
        match name {
            "openat" | "open" | "creat" => {
                let path = self.inside(descriptor(result).1?)?;
                let flags = arguments.get(if name == "openat" { 2 } else { 1 }).copied().unwrap_or_default();
                let empties = flags.contains("O_TRUNC") || name == "creat";
                let appends = flags.contains("O_APPEND");
                self.offsets.insert(value, if appends { Offset::End } else { Offset::At(0) });
                if empties {
                    self.lengths.insert(path.clone(), 0);
                }
                (empties || flags.contains("O_CREAT")).then_some(Change::Open { path, empties })
            }
            "write" | "writev" | "pwrite64" | "pwritev" | "pwritev2" => {
                let (number, path) = descriptor(arguments[0]);
                let path = self.inside(path?)?;
                let mut data = strings(arguments[1]);
                data.truncate(usize::try_from(value).ok()?);
                let length = self.lengths.get(&path).copied().unwrap_or(0);
                let offset = match name {
                    "pwrite64" | "pwritev" | "pwritev2" => arguments[3].parse().ok()?,
                    _ => match self.offsets.get(&number?).copied().unwrap_or(Offset::At(0)) {
                        Offset::At(offset) => {
                            self.offsets.insert(number?, Offset::At(offset + value));
                            offset
                        }
                        Offset::End => length,
                    },
                };
                self.lengths.insert(path.clone(), length.max(offset + value));
                Some(Change::Write { path, offset, data })
            }
            "lseek" => {
                let (number, path) = descriptor(arguments[0]);
                self.inside(path?)?;
                self.offsets.insert(number?, Offset::At(value));
                None
            }
            "ftruncate" => {
                let path = self.inside(descriptor(arguments[0]).1?)?;
                let length = arguments[1].parse().ok()?;
                self.lengths.insert(path.clone(), length);
                Some(Change::Truncate { path, length })
            }
            "rename" | "renameat" | "renameat2" => {
                let (from, to) = self.two(arguments)?;
                let length = self.lengths.remove(&from).unwrap_or(0);
                self.lengths.insert(to.clone(), length);
                Some(Change::Rename { from, to })
            }
            "link" | "linkat" => {
                let (from, to) = self.two(arguments)?;
                Some(Change::Link { from, to })
            }
            "unlink" | "rmdir" | "unlinkat" => Some(Change::Unlink { path: self.one(arguments)? }),
            "mkdir" | "mkdirat" => Some(Change::MakeFolder { path: self.one(arguments)? }),
            "fsync" | "fdatasync" => {
                let path = self.inside(descriptor(arguments[0]).1?)?;
                Some(Change::Sync { path, since })
            }
            "fcntl" | "dup" | "dup2" | "dup3" => {
                let (number, path) = descriptor(arguments[0]);
                self.inside(path?)?;
                if let Some(offset) = self.offsets.get(&number?).copied()
                    && (name != "fcntl" || arguments[1].contains("F_DUPFD"))
                {
                    self.offsets.insert(value, offset);
                }
                None
            }
            "close" => None,
            // Room that is set aside holds nothing.
            "fallocate" => None,
            other => {
                let touched = arguments.iter().any(|argument| {
                    let path = descriptor(argument).1.unwrap_or_else(|| PathBuf::from(lossy(argument)));
                    self.inside(path).is_some()
                });
                assert!(!touched, "`{other}` was called, which is not understood");
                None
            }
        }
    }

    fn inside(&self, path: PathBuf) -> Option<PathBuf> {
        path.strip_prefix(self.root).ok().map(Path::to_owned)
    }

    /// The path of a call that has one, perhaps relative to a descriptor.
    fn one(&self, arguments: &[&str]) -> Option<PathBuf> {
        self.paths(arguments).into_iter().next().flatten()
    }

    fn two(&self, arguments: &[&str]) -> Option<(PathBuf, PathBuf)> {
        let mut paths = self.paths(arguments).into_iter();
        Some((paths.next()??, paths.next()??))
    }

    fn paths(&self, arguments: &[&str]) -> Vec<Option<PathBuf>> {
        let mut base = PathBuf::new();
        let mut found = Vec::new();
        for argument in arguments {
            if argument.starts_with('"') {
                found.push(self.inside(base.join(lossy(argument))));
            } else if let Some(path) = descriptor(argument).1 {
                base = path;
            }
        }
        found
    }
}

fn lossy(argument: &str) -> String {
    String::from_utf8_lossy(&strings(argument)).into_owned()
}

/// Arguments of a call. In strings and paths there is nothing but hexadecimal; only lists have commas inside.
fn split(arguments: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut start) = (Vec::new(), 0, 0);
    for (at, byte) in arguments.bytes().enumerate() {
        match byte {
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth -= 1,
            b',' if depth == 0 => {
                parts.push(arguments[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(arguments[start..].trim());
    parts
}

/// Number and path of `5<\x2f...>`.
fn descriptor(argument: &str) -> (Option<u64>, Option<PathBuf>) {
    let argument = argument.trim();
    let number = argument.split(['<', ' ']).next().and_then(|number| number.parse().ok());
    let path = argument.split_once('<').and_then(|(_, path)| path.split('>').next());
    let path = path.map(unescape).filter(|path| path.first() == Some(&b'/'));
    (number, path.map(|path| PathBuf::from(String::from_utf8_lossy(&path).into_owned())))
}

/// All strings of an argument, one after the other.
fn strings(argument: &str) -> Vec<u8> {
    argument.split('"').skip(1).step_by(2).flat_map(unescape).collect()
}

/// Bytes from `\x61\x62`.
fn unescape(text: &str) -> Vec<u8> {
    let digit = |byte: u8| (byte as char).to_digit(16).unwrap_or(0) as u8;
    text.as_bytes().chunks_exact(4).map(|byte| digit(byte[2]) * 16 + digit(byte[3])).collect()
}

#[test]
fn a_trace_is_understood() {
    let hex = |text: &str| text.bytes().map(|byte| format!("\\x{byte:02x}")).collect::<String>();
    let (file, folder, to) = (hex("/r/a"), hex("/r"), hex("/r/b"));
    let text = format!(
        "7 1.5 openat(AT_FDCWD<{folder}>, \"{file}\", O_RDWR|O_CREAT|O_TRUNC, 0644) = 4<{file}>\n\
         7 1.6 write(4<{file}>, \"{}\", 5) = 5\n\
         8 1.7 fsync(4<{file}> <unfinished ...>\n\
         7 1.8 writev(4<{file}>, [{{iov_base=\"{}\", iov_len=2}}, {{iov_base=\"{}\", iov_len=9}}], 2) = 3\n\
         8 1.9 <... fsync resumed>) = 0\n\
         7 2.0 pwrite64(4<{file}>, \"{}\", 1, 4096) = 1\n\
         7 2.1 rename(\"{file}\", \"{to}\") = 0\n\
         7 2.2 unlink(\"{to}\") = -1 ENOENT (No such file or directory)\n\
         7 2.3 write(9<{}>, \"{}\", 1) = 1\n",
        hex("hello"),
        hex("ab"),
        hex("cdefghijk"),
        hex("z"),
        hex("/elsewhere"),
        hex("q"),
    );
    let events = read(&text, Path::new("/r"));
    let shown: Vec<String> = events.iter().map(|event| format!("{:?}", event.change)).collect();
    assert_eq!(
        shown,
        [
            "Open { path: \"a\", empties: true }",
            "Write { path: \"a\", offset: 0, data: [104, 101, 108, 108, 111] }",
            "Write { path: \"a\", offset: 5, data: [97, 98, 99] }",
            "Sync { path: \"a\", since: 2 }",
            "Write { path: \"a\", offset: 4096, data: [122] }",
            "Rename { from: \"a\", to: \"b\" }",
        ]
    );
    assert_eq!(events[3].began, 1.7);
}
