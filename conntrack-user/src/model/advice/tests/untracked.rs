//! Rules for traffic that need not be tracked, of tables that are nearly full.

use super::*;

/// An advisor of a table that is nearly full, with the current entries by service.
fn crowded(tables: &Value) -> Advisor {
    let mut advisor = Advisor::default();
    for second in 0..10 {
        advisor.take(&sample(second, 9_000, 10_000, &BTreeMap::new()));
    }
    advisor.take(&record(json!({
        "type": "top", "time": time(9), "instance": "a", "window_s": 0.0, "tables": tables,
    })));
    advisor
}

/// The entries of one direction, as (service, percent).
fn services(of: &str, rows: &[(&str, f64)]) -> Value {
    let rows: Vec<Value> = rows
        .iter()
        .map(|(key, share)| json!({"key": key, "count": (share * 90.0) as u64, "share": share}))
        .collect();
    json!({"by": "entries", "of": of, "total": 9_000, "error": 0, "rows": rows})
}

/// A listing in which so many entries are translated, as (source, destination), and so many are from here to here.
fn listing((snat, dnat): (u64, u64), local: u64) -> Record {
    let mut listing = contents(9, &[]);
    if let Record::Contents(contents) = &mut listing {
        contents.marks.snat.count = snat;
        contents.marks.dnat.count = dnat;
        let none = json!({"count": 0, "share": 0.0, "error": 0.0});
        let local = json!({"count": local, "share": 0.0, "error": 0.0});
        let directions =
            json!({"inbound": none, "outbound": none, "forwarded": none, "local": local});
        contents.directions = Some(serde_json::from_value(directions).unwrap());
    }
    listing
}

fn advised(advisor: &Advisor) -> Vec<Advice> {
    let all = advisor.advise(&AdviceWishes::default());
    of(&all, AdviceTopic::Untracked)
        .into_iter()
        .cloned()
        .collect()
}

fn lines(of: &[Text]) -> Vec<&str> {
    of.iter().map(Text::raw).collect()
}

#[test]
fn packets_to_a_service_and_those_back_are_not_tracked() {
    let inbound = services("inbound", &[("udp/53", 45.0)]);
    let advice = advised(&crowded(&json!([inbound])));
    let [advice] = &advice[..] else {
        panic!("one piece of advice: {advice:?}")
    };
    let finding = advice.finding.raw();
    assert!(
        finding.starts_with("flows to this host (DNS, udp/53) are 45 % of the table;"),
        "{finding}"
    );
    assert_eq!(lines(&advice.evidence), ["4,050 entries of 9,000"]);
    // It rests on a count, however short the time.
    assert_eq!(advice.confidence, Confidence::High);
    let change = advice.change.as_ref().unwrap();
    assert_eq!(change.setting, "raw rules for udp/53");
    assert_eq!((change.from, change.to), (None, None));
    assert_eq!(
        lines(&change.commands),
        [
            "nft add table inet ctpulse_udp_53",
            "nft add chain inet ctpulse_udp_53 prerouting '{ type filter hook prerouting priority raw; }'",
            "nft add rule inet ctpulse_udp_53 prerouting udp dport 53 notrack",
            "nft add chain inet ctpulse_udp_53 output '{ type filter hook output priority raw; }'",
            "nft add rule inet ctpulse_udp_53 output udp sport 53 notrack",
        ]
    );
    assert_eq!(
        lines(&change.or),
        [
            "iptables -t raw -A PREROUTING -p udp --dport 53 -j CT --notrack",
            "iptables -t raw -A OUTPUT -p udp --sport 53 -j CT --notrack",
        ]
    );
    assert_eq!(
        lines(&change.undo),
        ["nft delete table inet ctpulse_udp_53"]
    );
}

#[test]
fn a_service_that_is_used_has_its_ports_the_other_way_round() {
    let outbound = services("outbound", &[("udp/123", 12.0)]);
    let advice = advised(&crowded(&json!([outbound])));
    let finding = advice[0].finding.raw();
    assert!(
        finding.starts_with("flows of this host's own (NTP, udp/123) are 12 %"),
        "{finding}"
    );
    let change = advice[0].change.as_ref().unwrap();
    let rules = lines(&change.commands);
    assert!(rules[2].ends_with("prerouting udp sport 123 notrack"));
    assert!(rules[4].ends_with("output udp dport 123 notrack"));
    assert_eq!(
        lines(&change.or),
        [
            "iptables -t raw -A PREROUTING -p udp --sport 123 -j CT --notrack",
            "iptables -t raw -A OUTPUT -p udp --dport 123 -j CT --notrack",
        ]
    );
}

#[test]
fn only_services_that_are_brief_are_left_untracked_where_this_host_asks() {
    let of = |direction: &str, key: &str| {
        let table = services(direction, &[(key, 60.0)]);
        advised(&crowded(&json!([table]))).len()
    };
    // Here, whatever it is; elsewhere the firewall may live by the state of it.
    assert_eq!(
        (of("inbound", "tcp/443"), of("outbound", "tcp/443")),
        (1, 0)
    );
    assert_eq!((of("inbound", "tcp/53"), of("outbound", "tcp/53")), (1, 0));
    assert_eq!((of("inbound", "udp/53"), of("outbound", "udp/53")), (1, 1));
    // Of what is forwarded, or of all, it is not known whose it is.
    assert_eq!((of("forwarded", "udp/53"), of("dport", "udp/53")), (0, 0));
}

#[test]
fn no_rule_is_made_for_ports_of_clients_or_for_what_is_no_port() {
    let of = |key: &str| {
        let table = services("inbound", &[(key, 60.0)]);
        advised(&crowded(&json!([table]))).len()
    };
    assert_eq!(
        (of("udp/32767"), of("udp/32768"), of("udp/50000")),
        (1, 0, 0)
    );
    for key in [
        "icmp",
        "icmp/8",
        "sctp/80",
        "udp/",
        "udp/65536",
        "udp/-1",
        "UDP/53",
        "udp/53 ",
    ] {
        assert_eq!(of(key), 0, "{key}");
    }
}

#[test]
fn a_service_with_little_of_the_table_is_not_worth_a_rule() {
    let rows = [("tcp/80", 10.0), ("udp/53", 9.9)];
    let advice = advised(&crowded(&json!([services("inbound", &rows)])));
    assert_eq!(advice.len(), 1, "{advice:?}");
    assert!(advice[0].finding.raw().contains("(tcp/80)"));
}

#[test]
fn three_services_are_the_most_and_what_comes_in_is_first() {
    let inbound = services("inbound", &[("tcp/80", 30.0), ("tcp/443", 20.0)]);
    let outbound = services("outbound", &[("udp/53", 15.0), ("udp/123", 11.0)]);
    let advice = advised(&crowded(&json!([outbound, inbound])));
    let settings = advice
        .iter()
        .map(|a| a.change.as_ref().unwrap().setting.raw());
    assert_eq!(
        settings.collect::<Vec<_>>(),
        [
            "raw rules for tcp/80",
            "raw rules for tcp/443",
            "raw rules for udp/53"
        ]
    );
}

#[test]
fn nat_does_not_translate_what_is_not_tracked() {
    let risk = |translated: (u64, u64)| {
        let mut advisor = crowded(&json!([services("inbound", &[("udp/53", 45.0)])]));
        advisor.take(&listing(translated, 0));
        let advice = advised(&advisor);
        let risk = advice[0].change.as_ref().unwrap().risk.clone().unwrap();
        assert!(risk.raw().contains("`ct state established`"), "{risk}");
        risk.raw()
            .ends_with("what is not tracked is not translated")
    };
    assert_eq!(
        (risk((0, 0)), risk((1, 0)), risk((0, 1))),
        (false, true, true)
    );
}

#[test]
fn what_local_clients_ask_comes_by_loopback() {
    let rules = |of: &str, local: u64| {
        let mut advisor = crowded(&json!([services(of, &[("udp/53", 45.0)])]));
        advisor.take(&listing((0, 0), local));
        let advice = advised(&advisor);
        advice[0].change.clone().unwrap()
    };
    // Those packets are sent here, so that the hook of output sees them first.
    let change = rules("inbound", 1);
    assert_eq!(
        lines(&change.commands)[5..],
        [
            "nft add rule inet ctpulse_udp_53 output oif lo udp dport 53 notrack",
            "nft add rule inet ctpulse_udp_53 prerouting iif lo udp sport 53 notrack",
        ]
    );
    assert_eq!(
        lines(&change.or)[2..],
        [
            "iptables -t raw -A OUTPUT -o lo -p udp --dport 53 -j CT --notrack",
            "iptables -t raw -A PREROUTING -i lo -p udp --sport 53 -j CT --notrack",
        ]
    );
    for change in [rules("inbound", 0), rules("outbound", 1)] {
        assert_eq!((change.commands.len(), change.or.len()), (5, 2));
    }
}

#[test]
fn rules_are_not_advised_while_there_is_room_nor_first() {
    let table = services("inbound", &[("udp/53", 100.0)]);
    let full = crowded(&json!([table]));
    assert_eq!(advised(&full).len(), 1);
    let first = full.first_change(&"a".into());
    assert!(first.is_none_or(|change| !change.setting.raw().starts_with("raw rules")));
    let mut free = Advisor::default();
    for second in 0..10 {
        free.take(&sample(second, 1_000, 10_000, &BTreeMap::new()));
    }
    free.take(&record(json!({
        "type": "top", "time": time(9), "instance": "a", "window_s": 0.0, "tables": [table],
    })));
    assert!(advised(&free).is_empty());
}
