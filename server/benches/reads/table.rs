//! What was measured, as a table.

use std::{io::Write, time::Duration};

use crate::Outcome;

/// One run of one side.
pub struct Measured {
    /// CPU time per request in microseconds.
    pub server: f64,
    pub database: f64,
    pub per_second: f64,
    pub p50: Duration,
    pub p99: Duration,
}

pub struct Row {
    pub case: &'static str,
    pub database: &'static str,
    /// The size of an answer.
    pub bytes: usize,
    pub hub: Vec<Measured>,
    pub handler: Vec<Measured>,
    /// The hub without its access log.
    pub unlogged: Vec<Measured>,
}

fn median(of: &[Measured], value: impl Fn(&Measured) -> f64) -> f64 {
    middle(&mut of.iter().map(value).collect::<Vec<_>>())
}

fn middle(all: &mut [f64]) -> f64 {
    all.sort_by(f64::total_cmp);
    match all.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => all[n / 2],
        n => (all[n / 2 - 1] + all[n / 2]) / 2.0,
    }
}

/// What the access log adds, in hundredths of what is without it. Each run is held against the one beside it, so that
/// what else the machine does falls out.
fn share(row: &Row, value: impl Fn(&Measured) -> f64) -> f64 {
    let pairs = row.hub.iter().zip(&row.unlogged);
    middle(&mut pairs.map(|(on, off)| 100.0 * (value(on) / value(off) - 1.0)).collect::<Vec<_>>())
}

fn cpu_of(run: &Measured) -> f64 {
    run.server + run.database
}

fn cpu(of: &[Measured]) -> f64 {
    median(of, cpu_of)
}

pub fn progress(row: &Row) -> Outcome<()> {
    let ratio = cpu(&row.hub) / cpu(&row.handler);
    let (log, throughput) = (share(row, cpu_of), share(row, |m| m.per_second));
    Ok(writeln!(
        std::io::stderr(),
        "{} on {}: {ratio:.2}, access log {log:+.1} % CPU, {throughput:+.1} % requests per second",
        row.case,
        row.database
    )?)
}

pub fn print(rows: &[Row]) -> Outcome<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "\nCPU µs per request (server + database), medians; the same bytes from both\n")?;
    writeln!(
        out,
        "| {:<10} | {:<25} | {:>6} | {:<22} | {:<22} | {:>6} |",
        "database", "read", "bytes", "hub", "handler", "ratio"
    )?;
    writeln!(out, "|---|---|---|---|---|---|")?;
    let side = |of: &[Measured]| {
        let (server, database) = (median(of, |m| m.server), median(of, |m| m.database));
        match database > 0.0 {
            true => format!("{server:.0} + {database:.0} = {:.0}", cpu(of)),
            false => format!("{server:.0}"),
        }
    };
    for row in rows {
        let ratio = cpu(&row.hub) / cpu(&row.handler);
        writeln!(
            out,
            "| {:<10} | {:<25} | {:>6} | {:<22} | {:<22} | {ratio:>6.2} |",
            row.database,
            row.case,
            row.bytes,
            side(&row.hub),
            side(&row.handler)
        )?;
    }
    writeln!(out, "\nThe access log: the same CPU time with it and without\n")?;
    writeln!(out, "| {:<10} | {:<25} | {:<22} | {:<22} | {:>6} |", "database", "read", "logged", "not logged", "log")?;
    writeln!(out, "|---|---|---|---|---|")?;
    for row in rows {
        let log = share(row, cpu_of);
        writeln!(
            out,
            "| {:<10} | {:<25} | {:<22} | {:<22} | {log:>+5.1}% |",
            row.database,
            row.case,
            side(&row.hub),
            side(&row.unlogged)
        )?;
    }
    writeln!(out, "\nThe access log: requests per second with it and without, run by run\n")?;
    writeln!(out, "| {:<10} | {:<25} | {:>10} | {:>10} | {:>6} |", "database", "read", "logged", "not logged", "log")?;
    writeln!(out, "|---|---|---|---|---|")?;
    for row in rows {
        let (on, off) = (median(&row.hub, |m| m.per_second), median(&row.unlogged, |m| m.per_second));
        let log = share(row, |m| m.per_second);
        writeln!(
            out,
            "| {:<10} | {:<25} | {:>10} | {:>10} | {log:>+5.1}% |",
            row.database,
            row.case,
            format!("{on:.0}/s"),
            format!("{off:.0}/s")
        )?;
    }
    writeln!(out, "\nRequests per second, p50 and p99 in ms, with the load on the same cores\n")?;
    writeln!(out, "| {:<10} | {:<25} | {:<24} | {:<24} |", "database", "read", "hub", "handler")?;
    writeln!(out, "|---|---|---|---|")?;
    let side = |of: &[Measured]| {
        let ms = |value: fn(&Measured) -> Duration| median(of, |m| value(m).as_secs_f64() * 1e3);
        format!("{:.0}/s, {:.1}, {:.1}", median(of, |m| m.per_second), ms(|m| m.p50), ms(|m| m.p99))
    };
    for row in rows {
        writeln!(
            out,
            "| {:<10} | {:<25} | {:<24} | {:<24} |",
            row.database,
            row.case,
            side(&row.hub),
            side(&row.handler)
        )?;
    }
    Ok(())
}
