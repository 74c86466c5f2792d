//! What people do to the files of a volume. All of it is durable at once, its stamps too: a while passes
//! before the power may be cut.

use super::Volume;

impl Volume {
    /// Somebody copies a file and moves the copy over the original. False if there is none.
    pub(crate) fn replace(&mut self, name: &str) -> bool {
        let Some(inode) = self.names.get(name) else {
            return false;
        };
        let content = self.inodes[inode].cache.clone();
        let copy = self.make(content);
        self.put(name, Some(copy));
        true
    }

    /// Somebody copies what all marks hold to elsewhere.
    pub(crate) fn back_up(&mut self) {
        let marks = self.marks();
        let held = |name: String| {
            let content = self.inodes[&self.names[&name]].cache.clone();
            (name, content)
        };
        self.backup = marks.into_iter().map(held).collect();
    }

    /// The marks of which there is a copy.
    pub(crate) fn backed_up(&self) -> Vec<String> {
        self.backup.keys().cloned().collect()
    }

    /// The marks that were put elsewhere.
    pub(crate) fn away(&self) -> Vec<String> {
        self.away.keys().cloned().collect()
    }

    /// Somebody writes the backup over the file, which stays the file that it is, or makes a new one.
    pub(crate) fn overwrite(&mut self, name: &str) {
        self.version += 1;
        let content = self.backup[name].clone();
        let Some(inode) = self.names.get(name).copied() else {
            let copy = self.make(content);
            return self.put(name, Some(copy));
        };
        let inode = self.inodes.get_mut(&inode).expect("named");
        inode.replace(content);
        inode.changed = self.clock;
        inode.durable_changed = self.clock;
        self.pending.retain(|(changed, _)| changed != name);
        self.durable_names = self.names.clone();
    }

    /// Somebody removes the file, and makes it anew from the backup.
    pub(crate) fn recreate(&mut self, name: &str) {
        self.put(name, None);
        let copy = self.make(self.backup[name].clone());
        self.put(name, Some(copy));
    }

    /// Somebody moves the file elsewhere. False if there is none.
    pub(crate) fn move_away(&mut self, name: &str) -> bool {
        let Some(inode) = self.names.get(name).copied() else {
            return false;
        };
        self.away.insert(name.to_owned(), inode);
        self.put(name, None);
        self.stamp(inode);
        true
    }

    /// Somebody moves it back, over whatever has that name now, or in exchange for it.
    pub(crate) fn move_back(&mut self, name: &str, exchange: bool) {
        let known = self.names.get(name).copied();
        let inode = self.away.remove(name).expect("moved away");
        if let (Some(known), true) = (known, exchange) {
            self.away.insert(name.to_owned(), known);
            self.stamp(known);
        }
        self.put(name, Some(inode));
        self.stamp(inode);
        let inode = self.inodes.get_mut(&inode).expect("kept");
        inode.flush();
    }

    /// Somebody changes the mode of a file, or of the directory.
    pub(crate) fn touch(&mut self, name: Option<&str>) {
        if let Some(inode) = name.and_then(|name| self.names.get(name).copied()) {
            return self.stamp(inode);
        }
        (self.changed, self.durable_changed) = (self.clock, self.clock);
    }

    /// A file that was changed just now, durably: a while passes before the power may be cut.
    fn stamp(&mut self, inode: u64) {
        let inode = self.inodes.get_mut(&inode).expect("kept");
        inode.changed = self.clock;
        inode.durable_changed = self.clock;
    }

    /// An operator leaves a file of text.
    pub(crate) fn leave(&mut self, name: &str, text: &str) {
        let file = self.make(text.as_bytes().to_vec());
        self.put(name, Some(file));
    }
}
