// Shows what the event stream says. Every text of the app is set as text, never as markup.

const path = document.body.dataset.path;
const byId = (id) => document.getElementById(id);
const jobs = new Map(); // id -> job row as the stream gives it
const items = new Map(); // id -> the elements that show it
let live = false;

function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("data-") || name.startsWith("aria-")) made.setAttribute(name, value);
    else made[name] = value;
  }
  made.append(...children.filter((child) => child !== null));
  return made;
}

// --- Times

function duration(milliseconds) {
  if (milliseconds < 1000) return `${Math.round(milliseconds)} ms`;
  if (milliseconds < 60_000) return `${(milliseconds / 1000).toFixed(milliseconds < 10_000 ? 2 : 1)} s`;
  const seconds = Math.round(milliseconds / 1000);
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

const clock = (seconds) => new Date(seconds * 1000).toLocaleTimeString([], { hour12: false });
const elapsed = (job) => Math.max(0, (job.ended === null ? Date.now() : job.ended * 1000) - job.started * 1000);
const known = (job) => (job.delay ?? 0) + (job.execution ?? 0);
const total = (job) => Math.max(elapsed(job), known(job));

// --- The app and its endpoints

function showOverview(state) {
  live = state.target?.kind === "live";
  byId("app").textContent = state.app ?? "flash";
  document.title = state.app ? `${state.app} · flash` : "flash";
  byId("url").textContent = state.url ?? "";
  byId("url").href = state.url ?? "";
  const places = { live: "Runpod, billed", emulator: "embedded Runpod", in_process: "this process" };
  chip("target", state.target && places[state.target.kind], live);
  byId("target").title = state.target?.reason ?? "";
  const files = state.reloading?.length ? `reloading: ${state.reloading.join(", ")}` : null;
  chip("generation", files ?? (state.generation === null ? null : `generation ${state.generation}`));
  byId("broken").hidden = state.broken === null;
  byId("broken").querySelector("pre").textContent = state.broken ?? "";
  showEndpoints(state.endpoints);
  byId("no-endpoints").hidden = state.endpoints.length > 0 || state.app === null;
  byId("notes-section").hidden = state.notes.length === 0;
  byId("notes").replaceChildren(
    ...state.notes.map((note) =>
      element("li", {}, element("time", { textContent: clock(note.at) }), note.text)
    ).reverse()
  );
}

function chip(id, text, strong = false) {
  byId(id).hidden = !text;
  byId(id).textContent = text ?? "";
  byId(id).classList.toggle("live", strong);
}

const stateTones = { warm: "good", cold: "", lazy: "", provisioned: "" };

function showEndpoints(endpoints) {
  const opened = new Set(
    [...document.querySelectorAll(".card details[open]")].map((each) => each.dataset.endpoint)
  );
  byId("endpoints").replaceChildren(...endpoints.map((each) => card(each, opened.has(each.name))));
}

function card(endpoint, open) {
  const tone = stateTones[endpoint.state] ?? "warn";
  return element(
    "article",
    { className: "card", "data-endpoint": endpoint.name },
    element(
      "div",
      { className: "top" },
      element("h3", { textContent: endpoint.name }),
      element("span", { className: "pill", "data-tone": tone, textContent: endpoint.state })
    ),
    element("div", { className: "hardware", textContent: endpoint.hardware }),
    element("div", {
      className: "functions",
      textContent: endpoint.functions.map((each) => `${each.name}()`).join("  "),
    }),
    element("div", { className: "workers" }, ...workers(endpoint)),
    configuration(endpoint, open)
  );
}

function workers(endpoint) {
  if (endpoint.id === null) return [element("span", { className: "worker", textContent: "made by its first call" })];
  if (endpoint.workers === null) return [element("span", { className: "worker", textContent: "workers not known" })];
  if (!endpoint.workers.length) return [element("span", { className: "worker", textContent: "no worker" })];
  return endpoint.workers.map((each) =>
    element("span", {
      className: "worker",
      "data-status": each.status,
      title: [each.id, each.gpu, each.dataCenter].filter(Boolean).join(" · "),
      textContent: `${each.status.toLowerCase()}${each.stale ? ", old configuration" : ""}`,
    })
  );
}

function configuration(endpoint, open) {
  const rows = [
    ...(endpoint.id ? [["id", endpoint.id]] : []),
    ...endpoint.configuration,
    ...endpoint.functions.map((each) => [
      each.name,
      each.location + (each.dependencies.length ? `, needs ${each.dependencies.join(", ")}` : ""),
    ]),
  ];
  const list = rows.flatMap(([label, value]) => [
    element("dt", { textContent: label }),
    element("dd", { textContent: value }),
  ]);
  return element(
    "details",
    { open, "data-endpoint": endpoint.name },
    element("summary", { textContent: "Configuration" }),
    element("dl", {}, ...list)
  );
}

// --- Jobs

const tones = {
  RUNNING: "busy",
  COMPLETED: "good",
  FAILED: "bad",
  NO_ANSWER: "bad",
  TIMED_OUT: "warn",
  CANCELLED: "",
};

function showJobs({ rows, ids }) {
  for (const row of rows) {
    jobs.set(row.id, row);
    const item = items.get(row.id) ?? newItem(row);
    fill(item, row);
    if (item.open) load(row.id);
  }
  const remembered = new Set(ids);
  for (const [id, item] of items) {
    if (remembered.has(id)) continue;
    item.root.remove();
    items.delete(id);
    jobs.delete(id);
  }
  byId("no-jobs").hidden = jobs.size > 0;
  drawBars();
}

function newItem(row) {
  const part = (className) => element("span", { className });
  const item = {
    open: false,
    asked: 0,
    when: part("when"),
    name: part("name"),
    where: part("where"),
    values: part("values"),
    bar: part("bar"),
    took: part("took"),
    pill: part("pill state"),
    detail: element("div", { className: "detail", hidden: true }),
  };
  const what = element("span", { className: "what" }, item.name, " ", item.where, item.values);
  item.button = element(
    "button",
    { className: "row", type: "button", "aria-expanded": "false" },
    item.when, what, item.bar, item.took, item.pill
  );
  item.button.addEventListener("click", () => toggle(row.id));
  item.root = element("li", { "data-job": row.id }, item.button, item.detail);
  items.set(row.id, item);
  byId("jobs").prepend(item.root);
  return item;
}

function fill(item, row) {
  item.root.dataset.status = row.status;
  item.when.textContent = clock(row.started);
  item.name.textContent = row.function;
  item.where.textContent = `on ${row.endpoint}`;
  item.values.textContent = row.outcome ? `(${row.input}) → ${row.outcome}` : `(${row.input})`;
  item.pill.textContent = row.status.toLowerCase().replace("_", " ");
  item.pill.dataset.tone = tones[row.status] ?? "";
}

function drawBars() {
  const longest = Math.max(100, ...[...jobs.values()].map(total));
  for (const [id, row] of jobs) {
    const { bar, took } = items.get(id);
    took.textContent = duration(total(row));
    bar.title = timing(row);
    const segments = row.ended === null
      ? [["open", elapsed(row)]]
      : [[row.cold ? "cold" : "queue", row.delay ?? 0], ["run", row.execution ?? 0]];
    const drawn = segments.filter(([, length]) => length > 0).map(([kind, length]) => {
      const made = element("span", { className: `segment ${kind}` });
      made.style.width = `${(100 * length) / longest}%`;
      return made;
    });
    bar.replaceChildren(...drawn);
  }
}

function timing(row) {
  if (row.ended === null) return "not ended yet";
  const parts = [];
  if (row.delay !== null) parts.push(`${row.cold ? "cold start" : "queue"} ${duration(row.delay)}`);
  if (row.execution !== null) parts.push(`run ${duration(row.execution)}`);
  parts.push(`${duration(elapsed(row))} in all`);
  return parts.join(", ");
}

async function toggle(id) {
  const item = items.get(id);
  item.open = !item.open;
  item.button.setAttribute("aria-expanded", String(item.open));
  item.detail.hidden = !item.open;
  if (item.open) await load(id);
}

async function load(id) {
  const item = items.get(id);
  const asked = ++item.asked;
  const job = await details(id);
  // An answer that was overtaken may be older than what is shown.
  if (asked !== item.asked) return;
  if (job !== null) showDetail(item, job);
  else if (!item.detail.hasChildNodes()) {
    const said = "flash run does not answer; close this job and open it again";
    item.detail.replaceChildren(element("p", { textContent: said }));
  }
}

async function details(id) {
  try {
    const response = await fetch(`${path}/jobs/${encodeURIComponent(id)}`);
    return response.ok ? await response.json() : null;
  } catch {
    return null;
  }
}

function showDetail(item, job) {
  const facts = [
    ["job", job.jobId],
    ["worker", job.worker && job.worker + (job.cold ? ", new" : ", warm")],
    ["time", timing(job)],
    ["defined", job.location],
    ["code", `generation ${job.generation}`],
  ].filter(([, value]) => value);
  item.detail.replaceChildren(
    ...text("Input", job.input === "" ? "no arguments" : job.input),
    ...text("Output", job.error === null ? job.output : null),
    ...text("Error", job.traceback ?? job.error, "error"),
    ...text("Logs", job.logs || null),
    element("dl", {}, ...facts.flatMap(([label, value]) => [
      element("dt", { textContent: label }),
      element("dd", { textContent: value }),
    ])),
    actions(job)
  );
}

function text(title, content, className = "") {
  if (content === null || content === undefined) return [];
  return [element("h4", { textContent: title }), element("pre", { className, textContent: content })];
}

function actions(job) {
  const said = element("span", { className: "said", "aria-live": "polite" });
  const label = live ? "Run again on Runpod" : "Run again";
  const button = element("button", { type: "button", textContent: label, disabled: !job.repeatable });
  if (!job.repeatable) said.textContent = "its arguments were too large to keep";
  button.addEventListener("click", async () => {
    button.disabled = true;
    said.textContent = await again(job.id);
    button.disabled = false;
  });
  return element("div", { className: "actions" }, button, said);
}

async function again(id) {
  try {
    const response = await fetch(`${path}/jobs/${encodeURIComponent(id)}/again`, {
      method: "POST",
      headers: { "X-Flash-Console": "1" },
    });
    if (response.ok) return "started; it is at the top of the list";
    const type = response.headers.get("content-type") ?? "";
    return type.includes("json") ? (await response.json()).error : await response.text();
  } catch {
    return "flash run does not answer";
  }
}

// --- The stream

function connection(state, label) {
  byId("link").dataset.state = state;
  byId("link").textContent = label;
}

function listen() {
  const source = new EventSource(`${path}/events`);
  source.addEventListener("open", () => connection("open", "connected"));
  source.addEventListener("overview", (event) => showOverview(JSON.parse(event.data)));
  source.addEventListener("jobs", (event) => showJobs(JSON.parse(event.data)));
  source.addEventListener("error", () => {
    connection("opening", "reconnecting");
    if (source.readyState === EventSource.CLOSED) listenLater();
  });
}

async function listenLater() {
  const response = await fetch(path).catch(() => null);
  if (response?.status === 403) {
    connection("closed", "flash run was started anew: open the address it prints");
  } else {
    setTimeout(listen, 1000);
  }
}

setInterval(() => {
  if ([...jobs.values()].some((job) => job.ended === null)) drawBars();
}, 250);
listen();
