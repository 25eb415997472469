//! The JSON Schemas of scenario files, of the lines of `run --format json` and of the adapter protocol, generated from the
//! types that read them.
//! `reusespec explain` prints its descriptions too.
//!
//! The schema of scenario files has two additions to the types. Every value that is not text may also be a string that
//! begins with `$`, because `$name` may stand for it. Every step also has the keys `label`, `when` and `on`, which are
//! read before its own keys.

use std::borrow::Cow;

use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

use crate::adapter::{AdapterReply, AdapterRequest};
use crate::family::Family;
use crate::results::Line;
use crate::scenario::Exchange;
use crate::scenario::Head;
use crate::scenario::claim::ClaimHead;
use crate::step::fastcgi::FastcgiStep;
use crate::step::http::HttpStep;
use crate::step::keepalive::KeepaliveStep;
use crate::step::socket::SocketStep;
use crate::timing::TimedExpectation;

/// The schema of one line of `run --format json`, as indented JSON with a newline at its end.
pub fn results_schema() -> String {
    let generator = schemars::generate::SchemaSettings::draft2020_12().into_generator();
    let mut schema = Value::from(generator.into_root_schema_for::<Line>());
    if let Value::Object(root) = &mut schema {
        root.insert(
            "title".to_owned(),
            json!("A line of `reusespec run --format json`"),
        );
    }
    pretty(&schema)
}

/// A line of the adapter protocol, in either direction.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "only its schema is used")]
enum AdapterLine {
    Request(AdapterRequest),
    Reply(AdapterReply),
}

/// The schema of the adapter protocol, as indented JSON with a newline at its end.
pub fn adapter_schema() -> String {
    let generator = schemars::generate::SchemaSettings::draft2020_12().into_generator();
    let mut schema = Value::from(generator.into_root_schema_for::<AdapterLine>());
    if let Value::Object(root) = &mut schema {
        root.insert("title".to_owned(), json!("A line of the adapter protocol"));
    }
    pretty(&schema)
}

fn pretty(schema: &Value) -> String {
    let mut text = serde_json::to_string_pretty(schema).expect("a JSON value can be written");
    text.push('\n');
    text
}

/// The schema of a scenario file, as indented JSON with a newline at its end.
pub fn scenario_schema() -> String {
    let mut generator = schemars::generate::SchemaSettings::draft2020_12().into_generator();
    let vocabularies = [
        step_schema::<SocketStep>(&mut generator),
        step_schema::<HttpStep>(&mut generator),
        step_schema::<FastcgiStep>(&mut generator),
        step_schema::<KeepaliveStep>(&mut generator),
    ];
    let mut claim = Value::from(ClaimHead::json_schema(&mut generator));
    extend(
        &mut claim,
        "properties",
        json!({
            "when": { "$ref": "#/$defs/When" },
            "on": { "$ref": "#/$defs/Systems" },
            "expect": {
                "description": "The expected result by label. If there are several values, each of them is right.",
                "type": "object",
                "minProperties": 1,
                "additionalProperties": { "$ref": "#/$defs/Expectation" },
            },
        }),
    );
    let mut schema = Value::from(Head::json_schema(&mut generator));
    extend(
        &mut schema,
        "properties",
        json!({
            "matrix": {
                "description": "Axes; the first one varies slowest. A value is a scalar, or a row with a `name`.",
                "type": "object",
                "additionalProperties": { "anyOf": [
                    { "type": "array", "minItems": 1 },
                    { "type": "string", "pattern": "^@", "description": "A list defined in axes.toml." },
                ] },
            },
            "steps": { "type": "array", "minItems": 1, "items": { "anyOf": vocabularies } },
            "claim": { "type": "array", "minItems": 1, "items": claim },
        }),
    );
    let exchange = step_schema::<Exchange>(&mut generator);
    let timed_expectation = step_schema::<TimedExpectation>(&mut generator);
    let mut definitions = generator.take_definitions(true);
    for (name, definition) in &mut definitions {
        if name != "Exchange" && name != "TimedExpectation" {
            finish_step(definition);
        }
    }
    let systems = json!({
        "description": "Systems to which it applies, such as `linux < 6.8`; a list means any of them.",
        "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }],
    });
    definitions.insert("Systems".to_owned(), systems);
    definitions.insert("Expectation".to_owned(), expectation(exchange, timed_expectation));
    let when = json!({ "description": "Axis values to which it applies; a list means any of them.", "type": "object" });
    definitions.insert("When".to_owned(), when);
    if let Value::Object(root) = &mut schema {
        root.insert(
            "$schema".to_owned(),
            json!("https://json-schema.org/draft/2020-12/schema"),
        );
        root.insert("title".to_owned(), json!("A reusespec scenario"));
        root.insert("$defs".to_owned(), Value::Object(definitions));
    }
    pretty(&schema)
}

/// The definition in the schema (below `$defs`) that has the steps of a family.
pub fn vocabulary(family: Family) -> Cow<'static, str> {
    match family {
        Family::PortReuse => SocketStep::schema_name(),
        Family::Keepalive => KeepaliveStep::schema_name(),
        Family::Fastcgi => FastcgiStep::schema_name(),
        Family::Http => HttpStep::schema_name(),
    }
}

fn step_schema<A: JsonSchema>(generator: &mut SchemaGenerator) -> Value {
    Value::from(generator.subschema_for::<A>())
}

/// Adds the keys common to all steps, and admits `$name` as the value of the step's own keys.
fn finish_step(definition: &mut Value) {
    let is_table = definition.get("type").is_some_and(|kind| kind == "object");
    let Some(definition) = definition.as_object_mut().filter(|_| is_table) else {
        return;
    };
    let properties = definition.entry("properties").or_insert_with(|| json!({}));
    let Some(properties) = properties.as_object_mut() else {
        return;
    };
    for property in properties.values_mut() {
        let is_text =
            property.get("type").is_some_and(|kind| kind == "string") && property.get("enum").is_none();
        if !is_text {
            let name = json!({ "type": "string", "pattern": r"^\$" });
            *property = json!({ "anyOf": [property.take(), name] });
        }
    }
    let common: Map<String, Value> = Map::from_iter([
        (
            "label".to_owned(),
            json!({ "type": "string", "description": "Record the result under this name." }),
        ),
        ("when".to_owned(), json!({ "$ref": "#/$defs/When" })),
        ("on".to_owned(), json!({ "$ref": "#/$defs/Systems" })),
    ]);
    properties.extend(common);
}

/// A scalar, conditions on a transcript, an array of either, or conditions on times.
fn expectation(exchange: Value, timed_expectation: Value) -> Value {
    let scalar = json!({ "type": ["string", "integer", "boolean"] });
    let scalars = json!({ "type": "array", "minItems": 1, "items": scalar });
    let exchanges = json!({ "type": "array", "minItems": 1, "items": exchange });
    json!({ "anyOf": [scalar, scalars, exchange, exchanges, timed_expectation] })
}

fn extend(schema: &mut Value, key: &str, more: Value) {
    let (Some(Value::Object(target)), Value::Object(more)) = (schema.get_mut(key), more) else {
        unreachable!("a struct's schema has properties")
    };
    target.extend(more);
}
