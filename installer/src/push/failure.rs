//! Requests that failed, in words.

use super::PushError;
use oci_client::errors::{OciDistributionError as Failure, OciErrorCode};

/// Most characters of a registry's own words in a message.
const MOST_WORDS: usize = 400;

/// Returns the error of a request that failed.
pub(super) fn error(registry: &str, what: &str, credentials: Option<&str>, failure: &Failure) -> PushError {
    let (registry, what) = (registry.to_owned(), what.to_owned());
    let refused = |status: u16, said: &str| PushError::Refused {
        registry: registry.clone(),
        what: what.clone(),
        status,
        said: cut(said, status),
    };
    let unauthorized = |said: &str| PushError::Unauthorized {
        registry: registry.clone(),
        what: what.clone(),
        said: cut(said, 401),
        credentials: credentials.map(str::to_owned),
    };
    match failure {
        Failure::ServerError {
            code: 401, message, ..
        } => unauthorized(message),
        Failure::ServerError { code, message, .. } => refused(*code, message),
        Failure::UnauthorizedError { .. } => unauthorized(""),
        Failure::AuthenticationFailure(said) => unauthorized(said),
        Failure::RegistryError { envelope, .. } => {
            let all: Vec<&str> = envelope
                .errors
                .iter()
                .map(|error| error.message.as_str())
                .collect();
            let all = all.join("; ");
            match envelope.errors.first().map(|error| &error.code) {
                Some(OciErrorCode::Unauthorized) => unauthorized(&all),
                Some(OciErrorCode::Denied) => refused(403, &all),
                Some(OciErrorCode::Toomanyrequests) => refused(429, &all),
                Some(OciErrorCode::Unsupported) => refused(405, &all),
                Some(
                    OciErrorCode::BlobUnknown
                    | OciErrorCode::ManifestUnknown
                    | OciErrorCode::NameUnknown
                    | OciErrorCode::NotFound,
                ) => refused(404, &all),
                _ => refused(400, &all),
            }
        }
        Failure::ImageManifestNotFoundError(said) => refused(404, said),
        Failure::RequestError(error) => match error.status().map(|status| status.as_u16()) {
            Some(401) => unauthorized(""),
            Some(status) => refused(status, ""),
            None => PushError::Broken {
                registry,
                what,
                reason: words(failure),
            },
        },
        failure => PushError::Lied {
            registry,
            what,
            said: words(failure),
        },
    }
}

/// Returns a registry's words with its status, short enough for a message.
fn cut(said: &str, status: u16) -> String {
    let parsed: Option<serde_json::Value> = serde_json::from_str(said).ok();
    let errors = parsed
        .as_ref()
        .and_then(|all| all.get("errors"))
        .and_then(|errors| errors.as_array());
    let own = errors.map(|errors| {
        let told = errors
            .iter()
            .filter_map(|error| error.get("message").or_else(|| error.get("code")));
        told.filter_map(|told| told.as_str())
            .collect::<Vec<_>>()
            .join("; ")
    });
    let said: String = own
        .as_deref()
        .unwrap_or(said)
        .trim()
        .chars()
        .take(MOST_WORDS)
        .collect();
    match said.is_empty() {
        true => format!("HTTP status {status}"),
        false => format!("HTTP status {status}: {said}"),
    }
}

/// Returns an error with its causes, without repetitions.
pub(super) fn words(error: &dyn std::error::Error) -> String {
    let mut all: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let text = error.to_string();
        if !all.iter().any(|known| known.contains(&text)) {
            all.push(text);
        }
        next = error.source();
    }
    all.join(": ")
}
