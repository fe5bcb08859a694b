/** How reports look. System fonts, two themes, eight colours that differ in lightness too. */

const LIGHT = ['#2f6fde', '#d9662b', '#138a5e', '#8b54c9', '#b8336a', '#0f8ea3', '#8a7a12', '#5b6675']
const DARK = ['#7aa7ff', '#ff9d66', '#5fd1a2', '#c09cf5', '#ff86b3', '#58d0e6', '#d9c75a', '#a7b2c2']

const colours = (list: readonly string[]) => list.map((colour, k) => `--c${k}:${colour};`).join('')
const classes = LIGHT.map((_, k) => `.c${k}{--line:var(--c${k})}`).join('')

/** The style sheet of every report. */
export const REPORT_STYLE = `
:root{--page:#f6f7f9;--card:#ffffff;--ink:#1b2430;--soft:#5d6b7c;--rule:#e3e7ec;--good:#138a5e;--bad:#b8336a;${colours(LIGHT)}}
@media (prefers-color-scheme:dark){:root{--page:#10151c;--card:#182029;--ink:#e8edf3;--soft:#9aa8b8;--rule:#2a3541;--good:#5fd1a2;--bad:#ff86b3;${colours(DARK)}}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"PingFang SC","Noto Sans CJK SC","Microsoft YaHei",sans-serif}
main{max-width:1080px;margin:0 auto;padding:40px 20px 60px;display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,480px),1fr));gap:18px}
header,.figures,.wide,footer{grid-column:1/-1}
h1{font-size:28px;line-height:1.2;margin:0 0 6px;letter-spacing:-.01em}
header p{margin:0;color:var(--soft)}
h2{font-size:16px;margin:0 0 10px}
.card{background:var(--card);border:1px solid var(--rule);border-radius:12px;padding:18px 20px;min-width:0}
.figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(155px,1fr));gap:12px}
.figure{background:var(--card);border:1px solid var(--rule);border-radius:12px;padding:14px 16px;display:flex;flex-direction:column}
.figure span,.figure small,.note,.label,footer,figcaption{color:var(--soft);font-size:13px}
.figure b{font-size:21px;white-space:nowrap;font-weight:650;letter-spacing:-.01em;font-variant-numeric:tabular-nums}
.note{margin:10px 0 0}
.legend{display:flex;flex-wrap:wrap;gap:4px 16px;margin:0 0 8px;font-size:13px;color:var(--soft)}
.legend i{display:inline-block;width:12px;height:3px;border-radius:2px;background:var(--line);margin-right:6px;vertical-align:middle}
.legend b{color:var(--ink);font-variant-numeric:tabular-nums}
.legend .dashed i{background:repeating-linear-gradient(90deg,var(--line) 0 4px,transparent 4px 6px)}
svg{display:block;width:100%;height:auto}
svg text{fill:var(--soft);font-size:15px}
svg .grid line{stroke:var(--rule)}
svg path{fill:none;stroke:var(--line);stroke-width:2;stroke-linejoin:round}
svg circle{fill:var(--line)}
svg .dashed path{stroke-dasharray:5 3}
svg .faint path{stroke-width:1;opacity:.35}
${classes}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:13.5px}
th,td{text-align:left;padding:6px 0 6px 10px;border-bottom:1px solid var(--rule);vertical-align:top}
th{color:var(--soft);font-weight:500}
th:first-child,td:first-child{padding-left:0}
.number{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
.strong td{font-weight:650}
.excerpts{columns:2 340px;column-gap:32px}
figure{margin:0 0 14px;break-inside:avoid}
pre{margin:4px 0 0;white-space:pre-wrap;overflow-wrap:anywhere;font:13.5px/1.5 ui-monospace,"SF Mono",Menlo,Consolas,"Noto Sans Mono CJK SC",monospace}
.pale{color:var(--soft)}
.right{color:var(--good);font-weight:650}
.wrong{color:var(--bad);font-weight:650}
`
