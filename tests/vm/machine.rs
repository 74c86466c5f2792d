//! The virtual machine: one processor emulated by qemu, a data disk and a disk for the log of writes.
//!
//! It is booted once; after that it goes on from a state that was saved before the data disk was
//! mounted, which takes less than a second.

use std::env;
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use shardflake::clock::{Clock, SystemClock};

use crate::Fallible;
use crate::guest::Guest;
use crate::qmp::Monitor;
use crate::random::Random;

/// How long anything may take before the test gives up; a busy host is slow.
pub(crate) const PATIENCE: Duration = Duration::from_secs(180);
/// Between two tries to reach a qemu that is just starting.
const RETRY: Duration = Duration::from_millis(5);

const KERNEL_LINE: &str = "console=ttyS0 quiet mitigations=off nokaslr panic=-1 tsc=reliable \
    no_timer_check rcupdate.rcu_expedited=1 cryptomgr.notests";

/// Where the machine's parts lie.
pub(crate) struct Lab(PathBuf);

// Files of this run, in the folder that is the present one. Short, as the paths of sockets have to be.

/// The disk that the machine's shards keep their state on.
pub(crate) const DATA_DISK: &str = "data.img";
/// The disk that the log of writes is kept on.
pub(crate) const LOG_DISK: &str = "log.img";
/// The ports of the machine, and their sockets.
const OUT: &str = "out";
const IN: &str = "in";
const CONSOLE: &str = "console";
const MONITOR: &str = "monitor";
/// What qemu itself complains of.
const COMPLAINTS: &str = "qemu";

impl Lab {
    /// A laboratory with its kernel in `folder`. All files of the run go to the folder `scratch`, which
    /// must not be in memory, where disks could not be read past the cache.
    pub(crate) fn new(folder: &Path, scratch: &Path) -> Fallible<Self> {
        let folder = folder.canonicalize()?;
        env::set_current_dir(scratch)?;
        Ok(Self(folder))
    }

    /// The saved state of a machine that is made as this one.
    fn state(&self, machine: &Command) -> Fallible<PathBuf> {
        let version = Command::new("qemu-system-x86_64")
            .arg("--version")
            .output()?;
        let mut hasher = DefaultHasher::new();
        version.stdout.hash(&mut hasher);
        machine.get_args().for_each(|word| word.hash(&mut hasher));
        Ok(self.0.join(format!("state-{:016x}", hasher.finish())))
    }

    fn command(&self) -> Command {
        let mut command = Command::new("qemu-system-x86_64");
        command.args(["-machine", "pc,usb=off,vmport=off,i8042=off"]);
        command.args(["-accel", "tcg", "-cpu", "qemu64", "-smp", "1", "-m", "256"]);
        command.args(["-nodefaults", "-no-user-config", "-no-reboot"]);
        command.args(["-display", "none", "-append", KERNEL_LINE]);
        command.arg("-kernel").arg(self.0.join("vmlinuz"));
        command.arg("-initrd").arg(self.0.join("initrd"));
        let console = format!("file,id=console,path={CONSOLE},append=on");
        command.args(["-chardev", &console, "-serial", "chardev:console"]);
        for (disk, path) in [("data", DATA_DISK), ("log", LOG_DISK)] {
            let drive = format!("if=none,id={disk},file={path},format=raw,cache=none");
            command.args(["-drive", &drive]);
            command.args(["-device", &format!("virtio-blk-pci,drive={disk}")]);
        }
        command.args(["-device", "virtio-serial-pci"]);
        for (number, port) in [(1, OUT), (2, IN)] {
            // It does not start before somebody listens.
            let socket = format!("socket,id={port},path={port},server=on,wait=on");
            command.args(["-chardev", &socket]);
            let device = format!("virtserialport,chardev={port},name={port},nr={number}");
            command.args(["-device", &device]);
        }
        command.args(["-qmp", &format!("unix:{MONITOR},server=on,wait=off")]);
        command
    }

    /// A machine that has its power and waits for commands. Its clock is the host's plus `skew`
    /// nanoseconds, and as after any boot, nobody has seen its boot ID before.
    pub(crate) fn power_on(&self, random: &mut Random, skew: i64) -> Fallible<Machine> {
        let state = self.state(&self.command())?;
        if !state.exists() {
            self.prepare(&state)?;
        }
        let mut command = self.command();
        command
            .arg("-incoming")
            .arg(format!("exec:cat '{}'", state.display()));
        let mut machine = start(command)?;
        let boot_id: Vec<String> = (0..16)
            .map(|_| format!("{:02x}", random.within(0..256)))
            .collect();
        machine.guest.shell(&format!(
            "echo {} >/tmp/boot_id; mount -o bind /tmp/boot_id /proc/sys/kernel/random/boot_id",
            boot_id.concat()
        ))?;
        machine.set_clock(skew)?;
        Ok(machine)
    }

    /// Boots a machine and saves its state before it has looked at its disks.
    fn prepare(&self, state: &Path) -> Fallible<()> {
        let mut machine = start(self.command())?;
        machine.guest.answer()?;
        // So that the saved memory holds what every run will need.
        machine
            .guest
            .shell("/shardflake --version; dmsetup version; sync")?;
        let part = state.with_extension("part");
        Monitor::new(UnixStream::connect(MONITOR)?)?.save(&part)?;
        fs::rename(part, state)?;
        Ok(())
    }
}

fn start(mut command: Command) -> Fallible<Machine> {
    for name in [OUT, IN, MONITOR] {
        match fs::remove_file(name) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error)?,
            _ => {}
        }
    }
    for disk in [DATA_DISK, LOG_DISK] {
        if !Path::new(disk).exists() {
            File::create(disk)?.set_len(crate::disk::SIZE)?;
        }
    }
    let mut power = Power(
        command
            .stdin(Stdio::null())
            .stderr(File::create(COMPLAINTS)?)
            .spawn()?,
    );
    let out = power.connect(OUT)?;
    let commands = power.connect(IN)?;
    Ok(Machine {
        guest: Guest::new(out, commands)?,
        power,
    })
}

/// The end of what the machine's kernel and the server have said.
pub(crate) fn last_words() -> String {
    let console = fs::read(CONSOLE).unwrap_or_default();
    let text = String::from_utf8_lossy(&console);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(30)..].join("\n")
}

/// A running machine.
pub(crate) struct Machine {
    pub(crate) guest: Guest,
    power: Power,
}

impl Machine {
    /// Sets the guest's clock to the host's plus `skew` nanoseconds.
    pub(crate) fn set_clock(&mut self, skew: i64) -> Fallible<()> {
        let wall = SystemClock.realtime().as_nanos() + skew;
        self.guest.tell(&format!("set {wall}"))?;
        Ok(())
    }

    /// Cuts the power at once. What the machine had handed out before is in the guest's replies.
    pub(crate) fn cut(self) -> Fallible<Guest> {
        drop(self.power);
        let mut guest = self.guest;
        guest.hear_out()?;
        Ok(guest)
    }
}

/// The qemu process; dropping it cuts the power.
struct Power(Child);

impl Power {
    fn connect(&mut self, path: &str) -> Fallible<UnixStream> {
        let until = Instant::now() + PATIENCE;
        loop {
            match UnixStream::connect(path) {
                Ok(stream) => return Ok(stream),
                Err(error) if Instant::now() > until => return Err(error.into()),
                Err(_) => thread::park_timeout(RETRY),
            }
            if let Some(status) = self.0.try_wait()? {
                return Err(format!("qemu has ended: {status}").into());
            }
        }
    }
}

impl Drop for Power {
    fn drop(&mut self) {
        // SIGKILL: no cache is written back, no disk is closed.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
