//! `call`: any method of any kind.

use super::Connection;
use super::input;
use super::output::Output;
use crate::failure::Failure;
use clap::Args;
use commonhold::{Call, Value};

/// Call any method of an object; `describe` lists them
#[derive(Debug, Args)]
pub(crate) struct CallMethod {
    /// The object; $server is the server itself
    name: String,
    /// The method
    method: String,
    /// Its arguments as JSON: 3, '"text"', '[1, 2]'
    #[arg(allow_negative_numbers = true)]
    arguments: Vec<String>,
    /// A named argument
    #[arg(long, value_name = "NAME=JSON")]
    named: Vec<String>,
    /// What kind the object is; needed where it does not exist yet
    #[arg(long)]
    kind: Option<String>,
    /// An option of its creation, where it does not exist yet
    #[arg(long, value_name = "NAME=JSON")]
    option: Vec<String>,
    #[command(flatten)]
    output: Output,
}

impl CallMethod {
    pub(super) fn run(
        &self,
        connect: impl FnOnce() -> Result<Connection, Failure>,
    ) -> Result<(), Failure> {
        let arguments = self.arguments.iter().map(|text| argument(text));
        let mut call = Call::new(
            self.method.as_str(),
            arguments.collect::<Result<Vec<_>, _>>()?,
        );
        call.named = pairs("--named", &self.named)?;
        let options = pairs("--option", &self.option)?;
        let connection = connect()?;
        let kind = match &self.kind {
            Some(kind) => kind.clone(),
            None => connection.kind_of(&self.name).map_err(|failure| {
                if failure.is_not_found() {
                    Failure::refused(format!("{failure}; --kind says what kind to create"))
                } else {
                    failure
                }
            })?,
        };
        self.output
            .print(&connection.call_with((&kind, &self.name), options, call)?)
    }
}

fn pairs(flag: &str, texts: &[String]) -> Result<Vec<(String, Value)>, Failure> {
    let pair = |text: &String| {
        let (name, json) = text
            .split_once('=')
            .ok_or_else(|| Failure::usage(format!("{flag} {text}: write NAME=JSON")))?;
        Ok((name.to_owned(), argument(json)?))
    };
    texts.iter().map(pair).collect()
}

fn argument(text: &str) -> Result<Value, Failure> {
    input::json(text)
        .map_err(|failure| Failure::usage(format!("{failure}; text is JSON in quotes: '\"text\"'")))
}
