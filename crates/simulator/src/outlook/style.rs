//! The page's style sheet and its few lines of script.
//!
//! Neither may ever name another address: the page has to work where nothing else can be reached.

/// Inline, because the page may load nothing.
pub(super) const CSS: &str = r#"
*{box-sizing:border-box}
body{margin:0;font:14px/1.45 "Segoe UI",system-ui,-apple-system,"Helvetica Neue",Arial,sans-serif;color:#242424;background:#f6f7f9}
a{color:inherit;text-decoration:none}
header{display:flex;align-items:baseline;gap:16px;padding:12px 28px;background:#0f6cbd;color:#fff}
.brand{font-weight:600;font-size:16px}
.note{font-size:12px;opacity:.85}
main{max-width:1500px;margin:0 auto;padding:20px 28px 40px}
nav{display:flex;align-items:center;gap:6px;margin-bottom:14px}
h1{font-size:20px;font-weight:600;margin:0 0 0 10px;flex:1}
.button,.views a,.chooser a{padding:5px 13px;border:1px solid #d6d9de;border-radius:16px;background:#fff}
.arrow{width:32px;height:32px;display:grid;place-items:center;font-size:22px;line-height:1;border-radius:50%}
.arrow:hover,.button:hover,.views a:hover,.chooser a:hover{background:#eaf1f9}
.views{display:flex}.views a:first-child{border-radius:16px 0 0 16px;border-right:0}.views a:last-child{border-radius:0 16px 16px 0}
.views a.on,.chooser a.on{background:#0f6cbd;border-color:#0f6cbd;color:#fff}
.chooser{display:flex;flex-wrap:wrap;gap:6px;margin-bottom:16px;font-size:12.5px}.chooser a{padding:2px 11px}
.more{color:#707780;align-self:center}
.week,.month{background:#fff;border:1px solid #e3e6ea;border-radius:10px;box-shadow:0 1px 3px #0000000d}
.head{display:grid;border-bottom:1px solid #e3e6ea}
.week .head,.week .row{display:grid;grid-template-columns:190px 1fr}
.week .head{grid-template-columns:190px repeat(7,1fr)}
.month .head{grid-template-columns:repeat(7,1fr)}
.day{padding:9px 12px;color:#5c636b;font-size:12px}
.day b{display:inline-grid;place-items:center;min-width:28px;height:28px;margin-left:5px;font-size:16px;font-weight:500;color:#242424}
.day.today{color:#0f6cbd}.day.today b{background:#0f6cbd;color:#fff;border-radius:50%}
.row+.row,.month .lane+.lane{border-top:1px solid #eceef1}
.who{padding:12px 14px;min-width:0}.who span{display:block;overflow:hidden;text-overflow:ellipsis;white-space:nowrap}
.name{font-weight:600}.address,.zone,.reply{font-size:11.5px;color:#707780}.reply{color:#7a3fa8}
.lane{position:relative;min-height:84px}.month .lane{min-height:116px}
.backdrop{position:absolute;inset:0;display:grid;grid-template-columns:repeat(7,1fr)}
.cell{border-left:1px solid #eceef1}.month .cell:first-child{border-left:0}
.cell.weekend{background:#fafbfc}.cell.today{background:#f0f6fc}
.cell span{display:block;padding:5px 9px;font-size:12px;color:#5c636b}.cell.other span{color:#b9bec5}
.cell.today span{color:#0f6cbd;font-weight:700}
.events{position:relative;display:grid;grid-template-columns:repeat(7,1fr);grid-auto-flow:row dense;grid-auto-rows:min-content;row-gap:3px;padding:8px 0}
.month .events{padding-top:28px}
.event{position:relative;min-width:0;margin:0 3px 0 4px;font-size:12.5px}
.event summary{display:flex;align-items:center;gap:6px;padding:3px 8px;border-radius:3px;cursor:pointer;list-style:none;overflow:hidden;white-space:nowrap}
.event summary::-webkit-details-marker{display:none}
.event summary:hover{filter:brightness(.96)}
.bar.begins summary{border-radius:5px 0 0 5px}.bar.ends summary{border-radius:0 5px 5px 0}.bar.begins.ends summary{border-radius:5px}
.bar:not(.begins){margin-left:0}.bar:not(.ends){margin-right:0}
.subject{overflow:hidden;text-overflow:ellipsis}.time{font-variant-numeric:tabular-nums;color:#5c636b;font-size:11.5px}
.owner{font-weight:600}.calendar{padding:0 5px;border:1px solid currentColor;border-radius:8px;font-size:10.5px;opacity:.75}.lock{display:inline-flex;opacity:.8}
.week .slot summary{flex-wrap:wrap;gap:0 6px;white-space:normal}
.oof{--strong:#7a3fa8;--soft:#efe6f7}.busy{--strong:#0f6cbd;--soft:#e3effa}.tentative{--strong:#0f6cbd;--soft:#f2f8fd}
.workingElsewhere{--strong:#0b8a80;--soft:#e4f5f3}.free,.unknown{--strong:#9aa1a9;--soft:#fff}
.event summary{background:var(--soft);border-left:4px solid var(--strong)}
.week .bar.oof summary,.week .bar.busy summary{background:var(--strong);color:#fff}
.tentative summary,i.tentative{background:repeating-linear-gradient(135deg,#fff 0 5px,#d3e5f6 5px 9px)!important}
.workingElsewhere summary{border-left-style:dotted}
.free summary,.unknown summary{box-shadow:inset 0 0 0 1px #d6d9de}
.month .event summary{background:hsl(var(--hue) 70% 94%);color:hsl(var(--hue) 60% 22%)}
.month .tentative summary{background:repeating-linear-gradient(135deg,#fff 0 5px,hsl(var(--hue) 60% 88%) 5px 9px)!important}
.month .event:not(.begins):not(.slot) summary{border-left-width:0}
.month .slot summary{background:none}.month .slot .owner{color:hsl(var(--hue) 60% 32%)}
.card{position:absolute;z-index:9;top:calc(100% + 5px);left:0;width:330px;padding:14px 16px;background:#fff;color:#242424;border:1px solid #dfe3e8;border-radius:9px;box-shadow:0 10px 28px #00000026;white-space:normal}
.left .card{left:auto;right:0}
dl{display:grid;grid-template-columns:84px 1fr;gap:4px 10px;margin:10px 0 0;font-size:12px}dt{color:#707780}dd{margin:0;overflow-wrap:anywhere}
footer,.people{display:flex;flex-wrap:wrap;gap:8px 20px;margin:16px 2px 0;font-size:12px;color:#4a5057}
.key{display:inline-flex;align-items:center;gap:6px}.quiet{color:#707780}
footer i{width:22px;height:12px;border-radius:3px;background:var(--strong)}footer i.workingElsewhere{background:var(--soft);border-left:4px dotted var(--strong)}footer i.free{background:#fff;box-shadow:inset 0 0 0 1px #b9bec5}
.people span::before{content:"";display:inline-block;width:10px;height:10px;margin-right:7px;border-radius:50%;background:hsl(var(--hue) 60% 55%)}
.empty{padding:70px 20px;text-align:center;background:#fff;border:1px solid #e3e6ea;border-radius:10px}
.empty h2{font-weight:600;margin:0 0 6px}.empty pre{display:inline-block;max-width:100%;overflow:auto;padding:12px 16px;text-align:left;background:#f6f7f9;border-radius:8px}
.empty a{color:#0f6cbd}
"#;

/// Looks for news every three seconds, unless somebody is reading; opening one event closes the others.
pub(super) const SCRIPT: &str = r#"
setInterval(async () => {
  if (document.hidden || document.querySelector("details[open]")) return;
  const answer = await fetch(location.href).catch(() => null);
  if (!answer || !answer.ok) return;
  const news = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("main");
  if (news) document.querySelector("main").replaceWith(document.adoptNode(news));
}, 3000);
document.addEventListener("click", (click) => {
  const opened = click.target.closest("details");
  for (const other of document.querySelectorAll("details[open]")) if (other !== opened) other.open = false;
});
"#;
