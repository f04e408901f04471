//! The completions in the shells that they are made for.

use std::collections::BTreeSet;
use std::process::Command;

/// What is to be completed (the last word is empty), and with what; the shells may add what else fits.
const CASES: [(&str, &[&str]); 3] = [
    ("laaffic-exporter --log.level ", &["debug", "info", "warn", "error"]),
    ("laaffic-exporter query --output ", &["table", "json"]),
    (
        "laaffic-exporter ",
        &["demo", "simulate", "query", "flows", "check", "healthcheck", "rules"],
    ),
];

/// Runs a script with what is to be completed as its first argument, and gives its words.
fn asked(shell: &[&str], script: &str, line: &str) -> BTreeSet<String> {
    let (program, arguments) = shell.split_first().unwrap();
    let mut command = Command::new(program);
    let ended = command.args(arguments).arg(script).arg(line).output().unwrap();
    assert!(
        ended.status.success() && ended.stderr.is_empty(),
        "{program}, {line:?}: {ended:?}"
    );
    let told = String::from_utf8(ended.stdout).unwrap();
    // A shell may explain a word behind it.
    told.lines()
        .filter_map(|line| line.split_whitespace().next())
        .map(str::to_owned)
        .collect()
}

fn completes(complete: impl Fn(&str) -> BTreeSet<String>) {
    for (line, wanted) in CASES {
        let words = complete(line);
        for word in wanted {
            assert!(words.contains(*word), "{line:?}: no {word} in {words:?}");
        }
    }
    // Flags of one command are not those of another.
    let words = complete("laaffic-exporter query --");
    assert!(words.contains("--raw"), "{words:?}");
    assert!(!words.contains("--live"), "{words:?}");
}

#[test]
fn bash_completes_commands_flags_and_values() {
    // As bash itself does it: the function is asked with the words, of which the last one is the one to be completed.
    let script = r#"
        source deploy/completions/bash/laaffic-exporter
        [[ $(complete -p laaffic-exporter) =~ -F\ ([^ ]+) ]]
        read -ra COMP_WORDS <<<"$0"
        [[ $0 == *' ' ]] && COMP_WORDS+=('')
        COMP_CWORD=$((${#COMP_WORDS[@]} - 1)) COMP_LINE=$0 COMP_POINT=${#0}
        "${BASH_REMATCH[1]}" laaffic-exporter "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
        printf '%s\n' "${COMPREPLY[@]}"
    "#;
    completes(|line| asked(&["bash", "--norc", "--noprofile", "-c"], script, line));
}

#[test]
fn fish_completes_commands_flags_and_values() {
    let script = "source deploy/completions/fish/laaffic-exporter.fish; complete \"--do-complete=$argv[1]\"";
    completes(|line| asked(&["fish", "--no-config", "-c"], script, line));
}

#[test]
fn zsh_completes_commands_flags_and_values() {
    // A shell at a terminal, which lists what fits when a key is pressed. It is asked once it has written its prompt, and what it writes then
    // is read up to a word that it is told to end with.
    let script = r#"
        zmodload zsh/zpty
        zpty shell zsh -f -i
        zpty -w shell 'stty rows 1000 columns 200; fpath=($PWD/deploy/completions/zsh $fpath); autoload -U compinit; compinit -u -D'
        zpty -w shell 'LISTMAX=1000; zstyle ":completion:*" verbose no; bindkey "^X" list-choices; RPS1= PROMPT=REA""DY'
        zpty -r shell told '*READY*'
        zpty -wn shell "$0"$'\x18\x05\x15'"print DO''NE"$'\n'
        zpty -r shell told '*DONE*'
        print -r -- "$told" | sed $'s/\e\\[[0-9;?]*[A-Za-z]//g' | tr -s ' \r' '\n\n'
    "#;
    completes(|line| asked(&["zsh", "-f", "-c"], script, line));
}
