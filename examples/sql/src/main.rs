//! Runs SQL over databases and CSV files, by SQLite.
//!
//! In: arguments, in order; see [`USAGE`]. Out: the rows of every statement that has some, as CSV on standard output.
//! SQLite is written in C: this is also an example of C in a job.

#![forbid(unsafe_code)]

mod csv;

use std::error::Error;
use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::process::ExitCode;

use rusqlite::fallible_iterator::FallibleIterator;
use rusqlite::types::ValueRef;
use rusqlite::{Batch, Connection, Statement, params_from_iter};

const USAGE: &str = "\
usage: sql [DATABASE.db] [TABLE.csv]... [QUERY.sql | STATEMENTS]...

A database is opened; without one, the tables are kept in memory. A CSV file becomes a table named after it; its first
line names the columns. SQL comes from files or stands in the arguments; to keep a database, say
VACUUM INTO '/out/result.db'.
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.is_empty() {
        eprint!("{USAGE}");
        return ExitCode::from(2);
    }
    match run(&arguments, &mut BufWriter::new(io::stdout().lock())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String], out: &mut impl Write) -> Result<(), Box<dyn Error>> {
    let is = |argument: &str, extension| Path::new(argument).extension().is_some_and(|e| e == extension);
    let (database, rest) = match arguments {
        [first, rest @ ..] if is(first, "db") => (Connection::open(first)?, rest),
        all => (Connection::open_in_memory()?, all),
    };
    for argument in rest {
        if is(argument, "csv") {
            import(&database, argument).map_err(|error| format!("{argument}: {error}"))?;
        } else if is(argument, "sql") {
            let text = fs::read_to_string(argument).map_err(|error| format!("{argument}: {error}"))?;
            execute(&database, &text, out)?;
        } else {
            execute(&database, argument, out)?;
        }
    }
    out.flush()?;
    Ok(())
}

/// Runs statements one after the other, and prints what they answer.
fn execute(database: &Connection, text: &str, out: &mut impl Write) -> Result<(), Box<dyn Error>> {
    let mut batch = Batch::new(database, text);
    while let Some(mut statement) = batch.next()? {
        if statement.column_count() == 0 {
            statement.execute(())?;
        } else {
            print(&mut statement, out)?;
        }
    }
    Ok(())
}

fn print(statement: &mut Statement<'_>, out: &mut impl Write) -> Result<(), Box<dyn Error>> {
    let columns = statement.column_count();
    let names = statement.column_names().map(|name| csv::field(name).into_owned());
    writeln!(out, "{}", names.collect::<Vec<_>>().join(","))?;
    let mut rows = statement.query(())?;
    while let Some(row) = rows.next()? {
        for column in 0..columns {
            if column > 0 {
                write!(out, ",")?;
            }
            match row.get_ref(column)? {
                ValueRef::Null => {}
                ValueRef::Integer(number) => write!(out, "{number}")?,
                ValueRef::Real(number) => write!(out, "{number:?}")?,
                ValueRef::Text(text) => write!(out, "{}", csv::field(&String::from_utf8_lossy(text)))?,
                ValueRef::Blob(bytes) => {
                    for byte in bytes {
                        write!(out, "{byte:02x}")?;
                    }
                }
            }
        }
        writeln!(out)?;
    }
    Ok(())
}

/// Makes a table of a CSV file. Fields that read as numbers become numbers.
fn import(database: &Connection, path: &str) -> Result<(), Box<dyn Error>> {
    let name = Path::new(path).file_stem().and_then(|stem| stem.to_str()).ok_or("no name for a table")?;
    let text = fs::read_to_string(path)?;
    let mut records = csv::records(&text);
    let columns = records.next().ok_or("the file is empty")??;
    let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    // The affinity `numeric` turns text that is a number into one, and leaves the rest alone.
    let list: Vec<String> = columns.iter().map(|column| quoted(column) + " numeric").collect();
    let places = vec!["?"; columns.len()].join(",");
    let transaction = database.unchecked_transaction()?;
    transaction.execute(&format!("create table {} ({})", quoted(name), list.join(",")), ())?;
    {
        let mut insert = transaction.prepare(&format!("insert into {} values ({places})", quoted(name)))?;
        for (number, record) in records.enumerate() {
            let record = record?;
            if record.len() != columns.len() {
                return Err(format!(
                    "record {} has {} fields, not {}",
                    number + 1,
                    record.len(),
                    columns.len()
                )
                .into());
            }
            insert.execute(params_from_iter(record))?;
        }
    }
    transaction.commit()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(arguments: &[&str]) -> Result<String, String> {
        let arguments: Vec<String> = arguments.iter().map(|&argument| argument.to_owned()).collect();
        let mut out = Vec::new();
        run(&arguments, &mut out).map_err(|error| error.to_string())?;
        Ok(String::from_utf8(out).expect("text"))
    }

    #[test]
    fn a_csv_file_is_a_table_and_rows_are_csv() {
        let harbours = concat!(env!("CARGO_MANIFEST_DIR"), "/harbours.csv");
        let query = "select name, ships + 1 as next from harbours where tons between 200 and 300; select 1.5, x'00ff'";
        let rows = "name,next\n\"Antwerp, Port of\",14524\n1.5,x'00ff'\n1.5,00ff\n";
        assert_eq!(answer(&[harbours, query]).as_deref(), Ok(rows));
    }

    #[test]
    fn a_mistake_is_said() {
        let error = answer(&["select * from nowhere"]).unwrap_err();
        assert!(error.contains("no such table: nowhere"), "{error}");
    }
}
