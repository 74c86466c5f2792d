//! Finds the modules of the crate root that a source file names: `crate::…`, also in groups, and
//! `super::…` where it reaches the root. Comments and literals do not count.

use std::iter::Peekable;
use std::str::CharIndices;

/// A module of the crate root, named in a path.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Mention {
    /// Its name; `*`, `self` or `crate` where a path takes the whole root.
    pub(crate) module: String,
    /// The line, from 1.
    pub(crate) line: usize,
}

#[derive(Debug, PartialEq, Eq)]
enum Token<'a> {
    Word(&'a str),
    /// `::`
    Join,
    Symbol(char),
}

/// The modules that `source` names, if it lies `depth` modules below the crate root.
pub(crate) fn mentions(source: &str, depth: usize) -> Vec<Mention> {
    let tokens = tokens(source);
    let mut found = Vec::new();
    // The brace depths at which inline modules began.
    let mut inline = Vec::new();
    let mut braces = 0_usize;
    for (index, (token, line)) in tokens.iter().enumerate() {
        match token {
            Token::Symbol('{') => {
                if opens_module(&tokens, index) {
                    inline.push(braces);
                }
                braces += 1;
            }
            Token::Symbol('}') => {
                braces = braces.saturating_sub(1);
                inline.pop_if(|began| *began == braces);
            }
            Token::Word("crate") if is(&tokens, index + 1, &Token::Join) => {
                heads(&tokens, index + 2, 0, &mut found);
            }
            Token::Word("crate") if is(&tokens, index + 1, &Token::Word("as")) => {
                found.push(mention("crate", *line));
            }
            Token::Word("super") if !follows_super(&tokens, index) => {
                heads(&tokens, index, depth + inline.len(), &mut found);
            }
            _ => {}
        }
    }
    found
}

/// Collects what a path, or each branch of a group, names first when it has reached the root.
/// `level` is how many modules below the root the path stands at `index`.
/// Gives the index behind it.
fn heads(tokens: &[(Token, usize)], index: usize, level: usize, found: &mut Vec<Mention>) -> usize {
    let Some((token, line)) = tokens.get(index) else {
        return index;
    };
    match token {
        Token::Symbol('{') => group(tokens, index + 1, level, found),
        Token::Word("super") if is(tokens, index + 1, &Token::Join) => {
            heads(tokens, index + 2, level.saturating_sub(1), found)
        }
        Token::Word(word) if level == 0 => {
            found.push(mention(word, *line));
            index + 1
        }
        Token::Symbol('*') if level == 0 => {
            found.push(mention("*", *line));
            index + 1
        }
        _ => index + 1,
    }
}

/// Reads the branches of a group from behind its brace.
fn group(
    tokens: &[(Token, usize)],
    mut index: usize,
    level: usize,
    found: &mut Vec<Mention>,
) -> usize {
    loop {
        index = heads(tokens, index, level, found);
        let mut nested = 0_usize;
        // What is left of the branch lies below the module that it began with.
        loop {
            match tokens.get(index) {
                None => return index,
                Some((Token::Symbol('{'), _)) => nested += 1,
                Some((Token::Symbol('}'), _)) if nested == 0 => return index + 1,
                Some((Token::Symbol('}'), _)) => nested -= 1,
                Some((Token::Symbol(','), _)) if nested == 0 => break,
                Some(_) => {}
            }
            index += 1;
        }
        index += 1;
        if is(tokens, index, &Token::Symbol('}')) {
            return index + 1;
        }
    }
}

fn mention(module: &str, line: usize) -> Mention {
    Mention {
        module: module.to_owned(),
        line,
    }
}

fn is(tokens: &[(Token, usize)], index: usize, wanted: &Token) -> bool {
    tokens.get(index).is_some_and(|(token, _)| token == wanted)
}

/// Whether the brace at `index` is that of `mod name {`.
fn opens_module(tokens: &[(Token, usize)], index: usize) -> bool {
    index >= 2
        && is(tokens, index - 2, &Token::Word("mod"))
        && matches!(tokens[index - 1].0, Token::Word(_))
}

/// Whether the word at `index` goes on a chain of `super::`.
fn follows_super(tokens: &[(Token, usize)], index: usize) -> bool {
    index >= 2
        && is(tokens, index - 1, &Token::Join)
        && is(tokens, index - 2, &Token::Word("super"))
}

type Chars<'a> = Peekable<CharIndices<'a>>;

/// Splits the source, without comments and literals; each token with its line.
fn tokens(source: &str) -> Vec<(Token<'_>, usize)> {
    let mut found = Vec::new();
    let mut line = 1;
    let mut counted = 0;
    let mut chars = source.char_indices().peekable();
    while let Some((start, char)) = chars.next() {
        line += source[counted..start].matches('\n').count();
        counted = start;
        let rest = &source[start..];
        if let Some(length) = ignored(rest) {
            skip_to(&mut chars, start + length);
        } else if is_word(char) {
            let length = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
            skip_to(&mut chars, start + length);
            found.push((Token::Word(&rest[..length]), line));
        } else if rest.starts_with("::") {
            chars.next();
            found.push((Token::Join, line));
        } else if !char.is_whitespace() {
            found.push((Token::Symbol(char), line));
        }
    }
    found
}

fn is_word(char: char) -> bool {
    char.is_alphanumeric() || char == '_'
}

fn skip_to(chars: &mut Chars, end: usize) {
    while chars.next_if(|(at, _)| *at < end).is_some() {}
}

/// The length of the comment or literal that `rest` begins with.
fn ignored(rest: &str) -> Option<usize> {
    if rest.starts_with("//") {
        return Some(rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return Some(block_comment(rest));
    }
    let prefix = ["br", "cr", "b", "c", "r", ""]
        .into_iter()
        .find(|prefix| literal_follows(rest, prefix))?;
    let body = &rest[prefix.len()..];
    let length = if prefix.ends_with('r') {
        raw_string(body)
    } else if body.starts_with('"') {
        quoted(body, '"')
    } else {
        character(body)?
    };
    Some(prefix.len() + length)
}

/// Whether `rest` is that prefix and then the opening of a literal that may have it.
fn literal_follows(rest: &str, prefix: &str) -> bool {
    let Some(body) = rest.strip_prefix(prefix) else {
        return false;
    };
    if prefix.ends_with('r') {
        body.trim_start_matches('#').starts_with('"')
    } else {
        body.starts_with('"') || (body.starts_with('\'') && prefix != "c")
    }
}

fn block_comment(rest: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < rest.len() {
        if rest[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += rest[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    at
}

fn raw_string(body: &str) -> usize {
    let hashes = body.len() - body.trim_start_matches('#').len();
    let end = format!("\"{}", "#".repeat(hashes));
    let text = &body[hashes + 1..];
    text.find(&end)
        .map_or(body.len(), |at| hashes + 1 + at + end.len())
}

fn quoted(body: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, char) in body.char_indices().skip(1) {
        match char {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if char == quote => return at + 1,
            _ => {}
        }
    }
    body.len()
}

/// The length of a character literal; `None` for a lifetime.
fn character(body: &str) -> Option<usize> {
    let mut chars = body.char_indices().skip(1);
    let (_, first) = chars.next()?;
    let (_, second) = chars.next()?;
    (first == '\\' || second == '\'').then(|| quoted(body, '\''))
}
