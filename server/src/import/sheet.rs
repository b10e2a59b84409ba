//! Rows of a CSV file, one at a time: the file may be larger than the memory. Rows that stand in the
//! mapping itself are read through the same door.

use std::{
    collections::HashSet,
    fs::File,
    io::{self, BufReader, Read},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use csv::{ErrorKind, StringRecord};

use crate::error::{Error, Result};

/// One row longer than this is a quote that was never closed.
const LONGEST_ROW: u64 = 16 * 1024 * 1024;

/// Each row is ended, also the last: line numbers are counted by ends.
const END: &[u8] = b"\n";

/// How cells are read.
#[derive(Clone, Debug)]
pub(super) struct Reading {
    pub(super) delimiter: u8,
    /// Texts that mean nothing, beside the empty one.
    pub(super) null: Vec<String>,
    pub(super) trim: bool,
}

impl Default for Reading {
    fn default() -> Self {
        Reading { delimiter: b',', null: Vec::new(), trim: false }
    }
}

/// A table of texts with a header.
pub(super) struct Sheet {
    /// The name to tell errors by.
    pub(super) name: String,
    pub(super) header: Vec<String>,
    /// In bytes; a pipe does not say.
    pub(super) size: Option<u64>,
    reading: Reading,
    rows: Rows,
    record: StringRecord,
    done: Arc<AtomicU64>,
    told: u64,
}

enum Rows {
    File(Box<csv::Reader<Guarded>>),
    Given(std::vec::IntoIter<StringRecord>, u64),
}

/// A row and the line on which it begins.
#[derive(Clone, Copy)]
pub(super) struct Row<'a> {
    record: &'a StringRecord,
    reading: &'a Reading,
    pub(super) line: u64,
}

impl<'a> Row<'a> {
    /// The text of a column, unless it means nothing.
    pub(super) fn cell(&self, at: usize) -> Option<&'a str> {
        let text = self.record.get(at)?;
        // lines end with `\n`; what a Windows file has before it is no text
        let text = if at + 1 == self.record.len() { text.strip_suffix('\r').unwrap_or(text) } else { text };
        let text = if self.reading.trim { text.trim() } else { text };
        (!text.is_empty() && !self.reading.null.iter().any(|null| null == text)).then_some(text)
    }
}

/// A row that cannot be read.
pub(super) struct Unreadable {
    pub(super) line: u64,
    pub(super) what: String,
}

impl Sheet {
    pub(super) fn open(path: &Path, reading: Reading) -> Result<Self> {
        let unreadable = |cause: io::Error| Error::usage(format!("cannot read `{}` ({cause})", path.display()));
        let (source, name, size): (Box<dyn Read + Send>, _, _) = if path == Path::new("-") {
            (Box::new(io::stdin()), "stdin".to_owned(), None)
        } else {
            let file = File::open(path).map_err(unreadable)?;
            let about = file.metadata().map_err(unreadable)?;
            if about.is_dir() {
                return Err(Error::usage(format!("`{}` is a folder, name a CSV file", path.display())));
            }
            let name =
                path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned());
            (Box::new(file), name, about.is_file().then_some(about.len()))
        };
        Ok(Sheet { size, ..Sheet::read(source, name, reading)? })
    }

    pub(super) fn read(source: Box<dyn Read + Send>, name: String, reading: Reading) -> Result<Self> {
        let done = Arc::new(AtomicU64::new(0));
        let guarded =
            Guarded { source: BufReader::with_capacity(128 * 1024, source.chain(END)), done: done.clone(), since: 0 };
        let mut reader = csv::ReaderBuilder::new()
            .flexible(true)
            .delimiter(reading.delimiter)
            .terminator(csv::Terminator::Any(b'\n'))
            .from_reader(guarded);
        let header = reader.headers().map_err(|error| Error::usage(format!("`{name}`: {}", told(&error))))?;
        let header: Vec<String> = header.iter().map(|column| column.trim().to_owned()).collect();
        if header.iter().all(String::is_empty) {
            return Err(Error::usage(format!("`{name}` is empty, its first line must name the columns")));
        }
        let mut seen = HashSet::new();
        if let Some(twice) = header.iter().find(|column| !seen.insert(column.as_str())) {
            return Err(Error::usage(format!("`{name}` has two columns `{twice}`, rename one")));
        }
        let rows = Rows::File(Box::new(reader));
        Ok(Sheet { name, header, size: None, reading, rows, record: StringRecord::new(), done, told: 0 })
    }

    /// Rows that are written in the mapping; a column that a row leaves out is empty.
    pub(super) fn given(name: String, header: Vec<String>, rows: Vec<StringRecord>) -> Self {
        let rows = Rows::Given(rows.into_iter(), 0);
        let (reading, done) = (Reading::default(), Arc::default());
        Sheet { name, header, size: Some(0), reading, rows, record: StringRecord::new(), done, told: 0 }
    }

    /// The next row that can be read, or why it cannot.
    pub(super) fn next(&mut self) -> Option<std::result::Result<Row<'_>, Unreadable>> {
        let line = loop {
            match &mut self.rows {
                Rows::Given(rows, line) => {
                    self.record = rows.next()?;
                    *line += 1;
                    break *line;
                }
                Rows::File(reader) => {
                    reader.get_mut().begin_row();
                    let read = reader.read_record(&mut self.record);
                    // the reader's own position of a row is before the blank lines above it
                    let end = reader.position().line().saturating_sub(1);
                    match read {
                        Ok(false) => return None,
                        Ok(true) if self.record.len() == 1 && self.record[0].trim().is_empty() => {}
                        Ok(true) => break end - self.record.as_slice().matches('\n').count() as u64,
                        Err(error) => return Some(Err(Unreadable { line: end, what: told(&error) })),
                    }
                }
            }
        };
        let (cells, columns) = (self.record.len(), self.header.len());
        if cells != columns {
            let what = format!("has {cells} cells, the header has {columns}");
            return Some(Err(Unreadable { line, what }));
        }
        Some(Ok(Row { record: &self.record, reading: &self.reading, line }))
    }

    /// So many bytes were read since this was last asked.
    pub(super) fn advance(&mut self) -> u64 {
        let done = self.done.load(Ordering::Relaxed);
        std::mem::replace(&mut self.told, done).abs_diff(done)
    }
}

fn told(error: &csv::Error) -> String {
    match error.kind() {
        ErrorKind::Utf8 { .. } => "is not UTF-8, save the file in that encoding".to_owned(),
        ErrorKind::Io(cause) => cause.to_string(),
        _ => error.to_string(),
    }
}

/// Counts what is read and stops at a row without an end, which would otherwise fill the memory.
struct Guarded {
    source: BufReader<io::Chain<Box<dyn Read + Send>, &'static [u8]>>,
    done: Arc<AtomicU64>,
    /// What was read when the row began.
    since: u64,
}

impl Guarded {
    fn begin_row(&mut self) {
        self.since = self.done.load(Ordering::Relaxed);
    }
}

impl Read for Guarded {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.done.load(Ordering::Relaxed) - self.since > LONGEST_ROW {
            return Err(io::Error::other("holds a row of more than 16 MiB, close the quote that is left open"));
        }
        let n = self.source.read(buffer)?;
        self.done.fetch_add(n as u64, Ordering::Relaxed);
        Ok(n)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::import) fn sheet(text: &'static [u8]) -> Result<Sheet> {
        Sheet::read(Box::new(text), "t.csv".to_owned(), Reading { null: vec!["NULL".to_owned()], ..Reading::default() })
    }

    /// Line and cells, or line and fault.
    type Read = std::result::Result<(u64, Vec<Option<String>>), (u64, String)>;

    fn rows(text: &'static [u8]) -> Vec<Read> {
        let mut sheet = sheet(text).expect("a header");
        let columns = sheet.header.len();
        let mut out = Vec::new();
        while let Some(row) = sheet.next() {
            out.push(match row {
                Ok(row) => Ok((row.line, (0..columns).map(|at| row.cell(at).map(str::to_owned)).collect())),
                Err(error) => Err((error.line, error.what)),
            });
        }
        out
    }

    #[test]
    fn lines_are_those_of_the_file() {
        let text = b"\xef\xbb\xbfa,b\r\n1,\"two\nlines\"\n\n2,NULL\r\n\r\n,x\r\n3,4";
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(
            rows(text),
            [
                Ok((2, vec![some("1"), some("two\nlines")])),
                Ok((5, vec![some("2"), None])),
                Ok((7, vec![None, some("x")])),
                Ok((8, vec![some("3"), some("4")])),
            ]
        );
    }

    #[test]
    fn a_bad_row_does_not_hide_the_next() {
        let rows = rows(b"a,b\n1\n\xff,2\n3,4\n");
        assert_eq!(rows[0], Err((2, "has 1 cells, the header has 2".to_owned())));
        assert!(matches!(&rows[1], Err((3, what)) if what.contains("UTF-8")), "{rows:?}");
        assert!(matches!(&rows[2], Ok((4, _))));
    }

    #[test]
    fn headers_are_checked() {
        assert!(sheet(b"").is_err());
        assert!(sheet(b"a,b,a\n").is_err());
        assert!(sheet(b"a,b\n").is_ok());
    }
}
