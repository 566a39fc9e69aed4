const page = JSON.parse(document.getElementById("measurements").textContent);
const $ = (id) => document.getElementById(id);
const cells = page.cells.map((row) => Object.fromEntries(page.columns.map((name, i) => [name, row[i]])));
const BY_PLACE = ["frame", "frames", "scan"], ASKED = {
  place: "frames by their place, in all three ways", ...page.accesses,
};
delete ASKED.length;
const KINDS = { "": "all kinds", ...Object.fromEntries([...new Set(page.clips.map((clip) => clip.kind))].sort().map((k) => [k, k])) };
const number = (value) => value.toLocaleString("en");
const sum = (rows, key) => rows.reduce((total, row) => total + row[key], 0);

function element(name, text, kind = "") {
  const made = document.createElement(name);
  made.textContent = text;
  if (kind) made.className = kind;
  return made;
}
function heading(text, scope, kind = "") {
  const made = element("th", text, kind);
  made.scope = scope;
  return made;
}
function fill(select, values) {
  select.replaceChildren(...Object.entries(values).map(([value, label]) => new Option(label, value)));
}

const accesses = () => $("access").value === "place" ? BY_PLACE : [$("access").value];
// A disputed clip has no right answer that everybody shares: it is counted against nobody unless one asks to see it.
const clips = () => page.clips.filter((clip) => (!$("kind").value || clip.kind === $("kind").value)
  && ($("which").value === "disputed" ? clip.disputed : !clip.disputed));

function judged() {
  const names = new Set(clips().map((clip) => clip.name)), ways = accesses();
  return page.readers.map((reader) => {
    const own = cells.filter((row) => row.reader === reader.name && names.has(row.clip));
    const rows = own.filter((row) => ways.includes(row.access));
    const lengths = own.filter((row) => row.access === "length" && row.length !== -1 && row.length !== row.frames).length;
    const line = { reader, rows, lengths, asked: sum(rows, "asked"), wrong: sum(rows, "wrong"), refused: sum(rows, "refused") };
    line.ended = sum(rows, "failed") + sum(rows, "hung");
    line.clips = new Set(rows.map((row) => row.clip)).size;
    line.misled = new Set(rows.filter((row) => row.wrong).map((row) => row.clip)).size;
    return line;
  }).sort((a, b) => (a.asked ? 0 : 1) - (b.asked ? 0 : 1) || (a.wrong + a.ended) - (b.wrong + b.ended) || a.refused - b.refused);
}

// The time of a frame, on the clip of each frame size; it does not depend on the kind of clip that is chosen.
function milliseconds(reader, clip) {
  const way = accesses()[0];
  const row = cells.find((one) => one.reader === reader.name && one.clip === clip && one.access === way && one.right);
  return row ? +(row.seconds * 1e3).toPrecision(2) : null;
}

function byReader(lines) {
  const sizes = Object.entries(page.sizes);
  const head = document.createElement("tr");
  for (const [text, kind] of [["Reader", ""], ["Wrong frames", ""], ["Asked for", ""], ["Clips with a wrong frame", ""], ["Refused", ""],
    ["Failed or hung", ""], ["Wrong lengths", ""], ...sizes.map(([, size]) => [`ms, ${size}`, "roomy"])]) head.append(heading(text, "col", kind));
  $("readers").tHead.replaceChildren(head);
  $("readers").tBodies[0].replaceChildren(...lines.map((line) => {
    const row = document.createElement("tr");
    row.append(heading(`${line.reader.title} ${line.reader.version}`, "row"));
    if (!line.asked) {
      const cell = row.insertCell();
      cell.colSpan = 5;
      cell.className = "text";
      cell.textContent = "has no such call";
    } else {
      row.insertCell().textContent = number(line.wrong);
      row.cells[1].className = line.wrong ? "wrong" : "";
      for (const text of [number(line.asked), `${line.misled} of ${line.clips}`, number(line.refused), number(line.ended)]) row.insertCell().textContent = text;
    }
    row.insertCell().textContent = line.lengths;
    for (const [clip] of sizes) {
      const cell = row.insertCell();
      cell.className = "roomy";
      cell.textContent = milliseconds(line.reader, clip) ?? "";
    }
    return row;
  }));
}

function told(rows) {
  if (!rows.length) return ["·", "not asked"];
  const [wrong, refused, ended] = [sum(rows, "wrong"), sum(rows, "refused"), sum(rows, "failed") + sum(rows, "hung")];
  if (ended) return [`${ended} x`, `${ended} failed or hung`];
  if (wrong) return [String(wrong), `${wrong} wrong`];
  return refused ? [`${refused} r`, `${refused} refused`] : ["0", "all right"];
}
const address = (clip, reader) => `#clip=${encodeURIComponent(clip)}${reader ? `&reader=${encodeURIComponent(reader)}` : ""}`;

function byClip(lines) {
  const head = document.createElement("tr");
  head.append(heading("Clip", "col"), ...lines.map((line) => heading(line.reader.title, "col")));
  $("clips").tHead.replaceChildren(head);
  const rows = clips().map((clip) => {
    const row = document.createElement("tr"), name = heading("", "row"), link = element("a", clip.name);
    link.href = address(clip.name);
    name.append(link);
    row.append(name);
    for (const line of lines) {
      const [text, words] = told(line.rows.filter((one) => one.clip === clip.name)), cell = row.insertCell();
      if (text === "0" || text === "·") { cell.textContent = text; cell.className = "quiet"; continue; }
      const count = element("a", text, /^\d+$/.test(text) ? "wrong" : "");
      count.href = address(clip.name, line.reader.name);
      count.setAttribute("aria-label", `${text}: ${words}, ${line.reader.title}, ${clip.name}`);
      cell.append(count);
    }
    return row;
  });
  $("clips").tBodies[0].replaceChildren(...rows);
}

function outcome(row) {
  if (row.access === "length") return row.length === -1 ? (row.error || "does not say") : `says ${row.length}, there are ${row.frames}`;
  const counts = ["right", "wrong", "refused", "failed", "hung"].filter((key) => row[key]).map((key) => `${number(row[key])} ${key}`);
  const [place, due, shown] = row.mistake || [];
  const first = row.mistake ? `; asked for frame ${place}, which shows ${due}, it gave one that shows ${shown}` : "";
  return `${counts.join(", ")} of ${number(row.asked)}${first}${row.error ? `; ${row.error}` : ""}`;
}

function open() {
  const asked = new URLSearchParams(location.hash.slice(1)), clip = page.clips.find((one) => one.name === asked.get("clip"));
  $("cell").hidden = !clip;
  if (!clip) return;
  const parts = [element("h3", clip.name), element("p", `${clip.about}. ${clip.frames} frames of ${clip.size.join(" x ")} pixels.`)];
  if (clip.disputed) parts.push(element("p", `Disputed, and counted against nobody: ${clip.disputed}.`));
  for (const reader of page.readers.filter((one) => !asked.get("reader") || one.name === asked.get("reader"))) {
    parts.push(element("h4", `${reader.title} ${reader.version}`));
    const list = document.createElement("ul");
    for (const row of cells.filter((one) => one.reader === reader.name && one.clip === clip.name)) {
      const item = element("li", `${page.accesses[row.access]}: ${outcome(row)}. `);
      item.append(element("code", `vidformats referee --clip ${clip.name} --reader ${reader.name} --access ${row.access} `
        + `--requests ${page.requests} --seed ${page.seed}`));
      list.append(item);
    }
    parts.push(list);
  }
  $("cell").replaceChildren(...parts);
  $("cell").focus();
}

function draw() {
  const lines = judged(), asked = lines.filter((line) => line.asked), best = asked.filter((line) => !line.wrong && !line.ended);
  byReader(lines);
  byClip(lines);
  const names = (found) => found.map((line) => line.reader.title).join("; ");
  $("answer").textContent = !asked.length ? "No reader was asked that." : best.length
    ? `No wrong frame: ${names(best)}. ${asked.length - best.length} of ${asked.length} ways of reading return a wrong frame somewhere, or fail.`
    : "Every reader returns a wrong frame here.";
  $("asked").textContent = `${clips().length} clips, ${ASKED[$("access").value]}, the fewest wrong frames first.`;
}

fill($("kind"), KINDS);
fill($("access"), ASKED);
fill($("which"), { "": "those that count", disputed: "disputed ones" });
$("missing").replaceChildren(...page.missing.map((one) => element("p", `${one.title} was not judged: ${one.why}.`, "quiet")));
$("facts").textContent = page.facts;
$("controls").addEventListener("input", draw);
addEventListener("hashchange", open);
draw();
open();
document.documentElement.dataset.drawn = "yes";
