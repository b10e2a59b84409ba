//! One name, three spellings: `ship_to_region` in the database, `shipToRegion` in GraphQL and Cedar,
//! `SHIP_TO_REGION` as an enum value.

/// `ship_to_region` → `shipToRegion`
pub fn camel(snake: &str) -> String {
    let mut out = String::with_capacity(snake.len());
    for (i, word) in snake.split('_').filter(|w| !w.is_empty()).enumerate() {
        if i == 0 { out.push_str(word) } else { out.push_str(&pascal(word)) }
    }
    out
}

/// `ship_to_region` and `shipToRegion` → `ShipToRegion`
pub fn pascal(name: &str) -> String {
    let word = |w: &str| {
        let mut chars = w.chars();
        chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect::<String>())
    };
    name.split('_').map(word).collect()
}

/// `shipToRegion` and `ship_to_region` → `SHIP_TO_REGION`
pub fn screaming(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 4);
    for c in name.chars() {
        if c.is_uppercase() {
            out.push('_');
        }
        out.extend(c.to_uppercase());
    }
    out
}

/// `SalesOrder` → `salesOrder`
pub(super) fn lower_first(name: &str) -> String {
    let mut chars = name.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}
