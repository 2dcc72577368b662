//! Small local files.
