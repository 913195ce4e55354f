//! `call --list` and `call --describe`: the schema as people read it, with the comments of its files.
use std::collections::HashMap;

use prost_reflect::{
    Cardinality, DynamicMessage, EnumDescriptor, FieldDescriptor, FileDescriptor, Kind,
    MessageDescriptor, MethodDescriptor, ServiceDescriptor, Value,
};

use super::schema::{Schema, local, short, unknown};
use crate::{
    cli::{CliResult, failure::Failure, print},
    config::Exit,
};

/// Prints the services and their methods, one a line.
pub(super) fn list(schema: &Schema) -> CliResult {
    for service in schema.services() {
        print(service.name())?;
        for method in service.methods() {
            print(&format!("  {} {}", short(&method), signature(&method)))?;
        }
    }
    Ok(())
}

/// Prints what a name stands for.
pub(super) fn describe(schema: &Schema, name: &str) -> CliResult {
    let mut out = Text::default();
    match schema.methods(name).as_slice() {
        [] => {}
        [method] => {
            out.method(method, 0);
            out.blank();
            out.message(&method.input(), 0);
            if method.input() != method.output() {
                out.blank();
                out.message(&method.output(), 0);
            }
            return print(out.done());
        }
        _ => return schema.method(name).map(drop),
    }
    let full = |it: &str| it == name || local(it) == name;
    let Schema(pool) = schema;
    if let Some(service) = schema.services().iter().find(|it| full(it.full_name())) {
        out.service(service);
    } else if let Some(message) = pool.all_messages().find(|it| full(it.full_name())) {
        out.message(&message, 0);
    } else if let Some(it) = pool.all_enums().find(|it| full(it.full_name())) {
        out.enumeration(&it, 0);
    } else {
        let methods = schema.services().into_iter().flat_map(|it| it.methods().collect::<Vec<_>>());
        let mut all: Vec<_> = methods.map(|it| short(&it)).collect();
        all.extend(schema.services().iter().map(|it| it.name().to_owned()));
        all.extend(pool.all_messages().map(|it| local(it.full_name()).to_owned()));
        all.extend(pool.all_enums().map(|it| local(it.full_name()).to_owned()));
        let text = unknown("method, message, enum or service", name, &all);
        return Err(Failure::new(Exit::Refused, text).into());
    }
    print(out.done())
}

/// What a method takes and answers, with the marks of streams.
fn signature(method: &MethodDescriptor) -> String {
    let side = |is_stream: bool, message: &MessageDescriptor| {
        format!("({}{})", if is_stream { "stream " } else { "" }, local(message.full_name()))
    };
    let input = side(method.is_client_streaming(), &method.input());
    format!("{input} returns {}", side(method.is_server_streaming(), &method.output()))
}

/// A part of the schema, as its files write it.
#[derive(Default)]
struct Text {
    text: String,
    /// The comments of each file, by the paths of what they stand before.
    comments: HashMap<String, HashMap<Vec<i32>, String>>,
}

impl Text {
    fn done(&self) -> &str {
        self.text.trim_end()
    }

    fn blank(&mut self) {
        self.text.push('\n');
    }

    fn line(&mut self, depth: usize, line: &str) {
        self.text.push_str(&"  ".repeat(depth));
        self.text.push_str(line);
        self.text.push('\n');
    }

    fn comment(&mut self, file: &FileDescriptor, path: &[i32], depth: usize) {
        let comments =
            self.comments.entry(file.name().to_owned()).or_insert_with(|| comments(file));
        for line in comments.get(path).cloned().unwrap_or_default().lines() {
            self.line(depth, format!("//{line}").trim_end());
        }
    }

    fn service(&mut self, service: &ServiceDescriptor) {
        self.comment(&service.parent_file(), service.path(), 0);
        self.line(0, &format!("service {} {{", service.name()));
        for method in service.methods() {
            self.method(&method, 1);
        }
        self.line(0, "}");
    }

    fn method(&mut self, method: &MethodDescriptor, depth: usize) {
        self.comment(&method.parent_service().parent_file(), method.path(), depth);
        self.line(depth, &format!("rpc {}{};", method.name(), signature(method)));
    }

    fn message(&mut self, message: &MessageDescriptor, depth: usize) {
        self.comment(&message.parent_file(), message.path(), depth);
        self.line(depth, &format!("message {} {{", message.name()));
        for inner in message.child_messages().filter(|it| !it.is_map_entry()) {
            self.message(&inner, depth + 1);
        }
        for inner in message.child_enums() {
            self.enumeration(&inner, depth + 1);
        }
        let mut fields: Vec<_> = message.fields().collect();
        fields.sort_by_key(|it| it.path().last().copied());
        let mut open = None;
        for field in &fields {
            let group = field.containing_oneof().filter(|it| !it.is_synthetic());
            if open != group {
                if open.is_some() {
                    self.line(depth + 1, "}");
                }
                if let Some(group) = &group {
                    self.comment(&message.parent_file(), group.path(), depth + 1);
                    self.line(depth + 1, &format!("oneof {} {{", group.name()));
                }
                open.clone_from(&group);
            }
            self.field(field, depth + 1 + usize::from(group.is_some()));
        }
        if open.is_some() {
            self.line(depth + 1, "}");
        }
        self.line(depth, "}");
    }

    fn field(&mut self, field: &FieldDescriptor, depth: usize) {
        self.comment(&field.parent_file(), field.path(), depth);
        let own = field.kind();
        let kind = match own.as_message().filter(|_| field.is_map()) {
            Some(entry) => {
                let value = kind(&entry.map_entry_value_field().kind());
                format!("map<{}, {value}>", kind(&entry.map_entry_key_field().kind()))
            }
            None => kind(&own),
        };
        let is_optional = field.containing_oneof().is_some_and(|it| it.is_synthetic());
        let label = match field.cardinality() {
            Cardinality::Repeated if !field.is_map() => "repeated ",
            Cardinality::Optional if is_optional => "optional ",
            Cardinality::Repeated | Cardinality::Optional | Cardinality::Required => "",
        };
        let marks = marks(&field.options());
        self.line(depth, &format!("{label}{kind} {} = {}{marks};", field.name(), field.number()));
    }

    fn enumeration(&mut self, it: &EnumDescriptor, depth: usize) {
        self.comment(&it.parent_file(), it.path(), depth);
        self.line(depth, &format!("enum {} {{", it.name()));
        for value in it.values() {
            self.comment(&it.parent_file(), value.path(), depth + 1);
            self.line(depth + 1, &format!("{} = {};", value.name(), value.number()));
        }
        self.line(depth, "}");
    }
}

fn comments(file: &FileDescriptor) -> HashMap<Vec<i32>, String> {
    let locations = file.file_descriptor_proto().source_code_info.clone().unwrap_or_default();
    let locations = locations.location.into_iter();
    locations.filter_map(|it| Some((it.path, it.leading_comments?))).collect()
}

fn kind(kind: &Kind) -> String {
    match kind {
        Kind::Message(it) => local(it.full_name()).to_owned(),
        Kind::Enum(it) => local(it.full_name()).to_owned(),
        Kind::Double => "double".to_owned(),
        Kind::Float => "float".to_owned(),
        Kind::Int32 => "int32".to_owned(),
        Kind::Int64 => "int64".to_owned(),
        Kind::Uint32 => "uint32".to_owned(),
        Kind::Uint64 => "uint64".to_owned(),
        Kind::Sint32 => "sint32".to_owned(),
        Kind::Sint64 => "sint64".to_owned(),
        Kind::Fixed32 => "fixed32".to_owned(),
        Kind::Fixed64 => "fixed64".to_owned(),
        Kind::Sfixed32 => "sfixed32".to_owned(),
        Kind::Sfixed64 => "sfixed64".to_owned(),
        Kind::Bool => "bool".to_owned(),
        Kind::String => "string".to_owned(),
        Kind::Bytes => "bytes".to_owned(),
    }
}

/// The options of a field that the schema itself declares: what it means, beside what it holds.
fn marks(options: &DynamicMessage) -> String {
    let mut marks = Vec::new();
    for (extension, value) in options.extensions() {
        let name = local(extension.full_name()).to_owned();
        let word = |it: &Value| match (it, extension.kind()) {
            (Value::EnumNumber(number), Kind::Enum(of)) => {
                let known = of.get_value(*number);
                known.map_or_else(|| number.to_string(), |it| it.name().to_owned())
            }
            (it, _) => it.to_string(),
        };
        let values = value.as_list().unwrap_or(std::slice::from_ref(value));
        marks.extend(values.iter().map(|it| format!("({name}) = {}", word(it))));
    }
    if marks.is_empty() { String::new() } else { format!(" [{}]", marks.join(", ")) }
}
