//! What the table is made of, and what limits it.

use crate::{
    model::report::InstanceReport,
    output::{
        contents::{COLUMNS, Fact, facts, group_cells, headline, limit_facts, shown_groups},
        format::clock,
        report::table::Table,
    },
};

pub(super) fn write(page: &mut String, instance: &InstanceReport) -> std::fmt::Result {
    if let Some(contents) = &instance.table_contents {
        let text = format!("{}: {}.", clock::millis(contents.time), headline(contents));
        let mut table = Table::open(page, "What the table is made of", &text, &COLUMNS)?;
        for group in shown_groups(contents) {
            table.row("")?;
            for cell in group_cells(group) {
                table.cell(cell)?;
            }
        }
        table.close()?;
        table_of_facts(page, "Entries by other properties", facts(contents))?;
    }
    match &instance.table_limits {
        Some(limits) => table_of_facts(page, "Limits of the table", limit_facts(limits)),
        None => Ok(()),
    }
}

fn table_of_facts(page: &mut String, title: &str, facts: Vec<Fact>) -> std::fmt::Result {
    if facts.is_empty() {
        return Ok(());
    }
    let mut table = Table::open(page, title, "", &["what", "value"])?;
    for (name, text) in facts {
        table.row("")?;
        table.cell(name)?;
        table.cell(text)?;
    }
    table.close()
}
