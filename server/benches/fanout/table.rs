//! What was measured, as tables.

use std::io::Write;

use crate::{Outcome, audience::Heard};

pub struct Row {
    pub kind: &'static str,
    pub database: &'static str,
    pub subscribers: usize,
    pub views: usize,
    /// CPU time per delivery in microseconds.
    pub hub: f64,
    pub server: f64,
    /// Of the hub behind the load, in MB.
    pub memory: f64,
    pub heard: Heard,
    /// With few changes.
    pub gentle: Heard,
}

impl Row {
    fn line(&self) -> String {
        let Row { database, subscribers, heard, gentle, .. } = self;
        let groups = if self.kind == "alone" { "each alone".into() } else { format!("{} views", self.views) };
        let ms = |seconds: f64| format!("{:.0}", seconds * 1e3);
        format!(
            "| {database:10} | {subscribers} × {groups:10} | {:9.0} | {:7.1} | {:8.1} | {:>5} | {:>5} | {:>5} | {:>5} | {:5.0} |",
            heard.deliveries as f64 / heard.took,
            self.hub,
            self.server,
            ms(heard.p50),
            ms(heard.p99),
            ms(gentle.p50),
            ms(gentle.p99),
            self.memory,
        )
    }
}

/// What idle subscribers take.
pub struct Memory {
    pub database: &'static str,
    pub subscribers: usize,
    /// In MB.
    pub took: f64,
}

pub fn progress(row: &Row) -> Outcome<()> {
    let more = row.heard.other + row.gentle.other;
    let size = row.heard.bytes as f64 / row.heard.deliveries as f64;
    Ok(writeln!(std::io::stderr(), "{} {size:.0} bytes each, {more} other events", row.line())?)
}

pub fn print(rows: &[Row], memory: &[Memory]) -> Outcome<()> {
    let mut out = std::io::stdout();
    writeln!(
        out,
        "| database | subscribers | deliveries/s | hub µs | server µs | p50 ms | p99 ms | few: p50 | p99 | MB |\n\
         |---|---|---|---|---|---|---|---|---|---|"
    )?;
    for row in rows {
        writeln!(out, "{}", row.line())?;
    }
    for Memory { database, subscribers, took } in memory {
        writeln!(
            out,
            "{database}: {:.1} KB for each of {subscribers} idle subscribers",
            took * 1024.0 / *subscribers as f64
        )?;
    }
    for database in ["sqlite", "postgresql"] {
        let of = |kind: &str| rows.iter().find(|row| row.database == database && row.kind == kind);
        let cost = |row: &Row| row.hub + row.server;
        for (a, b, what) in [("many", "one", "200 views by one"), ("alone", "fifty", "each alone by 50 views")] {
            if let (Some(a), Some(b)) = (of(a), of(b)) {
                writeln!(out, "{database}: {what}: {:.1} times the CPU time", cost(a) / cost(b))?;
            }
        }
    }
    Ok(())
}
