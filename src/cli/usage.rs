//! From arguments to flags, and what is said of those that cannot be used: one sentence, in the words of their user.

use std::error::Error as _;
use std::ffi::OsString;

use clap::builder::Resettable;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory as _, Error, FromArgMatches as _};
use exporter_toolkit::server::ListenAddress;

use super::Cli;

/// Why there is nothing to do.
#[derive(Debug)]
pub enum Refusal {
    /// The help or the version was asked for.
    Help(Error),
    /// The arguments are wrong; one sentence.
    Usage(String),
}

/// Reads the arguments, the program's name first, and the environment variables that stand for flags.
///
/// # Errors
/// If they cannot be used, or only ask for help.
pub fn parse(arguments: impl IntoIterator<Item = impl Into<OsString>>) -> Result<Cli, Refusal> {
    let arguments = arguments.into_iter().map(Into::into).collect();
    let call = Call::new(arguments, Cli::command()).map_err(Refusal::Usage)?;
    let mut command = call.known.clone();
    if call.command.is_some() {
        // A container's variables are all there, and those of other commands are not this one's business.
        command = command.mut_args(|argument| argument.env(Resettable::Reset));
    }
    let cli = command
        .try_get_matches_from(&call.arguments)
        .and_then(|matches| Cli::from_arg_matches(&matches))
        .map_err(|error| match error.use_stderr() {
            true => Refusal::Usage(call.explain(&error)),
            false => Refusal::Help(error),
        })?;
    if cli.command.is_none() {
        cli.export
            .shard
            .named()
            .map_err(|error| Refusal::Usage(error.to_string()))?;
    }
    let addresses = cli.listen().map(|listen| listen.addresses.as_slice());
    match addresses.and_then(overlap) {
        None => Ok(cli),
        Some((first, second)) => {
            let name = call.origin("--web.listen-address");
            let (port, twice) = (first.port(), first == second);
            Err(Refusal::Usage(match twice {
                true => format!("{name} has {first} twice; give each address once"),
                false => {
                    format!("{name} has {first} and {second}, but :{port} is all addresses of the port; leave one out")
                }
            }))
        }
    }
}

/// Two addresses of which only one can be listened on. Port 0 is another one each time.
fn overlap(addresses: &[ListenAddress]) -> Option<(&ListenAddress, &ListenAddress)> {
    let mut before = addresses.iter().enumerate();
    before.find_map(|(number, second)| {
        let clash = |first: &&ListenAddress| {
            first.port() == second.port()
                && (first.host() == second.host() || first.host().is_none() || second.host().is_none())
        };
        let first = addresses.iter().take(number).find(clash)?;
        (first.port() != 0).then_some((first, second))
    })
}

/// The arguments of a call, with the command's name in front.
#[derive(Debug)]
struct Call {
    arguments: Vec<OsString>,
    command: Option<String>,
    known: clap::Command,
}

impl Call {
    fn new(mut arguments: Vec<OsString>, known: clap::Command) -> Result<Self, String> {
        let mut command = None;
        let mut place = 1;
        while let Some(text) = arguments
            .get(place)
            .map(|argument| argument.to_string_lossy().into_owned())
        {
            if matches!(text.as_str(), "--" | "--version" | "-V") {
                break;
            }
            let word = text.trim_start_matches('-');
            let name = word.split('=').next().unwrap_or_default();
            let flag = flags(&known).find(|flag| flag.get_long() == Some(name));
            match (text.len() - word.len(), flag) {
                (0, _) if command.is_none() => {
                    if known.find_subcommand(word).is_none() {
                        break;
                    }
                    let name = arguments.remove(place);
                    arguments.insert(1, name);
                    command = Some(text);
                }
                (1, Some(_)) => return Err(format!("-{name} has one dash; write two dashes: --{name}")),
                // The next word is its value.
                (2, Some(flag)) if flag.get_action().takes_values() && word == name => place += 1,
                _ => {}
            }
            place += 1;
        }
        Ok(Self {
            arguments,
            command,
            known,
        })
    }

    /// What is wrong with this call, and what to do.
    fn explain(&self, error: &Error) -> String {
        let argument = context(error, ContextKind::InvalidArg).join(" ");
        let argument = name_of(&argument);
        let value = context(error, ContextKind::InvalidValue).concat();
        match error.kind() {
            ErrorKind::UnknownArgument if argument.starts_with('-') => self.unknown_flag(argument, error),
            ErrorKind::UnknownArgument => format!("{argument:?} is one argument too many; {}", self.see_help()),
            ErrorKind::InvalidSubcommand => {
                let name = context(error, ContextKind::InvalidSubcommand).concat();
                let cure = guess(error, ContextKind::SuggestedSubcommand).unwrap_or_else(|| self.see_help());
                format!("there is no command {name:?}; {cure}")
            }
            ErrorKind::InvalidValue if value.is_empty() => {
                let choice = choice(error).map(|words| format!(": {words}")).unwrap_or_default();
                format!("{} needs a value{choice}", self.origin(argument))
            }
            ErrorKind::InvalidValue => {
                let choice = choice(error).unwrap_or_else(|| "something else".to_owned());
                format!("{} must be {choice}", self.with_value(argument, &value))
            }
            ErrorKind::ValueValidation => {
                let reason = error.source().map(ToString::to_string).unwrap_or_default();
                format!("{} {reason}", self.with_value(argument, &value))
            }
            ErrorKind::TooManyValues => format!("{argument} takes no value; write it alone, or leave it out"),
            ErrorKind::ArgumentConflict => match other_of(error) {
                Some(other) if other != argument => format!("{argument} and {other} exclude each other; leave one out"),
                _ => format!("{argument} is given twice; give it once"),
            },
            ErrorKind::MissingRequiredArgument => format!("{argument} is missing; {}", self.see_help()),
            ErrorKind::InvalidUtf8 => format!("an argument or a variable is not UTF-8; {}", self.see_help()),
            _ => {
                let text = error.to_string();
                let line = text.lines().next().unwrap_or_default();
                format!("{}; {}", line.trim_start_matches("error: "), self.see_help())
            }
        }
    }

    /// A flag that cannot be used here: one of another command, or of none.
    fn unknown_flag(&self, flag: &str, error: &Error) -> String {
        let has = |command: &clap::Command| {
            let mut flags = command.get_arguments().filter_map(clap::Arg::get_long);
            flags.any(|long| flag.strip_prefix("--") == Some(long))
        };
        let owners = self.known.get_subcommands().filter(|command| has(command));
        let owners: Vec<_> = owners.map(clap::Command::get_name).collect();
        match &self.command {
            Some(command) if has(&self.known) || !owners.is_empty() => {
                format!("{flag} has no effect with {command}; leave it out")
            }
            None if !owners.is_empty() => {
                let owners = owners.join(" or ");
                format!("{flag} has no effect without the command {owners}; name the command, or leave the flag out")
            }
            _ => {
                let cure = guess(error, ContextKind::SuggestedArg).unwrap_or_else(|| self.see_help());
                format!("there is no flag {flag}; {cure}")
            }
        }
    }

    /// Where a value comes from: the flag, or the variable that stands for one that is not there.
    fn origin(&self, argument: &str) -> String {
        let given = |text: &OsString| {
            let text = text.to_string_lossy();
            text.strip_prefix(argument)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
        };
        match argument.strip_prefix("--") {
            Some(name) if !self.arguments.iter().any(given) => {
                format!("LAAFFIC_EXPORTER_{}", name.replace(['.', '-'], "_").to_uppercase())
            }
            _ => argument.to_owned(),
        }
    }

    fn with_value(&self, argument: &str, value: &str) -> String {
        let origin = self.origin(argument);
        // A URL may have a password in it.
        if value.contains("//") || value.contains('@') {
            return origin;
        }
        format!("{origin}={value:?}")
    }

    fn see_help(&self) -> String {
        let command = self.command.iter().map(|command| format!(" {command}"));
        format!("see laaffic-exporter{} --help", command.collect::<String>())
    }
}

/// The flags of all commands.
fn flags(command: &clap::Command) -> impl Iterator<Item = &clap::Arg> {
    let of_commands = command.get_subcommands().flat_map(clap::Command::get_arguments);
    command.get_arguments().chain(of_commands)
}

/// What clap knows of this kind.
fn context(error: &Error, kind: ContextKind) -> Vec<String> {
    match error.get(kind) {
        Some(ContextValue::String(text)) => vec![text.clone()],
        Some(ContextValue::Strings(texts)) => texts.clone(),
        _ => Vec::new(),
    }
}

/// The argument that another one excludes.
fn other_of(error: &Error) -> Option<String> {
    let others = context(error, ContextKind::PriorArg);
    others.first().map(|other| name_of(other).to_owned())
}

/// An argument without the name of its value.
fn name_of(argument: &str) -> &str {
    let name = argument.split(' ').next().unwrap_or_default();
    name.trim_matches(['<', '>', '[', ']'])
}

/// What may have been meant.
fn guess(error: &Error, kind: ContextKind) -> Option<String> {
    let meant = context(error, kind).into_iter().next()?;
    Some(format!("did you mean {meant}?"))
}

/// The values that a flag can have, as a list for people.
fn choice(error: &Error) -> Option<String> {
    let mut words = context(error, ContextKind::ValidValue);
    let last = words.pop()?;
    Some(if words.is_empty() {
        last
    } else {
        format!("{} or {last}", words.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::cli::{Command, LogLevel};

    fn parsed(arguments: &[&str]) -> Cli {
        parse(["laaffic-exporter"].iter().chain(arguments)).unwrap()
    }

    fn refusal(arguments: &[&str]) -> String {
        match parse(["laaffic-exporter"].iter().chain(arguments)) {
            Err(Refusal::Usage(line)) => line,
            other => panic!("{arguments:?}: {other:?}"),
        }
    }

    fn help(arguments: &[&str]) -> String {
        match parse(["laaffic-exporter"].iter().chain(arguments)) {
            Err(Refusal::Help(help)) => help.to_string(),
            other => panic!("{arguments:?}: {other:?}"),
        }
    }

    /// The long flags of a help text, in its order.
    fn flags_of(help: &str) -> Vec<&str> {
        let lines = help
            .lines()
            .map(|line| line.trim_start().trim_start_matches("-h, ").trim_start_matches("-V, "));
        lines
            .filter_map(|line| line.split(' ').next().filter(|word| word.starts_with("--")))
            .collect()
    }

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_flag_of_the_exporter_is_also_an_environment_variable_of_its_name() {
        let mut seen = BTreeSet::new();
        for flag in flags(&Cli::command()) {
            let Some(long) = flag.get_long() else { continue };
            let wanted = format!("LAAFFIC_EXPORTER_{}", long.replace(['.', '-'], "_").to_uppercase());
            let is_variable = long.contains('.') || ["shard", "total-shards"].contains(&long);
            let wanted = is_variable.then_some(wanted);
            assert_eq!(flag.get_env().and_then(|env| env.to_str()), wanted.as_deref(), "{long}");
            seen.extend(wanted);
        }
        assert!(seen.len() >= 16, "{seen:?}");
    }

    #[test]
    fn the_help_of_a_command_begins_with_its_own_flags_and_has_no_other() {
        for (command, wanted) in [
            (
                "demo",
                "--seed --web.listen-address --web.systemd-socket --web.telemetry-path --web.config.file --web.max-requests \
                 --web.allowed-hosts --web.external-url --grafana.url --log.level --log.format --help",
            ),
            ("simulate", "--address --seed --log.level --log.format --help"),
            (
                "query",
                "--account --output --raw --config.file --log.level --log.format --help",
            ),
            (
                "check",
                "--live --config.file --web.config.file --log.level --log.format --help",
            ),
            (
                "healthcheck",
                "--http.config.file --timeout --web.listen-address --web.config.file --log.level --log.format --help",
            ),
        ] {
            let text = help(&[command, "--help"]);
            assert_eq!(flags_of(&text).join(" "), wanted, "{text}");
            assert_eq!(help(&["--help", command]), text);
        }
    }

    #[test]
    fn flags_are_taken_before_and_behind_the_command() {
        for arguments in [
            &[
                "demo",
                "--seed=2",
                "--log.level",
                "debug",
                "--web.listen-address",
                ":0",
                "--web.listen-address=[::1]:9",
            ][..],
            &[
                "--seed",
                "2",
                "--log.level=debug",
                "--web.listen-address",
                ":0",
                "--web.listen-address=[::1]:9",
                "demo",
            ],
            &[
                "--web.listen-address",
                ":0",
                "--seed=2",
                "demo",
                "--web.listen-address=[::1]:9",
                "--log.level=debug",
            ],
        ] {
            let cli = parsed(arguments);
            assert_eq!(cli.log().level, LogLevel::Debug);
            let Some(Command::Demo(demo)) = cli.command else {
                panic!("{arguments:?}")
            };
            let addresses: Vec<_> = demo.serve.listen.addresses.iter().map(ToString::to_string).collect();
            assert_eq!(
                (demo.seed.seed, addresses),
                (2, vec![":0".to_owned(), "[::1]:9".to_owned()])
            );
        }
        let cli = parsed(&["--config.file", "demo", "query", "12"]);
        assert!(matches!(cli.command, Some(Command::Query(query)) if query.config.file.to_str() == Some("demo")));
        assert!(help(&["--version", "demo"]).starts_with("laaffic-exporter "));
    }

    #[test]
    fn a_flag_without_effect_is_refused() {
        for (arguments, flag) in [
            (&["demo", "--config.file=x"][..], "--config.file"),
            (&["--config.file", "x", "demo"], "--config.file"),
            (&["demo", "--config.check"], "--config.check"),
            (&["demo", "--web.enable-lifecycle"], "--web.enable-lifecycle"),
            (&["simulate", "--web.listen-address=:0"], "--web.listen-address"),
            (&["simulate", "--live"], "--live"),
            (&["query", "12", "--web.telemetry-path=/m"], "--web.telemetry-path"),
            (&["check", "--timeout=1s"], "--timeout"),
            (&["--config.file=x", "healthcheck"], "--config.file"),
        ] {
            let command = ["demo", "simulate", "query", "check", "healthcheck"];
            let command = command.iter().find(|command| arguments.contains(command)).unwrap();
            assert_eq!(
                refusal(arguments),
                format!("{flag} has no effect with {command}; leave it out")
            );
        }
        assert_eq!(
            refusal(&["--seed=2"]),
            "--seed has no effect without the command demo or simulate; name the command, or leave the flag out"
        );
    }

    #[test]
    fn bad_usage_is_one_sentence_that_says_what_to_do() {
        for (arguments, sentence) in [
            (
                &["--no.such"][..],
                "there is no flag --no.such; see laaffic-exporter --help",
            ),
            (
                &["demo", "--no.such=1"],
                "there is no flag --no.such; see laaffic-exporter demo --help",
            ),
            (
                &["--config.fil", "x"],
                "there is no flag --config.fil; did you mean --config.file?",
            ),
            (&["fly"], "there is no command \"fly\"; see laaffic-exporter --help"),
            (&["chek"], "there is no command \"chek\"; did you mean check?"),
            (
                &["query", "12", "13"],
                "\"13\" is one argument too many; see laaffic-exporter query --help",
            ),
            (&["query"], "KEY_ID is missing; see laaffic-exporter query --help"),
            (
                &["query", "x"],
                "KEY_ID=\"x\" must be a whole number, 1 or more, in digits alone: the flow's keyId",
            ),
            (
                &["query", "-1"],
                "KEY_ID=\"-1\" must be a whole number, 1 or more, in digits alone: the flow's keyId",
            ),
            (
                &["query", "1", "--raw", "--output", "json"],
                "--raw and --output exclude each other; leave one out",
            ),
            (
                &["query", "1", "--output", "xml"],
                "--output=\"xml\" must be table or json",
            ),
            (
                &["--log.level", "loud"],
                "--log.level=\"loud\" must be debug, info, warn or error",
            ),
            (&["--log.format"], "--log.format needs a value: logfmt or json"),
            (&["--config.file="], "--config.file needs a value"),
            (
                &["--config.check=true"],
                "--config.check takes no value; write it alone, or leave it out",
            ),
            (
                &["--config.file=a", "--config.file=b"],
                "--config.file is given twice; give it once",
            ),
            (
                &["--config.check", "--config.check"],
                "--config.check is given twice; give it once",
            ),
            (
                &["--web.max-requests", "-1"],
                "--web.max-requests=\"-1\" must be a whole number, 0 or more",
            ),
            (
                &["demo", "--seed", "x"],
                "--seed=\"x\" must be a whole number, 0 or more",
            ),
            (
                &["healthcheck", "--timeout", "5"],
                "--timeout=\"5\" is not a duration; write it like 30s, 5m or 1m30s",
            ),
            (
                &["--web.telemetry-path", "x\ny"],
                "--web.telemetry-path=\"x\\ny\" must begin with /",
            ),
            (
                &["--web.listen-address", "nonsense"],
                "--web.listen-address=\"nonsense\" is not an address to listen on; write it like :10871, 127.0.0.1:10871 or [::1]:10871",
            ),
            (
                &["--grafana.url=https://al:hunter2@example.org"],
                "--grafana.url must be a URL like https://grafana.example.org/path, without user, password, ? and #",
            ),
            (
                &["-config.file", "x"],
                "-config.file has one dash; write two dashes: --config.file",
            ),
            (
                &["demo", "-log.level=debug"],
                "-log.level has one dash; write two dashes: --log.level",
            ),
            (&["-x"], "there is no flag -x; see laaffic-exporter --help"),
        ] {
            assert_eq!(refusal(arguments), sentence);
        }
    }

    #[test]
    fn an_address_cannot_be_given_twice() {
        let name = "--web.listen-address";
        for (addresses, sentence) in [
            (":1,127.0.0.1:2,:1", "has :1 twice; give each address once"),
            (
                "127.0.0.1:2,127.0.0.1:2",
                "has 127.0.0.1:2 twice; give each address once",
            ),
            (
                ":1,[::1]:1",
                "has :1 and [::1]:1, but :1 is all addresses of the port; leave one out",
            ),
        ] {
            assert_eq!(refusal(&[name, addresses]), format!("{name} {sentence}"));
            assert_eq!(refusal(&["demo", name, addresses]), format!("{name} {sentence}"));
        }
        parsed(&[name, ":0", name, ":0"]);
        parsed(&[name, "127.0.0.1:1", name, "[::1]:1", name, ":2"]);
    }

    #[test]
    fn a_value_is_of_the_variable_where_the_flag_is_not_there() {
        let call = Call::new(vec!["x".into(), "--log.level=loud".into()], Cli::command()).unwrap();
        assert_eq!(call.origin("--log.level"), "--log.level");
        assert_eq!(call.origin("--log.format"), "LAAFFIC_EXPORTER_LOG_FORMAT");
        assert_eq!(call.origin("KEY_ID"), "KEY_ID");
    }
}
