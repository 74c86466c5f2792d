//! Shard numbers: what is accepted is canonical, and means the same wherever it is written.

use shardflake::id::{Layout, MachineRange};
use shardflake_server::config::{Config, Environment, Flags};

/// Takes the input as a shard number.
///
/// # Panics
/// If a promise is broken.
pub fn run(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else {
        return;
    };
    let layout = Layout::SONYFLAKE;
    let parsed = text
        .parse::<MachineRange>()
        .map_err(|error| error.to_string())
        .and_then(|range| range.fit(&layout).map_err(|error| error.to_string()));
    match &parsed {
        Ok(range) => {
            canonical(text, *range);
            assert_eq!(range.to_string().parse(), Ok(*range));
            parts(*range);
        }
        Err(message) => assert!(!message.is_empty()),
    }
    // No variable can hold a NUL.
    if !text.contains('\0') {
        agrees(text, parsed.ok());
    }
}

fn canonical(text: &str, range: MachineRange) {
    let one = range.to_string();
    let doubled = format!("{one}-{one}");
    assert!(text == one || text == doubled, "{text:?} became {one:?}");
    assert!(range.first() <= range.last() && range.last() <= Layout::SONYFLAKE.max_machine());
    assert_eq!(range.count(), range.last() - range.first() + 1);
}

/// What is left of a range without its middle is the rest, and nothing else.
fn parts(range: MachineRange) {
    let third = range.count() / 3;
    let middle = MachineRange::new(range.first() + third, range.last() - third)
        .expect("two thirds are at most the whole");
    let mut left = 0;
    for part in range.without(middle) {
        assert!(
            !part.overlaps(&middle) && range.first() <= part.first() && part.last() <= range.last()
        );
        left += part.count();
    }
    assert_eq!(left + middle.count(), range.count());
}

/// The configuration takes the same numbers, from a variable and from a flag.
fn agrees(text: &str, expected: Option<MachineRange>) {
    let nowhere = ("STATE_DIRECTORY", "/nowhere");
    let by_variable = Config::load(
        &Flags::default(),
        &Environment::new([nowhere, ("SHARD_ID", text)]),
    );
    let flags = Flags {
        shard_id: Some(text.to_owned()),
        ..Flags::default()
    };
    let by_flag = Config::load(&flags, &Environment::new([nowhere]));
    for (whence, loaded) in [("SHARD_ID", by_variable), ("--shard-id", by_flag)] {
        let shard = loaded.ok().map(|config| config.shard.machines);
        assert_eq!(shard, expected, "{whence}={text:?}");
    }
}
