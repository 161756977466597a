//! `report` on files: as its schemas say, and as `check` judges them.

use serde_json::Value;

use crate::folder::Folder;
use crate::{Result, gatewright};

const INPUT: [&str; 4] = ["-f", "../report.in/policies.yaml", "-f", "../report.in/dump.yaml"];

fn json(command: &str, more: &[&str]) -> Result<Value> {
    let arguments = [&[command, "-o", "json"], &INPUT[..], more].concat();
    let assert = gatewright(&arguments)?.assert().code(1);
    Ok(serde_json::from_slice(&assert.get_output().stdout)?)
}

#[test]
fn every_way_to_group_is_as_the_schema_says() -> Result {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/json/report.schema.json");
    let validator = jsonschema::validator_for(&serde_json::from_str(&std::fs::read_to_string(path)?)?)?;
    for by in ["owner", "namespace", "policy"] {
        let document = json("report", &["--by", by])?;
        let wrong: Vec<_> = validator.iter_errors(&document).map(|error| error.to_string()).collect();
        assert!(wrong.is_empty(), "{by}: {wrong:#?}");
        assert_eq!((&document["by"], &document["audit"]), (&by.into(), &Value::Null));
        let mut other = document.clone();
        other["rows"][0]["fail"] = "many".into();
        assert!(!validator.is_valid(&other), "{by}");
    }
    Ok(())
}

/// However rows are grouped: what fails and what is warned of is what `check` says.
#[test]
fn a_report_counts_what_check_says() -> Result {
    let checked = json("check", &[])?;
    let violations = checked["results"].as_array().into_iter().flatten();
    let violations = violations.flat_map(|result| result["violations"].as_array().into_iter().flatten());
    let (denied, others): (Vec<_>, Vec<_>) = violations.partition(|it| it["enforcementAction"] == "deny");
    assert!(!denied.is_empty() && !others.is_empty());
    for by in ["owner", "namespace", "policy"] {
        let document = json("report", &["--by", by])?;
        let sum = |key: &str| -> u64 {
            document["rows"].as_array().into_iter().flatten().filter_map(|row| row[key].as_u64()).sum()
        };
        assert_eq!((sum("fail"), sum("warn")), (denied.len() as u64, others.len() as u64), "{by}");
    }
    Ok(())
}

/// A dump of a cluster holds policies and the constraints made of them: the policies count, once.
#[test]
fn constraints_that_policies_of_the_input_made_are_left_out() -> Result {
    let policies = include_str!("../cmd/report.in/policies.yaml");
    let dump = include_str!("../cmd/report.in/dump.yaml");
    let folder = Folder::of(&[("p.yaml", policies.as_bytes()), ("dump.yaml", dump.as_bytes())])?;
    let (code, rendered) = folder.run(&["render", "-f", "p.yaml", "--constraints"])?;
    assert_eq!(code, 0, "{rendered}");
    folder.write("made.yaml", &rendered)?;
    for command in [&["check", "-o", "json"][..], &["report", "-o", "json"], &["report", "-o", "csv"]] {
        let run =
            |more: &[&str]| folder.outputs(&[command, &["-f", "p.yaml", "-f", "dump.yaml"], more].concat());
        let (code, without, _) = run(&[])?;
        let (with_code, with, said) = run(&["-f", "made.yaml"])?;
        assert_eq!((code, with_code), (1, 1), "{said}");
        assert_eq!(with, without, "{command:?}");
        assert!(
            said.contains("constraints are left out: the input has the policies that made them"),
            "{said}"
        );
    }
    // What only has the name of one is somebody else's.
    folder.write("made.yaml", &rendered.replace("security.deckhouse.io/security-policy", "a.io/b"))?;
    let (code, said) = folder.run(&["check", "-f", "p.yaml", "-f", "dump.yaml", "-f", "made.yaml"])?;
    assert!(code == 2 && said.contains("is here a second time; the first is p.yaml"), "{said}");
    Ok(())
}
