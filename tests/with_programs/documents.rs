//! The queries that the documents advise, asked of a real Prometheus.

use std::fs;
use std::path::PathBuf;

use testkit::folder::Folder;
use testkit::prometheus::Prometheus;

#[tokio::test]
async fn every_query_in_the_documents_is_understood() {
    let folder = Folder::new();
    let prometheus = Prometheus::start(&folder, "{}", &[]).await;
    let mut asked = 0;
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        let blocks = text.split("```promql\n").skip(1);
        let blocks = blocks.map(|rest| rest.split("```").next().unwrap());
        let lines = text
            .lines()
            .filter_map(|line| line.split_once("Query: `")?.1.strip_suffix('`'));
        for query in blocks.chain(lines) {
            let answer = prometheus.query(query).await;
            assert!(answer.is_ok(), "{}: {query}: {answer:?}", page.display());
            asked += 1;
        }
    }
    assert!(asked > 50, "{asked}");
}

/// The README and the pages in `docs/`.
fn pages() -> Vec<PathBuf> {
    let folders = ["docs", "docs/runbooks"].map(|folder| fs::read_dir(folder).unwrap());
    let paths = folders.into_iter().flatten().map(|entry| entry.unwrap().path());
    let pages = paths.filter(|path| path.extension().is_some_and(|end| end == "md"));
    pages.chain(["README.md".into()]).collect()
}
