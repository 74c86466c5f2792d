//! The checks that refuse a start until an operator has decided: R8 to R13, on the content of the state
//! directory, whatever time it is.

use super::{Policy, Refused, Seen, View, floor_name, mark_name};
use crate::id::layout::Layout;
use crate::id::range::MachineRange;
use crate::mark::slot::SlotError;

/// Checks for `state adopt`: all rules but those that adoption is there to overrule. A floor that cannot
/// be read is passed over only if an operator names the tick `above` which to begin.
///
/// # Errors
/// [`Refused`] for what adoption cannot mend.
pub fn adoptable(view: &View, policy: &Policy, above: Option<u64>) -> Result<(), Refused> {
    check_others(view, policy)?;
    if above.is_none() {
        check_floor(view, policy)?;
    }
    for seen in &view.overlapping {
        match seen.check(policy) {
            Err(Refused::Copied { .. } | Refused::Damaged { .. }) => {}
            other => other?,
        }
    }
    Ok(())
}

pub(super) fn check(view: &View, policy: &Policy) -> Result<(), Refused> {
    check_others(view, policy)?;
    view.overlapping
        .iter()
        .try_for_each(|seen| seen.check(policy))?;
    check_floor(view, policy)
}

/// R13.
fn check_floor(view: &View, policy: &Policy) -> Result<(), Refused> {
    match view.damaged_floors.first() {
        None => Ok(()),
        Some(range) => Err(Refused::FloorDamaged {
            directory: policy.directory.clone(),
            file: floor_name(*range),
            command: policy.invocation.of("state adopt --above ID"),
        }),
    }
}

fn check_others(view: &View, policy: &Policy) -> Result<(), Refused> {
    // R10.
    if let Some((range, version)) = view.newer_floors.first() {
        return Err(policy.newer(floor_name(*range), *version));
    }
    for (range, layout) in &view.floors {
        policy.check_layout(floor_name(*range), *layout)?;
    }
    for other in &view.others {
        policy.check_layout(mark_name(other.named), other.layout)?;
        // A mark of ours must not hide behind the name of another.
        if other.named != other.range && other.range.overlaps(&policy.range) {
            return Err(policy.misnamed(other.named, other.range));
        }
    }
    Ok(())
}

impl Seen {
    /// R8 to R12 for one mark.
    fn check(&self, policy: &Policy) -> Result<(), Refused> {
        let directory = || policy.directory.clone();
        let file = || mark_name(self.range);
        // R10.
        for slot in &self.slots {
            if let Err(SlotError::Version(version)) = slot {
                return Err(policy.newer(file(), *version));
            }
        }
        // R11.
        if let [Err(first), Err(second)] = self.slots {
            return Err(Refused::Damaged {
                directory: directory(),
                file: file(),
                first,
                second,
                command: policy.invocation.of("state adopt"),
            });
        }
        for slot in self.valid() {
            if slot.range != self.range {
                return Err(policy.misnamed(self.range, slot.range));
            }
            policy.check_layout(file(), slot.layout)?;
        }
        // R12. Last, as `state adopt` overrules it alone.
        for slot in self.valid() {
            if let Some(difference) = slot.identity.difference(&self.identity) {
                return Err(Refused::Copied {
                    directory: directory(),
                    file: file(),
                    difference: Box::new(difference),
                    command: policy.invocation.of("state adopt"),
                });
            }
        }
        Ok(())
    }
}

impl Policy {
    /// R8.
    fn check_layout(&self, file: String, found: Layout) -> Result<(), Refused> {
        if found == self.layout {
            return Ok(());
        }
        Err(Refused::Layout {
            directory: self.directory.clone(),
            file,
            found: found.to_string(),
            configured: self.layout.to_string(),
        })
    }

    /// R9.
    fn newer(&self, file: String, version: u32) -> Refused {
        Refused::Newer {
            directory: self.directory.clone(),
            file,
            version,
        }
    }

    fn misnamed(&self, named: MachineRange, found: MachineRange) -> Refused {
        Refused::Misnamed {
            directory: self.directory.clone(),
            file: mark_name(named),
            found,
        }
    }
}
