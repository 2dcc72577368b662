//! The files in `completions/` are what the binary generates, and they work.
//!
//! To write them anew: `UPDATE_COMPLETIONS=1 cargo test --test completions`

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

/// What `--generate` takes, and the file that holds it.
const FILES: [(&str, &str); 6] = [
    ("bash", "tickwire.bash"),
    ("zsh", "_tickwire"),
    ("fish", "tickwire.fish"),
    ("elvish", "tickwire.elv"),
    ("powershell", "_tickwire.ps1"),
    ("man", "tickwire.1"),
];

/// The folder, written anew before any test reads it where that is asked for.
fn folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("completions");
        if std::env::var_os("UPDATE_COMPLETIONS").is_some() {
            for (what, file) in FILES {
                fs::write(folder.join(file), generate(what)).expect("completions/ can be written");
            }
        }
        folder
    })
}

fn generate(what: &str) -> Vec<u8> {
    let output = Command::new(env!("CARGO_BIN_EXE_tickwire"))
        .args(["--generate", what])
        .env_clear()
        .output()
        .expect("the binary runs");
    assert!(output.status.success(), "--generate {what}: {output:?}");
    assert!(output.stderr.is_empty(), "--generate {what}: {output:?}");
    output.stdout
}

fn generate_text(what: &str) -> String {
    String::from_utf8(generate(what)).expect("generated text is UTF-8")
}

#[test]
fn committed_files_are_what_the_binary_generates() {
    let is_outdated =
        |(what, file): &(&str, &str)| fs::read(folder().join(file)).ok() != Some(generate(what));
    let outdated: Vec<_> = FILES.into_iter().filter(is_outdated).collect();
    assert!(
        outdated.is_empty(),
        "completions/ is not what the binary generates: {outdated:?}\n\
         write it anew: UPDATE_COMPLETIONS=1 cargo test --test completions"
    );
}

#[test]
fn the_folder_holds_nothing_else() {
    let there: BTreeSet<String> = fs::read_dir(folder())
        .expect("completions/ exists")
        .map(|entry| {
            let name = entry.expect("completions/ can be read").file_name();
            name.to_string_lossy().into_owned()
        })
        .collect();
    let wanted = FILES.map(|(_, file)| file.to_string());
    assert_eq!(there, BTreeSet::from(wanted));
}

/// `None`, with a word on stderr, where that shell is not installed.
fn shell(program: &str, arguments: &[&str]) -> Option<Output> {
    match Command::new(program).args(arguments).output() {
        Ok(output) => Some(output),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            eprintln!("skipped: {program} is not installed");
            None
        }
        Err(error) => panic!("{program}: {error}"),
    }
}

#[test]
fn shells_can_read_their_completions() {
    for (program, file) in [
        ("bash", "tickwire.bash"),
        ("zsh", "_tickwire"),
        ("fish", "tickwire.fish"),
    ] {
        let path = folder().join(file);
        let path = path.to_str().expect("the path is UTF-8");
        if let Some(output) = shell(program, &["-n", path]) {
            assert!(
                output.status.success() && output.stderr.is_empty(),
                "{output:?}"
            );
        }
    }
}

#[test]
fn bash_completes_commands_flags_and_values() {
    let complete = |words: &[&str]| -> Option<BTreeSet<String>> {
        let script = r#"source "$1"; shift
            COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_TYPE=9; COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}
            _tickwire tickwire "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}" 2>/dev/null
            printf '%s\n' "${COMPREPLY[@]}""#;
        let file = folder().join("tickwire.bash");
        let mut arguments = vec!["-c", script, "bash", file.to_str().expect("UTF-8")];
        arguments.extend(words);
        let output = shell("bash", &arguments)?;
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        Some(text.lines().map(str::to_string).collect())
    };
    let set = |words: &[&str]| words.iter().map(|word| word.to_string()).collect();
    let Some(commands) = complete(&["tickwire", "mon"]) else {
        return;
    };
    assert_eq!(commands, set(&["monitor"]));
    assert_eq!(
        complete(&["tickwire", "monitor", "--fi"]),
        Some(set(&["--field"]))
    );
    assert_eq!(
        complete(&["tickwire", "symbols", "--re"]),
        Some(set(&["--resolve"]))
    );
    assert_eq!(
        complete(&["tickwire", "monitor", "--output", ""]),
        Some(set(&["auto", "table", "plain", "json", "csv"]))
    );
}

#[test]
fn the_man_page_has_every_command_and_the_exit_codes() {
    // roff writes a hyphen that must stay one as `\-`.
    let page = generate_text("man").replace("\\-", "-");
    for word in [
        "TICKWIRE MONITOR",
        "--stream",
        "--once",
        "--field",
        "TICKWIRE SYMBOLS",
        "--resolve",
        "--all-providers",
        "--generate",
    ] {
        assert!(page.contains(word), "the man page lacks {word}");
    }
    let help = Command::new(env!("CARGO_BIN_EXE_tickwire"))
        .arg("--help")
        .env_clear()
        .output()
        .expect("the binary runs");
    let help = String::from_utf8(help.stdout).expect("help is UTF-8");
    let (_, codes) = help
        .split_once("Exit codes:\n")
        .expect("help has the exit codes");
    assert!(codes.lines().count() >= 6, "{codes}");
    for line in codes.lines() {
        assert!(page.contains(line.trim_end()), "the man page lacks: {line}");
    }
}
