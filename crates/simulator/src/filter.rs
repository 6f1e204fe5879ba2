//! OData's `$filter`, as far as clients of calendars and users need it.
//!
//! It must never guess: what it cannot read it refuses, as Graph does.

/// A condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Filter {
    /// `path test literal`, such as `subject eq 'x'`.
    Field {
        path: String,
        test: Test,
        literal: String,
    },
    /// `collection/any(x: …)`: one element meets all conditions; their paths are relative to the element.
    Any {
        collection: String,
        conditions: Vec<(String, Test, String)>,
    },
    And(Box<Filter>, Box<Filter>),
    Or(Box<Filter>, Box<Filter>),
    Not(Box<Filter>),
}

/// A comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Test {
    Eq,
    Ne,
    Gt,
    Ge,
    Lt,
    Le,
    StartsWith,
    Contains,
}

impl Test {
    /// Compares in order.
    pub(crate) fn holds<T: Ord>(self, left: &T, right: &T) -> bool {
        match self {
            Self::Eq => left == right,
            Self::Ne => left != right,
            Self::Gt => left > right,
            Self::Ge => left >= right,
            Self::Lt => left < right,
            Self::Le => left <= right,
            Self::StartsWith | Self::Contains => false,
        }
    }

    /// Compares texts without regard to case, as Exchange and Entra do.
    pub(crate) fn holds_for_text(self, left: &str, right: &str) -> bool {
        let (left, right) = (left.to_lowercase(), right.to_lowercase());
        match self {
            Self::StartsWith => left.starts_with(&right),
            Self::Contains => left.contains(&right),
            _ => self.holds(&left, &right),
        }
    }

    fn word(word: &str) -> Option<Self> {
        Some(match word.to_ascii_lowercase().as_str() {
            "eq" => Self::Eq,
            "ne" => Self::Ne,
            "gt" => Self::Gt,
            "ge" => Self::Ge,
            "lt" => Self::Lt,
            "le" => Self::Le,
            _ => return None,
        })
    }
}

/// Reads a filter; nothing when it is not understood.
pub(crate) fn parse(text: &str) -> Option<Filter> {
    let tokens = tokens(text)?;
    let mut reader = Reader { tokens: &tokens };
    let filter = reader.either()?;
    reader.tokens.is_empty().then_some(filter)
}

#[derive(Debug, PartialEq)]
enum Token {
    Word(String),
    Text(String),
    Open,
    Close,
    Comma,
    Colon,
}

fn tokens(text: &str) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(c) = rest.chars().next() {
        let length = match c {
            '(' | ')' | ',' | ':' => {
                tokens.push(match c {
                    '(' => Token::Open,
                    ')' => Token::Close,
                    ',' => Token::Comma,
                    _ => Token::Colon,
                });
                1
            }
            '\'' => {
                let (text, length) = quoted(rest)?;
                tokens.push(Token::Text(text));
                length
            }
            _ => {
                // Times are written without quotes and have colons; names have none.
                let time = c.is_ascii_digit();
                let ends = |c: char| c.is_whitespace() || "(),'".contains(c) || (c == ':' && !time);
                let length = rest.find(ends).unwrap_or(rest.len());
                tokens.push(Token::Word(rest[..length].to_owned()));
                length
            }
        };
        rest = rest[length..].trim_start();
    }
    Some(tokens)
}

/// A quoted text, in which two apostrophes stand for one.
fn quoted(text: &str) -> Option<(String, usize)> {
    let mut value = String::new();
    let mut chars = text.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        if c != '\'' {
            value.push(c);
        } else if chars.next_if(|(_, next)| *next == '\'').is_some() {
            value.push('\'');
        } else {
            return Some((value, at + 1));
        }
    }
    None
}

struct Reader<'a> {
    tokens: &'a [Token],
}

impl Reader<'_> {
    fn either(&mut self) -> Option<Filter> {
        let mut filter = self.both()?;
        while self.skip_word("or") {
            filter = Filter::Or(Box::new(filter), Box::new(self.both()?));
        }
        Some(filter)
    }

    fn both(&mut self) -> Option<Filter> {
        let mut filter = self.one()?;
        while self.skip_word("and") {
            filter = Filter::And(Box::new(filter), Box::new(self.one()?));
        }
        Some(filter)
    }

    fn one(&mut self) -> Option<Filter> {
        if self.skip_word("not") {
            return Some(Filter::Not(Box::new(self.one()?)));
        }
        if self.skip(&Token::Open) {
            let filter = self.either()?;
            return self.skip(&Token::Close).then_some(filter);
        }
        let Some(Token::Word(word)) = self.tokens.first() else { return None };
        let any =
            word.len().checked_sub(4).filter(|at| word.get(*at..).is_some_and(|end| end.eq_ignore_ascii_case("/any")));
        if let (Some(at), Some(Token::Open)) = (any, self.tokens.get(1)) {
            let collection = word[..at].to_owned();
            self.tokens = &self.tokens[2..];
            return self.any(collection);
        }
        let (path, test, literal) = self.comparison()?;
        Some(Filter::Field { path, test, literal })
    }

    fn any(&mut self, collection: String) -> Option<Filter> {
        let element = self.word()?;
        if !self.skip(&Token::Colon) {
            return None;
        }
        let mut conditions = Vec::new();
        loop {
            let (path, test, literal) = self.comparison()?;
            let relative = path.strip_prefix(&element)?;
            conditions.push((relative.trim_start_matches('/').to_owned(), test, literal));
            if !self.skip_word("and") {
                break;
            }
        }
        self.skip(&Token::Close).then_some(Filter::Any { collection, conditions })
    }

    fn comparison(&mut self) -> Option<(String, Test, String)> {
        let word = self.word()?;
        let call = match word.to_ascii_lowercase().as_str() {
            "startswith" => Some(Test::StartsWith),
            "contains" => Some(Test::Contains),
            _ => None,
        };
        if let Some(test) = call {
            let complete = self.skip(&Token::Open);
            let path = self.word()?;
            let complete = complete && self.skip(&Token::Comma);
            let literal = self.literal()?;
            return (complete && self.skip(&Token::Close)).then_some((path, test, literal));
        }
        let test = Test::word(&self.word()?)?;
        Some((word, test, self.literal()?))
    }

    fn word(&mut self) -> Option<String> {
        match self.tokens.split_first() {
            Some((Token::Word(word), rest)) => {
                self.tokens = rest;
                Some(word.clone())
            }
            _ => None,
        }
    }

    fn literal(&mut self) -> Option<String> {
        match self.tokens.split_first() {
            Some((Token::Word(text) | Token::Text(text), rest)) => {
                self.tokens = rest;
                Some(text.clone())
            }
            _ => None,
        }
    }

    fn skip(&mut self, token: &Token) -> bool {
        let found = self.tokens.first() == Some(token);
        if found {
            self.tokens = &self.tokens[1..];
        }
        found
    }

    fn skip_word(&mut self, word: &str) -> bool {
        let found = matches!(self.tokens.first(), Some(Token::Word(next)) if next.eq_ignore_ascii_case(word));
        if found {
            self.tokens = &self.tokens[1..];
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_marker_filter_is_read_in_every_spelling() {
        let expected = Filter::Any {
            collection: "singleValueExtendedProperties".into(),
            conditions: vec![
                ("id".into(), Test::Eq, "String {g} Name K".into()),
                ("value".into(), Test::Eq, "o'neil:1".into()),
            ],
        };
        for text in [
            "singleValueExtendedProperties/Any(ep: ep/id eq 'String {g} Name K' and ep/value eq 'o''neil:1')",
            "singleValueExtendedProperties/any(x:x/id eq 'String {g} Name K' and x/value eq 'o''neil:1')",
        ] {
            assert_eq!(parse(text).as_ref(), Some(&expected), "{text}");
        }
    }

    #[test]
    fn and_binds_closer_than_or() {
        let field = |path: &str| Box::new(Filter::Field { path: path.into(), test: Test::Eq, literal: "1".into() });
        let expected = Filter::Or(field("a"), Box::new(Filter::And(field("b"), field("c"))));
        assert_eq!(parse("a eq 1 or b eq 1 and c eq 1"), Some(expected));
    }

    #[test]
    fn times_need_no_quotes() {
        let Some(Filter::Field { literal, .. }) = parse("createdDateTime ge 2026-01-01T00:00:00Z") else { panic!() };
        assert_eq!(literal, "2026-01-01T00:00:00Z");
    }

    #[test]
    fn what_is_not_a_filter_is_refused() {
        for text in [
            "",
            "subject",
            "subject eq",
            "subject eq 'x",
            "(a eq 1",
            "a eq 1 b",
            "a like 'x'",
            "x/any(e: f eq 1)",
            "not",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
