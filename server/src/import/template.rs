//! Texts of a mapping: `supplier-{SupplierID}` is a constant with the value of a column in it.

use std::borrow::Cow;

use super::sheet::Row;

/// A text with columns in it, by their place in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Template(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Column(usize),
}

/// What is wrong with a text.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fault {
    Unclosed,
    Unknown(String),
}

impl Template {
    /// The value of one column, as it is.
    pub(super) fn column(at: usize) -> Self {
        Template(vec![Part::Column(at)])
    }

    /// `{{` and `}}` stand for the braces themselves.
    pub(super) fn parse(text: &str, header: &[String]) -> Result<Self, Fault> {
        let (mut parts, mut plain) = (Vec::new(), String::new());
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            plain.push_str(&rest[..at]);
            let (brace, after) = rest[at..].split_at(1);
            if let Some(after) = after.strip_prefix(brace) {
                plain.push_str(brace);
                rest = after;
                continue;
            }
            let (name, after) = after.split_once('}').filter(|_| brace == "{").ok_or(Fault::Unclosed)?;
            let column =
                header.iter().position(|known| known == name).ok_or_else(|| Fault::Unknown(name.to_owned()))?;
            if !plain.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut plain)));
            }
            parts.push(Part::Column(column));
            rest = after;
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            parts.push(Part::Text(plain));
        }
        Ok(Template(parts))
    }

    /// Nothing if one of its columns is empty, or if there is no text at all.
    pub(super) fn render<'a>(&'a self, row: Row<'a>) -> Option<Cow<'a, str>> {
        match self.0.as_slice() {
            [] => None,
            [Part::Text(text)] => Some(text.as_str().into()),
            [Part::Column(at)] => row.cell(*at).map(Cow::Borrowed),
            parts => {
                let mut out = String::new();
                for part in parts {
                    match part {
                        Part::Text(text) => out.push_str(text),
                        Part::Column(at) => out.push_str(row.cell(*at)?),
                    }
                }
                Some(out.into())
            }
        }
    }

    /// The first column in it: where to look when the value is wrong.
    pub(super) fn first_column(&self) -> Option<usize> {
        self.0.iter().find_map(|part| match part {
            Part::Column(at) => Some(*at),
            Part::Text(_) => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_and_texts_mix() {
        let header = ["A".to_owned(), "B c".to_owned()];
        let parse = |text| Template::parse(text, &header);
        assert_eq!(parse("{A}"), Ok(Template::column(0)));
        assert_eq!(
            parse("x-{A}/{B c}{{}}"),
            Ok(Template(vec![
                Part::Text("x-".into()),
                Part::Column(0),
                Part::Text("/".into()),
                Part::Column(1),
                Part::Text("{}".into()),
            ]))
        );
        assert_eq!(parse("{C}"), Err(Fault::Unknown("C".into())));
        assert_eq!(parse("{A"), Err(Fault::Unclosed));
        assert_eq!(parse("A}"), Err(Fault::Unclosed));
        assert_eq!(parse(""), Ok(Template(Vec::new())));
    }
}
