use super::*;
use shardflake::id::range::RangeError;

fn text_value(text: &str) -> ValueKind {
    ValueKind::String(text.to_owned())
}

#[test]
fn shard_numbers_come_as_integers_or_text() {
    let shard = |kind: ValueKind| shard(&kind, &Layout::SONYFLAKE);
    assert_eq!(shard(1i64.into()), Ok(MachineRange::new(1, 1).unwrap()));
    assert_eq!(
        shard("16-31".into()),
        Ok(MachineRange::new(16, 31).unwrap())
    );
    for (kind, seen) in [
        (ValueKind::Float(1.0), "1.0"),
        (ValueKind::Float(1.9), "1.9"),
        (ValueKind::Boolean(true), "true"),
        (ValueKind::I64(-1), "-1"),
        (ValueKind::Array(vec![1i64.into()]), "[1]"),
        (text_value(" 1"), " 1"),
        (text_value("01"), "01"),
    ] {
        let malformed = RangeError::Malformed(seen.to_owned());
        assert_eq!(shard(kind), Err(malformed.into()));
    }
    let error = shard(65_536i64.into()).unwrap_err().to_string();
    assert!(
        error.contains("65536") && error.contains("0 to 65535"),
        "{error}"
    );
}

#[test]
fn durations_need_a_unit() {
    let range = Duration::from_millis(1)..=Duration::from_secs(10);
    let duration = |kind: ValueKind| duration(&kind, &range);
    assert_eq!(duration("250ms".into()), Ok(Duration::from_millis(250)));
    assert_eq!(duration("1s 500ms".into()), Ok(Duration::from_millis(1500)));
    for kind in [
        250i64.into(),
        text_value("250"),
        text_value("0"),
        text_value("-1"),
        ValueKind::I64(-1),
    ] {
        let error = duration(kind.clone()).unwrap_err();
        assert_eq!(error, ValueError::NoUnit(seen(&kind)));
        assert!(error.to_string().contains("\"250ms\""), "{error}");
    }
    for kind in [
        text_value(""),
        text_value("fast"),
        text_value("-5s"),
        true.into(),
        0.25.into(),
    ] {
        let error = duration(kind.clone()).unwrap_err();
        assert_eq!(error, ValueError::Duration(seen(&kind)));
    }
    let error = duration("11s".into()).unwrap_err().to_string();
    assert!(
        error.contains("11s is out of range; it may be 1ms to 10s"),
        "{error}"
    );
}

#[test]
fn integers_are_whole_and_in_range() {
    let integer = |kind: ValueKind| integer(&kind, &(1..=1024));
    assert_eq!(integer(4i64.into()), Ok(4));
    assert_eq!(integer("1024".into()), Ok(1024));
    for kind in [
        text_value(""),
        text_value("+1"),
        text_value("01"),
        text_value("-1"),
        text_value("1e2"),
        text_value(" 1"),
        1.0.into(),
        true.into(),
    ] {
        let error = integer(kind.clone()).unwrap_err();
        assert_eq!(error, ValueError::Integer(seen(&kind), 1024));
    }
    for (kind, seen) in [
        (0i64.into(), "0"),
        (ValueKind::I64(-3), "-3"),
        (text_value("1025"), "1025"),
        (
            text_value("99999999999999999999999"),
            "18446744073709551615",
        ),
    ] {
        let error = integer(kind).unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("{seen} is out of range; it may be 1 to 1024")),
            "{error}"
        );
    }
}

#[test]
fn booleans_are_true_or_false() {
    assert_eq!(boolean(&true.into()), Ok(true));
    assert_eq!(boolean(&"false".into()), Ok(false));
    for kind in [
        text_value("yes"),
        text_value("1"),
        text_value("True"),
        text_value(""),
        1i64.into(),
    ] {
        assert_eq!(boolean(&kind), Err(ValueError::Boolean(seen(&kind))));
    }
}

#[test]
fn epochs_are_whole_milliseconds() {
    for text in ["2014-09-01T00:00:00Z", "2014-09-01T02:00:00+02:00"] {
        assert_eq!(epoch(&text_value(text)), Ok(1_409_529_600_000));
    }
    assert_eq!(epoch(&"1970-01-01T00:00:00.001Z".into()), Ok(1));
    for text in [
        "",
        "2014-09-01",
        "2014-09-01T00:00:00+0200",
        "1970-01-01T00:00:00+02:00",
        "1969-12-31T23:59:59Z",
        "1409529600",
    ] {
        let error = epoch(&text_value(text)).unwrap_err();
        assert_eq!(error, ValueError::Time(format!("{text:?}")));
    }
    for text in [
        "2014-09-01T00:00:00.0001Z",
        "2200-01-01T00:00:00Z",
        "9999-12-31T23:59:59Z",
    ] {
        let error = epoch(&text_value(text)).unwrap_err();
        assert_eq!(error, ValueError::Epoch(format!("{text:?}")));
    }
    assert!(matches!(epoch(&2014i64.into()), Err(ValueError::Text(_))));
    assert_eq!(show_time(1_705_065_354_064), "2024-01-12T13:15:54.064Z");
    assert_eq!(show_time(0), "1970-01-01T00:00:00Z");
}

#[test]
fn words_are_spelt_as_they_are() {
    assert_eq!(level(&"debug".into()), Ok(LevelFilter::Debug));
    for text in ["off", "INFO", "", "verbose"] {
        let error = level(&text_value(text)).unwrap_err().to_string();
        assert!(
            error.contains("error, warn, info, debug or trace"),
            "{error}"
        );
    }
    assert!(
        source(&"lease".into())
            .unwrap_err()
            .to_string()
            .contains("\"static\"")
    );
    for known in Profile::ALL {
        assert_eq!(profile(&text_value(known.name())), Ok(known));
    }
    assert!(matches!(
        profile(&"Sonyflake".into()),
        Err(ValueError::Word { .. })
    ));
}

#[test]
fn lists_are_arrays_or_have_commas() {
    let listen = |kind: &ValueKind, shard| listen(kind, shard, 80);
    let both = [Listen::All(1), Listen::Unix("/s".into())];
    assert_eq!(listen(&"*:1, unix:/s".into(), 0).unwrap(), both);
    let array = ValueKind::Array(vec!["*:1".into(), "/s".into()]);
    assert_eq!(listen(&array, 0).unwrap(), both);
    assert!(listen(&"127.0.0.1:0,127.0.0.1:0".into(), 0).is_ok());
    assert!(matches!(
        listen(&7001i64.into(), 0),
        Err(ValueError::List(_))
    ));
    let mixed = ValueKind::Array(vec!["/s".into(), 1i64.into()]);
    assert_eq!(
        listen(&mixed, 0),
        Err(ValueError::List("[\"/s\", 1]".into()))
    );
    for kind in [ValueKind::Array(Vec::new()), text_value("/s,unix:/s")] {
        assert_eq!(listen(&kind, 0), Err(ValueError::Addresses(seen(&kind))));
    }
    assert_eq!(
        listen(&"/s,".into(), 0),
        Err(ValueError::Address(String::new()))
    );
    for (kind, wide, narrow) in [
        ("127.0.0.1:1,0.0.0.0:1", "0.0.0.0:1", "127.0.0.1:1"),
        ("[::]:1,[::1]:1", "[::]:1", "[::1]:1"),
        ("*:1,[::1]:1", "*:1", "[::1]:1"),
        ("0.0.0.0:1,*:1", "*:1", "0.0.0.0:1"),
    ] {
        let (wide, narrow) = (wide.to_owned(), narrow.to_owned());
        assert_eq!(
            listen(&kind.into(), 0),
            Err(ValueError::Covered { wide, narrow })
        );
    }
    for kind in [
        "0.0.0.0:1,[::]:1",
        "[::]:1,127.0.0.1:1",
        "0.0.0.0:1,127.0.0.1:2",
        "0.0.0.0:0,127.0.0.1:0",
        "0.0.0.0:1,/s",
        "*:1,127.0.0.1:2",
        "*:0,*:0,127.0.0.1:0",
    ] {
        assert!(listen(&kind.into(), 0).is_ok(), "{kind}");
    }
    let same = text_value("[::1]:2,[::1]:1+N");
    assert!(listen(&same, 0).is_ok());
    assert_eq!(listen(&same, 1), Err(ValueError::Addresses(seen(&same))));
}

#[test]
fn modes_are_octal_digits() {
    assert_eq!(mode(&"0660".into()), Ok(0o660));
    assert_eq!(mode(&"777".into()), Ok(0o777));
    assert_eq!(mode(&"0".into()), Ok(0));
    for kind in ["", "0o660", "0680", "1777", "00660", "+660", "rw", "-1"] {
        let kind = text_value(kind);
        assert_eq!(mode(&kind), Err(ValueError::Mode(seen(&kind))));
    }
    assert_eq!(mode(&660i64.into()), Err(ValueError::Mode("660".into())));
}

#[test]
fn groups_are_names_or_numbers() {
    assert_eq!(group(&"www-data".into()), Ok(Some("www-data".to_owned())));
    assert_eq!(group(&33i64.into()), Ok(Some("33".to_owned())));
    assert_eq!(group(&OWN_GROUP.into()), Ok(None));
    for kind in [
        text_value(""),
        text_value("a b"),
        text_value("4294967295"),
        i64::from(u32::MAX).into(),
        ValueKind::Boolean(true),
    ] {
        assert_eq!(group(&kind), Err(ValueError::Group(seen(&kind))));
    }
}

#[test]
fn ports_are_digits() {
    assert_eq!(port("7001"), Ok(7001));
    for text in [
        "",
        "0",
        "07001",
        "65536",
        "+80",
        "http",
        "tcp://10.0.0.1:80",
        "7001 ",
    ] {
        assert_eq!(port(text), Err(ValueError::Port(text.to_owned())));
    }
}
