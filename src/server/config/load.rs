//! From flags, environment and file to a checked configuration.

use std::num::NonZero;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use super::bare;
use super::environment::Environment;
use super::error::{ConfigError, ConfigErrors};
use super::file;
use super::keys;
use super::layers::{Layer, merge};
use super::layout;
use super::origin;
use super::profile::Profile;
use super::reader::{Reader, Refused, as_size};
use super::value;
use super::{Calculation, Config, Flags, Http, Sources, State, Upkeep};
use shardflake::id::{Layout, MachineRange};
use shardflake::issuer::Settings;

const MAX_WORKERS: u64 = 1024;
const MEBI: u64 = 1 << 20;

/// The merged layers, of which profile and layout are read.
struct Gathered<'a> {
    flags: &'a Flags,
    environment: &'a Environment,
    profile: Profile,
    layout: Result<Layout, Refused>,
    /// The port for addresses without one.
    port: u16,
    reader: Reader,
    warnings: Vec<String>,
    file: Option<PathBuf>,
    /// Whether a shard number may stand where it could not be read.
    shard_hidden: bool,
}

/// The settings that both the server and the `state` commands read.
struct Sections {
    shard: Result<Option<Settings>, Refused>,
    http: Http,
    state: State,
}

impl Config {
    /// Reads and checks the whole configuration.
    ///
    /// # Errors
    /// [`ConfigErrors`] with every problem that was found.
    pub fn load(flags: &Flags, environment: &Environment) -> Result<Self, ConfigErrors> {
        let mut gathered = gather(flags, environment);
        let sections = gathered.sections();
        if matches!(sections.shard, Ok(None)) && !gathered.shard_hidden {
            gathered.reader.report(gathered.no_shard());
        }
        let profile = gathered.profile;
        let reader = &mut gathered.reader;
        let log_level = reader.checked("log.level", &value::level, &|level| {
            level.as_str().to_lowercase()
        });
        gathered.finish(|warnings, sources| {
            Ok(Self {
                profile,
                shard: sections.shard?.ok_or(Refused)?,
                http: sections.http,
                state: sections.state,
                log_level: log_level?,
                warnings,
                sources,
            })
        })
    }
}

impl Upkeep {
    /// Reads the settings that the `state` commands need; a shard number may be missing.
    ///
    /// # Errors
    /// [`ConfigErrors`] with every problem that was found, in the other keys too.
    pub fn load(flags: &Flags, environment: &Environment) -> Result<Self, ConfigErrors> {
        let mut gathered = gather(flags, environment);
        let sections = gathered.sections();
        let unset = gathered.no_shard();
        let layout = gathered.layout;
        gathered.finish(|warnings, sources| {
            Ok(Self {
                layout: layout?,
                shard: sections.shard?.ok_or_else(|| Box::new(unset)),
                state: sections.state,
                warnings,
                sources,
            })
        })
    }
}

impl Calculation {
    /// Reads profile, layout and epoch, and nothing else: neither a shard number nor a file is needed.
    /// A file in /etc that this user may not read is only worth a warning.
    ///
    /// # Errors
    /// [`ConfigErrors`] if the file that was asked for cannot be read, or profile or epoch is wrong.
    pub fn load(flags: &Flags, environment: &Environment) -> Result<Self, ConfigErrors> {
        let gathered = gather(flags, environment);
        let of_layout = |problem: &ConfigError| match problem {
            ConfigError::Value { key, .. } => layout::has_part(key),
            ConfigError::NotUtf8 { name, .. } => {
                keys::set_by(name).is_some_and(|key| layout::has_part(key.name))
            }
            ConfigError::UnknownKey { .. }
            | ConfigError::Conflict { .. }
            | ConfigError::HalfNumber { .. } => false,
            _ => true,
        };
        let problems = gathered.reader.problems().into_iter().filter(of_layout);
        let (hidden, problems): (Vec<_>, Vec<_>) = problems.partition(|problem| {
            matches!(problem, ConfigError::Forbidden { .. }) && flags.config.is_none()
        });
        let warning = |problem| format!("its profile and epoch are not used: {problem}");
        match gathered.layout {
            Ok(layout) if problems.is_empty() => Ok(Self {
                layout,
                warnings: hidden.iter().map(warning).collect(),
            }),
            _ => Err(ConfigErrors(problems)),
        }
    }
}

/// Reads all layers, merges them, and reads profile and layout, which tell what the bare variables mean.
fn gather<'a>(flags: &'a Flags, environment: &'a Environment) -> Gathered<'a> {
    let file = file::read(flags.config.as_deref(), environment);
    let mut problems = file.problems;
    let (variables, found) = environment.layer();
    problems.extend(found);
    let (command_line, found) = flags.layer(environment);
    problems.extend(found);
    let mut defaults = Layer::defaults();
    let without_bare = [&defaults, &file.layer, &variables, &command_line];
    let mut reader = Reader::new(merge(&without_bare));
    let profile = reader.checked("profile", &value::profile, &Profile::to_string);
    let layout = profile.and_then(|profile| layout::read(&mut reader, profile));
    let profile = profile.unwrap_or_default();

    let mut bare = bare::read(environment, profile, &layout.unwrap_or(profile.layout()));
    problems.append(&mut bare.problems);
    if profile != Profile::default() {
        let listen = vec![format!("127.0.0.1:{}", profile.port())];
        defaults.set("http.listen", listen.into(), &format!("profile {profile}"));
    }
    let mut warnings = environment.warnings(profile);
    warnings.extend(bare.overridden_port([&command_line, &variables], profile));
    let port = bare.port(profile);
    let merged = merge(&[
        &defaults,
        &file.layer,
        &bare.layer,
        &variables,
        &command_line,
    ]);
    Gathered {
        flags,
        environment,
        profile,
        layout,
        port,
        reader: reader.go_on(merged, problems),
        warnings,
        file: file.path,
        shard_hidden: file.failed || bare.number_refused,
    }
}

impl Gathered<'_> {
    fn sections(&mut self) -> Sections {
        let reader = &mut self.reader;
        let number = number(reader, self.layout);
        let [max_ahead, window, deadline] = spans(reader, self.layout);
        let layout = self.layout.unwrap_or(self.profile.layout());
        let settings = |machines| Settings {
            layout,
            machines,
            max_ahead,
            window,
            deadline,
            continue_ahead: None,
        };
        let until = self.flags.continue_ahead;
        let shard = |machines| settings(machines).continuing_until(until);
        // Without a number nothing listens: whoever needs one has refused already.
        let first = number.ok().flatten().map_or(0, |machines| machines.first());
        Sections {
            shard: number.map(|machines| machines.map(shard)),
            http: http(reader, first, self.port),
            state: state(reader, self.flags, self.environment),
        }
    }

    /// The problem of a server without a number.
    fn no_shard(&self) -> ConfigError {
        let hints = bare::mistaken_shards(self.environment, self.profile);
        let hint = match hints.as_slice() {
            [] => String::new(),
            hints => format!(" ({})", hints.join("; ")),
        };
        ConfigError::NoShard {
            example: self.profile.number().example(),
            file: self.flags.file(self.environment),
            hint,
        }
    }

    /// The value of warnings and sources, if there are no problems.
    fn finish<T>(
        self,
        value: impl FnOnce(Vec<String>, Sources) -> Result<T, Refused>,
    ) -> Result<T, ConfigErrors> {
        let settings = self.reader.finish()?;
        let file = self.file;
        let value = value(self.warnings, Sources { file, settings });
        Ok(value.unwrap_or_else(|Refused| unreachable!("what is refused is reported")))
    }
}

fn number(
    reader: &mut Reader,
    layout: Result<Layout, Refused>,
) -> Result<Option<MachineRange>, Refused> {
    // Without a layout, the default one: a wrong number is reported beside a wrong profile or epoch.
    let layout = layout.unwrap_or(Profile::default().layout());
    let source = reader.checked("shard.source", &value::source, &ToString::to_string);
    let id = reader.optional(
        "shard.id",
        &|kind| value::shard(kind, &layout),
        &MachineRange::to_string,
    );
    source.and(id)
}

/// Reads the times that bound each other, over three tables: `max_ahead`, `window` and `deadline`.
fn spans(reader: &mut Reader, layout: Result<Layout, Refused>) -> [Duration; 3] {
    let ms = Duration::from_millis;
    let deadline = ("http.deadline", ms(1)..=ms(10_000));
    let window = ("state.window", ms(100)..=ms(60_000));
    let max_ahead = ("clock.max_ahead", ms(200)..=ms(600_000));
    let [deadline, window, max_ahead] =
        [deadline, window, max_ahead].map(|(key, range)| (key, reader.span(key, range)));
    reader.twice(max_ahead, window);
    reader.more_ticks(layout, max_ahead, window);
    reader.twice(window, deadline);
    [max_ahead, window, deadline].map(|(_, span)| span.unwrap_or_default())
}

/// Reads `[http]`, for the server that owns the machine IDs from `first` on; `port` is for addresses without
/// one.
fn http(reader: &mut Reader, first: u32, port: u16) -> Http {
    let s = Duration::from_secs;
    Http {
        listen: reader.required(
            "http.listen",
            &|kind| value::listen(kind, first, port),
            &|list| value::show_list(list),
        ),
        socket_mode: reader.required("http.socket_mode", &value::mode, &|mode| {
            format!("{mode:04o}")
        }),
        socket_group: reader.required("http.socket_group", &value::group, &|group| {
            group.as_deref().unwrap_or(value::OWN_GROUP).to_owned()
        }),
        workers: workers(reader),
        idle_timeout: reader.duration("http.idle_timeout", s(1)..=s(3600)),
        head_timeout: reader.duration("http.head_timeout", s(1)..=s(3600)),
        connection_age: reader.duration("http.connection_age", s(0)..=s(7 * 24 * 3600)),
        // The HTTP library takes no buffer below 8,192 bytes.
        header_bytes: reader.size("http.header_bytes", 8192..=MEBI),
        body_bytes: reader.size("http.body_bytes", 0..=MEBI),
        connections: reader.size("http.connections", 1..=MEBI),
        bulk_replies: reader.size("http.bulk_replies", 1..=1024),
        cors: reader.required("http.cors", &origin::read, &|list| value::show_list(list)),
        lame_duck: reader.duration("http.lame_duck", s(0)..=s(300)),
        drain: reader.duration("http.drain", s(0)..=s(300)),
    }
}

fn workers(reader: &mut Reader) -> usize {
    let cpus = thread::available_parallelism().map_or(1, NonZero::get);
    let cpus = u64::try_from(cpus).unwrap_or(u64::MAX).min(MAX_WORKERS);
    let workers = reader.or(
        "http.workers",
        (cpus, "number of CPUs"),
        &|kind| value::integer(kind, &(1..=MAX_WORKERS)),
        &u64::to_string,
    );
    workers.map_or(0, as_size)
}

fn state(reader: &mut Reader, flags: &Flags, environment: &Environment) -> State {
    State {
        dir: state_dir(reader, flags, environment).unwrap_or_default(),
        create: reader.boolean("state.create"),
        allow_network_fs: reader.boolean("state.allow_network_fs"),
        require_sync: reader.boolean("clock.require_sync"),
        runtime: environment.runtime_dirs(),
    }
}

/// The state directory, or where none is configured that of the environment.
fn state_dir(
    reader: &mut Reader,
    flags: &Flags,
    environment: &Environment,
) -> Result<PathBuf, Refused> {
    let show = |dir: &PathBuf| dir.display().to_string();
    if let Some(dir) = reader.optional("state.dir", &value::absolute, &show)? {
        return Ok(dir);
    }
    let found = environment.state_dir();
    let found = found.map_err(|problem| reader.report(problem))?;
    let (text, variable) = found.ok_or_else(|| {
        let file = flags.file(environment);
        reader.report(ConfigError::NoStateDir { file })
    })?;
    let dir = value::absolute(&text.into());
    let dir = dir.map_err(|problem| reader.refuse("state.dir", variable, problem))?;
    reader.note("state.dir", show(&dir), variable);
    Ok(dir)
}
