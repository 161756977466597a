//! `gatewright render`: the Gatekeeper objects of policies, for people who apply them by other means.

mod files;
mod signatures;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use gatewright_api::names;
use gatewright_compiler::{GuardMode, Settings, exec_guard, standards, sync_set, templates};
use gatewright_gatekeeper::{Constraint, ConstraintTemplate, Provider, SyncSet};
use serde::Serialize;

use crate::check::Scopes;
use crate::input::{Reading, ReadingArgs};
use crate::settings::SettingsArgs;
use crate::written::yaml;
use crate::{FAILED, diagnostics, input, policies};

const EXAMPLES: &str = "\
Examples:
  gatewright render -f policies/ | kubectl apply -f -
  gatewright render -f policies/ --standards --output-dir gatekeeper/ --prune
  gatewright render -f policies/ --constraints -o json
  gatewright render -f policies/ --signatures --verifier-url URL --verifier-ca ca.pem

Run no operator beside it on the same policies: both would make constraints of the same names, and the operator \
reports a Conflict that says \"owned by render\".

Templates first: a constraint is refused until Gatekeeper serves its kind, so apply twice, or the templates alone at \
first. Without the operator nobody repairs the objects or sends Gatekeeper requests that upstream's webhook leaves \
out.";

/// What to render.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Policies: files or folders, or - for standard input
    #[arg(short, long = "filename", value_name = "PATH", required = true)]
    filenames: Vec<PathBuf>,
    #[command(flatten)]
    parts: Parts,
    #[command(flatten)]
    signatures: signatures::SignatureParts,
    /// The format
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
    /// Writes one file for each object into this folder instead, and says what it wrote
    #[arg(long, value_name = "DIR")]
    output_dir: Option<PathBuf>,
    /// Removes files from --output-dir that an earlier run wrote and this one did not: those that hold nothing but
    /// objects labelled gatewright.io/owner: render
    #[arg(long, requires = "output_dir")]
    prune: bool,
    #[command(flatten)]
    reading: ReadingArgs,
    #[command(flatten)]
    settings: SettingsArgs,
}

/// What is rendered of all that could be.
#[derive(Debug, clap::Args)]
struct Parts {
    /// Only the templates, unless --constraints is given too
    #[arg(long)]
    templates: bool,
    /// Only the constraints, unless --templates is given too
    #[arg(long)]
    constraints: bool,
    /// The six constraints of the Pod Security Standards, too
    #[arg(long)]
    standards: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// YAML documents
    #[default]
    Yaml,
    /// One JSON List
    Json,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Object {
    Template(Box<ConstraintTemplate>),
    Constraint(Box<Constraint>),
    SyncSet(Box<SyncSet>),
    Provider(Box<Provider>),
}

impl Object {
    /// What its file is called.
    fn file_name(&self) -> String {
        let (kind, name) = match self {
            Self::Template(template) => ("constrainttemplate".to_owned(), template.metadata.name.as_deref()),
            Self::Constraint(constraint) => {
                (constraint.kind.to_lowercase(), constraint.metadata.name.as_deref())
            }
            Self::SyncSet(set) => ("syncset".to_owned(), set.metadata.name.as_deref()),
            Self::Provider(provider) => ("provider".to_owned(), provider.metadata.name.as_deref()),
        };
        format!("{kind}-{}", name.unwrap_or_default())
    }
}

/// Renders all policies, or none if one of them is invalid.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let reading = args.reading.reading();
    let settings = args.settings.read(&reading.limit)?;
    let provider = signatures::provider(&args.signatures, &settings, &reading.limit)?;
    let of_policies = constraints(&args.filenames, &reading, &settings, args.signatures.signatures);
    let Some(of_policies) = of_policies else { return Ok(ExitCode::from(FAILED)) };
    let all = args.parts.templates == args.parts.constraints;
    let mut objects = vec![];
    if all || args.parts.templates {
        let signatures = args.signatures.signatures.then(signatures::template);
        objects.extend(templates().into_iter().chain(signatures).map(rendered_template));
    }
    if all || args.parts.constraints {
        objects.extend(provider.map(|provider| Object::Provider(Box::new(provider))));
        let mut builtin = if args.parts.standards { standards(&settings) } else { vec![] };
        if settings.exec_guard.mode == GuardMode::Always {
            objects.push(Object::SyncSet(Box::new(rendered_sync_set())));
            builtin.push(exec_guard(&settings, &[]));
        }
        builtin.iter_mut().for_each(policies::mark_rendered);
        objects.extend(builtin.into_iter().chain(of_policies).map(|one| Object::Constraint(Box::new(one))));
    }
    match &args.output_dir {
        Some(folder) => {
            let written = files::write(&objects, folder, args.output)?;
            diagnostics::note(format!("{}: {written}", folder.display()));
            if args.prune {
                for file in files::prune(folder, &written, &args.reading.reading().limit)? {
                    diagnostics::note(format!("{}: removed", file.display()));
                }
            }
        }
        None => std::io::stdout().write_all(text(&objects, args.output)?.as_bytes())?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The constraints of all policies, by kind and name; none if something is wrong with one.
fn constraints(
    filenames: &[PathBuf],
    reading: &Reading,
    settings: &Settings,
    with_signatures: bool,
) -> Option<Vec<Constraint>> {
    let (mut constraints, mut failed) = (vec![], false);
    let mut fail = |error| {
        diagnostics::error(error);
        failed = true;
    };
    let mut documents = input::read(filenames, reading);
    for document in documents.by_ref() {
        let document = match document {
            Ok(document) => document,
            Err(error) => {
                fail(error);
                continue;
            }
        };
        let Some(kind) = policies::kind_of(&document) else {
            match policies::unknown_kind(&document) {
                Some(error) => fail(error),
                None => diagnostics::note(format!(
                    "{}: {} is not a policy; left out",
                    document.location, document.header.kind
                )),
            }
            continue;
        };
        match policies::compiled(&document, kind, settings) {
            Ok(compiled) => {
                policies::tell(&document, kind, &compiled, &Scopes::default(), false);
                constraints.extend(compiled.constraint);
                match compiled.signatures {
                    Some(signatures) if with_signatures => {
                        constraints.push(signatures::constraint(&document, signatures));
                    }
                    Some(_) => fail(signatures::left_out(&document)),
                    None => {}
                }
            }
            Err(errors) => errors.into_iter().for_each(&mut fail),
        }
    }
    diagnostics::left_out(&documents.left_out);
    documents.empty().for_each(|file| fail(input::InputError::new(file, 0, "holds no object")));
    constraints.sort_by_key(key);
    for pair in constraints.windows(2) {
        if key(&pair[0]) == key(&pair[1]) {
            let (kind, name) = key(&pair[0]);
            fail(input::InputError::new(&"input".into(), 0, format!("two policies become {kind} {name}")));
        }
    }
    (!failed).then_some(constraints)
}

fn key(constraint: &Constraint) -> (String, String) {
    (constraint.kind.clone(), constraint.metadata.name.clone().unwrap_or_default())
}

fn rendered_template(mut template: ConstraintTemplate) -> Object {
    template.metadata.labels = Some(rendered_labels());
    Object::Template(Box::new(template))
}

fn rendered_sync_set() -> SyncSet {
    let mut set = sync_set();
    set.metadata.labels = Some(rendered_labels());
    set
}

fn rendered_labels() -> BTreeMap<String, String> {
    [(names::OWNER_LABEL.to_owned(), names::RENDERED.to_owned())].into()
}

fn text(objects: &[Object], format: Format) -> anyhow::Result<String> {
    match format {
        Format::Json => {
            let list = serde_json::json!({"apiVersion": "v1", "kind": "List", "items": objects});
            Ok(format!("{list:#}\n"))
        }
        Format::Yaml => objects.iter().map(|object| Ok(format!("---\n{}", yaml(object)?))).collect(),
    }
}
