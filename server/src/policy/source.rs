//! Policy files → rules. Everything that is wrong with a text is told with file and line.

use std::{fmt, fs, path::Path, str::FromStr, sync::Arc};

use cedar_policy::{Effect, Policy, PolicyId, PolicySet, PrincipalConstraint, ResourceConstraint};
use include_dir::{Dir, include_dir};
use miette::Diagnostic;

use super::{Rule, Shown, schema::ASKER};
use crate::{
    access::{Treatment, guard::Dimension},
    catalogue::CATALOGUE,
    error::{Error, Result},
};

static SHIPPED: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../policies");

/// Beside the policies: what must be true of them.
const INVARIANTS: &str = "invariants";

/// The kind of organisation of those who run the hub.
const HOST: &str = "internal";

/// What a file holds, and so which annotations it knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contents {
    Policies,
    Invariants,
}

impl Contents {
    fn annotations(self) -> &'static [&'static str] {
        match self {
            Contents::Policies => &["id", "doc", "treatment", "by", "tier", "idle"],
            Contents::Invariants => &["id", "doc", "except", "given"],
        }
    }
}

/// Where a policy stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub file: String,
    pub line: usize,
}

impl Place {
    pub fn file(file: &str) -> Self {
        Place { file: file.to_string(), line: 1 }
    }

    pub fn at(file: &str, text: &str, offset: usize) -> Self {
        let before = text.as_bytes().iter().take(offset).filter(|b| **b == b'\n').count();
        Place { file: file.to_string(), line: before + 1 }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// Why a policy set is not taken.
#[derive(Clone, Debug)]
pub struct Refusal {
    pub place: Place,
    pub reason: String,
}

impl Refusal {
    pub fn new(place: Place, reason: impl Into<String>) -> Self {
        Refusal { place, reason: reason.into() }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.reason)
    }
}

/// File name and text, sorted by name.
pub fn read(folder: Option<&Path>) -> Result<Vec<(String, String)>> {
    let mut files = match folder {
        None => shipped("", ".cedar"),
        Some(folder) => read_folder(folder)?,
    };
    if files.is_empty() {
        let folder = folder.map_or_else(|| "the binary".to_string(), |f| format!("`{}`", f.display()));
        return Err(Error::usage(format!("no policies in {folder}: name a folder that holds *.cedar files")));
    }
    files.sort();
    Ok(files)
}

/// Name and text of the files inside the binary that stand in this folder and end so.
pub fn shipped(folder: &str, end: &str) -> Vec<(String, String)> {
    let folder = if folder.is_empty() { Some(&SHIPPED) } else { SHIPPED.get_dir(folder) };
    let files = folder.into_iter().flat_map(|folder| folder.files());
    let named = files
        .filter_map(|file| Some((file.path().file_name()?.to_str()?.to_string(), file.contents_utf8()?.to_string())));
    named.filter(|(name, _)| name.ends_with(end)).collect()
}

/// The invariants beside the policies, named `invariants/FILE`; there may be none.
pub fn invariants(folder: Option<&Path>) -> Result<Vec<(String, String)>> {
    let mut files = match folder.map(|folder| folder.join(INVARIANTS)) {
        None => shipped(INVARIANTS, ".cedar")
            .into_iter()
            .map(|(name, text)| (format!("{INVARIANTS}/{name}"), text))
            .collect(),
        Some(folder) if folder.is_dir() => {
            read_folder(&folder)?.into_iter().map(|(name, text)| (format!("{INVARIANTS}/{name}"), text)).collect()
        }
        Some(_) => Vec::new(),
    };
    files.sort();
    Ok(files)
}

pub fn is_invariant(place: &Place) -> bool {
    place.file.split_once('/').is_some_and(|(folder, _)| folder == INVARIANTS)
}

fn read_folder(folder: &Path) -> Result<Vec<(String, String)>> {
    let unreadable =
        |path: &Path, e: std::io::Error| Error::usage(format!("cannot read the policies in `{}`: {e}", path.display()));
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(|e| unreadable(folder, e))? {
        let path = entry.map_err(|e| unreadable(folder, e))?.path();
        if path.extension().is_some_and(|x| x == "cedar") {
            let text = fs::read_to_string(&path).map_err(|e| unreadable(&path, e))?;
            let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
            files.push((name, text));
        }
    }
    Ok(files)
}

/// The rules of one file. Each problem becomes a refusal, and the rest is still read.
pub fn rules(contents: Contents, file: &str, text: &str, refusals: &mut Vec<Refusal>) -> Vec<Rule> {
    let set = match PolicySet::from_str(text) {
        Ok(set) => set,
        Err(errors) => {
            refusals.extend(errors.iter().map(|e| Refusal::new(label(e, file, text), e.to_string())));
            return Vec::new();
        }
    };
    if set.templates().next().is_some() {
        refusals.push(Refusal::new(Place::file(file), "templates are not taken; let an agreement carry what differs"));
    }
    let mut out = Vec::new();
    for policy in set.policies() {
        match rule(contents, file, text, policy) {
            Ok(rule) => out.push(rule),
            Err(refusal) => refusals.push(refusal),
        }
    }
    out.sort_by_key(|r| r.place.line);
    out
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Tier {
    Usual,
    Legal,
    Glass,
}

fn rule(contents: Contents, file: &str, text: &str, policy: &Policy) -> std::result::Result<Rule, Refusal> {
    let Some(id) = policy.annotation("id").map(String::from) else {
        let first = policy.to_string().lines().next().unwrap_or_default().to_string();
        return Err(Refusal::new(Place::file(file), format!("a policy has no @id: `{first}`")));
    };
    let place = text.find(&format!("@id(\"{id}\")")).map_or(Place::file(file), |at| Place::at(file, text, at));
    let refuse = |reason: String| Refusal::new(place.clone(), format!("policy `{id}`: {reason}"));
    let Some(doc) = policy.annotation("doc").filter(|d| !d.trim().is_empty()) else {
        return Err(refuse("has no @doc; say in a sentence what it allows or forbids, and why".into()));
    };
    for (key, _) in policy.annotations() {
        let known = contents.annotations();
        if !known.contains(&key) {
            return Err(refuse(format!("the annotation `@{key}` is unknown; there are @{}", known.join(", @"))));
        }
    }
    let permit = policy.effect() == Effect::Permit;
    let shown = match policy.annotation("treatment") {
        None => Shown::As(Treatment::Full),
        Some(_) if !permit => return Err(refuse("a forbid has no @treatment".into())),
        Some("agreement") => Shown::ByAgreement,
        Some(text) => {
            let (name, param) = text.split_once(':').map_or((text, None), |(n, p)| (n, Some(p)));
            Treatment::parse(name, param).map_err(&refuse)?.map_or(Shown::Hidden, Shown::As)
        }
    };
    let grid = match (policy.annotation("by"), shown) {
        (Some(text), Shown::As(Treatment::Aggregate(_)) | Shown::ByAgreement) => {
            Some(grid(policy, text).map_err(&refuse)?)
        }
        (Some(_), _) => return Err(refuse("@by goes with the treatment aggregate_only or agreement".into())),
        (None, Shown::As(Treatment::Aggregate(_))) => {
            return Err(refuse("say by what it may be grouped, as in @by(\"series.region bucketStart.month\")".into()));
        }
        (None, _) => None,
    };
    let tier = match policy.annotation("tier") {
        None => Tier::Usual,
        Some("legal") if permit => Tier::Legal,
        Some("glass") if permit => Tier::Glass,
        Some(_) => return Err(refuse(
            "@tier is `legal`, which stands above the forbids, or `glass`, which holds for an hour and a reason, and only on a permit".into(),
        )),
    };
    if tier != Tier::Usual && shown != Shown::As(Treatment::Full) {
        return Err(refuse(
            "what the law gives, or who breaks the glass sees, is given in full: leave @treatment out".into(),
        ));
    }
    let inside = PrincipalConstraint::In(super::uid("Kind", HOST));
    if tier == Tier::Glass && policy.principal_constraint() != inside {
        return Err(refuse(
            "only the host's own people break the glass: write `principal in Kind::\"internal\"`".into(),
        ));
    }
    let person = policy.entity_literals().into_iter().find(|l| l.type_name().to_string() == ASKER);
    let scoped = matches!(policy.principal_constraint(), PrincipalConstraint::Eq(_))
        || matches!(policy.resource_constraint(), ResourceConstraint::Eq(_));
    if person.is_some() || scoped {
        return Err(refuse("names one person or one row; policies speak of kinds, roles and relations".into()));
    }
    Ok(Rule {
        policy: policy.new_id(PolicyId::new(&id)),
        id: id.clone(),
        doc: doc.to_string(),
        place: place.clone(),
        shown,
        grid,
        legal: tier == Tier::Legal,
        glass: tier == Tier::Glass,
    })
}

/// `@by("series.region bucketStart.month")`
fn grid(policy: &Policy, text: &str) -> std::result::Result<Arc<[Dimension]>, String> {
    let ty = match policy.resource_constraint() {
        ResourceConstraint::Is(ty) => CATALOGUE.by_name(&ty.to_string()),
        _ => None,
    };
    let ty = ty.ok_or("with @by the scope names the type, as in `resource is DemandBucket`")?;
    if ty.behind.is_none() {
        return Err(format!("{} does not say who stands behind its numbers, so they cannot be guarded", ty.name));
    }
    let mut grid: Vec<Dimension> = Vec::new();
    for word in text.split_whitespace() {
        let side = Dimension::parse(ty, word)?;
        if grid.iter().any(|known| known.name == side.name) {
            return Err(format!("@by names `{word}` twice"));
        }
        grid.push(side);
    }
    if grid.is_empty() || grid.len() > 8 {
        return Err("@by names one to eight fields".into());
    }
    Ok(grid.into())
}

/// A validation error, at its own line if Cedar tells it.
pub fn validation(error: &cedar_policy::ValidationError, rule: &Rule, files: &[(String, String)]) -> Refusal {
    let text = files.iter().find(|(name, _)| *name == rule.place.file).map(|(_, t)| t.as_str()).unwrap_or_default();
    let place = if error.labels().is_some_and(|mut l| l.next().is_some()) {
        label(error, &rule.place.file, text)
    } else {
        rule.place.clone()
    };
    let help = error.help().map(|h| format!(" ({h})")).unwrap_or_default();
    Refusal::new(place, format!("{error}{help}"))
}

fn label(diagnostic: &dyn Diagnostic, file: &str, text: &str) -> Place {
    let offset = diagnostic.labels().and_then(|mut labels| labels.next()).map_or(0, |l| l.offset());
    Place::at(file, text, offset)
}
