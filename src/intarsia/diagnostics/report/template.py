"""The frame and the style sheet of the pages that diagnostics write."""

from string import Template

STYLE = """
:root {
  --paper: #fdfcfa; --ink: #1f1d1a; --quiet: #736d64; --hair: #e7e2d9; --wash: #f4f0e9; --accent: #8a4b22;
  color-scheme: light dark;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #171613; --ink: #ece7de; --quiet: #9d968a; --hair: #34302a; --wash: #211f1b; --accent: #dda06a;
  }
}
* { box-sizing: border-box; margin: 0; }
body {
  background: var(--paper); color: var(--ink); -webkit-text-size-adjust: 100%;
  font: 16px/1.55 -apple-system, BlinkMacSystemFont, "Segoe UI", Roboto, "Noto Sans", "Helvetica Neue", Arial,
    sans-serif;
  font-variant-numeric: tabular-nums lining-nums;
}
main { max-width: 60rem; margin: 0 auto; padding: 5rem 1.5rem 6rem; }
h1 { font-size: 2.1rem; font-weight: 600; line-height: 1.2; letter-spacing: -0.015em; text-wrap: balance; }
h2 { font-size: 1.15rem; font-weight: 600; margin-bottom: 1.4rem; }
.sentence { max-width: 44rem; margin-top: 1rem; font-size: 1.15rem; color: var(--quiet); text-wrap: pretty; }
section { margin-top: 4.5rem; }
.note, small, figcaption { font-size: 0.85rem; color: var(--quiet); }
.note { max-width: 44rem; }
b { font-weight: 600; color: var(--ink); }
.headline { margin-top: 3.5rem; }
.lead { display: flex; flex-wrap: wrap; align-items: flex-end; gap: 0.6rem 1.4rem; margin-bottom: 1.2rem; }
.number {
  font-size: clamp(4rem, 14vw, 6.5rem); font-weight: 300; line-height: 0.8; letter-spacing: -0.04em;
  color: var(--accent);
}
.beside { line-height: 1.45; color: var(--quiet); }
.beside.main { font-size: 1.15rem; line-height: 1.1; color: var(--ink); margin-right: 2rem; }
.figures {
  display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: 1.5rem;
  margin-top: 2.4rem;
}
.figures dt { font-size: 0.85rem; color: var(--quiet); }
.figures dd { font-size: 1.5rem; line-height: 1.4; }
.figures dd.note { font-size: 0.85rem; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 22rem), 1fr)); gap: 2rem 2.5rem; }
.charts figcaption { color: var(--ink); margin-bottom: 0.4rem; }
svg { display: block; max-width: 100%; height: auto; overflow: visible; }
.charts svg { width: 100%; }
svg text { font-size: 12.5px; fill: var(--quiet); }
svg .grid { stroke: var(--hair); }
svg .line { fill: none; stroke: var(--accent); stroke-width: 2; stroke-linejoin: round; stroke-linecap: round; }
svg .dot { fill: var(--accent); stroke: var(--paper); stroke-width: 1.5; }
svg .target { fill: transparent; }
svg .target:hover { fill: var(--accent); fill-opacity: 0.25; }
svg .reference { stroke: var(--quiet); stroke-width: 1.25; stroke-dasharray: 4 4; }
svg .last { fill: var(--ink); font-weight: 600; }
svg .halo { paint-order: stroke; stroke: var(--paper); stroke-width: 4px; stroke-linejoin: round; }
svg .cell { fill: var(--accent); }
svg .swatch { stroke: var(--ink); stroke-opacity: 0.25; }
svg .column { fill: var(--accent); }
svg .shade1 { fill: var(--quiet); fill-opacity: 0.75; }
svg .shade2 { fill: var(--quiet); fill-opacity: 0.5; }
svg .shade3 { fill: var(--quiet); fill-opacity: 0.28; }
svg text.small { font-size: 10.5px; }
svg .on { text-anchor: middle; fill: var(--ink); pointer-events: none; }
svg .on.dark { fill: var(--paper); }
svg .on.faint { fill: var(--quiet); }
.scroll { overflow-x: auto; margin-bottom: 1rem; }
svg.scrolls { max-width: none; }
table { width: 100%; border-collapse: collapse; margin-bottom: 1rem; }
th { text-align: left; font-weight: 400; white-space: nowrap; }
thead th { font-size: 0.85rem; color: var(--quiet); padding: 0 0 0.5rem; }
tbody th, td { padding: 0.28rem 0; }
tbody th { max-width: 14rem; overflow: hidden; text-overflow: ellipsis; padding-right: 1.2rem; }
tr > .n { text-align: right; padding-left: 1.4rem; white-space: nowrap; }
.quiet { color: var(--quiet); }
.wide { width: 60%; }
.track { display: block; position: relative; height: 0.8rem; border-radius: 2px; background: var(--wash); }
.bar { position: absolute; inset: 0 auto 0 0; border-radius: 2px; box-shadow: inset 0 0 0 1px rgb(128 128 128 / 35%); }
.mark {
  position: absolute; top: -0.2rem; bottom: -0.2rem; width: 2px; margin-left: -1px; background: var(--ink);
  box-shadow: 0 0 0 1px var(--paper);
}
i.swatch {
  display: inline-block; width: 0.7em; height: 0.7em; margin-right: 0.6em; border-radius: 2px;
  box-shadow: inset 0 0 0 1px rgb(128 128 128 / 35%);
}
.legend {
  display: flex; flex-wrap: wrap; gap: 0.3rem 1.4rem; padding: 0; list-style: none; font-size: 0.85rem;
  margin-bottom: 2rem;
}
.example { margin-top: 2.2rem; }
.example figcaption { display: flex; justify-content: space-between; gap: 1rem; margin-bottom: 0.6rem; }
.example figcaption span:first-child { color: var(--ink); overflow-wrap: anywhere; }
.example figcaption span:last-child { white-space: nowrap; }
.panels { display: grid; grid-template-columns: repeat(4, 1fr); gap: 0.6rem; }
.panels img { display: block; width: 100%; border-radius: 3px; }
.panels.five { grid-template-columns: repeat(5, 1fr); }
.panels.broad { grid-template-columns: repeat(2, 1fr); }
.scales { display: grid; grid-template-columns: repeat(2, 1fr); gap: 0 2.4rem; padding: 0.8rem 1.2rem 0; }
.scale { font-size: 0.8rem; color: var(--quiet); }
.scale i { display: block; height: 0.5rem; margin-bottom: 0.15rem; border-radius: 2px; }
.scale span { position: absolute; transform: translateX(-50%); white-space: nowrap; }
.scale div { position: relative; height: 1.3rem; }
.key { display: inline-block; width: 0.7em; height: 0.7em; margin-right: 0.6em; background: var(--quiet); }
.key.shade0 { background: var(--accent); }
.key.shade1 { opacity: 0.75; }
.key.shade2 { opacity: 0.5; }
.key.shade3 { opacity: 0.28; }
.plates {
  display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 17rem), 1fr)); gap: 2rem 1.6rem;
  align-items: start;
}
.plate img { display: block; width: 100%; border-radius: 3px; margin-bottom: 0.6rem; }
.plate svg { margin-bottom: 0.6rem; }
.plate svg:not([width]) { width: 100%; max-width: 34rem; }
.plate.whole { grid-column: 1 / -1; }
.facts { columns: 2; column-gap: 2.5rem; }
.facts div {
  display: flex; justify-content: space-between; gap: 1.5rem; padding: 0.42rem 0;
  border-bottom: 1px solid var(--hair); break-inside: avoid;
}
.facts dt { color: var(--quiet); }
.facts dd { text-align: right; overflow-wrap: anywhere; }
pre { padding: 1.1rem 1.3rem; border-radius: 4px; background: var(--wash); }
code {
  display: block; padding-left: 2em; text-indent: -2em; white-space: pre-wrap;
  font: 0.88rem/1.7 ui-monospace, "SF Mono", Menlo, Consolas, "Liberation Mono", monospace;
}
code span { display: inline-block; max-width: 100%; text-indent: 0; overflow-wrap: anywhere; }
@media (max-width: 40rem) {
  main { padding: 3rem 1.1rem 4rem; }
  h1 { font-size: 1.7rem; }
  section { margin-top: 3.5rem; }
  .wide { width: 36%; }
  tr > .n { padding-left: 0.8rem; }
  table { font-size: 0.9rem; }
  tbody th { max-width: 8rem; padding-right: 0.8rem; }
  .panels, .panels.five { grid-template-columns: repeat(2, 1fr); }
  .panels.broad { grid-template-columns: 1fr; }
  .scales { grid-template-columns: 1fr; gap: 0.8rem; }
  .facts { columns: 1; }
}
"""

PAGE = Template(
    """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="data:,">
<title>$title</title>
<style>"""
    + STYLE
    + """</style>
</head>
<body>
<main>
<header><h1>$title</h1><p class="sentence">$sentence</p></header>
$body
</main>
</body>
</html>
"""
)
