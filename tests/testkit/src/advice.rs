//! What the documents advise readers to ask: found in their text, so that tests can ask it.

/// The query on PromQL that a line of a page advises: `Query: …`, perhaps with words on what it is for in between.
pub fn query(line: &str) -> Option<&str> {
    let (_, advice) = line.split_once("Query")?;
    let (purpose, query) = advice.split_once(": `")?;
    let is_advice = purpose.is_empty() || purpose.starts_with([',', ' ']);
    query.strip_suffix('`').filter(|_| is_advice)
}

/// All queries that a page advises.
pub fn queries(page: &str) -> impl Iterator<Item = &str> {
    let blocks = page.split("```promql\n").skip(1);
    let blocks = blocks.filter_map(|rest| rest.split("```").next());
    blocks.chain(page.lines().filter_map(query))
}

/// The rows of a Markdown table whose first cell is code: that code, and the other cells.
pub fn rows(page: &str) -> impl Iterator<Item = (&str, Vec<&str>)> {
    let rows = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once("` |"));
    rows.map(|(code, rest)| (code, rest.trim_end_matches('|').split(" | ").map(str::trim).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_advised_with_or_without_its_purpose() {
        assert_eq!(query("Query: `up == 0`"), Some("up == 0"));
        assert_eq!(query("Time used. Query: `up`"), Some("up"));
        assert_eq!(query("Query (those that are down): `up == 0`"), Some("up == 0"));
        assert_eq!(query("Query, by job: `sum by (job) (up)`"), Some("sum by (job) (up)"));
        assert_eq!(query("Queries are for Prometheus: `up`"), None);
        assert_eq!(query("the command `query`"), None);
        let page = "Query: `a`\n```promql\nb\n```\n";
        assert_eq!(queries(page).collect::<Vec<_>>(), ["b\n", "a"]);
    }

    #[test]
    fn a_row_begins_with_code() {
        let page = "| a | b |\n|---|---|\n| `x y` | 200 | z |\n";
        assert_eq!(rows(page).collect::<Vec<_>>(), [("x y", vec!["200", "z"])]);
    }
}
