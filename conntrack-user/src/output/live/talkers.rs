//! The tables of top talkers as they are shown, and as the cursor goes through them.

use std::net::IpAddr;

use crate::{
    model::record::{TopRow, TopTable},
    output::live::{app::App, state::TopOrder},
};

/// A table with its rows in the chosen order.
pub struct TalkerTable<'a> {
    pub table: &'a TopTable,
    pub rows: Vec<&'a TopRow>,
}

/// The tables of the shown instance that have rows, as they were at the moment that is shown.
pub fn talker_tables(app: &App) -> Vec<TalkerTable<'_>> {
    let tops = app.instance().map(|instance| instance.tops(app.end()));
    let tables = tops.map(|tops| tops.tables());
    tables
        .unwrap_or_default()
        .into_iter()
        .map(|table| {
            let mut rows: Vec<&TopRow> = table.rows.iter().collect();
            if app.view.top_order == TopOrder::Key {
                rows.sort_by_cached_key(|row| order_of(row.key.raw()));
            }
            TalkerTable { table, rows }
        })
        .collect()
}

/// Orders keys as people do: ports and marks by number, addresses by address, else by letter.
fn order_of(key: &str) -> (Option<u64>, Option<IpAddr>, String) {
    let address = key.split('/').next().and_then(|text| text.parse().ok());
    (key.parse().ok(), address, key.to_owned())
}

/// The filter of events that a talker asks for; `None` of what events do not have.
pub fn talker_filter(table: &TopTable, row: &TopRow) -> Option<String> {
    let of = table.of.raw();
    let has = ["src", "dst", "sport", "dport", "proto"].contains(&of);
    has.then(|| format!("{of}={}", row.key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_ordered_as_people_do() {
        let mut keys = ["443", "53", "8080"];
        keys.sort_by_key(|key| order_of(key));
        assert_eq!(keys, ["53", "443", "8080"]);
        let mut keys = ["10.0.0.10", "2001:db8::1", "10.0.0.9", "9.0.0.0/8"];
        keys.sort_by_key(|key| order_of(key));
        assert_eq!(keys, ["9.0.0.0/8", "10.0.0.9", "10.0.0.10", "2001:db8::1"]);
    }
}
