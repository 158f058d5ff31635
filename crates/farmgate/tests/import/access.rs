//! Who imports: tokens, keys and names, and whose notes count.

use std::process::Output;

use db::Engine;
use serde_json::json;

use crate::{
    platform::{Server, command, farmgate, said},
    run::{report, send, write},
    scripted::{scripted, scripted_for},
};

#[test]
fn a_token_that_is_not_known_ends_the_run_at_once() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "t.csv", "local_id,data.a\none,1\ntwo,2\n");
    let (url, asked) = scripted(vec![Some("401 Who")]);
    let output = send(folder.path(), &url);
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
    assert!(said(&output).contains("--token"), "{}", said(&output));
    assert_eq!(asked.try_iter().count(), 1);
}

#[test]
fn notes_do_not_stand_in_for_a_token() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "t.csv", "local_id,data.a\none,1\n");
    let (url, _asked) = scripted(vec![Some("201 Made")]);
    assert_eq!(send(folder.path(), &url).status.code(), Some(0));
    let (stranger, asked) = scripted_for("401 Who", vec![Some("201 Made")]);
    let output = send(folder.path(), &stranger);
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
    assert!(said(&output).contains("--token"), "{}", said(&output));
    assert_eq!(asked.try_iter().count(), 0);
}

#[tokio::test]
async fn notes_count_for_one_workspace_and_one_key_only() {
    let server = Server::start(Engine::Sqlite);
    let (ana, ben) = (server.person("ana").await, server.person("ben").await);
    write(server.folder(), "t.csv", "local_id,data.a\none,1\ntwo,2\n");
    let key = json!({"name": "scales", "scopes": ["items:write"]});
    let key = ben.expect(201, "POST", "/api/api-keys", key).await;
    let key = key["secret"].as_str().unwrap();
    let run = |token: &str| {
        let arguments = [
            "import",
            "t.csv",
            "--json",
            "--url",
            &server.url,
            "--token",
            token,
        ];
        farmgate(server.folder(), &arguments)
    };
    let numbers = |output: &Output| {
        assert_eq!(output.status.code(), Some(0), "{}", said(output));
        let report = report(output);
        (report["done"].clone(), report["done_before"].clone())
    };
    assert_eq!(numbers(&run(&ana.token)), (json!(2), json!(0)));
    assert_eq!(
        numbers(&run(key)),
        (json!(2), json!(0)),
        "ben's workspace has none of ana's rows"
    );
    assert_eq!(ben.all("/api/items/local").await.len(), 2);
    assert_eq!(numbers(&run(&ana.token)), (json!(0), json!(2)));
    assert_eq!(numbers(&run(key)), (json!(0), json!(2)));
    for wrong in ["fg_wrong", "wrong"] {
        let output = run(wrong);
        assert_eq!(output.status.code(), Some(3), "{wrong}: {}", said(&output));
    }
    let notes = std::fs::read_to_string(server.folder().join("t.csv.farmgate-import")).unwrap();
    assert!(!notes.contains(key), "the key is a secret");
}

#[tokio::test]
async fn a_name_on_the_command_line_wins_over_a_token_of_the_environment() {
    let server = Server::start(Engine::Sqlite);
    server.person("ana").await;
    write(server.folder(), "t.csv", "local_id,data.a\none,1\n");
    let run = |token: &str, more: &[&str]| {
        let arguments = [&["import", "t.csv", "--url", &server.url], more].concat();
        let mut command = command(server.folder(), &arguments);
        command.env("FARMGATE_TOKEN", token);
        command.env("FARMGATE_PASSWORD", "correct horse battery");
        command.output().unwrap()
    };
    for token in ["", "wrong"] {
        let output = run(token, &["--username", "ana"]);
        assert_eq!(output.status.code(), Some(0), "{token}: {}", said(&output));
        let output = run(token, &[]);
        assert_eq!(output.status.code(), Some(3), "{token}: {}", said(&output));
    }
    let both = run("", &["--username", "ana", "--token", "x"]);
    assert_eq!(both.status.code(), Some(3));
    assert!(said(&both).contains("cannot be used with"), "{}", said(&both));
}
