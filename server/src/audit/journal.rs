//! The journal: lines on their way into the table, in files of this machine. A request appends its lines with
//! one write; once that returns they are in the kernel's hands and survive the death of the process, though
//! not the loss of power. A file belongs to the process that holds its lock, so what a dead one left is free.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io::{self, BufRead, BufReader, Seek, SeekFrom, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

const END: &str = ".jsonl";

pub(super) struct Journal {
    folder: PathBuf,
    /// Opens the names of this log's files: several databases may share a folder.
    chain: String,
    /// Bytes of this process that may wait for the table; 0: as many as the disk takes.
    most: u64,
    files: Mutex<Files>,
}

#[derive(Default)]
struct Files {
    /// Where lines go now.
    open: Option<(Segment, u64)>,
    /// Those that get no more lines and are not yet in the table.
    closed: Vec<Arc<Segment>>,
    /// The bytes in those.
    waiting: u64,
}

/// A file of the journal, locked.
#[derive(Debug)]
pub(super) struct Segment {
    file: File,
    path: PathBuf,
}

impl Journal {
    pub(super) fn new(folder: PathBuf, chain: &str, most: u64) -> Self {
        Journal { folder, chain: chain.to_owned(), most, files: Mutex::default() }
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Whether lines could be written now.
    pub(super) fn probe(&self) -> io::Result<()> {
        fs::remove_file(self.create()?.path)
    }

    /// Takes the lines, or none of them.
    pub(super) fn append(&self, lines: &[u8]) -> io::Result<()> {
        let mut files = self.files();
        let waiting = files.waiting + files.open.as_ref().map_or(0, |(_, length)| *length);
        if self.most > 0 && waiting + lines.len() as u64 > self.most {
            return Err(io::Error::new(
                io::ErrorKind::StorageFull,
                format!(
                    "{waiting} bytes wait there for a database that does not take them, and `audit.journal_bytes` is {}",
                    self.most
                ),
            ));
        }
        let (segment, length) = match &mut files.open {
            Some(open) => open,
            none => none.insert((self.create()?, 0)),
        };
        let Err(cause) = write(&segment.file, lines) else {
            *length += lines.len() as u64;
            return Ok(());
        };
        // what was written of a line must not stand before the next one
        if segment.file.set_len(*length).is_err()
            && let Some(open) = files.open.take()
        {
            files.close(open);
        }
        Err(cause)
    }

    pub(super) fn has_lines(&self) -> bool {
        let files = self.files();
        !files.closed.is_empty() || files.open.as_ref().is_some_and(|(_, length)| *length > 0)
    }

    /// Lines that come from now on go to another file, unless others still wait to be taken.
    pub(super) fn close(&self) -> bool {
        let mut files = self.files();
        if !files.closed.is_empty() {
            return false;
        }
        if let Some(open) = files.open.take_if(|(_, length)| *length > 0) {
            files.close(open);
        }
        true
    }

    /// The files whose lines wait for the table: our own that are closed, and those that nobody holds.
    pub(super) fn waiting(&self) -> io::Result<Vec<Arc<Segment>>> {
        let mut waiting = self.files().closed.clone();
        let entries = match fs::read_dir(&self.folder) {
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(waiting),
            entries => entries?,
        };
        let mut left = Vec::new();
        for entry in entries {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if name.strip_prefix(&self.chain).is_some_and(|rest| rest.starts_with('-') && rest.ends_with(END)) {
                left.push(self.folder.join(name));
            }
        }
        left.sort();
        for path in left {
            waiting.extend(abandoned(path)?.map(Arc::new));
        }
        Ok(waiting)
    }

    /// Its lines are in the table. A file with lines that could not be read stays, under another name.
    pub(super) fn remove(&self, segment: &Arc<Segment>, whole: bool) -> io::Result<()> {
        let gone = match whole {
            true => fs::remove_file(&segment.path),
            false => fs::rename(&segment.path, segment.path.with_extension("damaged")),
        };
        match gone {
            Err(cause) if cause.kind() != io::ErrorKind::NotFound => return Err(cause),
            _ => {
                let mut files = self.files();
                files.closed.retain(|closed| !Arc::ptr_eq(closed, segment));
                if files.closed.is_empty() {
                    files.waiting = 0;
                }
            }
        }
        Ok(())
    }

    fn files(&self) -> MutexGuard<'_, Files> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn create(&self) -> io::Result<Segment> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
        loop {
            let path = self.folder.join(format!("{}-{:032x}{END}", self.chain, rand::random::<u128>()));
            let file = OpenOptions::new().read(true).append(true).create_new(true).mode(0o600).open(&path)?;
            file.lock()?;
            // before the lock another process may have taken it for an abandoned one, and removed it
            if file.metadata()?.nlink() > 0 {
                return Ok(Segment { file, path });
            }
        }
    }
}

impl Files {
    fn close(&mut self, (segment, length): (Segment, u64)) {
        self.waiting += length;
        self.closed.push(Arc::new(segment));
    }
}

fn write(mut file: &File, lines: &[u8]) -> io::Result<()> {
    loop {
        match file.write(lines) {
            Ok(n) if n == lines.len() => return Ok(()),
            Ok(_) => return Err(io::Error::new(io::ErrorKind::StorageFull, "there is no room for a line")),
            Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
            Err(cause) => return Err(cause),
        }
    }
}

/// The file, unless a process holds it or has just removed it.
fn abandoned(path: PathBuf) -> io::Result<Option<Segment>> {
    let file = match OpenOptions::new().read(true).append(true).open(&path) {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(cause)) => Err(cause),
        Ok(()) => Ok((file.metadata()?.nlink() > 0).then_some(Segment { file, path })),
    }
}

impl Segment {
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The lines from the first on. They are read from the open file: somebody may have removed its name.
    pub(super) fn lines(&self) -> io::Result<Lines<'_>> {
        (&self.file).seek(SeekFrom::Start(0))?;
        Ok(Lines { reader: BufReader::with_capacity(1 << 16, &self.file), line: Vec::new() })
    }
}

pub(super) struct Lines<'a> {
    reader: BufReader<&'a File>,
    line: Vec<u8>,
}

impl Lines<'_> {
    /// The next line. One without its end was being written when its process died: nobody got that answer.
    pub(super) fn next_line(&mut self) -> io::Result<Option<&[u8]>> {
        self.line.clear();
        self.reader.read_until(b'\n', &mut self.line)?;
        Ok(self.line.strip_suffix(b"\n"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(segment: &Segment) -> Vec<String> {
        let mut lines = segment.lines().expect("readable");
        let mut all = Vec::new();
        while let Some(line) = lines.next_line().expect("readable") {
            all.push(String::from_utf8(line.to_vec()).expect("text"));
        }
        all
    }

    #[test]
    fn lines_are_kept_until_they_are_removed() {
        let folder = tempfile::tempdir().expect("a folder");
        let journal = Journal::new(folder.path().join("deeper/journal"), "log", 0);
        journal.probe().expect("writable");
        journal.append(b"a\nb\n").expect("written");
        assert!(journal.has_lines() && journal.waiting().expect("read").is_empty(), "an open file is nobody's to take");
        journal.close();
        journal.append(b"c\n").expect("written");
        let waiting = journal.waiting().expect("read");
        assert_eq!(waiting.iter().map(|s| read(s)).collect::<Vec<_>>(), [["a", "b"]]);
        // another process sees no file of ours
        let other = Journal::new(journal.folder.clone(), "log", 0);
        assert!(other.waiting().expect("read").is_empty());
        journal.remove(&waiting[0], true).expect("removed");
        drop(waiting);
        drop(journal);
        // until we are dead; files of another log are not its own
        assert!(Journal::new(other.folder.clone(), "lo", 0).waiting().expect("read").is_empty());
        let left = other.waiting().expect("read");
        assert_eq!(left.iter().map(|s| read(s)).collect::<Vec<_>>(), [["c"]]);
        other.remove(&left[0], true).expect("removed");
        assert_eq!(fs::read_dir(&other.folder).expect("read").count(), 0);
    }

    #[test]
    fn a_line_that_was_torn_by_death_is_no_line() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("log-1.jsonl"), "whole\nhal").expect("written");
        let left = Journal::new(folder.path().into(), "log", 0).waiting().expect("read");
        assert_eq!(read(&left[0]), ["whole"]);
    }

    #[test]
    fn so_many_bytes_wait_and_no_more() {
        let folder = tempfile::tempdir().expect("a folder");
        let journal = Journal::new(folder.path().into(), "log", 10);
        journal.append(b"1234\n").expect("written");
        assert!(journal.close());
        journal.append(b"5678\n").expect("written");
        let error = journal.append(b"9\n").expect_err("too many");
        assert!(error.to_string().contains("10 bytes wait there"), "{error}");
        // the second waits for the first
        assert!(!journal.close());
        let waiting = journal.waiting().expect("read");
        assert_eq!(waiting.iter().map(|s| read(s)).collect::<Vec<_>>(), [["1234"]]);
        journal.remove(&waiting[0], true).expect("removed");
        journal.append(b"9\n").expect("there is room");
    }

    #[test]
    fn a_full_disk_takes_no_line_and_tears_none() {
        let folder = tempfile::tempdir().expect("a folder");
        let journal = Journal::new(folder.path().into(), "log", 0);
        journal.append(b"first\n").expect("written");
        let full = OpenOptions::new().append(true).open("/dev/full").expect("a full disk");
        let (good, length) = {
            let mut files = journal.files();
            let (segment, length) = files.open.take().expect("open");
            files.open = Some((Segment { file: full, path: "/dev/full".into() }, length));
            (segment, length)
        };
        let error = journal.append(b"second\n").expect_err("full");
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        // it could not even be cut, so the next line goes to another file
        assert!(journal.files().open.is_none());
        journal.append(b"third\n").expect("written");
        journal.files().open = Some((good, length));
        journal.append(b"fourth\n").expect("written");
        journal.files().closed.clear();
        journal.close();
        let waiting = journal.waiting().expect("read");
        assert_eq!(read(waiting.iter().find(|s| s.path != Path::new("/dev/full")).expect("ours")), ["first", "fourth"]);
    }
}
