//! Packs: files of groups and definitions, written in TOML by the names of the schema, as the request that defines
//! them.
use std::collections::BTreeSet;

use prost_reflect::{
    DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, Value,
};
use serde::Deserialize;
use toml::{Table, Value as Toml};

use crate::{error::Result, hub::BatchOptions, indicator::store::define::DefineIndicators, pb};

/// What the hub says of a definition, or a caller of a single one: no pack holds it.
const NOT_IN_PACKS: [&str; 3] = ["version", "revision", "expected_revision"];

/// A pack of definitions, as it was read.
#[derive(Clone, Debug)]
pub struct Pack {
    /// Its code.
    pub code: String,
    /// Its version, from 1.
    pub version: u32,
    /// What it is, in Vietnamese.
    pub title_vi: String,
    /// What it is, in English.
    pub title_en: String,
    /// Where its words come from.
    pub source: String,
    /// What defines its groups and indicators.
    pub request: pb::DefineIndicatorsRequest,
}

/// The file of a pack.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PackFile {
    code: String,
    version: u32,
    title_vi: String,
    title_en: String,
    #[serde(default)]
    source: String,
    /// Of each indicator that has none.
    legal_basis: Option<Toml>,
    /// Of each indicator that has none.
    authoritative_source: Option<Toml>,
    /// Fields of each indicator that does not say otherwise.
    #[serde(default)]
    defaults: Table,
    #[serde(default)]
    groups: Vec<Table>,
    #[serde(default)]
    indicators: Vec<Table>,
}

impl Pack {
    /// Reads a pack; `source` is the authoritative source of its indicators, in the place of what it says itself.
    /// Everything that is wrong in it is named at once.
    pub fn read(text: &str, source: Option<&str>) -> Result<Self, Vec<String>> {
        let file: PackFile = toml::from_str(text).map_err(|it| vec![it.to_string()])?;
        let PackFile {
            code,
            version,
            title_vi,
            title_en,
            source: origin,
            legal_basis,
            authoritative_source,
            mut defaults,
            groups,
            indicators,
        } = file;
        let pool = DescriptorPool::decode(pb::DESCRIPTORS).map_err(|it| vec![it.to_string()])?;
        let mut reader = PackReader { pool, told: Vec::new(), codes: BTreeSet::new() };
        for (key, value) in
            [("legal_basis", legal_basis), ("authoritative_source", authoritative_source)]
        {
            if let Some(value) = value {
                defaults.entry(key).or_insert(value);
            }
        }
        let groups = groups.into_iter().enumerate();
        let groups = groups.filter_map(|(i, it)| reader.item("group", i, it)).collect();
        let indicators = indicators.into_iter().enumerate().filter_map(|(i, own)| {
            let mut fields = defaults.clone();
            fields.extend(own);
            if let Some(source) = source {
                let source = Toml::String(source.to_owned());
                fields.insert("authoritative_source".to_owned(), source);
            }
            reader.item("indicator", i, fields)
        });
        let indicators = indicators.collect();
        let PackReader { told, .. } = reader;
        match told.is_empty() {
            false => Err(told),
            true => Ok(Self {
                code,
                version,
                title_vi,
                title_en,
                source: origin,
                request: pb::DefineIndicatorsRequest {
                    groups,
                    indicators,
                    ..pb::DefineIndicatorsRequest::default()
                },
            }),
        }
    }

    /// What an item of the receipt is about: the indicators come first, the groups after them.
    pub fn item(&self, index: usize) -> String {
        let pb::DefineIndicatorsRequest { indicators, groups, .. } = &self.request;
        match indicators.get(index) {
            Some(it) => format!("indicator `{}`", it.code),
            None => {
                let group = index.checked_sub(indicators.len()).and_then(|it| groups.get(it));
                format!("group `{}`", group.map_or("", |it| it.code.as_str()))
            }
        }
    }

    /// As the hub keeps it.
    pub fn define(self) -> Result<DefineIndicators> {
        let (_, define): (BatchOptions, _) = self.request.try_into()?;
        Ok(define)
    }
}

/// Reads tables as messages, and remembers what is wrong.
struct PackReader {
    pool: DescriptorPool,
    told: Vec<String>,
    codes: BTreeSet<(&'static str, String)>,
}

impl PackReader {
    /// Reads a group or an indicator, the one at `index` of its list.
    fn item<M: prost::Message + Default>(
        &mut self,
        what: &'static str,
        index: usize,
        fields: Table,
    ) -> Option<M> {
        let code = fields.get("code").and_then(Toml::as_str).unwrap_or_default().to_owned();
        let name = match code.as_str() {
            "" => format!("{what}s[{index}]"),
            code => format!("{what} `{code}`"),
        };
        if !code.is_empty() && !self.codes.insert((what, code)) {
            self.told.push(format!("{name}: must not stand in the pack twice"));
        }
        let message = match what {
            "group" => "sharehub.v1.IndicatorGroup",
            _ => "sharehub.v1.Indicator",
        };
        let descriptor = self.pool.get_message_by_name(message)?;
        let read = self.message(&descriptor, fields, &format!("{name}: "));
        read.transcode_to().map_err(|err| self.told.push(format!("{name}: {err}"))).ok()
    }

    fn message(
        &mut self,
        descriptor: &MessageDescriptor,
        fields: Table,
        path: &str,
    ) -> DynamicMessage {
        let mut message = DynamicMessage::new(descriptor.clone());
        for (key, value) in fields {
            let field = descriptor.get_field_by_name(&key);
            let field = field.filter(|_| !NOT_IN_PACKS.contains(&key.as_str()));
            let path = format!("{path}{key}");
            match field {
                None => self.told.push(format!("{path} is no field that a pack holds")),
                Some(field) => {
                    if let Some(value) = self.value(&field, value, &path) {
                        message.set_field(&field, value);
                    }
                }
            }
        }
        message
    }

    fn value(&mut self, field: &FieldDescriptor, value: Toml, path: &str) -> Option<Value> {
        match (field.is_list(), value) {
            (false, value) => self.one(&field.kind(), value, path),
            (true, Toml::Array(all)) => {
                let all = all.into_iter().enumerate();
                let read = all.map(|(i, it)| self.one(&field.kind(), it, &format!("{path}[{i}]")));
                Some(Value::List(read.collect::<Vec<_>>().into_iter().collect::<Option<_>>()?))
            }
            (true, _) => self.refuse(path, "be a list"),
        }
    }

    fn one(&mut self, kind: &Kind, value: Toml, path: &str) -> Option<Value> {
        match (kind, value) {
            (Kind::String, Toml::String(text)) => Some(Value::String(text)),
            (Kind::Bool, Toml::Boolean(it)) => Some(Value::Bool(it)),
            (Kind::Int32, Toml::Integer(number)) => match i32::try_from(number) {
                Ok(number) => Some(Value::I32(number)),
                Err(_) => self.refuse(path, "be a smaller number"),
            },
            (Kind::Enum(words), Toml::String(word)) => {
                let first = words.default_value();
                let prefix = first.name().trim_end_matches("UNSPECIFIED");
                let known: Vec<_> = words.values().filter(|it| it.number() != 0).collect();
                let short = |name: &str| name.strip_prefix(prefix).unwrap_or(name).to_owned();
                match known.iter().find(|it| short(it.name()) == word) {
                    Some(it) => Some(Value::EnumNumber(it.number())),
                    None => {
                        let known: Vec<_> = known.iter().map(|it| short(it.name())).collect();
                        self.refuse(path, &format!("be one of {}, not `{word}`", known.join(", ")))
                    }
                }
            }
            (Kind::Message(inner), Toml::Table(fields)) => {
                Some(Value::Message(self.message(inner, fields, &format!("{path}."))))
            }
            (Kind::Enum(_), _) => self.refuse(path, "be a word in quotation marks"),
            (Kind::Bool, _) => self.refuse(path, "be true or false"),
            (Kind::Int32, _) => self.refuse(path, "be a whole number"),
            (Kind::Message(_), _) => self.refuse(path, "be a table"),
            (_, _) => self.refuse(path, "be text in quotation marks"),
        }
    }

    fn refuse(&mut self, path: &str, rule: &str) -> Option<Value> {
        self.told.push(format!("{path} must {rule}"));
        None
    }
}
