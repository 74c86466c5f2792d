//! Replies against patterns: the text of a reply with a word in angle brackets for what changes.

/// What stood in the place of a word.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// `<id>`: digits of a new ID. `<ids N>`: N of them in quotes, with commas between.
    Id(u64),
    /// `<same>`: digits of the ID before.
    Same(u64),
    /// `<seconds>`: digits of a time.
    Seconds(u64),
}

/// What stands in `text` for the words of `pattern`; or the place from where on the two differ. All
/// between the words is compared byte by byte, so that no key is missing, added or doubled, and a
/// number is not a text. `<count>` is any number, `<told>` the inside of a JSON text, `<more>` anything.
pub(super) fn read<'a>(pattern: &str, text: &'a str) -> Result<Vec<Found>, &'a str> {
    let mut found = Vec::new();
    let (mut pattern, mut text) = (pattern, text);
    while let Some((literal, (word, rest))) = next_word(pattern) {
        text = text.strip_prefix(literal).ok_or(short(text))?;
        pattern = rest;
        text = match word {
            "id" => number(text, Found::Id, &mut found)?,
            "same" => number(text, Found::Same, &mut found)?,
            "seconds" => number(text, Found::Seconds, &mut found)?,
            "count" => text.trim_start_matches(|c: char| c.is_ascii_digit()),
            "told" => told(text)?,
            "more" => "",
            many => ids(many, text, &mut found)?,
        };
    }
    if text == pattern {
        return Ok(found);
    }
    Err(short(text))
}

fn next_word(pattern: &str) -> Option<(&str, (&str, &str))> {
    let (literal, rest) = pattern.split_once('<')?;
    Some((literal, rest.split_once('>').expect("a word is closed")))
}

fn number<'a>(
    text: &'a str,
    kind: fn(u64) -> Found,
    found: &mut Vec<Found>,
) -> Result<&'a str, &'a str> {
    let end = text.find(|c: char| !c.is_ascii_digit());
    let (digits, rest) = text.split_at(end.unwrap_or(text.len()));
    let odd = digits.starts_with('0');
    let number = digits.parse().ok().filter(|_| !odd);
    found.push(kind(number.ok_or(short(text))?));
    Ok(rest)
}

fn ids<'a>(word: &str, text: &'a str, found: &mut Vec<Found>) -> Result<&'a str, &'a str> {
    let count = word.strip_prefix("ids ").expect("a known word");
    let count: usize = count.parse().expect("a number of IDs");
    let mut rest = text;
    for place in 0..count {
        let before = if place == 0 { "\"" } else { ",\"" };
        rest = rest.strip_prefix(before).ok_or(short(rest))?;
        rest = number(rest, Found::Id, found)?;
        rest = rest.strip_prefix('"').ok_or(short(rest))?;
    }
    Ok(rest)
}

/// The inside of a JSON text: up to the first quotation mark that no backslash stands before.
fn told(text: &str) -> Result<&str, &str> {
    let mut escaped = false;
    let end = text.find(|c: char| {
        let ends = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        ends
    });
    match end.unwrap_or(text.len()) {
        0 => Err(short(text)),
        end => Ok(&text[end..]),
    }
}

/// So much of a long reply as a message can show.
fn short(text: &str) -> &str {
    let end = text.char_indices().nth(80);
    end.map_or(text, |(end, _)| &text[..end])
}

#[test]
fn a_pattern_fits_its_reply_alone() {
    let pattern = r#"{"id":<id>,"id_str":"<same>","timestamp":<seconds>}"#;
    let reply = r#"{"id":12,"id_str":"12","timestamp":3}"#;
    let found = [Found::Id(12), Found::Same(12), Found::Seconds(3)];
    assert_eq!(read(pattern, reply), Ok(found.into()));
    for other in [
        r#"{"id":"12","id_str":"12","timestamp":3}"#,
        r#"{"id":12,"id_str":12,"timestamp":3}"#,
        r#"{"id":12,"id_str":"12","timestamp":3,"more":1}"#,
        r#"{"id":12,"id":12,"id_str":"12","timestamp":3}"#,
        r#"{"id":12,"timestamp":3}"#,
        r#"{"id":012,"id_str":"12","timestamp":3}"#,
        r#"{"id":-12,"id_str":"12","timestamp":3}"#,
        r#"{"id":12,"id_str":"12","timestamp":3.5}"#,
        r#"{"id":,"id_str":"12","timestamp":3}"#,
    ] {
        assert!(read(pattern, other).is_err(), "{other}");
    }
    let many = r#"{"ids":[<ids 2>]}"#;
    assert_eq!(
        read(many, r#"{"ids":["1","2"]}"#),
        Ok(vec![Found::Id(1), Found::Id(2)])
    );
    for other in [
        r#"{"ids":["1"]}"#,
        r#"{"ids":["1","2","3"]}"#,
        r#"{"ids":[1,2]}"#,
    ] {
        assert!(read(many, other).is_err(), "{other}");
    }
    let error = r#"{"error":"<told>"}"#;
    assert_eq!(read(error, r#"{"error":"\"0\" is \\"}"#), Ok(Vec::new()));
    for other in [
        r#"{"error":""}"#,
        r#"{"error":"x","code":"y"}"#,
        r#"{"error":null}"#,
    ] {
        assert!(read(error, other).is_err(), "{other}");
    }
    assert_eq!(read("ok", "OK"), Err("OK"));
    assert_eq!(read("a <more>", "a b"), Ok(Vec::new()));
}
