//! Where no tasks wait.

#[derive(Debug, Default)]
pub(super) struct Tasks;

impl Tasks {
    #[expect(clippy::unused_self, reason = "as where there are tasks")]
    pub(super) const fn wake(&self) {}
}
