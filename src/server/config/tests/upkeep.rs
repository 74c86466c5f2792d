//! What keeps up the state of a shard, read with a whole configuration or without.

use super::*;

#[test]
fn a_server_and_a_command_read_the_same_of_a_shard() {
    // No value is a default.
    let variables = [
        ("SHARDFLAKE_SHARD__ID", "4-7"),
        ("SHARDFLAKE_PROFILE", "snowflake"),
        ("SHARDFLAKE_STATE__DIR", "/somewhere/else"),
        ("SHARDFLAKE_STATE__WINDOW", "3s"),
        ("SHARDFLAKE_STATE__CREATE", "false"),
        ("SHARDFLAKE_STATE__ALLOW_NETWORK_FS", "true"),
        ("RUNTIME_DIRECTORY", "/run/elsewhere"),
        ("SHARDFLAKE_CLOCK__MAX_AHEAD", "7s"),
        ("SHARDFLAKE_CLOCK__REQUIRE_SYNC", "true"),
        ("SHARDFLAKE_HTTP__DEADLINE", "1s"),
    ];
    let environment = environment(&variables);
    let config = Config::load(&Flags::default(), &environment).unwrap();
    let loaded = Upkeep::load(&Flags::default(), &environment).unwrap();
    // A command reads fewer keys.
    let wanted = Upkeep {
        sources: config.sources.clone(),
        ..loaded
    };
    assert_eq!(Upkeep::from(&config), wanted);
    assert_eq!(
        wanted.state,
        State {
            dir: "/somewhere/else".into(),
            window: Duration::from_secs(3),
            create: false,
            allow_network_fs: true,
            runtime: vec!["/run/elsewhere".into()],
        }
    );
    assert!(wanted.clock.require_sync);
    assert_eq!(wanted.clock.max_ahead, Duration::from_secs(7));
    assert_eq!(wanted.deadline, Duration::from_secs(1));
}
