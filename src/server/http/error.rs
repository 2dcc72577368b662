//! Errors as answers.

use axum::response::{IntoResponse, Response};

use crate::model::write_json_string;

use super::super::error::ApiError;
use super::answer;

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut body = b"{\"error\":{\"code\":".to_vec();
        write_json_string(self.code, &mut body);
        body.extend_from_slice(b",\"message\":");
        write_json_string(&self.message, &mut body);
        body.extend_from_slice(b"}}");
        answer::json(self.status, body)
    }
}
