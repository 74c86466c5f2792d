#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| shardflake_fuzz::targets::shard::run(input));
