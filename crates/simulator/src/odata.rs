//! OData's query options: page size, order, selection, expansion, filter, and the link to the next page.
//!
//! It must never ignore an option that changes what is returned: what it does not know it refuses.

use axum::http::Uri;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};
use url::form_urlencoded;

use super::{
    failure::Failure,
    filter::{self, Filter, Test},
    prefer::Prefer,
    property::PropertyId,
};

/// Graph's page size for Outlook items when the caller does not say.
const DEFAULT_PAGE: usize = 10;
const LARGEST_PAGE: usize = 1000;

/// A request's query.
#[derive(Debug, Default)]
pub(crate) struct Query {
    pub(crate) filter: Option<Filter>,
    pub(crate) expand: Vec<PropertyId>,
    pub(crate) select: Option<Vec<String>>,
    /// The property and whether downwards.
    pub(crate) order: Option<(String, bool)>,
    pub(crate) start: Option<String>,
    pub(crate) end: Option<String>,
    top: Option<usize>,
    skip: usize,
    count: bool,
    pairs: Vec<(String, String)>,
}

impl Query {
    /// Reads a query string; Graph takes option names with and without the dollar sign.
    pub(crate) fn read(text: &str) -> Result<Self, Failure> {
        let mut query = Self::default();
        for (name, value) in form_urlencoded::parse(text.as_bytes()) {
            let value = value.into_owned();
            match name.trim_start_matches('$').to_ascii_lowercase().as_str() {
                "filter" => query.filter = Some(filter::parse(&value).ok_or_else(invalid_filter)?),
                "expand" => query.expand = expansion(&value)?,
                "select" => query.select = Some(value.split(',').map(|name| name.trim().to_owned()).collect()),
                "orderby" => query.order = Some(order(&value)?),
                "top" => query.top = Some(top(&value)?),
                "skip" => query.skip = value.parse().map_err(|_| invalid("$skip"))?,
                "skiptoken" => query.skip = skip_token(&value).ok_or_else(|| invalid("$skiptoken"))?,
                "count" => query.count = value.eq_ignore_ascii_case("true"),
                "startdatetime" => query.start = Some(value.clone()),
                "enddatetime" => query.end = Some(value.clone()),
                "search" => return Err(invalid("$search")),
                _ => {}
            }
            query.pairs.push((name.into_owned(), value));
        }
        Ok(query)
    }

    /// Answers one page of `items`, each shown by `show`, and the way to the next.
    pub(crate) fn page<T>(
        &self,
        items: &[T],
        prefer: &Prefer,
        here: &Here<'_>,
        show: impl Fn(&T) -> Map<String, Value>,
    ) -> Value {
        let size = self.top.or(prefer.page).unwrap_or(DEFAULT_PAGE);
        let shown: Vec<Value> =
            items.iter().skip(self.skip).take(size).map(|item| Value::Object(self.pick(show(item)))).collect();
        let next = self.skip + shown.len();
        let mut page = json!({"@odata.context": here.context, "value": shown});
        if self.count {
            page["@odata.count"] = items.len().into();
        }
        if next < items.len() {
            page["@odata.nextLink"] = self.next_link(here, next).into();
        }
        page
    }

    /// The selected properties; `id` and the tag come always.
    pub(crate) fn pick(&self, mut shown: Map<String, Value>) -> Map<String, Value> {
        if let Some(select) = &self.select {
            let expanded = |name: &str| name == "singleValueExtendedProperties" && !self.expand.is_empty();
            shown.retain(|name, _| {
                name.starts_with('@') || name == "id" || select.iter().any(|wanted| wanted == name) || expanded(name)
            });
        }
        shown
    }

    /// Refuses a selection of properties that are not among `known`.
    pub(crate) fn check_select(&self, known: &[&str], type_name: &str) -> Result<(), Failure> {
        let stranger = self.select.iter().flatten().find(|name| !known.contains(&name.as_str()));
        stranger.map_or(Ok(()), |name| {
            let message = format!("Could not find a property named '{name}' on type 'microsoft.graph.{type_name}'.");
            Err(Failure::bad_request("BadRequest", message))
        })
    }

    /// The same request behind an opaque token, as Microsoft documents nextLink.
    fn next_link(&self, here: &Here<'_>, next: usize) -> String {
        let mut pairs = form_urlencoded::Serializer::new(String::new());
        for (name, value) in &self.pairs {
            if !matches!(name.trim_start_matches('$').to_ascii_lowercase().as_str(), "skip" | "skiptoken") {
                pairs.append_pair(name, value);
            }
        }
        pairs.append_pair("$skiptoken", &URL_SAFE_NO_PAD.encode(format!("skip:{next}")));
        format!("http://{}{}?{}", here.host, here.uri.path(), pairs.finish())
    }
}

/// Where a list was asked for.
#[derive(Debug)]
pub(crate) struct Here<'a> {
    pub(crate) host: &'a str,
    pub(crate) uri: &'a Uri,
    pub(crate) context: String,
}

/// 400 for a filter that cannot be read or used.
pub(crate) fn invalid_filter() -> Failure {
    Failure::bad_request("ErrorInvalidUrlQueryFilter", "The query filter contains one or more invalid nodes.")
}

fn invalid(option: &str) -> Failure {
    Failure::bad_request(
        "ErrorInvalidUrlQuery",
        format!("The query option '{option}' has a value that cannot be used here."),
    )
}

fn top(value: &str) -> Result<usize, Failure> {
    value.parse().ok().filter(|top| (1..=LARGEST_PAGE).contains(top)).ok_or_else(|| invalid("$top"))
}

fn skip_token(value: &str) -> Option<usize> {
    let plain = String::from_utf8(URL_SAFE_NO_PAD.decode(value).ok()?).ok()?;
    plain.strip_prefix("skip:")?.parse().ok()
}

fn order(value: &str) -> Result<(String, bool), Failure> {
    let mut words = value.split_whitespace();
    let path = words.next().ok_or_else(|| invalid("$orderby"))?;
    match (words.next(), words.next()) {
        (None | Some("asc"), None) => Ok((path.to_owned(), false)),
        (Some("desc"), None) => Ok((path.to_owned(), true)),
        _ => Err(invalid("$orderby")),
    }
}

/// `singleValueExtendedProperties($filter=id eq '…' or id eq '…')`; Graph cannot list all of them.
fn expansion(value: &str) -> Result<Vec<PropertyId>, Failure> {
    let inner = value.strip_prefix("singleValueExtendedProperties(").and_then(|rest| rest.strip_suffix(')'));
    let inner = inner.and_then(|inner| inner.trim_start_matches('$').strip_prefix("filter="));
    let filter = inner.and_then(filter::parse).ok_or_else(|| invalid("$expand"))?;
    let mut ids = Vec::new();
    collect_ids(&filter, &mut ids)?;
    Ok(ids)
}

fn collect_ids(filter: &Filter, ids: &mut Vec<PropertyId>) -> Result<(), Failure> {
    match filter {
        Filter::Or(left, right) => {
            collect_ids(left, ids)?;
            collect_ids(right, ids)
        }
        Filter::Field { path, test: Test::Eq, literal } if path == "id" => {
            ids.push(PropertyId::parse(literal).ok_or_else(|| invalid("$expand"))?);
            Ok(())
        }
        _ => Err(invalid("$expand")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_out_of_range_or_unknown_in_form_are_refused() {
        for text in [
            "$top=0",
            "$top=1001",
            "$top=x",
            "$skip=-1",
            "$skiptoken=x",
            "$orderby=a b",
            "$filter=x",
            "$expand=attachments",
            "$search=x",
        ] {
            assert!(Query::read(text).is_err(), "{text}");
        }
        for text in ["", "$top=1", "top=1000", "$orderby=start/dateTime desc", "unknown=1"] {
            assert!(Query::read(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn pages_follow_each_other_and_keep_the_other_options() {
        let uri: Uri = "/v1.0/users/a%40b.c/events?x".parse().unwrap();
        let here = Here { host: "localhost:1", uri: &uri, context: "c".into() };
        let show = |number: &usize| Map::from_iter([("id".to_owned(), Value::from(*number))]);
        let items: Vec<usize> = (0..5).collect();
        let page = |query: &str| Query::read(query).unwrap().page(&items, &Prefer::default(), &here, show);
        let first = page("$top=2&$select=id,subject");
        let link = first["@odata.nextLink"].as_str().unwrap();
        let (path, query) = link.split_once('?').unwrap();
        assert_eq!(path, "http://localhost:1/v1.0/users/a%40b.c/events");
        assert!(query.contains("select=id"), "{query}");
        let second = page(query);
        assert_eq!(second["value"], json!([{"id": 2}, {"id": 3}]));
        let last = page(second["@odata.nextLink"].as_str().unwrap().split_once('?').unwrap().1);
        assert_eq!(last.get("@odata.nextLink"), None);
    }
}
