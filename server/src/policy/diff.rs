//! What one policy set shows and another does not, on a live database: per seat the types and fields, and
//! how many rows and values come and go. Rows are compared as sets, by the database.

mod writes;

use std::{
    fmt::Write,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};

use entities::Instant;
use serde::Serialize;
use uuid::Uuid;

use self::writes::{Beside, WriteDiff, opens};
use super::{Rules, report, source};
use crate::{
    access::{
        Treatment, View,
        compile::compile,
        connect::Db,
        facts::Facts,
        lens::Lens,
        pred::and,
        probe::Probe,
        roster::{self, TakenSeat},
        trace::is_personal,
        view::{FieldView, TypeView},
    },
    catalogue::{CATALOGUE, Type, TypeId},
    error::{Error, Result},
};

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Diff {
    pub old: String,
    pub new: String,
    pub policies_added: Vec<String>,
    pub policies_removed: Vec<String>,
    pub policies_changed: Vec<String>,
    /// Those for which something changes.
    pub seats: Vec<SeatDiff>,
    pub seats_unchanged: usize,
}

#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SeatDiff {
    /// With the person where what changes depends on who sits there.
    pub seat: String,
    pub types: Vec<TypeDiff>,
}

#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TypeDiff {
    #[serde(rename = "type")]
    pub ty: &'static str,
    pub rows_gained: i64,
    pub rows_lost: i64,
    pub fields: Vec<FieldDiff>,
    pub writes: Vec<WriteDiff>,
}

/// How a field is shown, in how many rows more or less fully than before. Rows that come or go count.
#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FieldDiff {
    pub field: &'static str,
    pub old: String,
    pub new: String,
    pub fuller: i64,
    pub less: i64,
}

/// The policies in a folder, or those of a git revision of the folder `at`.
pub fn read(name: &str, at: &Path) -> Result<Vec<(String, String)>> {
    let folder = PathBuf::from(name);
    if folder.is_dir() {
        return source::read(Some(&folder));
    }
    if name.starts_with('-') || name.is_empty() {
        return Err(Error::usage(format!("`{name}` is neither a folder nor a git revision")));
    }
    let git = |arguments: &[&str]| -> Result<String> {
        let output = Command::new("git").arg("-C").arg(at).args(arguments).output();
        let output = output.map_err(|cause| {
            Error::usage(format!(
                "`{name}` is no folder, and git, which would know it as a revision, does not run ({cause})"
            ))
        })?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            let said = said.lines().next().unwrap_or_default().trim_start_matches("fatal: ").to_string();
            return Err(Error::usage(format!(
                "`{name}` is neither a folder nor a git revision of `{}` ({said})",
                at.display()
            )));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let names = git(&["ls-tree", "--full-tree", "--name-only", &format!("{name}:./")])?;
    let mut files = Vec::new();
    for file in names.lines().filter(|file| file.ends_with(".cedar")) {
        files.push((file.to_string(), git(&["show", &format!("{name}:./{file}")])?));
    }
    if files.is_empty() {
        return Err(Error::usage(format!("no policies in `{}` at the revision `{name}`", at.display())));
    }
    files.sort();
    Ok(files)
}

/// The rules of one side; what is wrong with them is told with the side's name, file and line.
pub fn rules(name: &str, files: &[(String, String)]) -> Result<Rules> {
    Rules::parse(files)
        .map_err(|refusals| Error::usage(format!("the policies of `{name}` are refused: {}", report(&refusals))))
}

/// Both sides for every seat that somebody can take; through a lens, over the rows that it shows.
pub async fn diff(
    db: &Db,
    lens: Option<&Arc<Lens>>,
    old: (&str, &Rules),
    new: (&str, &Rules),
    now: Instant,
) -> Result<Diff> {
    let taken = roster::all_seats(db, now).await?;
    let (mut seats, mut seats_unchanged) = (Vec::new(), 0);
    for seat in &taken {
        let changed = of_seat(db, lens, seat, old.1, new.1, now).await?;
        seats_unchanged += usize::from(changed.is_empty());
        seats.extend(changed);
    }
    let ids = |rules: &Rules, other: &Rules| -> Vec<String> {
        let missing = rules.all.iter().filter(|r| !other.all.iter().any(|o| o.id == r.id));
        missing.map(|r| r.id.clone()).collect()
    };
    let changed = new.1.all.iter().filter(|rule| {
        let was = old.1.all.iter().find(|o| o.id == rule.id);
        was.is_some_and(|was| was.policy.to_json().ok() != rule.policy.to_json().ok())
    });
    Ok(Diff {
        old: old.0.to_string(),
        new: new.0.to_string(),
        policies_added: ids(new.1, old.1),
        policies_removed: ids(old.1, new.1),
        policies_changed: changed.map(|r| r.id.clone()).collect(),
        seats,
        seats_unchanged,
    })
}

async fn of_seat(
    db: &Db,
    lens: Option<&Arc<Lens>>,
    taken: &TakenSeat,
    old: &Rules,
    new: &Rules,
    now: Instant,
) -> Result<Vec<SeatDiff>> {
    let facts = Facts::read(db, &taken.seat, now).await?;
    let view = |rules: &Rules| -> Result<View> {
        compile(rules, &taken.seat, &facts).map_err(|why| Error::usage(why.to_string()))
    };
    let beside = |rules: &Rules| -> Result<Vec<Beside>> {
        let of = |ty: &Type| Beside::of(rules, &taken.seat, &facts, ty, opens(old, ty) || opens(new, ty));
        CATALOGUE
            .types
            .iter()
            .map(of)
            .collect::<std::result::Result<_, _>>()
            .map_err(|why| Error::usage(why.to_string()))
    };
    let (had, has) = (beside(old)?, beside(new)?);
    let (old, new) = (view(old)?, view(new)?);
    let otherwise = |ty: &TypeId| differ(old.of(*ty), new.of(*ty)) || had[ty.0] != has[ty.0];
    let changed: Vec<TypeId> = (0..CATALOGUE.types.len()).map(TypeId).filter(otherwise).collect();
    let looked = |ty: &TypeId| had[ty.0].conditions().chain(has[ty.0].conditions()).any(|p| is_personal(p));
    let personal = changed.iter().any(|ty| depends(old.of(*ty)) || depends(new.of(*ty)) || looked(ty));
    let people: Vec<(String, Uuid)> = match personal {
        true => {
            let people = roster::people(db, &taken.seat, now).await?;
            people.into_iter().map(|(slug, person)| (format!("{}/{slug}", taken.name), person)).collect()
        }
        false => vec![(taken.name.to_string(), taken.principal)],
    };
    let mut out = Vec::new();
    for (seat, person) in people {
        let probe = Probe::new(db, person, now).through(lens);
        let mut types = Vec::new();
        for &ty in &changed {
            let sides = ((&had[ty.0], old.of(ty)), (&has[ty.0], new.of(ty)));
            let of = compare(&probe, CATALOGUE.ty(ty), sides).await?;
            types.extend(of);
        }
        out.push(SeatDiff { seat, types });
    }
    // the same for whoever sits there: it is the seat's
    if out.windows(2).all(|two| two[0].types == two[1].types) {
        out.truncate(1);
        out.iter_mut().for_each(|diff| diff.seat = taken.name.to_string());
    }
    out.retain(|diff| !diff.types.is_empty());
    Ok(out)
}

fn differ(old: &TypeView, new: &TypeView) -> bool {
    old.row != new.row || old.fields != new.fields || old.guard != new.guard || old.writes != new.writes
}

fn depends(view: &TypeView) -> bool {
    let writes = [&view.writes.create, &view.writes.delete, &view.writes.manage].into_iter().chain(&view.writes.fields);
    let levels = view.fields.iter().flat_map(|f| &f.levels).map(|(p, _)| p);
    let summed = view.guard.iter().map(|guard| guard.row());
    writes.chain(levels).chain(summed).chain([&view.row]).any(|p| is_personal(p))
}

/// `None`: the two are written differently and show the same.
async fn compare(
    probe: &Probe,
    ty: &'static Type,
    ((had, old), (has, new)): ((&Beside, &TypeView), (&Beside, &TypeView)),
) -> Result<Option<TypeDiff>> {
    let same_rows = old.row == new.row;
    let (rows_gained, rows_lost) = match same_rows {
        true => (0, 0),
        false => (probe.beyond(ty, &new.row, &old.row).await?, probe.beyond(ty, &old.row, &new.row).await?),
    };
    let mut fields: Vec<FieldDiff> = Vec::new();
    // fields that are shown alike on both sides are counted once
    let mut counted: Vec<(&FieldView, &FieldView, (i64, i64))> = Vec::new();
    for (i, field) in ty.fields.iter().enumerate().skip(1) {
        let (was, is) = (&old.fields[i], &new.fields[i]);
        let summed = old.guarding(i).is_some() || new.guarding(i).is_some();
        if !summed && (was.is_hidden() && is.is_hidden() || same_rows && was == is) {
            continue;
        }
        if summed {
            fields.extend(sums(probe, ty, i, old, new).await?);
            continue;
        }
        let known = counted.iter().find(|(w, n, _)| *w == was && *n == is).map(|(.., counts)| *counts);
        let (fuller, less) = match known {
            Some(counts) => counts,
            None => {
                let counts = (probe.fuller(ty, i, new, old).await?, probe.fuller(ty, i, old, new).await?);
                counted.push((was, is, counts));
                counts
            }
        };
        // a field that enters or leaves the schema changes what the seat knows, though no row shows it yet
        if fuller > 0 || less > 0 || was.is_hidden() != is.is_hidden() {
            fields.push(FieldDiff { field: &field.name, old: levels(was), new: levels(is), fuller, less });
        }
    }
    let mut writes = writes::compare(probe, ty, old, new).await?;
    writes.extend(writes::beside(probe, ty, (had, old), (has, new)).await?);
    let nothing = rows_gained == 0 && rows_lost == 0 && fields.is_empty() && writes.is_empty();
    Ok((!nothing).then_some(TypeDiff { ty: ty.name, rows_gained, rows_lost, fields, writes }))
}

/// A field that one side at least shows in sums: the rows that count there, or that are seen.
async fn sums(
    probe: &Probe,
    ty: &'static Type,
    field: usize,
    old: &TypeView,
    new: &TypeView,
) -> Result<Option<FieldDiff>> {
    let told = |view: &TypeView| match view.guarding(field) {
        Some(guard) => (format!("{} by {}", guard.treatment(), guard.shape.names()), guard.row().clone()),
        None => (levels(&view.fields[field]), and([view.row.clone(), view.fields[field].access()])),
    };
    let ((was, before), (is, after)) = (told(old), told(new));
    let both = probe.count(ty, &and([before.clone(), after.clone()])).await?;
    let (looser, stricter) = match (old.guarding(field), new.guarding(field)) {
        (Some(old), Some(new)) => (new.tells_beyond(old), old.tells_beyond(new)),
        (old, new) => (old.is_some(), new.is_some()),
    };
    let fuller = probe.beyond(ty, &after, &before).await? + if looser { both } else { 0 };
    let less = probe.beyond(ty, &before, &after).await? + if stricter { both } else { 0 };
    let nothing = fuller == 0 && less == 0 && was == is;
    Ok((!nothing).then_some(FieldDiff { field: &ty.fields[field].name, old: was, new: is, fuller, less }))
}

/// `hidden`, `full`, `full or prefix:2`
fn levels(field: &FieldView) -> String {
    let mut words: Vec<String> = Vec::new();
    for word in field.levels.iter().map(|(_, shown): &(_, Treatment)| shown.to_string()) {
        if !words.contains(&word) {
            words.push(word);
        }
    }
    if words.is_empty() { "hidden".into() } else { words.join(" or ") }
}

impl FieldDiff {
    fn gains(&self) -> bool {
        self.fuller > 0 || (self.old == "hidden" && self.new != "hidden")
    }
}

impl Diff {
    /// Whether anybody sees anything more than before, or may write it.
    pub fn gains(&self) -> bool {
        let types = self.seats.iter().flat_map(|seat| &seat.types);
        let more = |ty: &TypeDiff| {
            ty.rows_gained > 0 || ty.fields.iter().any(FieldDiff::gains) || ty.writes.iter().any(WriteDiff::gains)
        };
        types.into_iter().any(more)
    }

    /// For a reviewer: what is gained stands first, and of what stays the same nothing is said.
    pub fn text(&self) -> String {
        let mut out = format!("{} → {}\n", self.old, self.new);
        for (what, ids) in
            [("added", &self.policies_added), ("removed", &self.policies_removed), ("changed", &self.policies_changed)]
        {
            if !ids.is_empty() {
                let _ = writeln!(out, "policies {what}: {}", ids.join(", "));
            }
        }
        for seat in &self.seats {
            let _ = writeln!(out, "\n{}", seat.seat);
            for ty in &seat.types {
                ty.write(&mut out);
            }
        }
        let unchanged = match self.seats.is_empty() {
            true => "\nnothing changes for any seat\n".to_string(),
            false => format!("\n{} seats unchanged\n", self.seats_unchanged),
        };
        out.push_str(&unchanged);
        out
    }
}

impl TypeDiff {
    fn write(&self, out: &mut String) {
        let mut rows = Vec::new();
        if self.rows_gained > 0 {
            rows.push(format!("+{} rows", self.rows_gained));
        }
        if self.rows_lost > 0 {
            rows.push(format!("-{} rows", self.rows_lost));
        }
        let _ = writeln!(out, "  {:<18} {}", self.ty, rows.join("  "));
        let mut fields: Vec<&FieldDiff> = self.fields.iter().collect();
        fields.sort_by_key(|field| !field.gains());
        // many fields that change alike are one line
        let mut told: Vec<(Vec<&str>, String, char)> = Vec::new();
        for field in fields {
            let change =
                if field.old == field.new { field.new.clone() } else { format!("{} → {}", field.old, field.new) };
            let mut counts = Vec::new();
            if field.fuller > 0 {
                counts.push(format!("shows more in {} rows", field.fuller));
            }
            if field.less > 0 {
                counts.push(format!("shows less in {} rows", field.less));
            }
            if counts.is_empty() {
                counts.push("in no row yet".into());
            }
            let line = format!("{change}: {}", counts.join(", "));
            let sign = if field.gains() { '+' } else { '-' };
            match told.iter_mut().find(|(_, other, s)| *other == line && *s == sign) {
                Some((names, ..)) => names.push(field.field),
                None => told.push((vec![field.field], line, sign)),
            }
        }
        for (names, line, sign) in told {
            let _ = writeln!(out, "    {sign} {}  {line}", names.join(", "));
        }
        self.writes.iter().for_each(|write| write.write(out));
    }
}
