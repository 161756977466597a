//! The functions of Kubernetes' CEL whose types are checked; all others take and give anything.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::types::Type;

/// What a function takes, its target first, and what it gives.
pub struct Signature {
    pub operands: Vec<Type>,
    pub result: Type,
}

/// Names, whether they are called on a target, and signatures: what is taken, and what is given, each as a letter.
const FUNCTIONS: &[(&str, bool, &[(&str, char)])] = &[
    ("size", false, &[("s", 'i'), ("y", 'i'), ("l", 'i'), ("m", 'i')]),
    ("size", true, &[("s", 'i'), ("y", 'i'), ("l", 'i'), ("m", 'i')]),
    ("startsWith", true, &[("ss", 'b')]),
    ("endsWith", true, &[("ss", 'b')]),
    ("contains", true, &[("ss", 'b')]),
    ("matches", true, &[("ss", 'b')]),
    ("matches", false, &[("ss", 'b')]),
    ("charAt", true, &[("si", 's')]),
    ("find", true, &[("ss", 's')]),
    ("findAll", true, &[("ss", 't'), ("ssi", 't')]),
    ("join", true, &[("t", 's'), ("ts", 's')]),
    ("lowerAscii", true, &[("s", 's')]),
    ("upperAscii", true, &[("s", 's')]),
    ("replace", true, &[("sss", 's'), ("sssi", 's')]),
    ("split", true, &[("ss", 't'), ("ssi", 't')]),
    ("substring", true, &[("si", 's'), ("sii", 's')]),
    ("trim", true, &[("s", 's')]),
    ("isSorted", true, &[("l", 'b')]),
    ("type", false, &[("d", 'd')]),
    ("dyn", false, &[("d", 'd')]),
    ("bool", false, &[("b", 'b'), ("s", 'b')]),
    ("double", false, &[("f", 'f'), ("i", 'f'), ("u", 'f'), ("s", 'f')]),
    ("int", false, &[("i", 'i'), ("u", 'i'), ("f", 'i'), ("s", 'i')]),
    ("uint", false, &[("u", 'u'), ("i", 'u'), ("f", 'u'), ("s", 'u')]),
    ("string", false, &[("s", 's'), ("b", 's'), ("i", 's'), ("u", 's'), ("f", 's'), ("y", 's')]),
    ("isQuantity", false, &[("s", 'b')]),
    ("quantity", false, &[("s", 'd')]),
    ("isURL", false, &[("s", 'b')]),
    ("url", false, &[("s", 'd')]),
    ("isIP", false, &[("s", 'b')]),
    ("ip", false, &[("s", 'd')]),
    ("isCIDR", false, &[("s", 'b')]),
    ("cidr", false, &[("s", 'd')]),
];

/// The signatures of a function, if they are known.
pub fn find(name: &str, on_target: bool) -> Option<&'static [Signature]> {
    static KNOWN: LazyLock<HashMap<&str, [Vec<Signature>; 2]>> = LazyLock::new(|| {
        let mut known: HashMap<&str, [Vec<Signature>; 2]> = HashMap::new();
        for (name, on_target, signatures) in FUNCTIONS {
            let signature = |(operands, result): &(&str, char)| Signature {
                operands: operands.chars().map(kind).collect(),
                result: kind(*result),
            };
            let of_name = known.entry(name).or_default();
            of_name[usize::from(*on_target)].extend(signatures.iter().map(signature));
        }
        known
    });
    KNOWN.get(name).map(|known| known[usize::from(on_target)].as_slice()).filter(|known| !known.is_empty())
}

/// Whether a name is the first part of functions' names.
pub fn is_namespace(name: &str) -> bool {
    ["base64", "format", "ip", "jsonpatch", "lists", "math", "optional", "sets", "strings"].contains(&name)
}

fn kind(letter: char) -> Type {
    let any = || Box::new(Type::Dyn);
    match letter {
        'b' => Type::Bool,
        'f' => Type::Double,
        'i' => Type::Int,
        'l' => Type::List(any()),
        'm' => Type::Map(any(), any()),
        's' => Type::String,
        't' => Type::List(Box::new(Type::String)),
        'u' => Type::Uint,
        'y' => Type::Bytes,
        _ => Type::Dyn,
    }
}
