//! Bare variables: names without a prefix, such as `SHARD_ID`, which depend on the profile.

use super::environment::Environment;
use super::error::{ConfigError, ValueError};
use super::keys;
use super::layers::{DEFAULT, Layer};
use super::listen::Listen;
use super::profile::{Number, Profile, Role};
use super::value;
use shardflake::id::range::RangeError;
use shardflake::id::{Layout, MachineRange};

/// The values of a profile's bare variables, and problems with them.
#[derive(Debug, Default)]
pub(super) struct Bare {
    pub(super) layer: Layer,
    /// The port in the layer, of all addresses.
    port: Option<u16>,
    pub(super) problems: Vec<ConfigError>,
    /// Whether the shard number is among the problems.
    pub(super) number_refused: bool,
}

/// Reads the bare variables of `profile`; `layout` says how datacenter and machine make one number.
pub(super) fn read(environment: &Environment, profile: Profile, layout: &Layout) -> Bare {
    let mut bare = Bare::default();
    match number(environment, profile.number(), layout) {
        Ok(Some((name, text))) => {
            bare.problems.extend(conflict(environment, name, &text));
            bare.layer.set("shard.id", text.into(), name);
        }
        Ok(None) => {}
        Err(problem) => {
            bare.problems.push(problem);
            bare.number_refused = true;
        }
    }
    if let Some((name, text)) = bare.text(environment, profile.port_variable()) {
        match port(text, name) {
            Ok(port) => {
                let listen = vec![Listen::All(port).to_string()];
                bare.layer.set("http.listen", listen.into(), name);
                bare.port = Some(port);
            }
            Err(problem) => bare.problems.push(problem),
        }
    }
    if let Some((name, text)) = bare.text(environment, profile.workers_variable()) {
        bare.layer.set("http.workers", text.into(), name);
    }
    bare
}

impl Bare {
    /// A variable with its text, if the profile has such a one and it is set.
    fn text<'a>(
        &mut self,
        environment: &'a Environment,
        variable: Option<&'static str>,
    ) -> Option<(&'static str, &'a str)> {
        let name = variable?;
        match environment.text(name) {
            Ok(text) => Some((name, text?)),
            Err(problem) => {
                self.problems.push(problem);
                None
            }
        }
    }

    /// The port of addresses without one: the bare variable's, or else the profile's.
    pub(super) fn port(&self, profile: Profile) -> u16 {
        self.port.unwrap_or(profile.port())
    }

    /// The bare port gives way to a list of addresses that have ports, in one of the layers `above`, the
    /// highest first; whoever set both should hear of it.
    pub(super) fn overridden_port(&self, above: [&Layer; 2], profile: Profile) -> Option<String> {
        let port = self.port?;
        let variable = profile.port_variable()?;
        let winner = above.iter().find_map(|layer| layer.find("http.listen"))?;
        let with = |own| value::listen(&winner.kind, 0, own).ok();
        let is_used = with(port) != with(0);
        if is_used || with(port) == Some(vec![Listen::All(port)]) {
            return None;
        }
        Some(format!(
            "{variable} is not used, because {} names the addresses to listen on",
            winner.origin().unwrap_or(DEFAULT)
        ))
    }
}

/// The shard number as text, and the variables that it comes from.
fn number(
    environment: &Environment,
    number: Number,
    layout: &Layout,
) -> Result<Option<(&'static str, String)>, ConfigError> {
    let text = |name| environment.text(name);
    let own = |name| Ok(text(name)?.map(|text| (name, text.to_owned())));
    match number {
        Number::Plain(name) => own(name),
        Number::OrOrdinal(name, pod) => {
            let of_pod = text(pod)?.and_then(ordinal);
            Ok(own(name)?.or(of_pod.map(|text| (pod, text.to_owned()))))
        }
        Number::Pair(upper, lower) => match (text(upper)?, text(lower)?) {
            (Some(datacenter), Some(machine)) => {
                let whole = pair((upper, datacenter), (lower, machine), layout)?;
                Ok(Some((number.name(), whole)))
            }
            (None, None) => Ok(None),
            (Some(_), None) => Err(half(upper, lower)),
            (None, Some(_)) => Err(half(lower, upper)),
        },
    }
}

const fn half(set: &'static str, missing: &'static str) -> ConfigError {
    ConfigError::HalfNumber { set, missing }
}

/// The number at the end of a stateful pod's name, such as the `3` of `ids-3`.
pub(super) fn ordinal(pod: &str) -> Option<&str> {
    let (_, last) = pod.rsplit_once('-')?;
    let digits = !last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit());
    (digits && (last == "0" || !last.starts_with('0'))).then_some(last)
}

/// Datacenter and machine as one number, the datacenter in the upper bits. The machine may be a range.
fn pair(
    (upper, datacenter): (&str, &str),
    (lower, machine): (&str, &str),
    layout: &Layout,
) -> Result<String, ConfigError> {
    let refuse = |origin| move |problem| ConfigError::value("shard.id", origin, problem);
    let datacenters = (1 << layout.datacenter_bits()) - 1;
    let bits = layout.machine_bits() - layout.datacenter_bits();
    let machines = (1 << bits) - 1;
    let datacenter =
        value::integer(&datacenter.into(), &(0..=datacenters)).map_err(refuse(upper))?;
    let range = MachineRange::parse_below(machine, machines)
        .map_err(|error: RangeError| refuse(lower)(ValueError::Shard(error)))?;
    let whole = |machine: u32| datacenter << bits | u64::from(machine);
    let (first, last) = (whole(range.first()), whole(range.last()));
    Ok(if first == last {
        first.to_string()
    } else {
        format!("{first}-{last}")
    })
}

/// The problem of two different numbers for one shard: whichever won, IDs of another host might be
/// issued again.
fn conflict(environment: &Environment, bare: &'static str, text: &str) -> Option<ConfigError> {
    let full = keys::named("shard.id")?.variable();
    let second = environment.variable(&full)?.to_str()?;
    (text != second).then(|| ConfigError::Conflict {
        key: "shard.id",
        first: bare,
        first_value: text.to_owned(),
        second_value: second.to_owned(),
        second: full,
    })
}

/// Hints at bare variables that another profile would read.
pub(super) fn foreign(
    environment: &Environment,
    profile: Profile,
) -> impl Iterator<Item = (Role, String)> {
    profile.foreign_variables().filter_map(move |(name, role)| {
        let value = environment.variable(name)?.to_string_lossy();
        let own = profile.reads(role);
        let hint = format!("{name}={value} is set, but the profile {profile} reads {own}");
        Some((role, hint))
    })
}

/// Hints at variables that look as if they were meant to set the shard number of `profile`.
pub(super) fn mistaken_shards(environment: &Environment, profile: Profile) -> Vec<String> {
    let foreign = foreign(environment, profile)
        .filter(|(role, _)| *role == Role::Number)
        .map(|(_, hint)| hint);
    let pod = match profile.number() {
        Number::OrOrdinal(_, pod) => environment.variable(pod).map(|value| {
            let value = value.to_string_lossy();
            format!("{pod}={value} does not end in an ordinal such as -0")
        }),
        _ => None,
    };
    environment
        .misspelt_shards()
        .into_iter()
        .chain(foreign)
        .chain(pod)
        .collect()
}

/// Reads a bare port.
pub(super) fn port(text: &str, origin: &str) -> Result<u16, ConfigError> {
    value::port(text).map_err(|problem| ConfigError::value("http.listen", origin, problem))
}
