//! Unknown fields of a webhook: a misspelt one would change the leave unnoticed. It must never show a value.

use serde_json::{Map, Value};

/// The fields that are known, by the object that holds them. What is in `reason` is known and read past.
const KNOWN: [(&str, &[&str]); 3] = [
    ("", &["type", "timestamp", "data"]),
    (
        "data.",
        &[
            "id",
            "tenant",
            "staff",
            "leave_type",
            "status",
            "start",
            "start_session",
            "end",
            "end_session",
            "time_zone",
            "department",
            "reason",
        ],
    ),
    ("data.staff.", &["email", "entra_id", "employee_id", "name"]),
];
const MOST: usize = 20;
const LONGEST: usize = 64;

/// Their names, the first ones of them.
#[must_use]
pub fn ignored(body: &Value) -> Vec<String> {
    let data = &body["data"];
    let objects = [body, data, &data["staff"]];
    let unknown = objects.into_iter().zip(KNOWN).filter_map(|(object, known)| Some((object.as_object()?, known)));
    unknown.flat_map(|(object, (prefix, known))| names(object, prefix, known)).take(MOST).collect()
}

fn names<'a>(
    object: &'a Map<String, Value>,
    prefix: &'static str,
    known: &'static [&'static str],
) -> impl Iterator<Item = String> + 'a {
    let unknown = object.keys().filter(|name| !known.contains(&name.as_str()));
    unknown.map(move |name| {
        let name = name.chars().filter(|c| !c.is_control()).take(LONGEST);
        prefix.chars().chain(name).collect()
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_nobody_knows_is_named_and_never_shown() {
        let body = json!({
            "type": "leave.created", "timestamp": "…", "tenant": "x",
            "data": {"id": "LA-1", "start_sesion": "pm", "reason": "ill", "a\nb": 1,
                     "staff": {"email": "…", "mail": "hush"}},
        });
        assert_eq!(ignored(&body), ["tenant", "data.ab", "data.start_sesion", "data.staff.mail"]);
        for nothing in [json!(null), json!([]), json!({"type": "leave.cancelled", "data": {"id": "x"}})] {
            assert_eq!(ignored(&nothing), [""; 0], "{nothing}");
        }
        let many: Map<String, Value> = (0..100).map(|n| (format!("field{n}"), json!(1))).collect();
        assert_eq!(ignored(&Value::Object(many)).len(), MOST);
    }
}
