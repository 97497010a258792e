// The upload page: ask for a URL, PUT the file there, watch what becomes of the image.
// Nothing of a file is sent anywhere but to the URL that was given for it.

const AT_ONCE = 3; // files on their way
const LOOK_FIRST = 1500; // milliseconds between looks at what is not decided
const LOOK_LAST = 15000; // the same while nothing happens: each look without news waits half as long again
const PAUSES = [1, 2, 4, 8, 16]; // seconds before each new try where the storage is busy
const BUSY = new Set([429, 500, 502, 503, 504]); // answers that say nothing about the file
const MOST_IDS = 50; // of one look
const STEPS = ["pending_validation", "pending_vlm_enrichment", "pending_iqa", "pending_curation", "curated"];
const WAITS = {
  pending_upload: "Stored. Waits to be taken in …",
  pending_validation: "Waits to be validated …",
  pending_vlm_enrichment: "Waits to be enriched …",
  pending_iqa: "Waits to be scored …",
  pending_curation: "Waits for a decision …",
};
const VERDICTS = { accept: "Accepted", reject: "Rejected", review: "For review" };
const TYPES = new Set(["jpeg", "png", "webp", "tiff", "bmp", "gif", "avif", "heic", "heif"].map((t) => `image/${t}`));

const $ = (id) => document.getElementById(id);
const items = [];
let token = sessionStorage.getItem("token") ?? "";
let most = 0;

class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

async function api(path, body) {
  const headers = { Authorization: `Bearer ${token}` };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const method = body === undefined ? "GET" : "POST";
  const answer = await fetch(path, { method, headers, body: body && JSON.stringify(body) });
  const said = await answer.json().catch(() => ({}));
  if (answer.ok) return said;
  const detail = Array.isArray(said.detail) ? said.detail.map((one) => one.msg).join("; ") : said.detail;
  throw new Refused(answer.status, detail ?? `The server answered ${answer.status}.`);
}

// --- who ---

async function enter() {
  try {
    const me = await api("v1/me");
    sessionStorage.setItem("token", token);
    most = me.most_bytes;
    $("tenant").textContent = me.tenant;
    $("most").textContent = bytes(most);
    show(true);
  } catch (error) {
    $("refusal").textContent = error instanceof Refused ? error.message : "The server does not answer.";
    $("refusal").hidden = false;
    show(false);
  }
}

function show(inside) {
  $("enter").hidden = inside;
  $("work").hidden = $("who").hidden = !inside;
  if (!inside) $("token").focus();
}

$("enter").addEventListener("submit", (event) => {
  event.preventDefault();
  token = $("token").value.trim();
  $("refusal").hidden = true;
  enter();
});
$("leave").addEventListener("click", () => {
  sessionStorage.removeItem("token");
  location.reload();
});

// --- one file ---

class Item {
  constructor(file) {
    this.file = file;
    this.state = "waiting"; // waiting, sending, stored, done, broken
    const node = $("item").content.cloneNode(true).firstElementChild;
    this.node = node;
    this.part = (name) => node.querySelector(name);
    this.part(".name").textContent = this.part(".name").title = file.name;
    this.part(".size").textContent = bytes(file.size);
    this.part(".again").addEventListener("click", () => this.restart());
    this.thumbnail();
    this.say("Waits for its turn …");
    $("list").append(node);
  }

  thumbnail() {
    const place = this.part(".thumb");
    place.textContent = (this.file.name.split(".").pop() || "?").slice(0, 4).toUpperCase();
    const image = new Image();
    image.alt = "";
    image.onload = () => {
      place.replaceChildren(image);
      URL.revokeObjectURL(image.src);
    };
    image.onerror = () => URL.revokeObjectURL(image.src);
    image.src = URL.createObjectURL(this.file);
  }

  say(text, badge = "") {
    this.part(".said").textContent = text;
    this.part(".badge").textContent = badge;
  }

  break(text, again = true) {
    this.state = "broken";
    this.node.classList.add("broken");
    this.say(text, "Not uploaded");
    this.part(".again").hidden = !again;
    summarize();
  }

  restart() {
    this.state = "waiting";
    this.node.classList.remove("broken", "stored");
    this.part(".again").hidden = true;
    this.part(".reasons").replaceChildren();
    this.say("Waits for its turn …");
    next();
  }

  async send() {
    this.state = "sending";
    if (this.file.size === 0) return this.break("The file is empty.", false);
    if (this.file.size > most) return this.break(`It is larger than ${bytes(most)}.`, false);
    this.upload = undefined;
    for (const seconds of [...PAUSES, 0]) {
      this.progress(0);
      this.say("Uploading …");
      const trouble = await this.attempt();
      if (!trouble) return;
      if (!seconds) return this.break(trouble);
      this.say("The storage is busy. It will be tried again …");
      await new Promise((resolve) => setTimeout(resolve, 1000 * seconds));
    }
  }

  // What kept the file from being stored, where that may pass. Nothing: it is stored, or broken for good.
  async attempt() {
    try {
      const type = TYPES.has(this.file.type) ? this.file.type : "application/octet-stream";
      const wanted = { name: this.file.name, content_type: type, size: this.file.size };
      // The same place for each try: what arrived though its answer was lost is then found there.
      this.upload ??= (await api("v1/uploads", { files: [wanted] })).uploads[0];
      this.id = this.upload.upload_id;
      return await this.put(this.upload);
    } catch (error) {
      if (!(error instanceof Refused)) return "The server does not answer. Is the network up?";
      if (BUSY.has(error.status)) return error.message;
      this.break(error.status === 401 ? "The token is not valid any more." : error.message);
    }
  }

  async put(upload) {
    const status = await transfer(upload, this.file, (share) => this.progress(share));
    if (status === 200 || status === 201 || status === 412) return this.stored(); // 412: it is there already
    if (BUSY.has(status)) return `The storage refused it (${status}). Try again later.`;
    if (status !== 0) return this.break(`The storage refused it (${status}). The link may have expired.`);
    // A browser tells a page nothing about why. The server asks the storage the same question.
    const verdict = await api(`v1/uploads/${upload.upload_id}/preflight`, {});
    if (verdict.passed) return "The connection broke off, or the link has expired.";
    this.break(`This page is not allowed to upload there. ${verdict.reason}`);
  }

  progress(share) {
    const percent = Math.round(share * 100);
    this.part(".track i").style.width = `${percent}%`;
    this.part(".track").setAttribute("aria-valuenow", String(percent));
    if (this.state === "sending") this.say(share < 1 ? `Uploading … ${percent} %` : "Uploading … almost there");
  }

  stored() {
    this.state = "stored";
    this.node.classList.add("stored");
    this.follow({ status: "pending_upload", reasons: [], done: false });
    soon();
  }

  follow(now) {
    this.status = now.status;
    // The first step is done once the bytes are stored; what failed is not said to have got further.
    const at = Math.max(1, STEPS.indexOf(now.status) + 1);
    const working = !now.done && now.status !== "pending_upload";
    this.part(".steps").querySelectorAll("li").forEach((step, n) => {
      step.className = n < at ? "past" : n === at && working ? "now" : "";
    });
    this.say(WAITS[now.status] ?? "");
    if (!now.done) return;
    this.state = "done";
    const kind = now.status === "curated" ? now.verdict : now.status === "failed" ? "failed" : "broken";
    this.node.classList.add(kind);
    this.say("", VERDICTS[kind] ?? (kind === "failed" ? "Not usable" : "Never arrived"));
    this.part(".reasons").replaceChildren(
      ...now.reasons.map((reason) => Object.assign(document.createElement("li"), { textContent: reason })),
    );
  }
}

// fetch() cannot tell how much has been sent; XMLHttpRequest can. Resolves to a status; 0: no answer.
function transfer(upload, file, progressed) {
  return new Promise((resolve) => {
    const request = new XMLHttpRequest();
    request.open(upload.method, upload.url);
    for (const [name, value] of Object.entries(upload.headers)) request.setRequestHeader(name, value);
    if (upload.authorize) request.setRequestHeader("Authorization", `Bearer ${token}`);
    request.upload.onprogress = (event) => progressed(event.total ? event.loaded / event.total : 0);
    request.onload = () => resolve(request.status);
    request.onerror = request.onabort = request.ontimeout = () => resolve(0);
    // A type of its own is appended to a blob's request where the header has none: it has one.
    request.send(file);
  });
}

// --- all of them ---

function take(files) {
  for (const file of files) items.push(new Item(file));
  next();
}

function next() {
  const free = AT_ONCE - items.filter((one) => one.state === "sending").length;
  const waiting = items.filter((one) => one.state === "waiting").slice(0, Math.max(0, free));
  for (const one of waiting) one.send().finally(next);
  summarize();
}

let pause = LOOK_FIRST;
let timer;

// Something was stored, or the page is looked at again: look soon.
function soon() {
  pause = LOOK_FIRST;
  clearTimeout(timer);
  timer = setTimeout(look, pause);
}

async function look() {
  clearTimeout(timer);
  const ids = new Map(items.filter((one) => one.state === "stored").slice(0, MOST_IDS).map((one) => [one.id, one]));
  try {
    if (ids.size && !document.hidden) {
      const asked = new URLSearchParams([...ids.keys()].map((id) => ["id", id]));
      const { uploads } = await api(`v1/uploads?${asked}`);
      const before = [...ids.values()].map((one) => one.status);
      for (const one of uploads) ids.get(one.upload_id).follow(one);
      const news = [...ids.values()].some((one, n) => one.status !== before[n]);
      pause = news ? LOOK_FIRST : Math.min(LOOK_LAST, pause * 1.5);
      summarize();
    }
  } catch {
    pause = Math.min(LOOK_LAST, pause * 2);
    // The next look asks again: what was uploaded goes on without this page.
  } finally {
    clearTimeout(timer);
    timer = setTimeout(look, pause);
  }
}

function summarize() {
  const count = (state) => items.filter((one) => one.state === state).length;
  const moving = count("waiting") + count("sending");
  const said = [`${items.length} ${items.length === 1 ? "file" : "files"}`];
  if (moving) said.push(`${moving} on the way`);
  if (count("stored")) said.push(`${count("stored")} being decided`);
  if (count("done")) said.push(`${count("done")} done`);
  if (count("broken")) said.push(`${count("broken")} not uploaded`);
  $("summary").textContent = said.join(" · ") + (count("stored") && !moving ? ". You may close this page now." : "");
  $("summary").hidden = !items.length;
}

function bytes(n) {
  const units = ["bytes", "kB", "MB", "GB"];
  let at = 0;
  while (n >= 1000 && at < units.length - 1) [n, at] = [n / 1000, at + 1];
  return `${n < 10 && at ? n.toFixed(1) : Math.round(n)} ${units[at]}`;
}

const drop = $("drop");
for (const kind of ["dragenter", "dragover"]) {
  drop.addEventListener(kind, (event) => {
    event.preventDefault();
    drop.classList.add("over");
  });
}
for (const kind of ["dragleave", "drop"]) drop.addEventListener(kind, () => drop.classList.remove("over"));
drop.addEventListener("drop", (event) => {
  event.preventDefault();
  take(event.dataTransfer.files);
});
$("files").addEventListener("change", (event) => {
  take(event.target.files);
  event.target.value = "";
});
window.addEventListener("beforeunload", (event) => {
  if (items.some((one) => ["waiting", "sending"].includes(one.state))) event.preventDefault();
});

document.addEventListener("visibilitychange", () => document.hidden || soon());

if (token) enter();
else show(false);
look();
