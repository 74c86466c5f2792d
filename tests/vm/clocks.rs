//! The guest's clock stepped while IDs flow, and what the server is to do about each kind of step.
//!
//! A step is measured from the last offset that has stood for 30 s, here where the course began: back
//! is followed at once and served as long as IDs are at most 5 s ahead; forward is followed at once up to
//! one second, and up to a day when it has stood; the way back from a step is believed at once.

mod course;

use shardflake::time::TimeDelta;

use crate::Fallible;
use crate::machine::{DATA_DISK, Lab, last_words};
use crate::random::Random;
use course::{Course, SECOND};

const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
/// How far IDs may be ahead of the clock that is followed.
const MAX_AHEAD: i64 = 5 * SECOND;
/// How far from its beginning the clock goes in small steps.
const SMALL: i64 = 3 * SECOND;
/// How long before midnight a machine is switched on for a leap second: time to start, to wait for the
/// mark, and for the kernel to see the end of the day coming.
const LEAD: i64 = 20 * SECOND;
/// Steps of one strobing, an even number.
const FLASHES: u64 = 20;

/// Steps the clock `small` times within 3 s, and at least `large` times further.
pub(crate) fn run(lab: &Lab, small: u64, large: u64, random: &mut Random) -> Fallible<()> {
    crate::disk::FileSystem::Ext4.make(DATA_DISK)?;
    let mut course = Course::begin(lab, "walk", 0, random)?;
    let result = walk(&mut course, small, random).and_then(|()| jump(&mut course, large, random));
    let result = result.and_then(|()| stand(&mut course, large));
    result.map_err(|error| format!("{error}\n{}", last_words()))?;
    // On a slow host it takes longer than usual.
    let early = LEAD.max(TimeDelta::from(course.began_in * 2).as_nanos());
    let mut report = course.end()?;
    // The operations of a leap second are numbered as in linux/timex.h.
    let leaps = [("insert", 0x10, -SECOND), ("delete", 0x20, SECOND)];
    for (state, status, leap) in leaps.into_iter().take(if short(large) { 1 } else { 2 }) {
        let over = leap_second(lab, state, (status, leap), early, random);
        report.join(over.map_err(|error| format!("{error}\n{}", last_words()))?);
    }
    report.finish(small, large)
}

/// Whether a run of so many large steps is to be short.
const fn short(large: u64) -> bool {
    large < 50
}

/// Small steps at random: none of them is to be noticed.
fn walk(course: &mut Course, steps: u64, random: &mut Random) -> Fallible<()> {
    let mut place = 0;
    for step in 1..=steps {
        let near = (place - SMALL).max(-SMALL)..=(place + SMALL).min(SMALL);
        let mut next = random.within(*near.start()..near.end() + 1);
        if random.once_in(3) {
            // Milliseconds, as from a daemon that corrects.
            next = (place + random.within(-SECOND / 50..SECOND / 50)).clamp(-SMALL, SMALL);
        }
        // It ends where it began.
        let next = if step == steps { 0 } else { next };
        course.step(course::WITHIN, next - place)?;
        place = next;
        if place <= SECOND {
            course.follow()?;
        } else {
            course.lag(8, place - SECOND)?;
        }
    }
    Ok(())
}

/// Large steps at random, each with the way back.
fn jump(course: &mut Course, steps: u64, random: &mut Random) -> Fallible<()> {
    let mut kind = 0;
    while course.large_steps() < steps {
        course.calm()?;
        match kind % 7 {
            0 => back_a_little(course, random.within(3 * SECOND..9 * SECOND / 2))?,
            1 => back_and_wait(course, random.within(13 * SECOND / 2..9 * SECOND))?,
            2 => back_far(course, random.within(8 * SECOND..10 * MINUTE))?,
            3 => back_far(course, random.within(HOUR..40 * DAY))?,
            4 => forward(course, course::FORWARD, random.within(3 * SECOND..DAY))?,
            5 => forward(
                course,
                course::FORWARD_FURTHER,
                random.within(DAY + MINUTE..400 * DAY),
            )?,
            _ => strobe(course, random)?,
        }
        kind += 1;
    }
    course.calm()?;
    restart(course, -MINUTE, "clock_behind_mark")?;
    course.calm()?;
    restart_in_doubt(course, 10 * MINUTE)?;
    course.calm()?;
    restart_in_doubt(course, 14 * DAY)
}

fn back_a_little(course: &mut Course, size: i64) -> Fallible<()> {
    course.step(course::BACK, -size)?;
    course.serve(40)?;
    course.step(course::WAY_BACK, size)?;
    course.follow()
}

/// Back a little more than IDs may be ahead: it passes.
fn back_and_wait(course: &mut Course, size: i64) -> Fallible<()> {
    course.step(course::BACK_FURTHER, -size)?;
    course.refuse(0, "clock_ahead")?;
    course.recover()?;
    course.serve(20)?;
    course.step(course::WAY_BACK, size)?;
    course.follow()
}

/// Back so far that nobody would wait for it to pass.
fn back_far(course: &mut Course, size: i64) -> Fallible<()> {
    course.step(course::BACK_FURTHER, -size)?;
    course.refuse(20, "clock_ahead")?;
    course.step(course::WAY_BACK_FROM_FURTHER, size)?;
    course.recover()?;
    course.serve(20)?;
    course.follow()
}

/// Forward so far that it is not believed at once: IDs go on in the old time.
fn forward(course: &mut Course, class: &'static str, size: i64) -> Fallible<()> {
    course.step(class, size)?;
    course.lag(40, size - SECOND)?;
    course.step(course::WAY_BACK, -size)?;
    course.follow()
}

/// To and fro many times a second.
fn strobe(course: &mut Course, random: &mut Random) -> Fallible<()> {
    let size = random.within(3 * SECOND..HOUR);
    let size = if random.once_in(2) { size } else { -size };
    course.strobe(FLASHES, size, random.within(0..30_000_000))?;
    course.recover()?;
    course.serve(20)?;
    course.follow()
}

/// A server that was killed starts again after a step, and once more after the way back.
fn restart(course: &mut Course, size: i64, code: &str) -> Fallible<()> {
    course.kill()?;
    course.step(course::WHILE_DOWN, size)?;
    course.start()?;
    course.refuse(5, code)?;
    course.step(course::WAY_BACK_AT_START, -size)?;
    course.recover()?;
    course.serve(20)?;
    course.follow()
}

/// A server that was killed before a step forward doubts it when it starts again, as one that runs does.
fn restart_in_doubt(course: &mut Course, size: i64) -> Fallible<()> {
    course.kill()?;
    course.step(course::WHILE_DOWN, size)?;
    course.start()?;
    course.recover()?;
    // It begins above its mark, which may be ahead of the clock.
    course.lag(5, size - MAX_AHEAD)?;
    course.step(course::WAY_BACK_AT_START, -size)?;
    course.serve(20)?;
    course.follow()
}

/// Steps forward that stand: they are followed in the end.
fn stand(course: &mut Course, large: u64) -> Fallible<()> {
    let sizes = [10 * SECOND, HOUR, 2 * MINUTE];
    // One is enough for a short run: each takes half a minute.
    for size in sizes.iter().take(if short(large) { 1 } else { 3 }) {
        course.calm()?;
        course.stand(*size)?;
    }
    Ok(())
}

/// The last second of a day is repeated, or left out.
fn leap_second(
    lab: &Lab,
    state: &str,
    (status, leap): (u32, i64),
    early: i64,
    random: &mut Random,
) -> Fallible<course::Report> {
    let mut course = Course::begin_before_midnight(lab, state, early, random)?;
    course.leap(status, leap)?;
    course.end()
}
