//! Catalogue → Cedar schema. One read action per field, member of the field's groups and of its
//! type's groups; the key needs none, since a row is there for whoever may read one of its fields.
//! Writing has actions of its own, in groups of its own: a permit to read never grants a write.

use std::{collections::BTreeSet, fmt::Write};

use entities::meta::{Holder, Kind};

use crate::catalogue::{Catalogue, Field, Type, pascal};

/// What an organisation can be to the host.
pub const KINDS: &[&str] =
    &["internal", "supplier", "distributor", "contract_manufacturer", "logistics", "service_partner", "customer"];

/// The roles that policies may name.
pub const ROLES: &[&str] = &[
    "admin",
    "planner",
    "sales_rep",
    "sales_manager",
    "support_agent",
    "finance",
    "marketing",
    "partner_admin",
    "partner_planner",
    "partner_sales",
    "partner_marketing",
    "service_account",
];

/// The type of whoever asks, and of every reference to a person.
pub const ASKER: &str = "Principal";
pub const ORGANISATION: &str = "Organisation";

/// `case` → (`sharedCases`, `SharedCases`): the rows that an agreement's scopes cover.
pub const SCOPES: &[(&str, &str, &str)] = &[
    ("customer", "sharedCustomers", "SharedCustomers"),
    ("demand", "sharedDemand", "SharedDemand"),
    ("order", "sharedOrders", "SharedOrders"),
    ("case", "sharedCases", "SharedCases"),
    ("inventory", "sharedInventory", "SharedInventory"),
];

/// To take rows of a type along, as a file. Which fields are in it, reading decides.
pub const EXPORT: &str = "export";

/// Types that are closed to mutations of the catalogue's, and have some of their own.
const MANAGED: &[&str] = &[WEBHOOK];
pub const WEBHOOK: &str = "WebhookEndpoint";

pub fn action(ty: &Type, field: &Field) -> String {
    format!("{}.{}", ty.name, field.name)
}

/// To change the field of a row: `SupplyCommitment.qty:write`, in `SupplyCommitment:write`, in `write`.
pub fn write(ty: &Type, field: &Field) -> String {
    format!("{}.{}:write", ty.name, field.name)
}

/// To make a row, with whatever is in it.
pub fn create(ty: &Type) -> String {
    format!("{}:create", ty.name)
}

pub fn delete(ty: &Type) -> String {
    format!("{}:delete", ty.name)
}

/// To do what the hub has operations for with rows that no mutation of the catalogue's writes.
pub fn manage(ty: &Type) -> Option<String> {
    MANAGED.contains(&ty.name).then(|| format!("{}:manage", ty.name))
}

/// The attributes of a type that conditions can read. JSON and keys that point at no entity have no
/// Cedar type. A person has its organisation only: the view of a seat serves whoever holds the seat.
pub fn attributes(ty: &Type) -> impl Iterator<Item = (&Field, String)> {
    ty.fields.iter().skip(1).filter(|f| ty.name != ASKER || f.name == "organisation").filter_map(|f| {
        let name = match (f.kind, f.to, f.code) {
            (Kind::Id, Some(to), _) => crate::catalogue::CATALOGUE.types.get(to.0).map(|t| t.name)?,
            (_, _, Some(code)) => code,
            (Kind::Text, ..) => "String",
            (Kind::Int, ..) => "Long",
            (Kind::Bool, ..) => "Bool",
            (Kind::Decimal, ..) => "decimal",
            (Kind::Instant | Kind::Date, ..) => "datetime",
            (Kind::Id | Kind::Json, ..) => return None,
        };
        Some((f, name.to_string()))
    })
}

/// The sets that rows of this type can be members of, if the attribute that holds them is kept.
fn parents(ty: &Type, kept: &dyn Fn(&str) -> bool) -> Vec<String> {
    let memberships = ty.memberships.iter().filter(|m| m.code.is_none() && kept(m.name)).map(|m| pascal(m.name));
    let scope = ty.scope.and_then(|s| SCOPES.iter().find(|(object, held, _)| *object == s.object && kept(held)));
    let mut all: Vec<String> = memberships.chain(scope.map(|(.., entity)| (*entity).to_string())).collect();
    if ty.name == ASKER {
        all.extend(["Role", ORGANISATION].map(String::from));
    }
    if ty.name == ORGANISATION {
        all.push("Kind".into());
    }
    all
}

pub fn generate(catalogue: &Catalogue) -> String {
    with(catalogue, &|_| true)
}

/// With these attributes only, and the sets that they hold: policies that name no other are decided alike.
pub fn narrowed(catalogue: &Catalogue, attributes: &BTreeSet<String>) -> String {
    with(catalogue, &|name| attributes.contains(name))
}

fn with(catalogue: &Catalogue, kept: &dyn Fn(&str) -> bool) -> String {
    let mut out = String::from(
        "// Generated from the entities by `entente policy schema`. A test holds it against them.\n\n\
         // ---- who asks\n",
    );
    let quoted = |names: &[&str]| names.iter().map(|n| format!("\"{n}\"")).collect::<Vec<_>>().join(", ");
    let mut line = |text: String| {
        out.push_str(&text);
        out.push('\n');
    };
    line(format!("entity Kind enum [{}];", quoted(KINDS)));
    line(format!("entity Role enum [{}];", quoted(ROLES)));
    line("// what every request carries: the moment it is made\ntype Now = { now: datetime };\n".into());

    line("// ---- sets of rows that somebody holds: `resource in principal.organisation.suppliedCases`".into());
    for (object, _, entity) in SCOPES {
        line(format!("// rows that the scopes of an agreement in force cover, object `{object}`\nentity {entity};"));
    }
    let mut codes = BTreeSet::new();
    for ty in &catalogue.types {
        for m in ty.memberships {
            line(format!("// {}\nentity {};", m.doc, pascal(m.name)));
        }
        codes.extend(ty.fields.iter().filter_map(|f| f.code));
    }
    for code in codes {
        let parents: Vec<String> = catalogue
            .types
            .iter()
            .flat_map(|t| t.memberships)
            .filter(|m| m.code == Some(code) && kept(m.name))
            .map(|m| pascal(m.name))
            .collect();
        line(format!("entity {code}{};", in_clause(&parents)));
    }

    line("\n// ---- what is asked for".into());
    for ty in &catalogue.types {
        let mut text = format!("entity {}{} {{\n", ty.name, in_clause(&parents(ty, kept)));
        for (field, name) in attributes(ty).filter(|(field, _)| kept(&field.name)) {
            let _ = writeln!(text, "  {}{}: {name},", field.name, if field.optional { "?" } else { "" });
        }
        let holder = match ty.name {
            ASKER => Some(Holder::Principal),
            ORGANISATION => Some(Holder::Organisation),
            _ => None,
        };
        if let Some(holder) = holder {
            for (_, m) in catalogue.memberships(holder).filter(|(_, m)| kept(m.name)) {
                let _ = writeln!(text, "  {}: {},", m.name, pascal(m.name));
            }
        }
        if ty.name == ORGANISATION {
            for (_, attribute, entity) in SCOPES.iter().filter(|(_, attribute, _)| kept(attribute)) {
                let _ = writeln!(text, "  {attribute}: {entity},");
            }
        }
        line(text + "};");
    }

    line("\n// ---- reading, field by field".into());
    line("action \"read\";".into());
    let groups: BTreeSet<&str> =
        catalogue.types.iter().flat_map(|t| t.fields.iter().skip(1)).flat_map(groups_of).collect();
    for group in groups {
        line(format!("action \"{group}\" in [\"read\"];"));
    }
    for ty in &catalogue.types {
        line(format!("\naction \"{}\" in [\"read\"];", ty.name));
        let own: BTreeSet<&str> = ty.fields.iter().skip(1).flat_map(groups_of).collect();
        for group in own {
            line(format!("action \"{0}:{group}\" in [\"{0}\", \"{group}\"];", ty.name));
        }
        for field in ty.fields.iter().skip(1) {
            let groups: Vec<String> = groups_of(field).map(|g| format!("\"{}:{g}\"", ty.name)).collect();
            line(format!(
                "action \"{}\" in [{}] appliesTo {{ principal: [{ASKER}], resource: [{}], context: Now }};",
                action(ty, field),
                groups.join(", "),
                ty.name
            ));
        }
    }

    line("\n// ---- writing: whoever writes must see the row and read the field, before and after".into());
    line("action \"write\";".into());
    for ty in catalogue.types.iter().filter(|ty| !ty.closed) {
        let on = format!("appliesTo {{ principal: [{ASKER}], resource: [{}], context: Now }};", ty.name);
        line(format!("\naction \"{}:write\" in [\"write\"];", ty.name));
        for action in [create(ty), delete(ty)] {
            line(format!("action \"{action}\" in [\"write\"] {on}"));
        }
        for (_, field) in ty.writable() {
            line(format!("action \"{}\" in [\"{}:write\"] {on}", write(ty, field), ty.name));
        }
    }
    line("\n// ---- operations of the domain, each on rows of its own type".into());
    for ty in &catalogue.types {
        if let Some(action) = manage(ty) {
            line(format!(
                "action \"{action}\" in [\"write\"] appliesTo {{ principal: [{ASKER}], resource: [{}], context: Now }};",
                ty.name
            ));
        }
    }
    let all: Vec<&str> = catalogue.types.iter().map(|ty| ty.name).collect();
    line(format!(
        "\n// ---- taking rows along, as a file: those that are read anyway\n\
         action \"{EXPORT}\" appliesTo {{ principal: [{ASKER}], resource: [{}], context: Now }};",
        all.join(", ")
    ));
    out
}

/// The action groups of a field: its class, and those that cut across classes.
pub fn groups_of(field: &Field) -> impl Iterator<Item = &'static str> + use<> {
    std::iter::once(field.class.group()).chain(field.groups.iter().copied())
}

fn in_clause(parents: &[String]) -> String {
    if parents.is_empty() { String::new() } else { format!(" in [{}]", parents.join(", ")) }
}

#[cfg(test)]
mod tests {
    use cedar_policy::Schema;

    use super::*;
    use crate::catalogue::CATALOGUE;

    #[test]
    fn no_group_of_reading_holds_a_write() {
        let (schema, _) = Schema::from_cedarschema_str(&generate(&CATALOGUE)).unwrap();
        let actions = schema.action_entities().unwrap();
        let (mut reads, mut writes) = (0, 0);
        for action in actions.iter() {
            let groups: Vec<String> =
                actions.ancestors(&action.uid()).unwrap().map(|group| group.id().unescaped().to_owned()).collect();
            let is = |name: &str| action.uid().id().unescaped() == name || groups.iter().any(|group| group == name);
            let kinds = ["read", "write", "export"].into_iter().filter(|kind| is(kind)).count();
            assert_eq!(kinds, 1, "{}: {groups:?}", action.uid());
            if is("write") {
                writes += 1;
                assert!(groups.iter().all(|group| group == "write" || group.ends_with(":write")), "{groups:?}");
            }
            reads += usize::from(is("read"));
        }
        assert!(reads > 300 && writes > 300);
    }

    #[test]
    fn keys_what_the_hub_fills_and_its_own_log_have_no_action_to_write() {
        let text = generate(&CATALOGUE);
        for action in ["SupplyCommitment.qty:write", "SupplyCommitment:create", "SupplyCommitment:delete"] {
            assert!(text.contains(&format!("action \"{action}\"")), "{action}");
        }
        for action in
            ["SupplyCommitment.rowVersion:write", "SupplyCommitment.id:write", "AuditEvent:write", "AuditEvent:create"]
        {
            assert!(!text.contains(&format!("action \"{action}\"")), "{action}");
        }
    }
}
