//! The limit to compare with: nothing but the system calls that an answer takes. Each thread waits
//! on its own epoll, reads what has come, and answers every request in it with a constant.
//!
//! `epoll ADDRESS THREADS`

use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::thread;

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

/// As long as an answer to `/generate`, with the headers that hyper sends.
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\n\
    content-type: application/json\r\n\
    cache-control: no-store\r\n\
    content-length: 78\r\n\
    date: Sat, 21 Nov 2026 14:00:00 GMT\r\n\r\n\
    {\"id\":647109563423653889,\"id_str\":\"647109563423653889\",\"timestamp\":1795236947}";
/// What names the listener in an event; no descriptor has that number.
const LISTENER: u64 = u64::MAX;

struct Connection {
    stream: TcpStream,
    /// How much of an empty line the last bytes are.
    matched: usize,
}

impl Connection {
    /// Reads what has come and answers it; false once the client has left.
    fn serve(&mut self, answers: &mut Vec<u8>) -> bool {
        let mut bytes = [0; 16 * 1024];
        let length = match self.stream.read(&mut bytes) {
            Ok(0) => return false,
            Ok(length) => length,
            Err(error) => return error.kind() == ErrorKind::WouldBlock,
        };
        answers.clear();
        for byte in &bytes[..length] {
            self.matched = match (byte, self.matched) {
                (b'\r', 0 | 2) | (b'\n', 1 | 3) => self.matched + 1,
                (b'\r', _) => 1,
                _ => 0,
            };
            if self.matched == 4 {
                self.matched = 0;
                answers.extend_from_slice(ANSWER);
            }
        }
        // The bench's clients take what they asked for: a full socket is not waited for.
        self.stream.write_all(answers).is_ok()
    }
}

fn watch(epoll: &Epoll, what: &impl std::os::fd::AsFd, name: u64) {
    let event = EpollEvent::new(EpollFlags::EPOLLIN, name);
    epoll.add(what, event).expect("room for another descriptor");
}

fn accept(listener: &TcpListener, epoll: &Epoll, open: &mut HashMap<u64, Connection>) {
    // Another thread may have been faster.
    while let Ok((stream, _)) = listener.accept() {
        stream.set_nonblocking(true).expect("an open socket");
        stream.set_nodelay(true).expect("an open socket");
        let name = u64::try_from(stream.as_raw_fd()).expect("a descriptor");
        watch(epoll, &stream, name);
        let connection = Connection { stream, matched: 0 };
        open.insert(name, connection);
    }
}

fn serve(listener: &TcpListener) -> ! {
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).expect("an epoll");
    watch(&epoll, listener, LISTENER);
    let mut open = HashMap::new();
    let mut answers = Vec::new();
    let mut events = [EpollEvent::empty(); 256];
    loop {
        // A signal ends the wait: nothing is ready then.
        let ready = epoll.wait(&mut events, EpollTimeout::NONE).unwrap_or(0);
        for event in &events[..ready] {
            let name = event.data();
            if name == LISTENER {
                accept(listener, &epoll, &mut open);
            } else if let Some(connection) = open.get_mut(&name)
                && !connection.serve(&mut answers)
            {
                // Closing takes it out of the epoll.
                open.remove(&name);
            }
        }
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let listener = TcpListener::bind(&arguments[1]).expect("a free address");
    listener.set_nonblocking(true).expect("an open socket");
    let threads: usize = arguments[2].parse().expect("a number of threads");
    for _ in 1..threads {
        let listener = listener.try_clone().expect("another descriptor");
        thread::spawn(move || serve(&listener));
    }
    serve(&listener);
}
