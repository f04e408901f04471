//! The manual pages of the program and of its commands, `deploy/man/*.1`: made from the flags, which they cannot contradict.
//!
//! The tests here compare them; with `UPDATE_GOLDEN=1` they write them instead.

use std::collections::BTreeSet;
use std::fs;

use clap::{Command, CommandFactory as _};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};
use testkit::golden;

use super::Cli;

const FOLDER: &str = "deploy/man";

/// The program as its pages show it, and its commands.
fn program() -> Command {
    // What `help` prints is what the pages say.
    let mut program = Cli::command()
        .disable_help_subcommand(true)
        .subcommand_help_heading("COMMANDS")
        .subcommand_value_name("COMMAND");
    program.build();
    program
}

/// A page and the name of its file.
fn page(command: &Command, all: &Command) -> (String, String) {
    // Neither a version nor a date: the package has them, and a page that does not change is the same in each version. What is empty has to
    // be quoted, or what follows would take its place.
    let man = Man::new(command.clone())
        .date("\"\"")
        .source("laaffic-exporter")
        .manual("User Commands");
    let mut rendered = Vec::new();
    man.render_title(&mut rendered).unwrap();
    man.render_name_section(&mut rendered).unwrap();
    man.render_synopsis_section(&mut rendered).unwrap();
    man.render_description_section(&mut rendered).unwrap();
    man.render_options_section(&mut rendered).unwrap();
    if command.has_subcommands() {
        man.render_subcommands_section(&mut rendered).unwrap();
    }
    let mut end = Roff::new();
    exit_status(&mut end);
    if command.has_subcommands() {
        signals(&mut end);
        environment(&mut end);
        files(&mut end);
    }
    see_also(&mut end, command, all);
    end.to_writer(&mut rendered).unwrap();
    (man.get_filename(), tidied(&String::from_utf8(rendered).unwrap()))
}

/// Each section comes with its own definition of the apostrophe, of which one is enough; and what is to be one empty line is three requests.
fn tidied(page: &str) -> String {
    let preamble = Roff::new().render();
    let (start, rest) = page.split_once(&preamble).unwrap();
    assert_eq!(start, "");
    format!(
        "{preamble}{}",
        rest.replace(&preamble, "").replace("\n.br\n\n.br\n", "\n.sp\n")
    )
}

/// A list of words, each with what it means.
fn list(page: &mut Roff, heading: &str, rows: &[(&str, &str)]) {
    page.control("SH", [heading]);
    for (word, meaning) in rows {
        page.control("TP", []);
        page.text([bold(*word)]);
        page.text([roman(*meaning)]);
    }
}

fn exit_status(page: &mut Roff) {
    list(
        page,
        "EXIT STATUS",
        &[
            ("0", "It did what it was told to."),
            (
                "1",
                "It was refused or has failed; standard error says why and what to do.",
            ),
            ("2", "The arguments, or a variable that stands for one, cannot be used."),
        ],
    );
}

fn signals(page: &mut Roff) {
    list(
        page,
        "SIGNALS",
        &[
            ("SIGTERM, SIGINT", "End the exporter, within five seconds."),
            (
                "SIGHUP",
                "Load the configuration again: checked whole, then swapped whole. Where it has a mistake, the old one stays.",
            ),
        ],
    );
}

fn environment(page: &mut Roff) {
    page.control("SH", ["ENVIRONMENT"]);
    page.text([
        roman("Each flag of the exporter is also a variable: "),
        bold("--web.listen-address"),
        roman(" is "),
        bold("LAAFFIC_EXPORTER_WEB_LISTEN_ADDRESS"),
        roman(". The flag wins. For a flag without a value, the variable is "),
        bold("true"),
        roman(" or "),
        bold("false"),
        roman("."),
    ]);
}

fn files(page: &mut Roff) {
    list(
        page,
        "FILES",
        &[
            (
                "config.yaml",
                "The configuration, in the working folder unless --config.file names another.",
            ),
            (
                "/etc/laaffic-exporter/config.yaml",
                "The configuration of the Debian package's service.",
            ),
            (
                "/etc/default/laaffic-exporter",
                "Variables of the Debian package's service, for its flags.",
            ),
        ],
    );
}

fn see_also(page: &mut Roff, command: &Command, all: &Command) {
    let mut pages = match command.has_subcommands() {
        true => all
            .get_subcommands()
            .map(|other| format!("laaffic-exporter-{}(1)", other.get_name()))
            .collect(),
        false => BTreeSet::from(["laaffic-exporter(1)".to_owned()]),
    };
    pages.insert("laaffic-exporter.yaml(5)".to_owned());
    page.control("SH", ["SEE ALSO"]);
    page.text([roman(pages.into_iter().collect::<Vec<_>>().join(", "))]);
}

#[test]
fn every_command_has_its_manual_page() {
    let program = program();
    let mut made = BTreeSet::new();
    for command in [&program].into_iter().chain(program.get_subcommands()) {
        let (name, page) = page(command, &program);
        golden::matches(&format!("{FOLDER}/{name}"), &page);
        made.insert(name);
    }
    // A command that is gone leaves no page behind.
    let there = fs::read_dir(FOLDER)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let there: BTreeSet<_> = there.filter(|name| name.ends_with(".1")).collect();
    assert_eq!(there, made);
}
