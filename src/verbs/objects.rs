//! What there is: `ls describe rm`.

use super::Connection;
use super::connection::field;
use super::output::{Align, Output, Table, say};
use crate::failure::Failure;
use crate::units;
use clap::Args;
use commonhold::{Call, Fence, Value};
use commonhold_server::objects::{self, Access, Kind, Method, Parameter};
use serde_json::{Value as Json, json};

/// Objects that one page of `ls` asks for.
const PAGE: usize = 1000;

/// List the objects
#[derive(Debug, Args)]
pub(crate) struct Ls {
    /// Only names that begin so
    #[arg(long)]
    prefix: Option<String>,
    /// Only objects of this kind
    #[arg(long)]
    kind: Option<String>,
    #[command(flatten)]
    output: Output,
}

impl Ls {
    pub(super) fn run(&self, connection: &Connection) -> Result<(), Failure> {
        let rows = self.rows(connection)?;
        let json = Json::Array(rows.iter().map(Value::to_json).collect());
        self.output.print_either(&json, || {
            let (left, right) = (Align::Left, Align::Right);
            let mut table = Table::new([
                ("NAME", left),
                ("KIND", left),
                ("ENTRIES", right),
                ("DURABILITY", left),
            ]);
            for row in &rows {
                table.row(["name", "kind", "entries", "durability"].map(|name| cell(row, name)));
            }
            table.to_text()
        })
    }

    fn rows(&self, connection: &Connection) -> Result<Vec<Value>, Failure> {
        let mut rows: Vec<Value> = Vec::new();
        loop {
            let mut call = Call::new("ls", []).with("limit", PAGE);
            for (name, filter) in [("prefix", &self.prefix), ("kind", &self.kind)] {
                if let Some(filter) = filter {
                    call = call.with(name, filter.as_str());
                }
            }
            if let Some(last) = rows.last().and_then(|row| field(row, "name")) {
                call = call.with("after", last.clone());
            }
            let Value::List(page) = connection.server(call)? else {
                return Ok(rows);
            };
            let more = page.len() == PAGE;
            rows.extend(page);
            if !more {
                return Ok(rows);
            }
        }
    }
}

fn cell(row: &Value, name: &str) -> String {
    match field(row, name) {
        Some(Value::Text(text)) => text.to_string(),
        Some(value) => value.to_json().to_string(),
        None => String::new(),
    }
}

/// Tell what an object is and what can be called on it, or what a kind can do
#[derive(Debug, Args)]
pub(crate) struct Describe {
    /// The object
    #[arg(required_unless_present = "kind", conflicts_with = "kind")]
    name: Option<String>,
    /// A kind in place of an object; needs no server
    #[arg(long)]
    kind: Option<String>,
    #[command(flatten)]
    output: Output,
}

impl Describe {
    pub(super) fn run(
        &self,
        connect: impl FnOnce() -> Result<Connection, Failure>,
    ) -> Result<(), Failure> {
        match (&self.name, &self.kind) {
            (Some(name), _) => self.object(name, &connect()?),
            (None, Some(kind)) => self.kind(kind),
            (None, None) => Err(Failure::usage("name an object, or a kind with --kind")),
        }
    }

    fn object(&self, name: &str, connection: &Connection) -> Result<(), Failure> {
        let about = connection.describe(name)?;
        self.output.print_either(&about.to_json(), || {
            let mut head = Table::new([("", Align::Left), ("", Align::Left)]);
            for name in ["name", "kind", "entries", "durability", "oid", "revision"] {
                head.row([name.to_owned(), cell(&about, name)]);
            }
            if let Some(Value::Dict(options)) = field(&about, "options") {
                for (name, value) in options {
                    let name = name.as_text().unwrap_or_default();
                    head.row([format!("option {name}"), value.to_json().to_string()]);
                }
            }
            // A server of another version may know methods that we have no words for.
            let known = field(&about, "kind")
                .and_then(Value::as_text)
                .and_then(objects::kind);
            let mut methods = Table::new([("METHOD", Align::Left), ("", Align::Left)]);
            if let Some(Value::List(names)) = field(&about, "methods") {
                for name in names.iter().filter_map(Value::as_text) {
                    let method = known
                        .and_then(|kind| kind.methods.iter().find(|method| method.name == name));
                    methods.row(method.map_or([name.to_owned(), String::new()], signature));
                }
            }
            format!("{}\n{}", head.to_text(), methods.to_text())
        })
    }

    fn kind(&self, name: &str) -> Result<(), Failure> {
        let kind = objects::kind(name).ok_or_else(|| {
            let names: Vec<&str> = objects::KINDS.iter().map(|kind| kind.name).collect();
            Failure::refused(format!(
                "{name:?} is no kind: there are {}",
                names.join(", ")
            ))
        })?;
        self.output.print_either(&kind_json(kind), || {
            let mut methods = Table::new([("METHOD", Align::Left), ("", Align::Left)]);
            for method in kind.methods.iter().filter(|method| !method.internal) {
                methods.row(signature(method));
            }
            let options = kind.options.iter();
            let options: Vec<String> = options
                .map(|option| format!("option {}: {}\n", option.name, option.doc))
                .collect();
            format!(
                "{}: {}\n{}\n{}",
                kind.name,
                kind.doc,
                options.concat(),
                methods.to_text()
            )
        })
    }
}

/// A method with its parameters, and what it does.
fn signature(method: &Method) -> [String; 2] {
    let parameter = |it: &Parameter| {
        if it.required {
            it.name.to_owned()
        } else {
            format!("[{}]", it.name)
        }
    };
    let parameters: Vec<String> = method.parameters.iter().map(parameter).collect();
    let line = format!("{} {}", method.name, parameters.join(" "));
    [line.trim_end().to_owned(), method.doc.to_owned()]
}

fn kind_json(kind: &Kind) -> Json {
    let parameters = |list: &[Parameter]| -> Vec<Json> {
        let one = |it: &Parameter| json!({"name": it.name, "doc": it.doc, "required": it.required});
        list.iter().map(one).collect()
    };
    let methods = kind.methods.iter().filter(|method| !method.internal);
    let methods: Vec<Json> = methods
        .map(|method| {
            json!({
                "name": method.name,
                "doc": method.doc,
                "parameters": parameters(method.parameters),
                "writes": method.access == Access::Write,
                "waits": method.waits,
                "shrinking": method.shrinking,
            })
        })
        .collect();
    json!({"name": kind.name, "doc": kind.doc, "options": parameters(kind.options), "methods": methods})
}

/// Delete objects; whoever waits for one is refused
#[derive(Debug, Args)]
pub(crate) struct Rm {
    /// The objects
    #[arg(required = true)]
    name: Vec<String>,
    /// Only while this grant of a lock holds; the environment of lock run's command has both numbers
    #[arg(long, value_name = "OID:TOKEN", value_parser = units::fence)]
    fence: Option<Fence>,
    /// Also what a lock guards, without a fence of it
    #[arg(long)]
    force: bool,
}

impl Rm {
    pub(super) fn run(&self, connection: &Connection) -> Result<(), Failure> {
        for name in &self.name {
            let mut call = Call::new("delete", [name.as_str().into()]);
            if self.force {
                call = call.with("force", true);
            }
            connection.server_fenced(self.fence, call)?;
        }
        say(b"")
    }
}
