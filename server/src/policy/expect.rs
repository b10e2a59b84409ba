//! Expectations: who sees what of which rows, and why, in small files beside the policies. They speak of
//! the demo world; what differs is told with file and line.

use std::{
    collections::{BTreeMap, HashMap},
    fs,
    path::Path,
};

use entities::Instant;
use serde::Deserialize;
use toml::Spanned;
use uuid::Uuid;

use super::{
    Place, Refusal, Rules,
    deed::{Deed, May},
    row, source,
};
use crate::{
    access::{
        Treatment, View,
        compile::compile,
        connect::Db,
        facts::Facts,
        pred::{Pred, and},
        probe::Probe,
        roster::{self, Seat},
        view::TypeView,
    },
    catalogue::{CATALOGUE, Type},
    error::{Error, Result},
};

/// The moment of the world that the shipped expectations speak of.
pub const WORLD: &str = "2026-06-15T10:00:00Z";
/// The folder of expectations in a folder of policies.
const FOLDER: &str = "tests";
/// How many rows one expectation may speak of.
const ROWS: usize = 1000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    expect: Vec<Spanned<Written>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    rule: String,
    #[serde(rename = "as")]
    seat: String,
    #[serde(default)]
    to: Deed,
    of: String,
    #[serde(default, rename = "where")]
    row: BTreeMap<String, toml::Value>,
    is: String,
    why: String,
    at: Option<String>,
}

pub struct Expectation {
    place: Place,
    /// Which rule it tries: `R4`.
    pub rule: String,
    seat: String,
    to: Deed,
    of: String,
    ty: &'static Type,
    field: Option<usize>,
    /// Which rows; empty: it speaks of the type.
    row: Vec<(String, String)>,
    is: String,
    why: String,
    at: Option<Instant>,
}

/// What came of trying all of them.
#[derive(Debug)]
pub struct Outcome {
    /// How many speak of which rule.
    pub rules: Vec<(String, usize)>,
    pub tried: usize,
    /// Those that fail, each in a few lines.
    pub failures: Vec<String>,
}

impl Outcome {
    pub fn holds(&self) -> bool {
        self.failures.is_empty()
    }

    pub fn text(&self) -> String {
        if !self.holds() {
            let count = format!("{} of {} expectations fail", self.failures.len(), self.tried);
            return format!("{count}\n{}", self.failures.join("\n"));
        }
        let rules: Vec<String> = self.rules.iter().map(|(rule, count)| format!("{rule} {count}")).collect();
        format!("{} expectations hold: {}", self.tried, rules.join(", "))
    }
}

/// Those that are shipped, or those in the folder.
pub fn read(policies: Option<&Path>) -> Result<Vec<Expectation>> {
    let mut files = match policies {
        None => source::shipped(FOLDER, ".toml"),
        Some(folder) => read_folder(&folder.join(FOLDER))?,
    };
    files.sort();
    let mut out = Vec::new();
    for (name, text) in files {
        out.extend(parse(&format!("{FOLDER}/{name}"), &text)?);
    }
    if out.is_empty() {
        let folder =
            policies.map_or_else(|| "the binary".into(), |folder| format!("`{}`", folder.join(FOLDER).display()));
        return Err(Error::usage(format!("no expectations in {folder}, write some as policies/README.md says")));
    }
    Ok(out)
}

fn read_folder(folder: &Path) -> Result<Vec<(String, String)>> {
    let unreadable = |cause: std::io::Error| {
        Error::usage(format!("cannot read the expectations in `{}` ({cause})", folder.display()))
    };
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            files.push((name, fs::read_to_string(&path).map_err(unreadable)?));
        }
    }
    Ok(files)
}

fn parse(file: &str, text: &str) -> Result<Vec<Expectation>> {
    let read: File = toml::from_str(text).map_err(|error| {
        let place = Place::at(file, text, error.span().map_or(0, |span| span.start));
        Error::usage(format!("{place}: {}", error.message()))
    })?;
    read.expect
        .into_iter()
        .map(|written| {
            let place = Place::at(file, text, written.span().start);
            checked(place.clone(), written.into_inner()).map_err(|why| Error::usage(format!("{place}: {why}")))
        })
        .collect()
}

fn checked(place: Place, written: Written) -> std::result::Result<Expectation, String> {
    let (ty, field) = match written.of.split_once('.') {
        None => (written.of.as_str(), None),
        Some((ty, field)) => (ty, Some(field)),
    };
    let ty = CATALOGUE.by_name(ty).ok_or_else(|| format!("there is no type `{ty}`"))?;
    let index = |field: &str| ty.field_index(field).ok_or_else(|| format!("{} has no field `{field}`", ty.name));
    let field = field.map(index).transpose()?;
    if let Some(why) = written.to.unfit(field) {
        return Err(why);
    }
    let words = match (field, written.row.is_empty()) {
        (_, true) if written.to != Deed::Read => &["allowed", "unknown"][..],
        _ if written.to != Deed::Read => &["allowed", "refused", "absent", "unknown"],
        (_, true) => &["known", "unknown"],
        (None, false) => &["seen", "absent"],
        (Some(_), false) => &["hidden", "absent", "unknown"],
    };
    let (name, parameter) = written.is.split_once(':').map_or((written.is.as_str(), None), |(n, p)| (n, Some(p)));
    let treatment = match Treatment::parse(name, parameter) {
        // it is in no row
        Ok(Some(Treatment::Aggregate(_))) => field.is_some() && written.row.is_empty(),
        Ok(Some(_)) => field.is_some() && !written.row.is_empty(),
        _ => false,
    };
    let treatment = treatment && written.to == Deed::Read;
    if !words.contains(&written.is.as_str()) && !treatment {
        let shown = match (field, written.row.is_empty()) {
            _ if written.to != Deed::Read => "",
            (Some(_), true) => "`aggregate_only:5,0.75`, ",
            (Some(_), false) => "full, a treatment as `prefix:2`, ",
            (None, _) => "",
        };
        return Err(format!("`is = \"{}\"` cannot be, here it is {shown}{}", written.is, words.join(" or ")));
    }
    let at = written
        .at
        .map(|at| at.parse().map_err(|_| format!("`at = \"{at}\"` is no instant, write 2026-06-15T10:00:00Z")));
    let plain = |(path, value): (String, toml::Value)| match value {
        toml::Value::String(text) => Ok((path, text)),
        toml::Value::Integer(number) => Ok((path, number.to_string())),
        toml::Value::Boolean(flag) => Ok((path, flag.to_string())),
        other => Err(format!("`{path}` is compared with a {}, write a text, a number or a flag", other.type_str())),
    };
    Ok(Expectation {
        place,
        rule: written.rule,
        seat: written.seat,
        to: written.to,
        of: written.of.clone(),
        ty,
        field,
        row: written.row.into_iter().map(plain).collect::<std::result::Result<_, String>>()?,
        is: written.is,
        why: written.why,
        at: at.transpose()?,
    })
}

/// Tries all of them. `ground` is how `policy explain` finds the same rows.
pub async fn run(db: &Db, rules: &Rules, now: Instant, all: &[Expectation], ground: &str) -> Result<Outcome> {
    let mut views: HashMap<(&str, Instant), Asker> = HashMap::new();
    let mut failures = Vec::new();
    for expectation in all {
        let at = expectation.at.unwrap_or(now);
        let told = |error: Error| Error::usage(format!("{}: {error}", expectation.place));
        if !views.contains_key(&(expectation.seat.as_str(), at)) {
            let (seat, person) = roster::resolve(db, &expectation.seat, at).await.map_err(told)?;
            let facts = Facts::read(db, &seat, at).await?;
            let view = compile(rules, &seat, &facts).map_err(unfit)?;
            views.insert((&expectation.seat, at), Asker { seat, person, facts, view });
        }
        let Some(asker) = views.get(&(expectation.seat.as_str(), at)) else { continue };
        let probe = Probe::new(db, asker.person, at);
        let got = match expectation.to {
            Deed::Read => expectation.got(&asker.view, &probe).await,
            to => {
                let may = to.view(rules, &asker.seat, &asker.facts, expectation.ty.id).map_err(unfit)?;
                let seen = to.seen(rules, &asker.seat, &asker.facts, expectation.ty.id).map_err(unfit)?;
                expectation.done(&seen, &may, &probe).await
            }
        };
        let got = got.map_err(told)?;
        if got != expectation.is {
            failures.push(expectation.failure(&got, ground));
        }
    }
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for expectation in all {
        *counts.entry(expectation.rule.as_str()).or_default() += 1;
    }
    let mut rules: Vec<(String, usize)> = counts.into_iter().map(|(rule, count)| (rule.to_string(), count)).collect();
    // R2 before R10
    rules.sort_by_key(|(rule, _)| (rule.len(), rule.clone()));
    Ok(Outcome { rules, tried: all.len(), failures })
}

/// Who an expectation speaks of, at its moment.
struct Asker {
    seat: Seat,
    person: Uuid,
    facts: Facts,
    view: View,
}

fn unfit(why: Refusal) -> Error {
    Error::usage(why.to_string())
}

impl Expectation {
    /// What is shown, in a word; different words for different rows are told with their counts.
    async fn got(&self, view: &View, probe: &Probe) -> Result<String> {
        let of = view.of(self.ty.id);
        if self.row.is_empty() {
            if let Some(guard) = self.field.and_then(|field| of.guarding(field)) {
                return Ok(guard.treatment().to_string());
            }
            let known = self.field.map_or_else(|| view.sees_type(self.ty.id), |field| view.sees(self.ty.id, field));
            return Ok(if known { "known" } else { "unknown" }.into());
        }
        let rows = self.rows(probe).await?;
        let mut words: BTreeMap<String, usize> = BTreeMap::new();
        for key in rows {
            let word = match (probe.shown(self.ty, key, of).await?, self.field) {
                (None, _) => "absent".into(),
                (Some(_), None) => "seen".into(),
                (Some(_), Some(field)) if !view.sees(self.ty.id, field) => "unknown".into(),
                (Some(shown), Some(field)) => shown[field].map_or_else(|| "hidden".into(), |shown| shown.to_string()),
            };
            *words.entry(word).or_default() += 1;
        }
        Ok(counted(&words))
    }

    /// What may be done, in a word.
    async fn done(&self, seen: &TypeView, may: &TypeView, probe: &Probe) -> Result<String> {
        let fields: Vec<usize> = self.field.map_or_else(|| (1..self.ty.fields.len()).collect(), |field| vec![field]);
        if self.row.is_empty() {
            let never = may.row.is_never() || fields.iter().all(|field| may.fields[*field].is_hidden());
            return Ok(if never { May::Never } else { May::Yes }.word().into());
        }
        let mut words: BTreeMap<String, usize> = BTreeMap::new();
        for key in self.rows(probe).await? {
            let read = probe.shown(self.ty, key, seen).await?;
            let shown = probe.shown(self.ty, key, may).await?;
            *words.entry(may.may(&fields, read.as_ref(), shown.as_ref()).word().into()).or_default() += 1;
        }
        Ok(counted(&words))
    }

    /// The rows that are meant.
    async fn rows(&self, probe: &Probe) -> Result<Vec<Uuid>> {
        let terms = self.row.iter().map(|(path, value)| row::condition(self.ty, path, value, probe.now));
        let condition: Pred = Pred::clone(&and(terms.collect::<Result<Vec<_>>>()?));
        let rows = probe.find(self.ty, &condition, ROWS + 1).await?;
        if rows.is_empty() || rows.len() > ROWS {
            let many = if rows.is_empty() { "no row".to_string() } else { format!("more than {ROWS} rows") };
            return Err(Error::usage(format!("`where` means {many} of {}, name others", self.ty.name)));
        }
        Ok(rows)
    }

    fn failure(&self, got: &str, ground: &str) -> String {
        let row: Vec<String> = self
            .row
            .iter()
            .map(
                |(path, value)| {
                    if value.starts_with(['<', '>']) { format!("{path}{value}") } else { format!("{path}={value}") }
                },
            )
            .collect();
        let of = if row.is_empty() { String::new() } else { format!(" where {}", row.join(",")) };
        let row = if row.is_empty() { String::new() } else { format!(" '{}'", row.join(",")) };
        let at = self.at.map_or_else(String::new, |at| format!(" --at {at}"));
        let (what, to) = match self.to {
            Deed::Read => ("of ".to_owned(), String::new()),
            to => (format!("to {} ", to.word()), format!(" --to {}", to.word())),
        };
        format!(
            "{}: {} {} {}{}{of} is {got}, expected {} ({})\n  see entente policy explain{ground}{at} --as {}{to} {}{row}",
            self.place, self.rule, self.seat, what, self.of, self.is, self.why, self.seat, self.of
        )
    }
}

fn counted(words: &BTreeMap<String, usize>) -> String {
    if let [word] = &words.keys().collect::<Vec<_>>()[..] {
        return (*word).clone();
    }
    words.iter().map(|(word, rows)| format!("{word} in {rows} rows")).collect::<Vec<_>>().join(", ")
}
