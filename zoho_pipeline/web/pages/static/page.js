const body = document.body, origin = body.dataset.origin;
const live = () => document.getElementById("live");
// The events go on where the page ends: what happened since it was made comes first.
let bearer = body.dataset.bearer, wait = 2000, last = body.dataset.last, stream = null, busy = null, again = false;
let heardAt = Date.now(), aliveAt = heardAt;
const REPLAYED = 50 * 60000; // the server has the events of the last hour
const SILENT = 45000; // a comment comes every 15 s
const ENDED = [401, 403, 404];

function tell(type, extra) {
  if (origin && parent !== window) parent.postMessage({ source: "zoho-pipeline", v: 1, type: `zoho-pipeline:${type}`, channel_id: body.dataset.channel, ...extra }, origin);
}
const height = () => tell("height", { height: Math.ceil(document.documentElement.getBoundingClientRect().height) });
const status = () => tell("status", { status: body.dataset.status });

// Why no news comes: "ended", "lost", or "".
function warn(why) {
  const line = document.getElementById("ended");
  if (why === "ended" && line.hidden) tell("ended");
  line.hidden = !why;
  line.firstElementChild.textContent = line.dataset[why] ?? "";
}

// The server makes the page, also after a change. What happens while it loads may be missing, so it is loaded again.
function refresh() {
  again = busy !== null;
  busy ??= load().catch(() => {}).then(() => {
    busy = null;
    return again ? refresh() : undefined;
  });
  return busy;
}

async function load() {
  const answer = await fetch(location.href, { cache: "no-store", credentials: "same-origin", headers: { Accept: "text/html" } });
  if (ENDED.includes(answer.status)) warn("ended");
  if (!answer.ok) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  const open = [...document.querySelectorAll("details[open]")].map((part) => part.querySelector("summary").textContent);
  const at = document.activeElement?.closest("form")?.action;
  document.querySelector("main").replaceChildren(...fresh.querySelector("main").childNodes);
  document.title = fresh.title;
  for (const part of document.querySelectorAll("main details")) if (part.className === "twin") part.open = open.includes(part.querySelector("summary").textContent);
  if (at) [...document.forms].find((form) => form.action === at)?.querySelector("button")?.focus();
  bearer = fresh.body.dataset.bearer ?? bearer;
  if (body.dataset.status !== fresh.body.dataset.status) {
    body.dataset.status = fresh.body.dataset.status;
    status();
  }
  height();
}

function heard(type, data) {
  if (type === "sync.progress") {
    const rows = Object.values(data.progress ?? {}).reduce((sum, count) => sum + count, 0);
    if (live()) live().textContent = `${rows.toLocaleString(document.documentElement.lang)} rows read so far.`;
  } else if (["sync.finished", "sync.failed", "channel.status", "insight.published"].includes(type)) refresh();
}

// EventSource cannot send a header, so the stream is read by fetch.
async function listen() {
  if (stream) return;
  const headers = {};
  if (bearer) headers.Authorization = `Bearer ${bearer}`;
  if (last) headers["Last-Event-ID"] = last;
  stream = new AbortController();
  aliveAt = Date.now();
  try {
    const answer = await fetch(body.dataset.events, { headers, credentials: bearer ? "omit" : "same-origin", signal: stream.signal });
    if (answer.ok) {
      wait = 2000;
      warn("");
      if (Date.now() - heardAt > REPLAYED) refresh(); // the computer slept, so events may be missing
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      let text = "";
      for (let part = await reader.read(); !part.done; part = await reader.read()) {
        heardAt = aliveAt = Date.now();
        text += part.value.replaceAll("\r", "");
        for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
          const event = { event: "message", data: "" };
          for (const line of text.slice(0, end).split("\n")) {
            const [, name, value] = /^(\w+): ?(.*)$/.exec(line) ?? [];
            if (name === "data") event.data += value;
            else if (name) event[name] = value;
          }
          text = text.slice(end + 2);
          if (event.id) last = event.id;
          if (event.data) heard(event.event, JSON.parse(event.data));
        }
      }
    } else if (ENDED.includes(answer.status)) {
      wait = 60000;
      warn("ended");
    } else if ([429, 503].includes(answer.status)) wait = 60000;
  } catch {
    if (Date.now() - heardAt > SILENT) warn("lost"); // the next try follows
  }
  stream = null;
  wait = Math.min(wait * 1.6, 60000);
  setTimeout(() => document.hidden || listen(), wait);
}

// Only the page around this one may give a new link, and only for the same channel.
addEventListener("message", (event) => {
  if (!origin || event.origin !== origin || event.data?.type !== "zoho-pipeline:token" || typeof event.data.token !== "string") return;
  const url = new URL(location.href);
  url.searchParams.set("t", event.data.token);
  url.searchParams.delete("note");
  history.replaceState(null, "", url);
  refresh().then(() => {
    wait = 1000;
    stream ? stream.abort() : listen();
  });
});

document.addEventListener("submit", (event) => {
  const button = event.target.querySelector("button");
  if (event.target.method === "post" && button) setTimeout(() => (button.disabled = true));
});
document.addEventListener("keydown", (event) => {
  const note = event.key === "Escape" && document.querySelector(".note[open]");
  if (note) {
    note.open = false;
    note.querySelector("summary").focus();
  }
});
document.addEventListener("click", (event) => {
  for (const note of document.querySelectorAll(".note[open]")) if (!note.contains(event.target)) note.open = false;
});
function look() {
  if (Date.now() - aliveAt > SILENT) stream?.abort();
  if (!document.hidden) listen();
}
document.addEventListener("visibilitychange", () => document.hidden || look());
setInterval(() => stream && look(), 15000);
new ResizeObserver(height).observe(document.documentElement);
status();
listen();
