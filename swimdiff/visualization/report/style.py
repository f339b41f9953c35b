"""Style of the report: light and dark by the reader's system, nothing loaded from elsewhere."""

__all__ = ['CSS']

CSS = """
:root { color-scheme: light dark; --page: #f6f7f9; --card: #ffffff; --ink: #16191d;
  --ink-2: #555d68; --line: #dfe3e8; --series-1: #2166c4; --series-2: #c4570c; --series-3: #26805b;
  --good: #1d7a4c; --warn: #9a6400; --bad: #b3261e; --good-bg: #e3f4ea; --warn-bg: #fdf1d8;
  --bad-bg: #fce4e2; --none-bg: #eceff2; }
@media (prefers-color-scheme: dark) { :root { --page: #101317; --card: #191d23; --ink: #e8eaed;
  --ink-2: #a4adb9; --line: #2e353e; --series-1: #6ea8fe; --series-2: #f29a52; --series-3: #5cc497;
  --good: #6fd39b; --warn: #f0bd5a; --bad: #ff8a80; --good-bg: #16301f; --warn-bg: #35290d;
  --bad-bg: #3b1a18; --none-bg: #262c34; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif; }
main { max-width: 1180px; margin: 0 auto; padding: 28px 20px 60px; }
h1 { font-size: 25px; line-height: 1.25; margin: 0; overflow-wrap: anywhere; }
h2 { font-size: 18px; margin: 38px 0 4px; }
h3 { font-size: 14px; margin: 0 0 2px; font-weight: 600; }
p { margin: 0; } .sub { color: var(--ink-2); font-size: 14px; margin-bottom: 12px; }
.note { color: var(--ink-2); font-size: 12.5px; line-height: 1.4; }
header { display: flex; flex-wrap: wrap; gap: 10px 16px; align-items: center; }
.grid { display: grid; gap: 14px; grid-template-columns: repeat(auto-fill, minmax(340px, 1fr)); }
.tiles { display: grid; gap: 12px; margin-top: 18px;
  grid-template-columns: repeat(auto-fill, minmax(165px, 1fr)); }
.card, .tile { background: var(--card); border: 1px solid var(--line); border-radius: 10px;
  padding: 14px 16px; min-width: 0; }
.tile b { display: block; font-size: 21px; line-height: 1.3; font-variant-numeric: tabular-nums; }
.tile span { color: var(--ink-2); font-size: 12.5px; display: block; }
.card svg { width: 100%; height: auto; display: block; margin-top: 6px; }
.state { padding: 3px 11px; border-radius: 20px; font-size: 13px; font-weight: 600;
  white-space: nowrap; }
.good { color: var(--good); background: var(--good-bg); }
.warn { color: var(--warn); background: var(--warn-bg); }
.bad { color: var(--bad); background: var(--bad-bg); }
.none { color: var(--ink-2); background: var(--none-bg); }
.banner { margin-top: 16px; padding: 12px 16px; border-radius: 10px; overflow-wrap: anywhere; }
table { border-collapse: collapse; width: 100%; } .scroll { overflow-x: auto; }
td, th { text-align: left; padding: 7px 12px 7px 0; border-bottom: 1px solid var(--line);
  vertical-align: top; font-size: 14px; } tr:last-child td { border-bottom: 0; }
td { overflow-wrap: anywhere; } td.key { white-space: nowrap; color: var(--ink-2); }
th { color: var(--ink-2); font-weight: 500; font-size: 12.5px; }
.shots { display: grid; gap: 14px; grid-template-columns: repeat(auto-fill, minmax(230px, 1fr)); }
.pair { display: grid; grid-template-columns: 1fr 1fr; gap: 3px; }
dl { columns: 2; column-gap: 36px; margin: 0; font-size: 14px; }
dl div { display: flex; gap: 12px; break-inside: avoid; padding: 5px 0;
  border-bottom: 1px solid var(--line); } dl .wide { column-span: all; }
dt { color: var(--ink-2); flex: 0 0 92px; } dd { margin: 0; min-width: 0; overflow-wrap: anywhere; }
.strip { display: grid; grid-template-columns: repeat(6, minmax(0, 128px)); gap: 8px; }
figure { margin: 0; }
figure img { width: 100%; aspect-ratio: 1; border-radius: 4px; display: block; }
figcaption { color: var(--ink-2); font-size: 12px; line-height: 1.3; padding-top: 3px;
  font-variant-numeric: tabular-nums; }
pre { font: 12.5px/1.45 ui-monospace, 'DejaVu Sans Mono', Menlo, monospace; overflow: auto;
  max-height: 560px; margin: 10px 0 0; } summary { cursor: pointer; font-weight: 600; }
footer { color: var(--ink-2); font-size: 12.5px; margin-top: 40px; }
@media (max-width: 640px) { .strip { grid-template-columns: repeat(3, 1fr); }
  dl { columns: 1; } }
"""
