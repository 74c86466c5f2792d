//! The server in a virtual machine whose power is cut, whose clock is stepped, and whose writes are
//! replayed as every crash could have left them.
//!
//! `vm LAB SCRATCH power ext4|btrfs CUTS`, `… clocks SMALL LARGE` or `… images ext4|btrfs COUNT`; LAB is a
//! folder with `vmlinuz` and `initrd` as `tests/vm/run` makes it, SCRATCH an empty one. A seed may follow.

mod checker;
mod clocks;
mod crash;
mod disk;
mod guest;
mod images;
mod machine;
mod power;
mod qmp;
mod random;
mod restart;
mod writelog;

use std::env;
use std::error::Error;
use std::path::Path;
use std::process::ExitCode;

use disk::FileSystem;
use machine::Lab;
use random::Random;

type Fallible<T> = Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    match run(&words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(words: &[String]) -> Fallible<()> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let [lab, scratch, case @ ..] = &words[..] else {
        return Err("usage: vm LAB SCRATCH CASE …".into());
    };
    let lab = Lab::new(Path::new(lab), Path::new(scratch))?;
    match *case {
        ["power", fs, cuts, ref seed @ ..] => {
            let mut random = Random::from_word(seed)?;
            power::run(&lab, FileSystem::named(fs)?, cuts.parse()?, &mut random)
        }
        ["clocks", small, large, ref seed @ ..] => {
            let mut random = Random::from_word(seed)?;
            clocks::run(&lab, small.parse()?, large.parse()?, &mut random)
        }
        ["images", fs, count, ref seed @ ..] => {
            let mut random = Random::from_word(seed)?;
            images::run(&lab, FileSystem::named(fs)?, count.parse()?, &mut random)
        }
        _ => Err(format!("no such case: {case:?}").into()),
    }
}
