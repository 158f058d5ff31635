//! Reading the case files; see `tests/cases/README.md`.

use std::path::{Path, PathBuf};

/// What is expected of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    Ok,
    /// The line of the first failed assert or error.
    Fail(u32),
}

#[derive(Clone, Debug)]
pub struct Case {
    pub feature: String,
    pub name: String,
    pub text: String,
    pub expect: Expect,
    /// The published tool is known to differ.
    pub ours: bool,
}

pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases")
}

pub fn all() -> Vec<Case> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder())
        .unwrap()
        .map(|f| f.unwrap().path())
        .collect();
    files.retain(|f| f.extension().is_some_and(|e| e == "txt"));
    files.sort();
    files.iter().flat_map(|file| read(file)).collect()
}

fn read(file: &Path) -> Vec<Case> {
    let feature = file.file_stem().unwrap().to_str().unwrap().to_string();
    let text = std::fs::read_to_string(file).unwrap();
    let (mut cases, mut each) = (Vec::<Case>::new(), None);
    let mut written = false;
    for line in text.split_inclusive('\n') {
        if let Some(request) = line.strip_prefix("@each ") {
            (each, written) = (Some(request.trim_end().to_string()), false);
        } else if let Some(heading) = line.strip_prefix("=== ") {
            cases.push(heading_of(&feature, heading.trim_end()));
            written = true;
        } else if written {
            cases.last_mut().unwrap().text.push_str(line);
        } else if let (Some((sign, assert)), Some(request)) = (line.split_at_checked(2), &each) {
            let expect = if sign == "+ " { Expect::Ok } else { Expect::Fail(4) };
            let text = format!("{request}\nHTTP 200\n[Asserts]\n{assert}");
            let name = format!("{sign}{}", assert.trim_end());
            cases.push(Case {
                feature: feature.clone(),
                name,
                text,
                expect,
                ours: false,
            });
        }
    }
    cases
}

fn heading_of(feature: &str, heading: &str) -> Case {
    let (name, expect) = heading.rsplit_once(" | ").unwrap();
    let mut words = expect.split(' ');
    let expect = match words.next() {
        Some("ok") => Expect::Ok,
        _ => Expect::Fail(words.next().unwrap().parse().unwrap()),
    };
    let ours = words.next() == Some("ours");
    Case {
        feature: feature.to_string(),
        name: name.to_string(),
        text: String::new(),
        expect,
        ours,
    }
}
