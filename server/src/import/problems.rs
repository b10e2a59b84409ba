//! What is wrong with the rows of an import. The first faults are told, the rest counted: a file with a
//! wrong column has as many faults as rows.

use std::io::{self, Write};

/// So many are told.
const TOLD: usize = 20;
/// A value is quoted up to here.
const QUOTED: usize = 80;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) line: u64,
    pub(super) text: String,
}

impl Problem {
    pub(super) fn value(line: u64, column: &str, value: &str, expected: &str) -> Self {
        Problem { line, text: format!("column `{column}`: `{}` is wrong, expected {expected}", quoted(value)) }
    }

    pub(super) fn empty(line: u64, column: &str) -> Self {
        Problem { line, text: format!("column `{column}` is empty, a value is needed") }
    }

    pub(super) fn row(line: u64, text: impl Into<String>) -> Self {
        Problem { line, text: text.into() }
    }
}

/// A value for an error text: short, and on one line.
pub(super) fn quoted(value: &str) -> String {
    let mut chars = value.chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut out: String = chars.by_ref().take(QUOTED).collect();
    if chars.next().is_some() {
        out.push('…');
    }
    out
}

#[derive(Debug, Default)]
pub(super) struct Problems {
    told: Vec<String>,
    untold: u64,
    /// Rows that are left out.
    pub(super) rows: u64,
}

impl Problems {
    /// Notes the problems of a batch of rows; a row may have several.
    pub(super) fn add(&mut self, sheet: &str, mut batch: Vec<Problem>) {
        batch.sort_by_key(|problem| problem.line);
        let mut last = None;
        for problem in batch {
            if last.replace(problem.line) != Some(problem.line) {
                self.rows += 1;
            }
            if self.told.len() < TOLD {
                self.told.push(format!("{sheet} line {}: {}", problem.line, problem.text));
            } else {
                self.untold += 1;
            }
        }
    }

    pub(super) fn tell(&self, out: &mut impl Write) -> io::Result<()> {
        for line in &self.told {
            writeln!(out, "{line}")?;
        }
        match self.untold {
            0 => Ok(()),
            1 => writeln!(out, "and 1 more"),
            n => writeln!(out, "and {n} more"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twenty_are_told_and_the_rest_counted() {
        let mut problems = Problems::default();
        problems.add("a.csv", (1..=30).rev().map(|line| Problem::empty(line, "x")).collect());
        problems.add("a.csv", vec![Problem::row(31, "has two"), Problem::row(31, "faults")]);
        let mut out = Vec::new();
        problems.tell(&mut out).expect("a buffer takes all");
        let out = String::from_utf8(out).expect("text");
        assert_eq!(out.lines().count(), 21);
        assert!(out.starts_with("a.csv line 1: column `x` is empty, a value is needed\na.csv line 2"));
        assert!(out.ends_with("and 12 more\n"));
        assert_eq!(problems.rows, 31);
    }

    #[test]
    fn quoted_values_are_short_and_on_one_line() {
        assert_eq!(quoted("a\nb"), "a b");
        assert_eq!(quoted(&"x".repeat(100)).chars().count(), 81);
    }
}
