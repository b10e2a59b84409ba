//! The policy set: read from the binary or a folder, validated against the schema of the catalogue,
//! and sorted by what it speaks of. A set that cannot be compiled to SQL is never taken.

mod check;
pub mod deed;
#[expect(clippy::disallowed_methods, reason = "a tool of the operator, no door")]
pub mod diff;
#[expect(clippy::disallowed_methods, reason = "a tool of the operator, no door")]
pub mod expect;
#[expect(clippy::disallowed_methods, reason = "a tool of the operator, no door")]
pub mod explain;
pub mod matrix;
pub mod prove;
pub mod row;
pub mod schema;
mod source;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    path::Path,
    sync::{Arc, LazyLock},
};

use cedar_policy::{
    ActionConstraint, Effect, EntityTypeName, EntityUid, Policy, PolicyId, ResourceConstraint, Schema, ValidationMode,
    Validator,
};
use sha2::{Digest, Sha256};

use crate::{
    access::{NotSql, Treatment, guard::Dimension},
    catalogue::{CATALOGUE, Field, Type, TypeId},
    error::{Error, Result},
};

use source::Contents;
pub use source::{Place, Refusal};

/// The text of the schema that this build generates.
pub static SCHEMA_TEXT: LazyLock<String> = LazyLock::new(|| schema::generate(&CATALOGUE));

/// Which grant a permit is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    As(Treatment),
    Hidden,
    /// As the covering agreement says for the field.
    ByAgreement,
}

/// A policy with what its annotations say.
#[derive(Clone, Debug)]
pub struct Rule {
    pub policy: Policy,
    pub id: String,
    pub doc: String,
    pub place: Place,
    pub shown: Shown,
    /// What sums may be grouped by, if fields are shown in sums only.
    pub grid: Option<Arc<[Dimension]>>,
    /// By law: above the forbids.
    pub legal: bool,
    /// For whoever has opened the field in the row, see `access::look`.
    pub glass: bool,
}

/// Fields of one type that no policy can tell apart, and the rules that may speak of them.
#[derive(Debug)]
pub struct FieldClass {
    pub action: EntityUid,
    pub fields: Vec<usize>,
    pub rules: Vec<Arc<Rule>>,
}

/// The ways to write rows of one type; none for a type that is closed.
#[derive(Debug, Default)]
pub struct Writes {
    pub create: Option<FieldClass>,
    pub delete: Option<FieldClass>,
    /// By field, to change it.
    pub fields: Vec<FieldClass>,
}

impl Writes {
    pub fn all(&self) -> impl Iterator<Item = &FieldClass> {
        self.create.iter().chain(&self.delete).chain(&self.fields)
    }
}

#[derive(Debug)]
pub struct Rules {
    pub schema: Schema,
    pub all: Vec<Arc<Rule>>,
    /// By type, in the catalogue's order.
    pub classes: Vec<Vec<FieldClass>>,
    /// The texts that they were read from, by file.
    pub files: Vec<(String, String)>,
    /// By type: the rules on taking its rows along, a class without fields.
    pub exports: Vec<FieldClass>,
    /// What can be written, likewise.
    pub writes: Vec<Writes>,
    /// Of the policy texts: a part of the key of every view.
    pub version: u64,
}

impl Rule {
    /// `permit`, `forbid` or `by law`
    pub fn effect(&self) -> &'static str {
        match (self.policy.effect(), self.legal) {
            (Effect::Forbid, _) => "forbid",
            (Effect::Permit, true) => "by law",
            (Effect::Permit, false) => "permit",
        }
    }

    /// How a permit shows what it permits.
    pub fn treatment(&self) -> Option<String> {
        match self.shown {
            _ if self.effect() != "permit" => None,
            Shown::As(treatment) => Some(treatment.to_string()),
            Shown::Hidden => Some("hidden".into()),
            Shown::ByAgreement => Some("as an agreement says".into()),
        }
    }
}

impl Rules {
    /// The policies in the binary, or those of a folder.
    pub fn load(folder: Option<&Path>) -> Result<Self> {
        Self::parse(&files(folder)?).map_err(|refusals| Error::usage(report(&refusals)))
    }

    pub fn parse(files: &[(String, String)]) -> std::result::Result<Self, Vec<Refusal>> {
        let schema = match Schema::from_cedarschema_str(&SCHEMA_TEXT) {
            Ok((schema, _)) => schema,
            Err(e) => return Err(vec![Refusal::new(Place::file("schema.cedarschema"), e.to_string())]),
        };
        let all = valid(&schema, Contents::Policies, files)?;
        let refusals = one_grid(&all);
        if !refusals.is_empty() {
            return Err(refusals);
        }
        let sorted = Sorted::new(&schema, &all);
        let (classes, writes, exports) = (sorted.reads(), sorted.writes(), sorted.exports());
        let (files, version) = (files.to_vec(), version(files));
        let rules = Rules { classes, exports, writes, schema, all, files, version };
        let refusals = check::uncompilable(&rules);
        if refusals.is_empty() { Ok(rules) } else { Err(refusals) }
    }

    pub fn rule(&self, id: &PolicyId) -> Option<&Arc<Rule>> {
        let id: &str = id.as_ref();
        self.all.iter().find(|r| r.id == id)
    }
}

/// Name and text of the files in the binary, or of those in a folder.
pub fn files(folder: Option<&Path>) -> Result<Vec<(String, String)>> {
    source::read(folder)
}

/// Names a policy set, in the access log too: the same set has the same version on any machine and build.
fn version(files: &[(String, String)]) -> u64 {
    let texts = files.iter().flat_map(|(name, text)| [name.as_str(), text.as_str()]).chain([SCHEMA_TEXT.as_str()]);
    let hash = texts.fold(Sha256::new(), |hash, text| hash.chain_update(text.len().to_be_bytes()).chain_update(text));
    hash.finalize()[..8].iter().fold(0, |version, byte| version << 8 | u64::from(*byte))
}

/// The rules of files, each with an id of its own and sound against the schema.
fn valid(
    schema: &Schema,
    contents: Contents,
    files: &[(String, String)],
) -> std::result::Result<Vec<Arc<Rule>>, Vec<Refusal>> {
    let mut refusals = Vec::new();
    let mut all: Vec<Arc<Rule>> = Vec::new();
    let mut seen: HashMap<String, Place> = HashMap::new();
    for (name, text) in files {
        for rule in source::rules(contents, name, text, &mut refusals) {
            if let Some(first) = seen.insert(rule.id.clone(), rule.place.clone()) {
                refusals.push(Refusal::new(
                    rule.place.clone(),
                    format!("the id `{}` is taken by {first}; give each policy its own", rule.id),
                ));
                continue;
            }
            all.push(Arc::new(rule));
        }
    }
    if !refusals.is_empty() {
        return Err(refusals);
    }
    let validator = Validator::new(schema.clone());
    for rule in &all {
        let set = cedar_policy::PolicySet::from_policies([rule.policy.clone()]);
        let Ok(set) = set else { continue };
        let result = validator.validate(&set, ValidationMode::Strict);
        refusals.extend(result.validation_errors().map(|e| source::validation(e, rule, files)));
    }
    if refusals.is_empty() { Ok(all) } else { Err(refusals) }
}

/// Sums of one type by two grids would tell by their difference what neither tells.
fn one_grid(all: &[Arc<Rule>]) -> Vec<Refusal> {
    let mut first: HashMap<String, &Arc<Rule>> = HashMap::new();
    let mut refusals = Vec::new();
    for rule in all.iter().filter(|rule| rule.grid.is_some()) {
        let ResourceConstraint::Is(ty) = rule.policy.resource_constraint() else { continue };
        let known = *first.entry(ty.to_string()).or_insert(rule);
        if known.grid != rule.grid {
            let reason = format!("policy `{}`: {ty} has another @by at {}, give both the same", rule.id, known.place);
            refusals.push(Refusal::new(rule.place.clone(), reason));
        }
    }
    refusals
}

/// The type that a tool is asked about.
pub fn named(name: &str) -> Result<&'static Type> {
    CATALOGUE.by_name(name).ok_or_else(|| {
        let known: Vec<&str> = CATALOGUE.types.iter().map(|t| t.name).collect();
        Error::usage(format!("there is no type `{name}`, the types are {}", known.join(", ")))
    })
}

/// What `entente policy check` says: a line per policy that cannot be taken.
pub fn report(refusals: &[Refusal]) -> String {
    refusals.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

pub fn uid(ty: &str, id: &str) -> EntityUid {
    let ty: EntityTypeName = ty.parse().unwrap_or_else(|_| unreachable!("type names are identifiers"));
    EntityUid::from_type_name_and_id(ty, cedar_policy::EntityId::new(id))
}

/// Policies by what they speak of. Fields whose actions have the same groups and that no policy names are one
/// class: a view then needs one partial evaluation for all of them.
struct Sorted<'a> {
    all: &'a [Arc<Rule>],
    actions: cedar_policy::Entities,
    /// Actions that some policy names.
    named: HashSet<EntityUid>,
}

impl<'a> Sorted<'a> {
    fn new(schema: &Schema, all: &'a [Arc<Rule>]) -> Self {
        let actions = schema.action_entities().unwrap_or_else(|_| cedar_policy::Entities::empty());
        let mut named: HashSet<EntityUid> = HashSet::new();
        for rule in all {
            match rule.policy.action_constraint() {
                ActionConstraint::Any => {}
                ActionConstraint::Eq(action) => drop(named.insert(action)),
                ActionConstraint::In(actions) => named.extend(actions),
            }
            named.extend(rule.policy.entity_literals().into_iter().filter(|l| l.type_name().basename() == "Action"));
        }
        Sorted { all, actions, named }
    }

    /// By type, in the catalogue's order.
    fn reads(&self) -> Vec<Vec<FieldClass>> {
        CATALOGUE.types.iter().map(|ty| self.fields(ty, ty.fields.iter().enumerate().skip(1), schema::action)).collect()
    }

    fn writes(&self) -> Vec<Writes> {
        let of = |ty: &Type| match ty.closed {
            true => Writes::default(),
            false => Writes {
                create: Some(self.class(ty, schema::create(ty), Vec::new())),
                delete: Some(self.class(ty, schema::delete(ty), Vec::new())),
                fields: self.fields(ty, ty.writable(), schema::write),
            },
        };
        CATALOGUE.types.iter().map(of).collect()
    }

    fn exports(&self) -> Vec<FieldClass> {
        CATALOGUE.types.iter().map(|ty| self.class(ty, schema::EXPORT.into(), Vec::new())).collect()
    }

    // what an agreement says differs from field to field, so a class is by policy only
    fn fields<'t>(
        &self,
        ty: &'t Type,
        fields: impl Iterator<Item = (usize, &'t Field)>,
        action: fn(&Type, &Field) -> String,
    ) -> Vec<FieldClass> {
        let mut by: BTreeMap<(BTreeSet<EntityUid>, Option<EntityUid>), Vec<usize>> = BTreeMap::new();
        for (i, field) in fields {
            let action = uid("Action", &action(ty, field));
            let own = self.named.contains(&action).then(|| action.clone());
            by.entry((self.groups(&action), own)).or_default().push(i);
        }
        by.into_values().map(|fields| self.class(ty, action(ty, &ty.fields[fields[0]]), fields)).collect()
    }

    fn class(&self, ty: &Type, action: String, fields: Vec<usize>) -> FieldClass {
        let action = uid("Action", &action);
        let groups = self.groups(&action);
        let rules = self.all.iter().filter(|r| speaks_of(&r.policy, &action, &groups, ty.name)).cloned().collect();
        FieldClass { action, fields, rules }
    }

    fn groups(&self, action: &EntityUid) -> BTreeSet<EntityUid> {
        self.actions.ancestors(action).into_iter().flatten().cloned().collect()
    }
}

fn speaks_of(policy: &Policy, action: &EntityUid, groups: &BTreeSet<EntityUid>, ty: &str) -> bool {
    let hit = |u: &EntityUid| u == action || groups.contains(u);
    let by_action = match policy.action_constraint() {
        ActionConstraint::Any => true,
        ActionConstraint::Eq(u) => u == *action,
        ActionConstraint::In(list) => list.iter().any(hit),
    };
    let by_type = match policy.resource_constraint() {
        ResourceConstraint::Is(t) | ResourceConstraint::IsIn(t, _) => t.to_string() == ty,
        ResourceConstraint::Eq(u) => u.type_name().to_string() == ty,
        ResourceConstraint::Any | ResourceConstraint::In(_) => true,
    };
    by_action && by_type
}

/// Refused when a view was compiled, which the check at start should have caught.
pub fn not_sql(rule: &Rule, ty: TypeId, why: &NotSql) -> Refusal {
    Refusal::new(
        rule.place.clone(),
        format!("policy `{}` cannot be compiled for {}: {why}", rule.id, CATALOGUE.ty(ty).name),
    )
}
