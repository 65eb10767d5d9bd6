//! Tests of COPY.
