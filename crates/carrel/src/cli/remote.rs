//! Talks to a server that has the library open already, over the socket in the data directory.
//!
//! HTTP/1.0, because then a reply simply ends where the connection does; the socket's permissions say who may ask.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use carrel_generate::tasks::Visited;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Failure;
use super::progress::Meter;
use crate::{interrupt, wire};

/// A running server.
pub struct Remote {
    socket: PathBuf,
}

/// A reply whose head has been read.
struct Reply {
    status: u16,
    body: BufReader<UnixStream>,
}

impl Remote {
    /// The server that listens on `socket`; none when nobody does.
    pub fn connect(socket: &Path) -> Option<Remote> {
        UnixStream::connect(socket).ok().map(|_| Remote { socket: socket.to_owned() })
    }

    pub fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.request("GET", path, "")?.json()
    }

    pub fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, Failure> {
        self.request("POST", path, &encode(body)?)?.json()
    }

    pub fn delete(&self, path: &str) -> Result<(), Failure> {
        self.request("DELETE", path, "")?.successful().map(drop)
    }

    /// Posts `body` and calls `sink` with name and data of each server-sent event of the reply.
    pub fn stream(
        &self,
        path: &str,
        body: &impl Serialize,
        sink: &mut dyn FnMut(&str, &str) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let reply = self.request("POST", path, &encode(body)?)?.successful()?;
        let (mut name, mut data) = (String::new(), String::new());
        for line in reply.body.lines() {
            let line = line.map_err(lost)?;
            match line.split_once(':') {
                Some(("event", value)) => name = value.trim_start().to_owned(),
                Some(("data", value)) => {
                    if !data.is_empty() {
                        data.push('\n');
                    }
                    data.push_str(value.strip_prefix(' ').unwrap_or(value));
                }
                // A comment keeps the connection alive.
                Some(_) => {}
                None if line.is_empty() && !data.is_empty() => {
                    sink(&name, &data)?;
                    name.clear();
                    data.clear();
                }
                None => {}
            }
        }
        Ok(())
    }

    /// Has work over whole documents done, showing how far it has come. None when Ctrl-C was pressed.
    pub fn work<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
        meter: &mut Meter,
    ) -> Result<Option<T>, Failure> {
        let mut done = None;
        let mut watch = meter.watch();
        let ended = self.stream(path, body, &mut |name, data| {
            let parse = |error: serde_json::Error| Failure::of(&error);
            match name {
                "done" => done = Some(serde_json::from_str(data).map_err(parse)?),
                "error" => {
                    let error: wire::ErrorDetail = serde_json::from_str(data).map_err(parse)?;
                    return Err(Failure::told(error.message, error.hint));
                }
                "visited" => {
                    let wire::Visited { done, total, path } = serde_json::from_str(data).map_err(parse)?;
                    // Leaving ends the work over there.
                    if watch(Visited { done, total, path: &path }).is_break() {
                        return Err(Failure::new("stopped"));
                    }
                }
                _ => {}
            }
            Ok(())
        });
        drop(watch);
        meter.clear();
        match (ended, done) {
            (Err(_), _) if interrupt::interrupted() => Ok(None),
            (Err(failure), _) => Err(failure),
            (Ok(()), None) => Err(Failure::new("the running carrel broke off its work")),
            (Ok(()), done) => Ok(done),
        }
    }

    fn request(&self, method: &str, path: &str, body: &str) -> Result<Reply, Failure> {
        let mut stream = UnixStream::connect(&self.socket).map_err(lost)?;
        let request = format!(
            "{method} {path} HTTP/1.0\r\nHost: localhost\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let sent = stream.write_all(request.as_bytes());
        // A server that has answered need not have read everything: what it says comes before what broke.
        Reply::read(stream).map_err(|failure| sent.err().map_or(failure, lost))
    }
}

impl Reply {
    fn read(stream: UnixStream) -> Result<Reply, Failure> {
        let mut body = BufReader::new(stream);
        let mut line = String::new();
        body.read_line(&mut line).map_err(lost)?;
        let status = line.split(' ').nth(1).and_then(|code| code.parse().ok());
        let status = status.ok_or_else(|| Failure::new("the running carrel did not answer as expected"))?;
        loop {
            line.clear();
            let read = body.read_line(&mut line).map_err(lost)?;
            if read == 0 || line.trim_end().is_empty() {
                return Ok(Reply { status, body });
            }
        }
    }

    fn json<T: DeserializeOwned>(self) -> Result<T, Failure> {
        let text = self.successful()?.text()?;
        // An empty body stands for nothing to say.
        let text = if text.is_empty() { "null" } else { &text };
        serde_json::from_str(text).map_err(|error| Failure::of(&error))
    }

    /// Itself, or the error that the server told of.
    fn successful(self) -> Result<Reply, Failure> {
        if (200..300).contains(&self.status) {
            return Ok(self);
        }
        let status = self.status;
        let text = self.text()?;
        Err(match serde_json::from_str::<wire::ErrorBody>(&text) {
            Ok(body) => Failure::told(body.error.message, body.error.hint),
            Err(_) => Failure::new(format!("the running carrel answered with status {status}")),
        })
    }

    fn text(mut self) -> Result<String, Failure> {
        let mut text = String::new();
        self.body.read_to_string(&mut text).map_err(lost)?;
        Ok(text)
    }
}

fn encode(body: &impl Serialize) -> Result<String, Failure> {
    serde_json::to_string(body).map_err(|error| Failure::of(&error))
}

fn lost(error: std::io::Error) -> Failure {
    let hint = "start it again with `carrel serve`";
    match error.kind() {
        ErrorKind::ConnectionRefused | ErrorKind::NotFound => {
            Failure::with_hint("the running carrel has gone away", hint)
        }
        _ => Failure::with_hint(format!("lost the running carrel: {error}"), hint),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;

    /// Serves one connection with `reply` and gives what the client made of it.
    fn served<T: Send>(reply: &'static str, client: impl FnOnce(&Remote) -> T + Send) -> T {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("s");
        let listener = UnixListener::bind(&socket).unwrap();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                let (mut stream, _) = listener.accept().unwrap();
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                let (mut line, mut length) = (String::new(), 0);
                while reader.read_line(&mut line).unwrap() > 2 {
                    length =
                        line.strip_prefix("Content-Length: ").map_or(length, |n| n.trim().parse().unwrap());
                    line.clear();
                }
                reader.read_exact(&mut vec![0; length]).unwrap();
                stream.write_all(reply.as_bytes()).unwrap();
            });
            client(&Remote { socket })
        })
    }

    #[test]
    fn a_stream_of_events_is_taken_apart() {
        let reply = "HTTP/1.0 200 OK\r\ncontent-type: text/event-stream\r\n\r\n\
                     event: delta\ndata: {\"text\":\"a: b\"}\n\n: alive\n\nevent: done\ndata: 1\ndata: 2\n\n";
        let mut events = Vec::new();
        served(reply, |remote| {
            remote.stream("/x", &(), &mut |name, data| {
                events.push((name.to_owned(), data.to_owned()));
                Ok(())
            })
        })
        .unwrap();
        assert_eq!(events, [("delta".into(), "{\"text\":\"a: b\"}".into()), ("done".into(), "1\n2".into())]);
    }

    #[test]
    fn an_error_of_the_server_is_told_with_its_hint() {
        let reply =
            "HTTP/1.0 404 Not Found\r\n\r\n{\"error\":{\"message\":\"no such folder\",\"hint\":\"look\"}}";
        let failure = served(reply, |remote| remote.get::<u8>("/x")).unwrap_err();
        assert_eq!(failure.to_string(), "no such folder\nhint: look");
    }
}
