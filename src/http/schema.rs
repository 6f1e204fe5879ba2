//! The schemas of the domain's types in the contract: the domain itself knows nothing of `OpenAPI`.
//!
//! Each is described by a twin that is never made. A twin must have the names and words of its type; the contract's snapshot
//! shows a difference only here, so tests compare both.

use std::borrow::Cow;

use utoipa::{
    PartialSchema, ToSchema,
    openapi::{RefOr, Schema},
};

use crate::domain::{
    finding::{Finding, Severity},
    leave::Status,
    problem::Problem,
};

/// Gives a type the schema of its twin.
macro_rules! twins {
    ($($of:ty, $name:literal, $twin:ty;)*) => {$(
        impl PartialSchema for $of {
            fn schema() -> RefOr<Schema> {
                <$twin>::schema()
            }
        }

        impl ToSchema for $of {
            fn name() -> Cow<'static, str> {
                $name.into()
            }

            fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
                <$twin>::schemas(schemas);
            }
        }
    )*};
}

twins! {
    Finding, "Finding", FindingTwin;
    Severity, "Severity", SeverityTwin;
    Status, "Status", StatusTwin;
    Problem, "Problem", ProblemTwin;
}

/// One thing that was looked at.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described here")]
struct FindingTwin {
    /// A fixed word; docs/doctor.md lists all.
    #[schema(example = "secret-expired")]
    id: String,
    /// How bad it is.
    severity: Severity,
    /// What was seen, with Microsoft's own words and the ids that its support asks for.
    seen: String,
    /// What that means.
    meaning: String,
    /// The one next click or command; empty when nothing is to be done.
    next: String,
    /// Which tenant it is about; none when it is about the whole service.
    tenant: Option<String>,
}

/// How bad it is.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "only described here")]
enum SeverityTwin {
    Ok,
    Warning,
    Error,
}

/// Where a leave stands in its approval.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "only described here")]
enum StatusTwin {
    Pending,
    Approved,
    Rejected,
    Cancelled,
}

/// One thing that is wrong, and where.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described here")]
struct ProblemTwin {
    /// Where it is: a path such as `data.start` or `tenants.acme.microsoft.client_id`.
    field: String,
    /// What is wrong and what would be right, as a sentence. Never repeats the value: it may be private.
    problem: String,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde::Serialize;
    use serde_json::{Value, json};

    use super::*;

    fn schema<T: PartialSchema>() -> Value {
        serde_json::to_value(T::schema()).unwrap()
    }

    fn fields(value: impl Serialize) -> BTreeSet<String> {
        serde_json::to_value(value).unwrap().as_object().unwrap().keys().cloned().collect()
    }

    #[test]
    fn a_schema_has_the_fields_and_words_that_are_sent() {
        let finding = Finding {
            id: "x",
            severity: Severity::Ok,
            seen: String::new(),
            meaning: String::new(),
            next: String::new(),
            tenant: None,
        };
        assert_eq!(fields(&finding), fields(&schema::<Finding>()["properties"]));
        let problem = Problem { field: String::new(), problem: String::new() };
        assert_eq!(fields(&problem), fields(&schema::<Problem>()["properties"]));
        assert_eq!(schema::<Status>()["enum"], json!(Status::ALL));
        assert_eq!(schema::<Severity>()["enum"], json!([Severity::Ok, Severity::Warning, Severity::Error]));
    }
}
