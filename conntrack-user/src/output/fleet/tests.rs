//! What the files name is there, and their parts fit together.

use std::collections::{BTreeSet, HashSet};

use serde_json::Value;

use super::{dashboard, rules, zabbix};
use crate::{
    model::{alert::ALERTS, kernel::counters::COUNTERS},
    output::metrics::families::{COUNTER, FAMILIES, FamilyKind},
};

/// The name of every metric that there can be.
fn metrics() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for family in FAMILIES {
        let name = family.full_name();
        let all = COUNTERS.iter().map(|spec| name.replace(COUNTER, spec.name));
        for name in all {
            if family.kind == FamilyKind::Histogram {
                names.insert(format!("{name}_bucket"));
            }
            names.insert(name);
        }
    }
    names
}

/// The names of metrics in an expression: words that start as ours do, and are not recorded ones.
fn named(expression: &str) -> Vec<&str> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let words = expression.split(|c: char| !is_part(c));
    let ours = words.filter(|word| word.starts_with("ctpulse_") || word.starts_with("process_"));
    ours.collect()
}

#[track_caller]
fn names_what_there_is(expression: &str) {
    let metrics = metrics();
    let named = named(expression);
    assert!(!named.is_empty(), "{expression}");
    for name in named {
        assert!(metrics.contains(name), "{name} in {expression}");
    }
}

#[test]
fn rules_are_about_metrics_and_have_every_alert() {
    let rules = rules();
    let mut expressions = 0;
    for line in rules.lines() {
        if let Some(expression) = line.trim_start().strip_prefix("expr: ") {
            names_what_there_is(expression);
            // A colon and a space, or a hash, would end a plain scalar of YAML.
            assert!(
                !expression.contains(": ") && !expression.contains(" #"),
                "{expression}"
            );
            expressions += 1;
        }
    }
    assert!(expressions > 40, "{expressions}");
    for spec in &ALERTS {
        let thresholds = spec.defaults.thresholds;
        let levels = [thresholds.warning, thresholds.critical];
        let levels = levels.iter().flatten().count();
        let alert = format!("- alert: {}\n", spec.name);
        assert_eq!(rules.matches(&alert).count(), levels, "{}", spec.name);
    }
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn panels_of_the_dashboard_are_apart_and_name_what_there_is() {
    let dashboard = parsed(&dashboard());
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    let variables: Vec<&str> = variables
        .iter()
        .map(|v| v["name"].as_str().unwrap())
        .collect();
    let mut ids = HashSet::new();
    let mut taken = HashSet::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        assert!(
            ids.insert(panel["id"].as_u64().unwrap()),
            "{}",
            panel["title"]
        );
        let at = |name: &str| panel["gridPos"][name].as_u64().unwrap();
        for x in at("x")..at("x") + at("w") {
            assert!(x < 24);
            for y in at("y")..at("y") + at("h") {
                assert!(taken.insert((x, y)), "{}", panel["title"]);
            }
        }
        for target in panel["targets"].as_array().into_iter().flatten() {
            let expression = target["expr"].as_str().unwrap();
            names_what_there_is(expression);
            for used in expression.split('$').skip(1) {
                let end = used.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
                let name = &used[..end.unwrap_or(used.len())];
                assert!(
                    variables.contains(&name) || name == "__rate_interval",
                    "{expression}"
                );
            }
        }
    }
    // Each counter of a chart has a rate.
    let text = dashboard.to_string();
    for spec in COUNTERS.iter().filter(|spec| spec.place.is_some()) {
        assert!(
            text.contains(&format!("rate(ctpulse_{}_total{{", spec.name)),
            "{}",
            spec.name
        );
    }
}

#[test]
fn the_template_has_ids_as_zabbix_wants_them_and_names_what_there_is() {
    fn walk<'a>(value: &'a Value, uuids: &mut Vec<&'a str>, keys: &mut Vec<&'a str>) {
        match value {
            Value::Object(members) => {
                uuids.extend(members.get("uuid").and_then(Value::as_str));
                if members.contains_key("type") {
                    keys.extend(members.get("key").and_then(Value::as_str));
                }
                for member in members.values() {
                    walk(member, uuids, keys);
                }
            }
            Value::Array(values) => values.iter().for_each(|value| walk(value, uuids, keys)),
            _ => {}
        }
    }
    let template = parsed(&zabbix());
    let (mut uuids, mut keys) = (Vec::new(), Vec::new());
    walk(&template, &mut uuids, &mut keys);
    assert_eq!(uuids.iter().collect::<HashSet<_>>().len(), uuids.len());
    assert_eq!(keys.iter().collect::<HashSet<_>>().len(), keys.len());
    for uuid in uuids {
        assert!(
            uuid.len() == 32 && uuid.bytes().all(|b| b.is_ascii_hexdigit()),
            "{uuid}"
        );
        assert_eq!(&uuid[12..13], "4", "{uuid}");
        assert!("89ab".contains(&uuid[16..17]), "{uuid}");
    }
    let of = &template["zabbix_export"]["templates"][0];
    let discovery = &of["discovery_rules"][0];
    for item in discovery["item_prototypes"].as_array().unwrap() {
        names_what_there_is(item["preprocessing"][0]["parameters"][0].as_str().unwrap());
    }
    // A trigger is about an item that there is.
    for trigger in discovery["trigger_prototypes"].as_array().unwrap() {
        let expression = trigger["expression"].as_str().unwrap();
        let (_, item) = expression.split_once("HTTP/").unwrap();
        let (key, _) = item.split_once(")=").unwrap();
        assert!(keys.contains(&key), "{expression}");
    }
}
