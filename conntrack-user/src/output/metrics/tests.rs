use std::path::Path;

use prometheus_client::encoding::prometheus_protobuf::{
    encode, prometheus_data_model::MetricFamily as Proto,
};

use super::{
    families::{COUNTER, FAMILIES},
    *,
};
use crate::{
    model::{
        exposition::Exposition,
        kernel::counters::COUNTERS,
        record::{Hello, Record, Time, Top, TopRow, TopTable, Workload},
    },
    recording::{Recording, open},
    text::Text,
};

/// What a recording of a guest left to be read at its end, without what differs from run to run.
fn metrics(recording: &str) -> Metrics {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../tests/fixtures/recordings")
        .join(recording);
    let mut exposition = Exposition::default();
    for record in Recording::part(&path, open(&path).unwrap(), None, None) {
        match record.unwrap() {
            // The instances of the summary are those of before.
            Record::Summary(_) => {}
            record => exposition.take(&record),
        }
    }
    Metrics {
        readout: exposition.readout(),
        own: Some(OwnUse {
            cpu: Duration::from_millis(1_500),
            memory: Some(1 << 20),
        }),
        serving: ServingMetrics {
            connections: 1,
            evicted: 2,
            stream_clients: 3,
            stream_dropped: 4,
            stream_lost_bytes: 5,
        },
        remote_write: Some(RemoteWriteMetrics {
            queue_bytes: 1_000,
            waiting: 20,
            oldest_seconds: Some(1.5),
            sent: 300,
            failed_requests: 4,
            overflowed: 5,
            refused: 6,
            not_stored: 7,
        }),
        node: Some(NodeColumns {
            entries: Some(10),
            limit: None,
            columns: std::array::from_fn(|i| Some(i as u64)),
        }),
    }
}

fn text(recording: &str, format: MetricsFormat) -> String {
    String::from_utf8(metrics(recording).encode(format).unwrap()).unwrap()
}

#[test]
fn open_metrics_of_a_recording() {
    insta::assert_snapshot!(text("incident-6.12.ctp", MetricsFormat::OpenMetrics));
}

#[test]
fn classic_text_of_a_recording() {
    insta::assert_snapshot!(text("bursts-6.12.ctp", MetricsFormat::Text));
}

#[test]
fn protobuf_has_native_histograms_and_what_the_text_has() {
    let families: Vec<Proto> = collector::parts(metrics("incident-6.12.ctp"))
        .flat_map(|part| encode(&part).unwrap())
        .collect();
    let named = |name: &str| -> &Proto { families.iter().find(|f| f.name == name).unwrap() };
    let histogram = named("ctpulse_new_per_bucket").metric[0].histogram.clone();
    insta::assert_debug_snapshot!(histogram);
    let text = text("incident-6.12.ctp", MetricsFormat::Text);
    let described: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next())
        .collect();
    let names: Vec<&str> = families.iter().map(|family| &*family.name).collect();
    assert_eq!(names, described);
}

#[test]
fn what_is_exposed_is_in_the_table_in_its_order() {
    let expanded = FAMILIES.iter().flat_map(|family| {
        let name = family.full_name();
        match name.contains(COUNTER) {
            true => COUNTERS
                .iter()
                .map(|spec| name.replace(COUNTER, spec.name))
                .collect(),
            false => vec![name],
        }
    });
    let expanded: Vec<String> = expanded.collect();
    let text = text("incident-6.12.ctp", MetricsFormat::Text);
    let names = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
    let mut found = 0;
    for name in names.filter(|name| !name.starts_with("node_")) {
        assert!(expanded.iter().any(|known| known == name), "{name}");
        found += 1;
    }
    assert!(found > 60, "{found}");
}

#[test]
fn before_the_run_there_is_only_the_server() {
    let text = Metrics::default().encode(MetricsFormat::Text).unwrap();
    let text = String::from_utf8(text).unwrap();
    assert!(
        text.starts_with("# HELP ctpulse_http_connections "),
        "{text}"
    );
}

#[test]
fn what_is_known_of_pods_is_a_label() {
    let mut recorded = metrics("incident-6.12.ctp");
    let workload = |container: Option<&'static str>| Workload {
        pod_namespace: Some("shop".into()),
        pod: Some("cart\u{1b}".into()),
        container: container.map(Text::from),
        ..Workload::default()
    };
    let mut hello = Hello::clone(recorded.readout.hello.as_ref().unwrap());
    hello.instances[0].workload = Some(workload(None).into());
    recorded.readout.hello = Some(hello.into());
    let row = |key: &'static str| TopRow {
        key: key.into(),
        count: 1,
        process_workload: Some(workload(Some("app")).into()),
        ..TopRow::default()
    };
    let table = |of: &'static str, row| TopTable {
        by: "new".into(),
        of: of.into(),
        total: 1,
        error: 0,
        certain: true,
        sampled: false,
        rows: vec![row],
    };
    let of_address = TopRow {
        workload: Some(workload(None).into()),
        ..row("10.0.0.1")
    };
    let instance = std::sync::Arc::make_mut(&mut recorded.readout.instances[0]);
    instance.tops = vec![Top {
        time: Time(jiff::Timestamp::UNIX_EPOCH),
        instance: "self".into(),
        window_s: 1.0,
        closing: false,
        tables: vec![
            table("src", of_address),
            table("dst", row("10.0.0.9")),
            table("dport", row("tcp/80")),
        ],
        remark: None,
    }];
    let text = recorded.encode(MetricsFormat::OpenMetrics).unwrap();
    let text = String::from_utf8(text).unwrap();
    let pod = r#"pod_namespace="shop",pod="cart\\u{1b}""#;
    for line in [
        format!(r#"ctpulse_netns_info{{netns="self",{pod}}} 1"#),
        format!(r#"ctpulse_top{{netns="self",by="new",of="src",key="10.0.0.1",{pod}}} 1"#),
        // A process here that talks to an address has not got it.
        r#"ctpulse_top{netns="self",by="new",of="dst",key="10.0.0.9"} 1"#.to_owned(),
        format!(
            r#"ctpulse_top{{netns="self",by="new",of="dport",key="tcp/80",{pod},container="app"}} 1"#
        ),
    ] {
        assert!(text.lines().any(|found| found == line), "{line} in {text}");
    }
}
