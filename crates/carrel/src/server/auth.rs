//! Who may ask: a browser that opened a one-time link, or a program that holds the token of the data
//! directory.
//!
//! Secrets are 256 random bits from the kernel. Of sessions only BLAKE3 digests are kept, in a file that only
//! the owner can read, so that a restart does not sign the browser out; comparisons take the same time
//! wherever they differ.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use subtle::ConstantTimeEq;

/// Names of the files in the data directory.
const SESSIONS: &str = "sessions";
const TOKEN: &str = "token";

/// How long a browser stays signed in, and how many do at once.
const SESSION_SECONDS: u64 = 30 * 24 * 3600;
const SESSIONS_AT_ONCE: usize = 32;
/// Links that were printed and not yet opened.
const LINKS_AT_ONCE: usize = 16;

type Digest = [u8; 32];

/// The secrets that open this server.
pub struct Doors {
    sessions_file: PathBuf,
    cookie: String,
    program: Digest,
    links: Mutex<Vec<Digest>>,
    sessions: Mutex<Vec<Session>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Session {
    digest: Digest,
    expires: u64,
}

impl Doors {
    /// Reads the secrets of a data directory, or makes them.
    pub fn open(data_dir: &Path, port: u16) -> io::Result<Doors> {
        let sessions_file = data_dir.join(SESSIONS);
        Ok(Doors {
            // Cookies do not know ports: two libraries on one machine must not sign each other out.
            cookie: format!("carrel-{port}"),
            program: digest(&program_token(&data_dir.join(TOKEN))?),
            links: Mutex::default(),
            sessions: Mutex::new(read_sessions(&sessions_file)),
            sessions_file,
        })
    }

    /// A fresh link, which opens the page once.
    pub fn link(&self, address: SocketAddr) -> String {
        let token = random();
        let mut links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        if links.len() == LINKS_AT_ONCE {
            links.remove(0);
        }
        links.push(digest(&token));
        format!("http://{address}/?token={token}")
    }

    /// Takes the token of a link, which is used up by it, and gives the `Set-Cookie` of a new session.
    pub fn enter(&self, token: &str) -> Option<String> {
        let offered = digest(token);
        let mut links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        let mut found = None;
        for (at, link) in links.iter().enumerate() {
            if bool::from(link.ct_eq(&offered)) {
                found = Some(at);
            }
        }
        links.remove(found?);
        drop(links);
        let secret = random();
        self.keep(Session { digest: digest(&secret), expires: now() + SESSION_SECONDS });
        let name = &self.cookie;
        Some(format!("{name}={secret}; Path=/; HttpOnly; SameSite=Strict; Max-Age={SESSION_SECONDS}"))
    }

    /// Whether a `Cookie` header holds a session of this server.
    pub fn knows_cookie(&self, header: &str) -> bool {
        let sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        let now = now();
        header
            .split(';')
            .filter_map(|pair| pair.trim().split_once('='))
            .filter(|(name, _)| *name == self.cookie)
            .any(|(_, secret)| {
                let offered = digest(secret);
                sessions.iter().fold(false, |known, session| {
                    known | (bool::from(session.digest.ct_eq(&offered)) & (session.expires > now))
                })
            })
    }

    /// Whether an `Authorization` header holds the token for programs.
    pub fn knows_bearer(&self, header: &str) -> bool {
        let Some((scheme, token)) = header.split_once(' ') else { return false };
        scheme.eq_ignore_ascii_case("bearer") && bool::from(digest(token.trim()).ct_eq(&self.program))
    }

    fn keep(&self, session: Session) {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        let now = now();
        sessions.retain(|session| session.expires > now);
        if sessions.len() == SESSIONS_AT_ONCE {
            sessions.remove(0);
        }
        sessions.push(session);
        if let Err(error) = write_sessions(&self.sessions_file, &sessions) {
            tracing::warn!(%error, "sessions will not outlive this process");
        }
    }
}

/// The token for programs, made when the data directory has none yet.
fn program_token(path: &Path) -> io::Result<String> {
    match fs::read_to_string(path) {
        // After a power loss a file may have its length and none of its bytes.
        Ok(token) if is_token(token.trim()) => Ok(token.trim().to_owned()),
        Ok(_) => new_program_token(path),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::InvalidData) => {
            new_program_token(path)
        }
        Err(error) => Err(error),
    }
}

fn is_token(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn new_program_token(path: &Path) -> io::Result<String> {
    let token = random();
    writeln!(private(path)?, "{token}")?;
    Ok(token)
}

/// One session a line: digest and expiry. Lines that do not read like that are dropped.
fn read_sessions(path: &Path) -> Vec<Session> {
    let text = fs::read_to_string(path).unwrap_or_default();
    let session = |line: &str| {
        let (digest, expires) = line.split_once(' ')?;
        Some(Session {
            digest: *blake3::Hash::from_hex(digest).ok()?.as_bytes(),
            expires: expires.parse().ok()?,
        })
    };
    text.lines().filter_map(session).collect()
}

fn write_sessions(path: &Path, sessions: &[Session]) -> io::Result<()> {
    let fresh = path.with_extension("new");
    let mut file = private(&fresh)?;
    for session in sessions {
        writeln!(file, "{} {}", blake3::Hash::from_bytes(session.digest).to_hex(), session.expires)?;
    }
    fs::rename(fresh, path)
}

/// A new or emptied file that only its owner can read.
fn private(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)
}

fn digest(secret: &str) -> Digest {
    *blake3::hash(secret.as_bytes()).as_bytes()
}

/// 256 bits in hexadecimal.
fn random() -> String {
    let mut bytes = [0; 32];
    File::open("/dev/urandom")
        .and_then(|mut source| source.read_exact(&mut bytes))
        .expect("the kernel gives random bytes");
    blake3::Hash::from_bytes(bytes).to_hex().to_string()
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn address() -> SocketAddr {
        ([127, 0, 0, 1], 4310).into()
    }

    fn token_of(link: &str) -> &str {
        link.split_once("token=").unwrap().1
    }

    #[test]
    fn a_link_opens_once_and_its_session_outlives_a_restart() {
        let directory = tempfile::tempdir().unwrap();
        let doors = Doors::open(directory.path(), 4310).unwrap();
        let link = doors.link(address());
        assert_eq!(doors.enter("guess"), None);
        let cookie = doors.enter(token_of(&link)).unwrap();
        assert!(cookie.contains("; HttpOnly; SameSite=Strict"));
        assert_eq!(doors.enter(token_of(&link)), None, "a link must not open twice");

        let sent = cookie.split(';').next().unwrap();
        assert!(doors.knows_cookie(&format!("theme=dark; {sent}")));
        assert!(!doors.knows_cookie(&sent.replace("carrel-4310", "carrel-4311")));
        assert!(!doors.knows_cookie("carrel-4310=guess"));
        let restarted = Doors::open(directory.path(), 4310).unwrap();
        assert!(restarted.knows_cookie(sent));
        assert_eq!(restarted.enter(token_of(&link)), None);
    }

    #[test]
    fn programs_read_their_token_from_a_private_file() {
        let directory = tempfile::tempdir().unwrap();
        let doors = Doors::open(directory.path(), 4310).unwrap();
        let path = directory.path().join(TOKEN);
        let token = fs::read_to_string(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(doors.knows_bearer(&format!("Bearer {}", token.trim())));
        assert!(!doors.knows_bearer("Bearer "));
        assert!(!doors.knows_bearer(token.trim()));
        assert!(Doors::open(directory.path(), 4310).unwrap().knows_bearer(&format!("bearer {token}")));
    }

    #[test]
    fn old_links_make_room_for_new_ones() {
        let directory = tempfile::tempdir().unwrap();
        let doors = Doors::open(directory.path(), 4310).unwrap();
        let links: Vec<String> = (0..=LINKS_AT_ONCE).map(|_| doors.link(address())).collect();
        assert_eq!(doors.enter(token_of(&links[0])), None);
        assert!(doors.enter(token_of(&links[LINKS_AT_ONCE])).is_some());
    }
}
