const page = JSON.parse(document.getElementById("measurements").textContent);
const $ = (id) => document.getElementById(id);
const WORDS = {
  every_4th: "every 4th frame", scan: "all frames in order", windows: "windows of frames",
  random_frames: "random single frames", random_batches: "random batches", first_frame: "the first frame",
  face: "a face", scene: "a synthetic scene", noise: "white noise", warm: "warm", cold: "cold",
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

// Sizes within one percent are equal, since headers decide nothing; times are equal if their quartiles overlap, and
// without quartiles if they are within a tenth.
const low = (point) => point.low ?? point.seconds * 0.95, high = (point) => point.high ?? point.seconds * 1.05;
const faster = (a, b) => high(a) < low(b), smaller = (a, b) => a.disk * 1.01 < b.disk;
const beats = (a, b) => (smaller(a, b) && !faster(b, a)) || (faster(a, b) && !smaller(b, a));
const equal = (a, b) => !faster(a, b) && !faster(b, a) && !smaller(a, b) && !smaller(b, a);

// Of equals the plainest is the choice: ours before published, then the fewest parts to get wrong.
const PLAIN = ["npy", "binary", "h5", "mat_frames", "npz", "pickle", "h5_frames", "mat", "h5_plain", "h5_chunked", "png", "jpg",
  "webp", "mp4", "avi_mjpg"];
const plainness = (point) => (point.way === "ours" ? 0 : 100) + (PLAIN.indexOf(point.format) + 1 || 50);

function judge(rows) {
  const inside = (row) => row.disk <= limit("disk") && (row.memory === null ? limit("memory") === Infinity : row.memory <= limit("memory"));
  const points = rows.map((row) => ({ ...row, inside: inside(row), name: row.format.replaceAll("_", " ") }));
  const allowed = points.filter((point) => point.inside);
  const best = allowed.filter((point) => !allowed.some((other) => beats(other, point)));
  best.sort((a, b) => plainness(a) - plainness(b));
  const front = best.filter((point, place) => !best.slice(0, place).some((plainer) => equal(plainer, point)));
  for (const point of points) {
    point.front = front.includes(point);
    point.time = time(point.seconds);
    point.size = size(point.disk);
    point.peak = size(point.memory);
    point.spread = point.low === null ? "one sample" : `${figure(point.low, 1e3)} to ${figure(point.high, 1e3)} ms`;
    point.href = point.benchmark && chosen().graph
      ? `history.html#view=explore&bench=${encodeURIComponent(point.benchmark)}&params=${point.case}&${chosen().graph}` : null;
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
  const named = (point) => `${point.name}, ${point.time} and ${point.size}`;
  const as_fast = front.length ? points.filter((point) => point.inside && point !== front[0] && !faster(front[0], point)) : [];
  const ties = as_fast.length ? ` As fast within the spread: ${as_fast.map((point) => point.name
    + (point.way === "ours" ? "" : ", as published")).join("; ")}.` : "";
  $("answer").textContent = over || (points.length ? (front.length === 1
    ? `${named(front[0])}: no format is faster, and none is smaller.${ties}`
    : `Fastest: ${named(front[0])}. Smallest: ${named(front.at(-1))}.${ties}`) : "Nothing was measured for this choice.");
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
    const cell = row.insertCell();
    cell.className = "text";
    if (point.href) {
      const link = document.createElement("a");
      link.href = point.href;
      link.textContent = "graph";
      link.setAttribute("aria-label", `graph of ${point.name}, ${point.way}`);
      cell.append(link);
    }
    return row;
  }));
  const facts = { recorded: chosen().label, ...chosen().machine, ...chosen().libraries };
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
