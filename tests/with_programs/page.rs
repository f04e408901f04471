//! The status page in a real browser.

use laaffic_simulator::{Fault, FaultPlan, FlowState, Scope};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use testkit::answer::ready;
use testkit::assertions::says;
use testkit::browser::Browser;
use testkit::process::Process;
use testkit::vendor::{account, still};
use testkit::watching::{Watching, config};

use crate::exporter;

const HOSTILE: &str = "<script>alert('x')</script><img src=x onerror=alert(1)>\" & \u{202e}txet\u{202c} 🎉";

/// A flow in the configuration.
fn flow((key_id, name): (u64, &String)) -> String {
    // JSON's strings are YAML's, but for the pairs of surrogates that serde_json does not write.
    format!("key_id: {key_id}, name: {}, labels: {{team: growth}}", json!(name))
}

/// The exporter on flows with these names, numbered from 1, and when each is asked for.
async fn watching(names: &[String]) -> Watching {
    let interval = if names.len() > 100 { "60s" } else { "500ms" };
    let global = format!("poll_interval: {interval}, terminal_poll_interval: {interval}");
    let account = account("main", (1..=names.len() as u64).map(still));
    let command = exporter(["--web.enable-lifecycle"]);
    Watching::start(command, account, &global, (1..).zip(names).map(flow)).await
}

/// The name of a flow.
fn name(number: usize) -> String {
    format!("reminder {number}")
}

fn names(flows: usize) -> Vec<String> {
    (1..=flows).map(name).collect()
}

/// These flows, as the page names them.
fn reminders<const N: usize>(numbers: [usize; N]) -> Value {
    numbers.map(name).into_iter().collect()
}

/// Holds a flow in this status.
fn pin(world: &Watching, key_id: u64, status: i64) {
    let state = FlowState::with_nodes(status, &[2, 4, 0]);
    world.simulator.vendor().pin("main", key_id, state).unwrap();
}

/// The console has nothing to complain of.
async fn says_nothing(browser: &Browser) {
    let said = browser.console().await;
    assert!(said.is_empty(), "{said:#?}");
}

async fn open(browser: &Browser, world: &Watching, path: &str) {
    browser.open(&format!("http://{}/{path}", world.exporter.address)).await;
}

/// The names of the flows that can be seen, from top to bottom.
const SEEN: &str = "return [...document.querySelectorAll('tbody tr')].filter(row => row.offsetParent !== null)\
                    .map(row => row.querySelector('th bdi').textContent)";

/// Whether the page is no wider than the window.
const FITS: &str = "return document.documentElement.scrollWidth <= window.innerWidth";

fn row(key_id: u64) -> String {
    format!("tr[data-key=\"main/{key_id}\"]")
}

#[tokio::test]
async fn it_shows_filters_and_refreshes_itself_without_a_reload() {
    let mut flows = names(40);
    flows[1] = HOSTILE.to_owned();
    let world = watching(&flows).await;
    let browser = Browser::start().await;
    open(&browser, &world, "").await;

    // Content.
    assert_eq!(browser.run(SEEN).await, json!(flows));
    let first = browser.text(&row(1)).await;
    says(&first, &["reminder 1", "main", "team=growth", "◐ in progress"]);
    says(&first, &["1 of 3 rounds completed", "every 500 ms"]);
    let color = "return getComputedStyle(document.querySelector('tbody .status')).color";
    let of_body = "return getComputedStyle(document.body).color";
    assert_ne!(browser.run(color).await, browser.run(of_body).await);
    assert_eq!(browser.text("#shown").await, "40 of 40 shown");

    // A hostile name is a name.
    let name = format!("return document.querySelector('{} bdi').textContent", row(2));
    assert_eq!(browser.run(&name).await, json!(HOSTILE));
    let foreign = "return document.querySelectorAll('main script, main img, main [onerror]').length";
    assert_eq!(browser.run(foreign).await, json!(0));

    // Filter by typing: name, key, status, label.
    browser.type_into("#filter", "REMINDER 4").await;
    browser.becomes(SEEN, reminders([4, 14, 24, 34, 40])).await;
    assert_eq!(browser.text("#shown").await, "5 of 40 shown");
    let search = "return location.search";
    assert_eq!(browser.run(search).await, json!("?filter=REMINDER%204"));

    // A changed status comes by itself, on top, and neither filter, scroll position nor page are lost.
    browser
        .run("window.marker = 'still here'; document.body.style.minHeight = '3000px'; scrollTo(0, 120)")
        .await;
    pin(&world, 24, 4);
    let text = format!("return document.querySelector('{}').dataset.status", row(24));
    browser.becomes(&text, json!("execution_exception")).await;
    let changed = browser.text(&row(24)).await;
    says(&changed, &["✕ execution exception", "→"]);
    browser.becomes(SEEN, reminders([24, 4, 14, 34, 40])).await;
    assert_eq!(browser.run("return window.marker").await, json!("still here"));
    assert_eq!(browser.run("return scrollY").await, json!(120));
    let filter = "return document.getElementById('filter').value";
    assert_eq!(browser.run(filter).await, json!("REMINDER 4"));
    let title = browser.run("return document.title").await;
    assert_eq!(title, json!("(1) LAAFFIC redial exporter"));

    // The counts above are filters too.
    browser
        .run("document.querySelector('#summary .execution_exception a').click()")
        .await;
    browser.becomes(SEEN, reminders([24])).await;
    // And such an address shows the same again, with all flows there to be shown.
    open(&browser, &world, "?filter=execution_exception").await;
    let shown = "return document.getElementById('shown').value";
    browser.becomes(shown, json!("1 of 40 shown")).await;
    assert_eq!(browser.run(SEEN).await, reminders([24]));
    browser.run("document.getElementById('filter').value = ''").await;
    browser.type_into("#filter", "main/").await;
    browser.becomes(SEEN, json!([])).await;
    assert_eq!(browser.text("#nothing").await, "No flow matches the filter.");

    // While nobody looks, nothing is asked; who comes back sees the present state at once.
    let look = |hidden: bool| {
        format!(
            "Object.defineProperty(document, 'hidden', {{configurable: true, value: {hidden}}}); \
             document.dispatchEvent(new Event('visibilitychange'))"
        )
    };
    browser.run(&look(true)).await;
    pin(&world, 24, 2);
    browser.run(&look(false)).await;
    browser.becomes(&text, json!("completed")).await;

    says_nothing(&browser).await;
}

/// Whether the page shows what a fresh one shows, whatever the script hides, opens or lets grow; else both.
const AS_FRESH: &str = "\
    const shown = (page) => {
        const main = page.querySelector('main').cloneNode(true);
        for (const one of main.querySelectorAll('*')) ['hidden', 'open', 'aria-current'].forEach((name) => one.removeAttribute(name));
        for (const one of main.querySelectorAll('#lost, #shown, time')) one.textContent = '';
        return page.title + main.innerHTML.replace(/>\\s+</g, '><');
    };
    const request = new XMLHttpRequest();
    request.open('GET', location.pathname, false);
    request.send();
    const [here, there] = [document, new DOMParser().parseFromString(request.responseText, 'text/html')].map(shown);
    return here === there || [here, there]";

/// Whether some flow is in a group of such that cannot be fetched for one reason.
fn grouped(key_id: u64) -> String {
    format!("return document.querySelector('.alike {}') !== null", row(key_id))
}

#[tokio::test]
async fn a_tab_that_lives_on_changes_shows_what_a_fresh_one_shows() {
    let flows = names(60);
    let world = watching(&flows).await;
    let browser = Browser::start().await;
    open(&browser, &world, "").await;
    let status = |key_id| format!("return document.querySelector('{}')?.dataset.status", row(key_id));
    let fails = |key_id, status: Option<u16>| {
        let fault = status.map(|status| {
            FaultPlan::always(Fault::HttpStatus {
                status,
                retry_after: None,
            })
        });
        let scope = Scope::Flow("main".to_owned(), key_id);
        world.simulator.vendor().set_faults(&scope, fault).unwrap();
    };
    let reload = async |numbers: std::ops::RangeInclusive<usize>| {
        let flows: Vec<_> = numbers
            .clone()
            .map(|number| format!("{} again", name(number)))
            .collect();
        let global = "poll_interval: 500ms, terminal_poll_interval: 500ms";
        let keys = numbers.map(|number| number as u64);
        let text = config(&world.simulator, &world.account, global, keys.zip(&flows).map(flow));
        world.exporter.folder.write("config.yaml", text);
        let answer = world.exporter.ask(Method::POST, "/-/reload").await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    };
    let mark = format!(
        "document.querySelector('{}').mark = true; getSelection().selectAllChildren(document.querySelector('{} th'))",
        row(30),
        row(30)
    );
    browser.run(&mark).await;
    let selected = browser.run("return getSelection().toString()").await;

    // Rows that change places.
    for (key_id, new) in [(59, 4), (7, 4), (20, 2), (21, 3)] {
        pin(&world, key_id, new);
    }
    browser.becomes(&status(21), json!("cancelled")).await;
    browser.becomes(&status(59), json!("execution_exception")).await;
    browser.becomes(AS_FRESH, json!(true)).await;
    pin(&world, 59, 1);
    pin(&world, 20, 4);
    browser.becomes(&status(59), json!("in_progress")).await;
    browser.becomes(AS_FRESH, json!(true)).await;

    // A group forms, is opened, grows, shrinks, and dissolves.
    fails(3, Some(404));
    fails(40, Some(404));
    browser.becomes(&grouped(40), json!(true)).await;
    browser.becomes(AS_FRESH, json!(true)).await;
    browser.run("document.querySelector('.alike summary').click()").await;
    fails(60, Some(404));
    fails(3, None);
    browser.becomes(&grouped(60), json!(true)).await;
    browser.becomes(&grouped(3), json!(false)).await;
    browser.becomes(AS_FRESH, json!(true)).await;
    assert_eq!(
        browser
            .run("return document.querySelector('.alike details').open")
            .await,
        json!(true)
    );
    fails(40, Some(403));
    browser.becomes(&grouped(60), json!(false)).await;
    browser.becomes(AS_FRESH, json!(true)).await;
    for key_id in [40, 60] {
        fails(key_id, None);
    }
    browser.becomes(&status(60), json!("in_progress")).await;
    browser.becomes(AS_FRESH, json!(true)).await;
    let (mark, selection) = (
        format!("return document.querySelector('{}').mark", row(30)),
        "return getSelection().toString()",
    );
    assert_eq!(browser.run(&mark).await, json!(true), "what has not changed stays");
    assert_eq!(browser.run(selection).await, selected);

    // Flows go and come, while a filter is typed.
    browser.type_into("#filter", "reminder 1").await;
    reload(5..=50).await;
    let left = (10..20).chain([21, 31, 41]);
    browser
        .becomes(SEEN, left.map(|number| format!("{} again", name(number))).collect())
        .await;
    browser.becomes(AS_FRESH, json!(true)).await;
    reload(1..=60).await;
    browser
        .becomes("return document.getElementById('shown').value", json!("15 of 60 shown"))
        .await;
    browser.becomes(AS_FRESH, json!(true)).await;

    // And none of this was sent as a whole page, but that it was compared with.
    let whole = "return performance.getEntriesByType('resource').filter((entry) => entry.initiatorType === 'fetch' \
                 && !entry.name.includes('since=')).map((entry) => entry.name)";
    assert_eq!(browser.run(whole).await, json!([]));
    let largest = "return Math.max(...performance.getEntriesByType('resource').filter((entry) => entry.initiatorType === 'fetch') \
                   .map((entry) => entry.decodedBodySize))";
    let sizes = (
        browser.run(largest).await.as_f64().unwrap(),
        world.exporter.get("/").await.body.len() as f64,
    );
    assert!(sizes.0 > 0.0 && sizes.0 < sizes.1, "{sizes:?}");
    says_nothing(&browser).await;
}

#[tokio::test]
async fn it_says_so_when_the_exporter_does_not_answer() {
    let mut world = watching(&names(3)).await;
    let browser = Browser::start().await;
    open(&browser, &world, "").await;
    let lost = "return !document.getElementById('lost').hidden";
    assert_eq!(browser.run(lost).await, json!(false));
    world.exporter.process.kill();
    browser.becomes(lost, json!(true)).await;
    let told = browser.text("#lost").await;
    assert!(told.starts_with("The exporter does not answer ("), "{told}");
    let mut again = exporter(["--web.listen-address", &world.exporter.address.to_string()]);
    again.current_dir(world.exporter.folder.path());
    world.exporter.process = Process::start(again);
    ready(world.exporter.address).await;
    pin(&world, 1, 3);
    browser.becomes(lost, json!(false)).await;
    let status = format!("return document.querySelector('{}').dataset.status", row(1));
    browser.becomes(&status, json!("cancelled")).await;
}

#[tokio::test]
async fn without_scripts_it_shows_and_filters_as_well() {
    let world = watching(&names(40)).await;
    let browser = Browser::start().await;
    let disabled = json!({"value": true});
    browser.devtools("Emulation.setScriptExecutionDisabled", disabled).await;
    open(&browser, &world, "").await;
    assert_eq!(browser.run(SEEN).await.as_array().map(Vec::len), Some(40));
    // The key that sends a form. Only a form writes a space as a plus: the script does not.
    browser.type_into("#filter", "reminder 4\u{e007}").await;
    browser
        .becomes("return location.search", json!("?filter=reminder+4"))
        .await;
    assert_eq!(browser.run(SEEN).await, reminders([4, 14, 24, 34, 40]));
}

#[tokio::test]
async fn it_fits_a_phone_and_is_dark_where_that_is_wished_for() {
    let mut flows = names(5);
    flows[0] = HOSTILE.repeat(4);
    flows[2] = "word-without-an-end".repeat(20);
    let world = watching(&flows).await;
    pin(&world, 4, 4);
    let browser = Browser::start().await;
    open(&browser, &world, "").await;
    let dark = |scheme: &str| json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
    let paper = "const [r, g, b] = getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number); return r + g + b";
    browser.devtools("Emulation.setEmulatedMedia", dark("light")).await;
    assert!(browser.run(paper).await.as_u64().unwrap() > 600);
    browser.devtools("Emulation.setEmulatedMedia", dark("dark")).await;
    assert!(browser.run(paper).await.as_u64().unwrap() < 150);
    assert_eq!(browser.run(FITS).await, json!(true));
    for width in [390, 320] {
        let phone = json!({"width": width, "height": 844, "deviceScaleFactor": 2, "mobile": true});
        browser.devtools("Emulation.setDeviceMetricsOverride", phone).await;
        browser.becomes("return innerWidth", json!(width)).await;
        assert_eq!(browser.run(FITS).await, json!(true), "{width}");
        let outside = "return [...document.querySelectorAll('body *')].filter(e => e.checkVisibility() && !e.closest('caption') \
                       && e.getBoundingClientRect().right > innerWidth + 1).map(e => e.outerHTML.slice(0, 80))";
        assert_eq!(browser.run(outside).await, json!([]), "{width}");
    }
    says_nothing(&browser).await;
}

#[tokio::test]
async fn two_thousand_flows_can_be_filtered_and_refreshed() {
    let world = watching(&names(2000)).await;
    let browser = Browser::start().await;
    open(&browser, &world, "").await;
    assert_eq!(browser.run(SEEN).await.as_array().map(Vec::len), Some(2000));
    browser.type_into("#filter", "reminder 1999").await;
    browser.becomes(SEEN, reminders([1999])).await;
    let took = "const input = document.getElementById('filter'), start = performance.now(); input.value = 'reminder 200'; \
                input.dispatchEvent(new Event('input')); document.body.offsetHeight; return performance.now() - start";
    let milliseconds = browser.run(took).await.as_f64().unwrap();
    assert!(milliseconds < 1000.0, "{milliseconds}");
    browser.becomes(SEEN, reminders([200, 1200, 2000])).await;
    let now = json!(browser.text("#now").await);
    let later = format!("return document.getElementById('now').innerText !== {now}");
    browser.becomes(&later, json!(true)).await;
    assert_eq!(browser.run(SEEN).await, reminders([200, 1200, 2000]));
    says_nothing(&browser).await;
}
