//! The functions of Kubernetes' CEL: what they take, and what they give.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::kind::{Type, opaque};
use super::value::Value;

/// A function, by its name and by whether it is called on a value.
#[derive(Debug)]
pub struct Function {
    /// With the namespace, as in `sets.contains`.
    pub name: &'static str,
    /// Its signatures, in the order in which they are tried.
    pub overloads: Vec<Overload>,
}

/// A signature.
#[derive(Debug)]
pub struct Overload {
    /// What it takes; what it is called on is the first.
    pub operands: Vec<Type>,
    /// What it gives.
    pub result: Type,
}

/// Each line has a name, what the function takes, and what it gives. A letter is a type: `b`ool, `i`nt, `u`int,
/// double (`f`), `s`tring, b`y`tes, `d`yn, any (`A`, `B`), `D`uration, `T`imestamp, `Q`uantity, `U`RL, I`P`, `C`IDR,
/// semantic `V`ersion, `F`ormat, type (`Y`); `[A]` is a list, `{A:B}` a map, `?A` an optional value.
const GLOBAL: &str = include_str!("signatures/global.txt");
/// Those that are called on a value, which is the first that they take.
const MEMBERS: &str = include_str!("signatures/members.txt");

type Table = HashMap<&'static str, Function>;

static TABLES: LazyLock<[Table; 2]> = LazyLock::new(|| [read(GLOBAL), read(MEMBERS)]);

/// The function of a name.
pub fn find(name: &str, on_value: bool) -> Option<&'static Function> {
    TABLES[usize::from(on_value)].get(name)
}

fn read(table: &'static str) -> Table {
    let mut functions = Table::new();
    for line in table.lines() {
        let Some((signature, result)) = line.split_once('=') else { continue };
        let mut words = signature.split_whitespace();
        let Some(name) = words.next() else { continue };
        let function = functions.entry(name).or_insert_with(|| Function { name, overloads: vec![] });
        let operands = words.map(|word| kind(&mut word.chars())).collect();
        function.overloads.push(Overload { operands, result: kind(&mut result.trim().chars()) });
    }
    functions
}

fn kind(letters: &mut std::str::Chars<'_>) -> Type {
    match letters.next() {
        Some('b') => Type::Bool,
        Some('i') => Type::Int,
        Some('u') => Type::Uint,
        Some('f') => Type::Double,
        Some('s') => Type::String,
        Some('y') => Type::Bytes,
        Some('D') => Type::Duration,
        Some('T') => Type::Timestamp,
        Some('Y') => Type::Name,
        Some('A') => Type::Parameter(0),
        Some('B') => Type::Parameter(1),
        Some('Q') => Type::Opaque(opaque::QUANTITY),
        Some('U') => Type::Opaque(opaque::URL),
        Some('P') => Type::Opaque(opaque::IP),
        Some('C') => Type::Opaque(opaque::CIDR),
        Some('V') => Type::Opaque(opaque::SEMVER),
        Some('F') => Type::Opaque(opaque::FORMAT),
        Some('?') => Type::optional(kind(letters)),
        Some('[') => {
            let element = kind(letters);
            letters.next();
            Type::list(element)
        }
        Some('{') => {
            let key = kind(letters);
            letters.next();
            let value = kind(letters);
            letters.next();
            Type::map(key, value)
        }
        _ => Type::Dyn,
    }
}

impl Overload {
    /// What it gives for operands of these types; none if it does not take them.
    pub fn apply(&self, operands: &[Type]) -> Option<Type> {
        let mut bound = [None, None];
        let fits = self.operands.len() == operands.len()
            && operands.iter().zip(&self.operands).all(|(given, wanted)| bind(wanted, given, &mut bound));
        fits.then(|| put(&self.result, &bound))
    }

    /// Whether it takes these values.
    pub fn takes(&self, values: &[Value]) -> bool {
        self.operands.len() == values.len()
            && values.iter().zip(&self.operands).all(|(value, wanted)| value.is_of(wanted))
    }
}

/// Whether a type fits a pattern. What the parameters of the pattern mean is kept.
fn bind(pattern: &Type, given: &Type, bound: &mut [Option<Type>; 2]) -> bool {
    match (pattern, given) {
        (Type::Parameter(index), given) => {
            let joined = match &bound[*index] {
                None => Some(given.clone()),
                Some(known) => known.with(given),
            };
            bound[*index].clone_from(&joined);
            joined.is_some()
        }
        (_, Type::Dyn) => true,
        (Type::List(pattern), Type::List(given)) | (Type::Optional(pattern), Type::Optional(given)) => {
            bind(pattern, given, bound)
        }
        (Type::Map(key, value), Type::Map(given_key, given_value)) => {
            bind(key, given_key, bound) && bind(value, given_value, bound)
        }
        (pattern, given) => given.fits(pattern),
    }
}

fn put(kind: &Type, bound: &[Option<Type>; 2]) -> Type {
    match kind {
        Type::Parameter(index) => bound[*index].clone().unwrap_or(Type::Dyn),
        Type::List(element) => Type::list(put(element, bound)),
        Type::Optional(value) => Type::optional(put(value, bound)),
        Type::Map(key, value) => Type::map(put(key, bound), put(value, bound)),
        other => other.clone(),
    }
}
