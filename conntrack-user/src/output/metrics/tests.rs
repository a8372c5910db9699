use std::path::Path;

use prometheus_client::encoding::prometheus_protobuf::{
    encode, prometheus_data_model::MetricFamily as Proto,
};

use super::{
    families::{COUNTER, FAMILIES},
    *,
};
use crate::{
    model::{exposition::Exposition, kernel::counters::COUNTERS, record::Record},
    recording::{Recording, open},
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
