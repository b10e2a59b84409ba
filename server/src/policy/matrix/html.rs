//! The matrix as one HTML file: a picture of all types, and below it each type field by field. Colour never
//! speaks alone, every state has its mark.

use std::fmt::Write;

use super::{Cell, Matrix, State, class};
use crate::catalogue::Type;

const STYLE: &str = include_str!("../../../assets/matrix/matrix.css");
const SCRIPT: &str = include_str!("../../../assets/matrix/matrix.js");

const STATES: [(State, &str, &str, &str); 5] = [
    (State::Full, "full", "●", "in full, in every row that the seat sees"),
    (State::Masked, "masked", "◐", "treated: a prefix, a masked address, a band"),
    (State::Conditional, "cond", "◇", "in full, depending on the row"),
    (State::Summed, "summed", "Σ", "in no row, only in sums behind which enough customers stand"),
    (State::Hidden, "hidden", "", "unknown to the seat"),
];

impl Matrix {
    pub(super) fn html(&self) -> String {
        let mut out = String::from("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
        out.push_str(
            "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>Access matrix</title>\n",
        );
        let _ = write!(out, "<style>\n{STYLE}</style>\n</head>\n<body>\n<header>\n<h1>Who sees what</h1>\n");
        let fields: usize = self.types.iter().map(|(ty, _)| ty.fields.len() - 1).sum();
        let of = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
        let _ = writeln!(
            out,
            "<p>{}, {}, {}, on {}. Point at a cell, or move with the arrow keys, to read which policies decide.</p>",
            of(self.seats.len(), "seat"),
            of(self.types.len(), "type"),
            of(fields, "field"),
            self.now
        );
        out.push_str("<ul class=\"legend\">\n");
        for (_, name, mark, doc) in STATES {
            let _ = writeln!(out, "<li><span class=\"swatch {name}\" aria-hidden=\"true\">{mark}</span> {doc}</li>");
        }
        out.push_str("</ul>\n</header>\n<main>\n");
        if self.types.len() > 1 {
            self.overview(&mut out);
        }
        for (ty, rows) in &self.types {
            self.of_type(&mut out, ty, rows);
        }
        out.push_str("</main>\n<footer id=\"told\" aria-live=\"polite\">Point at a cell.</footer>\n");
        let _ = write!(out, "<script>\n{SCRIPT}</script>\n</body>\n</html>\n");
        out
    }

    /// Organisations above their roles.
    fn head(&self, out: &mut String, first: &str) {
        let _ = write!(out, "<thead>\n<tr><th class=\"corner\" rowspan=\"2\" scope=\"col\">{first}</th>");
        for group in self.seats.chunk_by(|a, b| a.organisation == b.organisation) {
            let (name, width) = (escaped(&group[0].organisation), group.len());
            // there is no room for it above one column: it stands beside the role
            let text = if width == 1 { "" } else { &name };
            let _ = write!(
                out,
                "<th class=\"org\" scope=\"colgroup\" colspan=\"{width}\" aria-label=\"{name}\">{text}</th>"
            );
        }
        out.push_str("</tr>\n<tr>");
        for group in self.seats.chunk_by(|a, b| a.organisation == b.organisation) {
            for (i, seat) in group.iter().enumerate() {
                let edge = if i == 0 { " edge" } else { "" };
                let of =
                    if group.len() == 1 { format!("<b>{}</b> ", escaped(&seat.organisation)) } else { String::new() };
                let _ =
                    write!(out, "<th class=\"role{edge}\" scope=\"col\"><span>{of}{}</span></th>", escaped(&seat.role));
            }
        }
        out.push_str("</tr>\n</thead>\n");
    }

    fn is_edge(&self, seat: usize) -> &'static str {
        if seat == 0 || self.seats[seat - 1].organisation != self.seats[seat].organisation { " edge" } else { "" }
    }

    /// Each type is a bar per seat: how much of its fields is seen in which way.
    fn overview(&self, out: &mut String) {
        out.push_str("<h2>All types</h2>\n<div class=\"scroll\"><table class=\"overview\">\n");
        self.head(out, "type");
        out.push_str("<tbody>\n");
        for (ty, rows) in &self.types {
            let _ = write!(out, "<tr><th scope=\"row\"><a href=\"#{0}\">{0}</a></th>", ty.name);
            for (i, seat) in self.seats.iter().enumerate() {
                let share = |state: State| rows.iter().skip(1).filter(|cells| cells[i].state == state).count();
                let all = rows.len().saturating_sub(1).max(1);
                let counts = STATES.map(|(state, ..)| share(state));
                let [full, masked, cond, summed, hidden] = counts;
                let bar: String = STATES
                    .iter()
                    .zip(counts)
                    .filter(|(_, count)| *count > 0)
                    .map(|((_, name, ..), count)| format!("<i class=\"{name}\" style=\"flex:{count}\"></i>"))
                    .collect();
                let told = format!(
                    "{} as {seat}: {full} of {all} fields in full, {masked} treated, {cond} by row, {summed} in sums, {hidden} unknown",
                    ty.name
                );
                let _ = write!(
                    out,
                    "<td class=\"bar{}\" tabindex=\"-1\" data-told=\"{told}\" aria-label=\"{told}\"><span>{bar}</span></td>",
                    self.is_edge(i)
                );
            }
            out.push_str("</tr>\n");
        }
        out.push_str("</tbody>\n</table></div>\n");
    }

    fn of_type(&self, out: &mut String, ty: &Type, rows: &[Vec<Cell>]) {
        let seen = (0..self.seats.len()).filter(|i| rows.iter().skip(1).any(|cells| cells[*i].state != State::Hidden));
        let _ = writeln!(
            out,
            "<details open id=\"{}\">\n<summary><h2>{}</h2> <span>{} Seen by {} of {} seats.</span></summary>\n<div class=\"scroll\"><table>",
            ty.name,
            ty.name,
            escaped(&sentence(ty.doc)),
            seen.count(),
            self.seats.len()
        );
        self.head(out, "field");
        out.push_str("<tbody>\n");
        for (field, cells) in ty.fields.iter().zip(rows).skip(1) {
            let class = class(field);
            let _ = write!(
                out,
                "<tr><th scope=\"row\" title=\"{}\">{}<b class=\"class {}\">{class}</b></th>",
                escaped(field.doc),
                field.name,
                class.to_lowercase()
            );
            for (i, (cell, seat)) in cells.iter().zip(&self.seats).enumerate() {
                let told = escaped(&cell.told(ty, &field.name, &seat.to_string()));
                let (name, mark) =
                    STATES.iter().find(|(state, ..)| *state == cell.state).map_or(("hidden", ""), |s| (s.1, s.2));
                let word = if [State::Masked, State::Summed].contains(&cell.state) {
                    format!(" <small>{}</small>", escaped(&cell.word))
                } else {
                    String::new()
                };
                let word = cell.writes.chars().fold(word, |word, mark| match mark {
                    'w' => format!("{word} <small>✎</small>"),
                    'o' => format!("{word} <small>⚿</small>"),
                    _ => word,
                });
                let _ = write!(
                    out,
                    "<td class=\"{name}{}\" tabindex=\"-1\" data-told=\"{told}\" aria-label=\"{told}\">{mark}{word}</td>",
                    self.is_edge(i)
                );
            }
            out.push_str("</tr>\n");
        }
        out.push_str("</tbody>\n</table></div>\n</details>\n");
    }
}

impl Cell {
    fn told(&self, ty: &Type, field: &str, seat: &str) -> String {
        let how = match self.state {
            State::Full => "in full".to_string(),
            State::Masked | State::Summed => self.word.clone(),
            State::Conditional => "depending on the row".into(),
            State::Hidden => "unknown".into(),
        };
        let by = match (self.permits.is_empty(), self.state) {
            (true, _) => "no policy permits it".to_string(),
            // permitted, and yet: an agreement is missing, or a forbid stands before it
            (false, State::Hidden) => format!("permitted by {}", self.permits.join(", ")),
            (false, _) => format!("by {}", self.permits.join(", ")),
        };
        let but = if self.forbids.is_empty() {
            String::new()
        } else {
            format!("; restricted by {}", self.forbids.join(", "))
        };
        let writes = if self.writes.contains('w') { "; may be changed in some rows" } else { "" };
        let opens = if self.writes.contains('o') { "; may be opened for an hour" } else { "" };
        format!("{}.{field} as {seat}: {how}; {by}{but}{writes}{opens}", ty.name)
    }
}

fn sentence(doc: &str) -> String {
    let doc = doc.trim();
    if doc.is_empty() || doc.ends_with('.') { doc.to_string() } else { format!("{doc}.") }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
