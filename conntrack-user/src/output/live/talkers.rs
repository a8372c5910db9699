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
    // Of a port its protocol comes first: udp/53.
    let number = key.rsplit('/').next().filter(|_| address.is_none());
    (
        number.and_then(|text| text.parse().ok()),
        address,
        key.to_owned(),
    )
}

/// The filter of events that a talker asks for; `None` of what events do not have.
pub fn talker_filter(table: &TopTable, row: &TopRow) -> Option<String> {
    let key = &row.key;
    match (table.of.raw(), key.raw().split_once('/')) {
        _ if *key == "unknown" => None,
        // A port is named with its protocol: udp/53.
        ("dport", Some((proto, port))) => Some(format!("proto={proto},dport={port}")),
        // What has no ports is named by its protocol alone: icmp.
        ("dport", None) if key.raw().parse::<u16>().is_err() => {
            Some(format!("proto={}", key.raw()))
        }
        (of @ ("src" | "dst" | "dport" | "proto"), _) => Some(format!("{of}={}", key.raw())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::live::search::Search;

    #[test]
    fn a_talker_is_a_filter_where_events_have_such_a_key() {
        let filter = |of: &'static str, key: &'static str| {
            let row = TopRow {
                key: key.into(),
                count: 1,
                share: 1.0,
                ..TopRow::default()
            };
            let table = TopTable {
                by: "new".into(),
                of: of.into(),
                total: 1,
                error: 0,
                certain: true,
                sampled: false,
                rows: Vec::new(),
            };
            let text = talker_filter(&table, &row)?;
            assert!(text.parse::<Search>().is_ok(), "{text}");
            Some(text)
        };
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(filter("src", "10.0.0.0/8"), some("src=10.0.0.0/8"));
        assert_eq!(filter("dst", "2001:db8::1"), some("dst=2001:db8::1"));
        assert_eq!(filter("dport", "udp/53"), some("proto=udp,dport=53"));
        assert_eq!(filter("dport", "53"), some("dport=53"));
        assert_eq!(filter("dport", "icmp"), some("proto=icmp"));
        assert_eq!(filter("src", "unknown"), None);
        assert_eq!(filter("proto", "tcp"), some("proto=tcp"));
        assert_eq!(filter("zone", "1"), None);
    }

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
