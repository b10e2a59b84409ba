//! The catalogue: every type, field and relation of the hub, read off the entities once at start.
//! Cedar schema, GraphQL schema, plans, import, export and documentation derive from it.

#[cfg(test)]
mod drift;
mod looks;
mod names;
mod value;

use std::{collections::HashMap, sync::LazyLock};

use entities::{
    Decimal,
    meta::{Behind, Class, Demand, EntityDef, Filled, Holder, Kind, Membership, Scope},
};

pub use names::{camel, pascal, screaming};
pub use value::Value;

/// The index of a type in [`Catalogue::types`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TypeId(pub usize);

/// The catalogue of this build.
pub static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(|| Catalogue::new(entities::REGISTRY));

#[derive(Debug)]
pub struct Catalogue {
    pub types: Vec<Type>,
    /// By type and field, the rows in which a person has opened it.
    looks: Vec<Vec<Membership>>,
    by_name: HashMap<&'static str, TypeId>,
}

#[derive(Debug)]
pub struct Type {
    pub id: TypeId,
    /// `SalesOrder`
    pub name: &'static str,
    /// `salesOrders`
    pub plural: &'static str,
    pub table: &'static str,
    pub doc: &'static str,
    /// `fields[0]` is the key.
    pub fields: Vec<Field>,
    /// The rows of other types that point at this one.
    pub lists: Vec<List>,
    pub scope: Option<Scope>,
    pub demand: Option<Demand>,
    /// The path to the person who answers for a row.
    pub owner: Option<&'static str>,
    pub behind: Option<Behind>,
    pub memberships: &'static [Membership],
    /// Nobody but the hub writes its rows.
    pub closed: bool,
}

#[derive(Debug)]
pub struct Field {
    /// `shipToRegion`; a reference drops its `_id`.
    pub name: String,
    pub column: &'static str,
    pub kind: Kind,
    pub wide: bool,
    pub optional: bool,
    pub small: bool,
    pub class: Class,
    pub groups: &'static [&'static str],
    pub to: Option<TypeId>,
    pub code: Option<&'static str>,
    pub unit: Option<&'static str>,
    pub least: Option<i64>,
    pub most: Option<i64>,
    pub one_of: &'static [&'static str],
    pub filled: Option<Filled>,
    pub doc: &'static str,
}

#[derive(Debug)]
pub struct List {
    pub name: &'static str,
    pub of: TypeId,
    /// The field of the other type that holds our key.
    pub by: usize,
}

impl Catalogue {
    pub fn new(registry: &'static [EntityDef]) -> Self {
        let by_name: HashMap<_, _> = registry.iter().enumerate().map(|(i, def)| (def.name, TypeId(i))).collect();
        let mut types: Vec<Type> =
            registry.iter().enumerate().map(|(i, def)| Type::new(TypeId(i), def, &by_name)).collect();
        for def in registry {
            for (by, field) in def.fields.iter().enumerate() {
                if let (Some(to), Some(name)) = (field.to, field.many) {
                    types[by_name[to].0].lists.push(List { name, of: by_name[def.name], by });
                }
            }
        }
        let looks = types.iter().map(|ty| ty.fields.iter().map(|field| looks::at(ty, field)).collect()).collect();
        Catalogue { types, looks, by_name }
    }

    pub fn ty(&self, id: TypeId) -> &Type {
        &self.types[id.0]
    }

    pub fn by_name(&self, name: &str) -> Option<&Type> {
        self.by_name.get(name).map(|id| self.ty(*id))
    }

    /// The named membership, the type that declares it and, if its members are codes, their name.
    pub fn membership(&self, name: &str) -> Option<(&Type, &Membership)> {
        let looks = self.types.iter().zip(&self.looks).map(|(ty, looks)| (ty, &looks[..]));
        let mut all = self.types.iter().map(|ty| (ty, ty.memberships)).chain(looks);
        all.find_map(|(ty, sets)| sets.iter().find(|m| m.name == name).map(|m| (ty, m)))
    }

    /// The rows of the type in which a person has opened the field; no policy names this set.
    pub fn looks(&self, ty: TypeId, field: usize) -> &Membership {
        &self.looks[ty.0][field]
    }

    pub fn memberships(&self, holder: Holder) -> impl Iterator<Item = (&Type, &'static Membership)> {
        self.types
            .iter()
            .flat_map(|ty| ty.memberships.iter().map(move |m| (ty, m)))
            .filter(move |(_, m)| m.holder == holder)
    }
}

impl Field {
    /// `from 0 to 100`, if not every number is one.
    pub fn range(&self) -> Option<String> {
        match (self.least, self.most) {
            (None, None) => None,
            (Some(least), None) => Some(format!("at least {least}")),
            (None, Some(most)) => Some(format!("at most {most}")),
            (Some(least), Some(most)) => Some(format!("from {least} to {most}")),
        }
    }

    /// What is expected instead of a number that is out of the range.
    pub fn refuses(&self, value: &Value) -> Option<String> {
        let (number, one) = match value {
            Value::Int(number) => (*number, 1),
            Value::Decimal(number) => (number.0, Decimal::SCALE),
            _ => return None,
        };
        let below = self.least.is_some_and(|least| number < least * one);
        let beyond = self.most.is_some_and(|most| number > most * one);
        self.range().filter(|_| below || beyond).map(|range| format!("a number, {range}"))
    }
}

impl Type {
    fn new(id: TypeId, def: &'static EntityDef, by_name: &HashMap<&'static str, TypeId>) -> Self {
        let fields = def.fields.iter().map(|f| Field {
            name: if f.to.is_some() { camel(f.column.trim_end_matches("_id")) } else { camel(f.column) },
            column: f.column,
            kind: f.kind,
            wide: f.wide,
            optional: f.optional,
            small: f.small,
            class: f.class,
            groups: f.groups,
            to: f.to.map(|to| by_name[to]),
            code: f.code,
            unit: f.unit,
            least: f.least,
            most: f.most,
            one_of: f.one_of,
            filled: f.filled,
            doc: f.doc,
        });
        Type {
            id,
            name: def.name,
            plural: def.plural,
            table: def.table,
            doc: def.doc,
            fields: fields.collect(),
            lists: Vec::new(),
            scope: def.scope,
            demand: def.demand,
            owner: def.owner,
            behind: def.behind,
            memberships: def.memberships,
            closed: def.closed,
        }
    }

    /// The fields that somebody can be permitted to write: not the key, and not what the hub fills.
    pub fn writable(&self) -> impl Iterator<Item = (usize, &Field)> {
        let open = self.fields.iter().enumerate().skip(1).filter(|_| !self.closed);
        // a key that points at no entity of the catalogue has no id that could be given
        open.filter(|(_, f)| f.filled.is_none() && (f.kind != Kind::Id || f.to.is_some()))
    }

    /// The field that counts the writes of a row.
    pub fn version(&self) -> Option<usize> {
        self.fields.iter().position(|f| f.filled == Some(Filled::Version))
    }

    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|f| f.name == name)
    }

    pub fn field_index(&self, name: &str) -> Option<usize> {
        self.fields.iter().position(|f| f.name == name)
    }

    pub fn list(&self, name: &str) -> Option<&List> {
        self.lists.iter().find(|l| l.name == name)
    }

    /// `salesOrder`
    pub fn singular(&self) -> String {
        names::lower_first(self.name)
    }

    /// The field by the name that scopes use: the column without `_id`.
    pub fn by_step(&self, step: &str) -> Option<(usize, &Field)> {
        self.fields
            .iter()
            .enumerate()
            .find(|(_, f)| f.column == step || f.to.is_some() && f.column.strip_suffix("_id") == Some(step))
    }
}
