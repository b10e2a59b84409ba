//! Random policies: permits, forbids and treatments over random actions, with conditions composed of
//! whatever has a SQL form. They are written as text, so that a failure can be read and kept.

use entente::catalogue::{CATALOGUE, Field, Type};
use entities::meta::{Holder, Kind};
use rand::{Rng, rngs::StdRng, seq::SliceRandom};

use super::world::{REGIONS, ROLES, World, ty};

/// Types that random policies speak of, most connected first.
pub const SUBJECTS: &[&str] = &[
    "Customer",
    "SalesOrder",
    "OrderLine",
    "DemandSeries",
    "DemandBucket",
    "Case",
    "CaseProduct",
    "Contact",
    "Product",
    "InventoryPosition",
    "PartnerProduct",
    "AgreementScope",
    "Organisation",
    "Principal",
    "SupplyCommitment",
];
/// Those that say who stands behind their numbers, and what sums of them are grouped by.
const GRIDS: &[(&str, &str)] =
    &[("DemandBucket", "series.region bucketStart.month"), ("OrderLine", "order.shipToRegion product.family")];
const KINDS: &[&str] = &["internal", "supplier", "distributor", "logistics"];
const MOVES: &[&str] =
    &["0ms", "1ms", "-1ms", "7d", "-7d", "30d", "-30d", "1h", "-90m", "1d2h3m4s5ms", "-183d", "546d", "60d"];

pub struct Grammar<'a> {
    pub rng: &'a mut StdRng,
    pub world: &'a World,
}

/// An attribute that a condition can read, with what must be tested before.
struct Reached {
    path: String,
    guards: Vec<String>,
    field: Option<&'static Field>,
    of: &'static Type,
}

impl Grammar<'_> {
    fn pick<T: Clone>(&mut self, of: &[T]) -> T {
        of.choose(self.rng).expect("some").clone()
    }

    fn chance(&mut self, of: f64) -> bool {
        self.rng.gen_bool(of)
    }

    /// A set of policies about a few types.
    pub fn policies(&mut self, count: usize) -> Vec<String> {
        let mut subjects: Vec<&str> = SUBJECTS.choose_multiple(self.rng, 4).copied().collect();
        subjects.extend([self.world.covered(self.rng), self.world.covered(self.rng)]);
        (0..count).map(|i| self.policy(i, &subjects)).collect()
    }

    fn policy(&mut self, number: usize, subjects: &[&str]) -> String {
        let permit = self.chance(0.72);
        let (mut texts, mut stock, mut plain) = (false, false, false);
        let mut text = format!("@id(\"random.{number}\")\n@doc(\"random\")\n");
        if permit {
            match self.rng.gen_range(0..100) {
                0..=7 => text += "@tier(\"legal\")\n",
                8..=16 => {
                    texts = true;
                    text += &format!("@treatment(\"prefix:{}\")\n", self.rng.gen_range(1..4));
                }
                17..=22 => {
                    texts = true;
                    text += "@treatment(\"email_mask\")\n";
                }
                23..=30 => text += &format!("@treatment(\"band:{}\")\n", self.pick(&["5", "1", "0.5", "100"])),
                31..=46 => text += "@treatment(\"agreement\")\n",
                47..=48 => text += "@treatment(\"hidden\")\n",
                55..=60 => {
                    stock = true;
                    text += &format!("@treatment(\"days_of_supply:{}\")\n", self.pick(&["7", "28", "364"]));
                }
                49..=54 => {
                    texts = true;
                    text += "@treatment(\"pseudonym\")\n";
                }
                _ => plain = true,
            }
        }
        let principal = match self.rng.gen_range(0..6) {
            0 => format!("principal in Kind::\"{}\"", self.pick(KINDS)),
            1 => format!("principal in Role::\"{}\"", self.pick(ROLES)),
            2 => "principal is Principal".to_string(),
            _ => "principal".to_string(),
        };
        let (action, resource, condition) = if self.chance(0.8) {
            let of = ty(if stock { "InventoryPosition" } else { self.pick(subjects) });
            let condition = self.condition(of, 2);
            let action = if texts { self.texts_of(of) } else { self.action(of) };
            // sums show no row
            if let Some((_, by)) = GRIDS.iter().find(|(name, _)| plain && *name == of.name)
                && self.chance(0.3)
            {
                text += &format!("@treatment(\"aggregate_only:2,0.9\")\n@by(\"{by}\")\n");
            }
            (action, format!("resource is {}", of.name), condition)
        } else {
            let (one, two) = (ty(self.pick(subjects)), ty(self.pick(subjects)));
            let groups: Vec<&str> = groups(one).into_iter().chain(groups(two)).collect();
            let group = if self.chance(0.4) { "read" } else { self.pick(&groups) };
            let (a, b) = (self.condition(one, 1), self.condition(two, 1));
            let condition =
                format!("(resource is {} && {a}) || (resource is {} && {b}) || {}", one.name, two.name, self.asker());
            (format!("action in Action::\"{group}\""), "resource".to_string(), condition)
        };
        text += &format!("{} ({principal}, {action}, {resource})", if permit { "permit" } else { "forbid" });
        match self.rng.gen_range(0..10) {
            0 if permit => {}
            1 => text += &format!("\nunless {{ {condition} }}"),
            2 => text += &format!("\nwhen {{ {condition} }}\nunless {{ {} }}", self.asker()),
            _ => text += &format!("\nwhen {{ {condition} }}"),
        }
        text + ";\n"
    }

    fn texts_of(&mut self, of: &'static Type) -> String {
        let texts = of.fields.iter().skip(1).filter(|f| f.kind == Kind::Text);
        let all: Vec<String> = texts.map(|f| format!("Action::\"{}.{}\"", of.name, f.name)).collect();
        if all.is_empty() { self.action(of) } else { format!("action in [{}]", all.join(", ")) }
    }

    fn action(&mut self, of: &'static Type) -> String {
        let field = |g: &mut Self| {
            let field = g.pick(&of.fields.iter().skip(1).collect::<Vec<_>>());
            format!("Action::\"{}.{}\"", of.name, field.name)
        };
        match self.rng.gen_range(0..8) {
            0 => "action".to_string(),
            1 => "action in Action::\"read\"".to_string(),
            2 | 3 => format!("action in Action::\"{}\"", of.name),
            4 => {
                let group = self.pick(&groups(of));
                format!("action in Action::\"{}:{group}\"", of.name)
            }
            5 => {
                let group = self.pick(&groups(of));
                format!("action in Action::\"{group}\"")
            }
            6 => format!("action == {}", field(self)),
            _ => {
                let mut all: Vec<String> = (0..self.rng.gen_range(2..6)).map(|_| field(self)).collect();
                all.dedup();
                format!("action in [{}]", all.join(", "))
            }
        }
    }

    /// A condition on a row of this type.
    fn condition(&mut self, of: &'static Type, depth: usize) -> String {
        if depth == 0 || self.chance(0.25) {
            return self.atom(of);
        }
        let mut inner = || self.condition(of, depth - 1);
        let (a, b) = (inner(), inner());
        match self.rng.gen_range(0..8) {
            0 | 1 => format!("({a} && {b})"),
            2 | 3 => format!("({a} || {b})"),
            4 => format!("!{a}"),
            5 => format!("(if {a} then {b} else {})", self.condition(of, depth - 1)),
            6 => format!("(if {a} then {b} else false)"),
            _ => a,
        }
    }

    /// What the seat alone decides.
    fn asker(&mut self) -> String {
        match self.rng.gen_range(0..7) {
            0 => format!("principal in Kind::\"{}\"", self.pick(KINDS)),
            1 => format!("principal in Role::\"{}\"", self.pick(ROLES)),
            2 => format!("principal in [Role::\"{}\", Role::\"{}\"]", self.pick(ROLES), self.pick(ROLES)),
            3 => format!("!(principal in Kind::\"{}\")", self.pick(KINDS)),
            4 => format!("principal.organisation.region == Region::\"{}\"", self.pick(REGIONS)),
            5 => "(principal.organisation has partnerTier && principal.organisation.partnerTier like \"a*\")".into(),
            _ => {
                let sign = self.pick(&["<", "<=", ">", ">="]);
                format!("context.now {sign} {}", self.moment())
            }
        }
    }

    /// One test, in parentheses if it is more than one expression.
    fn atom(&mut self, of: &'static Type) -> String {
        if self.chance(0.1) {
            return format!("({})", self.asker());
        }
        if self.chance(0.05) {
            let field = self.pick(&of.fields.iter().skip(1).collect::<Vec<_>>());
            return format!("(action == Action::\"{}.{}\")", of.name, field.name);
        }
        let reached = self.reach(of);
        let test = self.test(of, &reached);
        let all: Vec<String> = reached.guards.into_iter().chain(test).collect();
        let text = if all.is_empty() { "true".to_string() } else { format!("({})", all.join(" && ")) };
        // the same guard, said with a branch
        if all.len() > 1 && self.chance(0.15) {
            return format!("(if {} then {} else true)", all[..all.len() - 1].join(" && "), all[all.len() - 1]);
        }
        text
    }

    /// A walk over up to three references.
    fn reach(&mut self, from: &'static Type) -> Reached {
        let mut reached = Reached { path: "resource".into(), guards: Vec::new(), field: None, of: from };
        for step in 0..4 {
            let fields: Vec<&'static Field> = readable(reached.of);
            if fields.is_empty() || step == 0 && self.chance(0.12) {
                break;
            }
            // times are few among the fields, and their edges the easiest to get wrong
            let times: Vec<_> =
                fields.iter().filter(|f| matches!(f.kind, Kind::Date | Kind::Instant)).copied().collect();
            let field = if !times.is_empty() && self.chance(0.2) { self.pick(&times) } else { self.pick(&fields) };
            if field.optional {
                reached.guards.push(format!("{} has {}", reached.path, field.name));
            }
            reached.path = format!("{}.{}", reached.path, field.name);
            reached.field = Some(field);
            match field.to {
                Some(to) if step < 3 && self.chance(0.65) => reached.of = CATALOGUE.ty(to),
                Some(to) => {
                    reached.of = CATALOGUE.ty(to);
                    break;
                }
                None => break,
            }
        }
        // `has` over a whole chain
        if reached.guards.len() > 1 && reached.guards.len() == reached.path.matches('.').count() && self.chance(0.4) {
            let chain = reached.path.trim_start_matches("resource.");
            reached.guards = vec![format!("resource has {chain}")];
        }
        reached
    }

    /// A test of what was reached; none if its presence is the test.
    fn test(&mut self, of: &'static Type, reached: &Reached) -> Option<String> {
        let path = &reached.path;
        if !reached.guards.is_empty() && self.chance(0.1) {
            return None;
        }
        let Some(field) = reached.field else { return Some(self.entity(path, reached.of)) };
        if field.to.is_some() {
            return Some(self.entity(path, reached.of));
        }
        if self.chance(0.12)
            && let Some(test) = self.other_column(of, path, field)
        {
            return Some(test);
        }
        Some(match field.kind {
            Kind::Text if field.code.is_some() => self.region(path),
            Kind::Text => self.text(path, field),
            Kind::Int => {
                let n = self.pick(&[-7, 0, 1, 2, 5, 6, 100]);
                match self.rng.gen_range(0..4) {
                    0 => format!("[0, {n}, 2].contains({path})"),
                    1 => format!("{n} {} {path}", self.sign()),
                    _ => format!("{path} {} {n}", self.sign()),
                }
            }
            Kind::Bool => match self.rng.gen_range(0..3) {
                0 => path.clone(),
                1 => format!("!({path})"),
                _ => format!("{path} == false"),
            },
            Kind::Decimal => {
                let n = self.pick(&["-1.5", "0.0", "1.0", "12.3456", "12.34", "99.9999", "1000.0"]);
                match self.rng.gen_range(0..6) {
                    0 => format!("{path}.lessThan(decimal(\"{n}\"))"),
                    1 => format!("{path}.lessThanOrEqual(decimal(\"{n}\"))"),
                    2 => format!("{path}.greaterThan(decimal(\"{n}\"))"),
                    3 => format!("decimal(\"{n}\").greaterThanOrEqual({path})"),
                    4 => format!("[decimal(\"{n}\"), decimal(\"1.0\")].contains({path})"),
                    _ => format!("{path} {} decimal(\"{n}\")", self.pick(&["==", "!="])),
                }
            }
            Kind::Instant | Kind::Date => {
                if self.chance(0.1) {
                    return Some(format!("[{}, {}].contains({path})", self.day(), self.day()));
                }
                let (sign, moment) = (self.sign(), self.moment());
                if self.chance(0.3) { format!("{moment} {sign} {path}") } else { format!("{path} {sign} {moment}") }
            }
            Kind::Id | Kind::Json => "true".to_string(),
        })
    }

    fn sign(&mut self) -> &'static str {
        self.pick(&["<", "<=", ">", ">=", "==", "!="])
    }

    /// A constant.
    fn day(&mut self) -> String {
        let base = self.world.now;
        let at = self.pick(&[base.0, base.0 - 1000, base.0 + 1000, base.0 + 86_400_000_000]);
        let form = self.pick(&["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S%.3fZ"]);
        format!("datetime(\"{}\")", entities::Instant(at).utc().format(form))
    }

    fn moment(&mut self) -> String {
        if self.chance(0.3) {
            let base = self.world.now;
            let at = self.pick(&[base.0, base.0 - 1000, base.0 + 1000, base.0 - 7 * 86_400_000_000]);
            let at = entities::Instant(at).utc();
            let mut text = match self.rng.gen_range(0..3) {
                0 => format!("datetime(\"{}\")", at.format("%Y-%m-%d")),
                1 => format!("datetime(\"{}\")", at.format("%Y-%m-%dT%H:%M:%S%.3fZ")),
                _ => format!("datetime(\"{}\")", at.format("%Y-%m-%dT%H:%M:%S+0100")),
            };
            if self.chance(0.2) {
                text += &format!(".offset(duration(\"{}\"))", self.pick(MOVES));
            }
            return text;
        }
        let mut text = "context.now".to_string();
        for _ in 0..self.pick(&[0, 0, 0, 1, 1, 2]) {
            let by = if self.chance(0.4) { self.pick(&["1ms", "-1ms"]) } else { self.pick(MOVES) };
            text += &format!(".offset(duration(\"{by}\"))");
        }
        text
    }

    fn text(&mut self, path: &str, field: &Field) -> String {
        let known =
            if field.one_of.is_empty() { &["a", "A", "ab", "", "10%", "it's", "ä", "seals"] } else { field.one_of };
        let quoted = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
        match self.rng.gen_range(0..4) {
            0 => {
                // as Cedar writes them: `\*` is a star, `*` any run of characters
                let pattern = [
                    r"*", r"a*", r"*a", r"*b*", r"A*", r"b%*", r"x_y", r"*_*", r"[z]*", r"[z]\**", r"*?", r"back\\*",
                    r"\**", r"*@*", r"ä*", r"*'s", r"10%", r"1?1*", r"", r"*@b.*", r"s*s",
                ];
                format!("{path} like \"{}\"", self.pick(&pattern))
            }
            1 => {
                let (a, b) = (self.pick(known), self.pick(known));
                format!("[{}, {}].contains({path})", quoted(a), quoted(b))
            }
            _ => {
                let (sign, text) = (self.pick(&["==", "!="]), self.pick(known));
                format!("{path} {sign} {}", quoted(text))
            }
        }
    }

    fn region(&mut self, path: &str) -> String {
        let (a, b) = (self.pick(REGIONS), self.pick(REGIONS));
        match self.rng.gen_range(0..7) {
            0 => format!("{path} == Region::\"{a}\""),
            1 => format!("{path} != Region::\"{a}\""),
            2 => format!("{path} in [Region::\"{a}\", Region::\"{b}\"]"),
            3 => format!("[Region::\"{a}\", Region::\"{b}\"].contains({path})"),
            4 => format!("principal.organisation.region == {path}"),
            _ => format!("{path} in principal.territory"),
        }
    }

    fn entity(&mut self, path: &str, of: &'static Type) -> String {
        let mut all: Vec<String> = Vec::new();
        for m in of.memberships.iter().filter(|m| m.code.is_none()) {
            let holder = if m.holder == Holder::Principal { "principal" } else { "principal.organisation" };
            all.push(format!("{path} in {holder}.{}", m.name));
        }
        let scope = match of.name {
            "Customer" => Some("sharedCustomers"),
            "SalesOrder" | "OrderLine" => Some("sharedOrders"),
            "DemandSeries" => Some("sharedDemand"),
            "Case" => Some("sharedCases"),
            "InventoryPosition" => Some("sharedInventory"),
            _ => None,
        };
        if let Some(scope) = scope {
            let shared = format!("{path} in principal.organisation.{scope}");
            all.extend([shared.clone(), shared, format!("{path} is {} in principal.organisation.{scope}", of.name)]);
        }
        match of.name {
            "Organisation" => {
                all.push(format!("{path} == principal.organisation"));
                all.push(format!("{path} != principal.organisation"));
            }
            "Principal" => all.push(format!("{path} == principal")),
            _ => {}
        }
        let rows: Vec<String> = self.world.all(of.name).map(|r| format!("{}::\"{}\"", of.name, r.key())).collect();
        if all.is_empty() || self.chance(0.12) {
            all.push(format!("{path} is {}", of.name));
            // a policy never names a person
            if of.name != "Principal" && rows.len() > 1 {
                all.push(format!("{path} == {}", rows[0]));
                all.push(format!("{path} in [{}, {}]", rows[0], rows[1]));
                all.push(format!("[{}].contains({path})", rows[1]));
            }
        }
        self.pick(&all)
    }

    /// Against another attribute of the same kind, here or behind references.
    fn other_column(&mut self, of: &'static Type, path: &str, field: &Field) -> Option<String> {
        for _ in 0..12 {
            let other = self.reach(of);
            let Some(theirs) = other.field else { continue };
            if theirs.kind != field.kind || theirs.code != field.code || theirs.to != field.to || other.path == path {
                continue;
            }
            let test = match field.kind {
                Kind::Int | Kind::Instant | Kind::Date => format!("{path} {} {}", self.sign(), other.path),
                Kind::Decimal => format!("{path}.{}({})", self.pick(&["lessThan", "greaterThanOrEqual"]), other.path),
                _ => format!("{path} {} {}", self.pick(&["==", "!="]), other.path),
            };
            let all: Vec<String> = other.guards.into_iter().chain([test]).collect();
            return Some(format!("({})", all.join(" && ")));
        }
        None
    }
}

/// What conditions can read of a type; of a person that is the organisation only.
fn readable(of: &'static Type) -> Vec<&'static Field> {
    let fields = of.fields.iter().skip(1).filter(|f| f.kind != Kind::Json && (f.kind != Kind::Id || f.to.is_some()));
    fields.filter(|f| of.name != "Principal" || f.name == "organisation").collect()
}

fn groups(of: &Type) -> Vec<&'static str> {
    let mut all: Vec<&'static str> =
        of.fields.iter().skip(1).flat_map(|f| [f.class.group()].into_iter().chain(f.groups.iter().copied())).collect();
    all.sort_unstable();
    all.dedup();
    all
}
