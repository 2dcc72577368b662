//! The HTTP API: routes and their answers.
