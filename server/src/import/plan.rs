//! What an import does with each row, worked out once before the first: which columns fill which
//! fields, and how. Wrong names are found here, so that they are told once and not per row.

use std::{borrow::Cow, collections::BTreeMap};

use entities::{Decimal, meta::Kind};

use super::{
    cell::Form,
    derived::Derived,
    mapping::{Fill, Import, Mapping, Values, Word, plain},
    sheet::Row,
    template::{Fault, Template},
};
use crate::{
    catalogue::{CATALOGUE, Field, Type},
    error::{Error, Result},
};

/// Rows of these types are written by the hub alone; a row from elsewhere would be no evidence.
const OWN: &[&str] = &["AuditEvent"];
/// The column with a row's key in its source.
const KEY: &str = "key";
/// What is filled with the present if it is left empty.
const STAMPS: &[&str] = &["createdAt", "updatedAt"];

pub(super) struct Plan {
    pub(super) ty: &'static Type,
    pub(super) cells: Vec<Cell>,
    pub(super) key: Option<Template>,
    pub(super) when: Option<Template>,
    pub(super) derived: Option<Derived>,
    /// Fields that get the present when they are empty.
    pub(super) stamps: Vec<usize>,
}

/// A field and what fills it.
pub(super) struct Cell {
    pub(super) field: usize,
    /// How errors name it.
    pub(super) label: String,
    pub(super) origin: Origin,
    pub(super) form: Form,
}

pub(super) enum Origin {
    Text {
        text: Template,
        values: Option<BTreeMap<String, String>>,
        otherwise: Option<String>,
        default: Option<String>,
        word: Option<Word>,
    },
    Number(Template),
    Via {
        key: Template,
        ty: &'static Type,
        field: usize,
    },
}

impl Plan {
    /// The header has the names of our fields.
    pub(super) fn direct(ty: &'static Type, header: &[String], partial: bool) -> Result<Self> {
        let mut plan = Plan::empty(ty);
        for (at, column) in header.iter().enumerate() {
            if column == KEY {
                plan.key = Some(Template::column(at));
                continue;
            }
            let field = field(ty, column)?;
            let origin = Origin::text(Template::column(at));
            plan.cells.push(Cell { field, label: column.clone(), origin, form: Form::default() });
        }
        plan.complete(partial)
    }

    /// The mapping says which columns to take.
    pub(super) fn mapped(mapping: &Mapping, import: &Import, header: &[String], partial: bool) -> Result<Self> {
        let ty = type_named(&import.ty)?;
        let Some(fields) = &import.fields else { return Plan::direct(ty, header, partial) };
        let mut plan = Plan::empty(ty);
        let template = |text: &str| template(text, header);
        plan.key = import.key.as_deref().map(template).transpose()?;
        plan.when = import.when.as_deref().map(template).transpose()?;
        for (name, value) in fields {
            let field = field(ty, name)?;
            let fill = Fill::of(value).map_err(|what| Error::usage(format!("field `{name}`: {what}")))?;
            let cell = Cell::new(mapping, &ty.fields[field], field, fill, header);
            plan.cells.push(cell.map_err(|error| Error::usage(format!("field `{name}`: {error}")))?);
        }
        plan.complete(partial)
    }

    fn empty(ty: &'static Type) -> Self {
        Plan { ty, cells: Vec::new(), key: None, when: None, derived: Derived::of(ty), stamps: Vec::new() }
    }

    /// `partial` leaves out the check for missing columns: rows that are changed keep what is not named.
    fn complete(mut self, partial: bool) -> Result<Self> {
        let stamp =
            |field: &Field| !field.optional && field.kind == Kind::Instant && STAMPS.contains(&field.name.as_str());
        self.stamps = (0..self.ty.fields.len()).filter(|at| stamp(&self.ty.fields[*at])).collect();
        let missing: Vec<&str> = self
            .ty
            .fields
            .iter()
            .enumerate()
            .filter(|(at, field)| !field.optional && !self.brings(*at) && !self.fills(*at))
            .map(|(_, field)| field.name.as_str())
            .collect();
        if !partial && !missing.is_empty() {
            return Err(Error::usage(format!("`{}` also needs `{}`", self.ty.name, missing.join("`, `"))));
        }
        Ok(self)
    }

    /// Whether a column fills the field.
    pub(super) fn brings(&self, field: usize) -> bool {
        self.cells.iter().any(|cell| cell.field == field)
    }

    /// Whether the field gets a value when its column is empty or missing.
    pub(super) fn fills(&self, field: usize) -> bool {
        field == 0 || self.stamps.contains(&field)
    }

    /// The fields of a new row that are written.
    pub(super) fn columns(&self) -> Vec<usize> {
        let derived = self.derived.as_ref().map(|derived| derived.target);
        let written = |field: &usize| self.brings(*field) || self.fills(*field) || derived == Some(*field);
        (0..self.ty.fields.len()).filter(written).collect()
    }

    /// The fields of a known row that are written.
    pub(super) fn changing(&self) -> Vec<usize> {
        let derived = self.derived.as_ref().filter(|derived| derived.inputs.iter().any(|input| self.brings(*input)));
        let derived = derived.map(|derived| derived.target);
        let stamp = self.ty.field_index("updatedAt").filter(|stamp| self.stamps.contains(stamp));
        let written = |field: &usize| self.brings(*field) || stamp == Some(*field) || derived == Some(*field);
        (1..self.ty.fields.len()).filter(written).collect()
    }

    /// The cell that fills a column of the table, with its place.
    pub(super) fn cell_of(&self, column: &str) -> Option<(usize, &Cell)> {
        self.cells.iter().enumerate().find(|(_, cell)| self.ty.fields[cell.field].column == column)
    }
}

impl Cell {
    fn new(mapping: &Mapping, field: &Field, at: usize, fill: Fill, header: &[String]) -> Result<Self> {
        let scale = fill.scale.as_ref().map(|scale| plain(scale).parse::<Decimal>()).transpose();
        let scale = scale.map_err(|expected| Error::usage(format!("`scale`: {expected}")))?;
        let form = Form { format: fill.format, scale };
        let (source, origin) = if let Some(via) = fill.via {
            let ty = type_named(fill.ty.as_deref().unwrap_or_default())?;
            let of = self::field(ty, fill.field.as_deref().unwrap_or_default())?;
            let key = template(&via, header)?;
            (key.first_column(), Origin::Via { key, ty, field: of })
        } else if let Some(number) = fill.number {
            let text = template(&number, header)?;
            (text.first_column(), Origin::Number(text))
        } else {
            let text = template(fill.text.as_deref().unwrap_or_default(), header)?;
            let values = match fill.values {
                None => None,
                Some(Values::Given(table)) => Some(table),
                Some(Values::Named(name)) => Some(mapping.values.get(&name).cloned().ok_or_else(|| {
                    let known: Vec<_> = mapping.values.keys().map(String::as_str).collect();
                    Error::usage(format!("there is no table `[values.{name}]`, there is `{}`", known.join("`, `")))
                })?),
            };
            let source = text.first_column();
            (source, Origin::Text { text, values, otherwise: fill.otherwise, default: fill.default, word: fill.word })
        };
        let label = source.map_or_else(|| field.name.clone(), |column| header[column].clone());
        Ok(Cell { field: at, label, origin, form })
    }
}

impl Origin {
    fn text(text: Template) -> Self {
        Origin::Text { text, values: None, otherwise: None, default: None, word: None }
    }

    /// The text for a row: nothing, or a text, or what was expected in its place.
    pub(super) fn render<'a>(&'a self, row: Row<'a>) -> std::result::Result<Option<Cow<'a, str>>, (String, String)> {
        let (text, values, otherwise, default, word) = match self {
            Origin::Text { text, values, otherwise, default, word } => (text, values, otherwise, default, word),
            Origin::Number(key) | Origin::Via { key, .. } => return Ok(key.render(row)),
        };
        let Some(mut found) = text.render(row) else { return Ok(default.as_deref().map(Cow::Borrowed)) };
        if let Some(word) = word {
            let (first, rest) = found.trim().split_once(' ').unwrap_or((found.trim(), ""));
            let part = if *word == Word::First { first } else { rest.trim() };
            if part.is_empty() {
                return Ok(default.as_deref().map(Cow::Borrowed));
            }
            found = part.to_owned().into();
        }
        let Some(values) = values else { return Ok(Some(found)) };
        match values.get(found.as_ref()).or(otherwise.as_ref()) {
            Some(ours) => Ok(Some(ours.as_str().into())),
            None => {
                let known: Vec<_> = values.keys().map(String::as_str).collect();
                Err((found.into_owned(), format!("one of `{}`", known.join("`, `"))))
            }
        }
    }
}

/// The type that a command or a mapping names: `SalesOrder`, `salesOrder` or `salesOrders`.
pub(super) fn type_named(name: &str) -> Result<&'static Type> {
    let ty = CATALOGUE.types.iter().find(|ty| ty.name == name || ty.singular() == name || ty.plural == name);
    match ty {
        Some(ty) if OWN.contains(&ty.name) => {
            Err(Error::usage(format!("`{}` rows are written by the hub alone, they cannot be imported", ty.name)))
        }
        Some(ty) => Ok(ty),
        None => {
            let known = CATALOGUE.types.iter().map(|ty| ty.name).filter(|name| !OWN.contains(name));
            let known: Vec<_> = known.collect();
            Err(Error::usage(format!("`{name}` is no type, use one of `{}`", known.join("`, `"))))
        }
    }
}

fn field(ty: &Type, name: &str) -> Result<usize> {
    ty.field_index(name).ok_or_else(|| {
        let known: Vec<_> = ty.fields.iter().map(|field| field.name.as_str()).collect();
        Error::usage(format!("`{name}` is no field of `{}`, which has `{KEY}`, `{}`", ty.name, known.join("`, `")))
    })
}

fn template(text: &str, header: &[String]) -> Result<Template> {
    Template::parse(text, header).map_err(|fault| match fault {
        Fault::Unclosed => {
            Error::usage(format!("`{text}` has a brace without its other half, write `{{{{` for a brace itself"))
        }
        Fault::Unknown(name) => {
            Error::usage(format!("column `{name}` is not in the file, which has `{}`", header.join("`, `")))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn fault(outcome: Result<Plan>) -> String {
        outcome.err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn types_are_found_by_each_of_their_names() {
        for name in ["SalesOrder", "salesOrder", "salesOrders"] {
            assert_eq!(type_named(name).map(|ty| ty.table).ok(), Some("sales_order"));
        }
        assert!(type_named("Salesorder").is_err());
        assert!(type_named("AuditEvent").is_err());
    }

    #[test]
    fn a_wrong_header_is_told_once_with_what_is_known() {
        let ty = type_named("OrgRole").expect("a type");
        let plan = |names: &[&str], partial| Plan::direct(ty, &header(names), partial);
        let unknown = fault(plan(&["key", "organisation", "kind", "validForm"], false));
        assert!(
            unknown.contains("`validForm` is no field of `OrgRole`") && unknown.contains("`validFrom`"),
            "{unknown}"
        );
        assert_eq!(fault(plan(&["organisation", "kind"], false)), "`OrgRole` also needs `validFrom`");
        assert!(plan(&["key", "kind"], true).is_ok());
        assert!(plan(&["organisation", "kind", "validFrom"], false).is_ok());
    }

    #[test]
    fn stamps_need_no_column() {
        let ty = type_named("Organisation").expect("a type");
        let names = ["slug", "displayName", "legalName", "country", "region", "status"];
        assert_eq!(Plan::direct(ty, &header(&names), false).map(|plan| plan.stamps.len()).ok(), Some(1));
    }

    #[test]
    fn mappings_are_held_against_file_and_catalogue() {
        let plan = |fields: &str| {
            let text = format!(
                "[values.kinds]\n1 = \"supplier\"\n[[import]]\ntype = \"OrgRole\"\nfile = \"x\"\n[import.fields]\n{fields}"
            );
            let mapping = Mapping::parse(&text).expect("a mapping");
            Plan::mapped(&mapping, &mapping.imports[0], &header(&["A", "B"]), false)
        };
        let good =
            "organisation = \"x-{A}\"\nkind = { text = \"{B}\", values = \"kinds\" }\nvalidFrom = 1996-01-01T00:00:00Z";
        assert!(plan(good).is_ok());
        for (fields, told) in [
            (good.replace("{A}", "{C}"), "column `C` is not in the file, which has `A`, `B`"),
            (good.replace("{A}", "{A"), "brace"),
            (good.replace("kinds", "sorts"), "there is no table `[values.sorts]`"),
            (good.replace("kind ", "knid "), "`knid` is no field of `OrgRole`"),
            (good.replace("organisation", "# "), "`OrgRole` also needs `organisation`"),
        ] {
            assert!(fault(plan(&fields)).contains(told), "{fields}: {}", fault(plan(&fields)));
        }
    }
}
