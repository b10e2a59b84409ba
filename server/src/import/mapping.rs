//! The mapping file: how the columns of a foreign CSV become fields. Its form is described in
//! `examples/northwind/mapping.toml`, which uses all of it.

use std::{collections::BTreeMap, fs, path::Path};

use csv::StringRecord;
use serde::Deserialize;

use super::sheet::{Reading, Sheet};
use crate::error::{Error, Result};

/// Keys without a source of their own belong to this one.
pub(super) const DEFAULT_SOURCE: &str = "csv";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Mapping {
    /// The system that the keys come from.
    #[serde(default = "default_source")]
    pub(super) source: String,
    /// Cells with these texts are empty.
    #[serde(default)]
    null: Vec<String>,
    /// Leaves out white space around cells.
    #[serde(default)]
    trim: bool,
    #[serde(default = "default_delimiter")]
    delimiter: char,
    /// Named tables from a text of the file to ours.
    #[serde(default)]
    pub(super) values: BTreeMap<String, BTreeMap<String, String>>,
    #[serde(default, rename = "import")]
    pub(super) imports: Vec<Import>,
}

/// One type that is fed from one file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Import {
    #[serde(rename = "type")]
    pub(super) ty: String,
    /// The file within the folder.
    pub(super) file: Option<String>,
    /// Rows in place of a file.
    rows: Option<Vec<BTreeMap<String, toml::Value>>>,
    /// The row's own key in the source.
    pub(super) key: Option<String>,
    /// Takes only the rows where this text is not empty.
    pub(super) when: Option<String>,
    /// Without fields, the columns have the names of our fields.
    pub(super) fields: Option<BTreeMap<String, toml::Value>>,
}

/// What fills a field.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Fill {
    /// A text with `{Column}`s in it.
    pub(super) text: Option<String>,
    /// Counts 1, 2, 3… as long as this text stays the same from row to row.
    pub(super) number: Option<String>,
    /// The key of a row of `type`, whose `field` is taken.
    pub(super) via: Option<String>,
    #[serde(rename = "type")]
    pub(super) ty: Option<String>,
    pub(super) field: Option<String>,
    /// A table from the file's texts to ours, or the name of one.
    pub(super) values: Option<Values>,
    /// In place of a text that the table does not have.
    pub(super) otherwise: Option<String>,
    /// In place of nothing.
    pub(super) default: Option<String>,
    /// `first`: what stands before the first space; `rest`: what follows it.
    pub(super) word: Option<Word>,
    /// Multiplies a number.
    pub(super) scale: Option<toml::Value>,
    /// How dates and instants are written; see chrono's `strftime`.
    pub(super) format: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Values {
    Named(String),
    Given(BTreeMap<String, String>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Word {
    First,
    Rest,
}

fn default_source() -> String {
    DEFAULT_SOURCE.to_owned()
}

const fn default_delimiter() -> char {
    ','
}

impl Mapping {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path)
            .map_err(|cause| Error::usage(format!("cannot read mapping `{}` ({cause})", path.display())))?;
        Mapping::parse(&text).map_err(|what| Error::usage(format!("mapping `{}`: {what}", path.display())))
    }

    pub(super) fn parse(text: &str) -> std::result::Result<Self, String> {
        let mapping: Mapping = toml::from_str(text).map_err(|error| {
            let line = error.span().map_or(1, |span| text[..span.start].matches('\n').count() + 1);
            format!("line {line}: {}", error.message().replace('\n', ", "))
        })?;
        if mapping.imports.is_empty() {
            return Err("it has no `[[import]]`, add one for each type".to_owned());
        }
        if !mapping.delimiter.is_ascii() {
            return Err(format!("delimiter `{}` is wrong, use one ASCII character", mapping.delimiter));
        }
        for (at, import) in mapping.imports.iter().enumerate() {
            if import.file.is_some() == import.rows.is_some() {
                return Err(format!("import {} (`{}`) needs either `file` or `rows`", at + 1, import.ty));
            }
        }
        Ok(mapping)
    }

    pub(super) fn reading(&self) -> Reading {
        let delimiter = u8::try_from(self.delimiter).unwrap_or(b',');
        Reading { delimiter, null: self.null.clone(), trim: self.trim }
    }
}

impl Import {
    /// The rows in place of a file, if it has them.
    pub(super) fn given(&self, at: usize) -> Option<Sheet> {
        let rows = self.rows.as_ref()?;
        let mut header: Vec<String> = rows.iter().flat_map(BTreeMap::keys).cloned().collect();
        header.sort_unstable();
        header.dedup();
        let cell = |row: &BTreeMap<String, toml::Value>, name: &String| row.get(name).map(plain).unwrap_or_default();
        let records = rows.iter().map(|row| header.iter().map(|name| cell(row, name)).collect::<StringRecord>());
        let records = records.collect();
        Some(Sheet::given(format!("import {at} (`{}`)", self.ty), header, records))
    }
}

impl Fill {
    /// A plain value is a text; a table says more.
    pub(super) fn of(value: &toml::Value) -> std::result::Result<Self, String> {
        match value {
            toml::Value::Table(table) => {
                let fill: Fill =
                    table.clone().try_into().map_err(|error: toml::de::Error| error.message().to_owned())?;
                let ways = [fill.text.is_some(), fill.number.is_some(), fill.via.is_some()];
                if ways.iter().filter(|way| **way).count() != 1 {
                    return Err("it needs exactly one of `text`, `number` and `via`".to_owned());
                }
                if fill.via.is_some() != (fill.ty.is_some() && fill.field.is_some()) {
                    return Err("`via` needs `type` and `field`, and they need it".to_owned());
                }
                Ok(fill)
            }
            toml::Value::Array(_) => Err("a list is no value".to_owned()),
            other => Ok(Fill { text: Some(plain(other)), ..Fill::default() }),
        }
    }
}

/// A value as a cell would hold it.
pub(super) fn plain(value: &toml::Value) -> String {
    match value {
        toml::Value::String(text) => text.clone(),
        toml::Value::Table(_) | toml::Value::Array(_) => serde_json::to_string(value).unwrap_or_default(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_name_the_line() {
        let fault = |text| Mapping::parse(text).expect_err("wrong");
        assert!(fault("").contains("no `[[import]]`"));
        assert!(fault("[[import]]\ntype = \"A\"\nflie = \"a.csv\"\n").starts_with("line 3: unknown field `flie`"));
        assert!(fault("[[import]]\ntype = \"A\"\n").contains("either `file` or `rows`"));
        assert!(fault("source = 3\n").starts_with("line 1: "));
    }

    #[test]
    fn a_field_is_filled_one_way() {
        let fill = |text: &str| Fill::of(&text.parse::<toml::Table>().expect("TOML")["f"]);
        assert!(fill("f = \"{A}\"").is_ok());
        assert_eq!(fill("f = 3").expect("a number").text.as_deref(), Some("3"));
        assert_eq!(fill("f = 1996-07-04").expect("a day").text.as_deref(), Some("1996-07-04"));
        for wrong in
            ["f = {}", "f = { text = \"a\", number = \"b\" }", "f = { via = \"a\" }", "f = { txt = \"a\" }", "f = []"]
        {
            assert!(fill(wrong).is_err(), "{wrong}");
        }
    }
}
