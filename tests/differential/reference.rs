//! What Cedar itself decides, row by row and field by field: full entities made from the rows, and
//! `is_authorized` for every question. Nothing here uses the compiler of views.

use std::collections::{BTreeMap, HashMap, HashSet};

use cedar_policy::{
    Authorizer, Context, Decision, Effect, Entities, Entity, EntityId, EntityTypeName, EntityUid, Policy, PolicyId,
    PolicySet, Request, RestrictedExpression, Schema,
};
use chrono::SecondsFormat;
use entente::{
    access::Treatment,
    catalogue::{CATALOGUE, Field, Type, Value},
    policy::{Rules, Shown},
};
use entities::{Decimal, Instant, meta::Holder, meta::Kind};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{
    members::{Member, cut, object_names},
    world::{Record, World},
};

/// What pseudonyms are made with.
pub const SECRET: &str = "änderbar";

/// Who asks, when.
#[derive(Clone, Debug)]
pub struct Asker {
    pub organisation: Uuid,
    pub role: String,
    pub person: Uuid,
    pub now: Instant,
}

/// The policies, sorted by what they give.
pub struct Law {
    legal: PolicySet,
    /// Fullest first; the forbids stand in each.
    usual: Vec<(Treatment, PolicySet)>,
    agreed: PolicySet,
    /// A permit for everything under the forbids: is the field open at all?
    open: PolicySet,
    schema: Schema,
}

impl Law {
    pub fn new(rules: &Rules) -> Self {
        let set = |policies: Vec<Policy>| PolicySet::from_policies(policies).expect("ids differ");
        let of = |keep: &dyn Fn(&entente::policy::Rule) -> bool| -> Vec<Policy> {
            // nobody in these worlds has opened what the glass hides
            rules.all.iter().filter(|r| !r.glass && keep(r)).map(|r| r.policy.clone()).collect()
        };
        let forbids = of(&|r| r.policy.effect() == Effect::Forbid);
        let mut levels: Vec<Treatment> = Vec::new();
        for rule in &rules.all {
            if let Shown::As(shown) = rule.shown
                && rule.policy.effect() == Effect::Permit
                && !rule.legal
                && !levels.contains(&shown)
            {
                levels.push(shown);
            }
        }
        levels.sort_by_key(|shown| fullness(*shown));
        let permits =
            |level: Treatment| of(&|r| !r.legal && r.policy.effect() == Effect::Permit && r.shown == Shown::As(level));
        let usual = levels.into_iter().map(|level| (level, set([forbids.clone(), permits(level)].concat()))).collect();
        let everything = Policy::parse(Some(PolicyId::new("everything")), "permit (principal, action, resource);");
        Law {
            legal: set(of(&|r| r.legal)),
            usual,
            agreed: set(of(&|r| r.shown == Shown::ByAgreement)),
            open: set([forbids, vec![everything.expect("a policy")]].concat()),
            schema: rules.schema.clone(),
        }
    }
}

/// Smaller is fuller.
fn fullness(shown: Treatment) -> (u8, i64) {
    match shown {
        Treatment::Full => (0, 0),
        Treatment::EmailMask => (1, 0),
        Treatment::Prefix(n) => (2, -i64::from(n)),
        Treatment::Band(width) => (3, width),
        Treatment::DaysOfSupply(days) => (4, -i64::from(days)),
        Treatment::Pseudonym => (5, 0),
        Treatment::Aggregate(_) => (6, 0),
    }
}

fn fits(shown: Treatment, ty: &Type, field: &Field) -> bool {
    match shown {
        Treatment::Full => true,
        Treatment::EmailMask | Treatment::Prefix(_) | Treatment::Pseudonym => {
            field.kind == Kind::Text && field.one_of.is_empty()
        }
        Treatment::Band(_) => field.kind == Kind::Int || field.kind == Kind::Decimal,
        Treatment::DaysOfSupply(_) => ty.name == "InventoryPosition" && field.kind == Kind::Decimal,
        // in no row
        Treatment::Aggregate(_) => false,
    }
}

/// One asker before one world.
pub struct Court<'w> {
    law: &'w Law,
    world: &'w World,
    asker: Asker,
    /// With all agreements in force.
    entities: Entities,
    /// With one of them only.
    under: Vec<(Record<'w>, Entities)>,
    authorizer: Authorizer,
    context: Context,
    pub decisions: usize,
}

impl<'w> Court<'w> {
    pub fn new(law: &'w Law, world: &'w World, asker: Asker) -> Self {
        let agreements: Vec<Record<'w>> = world.agreements_with(asker.organisation, asker.now).collect();
        let entities = entities(world, &asker, &agreements, &law.schema);
        let needs = law.agreed.policies().next().is_some();
        let under = agreements.into_iter().filter(|_| needs);
        let under = under.map(|a| (a, self::entities(world, &asker, &[a], &law.schema))).collect();
        let now = RestrictedExpression::new_datetime(moment(asker.now));
        let context = Context::from_pairs([("now".to_string(), now)]).expect("a context");
        Court { law, world, asker, entities, under, authorizer: Authorizer::new(), context, decisions: 0 }
    }

    /// How the field of this row is shown; `None`: hidden.
    pub fn shown(&mut self, row: Record<'w>, field: &Field) -> Option<Treatment> {
        let request = Request::new(
            uid("Principal", &self.asker.person.to_string()),
            uid("Action", &format!("{}.{}", row.ty.name, field.name)),
            uid(row.ty.name, &row.key().to_string()),
            self.context.clone(),
            None,
        )
        .expect("a request");
        let law = self.law;
        if self.allowed(&law.legal, &request, None) {
            return Some(Treatment::Full);
        }
        let mut best = None;
        for (level, set) in law.usual.iter().filter(|(level, _)| fits(*level, row.ty, field)) {
            if self.allowed(set, &request, None) {
                best = Some(*level);
                break;
            }
        }
        if best != Some(Treatment::Full) && !self.under.is_empty() && self.allowed(&law.open, &request, None) {
            for i in 0..self.under.len() {
                let agreed = self.agreed(self.under[i].0, row.ty, field);
                let Some(level) = agreed.filter(|level| fits(*level, row.ty, field)) else { continue };
                if best.is_none_or(|b| fullness(level) < fullness(b)) && self.allowed(&law.agreed, &request, Some(i)) {
                    best = Some(level);
                }
            }
        }
        best
    }

    fn allowed(&mut self, set: &PolicySet, request: &Request, under: Option<usize>) -> bool {
        if set.is_empty() {
            return false;
        }
        self.decisions += 1;
        let entities = under.map_or(&self.entities, |i| &self.under[i].1);
        let answer = self.authorizer.is_authorized(request, set, entities);
        // Cedar skips a forbid that fails; what is validated does not fail
        assert_eq!(answer.diagnostics().errors().count(), 0, "{request}: {:?}", answer.diagnostics());
        answer.decision() == Decision::Allow
    }

    /// What the agreement's rows say of the field. Where two of them speak of it, the one that shows less counts.
    fn agreed(&self, agreement: Record<'_>, ty: &Type, field: &Field) -> Option<Treatment> {
        let names = object_names(ty);
        let rows = self.world.all("AgreementField").filter(|row| {
            row.id("agreement_id") == Some(agreement.key())
                && row.text("object_type").is_some_and(|object| names.iter().any(|n| n == object))
                && row.text("field").is_some_and(|name| name == field.name || name == field.column)
        });
        let said: Vec<Option<Treatment>> = rows
            .map(|row| Treatment::parse(row.text("treatment").expect("a treatment"), row.text("param")).ok().flatten())
            .collect();
        let said: Option<Vec<Treatment>> = said.into_iter().collect();
        said?.into_iter().max_by_key(|level| fullness(*level))
    }
}

fn uid(ty: &str, id: &str) -> EntityUid {
    let ty: EntityTypeName = ty.parse().expect("a type name");
    EntityUid::from_type_name_and_id(ty, EntityId::new(id))
}

fn pascal(name: &str) -> String {
    let mut chars = name.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

/// Policies see whole milliseconds.
fn moment(at: Instant) -> String {
    cut(at).utc().to_rfc3339_opts(SecondsFormat::Millis, true)
}

const SCOPES: &[&str] = &["sharedCustomers", "sharedDemand", "sharedOrders", "sharedCases", "sharedInventory"];

fn scope_of(ty: &Type) -> Option<&'static str> {
    Some(match ty.name {
        "Customer" => "SharedCustomers",
        "SalesOrder" | "OrderLine" => "SharedOrders",
        "DemandSeries" => "SharedDemand",
        "Case" => "SharedCases",
        "InventoryPosition" => "SharedInventory",
        _ => return None,
    })
}

fn entities(world: &World, asker: &Asker, agreements: &[Record<'_>], schema: &Schema) -> Entities {
    // the sets that the asker or its organisation holds: who is in them
    let mut parents: BTreeMap<(&'static str, Member), HashSet<EntityUid>> = BTreeMap::new();
    for ty in &CATALOGUE.types {
        for membership in ty.memberships {
            let holder = match membership.holder {
                Holder::Organisation => asker.organisation,
                Holder::Principal => asker.person,
            };
            for member in world.members(membership.name, holder, asker.now) {
                let of = membership.code.unwrap_or(ty.name);
                let set = uid(&pascal(membership.name), &holder.to_string());
                parents.entry((of, member)).or_default().insert(set);
            }
        }
    }
    let mut all = Vec::new();
    let mut codes: BTreeMap<&str, HashSet<&str>> = BTreeMap::new();
    for ty in &CATALOGUE.types {
        for row in world.all(ty.name) {
            let mut attributes = HashMap::new();
            for (field, value) in ty.fields.iter().zip(row.row).skip(1) {
                if let (Some(code), Value::Text(text)) = (field.code, value) {
                    codes.entry(code).or_default().insert(text);
                }
                if ty.name != "Principal" || field.name == "organisation" {
                    attributes.extend(attribute(field, value).map(|value| (field.name.clone(), value)));
                }
            }
            let key = row.key();
            let mut above = parents.remove(&(ty.name, Member::Row(key))).unwrap_or_default();
            if let Some(set) = scope_of(ty)
                && agreements.iter().any(|agreement| world.covers(*agreement, row, asker.now))
            {
                above.insert(uid(set, &asker.organisation.to_string()));
            }
            let holder = match ty.name {
                "Principal" => Some(Holder::Principal),
                "Organisation" => Some(Holder::Organisation),
                _ => None,
            };
            let held = |set: &str| RestrictedExpression::new_entity_uid(uid(&pascal(set), &key.to_string()));
            if let Some(holder) = holder {
                let sets = CATALOGUE.types.iter().flat_map(|t| t.memberships).filter(|m| m.holder == holder);
                attributes.extend(sets.map(|m| (m.name.to_string(), held(m.name))));
            }
            if ty.name == "Organisation" {
                attributes.extend(SCOPES.iter().map(|set| ((*set).to_string(), held(set))));
                above.extend(world.kinds(key, asker.now).iter().map(|kind| uid("Kind", kind)));
            }
            if ty.name == "Principal" {
                above.insert(uid("Organisation", &row.id("organisation_id").expect("its home").to_string()));
                if key == asker.person {
                    above.insert(uid("Role", &asker.role));
                }
            }
            all.push(Entity::new(uid(ty.name, &key.to_string()), attributes, above).expect("an entity"));
        }
    }
    for (code, values) in codes {
        for value in values {
            let above = parents.remove(&(code, Member::Code(value.to_string()))).unwrap_or_default();
            all.push(Entity::new(uid(code, value), HashMap::new(), above).expect("a code"));
        }
    }
    Entities::from_entities(all, Some(schema)).expect("entities as the schema wants them")
}

fn attribute(field: &Field, value: &Value) -> Option<RestrictedExpression> {
    use RestrictedExpression as R;
    Some(match value {
        Value::Null | Value::Json(_) => return None,
        Value::Id(id) => R::new_entity_uid(uid(CATALOGUE.ty(field.to?).name, &id.to_string())),
        Value::Text(text) => match field.code {
            Some(code) => R::new_entity_uid(uid(code, text)),
            None => R::new_string(text.clone()),
        },
        Value::Int(n) => R::new_long(*n),
        Value::Bool(b) => R::new_bool(*b),
        Value::Decimal(Decimal(n)) => {
            let sign = if *n < 0 { "-" } else { "" };
            let n = n.unsigned_abs();
            R::new_decimal(format!("{sign}{}.{:04}", n / 10_000, n % 10_000))
        }
        Value::Instant(at) => R::new_datetime(moment(*at)),
        Value::Date(day) => R::new_datetime(day.to_string()),
    })
}

/// The value of a row's field as a treatment leaves it.
pub fn treated(shown: Option<Treatment>, world: &World, row: Record<'_>, field: usize, now: Instant) -> Value {
    let value = &row.row[field];
    let (Some(shown), false) = (shown, value.is_null()) else { return Value::Null };
    match (shown, value) {
        (Treatment::DaysOfSupply(days), Value::Decimal(Decimal(there))) => match need(world, row, days, now) {
            ..=0 => Value::Null,
            need => Decimal::from_int(((there.max(&0) * i64::from(days)) / need).min(i64::from(days))).into(),
        },
        (Treatment::Full, _) => value.clone(),
        (Treatment::Prefix(n), Value::Text(text)) => text.chars().take(n as usize).collect::<String>().into(),
        // an address without anything before its `@` is none
        (Treatment::EmailMask, Value::Text(text)) => match text.split_once('@') {
            Some((name, firm)) if !name.is_empty() => {
                format!("{}***@{firm}", name.chars().next().expect("a character")).into()
            }
            _ => Value::Null,
        },
        (Treatment::Band(width), Value::Decimal(Decimal(n))) => Decimal(n.div_euclid(width) * width).into(),
        (Treatment::Band(width), Value::Int(n)) => {
            let width = (width / 10_000).max(1);
            (n.div_euclid(width) * width).into()
        }
        (Treatment::Pseudonym, Value::Text(text)) => {
            let digest = Sha256::digest(format!("{SECRET}{text}"));
            digest[..8].iter().map(|byte| format!("{byte:02x}")).collect::<String>().into()
        }
        other => panic!("{other:?} does not fit"),
    }
}

/// What is planned for the product in the place of this stock from today on, in so many days.
fn need(world: &World, stock: Record<'_>, days: u32, now: Instant) -> i64 {
    let published = world.all("ForecastVersion").filter(|run| run.is("status", "published"));
    let Some(run) = published.max_by_key(|run| (run.at("published_at").unwrap_or_default(), run.key())) else {
        return 0;
    };
    let today = now.utc().date_naive();
    let needed = |bucket: Record<'_>| {
        let ahead = (bucket.on("bucket_start").expect("a day") - today).num_days();
        let series = world.all("DemandSeries").find(|series| Some(series.key()) == bucket.id("series_id"));
        let series = series.expect("its series");
        let customer = world.all("Customer").find(|customer| Some(customer.key()) == series.id("customer_id"));
        bucket.id("version_id") == Some(run.key())
            && (0..i64::from(days)).contains(&ahead)
            && series.id("product_id") == stock.id("product_id")
            && series.id("ship_to_unit_id") == stock.id("unit_id")
            && customer.is_none_or(|customer| *customer.get("nda_level") != Value::Int(2))
    };
    let quantity = |bucket: Record<'_>| match bucket.get("qty") {
        Value::Decimal(qty) => qty.0,
        other => panic!("{other:?} is no quantity"),
    };
    world.all("DemandBucket").filter(|bucket| needed(*bucket)).map(quantity).sum()
}
