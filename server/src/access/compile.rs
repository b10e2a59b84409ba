//! (policies, facts of a seat) → [`View`]. Cedar evaluates each policy as far as the seat decides it;
//! what is left speaks of the row and the moment, and becomes a condition.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use cedar_policy::{
    Effect, Entities, Entity, EntityUid, PartialEntities, PartialEntityUid, PartialRequest, Policy, PolicyId,
    PolicySet, PrincipalConstraint, RestrictedExpression, pst,
};
use entities::{
    Decimal, Instant,
    meta::{Holder, Kind},
};
use sea_orm::Value;
use uuid::Uuid;

use super::{
    convert::{Convert, SELF},
    facts::{Agreement, Facts, FieldRow},
    guard::{Guard, Shape, can_be_measured},
    pred::{Pred, Term, always, and, at_path, given, never, not, or, tidy},
    roster::Seat,
    scope::in_force,
    trace::{Act, Part, Parts, Trace},
    treat::Treatment,
    view::{FieldView, TypeView, View, ViewClass, Writes},
};
use crate::{
    catalogue::{CATALOGUE, Field, Type, TypeId, pascal},
    policy::{FieldClass, Refusal, Rule, Rules, Shown, not_sql, schema, uid},
};

/// The role, and the kind of organisation, of those who run the hub.
const OPERATOR: &str = "admin";
const HOST: &str = "internal";

/// Everything of a seat that policies can see, except who exactly sits in it.
pub struct Asker {
    organisation: Uuid,
    entities: PartialEntities,
    groups: HashSet<EntityUid>,
}

impl Asker {
    pub fn new(
        rules: &Rules,
        organisation: Uuid,
        attributes: &HashMap<String, Value>,
        kinds: &[impl AsRef<str>],
        roles: &[impl AsRef<str>],
    ) -> Result<Self, String> {
        let text = |e: &dyn std::fmt::Display| e.to_string();
        let home = uid(schema::ORGANISATION, &organisation.to_string());
        let kinds: HashSet<EntityUid> =
            kinds.iter().filter(|k| schema::KINDS.contains(&k.as_ref())).map(|k| uid("Kind", k.as_ref())).collect();
        let roles = roles.iter().filter(|r| schema::ROLES.contains(&r.as_ref())).map(|r| uid("Role", r.as_ref()));
        let mut groups: HashSet<EntityUid> = roles.collect();
        groups.insert(home.clone());

        let held = |holder: Holder, id: &str| -> HashMap<String, RestrictedExpression> {
            let one = |name: &str, set: &str| (name.to_string(), RestrictedExpression::new_entity_uid(uid(set, id)));
            let mut all: HashMap<_, _> =
                CATALOGUE.memberships(holder).map(|(_, m)| one(m.name, &pascal(m.name))).collect();
            if holder == Holder::Organisation {
                all.extend(schema::SCOPES.iter().map(|(_, name, set)| one(name, set)));
            }
            all
        };
        let mut own = held(Holder::Principal, SELF);
        own.insert("organisation".into(), RestrictedExpression::new_entity_uid(home.clone()));
        let asker = Entity::new(uid(schema::ASKER, SELF), own, groups.clone()).map_err(|e| text(&e))?;

        let mut of_home = held(Holder::Organisation, &organisation.to_string());
        if let Some(ty) = CATALOGUE.by_name(schema::ORGANISATION) {
            for (field, name) in schema::attributes(ty) {
                if let Some(value) = attribute(field, &name, attributes.get(field.column)) {
                    of_home.insert(field.name.clone(), value);
                }
            }
        }
        let home = Entity::new(home, of_home, kinds.clone()).map_err(|e| text(&e))?;
        groups.extend(kinds);
        // no schema here: it would copy every action in; `from_concrete` checks that the two conform
        let entities = Entities::from_entities([asker, home], None).map_err(|e| text(&e))?;
        let entities = PartialEntities::from_concrete(entities, &rules.schema).map_err(|e| text(&e))?;
        Ok(Asker { organisation, entities, groups })
    }

    /// Can this asker ever be meant?
    fn meant_by(&self, policy: &Policy) -> bool {
        match policy.principal_constraint() {
            PrincipalConstraint::Any | PrincipalConstraint::Is(_) => true,
            PrincipalConstraint::In(u) | PrincipalConstraint::IsIn(_, u) => self.groups.contains(&u),
            PrincipalConstraint::Eq(_) => false,
        }
    }

    /// The rules that are left of these.
    fn leave<'r>(
        &self,
        rules: &Rules,
        ty: TypeId,
        action: &EntityUid,
        mine: &[&'r Arc<Rule>],
    ) -> Result<Vec<Remains<'r>>, Refusal> {
        let by_id = |id: &PolicyId| mine.iter().copied().find(|r| r.policy.id() == id);
        let place =
            || mine.first().map_or_else(|| crate::policy::Place::file("schema.cedarschema"), |r| r.place.clone());
        let failed = |e: String| Refusal::new(place(), e);
        let set = PolicySet::from_policies(mine.iter().map(|r| r.policy.clone())).map_err(|e| failed(e.to_string()))?;
        let resource = CATALOGUE.ty(ty).name.parse().map_err(|e: cedar_policy::ParseErrors| failed(e.to_string()))?;
        let request = PartialRequest::new(
            PartialEntityUid::from_concrete(uid(schema::ASKER, SELF)),
            action.clone(),
            PartialEntityUid::new(resource, None),
            None,
            &rules.schema,
        )
        .map_err(|e| failed(e.to_string()))?;
        let answer = set.tpe(&request, &self.entities, &rules.schema).map_err(|e| failed(e.to_string()))?;
        // Cedar skips a policy that fails: for a forbid that would open the door
        if let Some(rule) = answer.error_permits().chain(answer.error_forbids()).find_map(by_id) {
            return Err(not_sql(rule, ty, &super::NotSql::Fails));
        }
        let mut out: Vec<_> =
            answer.true_permits().chain(answer.true_forbids()).filter_map(by_id).map(|r| (r, None)).collect();
        for policy in answer.residual_policies() {
            let Some(rule) = by_id(policy.id()) else { continue };
            let pst = policy.to_pst().map_err(|e| failed(e.to_string()))?;
            let clauses = pst.body().clauses();
            let [pst::Clause::When(left)] = &clauses[..] else {
                return Err(not_sql(rule, ty, &super::NotSql::Operation(policy.to_string())));
            };
            out.push((rule, Some(left.clone())));
        }
        // in the order of the policies: what a view asks must not depend on when, or by which hub, it was compiled
        let place = |rule: &Rule| mine.iter().position(|r| r.policy.id() == rule.policy.id());
        out.sort_by_key(|(rule, _)| place(rule));
        Ok(out)
    }
}

/// A rule with what is left of its condition; `None`: it holds.
type Remains<'r> = (&'r Arc<Rule>, Option<Arc<pst::Expr>>);

/// What is left of a class's rules for one asker.
struct Left<'r> {
    permits: Vec<Remains<'r>>,
    forbids: Vec<Remains<'r>>,
    legal: Vec<Remains<'r>>,
}

/// Policy, type, what is left, which agreements.
type Question = (String, TypeId, String, Option<Uuid>);

/// What becomes of the permits that ask for a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Glass {
    /// They hold where the person has opened the field.
    Asked,
    /// They hold: what could be opened.
    Broken,
    /// They never do. A look is for the eyes of one, and nothing to take along.
    Whole,
}

struct Compiler<'a> {
    rules: &'a Rules,
    asker: Asker,
    agreements: &'a [Agreement],
    /// Everything is permitted: what remains is what the forbids leave.
    open: bool,
    glass: Glass,
    /// → condition, and the agreements that it asks
    memo: HashMap<Question, (Arc<Pred>, BTreeSet<Uuid>)>,
    /// The agreements that decide about the type at hand.
    deciding: BTreeSet<Uuid>,
    /// What decides, kept if somebody asks why: by type and field.
    trace: Option<Trace>,
}

pub fn compile(rules: &Rules, seat: &Seat, facts: &Facts) -> Result<View, Refusal> {
    through(rules, seat, facts, Glass::Asked)
}

/// The same, with another idea of looks.
pub fn through(rules: &Rules, seat: &Seat, facts: &Facts, glass: Glass) -> Result<View, Refusal> {
    Compiler { glass, ..Compiler::new(rules, seat, facts)? }.view(seat, facts)
}

/// The same view, with what decides about each action.
pub fn traced(rules: &Rules, seat: &Seat, facts: &Facts, glass: Glass) -> Result<(View, Trace), Refusal> {
    let mut compiler = Compiler { glass, trace: Some(Trace::default()), ..Compiler::new(rules, seat, facts)? };
    let view = compiler.view(seat, facts)?;
    Ok((view, compiler.trace.unwrap_or_default()))
}

/// The same view, with only those rows of the type that may be taken along.
pub fn for_export(rules: &Rules, seat: &Seat, facts: &Facts, ty: TypeId) -> Result<View, Refusal> {
    let mut compiler = Compiler { glass: Glass::Whole, ..Compiler::new(rules, seat, facts)? };
    let mut view = compiler.view(seat, facts)?;
    let allowed = compiler.exports(ty)?;
    let seen = &mut view.types[ty.0];
    seen.row = tidy(&and([seen.row.clone(), allowed]));
    Ok(view)
}

/// One type of the view, for questions of the kind "what if".
pub fn one_type(rules: &Rules, seat: &Seat, facts: &Facts, ty: TypeId, glass: Glass) -> Result<TypeView, Refusal> {
    Compiler { glass, ..Compiler::new(rules, seat, facts)? }.ty(CATALOGUE.ty(ty))
}

/// Which rows of the type policies let out, seen or not.
pub fn let_out(rules: &Rules, seat: &Seat, facts: &Facts, ty: TypeId) -> Result<Arc<Pred>, Refusal> {
    Compiler::new(rules, seat, facts)?.exports(ty)
}

/// What is not forbidden to a seat, whatever it is permitted.
pub fn ceiling(rules: &Rules, seat: &Seat, facts: &Facts) -> Result<Vec<TypeView>, Refusal> {
    Compiler { open: true, ..Compiler::new(rules, seat, facts)? }.types()
}

impl<'a> Compiler<'a> {
    fn new(rules: &'a Rules, seat: &Seat, facts: &'a Facts) -> Result<Self, Refusal> {
        let asker = Asker::new(rules, facts.organisation, &facts.attributes, &facts.kinds, &[&seat.role])
            .map_err(|e| Refusal::new(crate::policy::Place::file("schema.cedarschema"), e))?;
        let (agreements, memo, deciding) = (&facts.agreements, HashMap::new(), BTreeSet::new());
        Ok(Compiler { rules, asker, agreements, open: false, glass: Glass::Asked, memo, deciding, trace: None })
    }

    fn types(&mut self) -> Result<Vec<TypeView>, Refusal> {
        CATALOGUE.types.iter().map(|ty| self.ty(ty)).collect()
    }

    fn view(&mut self, seat: &Seat, facts: &Facts) -> Result<View, Refusal> {
        let types = self.types()?;
        let operator = seat.role == OPERATOR && facts.kinds.iter().any(|kind| kind == HOST);
        let class = ViewClass::of(&types, operator);
        let slug = match facts.attributes.get("slug") {
            Some(Value::String(Some(slug))) => slug.to_string(),
            _ => facts.organisation.to_string(),
        };
        Ok(View {
            id: View::next_id(),
            name: format!("{slug}/{}", seat.role),
            seat: seat.clone(),
            types,
            class,
            policies: self.rules.version,
            version: facts.version,
            edges: facts.edges,
            holders: facts.holders.clone(),
        })
    }

    fn ty(&mut self, ty: &Type) -> Result<TypeView, Refusal> {
        let mut view = TypeView::hidden(ty);
        self.deciding.clear();
        // forbids → what is permitted under them: the common forbids are then tested once per row
        let mut gates: BTreeMap<Arc<Pred>, Vec<Arc<Pred>>> = BTreeMap::new();
        let rules = self.rules;
        for class in &rules.classes[ty.id.0] {
            let Some(left) = self.left(ty.id, class)? else { continue };
            let parts = |compiler: &mut Self, left| compiler.parts(ty.id, left).map(Arc::<[Part]>::from);
            let (forbids, legal) = (parts(self, &left.forbids)?, parts(self, &left.legal)?);
            let forbid = or(forbids.iter().map(|part| part.condition.clone()));
            let by_law = or(legal.iter().map(|part| part.condition.clone()));
            let open = not(forbid.clone());
            for &field in &class.fields {
                let mut levels: BTreeMap<(u8, i64), (Treatment, Arc<Pred>)> = BTreeMap::new();
                let mut grant = |shown: Treatment, p: Arc<Pred>| {
                    let slot = levels.entry(shown.fullness()).or_insert_with(|| (shown, never()));
                    slot.1 = or([slot.1.clone(), p]);
                };
                let permits = if self.open { Vec::new() } else { self.permits(ty, field, &left)? };
                let opens = |part: &Part| part.rule.glass && !part.condition.is_never();
                if self.glass == Glass::Asked && permits.iter().any(opens) {
                    view.looks.insert(field);
                }
                let granted = permits.iter().filter_map(|part| Some((part.shown?, part.condition.clone())));
                let granted = granted.filter(|(shown, _)| !shown.is_in_sums());
                for (shown, p) in granted.chain(self.open.then(|| (Treatment::Full, always()))) {
                    grant(shown, and([p.clone(), open.clone()]));
                    gates.entry(forbid.clone()).or_default().push(p);
                }
                grant(Treatment::Full, by_law.clone());
                gates.entry(never()).or_default().push(by_law.clone());
                view.fields[field] = levels_of(levels);
                if let Some(trace) = &mut self.trace {
                    trace.note(
                        ty.id,
                        Act::Read(field),
                        Parts { permits, forbids: forbids.clone(), legal: legal.clone() },
                    );
                }
            }
        }
        let row = or(gates.into_iter().map(|(forbid, permits)| and([or(permits), not(forbid)])));
        view.row = tidy(&row);
        // a field is asked for in rows of the view only: what they all satisfy needs no test of its own
        for field in &mut view.fields {
            for (p, _) in &mut field.levels {
                *p = given(&view.row, &tidy(&given(&row, p)));
            }
            if let Some(all) = field.levels.iter().position(|(p, _)| p.is_always()) {
                field.levels.truncate(all + 1);
            }
        }
        if !self.open && view.fields.iter().all(FieldView::is_hidden) {
            view.guard = self.guard(ty)?;
        }
        view.agreements = std::mem::take(&mut self.deciding);
        view.writes = self.writes(ty)?;
        if self.trace.is_some() {
            self.exports(ty.id)?;
        }
        Ok(view)
    }

    /// What is shown in sums. Several permits share one grid, the strictest threshold, and the rows in which
    /// every field may be summed: two sets of rows would tell what lies between them.
    fn guard(&mut self, ty: &Type) -> Result<Option<Guard>, Refusal> {
        let (mut rows, mut measures, mut found) = (Vec::new(), Vec::new(), None);
        let rules = self.rules;
        for class in rules.classes[ty.id.0].iter().filter(|class| class.rules.iter().any(|rule| rule.grid.is_some())) {
            let Some(left) = self.left(ty.id, class)? else { continue };
            let open = not(self.any(ty.id, &left.forbids)?);
            for &field in class.fields.iter().filter(|field| can_be_measured(ty, **field)) {
                let mut granted = Vec::new();
                for part in self.permits(ty, field, &left)? {
                    let (Some(Treatment::Aggregate(threshold)), Some(grid)) = (part.shown, &part.rule.grid) else {
                        continue;
                    };
                    let p = and([part.condition, open.clone()]);
                    if p.is_never() {
                        continue;
                    }
                    granted.push(p);
                    found = Some(match found {
                        None => (threshold, grid.clone()),
                        Some((known, grid)) => (threshold.strictest(known), grid),
                    });
                }
                if !granted.is_empty() {
                    measures.push(field);
                    rows.push(or(granted));
                }
            }
        }
        let Some((threshold, grid)) = found else { return Ok(None) };
        measures.sort_unstable();
        // a row whose place in the grid is forbidden is in no sum
        for side in grid.iter() {
            let mut of = ty.id;
            for (i, field) in side.steps.iter().chain([&side.field]).enumerate() {
                let forbidden = self.forbidden(of, *field)?;
                if !forbidden.is_never() {
                    rows.push(at_path(&side.steps[..i], not(forbidden)));
                }
                of = CATALOGUE.ty(of).fields[*field].to.unwrap_or(of);
            }
        }
        let row = tidy(&and(rows));
        Ok((!row.is_never()).then_some(Guard { row, threshold, shape: Shape { measures, grid } }))
    }

    /// The rows in which the field is forbidden.
    fn forbidden(&mut self, ty: TypeId, field: usize) -> Result<Arc<Pred>, Refusal> {
        let rules = self.rules;
        let Some(class) = rules.classes[ty.0].iter().find(|class| class.fields.contains(&field)) else {
            return Ok(never());
        };
        let forbids = class.rules.iter().filter(|r| r.policy.effect() == Effect::Forbid);
        let forbids: Vec<_> = forbids.filter(|r| self.asker.meant_by(&r.policy)).collect();
        if forbids.is_empty() {
            return Ok(never());
        }
        let left = self.asker.leave(rules, ty, &class.action, &forbids)?;
        self.any(ty, &left)
    }

    fn writes(&mut self, ty: &Type) -> Result<Writes, Refusal> {
        let rules = &self.rules.writes[ty.id.0];
        let mut writes = Writes::none(ty);
        let whole = [
            (&rules.create, &mut writes.create, Act::Create),
            (&rules.delete, &mut writes.delete, Act::Delete),
            (&rules.manage, &mut writes.manage, Act::Manage),
        ];
        for (class, slot, act) in whole {
            if let Some(class) = class {
                *slot = self.permitted(ty.id, class, &[act])?;
            }
        }
        for class in &rules.fields {
            let acts: Vec<Act> = class.fields.iter().map(|field| Act::Write(*field)).collect();
            let p = self.permitted(ty.id, class, &acts)?;
            class.fields.iter().for_each(|field| writes.fields[*field] = p.clone());
        }
        Ok(writes)
    }

    /// The rows that may be taken along by whoever sees them.
    fn exports(&mut self, ty: TypeId) -> Result<Arc<Pred>, Refusal> {
        let rules = self.rules;
        self.permitted(ty, &rules.exports[ty.0], &[Act::Export])
    }

    /// In which rows the action is permitted. A policy that shows a field treated permits no write of it.
    fn permitted(&mut self, ty: TypeId, class: &FieldClass, acts: &[Act]) -> Result<Arc<Pred>, Refusal> {
        let Some(left) = self.left(ty, class)? else { return Ok(never()) };
        let counts = |rule: &Rule| acts == [Act::Export] || rule.shown == Shown::As(Treatment::Full);
        let mut granted = |left: &[Remains<'_>]| {
            let left: Vec<_> = left.iter().filter(|(rule, _)| counts(rule)).cloned().collect();
            let full = |part| Part { shown: Some(Treatment::Full), ..part };
            Ok::<Vec<_>, Refusal>(self.parts(ty, &left)?.into_iter().map(full).collect())
        };
        let (permits, legal) = (granted(&left.permits)?, granted(&left.legal)?);
        let forbids = self.parts(ty, &left.forbids)?;
        let any = |parts: &[Part]| or(parts.iter().map(|part| part.condition.clone()));
        let open = if self.open { always() } else { any(&permits) };
        let p = tidy(&or([and([open, not(any(&forbids))]), any(&legal)]));
        if let Some(trace) = &mut self.trace {
            let parts = Parts { permits, forbids: forbids.into(), legal: legal.into() };
            acts.iter().for_each(|act| trace.note(ty, *act, parts.clone()));
        }
        Ok(p)
    }

    fn left<'r>(&self, ty: TypeId, class: &'r FieldClass) -> Result<Option<Left<'r>>, Refusal> {
        let mine = |legal: bool| class.rules.iter().filter(move |r| r.legal == legal && self.asker.meant_by(&r.policy));
        let permits = |rules: &[&Arc<Rule>]| rules.iter().any(|r| r.policy.effect() == Effect::Permit);
        let (usual, legal): (Vec<_>, Vec<_>) = (mine(false).collect(), mine(true).collect());
        // who asks why wants to hear of the forbids, too, that stand before what nothing permits
        let wanted = self.open || self.trace.is_some() || permits(&usual);
        if !wanted && legal.is_empty() {
            return Ok(None);
        }
        let left = |rules: &[&'r Arc<Rule>]| match rules.is_empty() {
            true => Ok(Vec::new()),
            false => self.asker.leave(self.rules, ty, &class.action, rules),
        };
        let usual = if wanted { left(&usual)? } else { Vec::new() };
        let (permits, forbids) = usual.into_iter().partition(|(r, _)| r.policy.effect() == Effect::Permit);
        Ok(Some(Left { permits, forbids, legal: left(&legal)? }))
    }

    /// What the permits give for one field: how it is shown, and in which rows.
    fn permits(&mut self, ty: &Type, index: usize, left: &Left<'_>) -> Result<Vec<Part>, Refusal> {
        let field = &ty.fields[index];
        let mut out = Vec::new();
        for (rule, expr) in &left.permits {
            let part = |shown: Option<Treatment>, condition: Arc<Pred>, agreement: Option<Uuid>| Part {
                rule: Arc::clone(rule),
                left: expr.clone(),
                agreement,
                shown,
                condition,
            };
            match rule.shown {
                Shown::Hidden => {}
                Shown::As(_) if rule.glass && self.glass == Glass::Whole => {}
                Shown::As(shown) if rule.glass && self.glass == Glass::Asked => {
                    let opened = Pred::Member(Term::Col(0), CATALOGUE.looks(ty.id, index).name, Term::Me);
                    let p = self.condition(ty.id, rule, expr.as_deref(), None)?;
                    out.push(part(Some(shown), and([p, Arc::new(opened)]), None));
                }
                Shown::As(shown) if shown.fits(ty, field) => {
                    out.push(part(Some(shown), self.condition(ty.id, rule, expr.as_deref(), None)?, None));
                }
                Shown::As(_) => {}
                Shown::ByAgreement => {
                    for agreement in self.agreements {
                        let shown = agreed(agreement, ty, field).filter(|t| t.fits(ty, field));
                        if shown.is_none() && self.trace.is_none() {
                            continue;
                        }
                        let p = self.condition(ty.id, rule, expr.as_deref(), Some(agreement))?;
                        if shown.is_some() {
                            self.deciding.insert(agreement.id);
                        }
                        let p = and([in_force(Some(agreement.from), agreement.until), p]);
                        out.push(part(shown, p, Some(agreement.id)));
                    }
                    if self.agreements.is_empty() && self.trace.is_some() {
                        out.push(part(None, never(), None));
                    }
                }
            }
        }
        Ok(out)
    }

    /// The rows in which one of them holds.
    fn any(&mut self, ty: TypeId, left: &[Remains<'_>]) -> Result<Arc<Pred>, Refusal> {
        Ok(or(self.parts(ty, left)?.into_iter().map(|part| part.condition)))
    }

    fn parts(&mut self, ty: TypeId, left: &[Remains<'_>]) -> Result<Vec<Part>, Refusal> {
        let mut out = Vec::with_capacity(left.len());
        for (rule, expr) in left {
            let condition = self.condition(ty, rule, expr.as_deref(), None)?;
            let (rule, left) = (Arc::clone(rule), expr.clone());
            out.push(Part { rule, left, agreement: None, shown: None, condition });
        }
        Ok(out)
    }

    fn condition(
        &mut self,
        ty: TypeId,
        rule: &Rule,
        left: Option<&pst::Expr>,
        only: Option<&Agreement>,
    ) -> Result<Arc<Pred>, Refusal> {
        let Some(left) = left else { return Ok(always()) };
        let key = (rule.id.clone(), ty, left.to_string(), only.map(|a| a.id));
        if let Some((p, asked)) = self.memo.get(&key) {
            self.deciding.extend(asked);
            return Ok(p.clone());
        }
        let agreements = only.map_or(self.agreements, std::slice::from_ref);
        let organisation = self.asker.organisation;
        let convert = Convert { resource: ty, organisation, agreements, asked: RefCell::default() };
        let p = convert.pred(left).map_err(|why| not_sql(rule, ty, &why))?;
        let asked = convert.asked.into_inner();
        self.deciding.extend(&asked);
        self.memo.insert(key, (p.clone(), asked));
        Ok(p)
    }
}

/// How the agreement shows the field; one that it does not name stays hidden. Two of its rows may mean
/// one field, by name and by column: the one that shows less counts.
fn agreed(agreement: &Agreement, ty: &Type, field: &Field) -> Option<Treatment> {
    let said: Option<Vec<Treatment>> =
        agreement.fields.iter().filter(|row| speaks_of(row, ty, field)).map(|row| row.treatment).collect();
    said?.into_iter().min_by_key(|t| t.fullness())
}

/// Whether an agreement's row means this field.
pub fn speaks_of(row: &FieldRow, ty: &Type, field: &Field) -> bool {
    let is_type = row.object == ty.singular()
        || row.object == ty.table
        || ty.scope.is_some_and(|scope| scope.object == row.object);
    is_type && (row.field == field.name || row.field == field.column)
}

fn levels_of(levels: BTreeMap<(u8, i64), (Treatment, Arc<Pred>)>) -> FieldView {
    let mut out: Vec<(Arc<Pred>, Treatment)> = Vec::new();
    for (shown, p) in levels.into_values().rev() {
        if p.is_never() {
            continue;
        }
        let last = p.is_always();
        out.push((p, shown));
        if last {
            break;
        }
    }
    FieldView { levels: out }
}

/// A stored value as Cedar's. A null leaves an optional attribute out.
fn attribute(field: &Field, ty: &str, value: Option<&Value>) -> Option<RestrictedExpression> {
    use RestrictedExpression as R;
    let parse = |text: String| text.parse().ok();
    match value? {
        Value::Uuid(Some(id)) => Some(R::new_entity_uid(uid(ty, &id.to_string()))),
        Value::String(Some(text)) if field.code.is_some() => Some(R::new_entity_uid(uid(ty, text))),
        Value::String(Some(text)) => Some(R::new_string(text.to_string())),
        Value::Bool(Some(b)) => Some(R::new_bool(*b)),
        Value::SmallInt(Some(n)) => Some(R::new_long(i64::from(*n))),
        Value::Int(Some(n)) => Some(R::new_long(i64::from(*n))),
        Value::BigInt(Some(n)) => match field.kind {
            Kind::Decimal => {
                let text = Decimal(*n).to_string();
                parse(format!("decimal(\"{text}{}\")", if text.contains('.') { "" } else { ".0" }))
            }
            Kind::Instant => {
                let at = Instant(*n).utc().to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
                parse(format!("datetime(\"{at}\")"))
            }
            _ => Some(R::new_long(*n)),
        },
        Value::ChronoDate(Some(day)) => parse(format!("datetime(\"{day}\")")),
        _ => None,
    }
}

/// Compiling without a seat, to see whether a policy can be compiled at all.
pub mod dry {
    use super::{
        Arc, CATALOGUE, Convert, FieldClass, HashMap, Kind, RefCell, Refusal, Rule, Rules, TypeId, Uuid, Value,
        not_sql, schema,
    };

    pub struct Asker(super::Asker);

    impl Asker {
        pub fn new(rules: &Rules, organisation: Uuid, kind: &str, roles: &[&str]) -> Result<Self, String> {
            let ty = CATALOGUE.by_name(schema::ORGANISATION).ok_or("the catalogue has no Organisation")?;
            let attributes: HashMap<String, Value> = ty
                .fields
                .iter()
                .map(|f| {
                    let value = match f.kind {
                        Kind::Id => Value::Uuid(Some(organisation)),
                        Kind::Bool => Value::Bool(Some(false)),
                        Kind::Int | Kind::Decimal | Kind::Instant => Value::BigInt(Some(0)),
                        Kind::Date => Value::ChronoDate(Some(chrono::NaiveDate::default())),
                        Kind::Text | Kind::Json => Value::String(Some(String::new())),
                    };
                    (f.column.to_string(), value)
                })
                .collect();
            super::Asker::new(rules, organisation, &attributes, &[kind], roles).map(Asker)
        }

        pub fn compile(&self, rules: &Rules, ty: TypeId, class: &FieldClass, rule: &Arc<Rule>) -> Result<(), Refusal> {
            if !self.0.meant_by(&rule.policy) {
                return Ok(());
            }
            for (rule, left) in self.0.leave(rules, ty, &class.action, &[rule])? {
                let organisation = self.0.organisation;
                let convert = Convert { resource: ty, organisation, agreements: &[], asked: RefCell::default() };
                if let Some(left) = left {
                    convert.pred(&left).map_err(|why| not_sql(rule, ty, &why))?;
                }
            }
            Ok(())
        }
    }
}
