//! What is fixed when an object is created, and whether an object is what a caller takes it for.

use super::Engine;
use super::cell::Cell;
use super::links::is_same_link;
use super::references::Grip;
use crate::objects::{self, Kind, Options};
use commonhold_proto::{Code, Durability, Oid, Open, OpenOptions, Refusal, Value};

/// The longest name, in bytes.
const NAME_BYTES_MAX: usize = 512;

/// What is fixed when an object is created: its registry row's value.
pub(super) struct Birth {
    pub(super) kind: &'static Kind,
    pub(super) name: String,
    pub(super) durability: Durability,
    pub(super) options: Options,
    /// Holds what the options refer to until the object does.
    pub(super) held: Option<Grip>,
}

impl Birth {
    /// The version of the row formats of kinds, kept with each object.
    const FORMAT: i64 = 1;

    /// As a registry row has it.
    pub(super) fn to_value(&self) -> Value {
        let options = self
            .options
            .given()
            .iter()
            .map(|(k, v)| (k.as_str().into(), v.clone()))
            .collect();
        Value::Dict(vec![
            ("kind".into(), self.kind.name.into()),
            ("name".into(), self.name.as_str().into()),
            ("durability".into(), self.durability.name().into()),
            ("options".into(), Value::Dict(options)),
            ("format".into(), Birth::FORMAT.into()),
        ])
    }

    /// Reads a registry row's value.
    pub(super) fn from_value(value: &Value) -> Result<Birth, String> {
        let Value::Dict(pairs) = value else {
            return Err("a registry row is no dict".into());
        };
        let field = |name: &str| {
            let found = pairs
                .iter()
                .find(|(key, _)| key.as_text() == Some(name))
                .map(|(_, value)| value);
            found.ok_or_else(|| format!("a registry row lacks \"{name}\""))
        };
        let text = |name: &str| {
            field(name)?
                .as_text()
                .ok_or_else(|| format!("the {name} in a registry row is no text"))
        };
        if field("format")?
            .as_int()
            .is_none_or(|format| format > Birth::FORMAT)
        {
            return Err("a registry row was written by a newer version".into());
        }
        let kind = text("kind")?;
        let kind =
            kind_named(kind).ok_or_else(|| format!("this version knows no kind \"{kind}\""))?;
        let durability = text("durability")?;
        let durability = Durability::from_name(durability)
            .ok_or_else(|| format!("there is no durability \"{durability}\""))?;
        let Value::Dict(given) = field("options")? else {
            return Err("the options in a registry row are no dict".into());
        };
        let given: Vec<_> = given
            .iter()
            .filter_map(|(key, value)| Some((key.as_text()?.to_owned(), value.clone())))
            .collect();
        let options = Options::check(kind, &given).map_err(|refusal| refusal.message)?;
        Ok(Birth {
            kind,
            name: text("name")?.to_owned(),
            durability,
            options,
            held: None,
        })
    }

    /// An empty object.
    pub(super) fn create(&self, oid: Oid) -> Result<Cell, Refusal> {
        let object = (self.kind.create)(&self.options)?;
        Ok(Cell::new(
            oid,
            self.kind,
            &self.name,
            self.durability,
            self.options.clone(),
            object,
        ))
    }
}

impl Engine {
    /// What an object of this name would be if it were created now.
    pub(super) fn birth(&self, open: &Open) -> Result<Birth, Refusal> {
        let kind = known_kind(&open.kind)?;
        check_name(&open.name)?;
        self.birth_of(kind, open, self.limits.durability)
    }

    /// The same, once kind and name are known to be right.
    fn birth_of(
        &self,
        kind: &'static Kind,
        open: &Open,
        default: Durability,
    ) -> Result<Birth, Refusal> {
        let OpenOptions {
            durability,
            exists,
            options,
        } = &open.options;
        if *exists == Some(true) {
            return Err(Refusal::new(
                Code::NotFound,
                format!("no object \"{}\"", open.name),
            ));
        }
        let mut birth = Birth {
            kind,
            name: open.name.clone(),
            durability: durability.unwrap_or(default),
            options: Options::check(kind, options)?,
            held: None,
        };
        self.link(&mut birth)?;
        Ok(birth)
    }

    /// What an anonymous object would be if it were created now. It is in memory unless the caller says otherwise.
    pub(super) fn anonymous_birth(&self, open: &Open) -> Result<Birth, Refusal> {
        if open.options.exists == Some(true) {
            let message =
                "open: an object without a name is always a new one: it cannot exist already";
            return Err(Refusal::new(Code::BadArguments, message));
        }
        self.birth_of(known_kind(&open.kind)?, open, Durability::Memory)
    }
}

/// The kind of this name; tests have some of their own.
fn kind_named(name: &str) -> Option<&'static Kind> {
    let kind = objects::kind(name);
    #[cfg(test)]
    let kind = kind.or_else(|| {
        super::tests::KINDS
            .iter()
            .copied()
            .find(|kind| kind.name == name)
    });
    kind
}

fn known_kind(name: &str) -> Result<&'static Kind, Refusal> {
    kind_named(name)
        .ok_or_else(|| Refusal::new(Code::WrongKind, format!("there is no kind \"{name}\"")))
}

/// Is the object what the caller takes it for?
pub(super) fn agree(cell: &Cell, open: &Open) -> Result<(), Refusal> {
    let name = &open.name;
    if cell.kind.name != open.kind {
        let message = format!("\"{name}\" is a {}, not a {}", cell.kind.name, open.kind);
        return Err(Refusal::new(Code::WrongKind, message));
    }
    let OpenOptions {
        durability,
        exists,
        options,
    } = &open.options;
    if *exists == Some(false) {
        return Err(Refusal::new(
            Code::Conflict,
            format!("there is a {} \"{name}\" already", cell.kind.name),
        ));
    }
    if let Some(asked) = durability.filter(|asked| *asked != cell.durability) {
        let message = format!(
            "{} has durability {}, not {}",
            cell.title(),
            cell.durability.name(),
            asked.name()
        );
        return Err(Refusal::new(Code::Conflict, message));
    }
    for (option, asked) in options {
        match cell.options.get(option) {
            Some(has) if has.equals(asked) || is_same_link(has, asked) => {}
            Some(has) => {
                let message = format!(
                    "{} was made with {option} = {}, not {}",
                    cell.title(),
                    has.repr(),
                    asked.repr()
                );
                return Err(Refusal::new(Code::Conflict, message));
            }
            None => {
                // An option that the kind lacks is refused by name; one that was left at its default differs.
                Options::check(cell.kind, &[(option.clone(), asked.clone())])?;
                let message = format!(
                    "{} was made without {option}, not with {}",
                    cell.title(),
                    asked.repr()
                );
                return Err(Refusal::new(Code::Conflict, message));
            }
        }
    }
    Ok(())
}

fn check_name(name: &str) -> Result<(), Refusal> {
    let wrong = if name.is_empty() {
        "a name has at least one byte; \"open\" of $server without a name makes an anonymous object"
    } else if name.len() > NAME_BYTES_MAX {
        "a name has at most 512 bytes"
    } else if name.chars().any(char::is_control) {
        "a name has no control characters"
    } else if name.starts_with('$') {
        "names that begin with $ are the server's"
    } else {
        return Ok(());
    };
    Err(Refusal::new(Code::BadArguments, wrong))
}
