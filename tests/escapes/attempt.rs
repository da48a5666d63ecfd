//! One attempt to leave the sandbox: a script, and what its head says must come of it (step 3).

use std::path::Path;

/// A script of this directory.
pub(crate) struct Attempt {
    pub(crate) name: String,
    /// Its first line.
    pub(crate) claim: String,
    pub(crate) inside: Inside,
    pub(crate) outside: Outside,
    /// Seconds of wall and CPU time, where it is to have less than the others.
    pub(crate) wall: Option<u64>,
    pub(crate) cpu: Option<u64>,
    pub(crate) script: String,
}

/// What must come of it inside.
pub(crate) enum Inside {
    /// Its calls fail, and so does it.
    Refused,
    /// It ends well, and has changed nothing but its own directory.
    KeptIn,
    /// It ends well, and none of its processes is left.
    NothingLeft,
    /// It is ended, and one of these limits is named.
    Limits(Vec<String>),
}

/// What comes of it where nothing confines it.
pub(crate) enum Outside {
    /// It succeeds.
    Works,
    /// It succeeds if the machine has something.
    WorksWhere(String),
    /// It must not be tried: it harms the machine.
    Never,
}

/// Every script of this directory, by name.
pub(crate) fn all() -> Vec<Attempt> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("escapes");
    let only = std::env::var("REATTEST_ESCAPES").unwrap_or_default();
    let files = reattest_tests::files_below(&directory);
    let scripts = files.iter().filter(|file| file.extension().is_some_and(|end| end == "sh"));
    let wanted = scripts.filter(|file| file.to_string_lossy().contains(&only));
    wanted.map(|file| read(file)).collect()
}

fn read(file: &Path) -> Attempt {
    let script = std::fs::read_to_string(file).unwrap();
    let name = file.file_stem().unwrap().to_string_lossy().into_owned();
    let head = |word: &str| {
        let start = format!("# {word}: ");
        script.lines().find_map(|line| line.strip_prefix(&start)).map(str::to_owned)
    };
    let seconds = |word: &str| head(word).map(|text| text.parse().unwrap());
    let inside =
        head("inside").unwrap_or_else(|| panic!("{name} does not say what must come of it"));
    let outside = head("outside").unwrap_or_else(|| panic!("{name} has no control"));
    Attempt {
        claim: script.lines().next().unwrap().trim_start_matches("# ").to_owned(),
        inside: match inside.as_str() {
            "refused" => Inside::Refused,
            "kept in" => Inside::KeptIn,
            "nothing left" => Inside::NothingLeft,
            other => {
                let names =
                    other.strip_prefix("limit ").unwrap_or_else(|| panic!("{name}: {other}"));
                Inside::Limits(names.split(", ").map(str::to_owned).collect())
            }
        },
        outside: match outside.as_str() {
            "works" => Outside::Works,
            never if never.starts_with("never (") => Outside::Never,
            other => {
                let condition = other.strip_prefix("works ");
                Outside::WorksWhere(
                    condition.unwrap_or_else(|| panic!("{name}: {other}")).to_owned(),
                )
            }
        },
        wall: seconds("wall"),
        cpu: seconds("cpu"),
        name,
        script,
    }
}
