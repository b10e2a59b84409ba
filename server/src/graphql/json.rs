//! Values as JSON text, straight from what the database keeps.

use chrono::{Datelike, NaiveDate};

use super::{ids::Codec, plan::Write};
use crate::access::read::Cell;

/// A separator, unless the last byte opened the list or object.
pub fn comma(out: &mut Vec<u8>, open: u8) {
    if out.last() != Some(&open) {
        out.push(b',');
    }
}

pub fn text(value: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len() + 2);
    string(value, &mut out);
    out
}

/// The bytes that a JSON string holds as they are.
const PLAIN: [bool; 256] = {
    let mut plain = [true; 256];
    let mut b = 0;
    while b < 0x20 {
        plain[b] = false;
        b += 1;
    }
    plain[b'"' as usize] = false;
    plain[b'\\' as usize] = false;
    plain
};

pub fn string(value: &str, out: &mut Vec<u8>) {
    let bytes = value.as_bytes();
    out.reserve(bytes.len() + 2);
    out.push(b'"');
    let mut start = 0;
    for (i, &b) in bytes.iter().enumerate() {
        if PLAIN[usize::from(b)] {
            continue;
        }
        out.extend_from_slice(&bytes[start..i]);
        start = i + 1;
        match b {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            _ => {
                const HEX: &[u8; 16] = b"0123456789abcdef";
                out.extend_from_slice(b"\\u00");
                out.extend([HEX[usize::from(b >> 4)], HEX[usize::from(b & 15)]]);
            }
        }
    }
    out.extend_from_slice(&bytes[start..]);
    out.push(b'"');
}

pub fn int(value: i64, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Ten-thousandths as text, without needless zeros.
pub fn decimal(value: i64, out: &mut Vec<u8>) {
    out.push(b'"');
    if value < 0 {
        out.push(b'-');
    }
    let (whole, part) = (value.unsigned_abs() / 10_000, value.unsigned_abs() % 10_000);
    out.extend_from_slice(itoa::Buffer::new().format(whole).as_bytes());
    if part != 0 {
        out.push(b'.');
        digits(part, 4, out);
        while out.last() == Some(&b'0') {
            out.pop();
        }
    }
    out.push(b'"');
}

fn digits(value: u64, count: u32, out: &mut Vec<u8>) {
    for place in (0..count).rev() {
        out.push(b'0' + (value / 10u64.pow(place) % 10) as u8);
    }
}

fn civil(days: i64, out: &mut Vec<u8>) {
    let day = i32::try_from(days + 719_163).ok().and_then(NaiveDate::from_num_days_from_ce_opt).unwrap_or_default();
    let year = day.year();
    if (0..=9999).contains(&year) {
        digits(year.unsigned_abs().into(), 4, out);
    } else {
        out.extend_from_slice(format!("{year:+05}").as_bytes());
    }
    out.push(b'-');
    digits(day.month().into(), 2, out);
    out.push(b'-');
    digits(day.day().into(), 2, out);
}

/// Microseconds since 1970 as RFC 3339, with as many digits as the moment has.
pub fn instant(micros: i64, out: &mut Vec<u8>) {
    let (seconds, part) = (micros.div_euclid(1_000_000), micros.rem_euclid(1_000_000) as u64);
    let second = seconds.rem_euclid(86_400) as u64;
    out.push(b'"');
    civil(seconds.div_euclid(86_400), out);
    out.push(b'T');
    digits(second / 3600, 2, out);
    out.push(b':');
    digits(second / 60 % 60, 2, out);
    out.push(b':');
    digits(second % 60, 2, out);
    if part != 0 {
        out.push(b'.');
        if part % 1000 == 0 { digits(part / 1000, 3, out) } else { digits(part, 6, out) }
    }
    out.extend_from_slice(b"Z\"");
}

pub fn cell(cell: Cell<'_>, write: Write, codec: &Codec, out: &mut Vec<u8>) {
    match (cell, write) {
        (Cell::Null, _) => out.extend_from_slice(b"null"),
        (Cell::Id(id), Write::Id(ty)) => {
            out.push(b'"');
            codec.write_id(ty, id, out);
            out.push(b'"');
        }
        (Cell::Int(n), Write::Bool) => out.extend_from_slice(if n != 0 { b"true" } else { b"false" }),
        (Cell::Bool(b), _) => out.extend_from_slice(if b { b"true" } else { b"false" }),
        (Cell::Int(n), Write::Decimal) => decimal(n, out),
        (Cell::Int(n), Write::Instant) => instant(n, out),
        (Cell::Int(n), _) => int(n, out),
        (Cell::Day(n), _) => {
            out.push(b'"');
            civil(n.into(), out);
            out.push(b'"');
        }
        (Cell::Text(text), Write::Enum) => {
            out.push(b'"');
            out.extend(text.bytes().map(|b| b.to_ascii_uppercase()));
            out.push(b'"');
        }
        (Cell::Text(text), Write::Json) => json(text, out),
        (Cell::Text(text), _) => string(text, out),
        // a key is never shown as it is
        (Cell::Id(_), _) => out.extend_from_slice(b"null"),
    }
}

/// The databases keep JSON with other spaces and orders of keys; the answer is the same from both.
fn json(text: &str, out: &mut Vec<u8>) {
    match serde_json::from_str::<serde_json::Value>(text) {
        Ok(mut value) => {
            value.sort_all_objects();
            out.extend_from_slice(value.to_string().as_bytes());
        }
        Err(_) => out.extend_from_slice(b"null"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl Fn(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn values_read_as_serde_and_the_value_types_write_them() {
        for value in [0, 1, -1, 12_5000, -12_3456, 100, i64::MAX, i64::MIN] {
            assert_eq!(written(|out| decimal(value, out)), format!("\"{}\"", entities::Decimal(value)));
        }
        for micros in [0, 1, -1, 1_788_253_200_000_000, 1_788_253_200_123_000, 1_788_253_200_000_001, -86_400_000_001] {
            assert_eq!(written(|out| instant(micros, out)), format!("\"{}\"", entities::Instant(micros)));
        }
        for text in ["", "a\"b\\c\n\r\t\u{1}ü😀", "\u{7f}"] {
            assert_eq!(serde_json::from_str::<String>(&written(|out| string(text, out))).unwrap(), text);
        }
    }
}
