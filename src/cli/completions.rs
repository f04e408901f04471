//! What shells complete, `deploy/completions`: made from the flags, as the help is.
//!
//! The tests here compare the files; with `UPDATE_GOLDEN=1` they write them instead. That the shells understand them is tested with the
//! shells themselves.

use clap::CommandFactory as _;
use clap_complete::{Shell, generate};
use testkit::golden;

use super::Cli;

/// The shells, and the names by which they look for the completions of a command.
const SHELLS: [(Shell, &str); 3] = [
    (Shell::Bash, "laaffic-exporter"),
    (Shell::Zsh, "_laaffic-exporter"),
    (Shell::Fish, "laaffic-exporter.fish"),
];

/// How fish finds the command among the words of a line.
const FISH_WORDS: &str = "    set -l cmd (commandline -opc)\n";

/// The same with an underscore for each dot in a flag, and with a word behind the last one: the value of a flag that is to be completed.
const FISH_WORDS_FOR_ARGPARSE: &str = "    set -l cmd
    for word in (commandline -opc) ''
        string match -q -- '--*' $word
        and set word (string replace -a . _ -- $word)
        set -a cmd $word
    end
";

/// A script without what its generator does not get right for a name with a dash and for flags with dots. The tests with the shells fail
/// without this, and those here once there is nothing to mend any more.
fn mended(shell: Shell, script: &str) -> String {
    let mended = match shell {
        // The dash is taken for the end of a command's name, so that no command but the program is found.
        Shell::Bash => script.replace("laaffic__subcmd__exporter", "laaffic__exporter"),
        // argparse takes no option with a dot, nor one without its value, and with such a one it refuses them all.
        Shell::Fish => {
            let lines = script
                .split_inclusive('\n')
                .map(|line| match line.contains("string join \\n ") {
                    true => line.replace('.', "_"),
                    false => line
                        .replace(FISH_WORDS, FISH_WORDS_FOR_ARGPARSE)
                        .replace("if set -q argv[1]", "if test -n \"$argv[1]\""),
                });
            lines.collect()
        }
        _ => return script.to_owned(),
    };
    assert_ne!(mended, script, "{shell} needs no mending");
    mended
}

#[test]
fn every_shell_has_its_completions() {
    for (shell, name) in SHELLS {
        let mut script = Vec::new();
        generate(shell, &mut Cli::command(), "laaffic-exporter", &mut script);
        let script = mended(shell, &String::from_utf8(script).unwrap());
        golden::matches(&format!("deploy/completions/{shell}/{name}"), &script);
    }
}
