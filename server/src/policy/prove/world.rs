//! A world in which a claim is false, told so that a person can follow it: who asks, the row and what
//! matters of it, the moment, and the policies that allowed it.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    fmt::Write,
};

use cedar_policy::{Entity, EntityUid, EvalResult, Policy};
use cedar_policy_symcc::Env;

use super::claim::attributes;
use crate::{
    catalogue::CATALOGUE,
    error::{Error, Result},
    policy::schema,
};

pub struct World<'a> {
    env: &'a Env,
    /// The attributes that the policies in question speak of.
    matter: BTreeSet<String>,
    names: BTreeMap<EntityUid, String>,
    asker: EntityUid,
    row: EntityUid,
}

impl<'a> World<'a> {
    pub fn new<'p>(env: &'a Env, policies: impl IntoIterator<Item = &'p Policy>) -> Result<Self> {
        let (Some(asker), Some(row)) = (env.request.principal(), env.request.resource()) else {
            return Err(Error::internal("the solver found a request without asker or row"));
        };
        let matter = attributes(policies)?;
        let mut world = World { env, matter, names: BTreeMap::new(), asker: asker.clone(), row: row.clone() };
        world.name();
        Ok(world)
    }

    /// The asker, its organisation and the row are called that; of others there is a first, a second.
    fn name(&mut self) {
        self.names.insert(self.asker.clone(), "the asker".into());
        if let Some(home) = self.home() {
            self.names.insert(home, "the asker's organisation".into());
        }
        self.names.entry(self.row.clone()).or_insert_with(|| "the row".into());
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for uid in self.rows() {
            let ty = uid.type_name().to_string();
            self.names.entry(uid).or_insert_with(|| {
                let count = counts.entry(ty.clone()).or_default();
                *count += 1;
                format!("{ty} {count}")
            });
        }
        // a set of rows is called by who holds it, the asker's side first
        let mut holders: Vec<EntityUid> = self.names.keys().cloned().collect();
        holders.sort_by_key(|uid| (!self.names[uid].starts_with("the asker"), uid.to_string()));
        for holder in holders {
            let whose = self.names[&holder].clone();
            for (attribute, value) in self.held(&holder) {
                if let EvalResult::EntityUid(set) = value
                    && !is_row(&set)
                {
                    self.names.entry(set).or_insert_with(|| format!("{whose}'s {attribute}"));
                }
            }
        }
    }

    pub fn tell(&self) -> String {
        let mut out = String::new();
        let groups = |name: &str| {
            let of = |uid: &&EntityUid| uid.type_name().to_string() == name;
            let all = self.parents(&self.asker);
            let names: Vec<_> = all.iter().filter(of).map(|uid| uid.id().unescaped().to_string()).collect();
            if names.is_empty() { "none".to_string() } else { names.join(", ") }
        };
        let _ = writeln!(out, "who asks: kind {}, role {}", groups("Kind"), groups("Role"));
        let _ = writeln!(out, "the row: {}", self.called(&self.row));
        // what the row points at follows it, and so on
        let mut queue: VecDeque<EntityUid> = [self.asker.clone()].into_iter().chain(self.home()).collect();
        queue.push_back(self.row.clone());
        let mut told: BTreeSet<EntityUid> = BTreeSet::new();
        while let Some(uid) = queue.pop_front() {
            if told.insert(uid.clone()) {
                queue.extend(self.thing(&uid, &mut out));
            }
        }
        if let Some(now) = self.env.request.context().and_then(|c| c.get("now")) {
            let _ = writeln!(out, "the moment: {}", self.value(&now));
        }
        out
    }

    /// What it is in, and what matters of it; the rows that it points at.
    fn thing(&self, uid: &EntityUid, out: &mut String) -> Vec<EntityUid> {
        let mut said: Vec<String> = Vec::new();
        let mut next = Vec::new();
        for set in self.parents(uid).iter().filter(|set| !is_row(set)) {
            said.extend(self.names.get(set).map(|name| format!("in {name}")));
        }
        let there: BTreeMap<String, EvalResult> = self.held(uid).collect();
        let of_type = CATALOGUE.by_name(&uid.type_name().to_string());
        let matters = of_type.into_iter().flat_map(schema::attributes).filter(|(f, _)| self.matter.contains(&f.name));
        for (field, _) in matters.filter(|_| *uid != self.asker) {
            match there.get(&field.name) {
                Some(value) => {
                    said.push(format!("{} is {}", field.name, self.value(value)));
                    if let EvalResult::EntityUid(to) = value {
                        next.extend(is_row(to).then(|| to.clone()));
                    }
                }
                None if field.optional && self.env.entities.get(uid).is_some() => {
                    said.push(format!("no {}", field.name));
                }
                None => {}
            }
        }
        if !said.is_empty() {
            let name = self.names.get(uid).map_or_else(|| uid.to_string(), String::clone);
            let _ = writeln!(out, "  {name}: {}", said.join(", "));
        }
        next
    }

    fn called(&self, uid: &EntityUid) -> String {
        let ty = uid.type_name().to_string();
        match self.names.get(uid) {
            Some(name) if name.starts_with("the asker") => format!("{ty}, {name}"),
            _ => ty,
        }
    }

    fn home(&self) -> Option<EntityUid> {
        let (_, value) = self.held(&self.asker).find(|(name, _)| name == "organisation")?;
        if let EvalResult::EntityUid(uid) = value { Some(uid) } else { None }
    }

    fn held(&self, uid: &EntityUid) -> impl Iterator<Item = (String, EvalResult)> + use<> {
        let attributes = self.env.entities.get(uid).into_iter().flat_map(Entity::attrs);
        attributes.filter_map(|(name, value)| Some((name.to_string(), value.ok()?))).collect::<Vec<_>>().into_iter()
    }

    fn parents(&self, uid: &EntityUid) -> Vec<EntityUid> {
        let mut all: Vec<EntityUid> = self.env.entities.ancestors(uid).into_iter().flatten().cloned().collect();
        all.sort_by_key(ToString::to_string);
        all
    }

    /// What is stored in the hub, among the entities.
    fn rows(&self) -> Vec<EntityUid> {
        let mut all: Vec<EntityUid> = self.env.entities.iter().map(Entity::uid).filter(is_row).collect();
        all.sort_by_key(ToString::to_string);
        all
    }

    fn value(&self, value: &EvalResult) -> String {
        match value {
            EvalResult::EntityUid(uid) => self.names.get(uid).cloned().unwrap_or_else(|| uid.to_string()),
            EvalResult::ExtensionValue(text) => instant(text).unwrap_or_else(|| text.clone()),
            other => other.to_string(),
        }
    }
}

fn is_row(uid: &EntityUid) -> bool {
    CATALOGUE.by_name(&uid.type_name().to_string()).is_some()
}

/// Cedar writes a moment as its distance from 1970.
fn instant(text: &str) -> Option<String> {
    let (_, distance) = text.contains("datetime").then(|| text.split_once("duration(\""))??;
    let millis: i64 = distance.split_once("ms")?.0.parse().ok()?;
    chrono::DateTime::from_timestamp_millis(millis).map(|at| at.format("%Y-%m-%dT%H:%M:%S%.fZ").to_string())
}
