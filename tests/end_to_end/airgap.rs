//! Nothing leaves: what the kernel saw of a server at work, and what it does to attempts.

use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::desk::Desk;

const PATIENCE: Duration = Duration::from_secs(180);

fn carrel(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_carrel")).args(args).output().unwrap()
}

#[test]
fn every_lock_holds_against_its_attempt() {
    let data = tempfile::tempdir().unwrap();
    let models = data.path().join("models");
    let output = carrel(&[
        "doctor",
        "--json",
        "--data-dir",
        data.path().to_str().unwrap(),
        "--models-dir",
        models.to_str().unwrap(),
    ]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let locks = report["locks"].as_array().unwrap();
    assert!(locks.len() >= 14, "{} locks", locks.len());
    for lock in locks.iter().filter(|lock| lock["required"] == true) {
        assert_eq!(lock["holds"], true, "{lock}");
        assert!(!lock["evidence"].as_str().unwrap().is_empty(), "{lock}");
    }
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn an_attempt_succeeds_where_nothing_is_locked() {
    let output = carrel(&["probe", "bare-socket"]);
    assert_eq!(output.status.code(), Some(1), "otherwise the probes prove nothing");
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "socket(AF_INET) succeeded\n");
}

#[test]
fn a_working_server_makes_one_listener_and_no_other_socket() {
    let Some(tracing) = tracer() else {
        eprintln!("LEFT OUT: watching the server's sockets needs strace and unprivileged namespaces");
        return;
    };
    let Some(desk) = Desk::with_files(&[("ships.txt", "The ferry to Dunmere leaves at nine on weekdays.")])
    else {
        return;
    };
    let trace = desk.data().with_extension("trace");
    let server = Traced::start(&desk, &tracing, &trace);
    desk.json(&["ask", "When does the ferry to Dunmere leave?"]);
    let output = desk.command(&["doctor", "--json"]).output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    for name in ["server-threads", "server-sockets", "server-socket", "server-io-uring"] {
        let lock = report["locks"].as_array().unwrap().iter().find(|lock| lock["name"] == name);
        assert_eq!(lock.expect(name)["holds"], true, "{lock:?}");
    }
    drop(server);

    let trace = std::fs::read_to_string(trace).unwrap();
    let calls = |name: &str| trace.lines().filter(move |line| line.contains(name)).collect::<Vec<_>>();
    let made: Vec<&str> = calls("socket(")
        .into_iter()
        .filter(|line| !line.contains("AF_UNIX") && !line.contains("= -1 "))
        .collect();
    assert_eq!(made.len(), 1, "{made:#?}");
    assert!(made[0].contains("AF_INET,"), "{made:?}");
    let bound: Vec<&str> = calls("bind(").into_iter().filter(|line| line.contains("AF_INET")).collect();
    assert!(bound.len() == 1 && bound[0].contains("127.0.0.1"), "{bound:?}");
    let connected: Vec<&str> =
        calls("connect(").into_iter().filter(|line| line.contains("AF_INET")).collect();
    assert!(connected.is_empty(), "{connected:#?}");
    let planted: Vec<&str> = calls("socket(")
        .into_iter()
        .filter(|line| line.contains("AF_INET") && line.contains("EPERM"))
        .collect();
    assert!(!planted.is_empty(), "the doctor's own attempt in the server was refused by the kernel");
    assert!(calls("io_uring_setup(").iter().all(|line| line.contains("EPERM")));
}

/// The command line that runs a program without a network and notes its calls, where that is possible.
fn tracer() -> Option<Vec<&'static str>> {
    let command = vec!["unshare", "-rn", "strace", "-f", "-qq", "-e", "trace=%network,io_uring_setup"];
    let works = Command::new(command[0]).args(&command[1..]).arg("true").output();
    works.is_ok_and(|output| output.status.success()).then_some(command)
}

/// A traced server, told to end when this is dropped.
struct Traced(Child);

impl Traced {
    fn start(desk: &Desk, tracing: &[&str], trace: &std::path::Path) -> Traced {
        let folder = desk.folder();
        let served = desk.command(&["serve", folder.to_str().unwrap(), "--port", "0"]);
        let child = Command::new(tracing[0])
            .args(&tracing[1..])
            .arg("-o")
            .arg(trace)
            .arg(served.get_program())
            .args(served.get_args())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let server = Traced(child);
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            let listening = std::os::unix::net::UnixStream::connect(desk.data().join("carrel.sock")).is_ok();
            if listening && desk.json(&["status"])["coverage"]["searched"] == 1 {
                return server;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("waited in vain until the server has read the folder");
    }
}

impl Drop for Traced {
    fn drop(&mut self) {
        // A tracer passes the signal on to what it traces, and writes its notes to the end.
        let tracer = self.0.id().to_string();
        let children =
            std::fs::read_to_string(format!("/proc/{tracer}/task/{tracer}/children")).unwrap_or_default();
        for server in children.split_whitespace() {
            let _asked = Command::new("kill").args(["-TERM", server]).status();
        }
        let _ended = self.0.wait();
    }
}
