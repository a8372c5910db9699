//! Files for monitoring systems that read the metrics of many hosts: rules for Prometheus, a dashboard for Grafana, a template for
//! Zabbix. All are made from the tables of counters, charts, alerts and metrics, so that none names what there is not.

mod dashboard;
mod expressions;
mod rules;
#[cfg(test)]
mod tests;
mod zabbix;

pub use self::{dashboard::dashboard, rules::rules, zabbix::template as zabbix};
