//! The Kubernetes Job of the gate: its containers' arguments are those of the binary, and they do what they say.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// The documents of the template.
fn documents() -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/kubernetes/gate-job.yaml");
    serde_saphyr::from_multiple(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn job(documents: &[Value], name: &str) -> Value {
    let found = documents
        .iter()
        .find(|d| d["kind"] == "Job" && d["metadata"]["name"] == name);
    found.unwrap_or_else(|| panic!("no job {name}"))["spec"].clone()
}

/// Runs a job's container as pod number `part`, with its folders under `root` and these variables instead of its own.
fn run(job: &Value, part: u64, root: &Path, variables: &[(&str, &str)]) -> (i32, String) {
    let container = &job["template"]["spec"]["containers"][0];
    let mut values = vec![("PART".to_owned(), part.to_string())];
    for variable in container["env"].as_array().into_iter().flatten() {
        let name = variable["name"].as_str().unwrap();
        let own = variables
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| *value);
        if let Some(value) = own.or(variable["value"].as_str()) {
            values.push((name.to_owned(), value.to_owned()));
        }
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_farmgate"));
    for argument in container["args"].as_array().unwrap() {
        let mut argument = argument.as_str().unwrap().to_owned();
        for (name, value) in &values {
            argument = argument.replace(&format!("$({name})"), value);
        }
        assert!(
            !argument.contains("$("),
            "{argument} names a variable that the container does not set"
        );
        for folder in ["/scenarios", "/reports"] {
            let mounted = |mount: &Value| mount["mountPath"] == folder;
            if argument.contains(folder) {
                assert!(
                    container["volumeMounts"].as_array().unwrap().iter().any(mounted),
                    "{folder} is not mounted"
                );
            }
            argument = argument.replace(folder, &root.join(&folder[1..]).display().to_string());
        }
        command.arg(argument);
    }
    let output = command.output().unwrap();
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    (output.status.code().unwrap(), text.join("\n"))
}

#[test]
fn every_part_is_written_and_all_of_them_are_joined() {
    let (documents, folder, url) = (documents(), tempfile::tempdir().unwrap(), support::server());
    let (load, merge) = (job(&documents, "gate-load"), job(&documents, "gate-merge"));
    std::fs::create_dir(folder.path().join("scenarios")).unwrap();
    std::fs::write(
        folder.path().join("scenarios/get.hurl"),
        "GET {{url}}/x\nHTTP 200\n",
    )
    .unwrap();
    let (early, text) = run(&merge, 0, folder.path(), &[]);
    assert_eq!(early, 3, "parts that are missing are no verdict: {text}");
    let parts = load["completions"].as_u64().unwrap();
    assert_eq!(load["parallelism"].as_u64(), Some(parts));
    for part in 0..parts {
        let variables = [("TARGET_URL", url.as_str()), ("RATE", "20"), ("DURATION", "1s")];
        let (code, text) = run(&load, part, folder.path(), &variables);
        // A busy machine makes a run inconclusive or slow; a usage error it never is.
        assert!(code <= 2, "{text}");
    }
    let (code, text) = run(&merge, 0, folder.path(), &[]);
    assert!(code <= 2, "{text}");
    let joined = std::fs::read_to_string(folder.path().join("reports/gate.json")).unwrap();
    let joined: Value = serde_json::from_str(&joined).unwrap();
    let total = &joined["stages"][0]["detail"]["load"]["total"];
    assert_eq!(total["ok"].as_u64(), Some(parts * 18), "{total}");
    assert!(folder.path().join("reports/gate.html").exists());
}
