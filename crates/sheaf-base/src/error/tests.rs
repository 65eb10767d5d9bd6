//! Each kind of engine error becomes the Sheaf error a user can act on.

use arrow::error::ArrowError;
use datafusion::common::DataFusionError;
use datafusion::sql::sqlparser::parser::ParserError;

use super::{ErrorKind, Position, SheafError, SqlState};

#[test]
fn errors_survive_the_way_through_an_operator() {
    let error = SheafError::data("sales.csv:3: bad number").with_hint("look at line 3");
    let through = DataFusionError::from(error).context("while scanning");
    let back = SheafError::from(through);
    assert_eq!(back.message(), "sales.csv:3: bad number");
    assert_eq!(back.hint(), Some("look at line 3"));
    assert_eq!(back.kind(), ErrorKind::Data);
}

#[test]
fn syntax_errors_carry_their_position() {
    let error = SheafError::from(ParserError::ParserError(
        "Expected: an expression, found: FROM at Line: 2, Column: 8".to_owned(),
    ));
    assert_eq!(error.position(), Some(Position { line: 2, column: 8 }));
    assert_eq!(error.state(), SqlState::SYNTAX_ERROR);
    assert_eq!(
        error.message(),
        "syntax error: expected: an expression, found: FROM"
    );
}

#[test]
fn kinds_and_states_follow_the_cause() {
    let cases: Vec<(DataFusionError, ErrorKind, SqlState)> = vec![
        (
            ArrowError::DivideByZero.into(),
            ErrorKind::Data,
            SqlState::DIVISION_BY_ZERO,
        ),
        (
            ArrowError::CastError("Cannot cast 'x'".into()).into(),
            ErrorKind::Data,
            SqlState::INVALID_TEXT_REPRESENTATION,
        ),
        (
            DataFusionError::ResourcesExhausted("pool".into()),
            ErrorKind::Resource,
            SqlState::OUT_OF_MEMORY,
        ),
        (
            DataFusionError::NotImplemented("Foo".into()),
            ErrorKind::Unsupported,
            SqlState::FEATURE_NOT_SUPPORTED,
        ),
        (
            DataFusionError::Internal("oops".into()),
            ErrorKind::Internal,
            SqlState::INTERNAL_ERROR,
        ),
        (
            std::io::Error::from(std::io::ErrorKind::StorageFull).into(),
            ErrorKind::Resource,
            SqlState::DISK_FULL,
        ),
    ];
    for (engine, kind, state) in cases {
        let text = engine.to_string();
        let error = SheafError::from(engine);
        assert_eq!((error.kind(), error.state()), (kind, state), "{text}");
    }
}
