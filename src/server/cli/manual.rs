//! Manual pages and shell completions, made from the command line's grammar.

use std::io::{self, Write};

use clap::CommandFactory;
use clap_complete::aot::{Bash, Fish, Zsh, generate};
use clap_mangen::Man;

use super::arguments::{Arguments, Shell};
use super::exit::Failure;

const NAME: &str = "shardflake";
const SOURCE: &str = concat!("shardflake ", env!("CARGO_PKG_VERSION"));

/// The sections of the page that the grammar has nothing for.
const MORE: &str = r#".SH "EXIT STATUS"
.TP
.B 0
Done, or stopped as asked.
.TP
.B 64
The command line, or an ID or time on it, is wrong.
.TP
.B 69
.BR health :
the server may not issue, or cannot be reached.
.TP
.B 70
A bug in this program.
.TP
.B 74
Input or output failed; at shutdown, the exact mark could not be written.
.TP
.B 75
For now only: another process holds the lock or the address, the address is not there yet, there is no room for the state directory, or there are no threads, files or memory left.
.TP
.B 78
The configuration, or state that an operator must decide on.
.SH FILES
.TP
.I /etc/shardflake/shardflake.toml
The configuration.
.TP
.I /var/lib/shardflake
The state directory of the system service.
.SH "SEE ALSO"
.BR shardflake.toml (5),
.BR systemd.exec (5)
"#;

/// Prints the page of the program (section 8), or that of one of its commands (section 1).
pub(super) fn man(command: Option<&str>, out: &mut dyn Write) -> Result<(), Failure> {
    let mut program = Arguments::command();
    program = program.disable_help_subcommand(true);
    program.build();
    let Some(name) = command else {
        let page = Man::new(program)
            .title("SHARDFLAKE")
            .section("8")
            .source(SOURCE);
        // Its commands have pages of their own, which are in another section.
        let text = told_below(&page, NAME, |command| format!("{NAME}\\-{command}(1)"))?;
        write!(out, "{text}{MORE}")?;
        return Ok(());
    };
    let found = program.find_subcommand(name).cloned().ok_or_else(|| {
        let names: Vec<&str> = program
            .get_subcommands()
            .map(clap::Command::get_name)
            .collect();
        Failure::Usage(format!(
            "{name:?} is not a command; name one of {}",
            names.join(", ")
        ))
    })?;
    // Without this the page would be named after the bare word.
    let full: &'static str = format!("{NAME}-{name}").leak();
    let page = Man::new(found.name(full)).section("1").source(SOURCE);
    // Commands below a command have no page.
    let text = told_below(&page, full, str::to_owned)?;
    Ok(out.write_all(text.as_bytes())?)
}

/// The page in roff. For each command below `name` the renderer has a reference to a page in the same
/// section: in its place stands what `entry` makes of the command's name.
fn told_below(page: &Man, name: &str, entry: impl Fn(&str) -> String) -> io::Result<String> {
    let mut rendered = Vec::new();
    page.render(&mut rendered)?;
    let rendered = String::from_utf8(rendered).map_err(io::Error::other)?;
    let begin = format!("{}\\-", name.replace('-', "\\-"));
    let command = |line: &'_ str| {
        let (command, section) = line.strip_prefix(&begin)?.split_once('(')?;
        matches!(section, "1)" | "8)").then(|| entry(command))
    };
    let lines = rendered.lines().map(|line| {
        let line = command(line).unwrap_or_else(|| line.to_owned());
        line + "\n"
    });
    Ok(lines.collect())
}

/// Prints the completion script of a shell.
pub(super) fn completions(shell: Shell, out: &mut dyn Write) -> io::Result<()> {
    let mut command = Arguments::command();
    // The generators panic where a write fails, so they write to memory.
    let mut script = Vec::new();
    match shell {
        Shell::Bash => generate(Bash, &mut command, NAME, &mut script),
        Shell::Zsh => generate(Zsh, &mut command, NAME, &mut script),
        Shell::Fish => generate(Fish, &mut command, NAME, &mut script),
    }
    out.write_all(&script)
}
