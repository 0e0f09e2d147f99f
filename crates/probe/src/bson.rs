//! As much of BSON as asking a document store takes (bsonspec.org, version 1.1).
//!
//! Documents are written from scratch, and read where they lie: a field is looked for, the others are stepped over. The
//! `bson` crate would do the same with serde and two dozen crates.

/// A document that is being written.
#[derive(Debug, Default)]
pub(crate) struct Writer(Vec<u8>);

impl Writer {
    pub(crate) fn number(self, key: &str, value: i32) -> Self {
        self.element(0x10, key, &value.to_le_bytes())
    }

    pub(crate) fn flag(self, key: &str, value: bool) -> Self {
        self.element(0x08, key, &[u8::from(value)])
    }

    pub(crate) fn text(self, key: &str, value: &str) -> Self {
        self.element(0x02, key, &[&length(value.len() + 1)[..], value.as_bytes(), &[0]].concat())
    }

    pub(crate) fn binary(self, key: &str, value: &[u8]) -> Self {
        self.element(0x05, key, &[&length(value.len())[..], &[0], value].concat())
    }

    pub(crate) fn document(self, key: &str, value: Self) -> Self {
        self.element(0x03, key, &value.finish())
    }

    /// The bytes of the document.
    pub(crate) fn finish(self) -> Vec<u8> {
        [&length(self.0.len() + 5)[..], &self.0, &[0]].concat()
    }

    fn element(mut self, kind: u8, key: &str, value: &[u8]) -> Self {
        self.0.push(kind);
        self.0.extend_from_slice(key.as_bytes());
        self.0.push(0);
        self.0.extend_from_slice(value);
        self
    }
}

/// A length as it is written; nothing here is longer than a kilobyte.
fn length(bytes: usize) -> [u8; 4] {
    i32::try_from(bytes).unwrap_or(i32::MAX).to_le_bytes()
}

/// A value that was read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Value<'a> {
    /// A whole number of any width.
    Number(i64),
    Flag(bool),
    Text(&'a str),
    Binary(&'a [u8]),
    /// A document, or a list, which is a document with numbers for keys.
    Document(Document<'a>),
    /// Anything else.
    Other,
}

/// A document that came from outside. What is wrong with its bytes ends the reading of it, and no more.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Document<'a>(&'a [u8]);

impl<'a> Document<'a> {
    /// A document in its own bytes, all of them.
    pub(crate) fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut rest = bytes;
        let length = usize::try_from(integer(&mut rest)?).ok()?;
        let elements = rest.strip_suffix(&[0])?;
        (length == bytes.len()).then_some(Self(elements))
    }

    /// The value of a field.
    pub(crate) fn get(self, key: &str) -> Option<Value<'a>> {
        self.fields().find_map(|(name, value)| (name == key.as_bytes()).then_some(value))
    }

    /// Its fields, up to the first that cannot be read.
    pub(crate) fn fields(self) -> impl Iterator<Item = (&'a [u8], Value<'a>)> {
        let mut rest = self.0;
        std::iter::from_fn(move || field(&mut rest))
    }
}

fn field<'a>(rest: &mut &'a [u8]) -> Option<(&'a [u8], Value<'a>)> {
    let kind = take(rest, 1)?[0];
    let key = word(rest)?;
    let value = match kind {
        0x01 => {
            whole(f64::from_le_bytes(take(rest, 8)?.try_into().ok()?)).map_or(Value::Other, Value::Number)
        }
        0x02 => text(rest)?,
        0x03 | 0x04 => {
            let length = usize::try_from(integer(&mut &**rest)?).ok()?;
            Value::Document(Document::read(take(rest, length)?)?)
        }
        0x05 => {
            let length = usize::try_from(integer(rest)?).ok()?;
            take(rest, 1)?;
            Value::Binary(take(rest, length)?)
        }
        0x08 => Value::Flag(flag(take(rest, 1)?[0])?),
        0x10 => Value::Number(integer(rest)?.into()),
        0x12 => Value::Number(i64::from_le_bytes(take(rest, 8)?.try_into().ok()?)),
        // Undefined, null, the keys that are less and more than any other.
        0x06 | 0x0a | 0x7f | 0xff => Value::Other,
        // An object's id; a date, a timestamp; a decimal number.
        0x07 => take(rest, 12).map(|_| Value::Other)?,
        0x09 | 0x11 => take(rest, 8).map(|_| Value::Other)?,
        0x13 => take(rest, 16).map(|_| Value::Other)?,
        // A regular expression, a program.
        0x0b => word(rest).and_then(|_| word(rest)).map(|_| Value::Other)?,
        0x0d | 0x0e => text(rest).map(|_| Value::Other)?,
        // What the specification calls deprecated and no answer to us holds.
        _ => return None,
    };
    Some((key, value))
}

fn flag(byte: u8) -> Option<bool> {
    match byte {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    }
}

/// The number, if it is whole and as small as those of the protocol are.
fn whole(number: f64) -> Option<i64> {
    let is_small = (f64::from(i32::MIN)..=f64::from(i32::MAX)).contains(&number) && number.fract() == 0.0;
    #[expect(clippy::cast_possible_truncation, reason = "nothing of a number that is whole and small")]
    is_small.then_some(number as i64)
}

fn text<'a>(rest: &mut &'a [u8]) -> Option<Value<'a>> {
    let length = usize::try_from(integer(rest)?).ok()?;
    let text = take(rest, length)?.strip_suffix(&[0])?;
    Some(std::str::from_utf8(text).map_or(Value::Other, Value::Text))
}

/// Bytes up to a zero, which is taken too.
fn word<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let end = rest.iter().position(|byte| *byte == 0)?;
    let word = take(rest, end)?;
    take(rest, 1)?;
    Some(word)
}

fn integer(rest: &mut &[u8]) -> Option<i32> {
    Some(i32::from_le_bytes(take(rest, 4)?.try_into().ok()?))
}

fn take<'a>(rest: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (taken, left) = rest.split_at_checked(count)?;
    *rest = left;
    Some(taken)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sample() -> Vec<u8> {
        let inner = Writer::default().flag("skipEmptyExchange", true);
        let list = Writer::default().text("0", "SCRAM-SHA-1").text("1", "SCRAM-SHA-256");
        Writer::default()
            .number("hello", 1)
            .binary("payload", b"\0n,,")
            .document("options", inner)
            .document("list", list)
            .finish()
    }

    #[test]
    fn what_is_written_is_read() {
        let bytes = sample();
        let read = Document::read(&bytes).unwrap();
        assert_eq!(read.get("hello"), Some(Value::Number(1)));
        assert_eq!(read.get("payload"), Some(Value::Binary(b"\0n,,")));
        let Some(Value::Document(options)) = read.get("options") else { panic!("{read:?}") };
        assert_eq!(options.get("skipEmptyExchange"), Some(Value::Flag(true)));
        let Some(Value::Document(list)) = read.get("list") else { panic!("{read:?}") };
        assert_eq!(list.fields().map(|(_, value)| value).last(), Some(Value::Text("SCRAM-SHA-256")));
        assert_eq!(read.get("absent"), None);
    }

    /// From the examples of bsonspec.org.
    #[test]
    fn it_is_bson() {
        let hello = b"\x16\0\0\0\x02hello\0\x06\0\0\0world\0\0";
        assert_eq!(Writer::default().text("hello", "world").finish(), hello);
        let awesome = b"\x31\0\0\0\x04BSON\0\x26\0\0\0\x020\0\x08\0\0\0awesome\0\x011\0\x33\x33\x33\x33\x33\x33\x14\x40\x102\0\xc2\x07\0\0\0\0";
        let Some(Value::Document(list)) = Document::read(awesome).unwrap().get("BSON") else { panic!() };
        let values: Vec<_> = list.fields().map(|(_, value)| value).collect();
        assert_eq!(values, [Value::Text("awesome"), Value::Other, Value::Number(1986)]);
    }

    #[test]
    fn what_is_not_asked_for_is_stepped_over() {
        let mut elements = Vec::new();
        for (kind, size) in [(0x07, 12), (0x09, 8), (0x0a, 0), (0x11, 8), (0x12, 8), (0x13, 16), (0x7f, 0)] {
            elements.extend([kind, b'x', 0]);
            elements.extend(vec![1; size]);
        }
        elements.extend(*b"\x0bx\0a\0i\0\x0dx\0\x02\0\0\0a\0\x08ok\0\x01\0");
        let bytes = [&length(elements.len() + 4)[..], &elements].concat();
        assert_eq!(Document::read(&bytes).unwrap().get("ok"), Some(Value::Flag(true)));
    }

    /// As bsonspec.org has it; any other byte is no flag, so that what holds it cannot be read.
    #[test]
    fn a_flag_is_one_of_two_bytes() {
        let read = |byte| {
            let bytes = [&length(9)[..], b"\x08f\0", &[byte], &[0]].concat();
            Document::read(&bytes).unwrap().get("f").map(|value| value == Value::Flag(true))
        };
        assert_eq!([0, 1, 2, 255].map(read), [Some(false), Some(true), None, None]);
    }

    /// A field of a document that is written.
    #[derive(Debug, Clone)]
    enum Field {
        Number(i32),
        Flag(bool),
        Text(String),
        Binary(Vec<u8>),
        Document(Vec<(String, Field)>),
    }

    fn fields() -> impl Strategy<Value = Vec<(String, Field)>> {
        let leaf = prop_oneof![
            any::<i32>().prop_map(Field::Number),
            any::<bool>().prop_map(Field::Flag),
            ".{0,9}".prop_map(Field::Text),
            prop::collection::vec(any::<u8>(), 0..9).prop_map(Field::Binary),
        ];
        let field = leaf.prop_recursive(4, 16, 4, |field| {
            prop::collection::vec(("[^\0]{0,4}", field), 0..4).prop_map(Field::Document)
        });
        prop::collection::vec(("[^\0]{0,4}", field), 0..6)
    }

    fn written(fields: &[(String, Field)]) -> Writer {
        fields.iter().fold(Writer::default(), |writer, (key, field)| match field {
            Field::Number(number) => writer.number(key, *number),
            Field::Flag(flag) => writer.flag(key, *flag),
            Field::Text(text) => writer.text(key, text),
            Field::Binary(bytes) => writer.binary(key, bytes),
            Field::Document(fields) => writer.document(key, written(fields)),
        })
    }

    fn is_read(fields: &[(String, Field)], read: Document) -> bool {
        read.fields().count() == fields.len()
            && read.fields().zip(fields).all(|((name, value), (key, field))| {
                name == key.as_bytes()
                    && match (field, value) {
                        (Field::Number(number), value) => value == Value::Number((*number).into()),
                        (Field::Flag(flag), value) => value == Value::Flag(*flag),
                        (Field::Text(text), value) => value == Value::Text(text),
                        (Field::Binary(bytes), value) => value == Value::Binary(bytes),
                        (Field::Document(fields), Value::Document(read)) => is_read(fields, read),
                        (Field::Document(_), _) => false,
                    }
            })
    }

    proptest! {
        #[test]
        fn every_document_that_is_written_is_read(fields in fields()) {
            let bytes = written(&fields).finish();
            prop_assert!(Document::read(&bytes).is_some_and(|read| is_read(&fields, read)));
            prop_assert!((0..bytes.len()).all(|end| Document::read(&bytes[..end]).is_none()));
        }

        /// Lengths that lie among them. A field takes two bytes or more, so that there is an end to them.
        #[test]
        fn arbitrary_bytes_are_harmless(bytes in prop::collection::vec(any::<u8>(), 0..200), key in ".{0,3}") {
            let whole = [&length(bytes.len() + 5)[..], &bytes, &[0]].concat();
            let read = Document::read(&whole).unwrap();
            prop_assert!(read.fields().count() <= bytes.len() / 2);
            read.get(&key);
            // A length that lies is found out, however little it does.
            let claims = [&length(bytes.len() + 5 - key.chars().count())[..], &bytes, &[0]].concat();
            prop_assert!(Document::read(&claims).is_none() || key.is_empty());
            let claimed = bytes.first_chunk().map(|bytes| i32::from_le_bytes(*bytes));
            prop_assert!(Document::read(&bytes).is_none() || claimed == i32::try_from(bytes.len()).ok());
        }

        /// A fraction, or a number that no answer holds, is not taken for another one.
        #[test]
        fn a_number_is_read_exactly_or_not(number in prop_oneof![any::<f64>(), any::<i32>().prop_map(f64::from)]) {
            let bytes = [&length(16)[..], &[1, b'n', 0], &number.to_le_bytes(), &[0]].concat();
            let read = Document::read(&bytes).unwrap().get("n");
            // Rust writes a number without an exponent, and what is behind the point only where there is something.
            let whole = number.to_string().parse::<i32>().map(|whole| Value::Number(whole.into()));
            prop_assert_eq!(read, Some(whole.unwrap_or(Value::Other)));
        }
    }

    /// Cut anywhere, and with any one byte changed, it is read or not, and nothing worse.
    #[test]
    fn damaged_bytes_are_harmless() {
        let bytes = sample();
        let read = |bytes: &[u8]| Document::read(bytes).map(|document| document.fields().count());
        assert_eq!(read(&bytes), Some(4));
        assert!((0..bytes.len()).all(|end| read(&bytes[..end]).is_none()));
        for place in 0..bytes.len() {
            for value in 0..=255 {
                let mut damaged = bytes.clone();
                damaged[place] = value;
                read(&damaged);
            }
        }
    }
}
