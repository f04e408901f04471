//! The commands and flags for `docs/command-line.md`, in the words of their help.

use std::fmt::Write as _;

use clap::{Arg, Command, CommandFactory as _};
use testkit::golden;

use super::Cli;

/// How the page calls the program without a command.
const WITHOUT: &str = "(none)";

/// A command and its name.
type Named<'c> = (String, &'c Command);

/// The program without a command, and each command, in the order of the help.
fn commands(program: &Command) -> Vec<Named<'_>> {
    let named = program
        .get_subcommands()
        .map(|command| (format!("`{}`", command.get_name()), command));
    [(WITHOUT.to_owned(), program)].into_iter().chain(named).collect()
}

fn table_of_commands(commands: &[Named<'_>]) -> String {
    let mut table = "| command | what it does |\n|---|---|\n".to_owned();
    for (name, command) in commands {
        // Of the program as a whole the first paragraph says what it is, the second what it does without a command.
        let about = command.get_long_about().or(command.get_about()).unwrap().to_string();
        let about = about.rsplit("\n\n").next().unwrap();
        writeln!(table, "| {name} | {} |", sentence(about)).unwrap();
    }
    table
}

/// A row for each flag, in the order of the help of the first command that takes it.
fn table_of_flags(commands: &[Named<'_>]) -> String {
    let mut table =
        "| flag | environment variable | default | taken by | what it is |\n|---|---|---|---|---|\n".to_owned();
    let all: Vec<(&str, &Arg)> = commands
        .iter()
        .flat_map(|(name, command)| command.get_arguments().map(|argument| (name.as_str(), argument)))
        .filter(|(_, argument)| argument.get_long().is_some())
        .collect();
    let mut done: Vec<&str> = Vec::new();
    for (_, argument) in &all {
        let flag = argument.get_long().unwrap();
        if done.contains(&flag) {
            continue;
        }
        done.push(flag);
        let same: Vec<_> = all.iter().filter(|(_, other)| other.get_long() == Some(flag)).collect();
        let takers: Vec<_> = same.iter().map(|(command, _)| *command).collect();
        let takers = match takers.len() == commands.len() {
            true => "all".to_owned(),
            false => takers.join(", "),
        };
        let [variable, default] = [variable(argument), default(argument)];
        // A flag may mean something else with another command; that its default and variable differ as well, no help could say.
        for (_, other) in &same {
            assert_eq!(
                [self::variable(other), self::default(other)],
                [variable.clone(), default.clone()],
                "{flag}"
            );
        }
        let meaning = meaning(&same);
        writeln!(table, "| `--{flag}` | {variable} | {default} | {takers} | {meaning} |").unwrap();
    }
    table
}

fn variable(argument: &Arg) -> String {
    let name = argument.get_env().map(|name| name.to_str().unwrap());
    name.map_or_else(String::new, |name| format!("`{name}`"))
}

fn default(argument: &Arg) -> String {
    if !argument.get_action().takes_values() {
        return String::new();
    }
    let values = argument.get_default_values().iter();
    let values: Vec<_> = values.map(|value| format!("`{}`", value.to_str().unwrap())).collect();
    values.join(", ")
}

/// What a flag is, once where all commands that take it say the same.
fn meaning(same: &[&(&str, &Arg)]) -> String {
    let mut meanings: Vec<(String, String)> = Vec::new();
    for (command, argument) in same {
        let mut text = sentence(&argument.get_help().unwrap().to_string());
        let values = argument.get_possible_values();
        let values: Vec<_> = values.iter().map(|value| format!("`{}`", value.get_name())).collect();
        if argument.get_action().takes_values() && !values.is_empty() {
            write!(text, " One of {}.", values.join(", ")).unwrap();
        }
        match meanings.iter_mut().find(|(_, meaning)| *meaning == text) {
            Some((commands, _)) => write!(commands, ", {command}").unwrap(),
            None => meanings.push(((*command).to_owned(), text)),
        }
    }
    match &meanings[..] {
        [(_, meaning)] => meaning.clone(),
        several => {
            let several = several
                .iter()
                .map(|(commands, meaning)| format!("{commands}: {meaning}"));
            several.collect::<Vec<_>>().join("<br>")
        }
    }
}

/// A text of the help on one line, with its full stop, which clap takes away.
fn sentence(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    format!("{}.", line.trim_end_matches('.')).replace('|', "\\|")
}

#[test]
fn the_page_has_every_command_and_every_flag_as_the_help_says_them() {
    let program = Cli::command();
    let commands = commands(&program);
    // One after the other: both are parts of one file.
    golden::part_matches("docs/command-line.md", "commands", &table_of_commands(&commands));
    golden::part_matches("docs/command-line.md", "flags", &table_of_flags(&commands));
}
