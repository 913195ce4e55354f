//! What records need of the schema: the names of methods and fields, lists, enums, and personal marks.
use std::{
    collections::{BTreeMap, HashMap},
    sync::LazyLock,
};

use prost_reflect::{
    Cardinality, DescriptorPool, ExtensionDescriptor, FieldDescriptor, Kind as Reflected,
    MessageDescriptor,
};

use crate::pb;

/// The schema's mark of personal data, and its first number that means some.
const MARK: (&str, i32) = ("sharehub.v1.personal", 2);
/// The message that is about a subject, and its field that names it.
const SUBJECT: (&str, &str) = ("sharehub.v1.Dossier", "code");
/// Messages whose lists are counted although they are inside of another one.
const LISTS: [&str; 2] = ["sharehub.v1.Receipt", "sharehub.v1.FeedChanges"];
/// The message that names a revision.
const REVISION: &str = "sharehub.v1.Revision";

/// A method.
#[derive(Debug)]
pub struct Method {
    /// Such as `/sharehub.v1.DossierService/GetDossier`.
    pub path: String,
    /// Such as `DossierService/GetDossier`.
    pub name: String,
    /// What is asked.
    pub input: usize,
    /// What is answered.
    pub output: usize,
    /// Whether it answers a stream.
    pub answers_stream: bool,
    /// Whether it is asked by a stream, or answers one.
    pub is_stream: bool,
}

/// A message.
#[derive(Debug, Default)]
pub struct Shape {
    /// Its fields.
    pub fields: BTreeMap<u32, FieldShape>,
    /// Whether there may be personal data in it, however deep.
    pub carries: bool,
    /// The field that names the subject that the message is about.
    pub subject: Option<u32>,
    /// Whether it names a revision, by its first field.
    pub is_revision: bool,
    /// The list that counts: a field of this message, or of the message in it.
    pub counts: Option<CountedList>,
}

/// What is counted of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CountedList {
    /// The elements of its own lists.
    Own,
    /// Those of a message in this field.
    In(u32),
}

/// A field.
#[derive(Debug)]
pub struct FieldShape {
    /// Its name.
    pub name: String,
    /// What is in it.
    pub kind: Kind,
    /// Whether it is a list.
    pub is_list: bool,
    /// Whether it is personal data.
    pub is_personal: bool,
}

/// What is in a field.
#[derive(Debug)]
pub enum Kind {
    /// A message.
    Message(usize),
    /// A word.
    Enum(BTreeMap<i32, String>),
    /// Text.
    Text,
    /// Bytes.
    Bytes,
    /// Yes or no.
    Bool,
    /// A number that may be negative.
    Int,
    /// Another number.
    Number,
}

/// The whole schema.
#[derive(Debug, Default)]
pub struct Shapes {
    /// Every message.
    pub all: Vec<Shape>,
    methods: Vec<Method>,
}

/// A constant of the schema, read once.
static SHAPES: LazyLock<Shapes> = LazyLock::new(|| {
    let pool = DescriptorPool::decode(pb::DESCRIPTORS).unwrap_or_default();
    Shapes::read(&pool)
});

/// The schema.
pub fn shapes() -> &'static Shapes {
    &SHAPES
}

/// The method with this path, if it is one of ours.
pub fn method(path: &str) -> Option<&'static Method> {
    SHAPES.methods.iter().find(|it| it.path == path)
}

impl Shapes {
    fn read(pool: &DescriptorPool) -> Self {
        let mut reading = ShapeReader {
            mark: pool.get_extension_by_name(MARK.0),
            known: HashMap::new(),
            all: Vec::new(),
        };
        let mut methods = Vec::new();
        for service in pool.services() {
            for method in service.methods() {
                let (server, client) = (method.is_server_streaming(), method.is_client_streaming());
                methods.push(Method {
                    path: format!("/{}/{}", service.full_name(), method.name()),
                    name: format!("{}/{}", service.name(), method.name()),
                    input: reading.message(&method.input()),
                    output: reading.message(&method.output()),
                    answers_stream: server,
                    is_stream: server || client,
                });
            }
        }
        let mut shapes = Self { all: reading.all, methods };
        shapes.find_carriers();
        shapes
    }

    /// A message carries personal data when one of its fields is, or carries some.
    fn find_carriers(&mut self) {
        loop {
            let carries = |it: &FieldShape| match it.kind {
                Kind::Message(at) => {
                    it.is_personal || self.all.get(at).is_some_and(|it| it.carries)
                }
                Kind::Enum(_)
                | Kind::Text
                | Kind::Bytes
                | Kind::Bool
                | Kind::Int
                | Kind::Number => it.is_personal,
            };
            let found = self.all.iter().map(|it| it.carries || it.fields.values().any(carries));
            let found: Vec<_> = found.collect();
            let mut is_news = false;
            for (shape, carries) in self.all.iter_mut().zip(found) {
                is_news |= shape.carries != carries;
                shape.carries = carries;
            }
            if !is_news {
                return;
            }
        }
    }
}

struct ShapeReader {
    mark: Option<ExtensionDescriptor>,
    known: HashMap<String, usize>,
    all: Vec<Shape>,
}

impl ShapeReader {
    fn message(&mut self, message: &MessageDescriptor) -> usize {
        let name = message.full_name();
        if let Some(at) = self.known.get(name) {
            return *at;
        }
        let at = self.all.len();
        self.all.push(Shape::default());
        self.known.insert(name.to_owned(), at);
        let fields: BTreeMap<_, _> =
            message.fields().map(|it| (it.number(), self.field(&it))).collect();
        let subject = (name == SUBJECT.0).then(|| message.get_field_by_name(SUBJECT.1));
        let is_message = |it: &FieldDescriptor| matches!(it.kind(), Reflected::Message(_));
        let has_list = message.fields().any(|it| it.is_list() && is_message(&it));
        let inner = message.fields().find(|it| {
            let kind = it.kind();
            kind.as_message().is_some_and(|it| LISTS.contains(&it.full_name()))
        });
        let shape = Shape {
            fields,
            carries: false,
            subject: subject.flatten().map(|it| it.number()),
            is_revision: name == REVISION,
            counts: match inner {
                _ if has_list => Some(CountedList::Own),
                Some(inner) => Some(CountedList::In(inner.number())),
                None => None,
            },
        };
        if let Some(place) = self.all.get_mut(at) {
            *place = shape;
        }
        at
    }

    fn field(&mut self, field: &FieldDescriptor) -> FieldShape {
        let kind = match field.kind() {
            Reflected::Message(it) => Kind::Message(self.message(&it)),
            Reflected::Enum(it) => {
                Kind::Enum(it.values().map(|it| (it.number(), it.name().to_owned())).collect())
            }
            Reflected::String => Kind::Text,
            Reflected::Bytes => Kind::Bytes,
            Reflected::Bool => Kind::Bool,
            Reflected::Int32 | Reflected::Int64 => Kind::Int,
            Reflected::Double
            | Reflected::Float
            | Reflected::Uint32
            | Reflected::Uint64
            | Reflected::Sint32
            | Reflected::Sint64
            | Reflected::Fixed32
            | Reflected::Fixed64
            | Reflected::Sfixed32
            | Reflected::Sfixed64 => Kind::Number,
        };
        FieldShape {
            name: field.name().to_owned(),
            kind,
            is_list: field.cardinality() == Cardinality::Repeated,
            is_personal: self.is_personal(field),
        }
    }

    /// By its mark. An unmarked text beside marked ones counts as personal.
    fn is_personal(&self, field: &FieldDescriptor) -> bool {
        match self.mark_of(field) {
            Some(mark) => mark >= MARK.1,
            None if field.kind() == Reflected::String => {
                field.parent_message().fields().any(|it| self.mark_of(&it).is_some())
            }
            None => false,
        }
    }

    fn mark_of(&self, field: &FieldDescriptor) -> Option<i32> {
        let mark = self.mark.as_ref()?;
        let options = field.options();
        let marked = options.has_extension(mark).then(|| options.get_extension(mark).into_owned());
        marked?.as_enum_number()
    }
}
