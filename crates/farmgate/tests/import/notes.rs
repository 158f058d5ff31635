//! The notes of what is done: a run that broke off goes on where it was, and nobody else's file is touched.

use std::{
    path::Path,
    process::{Output, Stdio},
    time::{Duration, Instant},
};

use db::Engine;
use serde_json::{Value, json};

use crate::{
    platform::{Server, command, farmgate, said},
    run::{epcis_document, epcis_event, import_of, imported_events, report, send, send_with, write},
    scripted::scripted,
};

#[test]
fn a_number_that_was_cut_off_is_no_imported_row() {
    let folder = tempfile::tempdir().unwrap();
    let rows: String = (0..12).map(|number| format!("r{number},1\n")).collect();
    write(folder.path(), "t.csv", format!("local_id,data.a\n{rows}"));
    let (url, asked) = scripted(vec![Some("201 Made")]);
    assert_eq!(report(&send(folder.path(), &url))["done"], 12);
    assert_eq!(asked.try_iter().count(), 12);
    let state = folder.path().join("t.csv.farmgate-import");
    let notes = std::fs::read_to_string(&state).unwrap();
    // Killed while it noted row 12: what is left of it reads like row 1.
    std::fs::write(&state, format!("{}\n3\n1", notes.lines().next().unwrap())).unwrap();
    assert_eq!(report(&send(folder.path(), &url))["done_before"], 1);
    assert_eq!(asked.try_iter().count(), 11);
    // And what was noted after it is whole.
    assert_eq!(report(&send(folder.path(), &url))["done_before"], 12);
}

/// Starts an import and kills it as soon as it has imported some rows; gives how many it noted.
fn begin_and_kill(folder: &Path, arguments: &[&str], state: &str) -> usize {
    let mut import = command(folder, arguments).stdout(Stdio::null()).spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    let noted = || std::fs::read_to_string(folder.join(state)).map_or(0, |text| text.lines().count());
    while noted() < 12 {
        assert!(Instant::now() < deadline, "the import imports nothing");
        assert!(
            import.try_wait().unwrap().is_none(),
            "the import ended before it could be killed"
        );
        std::thread::yield_now();
    }
    import.kill().unwrap();
    import.wait().unwrap();
    noted() - 1
}

#[tokio::test]
async fn an_import_that_was_killed_goes_on_and_makes_everything_once() {
    let server = Server::start(Engine::Sqlite);
    let (owner, partner) = (server.person("ana").await, server.person("ben").await);
    let circuit = owner.circuit_with(&partner, "ben").await;
    let folder = server.folder();
    let table: String = (0..300)
        .map(|number| format!("lot-{number},L{number},40\n"))
        .collect();
    write(
        folder,
        "lots.csv",
        format!("local_id,identifier.lot,data.bags\n{table}"),
    );
    let events: Vec<Value> = (0..150).map(epcis_event).collect();
    write(folder, "moves.json", epcis_document(&events));
    for (file, rows) in [("lots.csv", 300), ("moves.json", 150)] {
        let arguments = import_of(file, &owner, &circuit);
        let noted = begin_and_kill(folder, &arguments, &format!("{file}.farmgate-import"));
        assert!(
            noted < rows,
            "{file} was imported before the import could be killed"
        );
        let again = farmgate(folder, &arguments);
        assert_eq!(again.status.code(), Some(0), "{}", said(&again));
        let second = report(&again);
        assert_eq!(second["rows"], rows, "{second}");
        assert!(
            second["done_before"].as_u64().unwrap() >= noted as u64,
            "{second}"
        );
        let third = report(&farmgate(folder, &arguments));
        assert_eq!((&third["done_before"], &third["done"]), (&json!(rows), &json!(0)));
    }
    // 300 lots, 150 instances of goods and 15 of what they were shipped in.
    let items = partner.all(&format!("/api/circuits/{circuit}/items")).await;
    assert_eq!(items.len(), 300 + 150 + 15);
    let found = imported_events(&owner).await;
    assert_eq!(found.len(), 150);
    assert!(found.values().all(|count| *count == 1));
}

#[test]
fn a_file_that_holds_no_notes_is_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let table = "local_id,data.a\none,1\n";
    write(folder.path(), "t.csv", table);
    write(folder.path(), "mine.txt", "a letter\n3\n");
    std::os::unix::fs::symlink("t.csv", folder.path().join("also.csv")).unwrap();
    let (url, asked) = scripted(vec![Some("201 Made")]);
    for (state, what) in [
        ("mine.txt", "holds no notes of an import"),
        ("t.csv", "the file that is imported"),
        ("also.csv", "the file that is imported"),
    ] {
        let output = send_with(folder.path(), &url, "t.csv", &["--state", state]);
        assert_eq!(output.status.code(), Some(3), "{state}: {}", said(&output));
        assert!(said(&output).contains(what), "{state}: {}", said(&output));
        assert!(said(&output).contains("--state"), "{state}: {}", said(&output));
    }
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    assert_eq!(
        (read("t.csv").as_str(), read("mine.txt").as_str()),
        (table, "a letter\n3\n")
    );
    assert_eq!(
        asked.try_iter().count(),
        0,
        "nothing is sent whose notes cannot be kept"
    );
    // What a killed run left of its first line, or an empty file, is no one's own.
    for (state, left) in [("empty", ""), ("cut", "farmgate-im")] {
        write(folder.path(), state, left);
        let output = send_with(folder.path(), &url, "t.csv", &["--state", state]);
        assert_eq!(output.status.code(), Some(0), "{state}: {}", said(&output));
        assert_eq!(read(state).lines().count(), 2, "{}", read(state));
    }
}

#[test]
fn notes_of_several_imports_in_one_file_are_kept_apart() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "one.csv", "local_id,data.a\none,1\ntwo,2\n");
    write(folder.path(), "two.csv", "local_id,data.a\nthree,3\n");
    let (url, _asked) = scripted(vec![Some("201 Made")]);
    let run = |file: &str| send_with(folder.path(), &url, file, &["--state", "notes"]);
    let before = |output: &Output| report(output)["done_before"].clone();
    assert_eq!(before(&run("one.csv")), 0);
    let other = run("two.csv");
    assert_eq!(before(&other), 0);
    assert!(
        said(&other).contains("notes of other imports"),
        "{}",
        said(&other)
    );
    assert_eq!(
        (before(&run("one.csv")), before(&run("two.csv"))),
        (json!(2), json!(1))
    );
}

#[test]
fn two_runs_do_not_write_the_same_notes() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "t.csv", "local_id,data.a\none,1\n");
    write(folder.path(), "notes", "");
    let held = std::fs::File::open(folder.path().join("notes")).unwrap();
    held.lock().unwrap();
    let (url, asked) = scripted(vec![Some("201 Made")]);
    let output = send_with(folder.path(), &url, "t.csv", &["--state", "notes"]);
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
    assert!(said(&output).contains("another import"), "{}", said(&output));
    assert_eq!(asked.try_iter().count(), 0);
}
