//! Tests of reading: files in a temporary directory, through the engine.
