//! A proxy that can hold back replies.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

/// Lives as long as the test's process.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    gate: Arc<Gate>,
}

#[derive(Default)]
struct Gate {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    is_shut: bool,
    held: usize,
}

impl Proxy {
    pub(crate) fn new(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let gate = Arc::new(Gate::default());
        let opened = Arc::clone(&gate);
        thread::spawn(move || {
            for client in listener.incoming() {
                let client = client.unwrap();
                let server = TcpStream::connect(server).unwrap();
                let (to, from) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                let gate = Arc::clone(&opened);
                thread::spawn(move || pass(client, server, || {}));
                thread::spawn(move || pass(from, to, || gate.pass()));
            }
        });
        Self { address, gate }
    }

    /// Holds back all replies from now on.
    pub(crate) fn hold(&self) {
        self.gate.state.lock().unwrap().is_shut = true;
    }

    pub(crate) fn release(&self) {
        self.gate.state.lock().unwrap().is_shut = false;
        self.gate.changed.notify_all();
    }

    /// How many replies are held back.
    pub(crate) fn held(&self) -> usize {
        self.gate.state.lock().unwrap().held
    }
}

impl Gate {
    fn pass(&self) {
        let mut state = self.state.lock().unwrap();
        state.held += 1;
        let mut state = self
            .changed
            .wait_while(state, |state| state.is_shut)
            .unwrap();
        state.held -= 1;
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, before: impl Fn()) {
    let mut bytes = [0; 4096];
    while let Ok(length) = from.read(&mut bytes) {
        before();
        if length == 0 || to.write_all(&bytes[..length]).is_err() {
            return;
        }
    }
}
