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
    let shard = loaded.shard.unwrap();
    assert_eq!((loaded.layout, shard), (config.shard.layout, config.shard));
    assert_eq!(
        shard,
        Settings {
            layout: Layout::SNOWFLAKE,
            machines: "4-7".parse().unwrap(),
            max_ahead: Duration::from_secs(7),
            window: Duration::from_secs(3),
            deadline: Duration::from_secs(1),
            continue_ahead: None,
        }
    );
    assert_eq!(loaded.state, config.state);
    assert_eq!(
        loaded.state,
        State {
            dir: "/somewhere/else".into(),
            create: false,
            allow_network_fs: true,
            require_sync: true,
            runtime: vec!["/run/elsewhere".into()],
        }
    );
}
