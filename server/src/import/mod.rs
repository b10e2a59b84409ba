//! `entente import`: CSV → rows, for every type of the catalogue, streaming, in one transaction. Either
//! all rows are taken or none; `--keep-going` leaves out the wrong ones instead.

mod batch;
mod cell;
mod derived;
mod feed;
mod keys;
mod mapping;
mod plan;
mod problems;
mod sheet;
mod template;

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
};

use self::{
    feed::{Counts, Feed},
    keys::Keys,
    mapping::{DEFAULT_SOURCE, Import, Mapping},
    plan::Plan,
    problems::Problems,
    sheet::{Reading, Sheet},
};
use crate::{
    access::{connect::Db, log::Acting},
    clock::Clock,
    error::{Error, Result},
    progress::Progress,
};

#[derive(Clone, Debug, Default, clap::Args)]
pub struct Args {
    /// A type and its file (`-` reads standard input), or with --map the folder of the mapping's files
    #[arg(value_names = ["TYPE", "FILE"], num_args = 1..=2, required = true)]
    pub what: Vec<String>,
    /// How the columns of a foreign CSV become fields, in TOML
    #[arg(long, value_name = "FILE.toml")]
    pub map: Option<PathBuf>,
    /// The system that the keys come from [default: the mapping's, else `csv`]
    #[arg(long, value_name = "NAME")]
    pub source: Option<String>,
    /// Change the rows whose key was imported before, instead of refusing them
    #[arg(long)]
    pub update: bool,
    /// Leave out wrong rows and take the others
    #[arg(long)]
    pub keep_going: bool,
}

/// A plan and the rows for it.
struct Job {
    plan: Plan,
    sheet: Sheet,
}

/// What came of an import.
struct Outcome {
    /// Per table: its type, its name and its rows.
    tables: Vec<(&'static str, String, Counts)>,
    problems: Problems,
    kept: bool,
}

/// Imports, and tells what was taken on stdout, what was wrong on stderr.
pub async fn run(db: &Db, clock: &Clock, args: &Args) -> Result<()> {
    let outcome = take(db, clock, args).await?;
    let unwritable = |cause: io::Error| Error::internal(format!("cannot write the report ({cause})"));
    outcome.problems.tell(&mut io::stderr().lock()).map_err(unwritable)?;
    if outcome.kept {
        outcome.tell(&mut io::stdout().lock()).map_err(unwritable)?;
    }
    outcome.verdict()
}

impl Outcome {
    fn tell(&self, out: &mut impl Write) -> io::Result<()> {
        for (ty, sheet, Counts { new, changed }) in &self.tables {
            let changed = if *changed > 0 { format!(", {changed} changed") } else { String::new() };
            writeln!(out, "{ty}: {new} new{changed}, from {sheet}")?;
        }
        Ok(())
    }

    fn verdict(&self) -> Result<()> {
        let taken: u64 = self.tables.iter().map(|(.., counts)| counts.new + counts.changed).sum();
        let wrong = match self.problems.rows {
            0 => return Ok(()),
            1 => "1 row is".to_owned(),
            n => format!("{n} rows are"),
        };
        Err(Error::refused(if self.kept {
            format!("{taken} rows were imported, {wrong} left out as wrong")
        } else {
            format!("nothing was imported: {wrong} wrong, correct them or use --keep-going")
        }))
    }
}

async fn take(db: &Db, clock: &Clock, args: &Args) -> Result<Outcome> {
    let mapping = args.map.as_deref().map(Mapping::open).transpose()?;
    let reading = mapping.as_ref().map(Mapping::reading).unwrap_or_default();
    let source = args.source.as_deref().or(mapping.as_ref().map(|m| m.source.as_str())).unwrap_or(DEFAULT_SOURCE);
    let jobs = match (&mapping, args.what.as_slice()) {
        (Some(mapping), [folder]) => folder_jobs(mapping, Path::new(folder), &reading, args)?,
        (_, [ty, file]) => vec![file_job(mapping.as_ref(), ty, Path::new(file), reading.clone(), args)?],
        _ => return Err(Error::usage("name a type and its file, or a mapping with --map and its folder")),
    };
    let mut load = db.load().await?;
    load.act(&Acting::operator(clock.now())).await?;
    let mut feed = Feed {
        load: &mut load,
        clock,
        now: clock.now(),
        source,
        update: args.update,
        keys: Keys::default(),
        problems: Problems::default(),
        progress: Progress::bytes(jobs.iter().map(|job| job.sheet.size).sum()),
    };
    let mut tables = Vec::new();
    for Job { plan, mut sheet } in jobs {
        feed.progress.at(plan.ty.name);
        let counts = feed.table(&plan, &mut sheet).await?;
        tables.push((plan.ty.name, sheet.name, counts));
        // what points at rows that are not there would be reported as wrong, too
        if feed.problems.rows > 0 && !args.keep_going {
            break;
        }
    }
    let Feed { problems, progress, .. } = feed;
    drop(progress);
    let kept = problems.rows == 0 || args.keep_going;
    if kept {
        load.commit().await?;
    }
    Ok(Outcome { tables, problems, kept })
}

fn file_job(mapping: Option<&Mapping>, ty: &str, path: &Path, reading: Reading, args: &Args) -> Result<Job> {
    let ty = plan::type_named(ty)?;
    let sheet = Sheet::open(path, reading)?;
    let plan = match mapping {
        None => Plan::direct(ty, &sheet.header, args.update),
        Some(mapping) => {
            let mut imports = mapping.imports.iter().filter(|import| import.ty == ty.name);
            let (Some(import), None) = (imports.next(), imports.next()) else {
                return Err(Error::usage(format!("the mapping needs exactly one `[[import]]` of type `{}`", ty.name)));
            };
            Plan::mapped(mapping, import, &sheet.header, args.update)
        }
    };
    let plan = plan.map_err(|error| Error::usage(format!("`{}`: {error}", sheet.name)))?;
    Ok(Job { plan, sheet })
}

/// All tables of a mapping. Each header is read now: a wrong name in the last is told before the first
/// row of the first.
fn folder_jobs(mapping: &Mapping, folder: &Path, reading: &Reading, args: &Args) -> Result<Vec<Job>> {
    let job = |(at, import): (usize, &Import)| {
        let open = |file: &String| Sheet::open(&folder.join(file), reading.clone());
        let sheet = match import.given(at + 1) {
            Some(sheet) => sheet,
            None => open(import.file.as_ref().unwrap_or(&String::new()))?,
        };
        let plan = Plan::mapped(mapping, import, &sheet.header, args.update).map_err(|error| {
            let file = import.file.as_deref().unwrap_or("rows");
            Error::usage(format!("mapping, import {} (`{}` from `{file}`): {error}", at + 1, import.ty))
        })?;
        Ok(Job { plan, sheet })
    };
    mapping.imports.iter().enumerate().map(job).collect()
}

#[cfg(test)]
mod tests;
