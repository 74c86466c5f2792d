//! From flags, environment and file to a checked configuration.

use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use config::Value;

use super::bare;
use super::environment::Environment;
use super::error::{ConfigError, ConfigErrors};
use super::file;
use super::keys;
use super::layers::{self, Layer};
use super::layout;
use super::origin;
use super::profile::Profile;
use super::reader::{Reader, Refused, as_size};
use super::value;
use super::{Calculation, Clock, Config, Flags, Http, Sources, State, Upkeep};
use shardflake::id::{Layout, MachineRange};

const MAX_WORKERS: u64 = 1024;
const MEBI: u64 = 1 << 20;

/// The merged layers, before anything is typed.
struct Gathered {
    profile: Profile,
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
    layout: Result<Layout, Refused>,
    shard: Result<Option<MachineRange>, Refused>,
    http: Result<Http, Refused>,
    state: Result<State, Refused>,
    clock: Result<Clock, Refused>,
}

/// Times that bound each other, over three tables.
#[derive(Clone, Copy)]
struct Spans {
    deadline: Result<Duration, Refused>,
    window: Result<Duration, Refused>,
    max_ahead: Result<Duration, Refused>,
}

impl Config {
    /// Reads and checks the whole configuration.
    ///
    /// # Errors
    /// [`ConfigErrors`] with every problem that was found.
    pub fn load(flags: &Flags, environment: &Environment) -> Result<Self, ConfigErrors> {
        let mut gathered = gather(flags, environment);
        let profile = gathered.profile;
        let sections = gathered.sections(flags, environment);
        let reader = &mut gathered.reader;
        let shard = sections.shard.and_then(|set| match set {
            Some(shard) => Ok(shard),
            None if gathered.shard_hidden => Err(Refused),
            None => Err(reader.report(no_shard(profile, flags, environment))),
        });
        let log_level = reader.required("log.level", value::level, |level| {
            level.as_str().to_lowercase()
        });
        let (settings, problems) = gathered.reader.finish();
        unless(problems, || {
            Ok(Self {
                profile,
                layout: sections.layout?,
                shard: shard?,
                http: sections.http?,
                state: sections.state?,
                clock: sections.clock?,
                log_level: log_level?,
                continue_ahead: flags.continue_ahead,
                warnings: gathered.warnings,
                sources: Sources {
                    file: gathered.file,
                    settings,
                },
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
        let sections = gathered.sections(flags, environment);
        let unset = no_shard(gathered.profile, flags, environment);
        let (settings, problems) = gathered.reader.finish();
        unless(problems, || {
            Ok(Self {
                layout: sections.layout?,
                shard: sections.shard?.ok_or_else(|| Box::new(unset)),
                state: sections.state?,
                clock: sections.clock?,
                deadline: sections.http?.deadline,
                warnings: gathered.warnings,
                sources: Sources {
                    file: gathered.file,
                    settings,
                },
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
        let mut gathered = gather(flags, environment);
        let layout = layout::read(&mut gathered.reader, gathered.profile);
        let (_, problems) = gathered.reader.finish();
        let (hidden, problems): (Vec<_>, Vec<_>) = problems
            .into_iter()
            .filter(|problem| match problem {
                ConfigError::Value { key, .. } => layout::has_part(key),
                ConfigError::NotUtf8 { name, .. } => {
                    keys::set_by(name).is_some_and(|key| layout::has_part(key.name))
                }
                ConfigError::UnknownKey { .. }
                | ConfigError::Conflict { .. }
                | ConfigError::HalfNumber { .. } => false,
                _ => true,
            })
            .partition(|problem| {
                matches!(problem, ConfigError::Forbidden { .. }) && flags.config.is_none()
            });
        let warnings = hidden
            .into_iter()
            .map(|problem| format!("its profile and epoch are not used: {problem}"))
            .collect();
        unless(problems, || {
            Ok(Self {
                layout: layout?,
                warnings,
            })
        })
    }
}

/// The value, if there were no problems.
fn unless<T>(
    problems: Vec<ConfigError>,
    value: impl FnOnce() -> Result<T, Refused>,
) -> Result<T, ConfigErrors> {
    if !problems.is_empty() {
        return Err(ConfigErrors(problems));
    }
    Ok(value().unwrap_or_else(|Refused| unreachable!("what is refused is reported")))
}

fn gather(flags: &Flags, environment: &Environment) -> Gathered {
    let file = file::read(flags.config.as_deref(), environment);
    let mut problems = file.problems;
    let defaults = Layer::defaults();
    let (variables, found) = environment.layer();
    problems.extend(found);
    let (command_line, found) = flag_layer(flags, environment);
    problems.extend(found);

    // The profile says which bare variables are read. A wrong one is reported below.
    let without_bare = layers::merge(&[&defaults, &file.layer, &variables, &command_line]);
    let profile = without_bare
        .find("profile")
        .and_then(|found| value::profile(&found.kind).ok())
        .unwrap_or_default();
    let layout = layout::read(&mut Reader::new(without_bare, Vec::new()), profile);

    let mut bare = bare::read(environment, profile, &layout.unwrap_or(profile.layout()));
    problems.append(&mut bare.problems);
    let own = profile_layer(profile);
    let mut warnings = environment.warnings(profile);
    let above = [&command_line, &variables];
    warnings.extend(bare.overridden_port(above, profile));
    let merged = layers::merge(&[
        &defaults,
        &own,
        &file.layer,
        &bare.layer,
        &variables,
        &command_line,
    ]);
    Gathered {
        profile,
        port: bare.port(profile),
        reader: Reader::new(merged, problems),
        warnings,
        file: file.path,
        shard_hidden: file.failed || bare.number_refused,
    }
}

/// Defaults of the profile that differ from the table's.
fn profile_layer(profile: Profile) -> Layer {
    let mut layer = Layer::default();
    if profile != Profile::default() {
        let address = Value::from(format!("127.0.0.1:{}", profile.port()));
        let origin = format!("profile {profile}");
        layer.set("http.listen", vec![address].into(), &origin);
    }
    layer
}

impl Gathered {
    fn sections(&mut self, flags: &Flags, environment: &Environment) -> Sections {
        let reader = &mut self.reader;
        let layout = layout::read(reader, self.profile);
        let shard = shard(reader, layout);
        let spans = Spans::read(reader, layout);
        Sections {
            layout,
            shard,
            http: http(reader, spans, shard, self.port),
            state: state(reader, spans, &chosen_file(flags, environment), environment),
            clock: clock(reader, spans),
        }
    }
}

impl Spans {
    fn read(reader: &mut Reader, layout: Result<Layout, Refused>) -> Self {
        let ms = Duration::from_millis;
        let spans = Self {
            deadline: reader.duration("http.deadline", ms(1)..=ms(10_000)),
            window: reader.duration("state.window", ms(100)..=ms(60_000)),
            max_ahead: reader.duration("clock.max_ahead", ms(200)..=ms(600_000)),
        };
        let window = ("state.window", spans.window);
        let max_ahead = ("clock.max_ahead", spans.max_ahead);
        reader.twice(max_ahead, window);
        reader.more_ticks(layout, max_ahead, window);
        reader.twice(window, ("http.deadline", spans.deadline));
        spans
    }
}

/// The values of the flags, each with its flag as its origin.
fn flag_layer(flags: &Flags, environment: &Environment) -> (Layer, Vec<ConfigError>) {
    let mut layer = Layer::default();
    let mut problems = Vec::new();
    for (key, flag, value) in [
        ("profile", "--profile", &flags.profile),
        ("epoch", "--epoch", &flags.epoch),
        ("shard.id", "--shard-id", &flags.shard_id),
    ] {
        if let Some(value) = value {
            layer.set(key, value.clone().into(), flag);
        }
    }
    if let Some(dir) = &flags.state_dir {
        // A current directory that is not UTF-8 leaves the path relative, and it is refused.
        let absolute = environment.current_dir().join(dir);
        let text = absolute.to_str().filter(|_| !dir.is_empty());
        layer.set("state.dir", text.unwrap_or(dir).into(), "--state-dir");
    }
    let named = |text: &String| Value::new(Some(&"--listen".to_owned()), text.clone());
    let mut listen: Vec<Value> = flags.listen.iter().map(named).collect();
    if let Some(port) = &flags.port {
        match bare::port(port, "--port") {
            Ok(port) => listen.push(bare::all_addresses(port, "--port")),
            Err(problem) => problems.push(problem),
        }
    }
    if !listen.is_empty() {
        let origin = if flags.listen.is_empty() {
            "--port"
        } else {
            "--listen"
        };
        layer.set("http.listen", listen.into(), origin);
    }
    (layer, problems)
}

fn no_shard(profile: Profile, flags: &Flags, environment: &Environment) -> ConfigError {
    let hints = bare::mistaken_shards(environment, profile);
    let hint = match hints.as_slice() {
        [] => String::new(),
        hints => format!(" ({})", hints.join("; ")),
    };
    ConfigError::NoShard {
        example: profile.number().example(),
        file: chosen_file(flags, environment),
        hint,
    }
}

fn chosen_file(flags: &Flags, environment: &Environment) -> PathBuf {
    flags
        .config
        .clone()
        .unwrap_or_else(|| environment.default_file().to_path_buf())
}

fn shard(
    reader: &mut Reader,
    layout: Result<Layout, Refused>,
) -> Result<Option<MachineRange>, Refused> {
    // Without a layout, the default one: a wrong number is reported beside a wrong profile or epoch.
    let layout = layout.unwrap_or(Profile::default().layout());
    let source = reader.required("shard.source", value::source, ToString::to_string);
    let id = reader.optional(
        "shard.id",
        |kind| value::shard(kind, &layout),
        MachineRange::to_string,
    );
    source.and(id)
}

fn http(
    reader: &mut Reader,
    spans: Spans,
    shard: Result<Option<MachineRange>, Refused>,
    port: u16,
) -> Result<Http, Refused> {
    let s = Duration::from_secs;
    // Without a number nothing listens: whoever needs one has refused already.
    let first = shard.ok().flatten().map_or(0, |shard| shard.first());
    let listen = reader.required(
        "http.listen",
        |kind| value::listen(kind, first, port),
        |list| value::show_list(list),
    );
    let (socket_mode, socket_group) = socket(reader);
    let workers = workers(reader);
    let idle_timeout = reader.duration("http.idle_timeout", s(1)..=s(3600));
    let head_timeout = reader.duration("http.head_timeout", s(1)..=s(3600));
    let connection_age = reader.duration("http.connection_age", s(0)..=s(7 * 24 * 3600));
    // The HTTP library takes no buffer below 8,192 bytes.
    let header_bytes = reader.size("http.header_bytes", 8192..=MEBI);
    let body_bytes = reader.size("http.body_bytes", 0..=MEBI);
    let connections = reader.size("http.connections", 1..=MEBI);
    let bulk_replies = reader.size("http.bulk_replies", 1..=1024);
    let cors = reader.required("http.cors", origin::read, |list| value::show_list(list));
    let lame_duck = reader.duration("http.lame_duck", s(0)..=s(300));
    let drain = reader.duration("http.drain", s(0)..=s(300));
    Ok(Http {
        listen: listen?,
        socket_mode: socket_mode?,
        socket_group: socket_group?,
        workers: workers?,
        deadline: spans.deadline?,
        idle_timeout: idle_timeout?,
        head_timeout: head_timeout?,
        connection_age: connection_age?,
        header_bytes: header_bytes?,
        body_bytes: body_bytes?,
        connections: connections?,
        bulk_replies: bulk_replies?,
        cors: cors?,
        lame_duck: lame_duck?,
        drain: drain?,
    })
}

/// Mode and group of a Unix socket.
fn socket(reader: &mut Reader) -> (Result<u32, Refused>, Result<Option<String>, Refused>) {
    let mode = reader.required("http.socket_mode", value::mode, |mode| {
        format!("{mode:04o}")
    });
    let group = reader.required("http.socket_group", value::group, |group| {
        group.as_deref().unwrap_or(value::OWN_GROUP).to_owned()
    });
    (mode, group)
}

fn workers(reader: &mut Reader) -> Result<usize, Refused> {
    let range = 1..=MAX_WORKERS;
    let set = reader.optional(
        "http.workers",
        |kind| value::integer(kind, &range),
        u64::to_string,
    )?;
    Ok(set.map_or_else(
        || {
            let count = thread::available_parallelism().map_or(1, NonZero::get);
            let count = count.min(as_size(MAX_WORKERS));
            reader.note("http.workers", count, "number of CPUs");
            count
        },
        as_size,
    ))
}

fn state(
    reader: &mut Reader,
    spans: Spans,
    file: &Path,
    environment: &Environment,
) -> Result<State, Refused> {
    let dir = state_dir(reader, file, environment);
    let create = reader.boolean("state.create");
    let allow_network_fs = reader.boolean("state.allow_network_fs");
    Ok(State {
        dir: dir?,
        window: spans.window?,
        create: create?,
        allow_network_fs: allow_network_fs?,
        runtime: environment.runtime_dirs(),
    })
}

fn state_dir(
    reader: &mut Reader,
    file: &Path,
    environment: &Environment,
) -> Result<PathBuf, Refused> {
    let show = |dir: &PathBuf| dir.display().to_string();
    if let Some(dir) = reader.optional("state.dir", value::absolute, show)? {
        return Ok(dir);
    }
    let (text, variable) = match environment.state_dir() {
        Ok(Some(found)) => found,
        Ok(None) => {
            let file = file.to_path_buf();
            return Err(reader.report(ConfigError::NoStateDir { file }));
        }
        Err(problem) => return Err(reader.report(problem)),
    };
    match value::absolute(&text.into()) {
        Ok(dir) => {
            reader.note("state.dir", dir.display(), variable);
            Ok(dir)
        }
        Err(problem) => Err(reader.report(ConfigError::value("state.dir", variable, problem))),
    }
}

fn clock(reader: &mut Reader, spans: Spans) -> Result<Clock, Refused> {
    let require_sync = reader.boolean("clock.require_sync")?;
    Ok(Clock {
        max_ahead: spans.max_ahead?,
        require_sync,
    })
}
