//! What every command of the platform takes: where the configuration file is, and the keys that flags set.
//!
//! Keys are declared once, in `config`; here stands only which of them have a flag of their own.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use clap::{Arg, ArgAction, ArgMatches, Command, FromArgMatches};
use config::{KEYS, Key, Loaded, Sources};

/// The variables of this process.
pub type Environment = HashMap<String, String>;

/// Flags and the keys they set.
const FLAGS: [(&str, &str); 12] = [
    ("host", "http.host"),
    ("port", "http.port"),
    ("data", "server.data"),
    ("database-url", "database.url"),
    ("database-max-conns", "database.max_connections"),
    ("encryption-key", "identity.encryption_key"),
    ("jwt-secret", "identity.jwt_secret"),
    ("admin-password", "server.admin_password"),
    ("default-tier", "identity.default_tier"),
    ("rate-limits", "rate_limits.enabled"),
    ("log-level", "log.level"),
    ("log-format", "log.format"),
];
/// The file that is read when none is named.
const FILE: &str = "farmgate.toml";
/// The variable that names another.
const FILE_VARIABLE: &str = "FARMGATE_CONFIG";

/// Where the configuration is, and what flags say against it.
#[derive(Clone, Debug, Default)]
pub struct ConfigArgs {
    file: Option<PathBuf>,
    flags: Vec<(String, String)>,
}

impl ConfigArgs {
    /// Puts flags, environment and file together.
    pub fn read(&self, environment: &Environment) -> Result<Loaded> {
        let file = self.file(environment)?;
        let sources = Sources {
            flags: &self.flags,
            environment,
            file: file.as_ref().map(|(name, text)| (&**name, &**text)),
            read_file: &|path| std::fs::read_to_string(path),
        };
        Ok(config::load(&sources)?)
    }

    /// Name and text of the file: one that is named must be there, `farmgate.toml` may be.
    fn file(&self, environment: &Environment) -> Result<Option<(String, String)>> {
        let named = self
            .file
            .clone()
            .or_else(|| environment.get(FILE_VARIABLE).map(PathBuf::from));
        if named.is_none() && !Path::new(FILE).exists() {
            return Ok(None);
        }
        read_file(&named.unwrap_or_else(|| PathBuf::from(FILE))).map(Some)
    }
}

/// One file alone, without environment and flags.
pub fn read_alone(path: &Path) -> Result<Loaded> {
    let (name, text) = read_file(path)?;
    let sources = Sources {
        flags: &[],
        environment: &Environment::new(),
        file: Some((&name, &text)),
        read_file: &|path| std::fs::read_to_string(path),
    };
    Ok(config::load(&sources)?)
}

fn read_file(path: &Path) -> Result<(String, String)> {
    let name = path.display().to_string();
    // farmgate: allow(blocking-fs) because nothing is served yet while the process starts
    let text =
        std::fs::read_to_string(path).with_context(|| format!("cannot read the configuration {name}"))?;
    Ok((name, text))
}

/// The variables of this process; those that are not text are nobody's key.
pub fn environment() -> Environment {
    let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    std::env::vars_os().filter_map(text).collect()
}

fn key(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

impl clap::Args for ConfigArgs {
    fn augment_args(mut command: Command) -> Command {
        command = command.arg(
            Arg::new("config")
                .long("config")
                .value_name("FILE")
                .value_parser(clap::value_parser!(PathBuf))
                .help(format!(
                    "Configuration file [env: {FILE_VARIABLE}] [default: {FILE}, if there is one]"
                )),
        );
        for (flag, name) in FLAGS {
            let Some(key) = key(name) else { continue };
            let default = match key.default {
                "" => String::new(),
                default => format!(" [default: {default}]"),
            };
            let help = format!("{} [env: {}]{default}", key.doc.trim_end_matches('.'), key.env);
            command = command.arg(Arg::new(name).long(flag).value_name("VALUE").help(help));
        }
        command.arg(
            Arg::new("set")
                .long("set")
                .value_name("KEY=VALUE")
                .action(ArgAction::Append)
                .help("Any key of docs/configuration.md. May be repeated"),
        )
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for ConfigArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut args = Self::default();
        args.update_from_arg_matches(matches)?;
        Ok(args)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        self.file = matches.get_one("config").cloned();
        for (_, name) in FLAGS {
            if let Some(value) = matches.get_one::<String>(name) {
                self.flags.push((name.to_owned(), value.clone()));
            }
        }
        for pair in matches.get_many::<String>("set").into_iter().flatten() {
            let (name, value) = pair.split_once('=').ok_or_else(|| {
                clap::Error::raw(
                    clap::error::ErrorKind::ValueValidation,
                    "--set needs KEY=VALUE, such as --set http.port=0\n",
                )
            })?;
            self.flags.push((name.trim().to_owned(), value.to_owned()));
        }
        Ok(())
    }
}

/// The file that a name means: a path, or `staging` for `farmgate.staging.toml`.
pub fn named(name: &str) -> Result<PathBuf> {
    let path = PathBuf::from(name);
    if path.exists() {
        return Ok(path);
    }
    let short = PathBuf::from(format!("farmgate.{name}.toml"));
    if short.exists() {
        return Ok(short);
    }
    bail!("there is neither a file {name} nor {}", short.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flag_sets_a_key_that_exists() {
        for (flag, name) in FLAGS {
            assert!(key(name).is_some(), "--{flag} sets `{name}`");
        }
    }
}
