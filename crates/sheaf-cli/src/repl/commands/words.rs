//! The arguments of a command as words: blanks separate, quotes hold together (`''` and `""` stand
//! for a quote within).

use std::iter::Peekable;
use std::str::Chars;

use sheaf::{Result, SheafError};

/// Splits `arguments` into words.
///
/// # Errors
/// `UserInput` if a quote is not closed.
pub(super) fn words(arguments: &str) -> Result<Vec<String>> {
    let mut words = vec![];
    let mut chars = arguments.chars().peekable();
    loop {
        while chars.next_if(|c| c.is_whitespace()).is_some() {}
        if chars.peek().is_none() {
            return Ok(words);
        }
        words.push(word(&mut chars)?);
    }
}

fn word(chars: &mut Peekable<Chars<'_>>) -> Result<String> {
    let mut word = String::new();
    while let Some(c) = chars.next_if(|c| !c.is_whitespace()) {
        if c == '\'' || c == '"' {
            quoted(c, chars, &mut word)?;
        } else {
            word.push(c);
        }
    }
    Ok(word)
}

fn quoted(quote: char, chars: &mut Peekable<Chars<'_>>, word: &mut String) -> Result<()> {
    while let Some(c) = chars.next() {
        if c != quote {
            word.push(c);
        } else if chars.next_if_eq(&quote).is_some() {
            word.push(quote);
        } else {
            return Ok(());
        }
    }
    Err(SheafError::user(format!("the quote {quote} is not closed")))
}
