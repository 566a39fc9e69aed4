const page = JSON.parse(document.getElementById("measurements").textContent);
const $ = (id) => document.getElementById(id);
const WORDS = {
  every_4th: "every 4th frame", scan: "all frames in order", windows: "windows of frames",
  random_frames: "random single frames", random_batches: "random batches", first_frame: "the first frame",
  noise: "white noise", scene: "a made scene", face: "a face", warm: "warm", cold: "cold",
};
const words = (name) => WORDS[name] || name.replaceAll("_", " ");
const MB = 1e6;
const time = (s) => s >= 1 ? `${s.toPrecision(3)} s` : s >= 1e-3 ? `${+(s * 1e3).toPrecision(3)} ms` : `${+(s * 1e6).toPrecision(3)} µs`;
const size = (bytes) => bytes === null ? "not measured" : `${+(bytes / MB).toPrecision(3)} MB`;
const figure = (value, factor) => value === null ? "" : String(+(value * factor).toPrecision(3));
const recordings = page.recordings.map((one) => ({
  ...one, rows: one.rows.map((row) => Object.fromEntries(page.columns.map((name, i) => [name, row[i]]))),
}));

function fill(select, values, label) {
  const before = select.value;
  select.replaceChildren(...values.map((value) => new Option(label(value), value)));
  if (values.map(String).includes(before)) select.value = before;
}
const distinct = (rows, key) => [...new Set(rows.map((row) => row[key]))];
const chosen = () => recordings[$("recording").value];

// Each list offers what the lists before it leave.
function offer() {
  let rows = chosen().rows;
  for (const key of ["content", "access", "cache"]) {
    const order = Object.keys(WORDS);
    fill($(key), distinct(rows, key).sort((a, b) => order.indexOf(a) - order.indexOf(b)), words);
    rows = rows.filter((row) => row[key] === $(key).value);
  }
  return rows.filter((row) => row.disk > 0 && row.seconds > 0);
}

function limit(id) {
  const value = parseFloat($(id).value);
  return value >= 0 ? value * MB : Infinity;
}

// A header's worth of bytes decides nothing: sizes within one percent are equal.
function beats(other, point) {
  const smaller = other.disk * 1.01 < point.disk, faster = other.seconds < point.seconds;
  return (smaller && other.seconds <= point.seconds) || (faster && other.disk <= point.disk * 1.01);
}

function judge(rows) {
  const inside = (row) => row.disk <= limit("disk") && (row.memory === null ? limit("memory") === Infinity : row.memory <= limit("memory"));
  const points = rows.map((row) => ({ ...row, inside: inside(row), name: row.format.replaceAll("_", " ") }));
  for (const point of points) {
    point.front = point.inside && !points.some((other) => other.inside && beats(other, point));
    point.time = time(point.seconds);
    point.size = size(point.disk);
    point.peak = size(point.memory);
    point.spread = point.low === null ? "one sample" : `${figure(point.low, 1e3)} to ${figure(point.high, 1e3)} ms`;
    point.href = `history.html#view=explore&bench=${encodeURIComponent(point.benchmark)}&params=${point.case}&envs=${chosen().graph}`;
  }
  return points.sort((a, b) => a.seconds - b.seconds);
}

// Names stand where no point and no other name is; where there is no room, the tooltip and the table have them.
function place(points, view) {
  const x = view.scale("x"), y = view.scale("y"), wide = view.width(), high = view.height();
  const boxes = points.map((p) => [x(p.seconds) - 6, y(p.disk) - 6, x(p.seconds) + 6, y(p.disk) + 6]);
  const labels = [];
  for (const point of [...points].sort((a, b) => b.front - a.front || b.inside - a.inside)) {
    const half = point.name.length * 3.5 + 3, px = x(point.seconds), py = y(point.disk);
    const spots = [[half + 9, 0], [-half - 9, 0], [0, -15], [0, 15], [half + 5, -13], [half + 5, 13], [-half - 5, -13], [-half - 5, 13]];
    for (const [dx, dy] of spots) {
      const box = [px + dx - half, py + dy - 7, px + dx + half, py + dy + 7];
      if (box[0] < 0 || box[2] > wide || box[1] < 0 || box[3] > high) continue;
      if (boxes.some((b) => b[0] < box[2] && b[2] > box[0] && b[1] < box[3] && b[3] > box[1])) continue;
      boxes.push(box);
      labels.push({ name: point.name, x: px + dx, y: py + dy });
      break;
    }
  }
  return labels;
}

function tell(points) {
  const front = points.filter((point) => point.front);
  const over = points.length && !front.length ? "No format is within the budget." : "";
  $("answer").textContent = over || (points.length ? (front.length === 1
    ? `${front[0].name}: the fastest and the smallest, ${front[0].time} and ${front[0].size}.`
    : `Fastest: ${front[0].name}, ${front[0].time} and ${front[0].size}. Smallest: ${front.at(-1).name}, `
      + `${front.at(-1).time} and ${front.at(-1).size}.`) : "Nothing was measured for this choice.");
  $("asked").textContent = `${words($("access").value)} of ${words($("content").value)}, page cache `
    + `${$("cache").value}, fastest first; ${chosen().label}`;
  $("points").tBodies[0].replaceChildren(...points.map((point) => {
    const row = document.createElement("tr");
    row.className = point.front ? "front" : point.inside ? "" : "over";
    const name = document.createElement("th");
    name.scope = "row";
    name.textContent = point.name;
    row.append(name);
    const judged = point.front ? "yes" : point.inside ? "" : "over the budget";
    const cells = [[point.way, "text"], [figure(point.seconds, 1e3)], [point.spread.replace(" ms", "")],
      [figure(point.disk, 1 / MB)], [figure(point.memory, 1 / MB)], [judged, "text"]];
    cells.forEach(([text, kind], column) => {
      const cell = row.insertCell();
      cell.textContent = text;
      cell.className = [kind || "", [2, 5].includes(column) ? "roomy" : ""].join(" ").trim();
    });
    const cell = row.insertCell(), link = document.createElement("a");
    link.href = point.href;
    link.textContent = "graph";
    link.setAttribute("aria-label", `history of ${point.name}, ${point.way}`);
    cell.className = "text";
    cell.append(link);
    return row;
  }));
  const facts = { commit: `${chosen().commit.slice(0, 8)}, ${chosen().date} UTC`, ...chosen().machine, ...chosen().libraries };
  $("facts").tBodies[0].replaceChildren(...Object.entries(facts).map(([key, value]) => {
    const row = document.createElement("tr"), name = document.createElement("th");
    name.scope = "row";
    name.textContent = key.replaceAll("_", " ");
    row.append(name);
    const cell = row.insertCell();
    cell.textContent = value;
    cell.className = "text";
    return row;
  }));
}

async function start() {
  fill($("recording"), recordings.map((_, i) => i), (i) => recordings[i].label);
  let points = judge(offer());
  const { view } = await vegaEmbed("#chart", { ...page.chart, datasets: { points, labels: [] } },
    { actions: false, renderer: "svg", logLevel: 1 });
  async function draw() {
    await view.data("points", points).runAsync();
    await view.data("labels", place(points, view)).runAsync();
  }
  const update = () => { points = judge(offer()); tell(points); return draw(); };
  $("controls").addEventListener("input", update);
  view.addResizeListener(draw);
  await update();
  document.documentElement.dataset.drawn = "yes";
}
start();
