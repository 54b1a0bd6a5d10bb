//! `fizz key`: your own key.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;

use crate::error::Failure;
use crate::keys;

/// Makes and shows keys
#[derive(Subcommand, Debug)]
pub(crate) enum KeyCommand {
    /// Makes a key file, which must not exist
    New {
        /// Where [default: key.pem in your configuration folder]
        file: Option<PathBuf>,
    },
    /// Shows the public half of a key file
    Show {
        /// Which [default: key.pem in your configuration folder]
        file: Option<PathBuf>,
    },
}

impl KeyCommand {
    pub(crate) fn run(self) -> Result<ExitCode, Failure> {
        let path = |file: Option<PathBuf>| file.map_or_else(keys::default_path, Ok);
        let key = match self {
            KeyCommand::New { file } => {
                let key = keys::generate()?;
                let path = path(file)?;
                keys::create(&path, &key)?;
                eprintln!("made {}; keep it to yourself", path.display());
                key
            }
            KeyCommand::Show { file } => keys::load(&path(file)?)?,
        };
        println!("{}", key.public());
        Ok(ExitCode::SUCCESS)
    }
}
