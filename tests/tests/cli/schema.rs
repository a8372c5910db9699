//! The JSON Schema of the manual (`conntrack-user/docs/schema.json`) describes what the program writes:
//! all of it, and nothing else.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use jsonschema::Validator;
use serde_json::{Value, json};

use crate::{
    program::{Running, json_stream, run},
    tree::{COUNT, MAX, Tree},
};

const SCHEMA: &str = include_str!("../../../conntrack-user/docs/schema.json");

fn schema() -> Result<Value> {
    serde_json::from_str(SCHEMA).context("schema.json is not JSON")
}

fn validator(schema: &Value) -> Result<Validator> {
    Ok(jsonschema::draft202012::new(schema)?)
}

/// The contract: what a consumer may rely on, whatever version wrote a line.
fn contract() -> Result<Validator> {
    validator(&schema()?)
}

/// The contract, and no field or type besides those it describes.
fn described() -> Result<Validator> {
    let mut schema = schema()?;
    let types: Vec<Value> = types(&schema)?.into_iter().map(Value::from).collect();
    schema["properties"]["type"]["enum"] = types.into();
    for definition in definitions(&mut schema)? {
        close(definition);
    }
    validator(&schema)
}

/// The same, and every field that today's version writes, every counter included.
fn todays() -> Result<Validator> {
    demanding(schema()?, |_| true)
}

/// The same but for the counters: a recording has those of its version.
fn recorded() -> Result<Validator> {
    demanding(schema()?, |definition| definition != COUNTERS)
}

/// What counters a sample has.
const COUNTERS: &str = "counters";

/// A closed schema that demands `x-always` in these definitions.
fn demanding(mut schema: Value, is_demanded: impl Fn(&str) -> bool) -> Result<Validator> {
    let definitions = schema["$defs"].as_object_mut().context("no $defs")?;
    for (name, definition) in definitions {
        close(definition);
        if is_demanded(name) {
            demand(definition);
        }
    }
    validator(&schema)
}

/// That lines are as it says.
pub(crate) fn require<'a>(lines: impl Iterator<Item = &'a str>) -> Result<()> {
    check_all(&described()?, lines).map(drop)
}

fn definitions(schema: &mut Value) -> Result<impl Iterator<Item = &mut Value>> {
    let definitions = schema["$defs"].as_object_mut().context("no $defs")?;
    Ok(definitions.values_mut())
}

/// The types that the schema tells apart.
fn types(schema: &Value) -> Result<BTreeSet<String>> {
    let cases = schema["allOf"].as_array().context("no allOf")?;
    let name = |case: &Value| {
        let name = case["if"]["properties"]["type"]["const"].as_str();
        name.map(str::to_owned).context("a case without a type")
    };
    cases.iter().map(name).collect()
}

/// Lets objects have only the properties that are described.
fn close(schema: &mut Value) {
    walk(schema, &|object| {
        if object.contains_key("properties") && !object.contains_key("additionalProperties") {
            object.insert("additionalProperties".to_owned(), json!(false));
        }
    });
}

/// Makes `x-always` required.
fn demand(schema: &mut Value) {
    walk(schema, &|object| {
        let Some(Value::Array(always)) = object.get("x-always").cloned() else {
            return;
        };
        let required = object.entry("required").or_insert_with(|| json!([]));
        if let Value::Array(required) = required {
            required.extend(always);
            let mut seen = BTreeSet::new();
            required.retain(|name| seen.insert(name.to_string()));
        }
    });
}

/// Changes a schema and all that are in it.
fn walk(schema: &mut Value, change: &impl Fn(&mut serde_json::Map<String, Value>)) {
    match schema {
        Value::Object(object) => {
            change(object);
            object.values_mut().for_each(|value| walk(value, change));
        }
        Value::Array(values) => values.iter_mut().for_each(|value| walk(value, change)),
        _ => {}
    }
}

/// Expects a line to be as the schema says; an error names the field and what is wrong with it.
fn check(validator: &Validator, line: &str) -> Result<Value> {
    let record: Value = serde_json::from_str(line).with_context(|| format!("not JSON: {line}"))?;
    let faults: Vec<String> = validator
        .iter_errors(&record)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    ensure!(faults.is_empty(), "{}\nin {line}", faults.join("\n"));
    Ok(record)
}

fn check_all<'a>(
    validator: &Validator,
    lines: impl IntoIterator<Item = &'a str>,
) -> Result<BTreeSet<String>> {
    let mut types = BTreeSet::new();
    for line in lines {
        let record = check(validator, line)?;
        types.extend(record["type"].as_str().map(str::to_owned));
    }
    Ok(types)
}

/// Fixtures with this ending.
fn fixtures(ending: &str) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut left = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")];
    while let Some(dir) = left.pop() {
        for entry in fs::read_dir(&dir).with_context(|| dir.display().to_string())? {
            let path = entry?.path();
            if path.is_dir() {
                left.push(path);
            } else if path.to_string_lossy().ends_with(ending) {
                found.push(path);
            }
        }
    }
    ensure!(!found.is_empty(), "no fixture ends in {ending}");
    Ok(found)
}

#[test]
fn it_is_a_schema() -> Result<()> {
    jsonschema::draft202012::meta::validate(&schema()?).map_err(|error| error.to_owned())?;
    contract()?;
    described()?;
    todays()?;
    recorded()?;
    Ok(())
}

#[test]
fn recordings_are_as_it_says_and_have_records_of_every_type() -> Result<()> {
    let (described, recorded) = (described()?, recorded()?);
    let mut seen = BTreeSet::new();
    let (tree, dir) = (Tree::of("6.18/t0")?, tempfile::tempdir()?);
    let todays = dir.path().join("todays.ctp");
    let todays = todays.to_str().context("the path is no UTF-8")?;
    let root = tree.root();
    let root = root.to_str().context("the path is no UTF-8")?;
    run(&[
        "record",
        todays,
        "--proc-root",
        root,
        "--duration",
        "200ms",
        "--interval",
        "50ms",
    ])?
    .success();
    for file in fixtures(".ctp")?.into_iter().chain([todays.into()]) {
        let path = file.to_str().context("the path is no UTF-8")?;
        let replay = run(&["replay", path, "--format", "json"])?
            .success()
            .get_output()
            .clone();
        let lines = String::from_utf8(replay.stdout)?;
        // The fixtures were recorded by earlier versions.
        let validator = if path == todays {
            &recorded
        } else {
            &described
        };
        seen.extend(check_all(validator, lines.lines()).with_context(|| path.to_owned())?);
    }
    // The state of hosts is in what comes from others.
    let others = run(&["stream", "--format", "json", "--from", todays])?.success();
    let lines = String::from_utf8(others.get_output().stdout.clone())?;
    seen.extend(check_all(&recorded, lines.lines())?);
    let advice = run(&["advise", todays, "--format", "json"])?.success();
    let lines = String::from_utf8(advice.get_output().stdout.clone())?;
    seen.extend(check_all(&recorded, lines.lines())?);
    assert_eq!(seen, types(&schema()?)?);
    Ok(())
}

#[test]
fn fixtures_of_lines_are_as_it_says() -> Result<()> {
    let described = described()?;
    for file in fixtures(".jsonl")? {
        let lines = fs::read_to_string(&file)?;
        check_all(&described, lines.lines()).with_context(|| file.display().to_string())?;
    }
    Ok(())
}

/// What the program writes about a tree that changes, is full, and goes away.
fn stream(kernel: &str, args: &[&str]) -> Result<Vec<String>> {
    let tree = Tree::of(&format!("{kernel}/t0"))?;
    let root = tree.root();
    let root = root.to_str().context("the path is no UTF-8")?;
    let own = json_stream(root);
    let mut program = Running::start(&[&own[..], args].concat())?;
    program.wait_for_sample("sample", |_| true)?;
    tree.become_snapshot(&format!("{kernel}/t1"))?;
    tree.set_entries(999)?;
    tree.write(MAX, "1000\n")?;
    program.wait_for_sample("full table", |sample| sample["max"] == 1000)?;
    for file in [COUNT, MAX, crate::tree::STAT] {
        tree.remove(file)?;
    }
    program.wait_for_sample("nothing", |sample| sample["entries"].is_null())?;
    Ok(program.stop()?.lines)
}

#[test]
fn streams_of_every_era_are_as_it_says() -> Result<()> {
    let todays = todays()?;
    for kernel in ["2.6.32", "4.4", "4.19", "5.10", "6.1", "6.18"] {
        for args in [&[][..], &["--per-cpu", "--buckets"]] {
            let lines = stream(kernel, args)?;
            let types = check_all(&todays, lines.iter().map(String::as_str))
                .with_context(|| format!("{kernel} {args:?}"))?;
            assert!(
                types.is_superset(
                    &["hello", "sample", "summary", "verdict"]
                        .map(str::to_owned)
                        .into()
                )
            );
        }
    }
    Ok(())
}

#[test]
fn what_this_host_writes_is_as_it_says() -> Result<()> {
    let todays = todays()?;
    for args in [
        &[
            "stream",
            "--per-cpu",
            "--buckets",
            "--lifetimes",
            "--latency",
            "--top",
        ][..],
        &["stream", "--probes", "off"],
        &["events", "--probes", "off"],
    ] {
        let common = ["--format", "json", "--duration", "300ms"];
        let ended = Running::start(&[args, &common[..]].concat())?
            .wait()?
            .successful()?;
        check_all(&todays, ended.lines.iter().map(String::as_str))
            .with_context(|| format!("{args:?}"))?;
    }
    Ok(())
}

/// A line of an alert, with one thing changed.
fn alert(change: impl FnOnce(&mut Value)) -> String {
    let mut alert = json!({
        "type": "alert", "time": "2026-01-02T03:04:05.978901Z", "instance": "self",
        "name": "netfilter_conntrack_full", "status": "WARNING", "value": 92.3, "unit": "%",
        "previous": "CLEAR",
    });
    change(&mut alert);
    alert.to_string()
}

#[test]
fn a_counter_that_is_new_is_asked_of_todays_streams_alone() -> Result<()> {
    let mut schema = schema()?;
    let counters = &mut schema["$defs"][COUNTERS];
    counters["properties"]["offloaded"] = json!({ "$ref": "#/$defs/count_or_null" });
    let always = counters["x-always"].as_array_mut();
    always.context("no x-always")?.push("offloaded".into());
    let lines = stream("6.18", &[])?;
    let sample = lines.iter().find(|line| line.contains(r#""counters":"#));
    let sample = sample.context("no sample")?;
    check(&demanding(schema.clone(), |name| name != COUNTERS)?, sample)?;
    let todays = check(&demanding(schema, |_| true)?, sample);
    let error = todays.err().context("it is not asked for")?;
    assert!(error.to_string().contains("offloaded"), "{error}");
    Ok(())
}

#[test]
fn it_refuses_what_breaks_the_contract() -> Result<()> {
    let contract = contract()?;
    let refused = |line: &str| check(&contract, line).is_err();
    assert!(!refused(&alert(|_| {})));
    assert!(refused("{}"), "no type");
    assert!(refused(&alert(|alert| alert["value"] = "92".into())));
    assert!(refused(&alert(|alert| alert["status"] = "GREEN".into())));
    assert!(refused(&alert(|alert| alert["time"] = "yesterday".into())));
    let without = |field: &str| {
        alert(|alert| {
            alert.as_object_mut().and_then(|alert| alert.remove(field));
        })
    };
    for field in [
        "time", "instance", "name", "status", "value", "unit", "previous",
    ] {
        assert!(refused(&without(field)), "{field}");
    }
    Ok(())
}

#[test]
fn what_it_does_not_describe_is_allowed_and_found_here() -> Result<()> {
    let more = [
        alert(|alert| alert["severity"] = 3.into()),
        json!({"type": "forecast"}).to_string(),
    ];
    for line in &more {
        check(&contract()?, line)?;
        assert!(check(&described()?, line).is_err(), "{line}");
    }
    Ok(())
}
