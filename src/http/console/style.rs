//! The console's one style sheet. It must never name another address.

use axum::{http::header, response::IntoResponse};

/// `GET /console/style.css`. It is no secret, and the same for everybody.
pub(super) async fn sheet() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8"), (header::CACHE_CONTROL, "max-age=300")], CSS)
}

const CSS: &str = r#"
:root { color-scheme: light dark;
  --text: #1d2228; --quiet: #5a636d; --ground: #f5f6f8; --card: #fff; --line: #d9dde3; --link: #0b5cad; --focus: #0b5cad;
  --good: #17663a; --good-soft: #e2f3e8; --warn: #7a4b00; --warn-soft: #fdf0d5; --bad: #a11c1c; --bad-soft: #fde5e3;
  --calm: #37507a; --calm-soft: #e6edf8; }
@media (prefers-color-scheme: dark) { :root {
  --text: #e4e7eb; --quiet: #a3abb5; --ground: #14171b; --card: #1d2126; --line: #363c44; --link: #7db8f5; --focus: #7db8f5;
  --good: #86d9a5; --good-soft: #15301f; --warn: #f2c66d; --warn-soft: #362a10; --bad: #ff9d96; --bad-soft: #3d1917;
  --calm: #a9c4f0; --calm-soft: #1d2a40; } }
* { box-sizing: border-box; }
body { margin: 0; color: var(--text); background: var(--ground);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", "Helvetica Neue", Arial, sans-serif; }
a { color: var(--link); }
:focus-visible { outline: 3px solid var(--focus); outline-offset: 2px; }
main:focus { outline: none; }
.skip { position: absolute; left: -999rem; }
.skip:focus { left: 1rem; top: .5rem; background: var(--card); padding: .3rem .6rem; }
header { display: flex; flex-wrap: wrap; align-items: center; gap: .5rem 1.5rem; padding: .7rem 1.5rem;
  background: var(--card); border-bottom: 1px solid var(--line); }
.brand { font-weight: 700; }
header nav { display: flex; gap: 1.2rem; flex: 1; }
header nav a { padding: .2rem 0; text-decoration: none; color: var(--quiet); border-bottom: 3px solid transparent; }
header nav a:hover { color: var(--text); }
header nav a[aria-current] { color: var(--text); font-weight: 600; border-color: var(--link); }
.who { display: flex; align-items: center; gap: .8rem; color: var(--quiet); font-size: .9rem; }
main { max-width: 76rem; margin: 0 auto; padding: 1.5rem; }
h1 { font-size: 1.5rem; margin: 0 0 1rem; overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin: 0 0 .8rem; }
p { margin: 0 0 .8rem; }
.quiet { color: var(--quiet); }
.card { background: var(--card); border: 1px solid var(--line); border-radius: .6rem; padding: 1.2rem; margin: 0 0 1.2rem; }
.note { padding: .8rem 1rem; margin: 0 0 1.2rem; border-radius: .4rem; border-left: 5px solid var(--calm);
  background: var(--calm-soft); overflow-wrap: anywhere; }
.note p, .note ul { margin: 0 0 .3rem; }
.note ul:empty { display: none; }
.note.good { border-color: var(--good); background: var(--good-soft); }
.note.warn { border-color: var(--warn); background: var(--warn-soft); }
.note.bad { border-color: var(--bad); background: var(--bad-soft); }
.badge { display: inline-block; padding: 0 .6rem; border-radius: 1rem; font-size: .9rem; font-weight: 600; white-space: nowrap;
  color: var(--calm); background: var(--calm-soft); }
.badge.synced, .badge.good { color: var(--good); background: var(--good-soft); }
.badge.waiting, .badge.warn { color: var(--warn); background: var(--warn-soft); }
.badge.parked, .badge.bad { color: var(--bad); background: var(--bad-soft); }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(9rem, 1fr)); gap: .8rem; margin: 0 0 1.2rem; }
.figures div { display: flex; flex-direction: column-reverse; border: 1px solid var(--line); border-radius: .4rem; padding: .5rem .8rem; }
.figures dt { color: var(--quiet); font-size: .85rem; }
.figures dd { margin: 0; font-size: 1.6rem; font-weight: 600; line-height: 1.3; font-variant-numeric: tabular-nums; }
.figures a { color: inherit; text-decoration-thickness: 1px; text-underline-offset: .2em; }
.figures .waiting.n1 { color: var(--warn); } .figures .parked.n1 { color: var(--bad); }
.facts { display: grid; grid-template-columns: minmax(8rem, max-content) 1fr; gap: .4rem 1.5rem; margin: 0; }
.facts dt { color: var(--quiet); }
.facts dd { margin: 0; overflow-wrap: anywhere; }
label { display: block; margin: 0 0 .25rem; font-size: .9rem; color: var(--quiet); }
input, select, button { font: inherit; color: inherit; }
input, select { width: 100%; min-height: 2.5rem; padding: .4rem .6rem; background: var(--card); border: 1px solid #808a96; border-radius: .35rem; }
button { padding: .45rem 1.1rem; border: 1px solid transparent; border-radius: .35rem; background: #0b5cad; color: #fff;
  font-weight: 600; cursor: pointer; }
button:hover { background: #084a8d; }
button.plain { padding: .15rem .7rem; background: none; border-color: #808a96; color: inherit; font-weight: 400; }
main > form { margin: 0 0 1.5rem; }
form.card { max-width: 34rem; } form.card input { margin: 0 0 1rem; }
label.check { display: flex; gap: .6rem; align-items: baseline; color: inherit; }
label.check input { width: auto; min-height: 0; margin: 0; }
.findings { list-style: none; margin: 0; padding: 0; }
.findings .card { padding: .8rem 1.2rem; margin: 0 0 .6rem; overflow-wrap: anywhere; } .findings p { margin: 0 0 .2rem; }
pre { overflow: auto; padding: .6rem .8rem; background: var(--ground); border-radius: .35rem; }
.filters { display: grid; grid-template-columns: repeat(auto-fill, minmax(11rem, 1fr)); gap: .8rem 1rem; align-items: end; }
.buttons { display: flex; gap: 1rem; align-items: center; }
table { width: 100%; border-collapse: collapse; background: var(--card); border: 1px solid var(--line); }
th, td { padding: .5rem .8rem; text-align: left; vertical-align: top; border-top: 1px solid var(--line); overflow-wrap: anywhere; }
thead th { border-top: 0; font-size: .85rem; color: var(--quiet); font-weight: 600; }
tbody th { font-weight: 600; } tbody th .quiet { display: block; font-weight: 400; font-size: .85rem; }
td.none { color: var(--quiet); }
td time { white-space: nowrap; }
.unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
.paging { display: flex; gap: 1.5rem; margin: 1rem 0; }
.timeline { list-style: none; margin: 0; padding: 0 0 0 1.2rem; border-left: 3px solid var(--line); }
.timeline li { margin: 0 0 1rem; }
.timeline time { color: var(--quiet); font-variant-numeric: tabular-nums; margin-right: .5rem; }
.detail { margin: .2rem 0 0; font-size: .9rem; }
.detail div { display: flex; gap: .6rem; } .detail dt { color: var(--quiet); } .detail dd { margin: 0; overflow-wrap: anywhere; }
@media (max-width: 44rem) {
  header, main { padding-left: 1rem; padding-right: 1rem; }
  .facts { grid-template-columns: 1fr; gap: 0; } .facts dd { margin: 0 0 .6rem; }
  td.none { display: none; }
  thead { position: absolute; clip-path: inset(50%); }
  table, tbody, tr { display: block; border: 0; background: none; }
  tr { background: var(--card); border: 1px solid var(--line); border-radius: .5rem; margin: 0 0 .8rem; padding: .4rem .9rem; }
  th[scope=row], td { display: flex; gap: .8rem; border: 0; padding: .2rem 0; flex-wrap: wrap; }
  th[scope=row]::before, td::before { content: attr(data-name); min-width: 5.5rem; color: var(--quiet); font-weight: 400; font-size: .9rem; }
}
@media (prefers-reduced-motion: no-preference) { a, button { transition: background .1s; } }
"#;
