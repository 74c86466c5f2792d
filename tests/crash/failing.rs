//! Marks that are made, divided, adopted and finished while each call to the disk fails in its turn.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::checker::look;
use crate::client::Client;
use crate::server::{BINARY, Home, PATIENCE, code, undisturbed};
use crate::setting::{Outcome, Setting};
use crate::trace::{Call, calls_of};

const ERRORS: [&str; 2] = ["EIO", "ENOSPC"];
/// Calls that change something on the disk. Of `openat` only those that may make a file.
const CALLS: &str = "openat,fallocate,pwrite64,fdatasync,linkat,unlink,fsync";
/// How many runs go on at a time: most of a run is waiting.
const AT_A_TIME: usize = 12;
/// What a run that met a failure may end with: the configuration or the files will not do, the disk
/// failed, it may pass.
const ENDS: [i32; 3] = [78, 74, 75];

/// Something that changes marks.
struct Deed {
    name: &'static str,
    /// Makes what is there before; the largest ID that was issued on it.
    prepare: fn(&Home) -> u64,
    /// The machine IDs of the shard.
    shard: &'static str,
    /// A command that ends by itself; a server otherwise.
    command: Option<&'static str>,
    /// The ranges of the marks that are touched.
    marks: &'static [&'static str],
}

const DEEDS: [Deed; 4] = [
    Deed {
        name: "a creation",
        prepare: nothing,
        shard: "1",
        command: None,
        marks: &["1"],
    },
    Deed {
        name: "a split",
        prepare: |home| issued(home, "0-3"),
        shard: "0-1",
        command: None,
        marks: &["0-3", "0-1", "2-3"],
    },
    Deed {
        name: "a merge",
        prepare: |home| issued(home, "0-3").max(live(home, "0-1")),
        shard: "0-3",
        command: None,
        marks: &["0-3", "0-1", "2-3"],
    },
    Deed {
        name: "an adoption",
        prepare: a_copy,
        shard: "1",
        command: Some("adopt"),
        marks: &["1"],
    },
];

/// How a run ended.
enum End {
    /// It served, and gave this ID.
    Served(u64),
    /// It ended by itself with this code.
    Code(i32),
}

/// EIO and ENOSPC at each call of a creation, of a split, of a merge and of an adoption.
pub(crate) fn failing_changes(_: &Setting) -> Outcome {
    let told = DEEDS.iter().map(Deed::fail_everywhere);
    let told: Vec<_> = told.collect();
    Outcome::Passed(format!(
        "each with EIO and ENOSPC: {}; every failure was told of, and the next start issued larger IDs",
        told.join(", ")
    ))
}

fn nothing(home: &Home) -> u64 {
    fs::create_dir(home.state()).unwrap();
    0
}

fn issued(home: &Home, shard: &str) -> u64 {
    home.make_mark(shard);
    live(home, shard)
}

/// The ID of a life that is killed.
fn live(home: &Home, shard: &str) -> u64 {
    let server = home.serve(shard);
    let id = server.id();
    server.kill();
    id
}

fn a_copy(home: &Home) -> u64 {
    let id = issued(home, "1");
    let mark = home.state().join("1.mark");
    let copy = home.path("copy");
    fs::copy(&mark, &copy).unwrap();
    fs::rename(copy, mark).unwrap();
    id
}

impl Deed {
    fn fail_everywhere(&self) -> String {
        let calls = self.calls();
        let runs: Vec<_> = calls
            .iter()
            .flat_map(|call| ERRORS.map(|error| (call, error)))
            .collect();
        let [next, recovered, ended] = [const { AtomicUsize::new(0) }; 3];
        let work = || {
            while let Some((call, error)) = runs.get(next.fetch_add(1, Ordering::Relaxed)) {
                let count = match self.fail(call, error) {
                    End::Served(_) | End::Code(0) => &recovered,
                    End::Code(_) => &ended,
                };
                count.fetch_add(1, Ordering::Relaxed);
            }
        };
        thread::scope(|scope| {
            for _ in 0..AT_A_TIME {
                scope.spawn(work);
            }
        });
        format!(
            "{} calls of {} ({} runs recovered, {} ended)",
            calls.len(),
            self.name,
            recovered.into_inner(),
            ended.into_inner()
        )
    }

    /// The calls that one run without a failure makes.
    fn calls(&self) -> Vec<Call> {
        let home = Home::empty();
        (self.prepare)(&home);
        let (end, log) = self.run(&home, None);
        assert!(matches!(end, End::Served(_) | End::Code(0)), "{log}");
        let lines = trace(&home);
        let calls = calls_of(&lines).into_iter().zip(&lines);
        let calls: Vec<_> = calls
            .filter(|(call, line)| !is_needless(&call.name, line))
            .map(|(call, _)| call)
            .collect();
        assert!(calls.len() >= 5, "{lines:#?}");
        calls
    }

    /// Has one call fail, and goes on from what that left.
    fn fail(&self, call: &Call, error: &str) -> End {
        let home = Home::empty();
        let last = (self.prepare)(&home);
        let Call { name, number } = call;
        let what = format!("{}: {error} at number {number} of {name}", self.name);
        let (end, log) = self.run(&home, Some(&format!("{name}:error={error}:when={number}")));
        let failures = trace(&home);
        let mut failures = failures.iter().filter(|line| line.contains("(INJECTED)"));
        let failure = failures.next().expect(&what);
        assert_eq!(failures.next(), None, "{what}: {log}");
        let mut last = last;
        match end {
            End::Served(id) => {
                assert!(id > last, "{what}: {id} after {last}");
                let mark = home.state().join(format!("{}.mark", self.shard));
                assert_eq!(look(&mark, id), Ok(()), "{what}");
                last = id;
            }
            End::Code(0) => {}
            End::Code(code) => assert!(ENDS.contains(&code), "{what}: {code}, {log}"),
        }
        // To be told of even if it is got over at once. Not so what is needless: where a start waits for the
        // clock it looks as often as there is time, and the number may be that of a look.
        assert!(
            is_needless(name, failure) || log.contains("annot "),
            "{what}: nothing is told: {log}"
        );
        if self.command.is_some() && !matches!(end, End::Code(0)) {
            let (end, log) = self.run(&home, None);
            assert!(matches!(end, End::Code(0)), "{what}, then: {log}");
        }
        let next = home.serve(self.shard).id();
        assert!(next > last, "{what}: {next} after {last}");
        end
    }

    /// Runs it to the end of the deed under strace; how it ended, and what it told.
    fn run(&self, home: &Home, inject: Option<&str>) -> (End, String) {
        let folder = home.path("trace");
        fs::create_dir_all(&folder).unwrap();
        let mut line: Vec<String> = ["strace", "-D", "-ff", "-qq", "-y"]
            .map(str::to_owned)
            .into();
        line.extend(["-o".to_owned(), folder.join("thread").display().to_string()]);
        line.extend(["-e".to_owned(), format!("trace={CALLS}")]);
        if let Some(inject) = inject {
            line.extend(["-e".to_owned(), format!("inject={inject}")]);
        }
        for path in self.paths(home) {
            line.extend(["-P".to_owned(), path]);
        }
        let line: Vec<_> = line.iter().map(String::as_str).collect();
        let log = home.path("log");
        let mut command = match self.command {
            None => home.wrapped(&line, self.shard),
            Some(command) => {
                let mut line_of = Command::new(line[0]);
                undisturbed(&mut line_of)
                    .args(&line[1..])
                    .args([BINARY, "state", command, "--shard-id", self.shard])
                    .arg("--state-dir")
                    .arg(home.state());
                line_of
            }
        };
        command
            .stdout(Stdio::null())
            .stderr(File::create(&log).unwrap());
        let end = ends_or_serves(command.spawn().unwrap(), home);
        (end, fs::read_to_string(log).unwrap())
    }

    /// What the calls have to be about to count.
    fn paths(&self, home: &Home) -> Vec<String> {
        let state = home.state().display().to_string();
        let marks = self.marks.iter();
        let marks =
            marks.flat_map(|range| [format!("/{range}.mark"), format!("/{range}.mark.new")]);
        let names = ["", "/lock"].map(str::to_owned).into_iter().chain(marks);
        names.map(|name| format!("{state}{name}")).collect()
    }
}

/// Whether the call, as strace wrote it, makes nothing that is needed: it opens what is there, or notes in
/// the lock file whose doing the last change of the directory was.
fn is_needless(name: &str, line: &str) -> bool {
    match name {
        "openat" => !line.contains("O_CREAT"),
        "pwrite64" => line.contains("/state/lock>"),
        _ => false,
    }
}

/// What strace wrote of the thread that reached the marks.
fn trace(home: &Home) -> Vec<String> {
    let files = fs::read_dir(home.path("trace")).unwrap();
    let texts = files.map(|file| fs::read_to_string(file.unwrap().path()).unwrap());
    let mut texts = texts.filter(|text| text.contains("/state"));
    let text = texts.next().unwrap_or_default();
    assert_eq!(texts.next(), None, "more than one thread reaches marks");
    text.lines().map(str::to_owned).collect()
}

/// Waits until the process has ended, or serves; then it is killed.
fn ends_or_serves(mut child: Child, home: &Home) -> End {
    let begin = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return End::Code(code(status));
        }
        let reply = Client::new(home.address()).and_then(|mut client| client.get("/generate"));
        if let Some(reply) = reply.ok().filter(|reply| reply.status == 200) {
            child.kill().unwrap();
            child.wait().unwrap();
            return End::Served(reply.id());
        }
        if begin.elapsed() > PATIENCE {
            child.kill().unwrap();
            panic!(
                "neither ended nor serving: {}",
                fs::read_to_string(home.path("log")).unwrap()
            );
        }
        thread::park_timeout(Duration::from_millis(20));
    }
}

/// EIO and ENOSPC at each call that writes the exact mark.
pub(crate) fn failing_end(_: &Setting) -> Outcome {
    let mut codes = Vec::new();
    for call in ["pwrite64", "fdatasync"] {
        for number in ["1", "2", "1+"] {
            for error in ERRORS {
                codes.push(fail_at_stop(call, error, number).to_string());
            }
        }
    }
    Outcome::Passed(format!(
        "{} stops, ended with {}, and nothing repeated",
        codes.len(),
        codes.join(", ")
    ))
}

/// The exit code of a server whose calls fail from when it is told to stop.
fn fail_at_stop(call: &str, error: &str, number: &str) -> i32 {
    let home = Home::with_mark("1");
    let mut server = home.serve("1");
    let id = server.id();
    let mut strace = Command::new("strace")
        .args(["-f", "-e", "trace=pwrite64,fdatasync", "-e"])
        .arg(format!("inject={call}:error={error}:when={number}"))
        .args(["-p", &server.pid().to_string()])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(strace.stderr.take().unwrap()).lines();
    let attached = lines.any(|line| line.unwrap().contains("attached"));
    assert!(attached, "strace has ended");
    server.signal(Signal::SIGTERM);
    let code = server.wait();
    let failures = lines.filter(|line| line.as_ref().unwrap().contains("(INJECTED)"));
    let failures = failures.count();
    strace.wait().unwrap();
    let what = format!(
        "{error} at number {number} of {call}: {code}, {:#?}",
        server.log
    );
    assert!(failures > 0, "{what}");
    // One failure may have met the last extension, behind which the exact mark was written.
    let mended = number != "1+" && code == 0;
    assert!(mended || code == 74, "{what}");
    let told = server.log.iter().any(|line| line.contains("annot "));
    assert!(told, "{what}");
    assert!(home.serve("1").id() > id, "{what}");
    code
}
