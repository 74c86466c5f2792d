//! The program inside the virtual machine: runs the server, asks it for IDs, hands each one out at
//! once, and does what the host tells it.
//!
//! What it hands out, one a line: `t WALL BOOT` before what was read from the server in one piece
//! (nanoseconds of the guest's clocks, after the reading), `i ID`, `r CODE` for a refusal, and
//! `= ok …` or `= failed …` in answer to each command.

use std::error::Error;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::sys::time::TimeSpec;
use nix::time::{ClockId, clock_gettime, clock_settime};
use nix::unistd::Pid;

type Fallible<T> = Result<T, Box<dyn Error>>;

const SERVER: &str = "127.0.0.1:7001";
const REQUEST: &[u8] = b"GET /id HTTP/1.1\r\nhost: guest\r\n\r\n";
/// Between two tries to reach a server that does not listen yet.
const RETRY: Duration = Duration::from_millis(10);
/// After a refusal: the processor is the server's then.
const RESPITE: Duration = Duration::from_millis(20);

fn main() -> Fallible<()> {
    let commands = BufReader::new(File::open(port("in")?)?);
    let mut guest = Guest {
        out: Arc::new(Out {
            port: Mutex::new(OpenOptions::new().write(true).open(port("out")?)?),
            last: AtomicU64::new(0),
        }),
        server: None,
        threads: Vec::new(),
    };
    guest.out.write("= ok ready\n");
    for command in commands.lines() {
        let answer = match guest.obey(&command?) {
            Ok(text) => format!("= ok {text}"),
            Err(error) => format!("= failed {error}"),
        };
        guest.out.write(&(answer.replace('\n', " ") + "\n"));
    }
    Ok(())
}

/// The device of the port that the host calls `name`.
fn port(name: &str) -> Fallible<PathBuf> {
    for entry in fs::read_dir("/sys/class/virtio-ports")? {
        let path = entry?.path();
        if fs::read_to_string(path.join("name"))?.trim() == name {
            let device = path.file_name().ok_or("a port without a name")?;
            return Ok(PathBuf::from("/dev").join(device));
        }
    }
    Err(format!("there is no port {name}").into())
}

/// The way to the receiver outside.
struct Out {
    port: Mutex<File>,
    /// The last ID that was received.
    last: AtomicU64,
}

impl Out {
    fn write(&self, lines: &str) {
        let mut port = self.port.lock().unwrap_or_else(PoisonError::into_inner);
        port.write_all(lines.as_bytes())
            .expect("the host listens for as long as the machine has power");
    }
}

struct Guest {
    out: Arc<Out>,
    server: Option<Child>,
    /// What runs in the background, each with the word that ends it.
    threads: Vec<(Arc<AtomicBool>, JoinHandle<()>)>,
}

impl Guest {
    fn obey(&mut self, command: &str) -> Fallible<String> {
        let (word, rest) = command.split_once(' ').unwrap_or((command, ""));
        match word {
            "sh" => shell(rest),
            "start" => self.start(rest),
            "stop" => self.stop(rest.parse()?),
            "flow" => self.flow(rest.parse()?),
            "marks" => self.marks(rest),
            "quiet" => self.quiet(),
            "set" => set_clock(rest.parse()?),
            "step" => step_clock(rest.parse()?),
            "strobe" => strobe(rest),
            _ => Err(format!("no such command: {command}").into()),
        }
    }

    /// `start NAME=VALUE… ARGUMENT…`
    fn start(&mut self, words: &str) -> Fallible<String> {
        let mut command = Command::new("/shardflake");
        command.env_clear();
        for word in words.split(' ').filter(|word| !word.is_empty()) {
            match word.split_once('=') {
                Some((name, value)) => command.env(name, value),
                None => command.arg(word),
            };
        }
        let child = command.stdin(Stdio::null()).spawn()?;
        let pid = child.id();
        self.server = Some(child);
        Ok(pid.to_string())
    }

    fn stop(&mut self, signal: Signal) -> Fallible<String> {
        let mut server = self.server.take().ok_or("no server was started")?;
        kill(Pid::from_raw(i32::try_from(server.id())?), signal)?;
        Ok(server.wait()?.to_string())
    }

    /// Lets IDs flow, with `depth` requests under way at a time.
    fn flow(&mut self, depth: usize) -> Fallible<String> {
        let out = Arc::clone(&self.out);
        self.background(move |running| flow(&out, depth, running))
    }

    /// Marks the log of writes again and again with the last ID received: whatever the log holds
    /// before the mark was on the disk when that ID was here.
    fn marks(&mut self, device: &str) -> Fallible<String> {
        let (out, device) = (Arc::clone(&self.out), device.to_owned());
        self.background(move |running| {
            while running.load(Ordering::Relaxed) {
                let id = out.last.load(Ordering::Acquire);
                shell(&format!("dmsetup message {device} 0 mark id:{id}"))
                    .expect("the device is there until the marks end");
                thread::park_timeout(RESPITE);
            }
        })
    }

    fn background(&mut self, work: impl FnOnce(&AtomicBool) + Send + 'static) -> Fallible<String> {
        let running = Arc::new(AtomicBool::new(true));
        let told = Arc::clone(&running);
        let thread = thread::Builder::new().spawn(move || work(&told))?;
        self.threads.push((running, thread));
        Ok(String::new())
    }

    /// Ends what runs in the background, when all replies that are under way have come.
    fn quiet(&mut self) -> Fallible<String> {
        for (running, _) in &self.threads {
            running.store(false, Ordering::Relaxed);
        }
        for (_, thread) in self.threads.drain(..) {
            thread.join().map_err(|_| "a thread has panicked")?;
        }
        Ok(String::new())
    }
}

fn shell(line: &str) -> Fallible<String> {
    let output = Command::new("/bin/sh").args(["-c", line]).output()?;
    let text = |bytes| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() {
        Ok(text(&output.stdout))
    } else {
        Err(format!("{line}: {}: {}", output.status, text(&output.stderr)).into())
    }
}

fn flow(out: &Out, depth: usize, running: &AtomicBool) {
    while running.load(Ordering::Relaxed) {
        // Connections end when the server does; another one is made when it is back.
        if let Ok(stream) = TcpStream::connect(SERVER) {
            let _ = converse(stream, out, depth, running);
        } else {
            thread::park_timeout(RETRY);
        }
    }
}

fn converse(
    mut stream: TcpStream,
    out: &Out,
    depth: usize,
    running: &AtomicBool,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = Vec::with_capacity(64 << 10);
    let mut under_way = 0;
    loop {
        if running.load(Ordering::Relaxed) {
            stream.write_all(&REQUEST.repeat(depth - under_way))?;
            under_way = depth;
        }
        if under_way == 0 {
            return Ok(());
        }
        let mut piece = [0; 16 << 10];
        let length = stream.read(&mut piece)?;
        if length == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        buffer.extend_from_slice(&piece[..length]);
        let mut lines = format!(
            "t {} {}\n",
            now(ClockId::CLOCK_REALTIME),
            now(ClockId::CLOCK_BOOTTIME)
        );
        let mut refused = false;
        while let Some((reply, length)) = Reply::first(&buffer)? {
            buffer.drain(..length);
            under_way -= 1;
            if let Reply::Id(id) = reply {
                out.last.store(id, Ordering::Release);
                lines.extend(["i ", &id.to_string(), "\n"]);
            } else if let Reply::Refused(code) = reply {
                refused = true;
                lines.extend(["r ", &code, "\n"]);
            }
        }
        out.write(&lines);
        if refused {
            thread::park_timeout(RESPITE);
        }
    }
}

/// What the server answers.
enum Reply {
    Id(u64),
    Refused(String),
}

impl Reply {
    /// The first reply in `bytes` and how long it is, if it is there as a whole.
    fn first(bytes: &[u8]) -> io::Result<Option<(Self, usize)>> {
        let strange = || io::Error::new(ErrorKind::InvalidData, "not a reply");
        let Some(head) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
            return Ok(None);
        };
        let head = head + 4;
        let text = str::from_utf8(&bytes[..head]).map_err(|_| strange())?;
        let (_, length) = text.split_once("content-length: ").ok_or_else(strange)?;
        let length: usize = length
            .lines()
            .next()
            .and_then(|length| length.parse().ok())
            .ok_or_else(strange)?;
        let Some(body) = bytes.get(head..head + length) else {
            return Ok(None);
        };
        let body = str::from_utf8(body).map_err(|_| strange())?;
        let field = |name: &str| {
            let (_, value) = body.split_once(&format!("\"{name}\":\""))?;
            value.split('"').next()
        };
        let reply = match field("id").map(str::parse) {
            Some(id) => Self::Id(id.map_err(|_| strange())?),
            None => Self::Refused(field("code").ok_or_else(strange)?.to_owned()),
        };
        Ok(Some((reply, head + length)))
    }
}

/// A clock in nanoseconds.
fn now(clock: ClockId) -> i64 {
    let time = clock_gettime(clock).expect("every Linux has these clocks");
    time.tv_sec() * 1_000_000_000 + time.tv_nsec()
}

/// Sets the wall clock; answers with the boot time before.
fn set_clock(nanos: i64) -> Fallible<String> {
    let boot = now(ClockId::CLOCK_BOOTTIME);
    let (seconds, rest) = (
        nanos.div_euclid(1_000_000_000),
        nanos.rem_euclid(1_000_000_000),
    );
    clock_settime(ClockId::CLOCK_REALTIME, TimeSpec::new(seconds, rest))?;
    Ok(boot.to_string())
}

/// Steps the wall clock; answers with the boot time before, and with the new wall clock.
fn step_clock(delta: i64) -> Fallible<String> {
    let wall = now(ClockId::CLOCK_REALTIME) + delta;
    Ok(format!("{} {wall}", set_clock(wall)?))
}

/// `strobe STEPS DELTA PAUSE`: steps to and fro, and ends where it began.
fn strobe(words: &str) -> Fallible<String> {
    let numbers: Vec<i64> = words.split(' ').map(str::parse).collect::<Result<_, _>>()?;
    let [steps, delta, pause] = numbers[..] else {
        return Err("strobe takes three numbers".into());
    };
    for step in 0..steps {
        step_clock(if step % 2 == 0 { delta } else { -delta })?;
        thread::park_timeout(Duration::from_nanos(pause.unsigned_abs()));
    }
    step_clock(0)
}
