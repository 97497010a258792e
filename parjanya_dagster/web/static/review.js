// Review: one image after the other, decided by keyboard. A decision counts at once on the page, and
// the outbox carries it to the server. Images are kept for this person while the page is open. Those that
// look alike may come as a group: one key decides it, and each image gets a decision of its own.

import { renewing, send } from "./desk.js";
import { Outbox } from "./outbox.js";

const $ = (id) => document.getElementById(id);
const root = $("review"), viewer = $("viewer");
const { tenant, order, who, where } = root.dataset;
const AHEAD = 8; // images that are kept and fetched ahead
const MANY = 24; // of them in the grid
const PAST = 200; // decided ones that one can go back to
const EXTEND = 40_000; // milliseconds between prolongations of leases

const queue = []; // what is kept for this person, and what was decided of it; in the order shown
const skipped = new Set();
let at = 0; // the one that is shown
let waiting = null; // images of the tenant that wait for a person
let claiming = false;
let grid = false;
let zoomed = false;
const started = Date.now();
let done = 0;

const outbox = new Outbox(`outbox ${who}`, answered, paint);
const pictures = new Map(); // image id -> its preview, loaded ahead: an element that is shown as it is
const current = () => queue[at];
const open = () => queue.filter((one) => !one.said);

// --- what is kept ---

async function claim() {
  const wanted = (grid ? MANY : AHEAD) - open().length;
  if (claiming || wanted <= 0) return;
  claiming = true;
  try {
    const skip = [...new Set([...queue.map((one) => one.image_id), ...skipped, ...outbox.waiting.map((one) => one.image_id)])];
    const answer = await send("/api/v1/review/claim", { tenant, order, where, n: wanted, skip: skip.slice(-5000) });
    if (answer.status === 401 || answer.status === 403) throw new Error("Your session has ended: open the desk's address again.");
    if (!answer.ok) throw new Error("The queue cannot be read just now.");
    const body = await answer.json();
    waiting = body.waiting;
    for (const one of body.images) {
      queue.push(one);
      if (one.preview) load(one);
    }
    claim.trouble = "";
  } catch (error) {
    claim.trouble = error instanceof TypeError ? "There is no connection." : error.message;
  } finally {
    claiming = false;
    paint();
  }
}
claim.trouble = "";

setInterval(async () => {
  const mine = open().map((one) => one.image_id);
  if (document.hidden || !mine.length) return;
  try {
    const answer = await send("/api/v1/review/extend", { image_ids: mine.slice(0, 60) });
    if (!answer.ok) return;
    const kept = new Set((await answer.json()).kept);
    // What somebody else has by now is theirs. What is looked at stays, and the server will say.
    for (const id of mine) if (!kept.has(id) && current()?.image_id !== id) drop(id);
    paint();
  } catch { /* the leases end by themselves */ }
}, EXTEND);
setInterval(() => { if (!document.hidden && open().length < 2) claim(); }, 5000);
addEventListener("pagehide", () => release(open().map((one) => one.image_id)));

function release(ids) {
  if (ids.length) send("/api/v1/review/release", { image_ids: ids.slice(0, 60) }, "POST", true).catch(() => {});
}

// An element that gets another address shows the former picture until the new one is there, under the
// new name. So each image has an element of its own.
function load(one) {
  const picture = new Image();
  picture.id = "picture";
  picture.draggable = false;
  picture.alt = visible(one.caption || `${one.category ?? "image"} ${one.name}`);
  picture.onload = () => { picture.dataset.seen = "1"; if (one === current()) paint(); };
  picture.src = one.preview;
  renewing(picture, one.image_id, "preview", picture.onload);
  pictures.set(one.image_id, picture);
}

// Whether its picture is still on the way. One that cannot be had is waited for no longer.
const coming = (one) => Boolean(one.preview && !pictures.get(one.image_id).dataset.seen);

function drop(id) {
  const place = queue.findIndex((one) => one.image_id === id);
  if (place < 0) return;
  pictures.delete(id);
  queue.splice(place, 1);
  if (place < at) at -= 1;
}

// --- decisions ---

function members(one) {
  return one.group ? queue.filter((each) => each.group === one.group && !each.said) : [one];
}

// What a key decides: a whole group, unless this one alone is meant.
function meant(one, shift = false) {
  return shift || $("alone").checked ? [one] : members(one);
}

// What was decided long ago: of the page, not of Truth.
function forget() {
  while (at > PAST && queue[0].said && !outbox.has(queue[0].image_id)) {
    const [{ image_id: id }] = queue;
    decided.splice(0, decided.length, ...decided.filter((all) => all.every((each) => each.image_id !== id)));
    drop(id);
  }
}

// Whoever has not seen it yet decides nothing: keys may be faster than the connection.
function decide(action, shift = false) {
  const one = current();
  if (!one || one.said || (!grid && coming(one))) return;
  const note = $("note").value.trim();
  const all = meant(one, shift);
  for (const each of all) record(each, action, note);
  done += all.length;
  decided.push(all);
  $("note").value = "";
  if (!grid) on();
  forget();
  claim();
  paint();
}
const decided = []; // in this order, what was decided by one key together: what undo takes back

function record(one, action, note) {
  one.said = action === "undo" ? "" : action;
  outbox.add({ image_id: one.image_id, action, note, seen: one.seen, evidence: one.evidence, request_id: crypto.randomUUID() });
  one.seen += 1; // as it will be once it has arrived
}

function undo() {
  const here = current();
  const all = here?.said ? decided.find((each) => each.includes(here)) : decided[decided.length - 1];
  if (!all) return;
  decided.splice(decided.indexOf(all), 1);
  for (const one of all) record(one, "undo", "");
  done -= all.length;
  at = queue.indexOf(all[0]);
  paint();
}

function answered(decision, body, status) {
  const one = queue.find((each) => each.image_id === decision.image_id);
  if (status === 200) return;
  if (one) {
    if (one.said && decision.action !== "undo") done -= 1;
    one.said = body.result === "stale" ? "stale" : "refused";
    decided.splice(0, decided.length, ...decided.map((all) => all.filter((each) => each !== one)).filter((all) => all.length));
  }
  const item = document.createElement("li");
  const link = document.createElement("a");
  link.href = `/images/${decision.image_id}`;
  link.textContent = one?.name ?? body.key ?? decision.image_id;
  const newer = body.newer ? ` ${body.newer.who}: ${body.newer.action}.` : "";
  item.append("Your ", decision.action, " of ", link, ` was not recorded. ${body.says ?? body.detail ?? ""}${newer}`);
  $("refusals").prepend(item);
  paint();
}

// --- moves ---

function on() {
  const next = queue.findIndex((one, place) => place > at && !one.said);
  at = next >= 0 ? next : Math.min(at + 1, queue.length);
}

function skip(shift = false) {
  const one = current();
  if (!one || one.said) return;
  const ids = meant(one, shift).map((each) => each.image_id);
  for (const id of ids) {
    skipped.add(id);
    drop(id);
  }
  release(ids);
  claim();
  paint();
}

function step(by) {
  at = Math.max(0, Math.min(queue.length - 1, at + by));
  paint();
}

// --- what is shown ---

const WORDS = { accept: "You accept it", reject: "You reject it", stale: "Decided by somebody else meanwhile", refused: "Not recorded" };

function paint() {
  if (!root.isConnected) return;
  at = Math.max(0, Math.min(at, queue.length));
  const one = current();
  document.body.classList.toggle("gridded", grid);
  $("gridding").ariaPressed = String(grid);
  $("many").hidden = !grid;
  if (grid) paintMany();
  $("nothing").hidden = Boolean(one) || grid;
  $("about").hidden = !one;
  const picture = one ? pictures.get(one.image_id) : undefined;
  if ($("picture") !== (picture ?? null)) {
    $("picture")?.remove();
    if (picture) viewer.prepend(picture);
  }
  viewer.ariaBusy = String(Boolean(one) && coming(one));
  if (!one) {
    $("nothing-what").textContent = waiting === null ? "Looking for what waits …" : where ? "Nothing like this waits here." : "Nothing waits here.";
    $("nothing-why").textContent = claim.trouble || (waiting === null ? "" : waiting ? "Others look at what waits, or you skipped it." : "When a policy sends an image to review, it appears.");
  } else if (paint.shown !== `${one.image_id}`) {
    paint.shown = one.image_id;
    fit();
    compare(false);
    const parts = one.name.split("/");
    $("name").textContent = visible(parts.pop());
    $("folder").textContent = visible([one.tenant, ...parts].join(" / "));
    $("reasons").replaceChildren(...one.reasons.map((text) => element("p", "reason", visible(text))));
    const { earlier } = one;
    $("earlier").hidden = !earlier;
    if (earlier) {
      $("earlier-picture").src = earlier.thumbnail;
      $("earlier-name").textContent = visible([earlier.name, VERDICTS[earlier.verdict]].filter(Boolean).join(" · "));
      new Image().src = earlier.preview;
    }
    const known = [
      ["Category", one.category], ["Quality", one.quality?.toFixed?.(1)],
      ["Pixels", one.width ? `${one.width} × ${one.height}` : null], ["Policy", one.policy],
    ].filter(([, value]) => value);
    $("known").replaceChildren(...known.flatMap(([label, value]) => [element("dt", "", label), element("dd", "", visible(String(value)))]));
    const more = element("dd", "");
    const link = element("a", "", "Everything about it");
    link.href = `/images/${one.image_id}`;
    more.append(link);
    $("known").append(element("dt", "", ""), more);
  }
  $("decided").hidden = !one?.said;
  $("decided").textContent = one?.said ? WORDS[one.said] : "";
  $("decided").className = `said v-${one?.said ?? ""}`;
  strip();
  paintGroup(one);
  const minutes = (Date.now() - started) / 60_000;
  const n = outbox.waiting.length;
  const left = Math.max(0, (waiting ?? 0) - n);
  const pace = done > 2 ? done / minutes : 0; // a minute
  const ahead = pace && left ? `, about ${Math.ceil(left / pace).toLocaleString()} min` : "";
  $("pace").textContent = [done ? `${done} decided` : "", pace ? `${pace.toFixed(0)} a minute` : "", waiting === null ? "" : `${left.toLocaleString()} waiting${ahead}`].filter(Boolean).join(" · ");
  $("outbox").hidden = !n && !claim.trouble;
  $("outbox").textContent = n ? `${n} ${n === 1 ? "decision is" : "decisions are"} on the way. ${outbox.trouble}` : claim.trouble;
  $("outbox").classList.toggle("late", Boolean(outbox.trouble || claim.trouble));
}

function paintGroup(one) {
  const all = one?.group ? queue.filter((each) => each.group === one.group) : [];
  $("alike").hidden = all.length < 2;
  $("alike-n").textContent = all.length;
  if (paintGroup.group !== one?.group) $("alone").checked = false; // it is meant for one group
  paintGroup.group = one?.group;
  const left = one && !one.said ? meant(one).length : 0;
  for (const place of document.querySelectorAll("[data-how-many]")) place.textContent = all.length < 2 || !left ? "" : left > 1 ? `all ${left}` : "this one";
  const key = all.map((each) => `${each.image_id}${each.said}${each === one}`).join();
  if (paintGroup.key === key) return;
  paintGroup.key = key;
  $("group").replaceChildren(...all.map((each) => small(each, each === one)));
}

function small(one, here) {
  const item = element("li", `v-${one.said || "review"}${here ? " here" : ""}${one.said ? " past" : ""}`);
  const button = element("button", "");
  button.type = "button";
  button.title = visible(one.name);
  button.append(thumbnail(one));
  button.onclick = () => { at = queue.indexOf(one); paint(); };
  item.append(button);
  return item;
}

function strip() {
  const near = queue.slice(Math.max(0, at - 4), at + 9);
  const key = near.map((one) => `${one.image_id}${one.said}${one === current()}`).join();
  if (strip.key === key) return;
  strip.key = key;
  $("strip").replaceChildren(...near.map((one) => small(one, one === current())));
}

function paintMany() {
  const shown = open().slice(0, MANY);
  const key = shown.map((one) => one.image_id).join();
  if (paintMany.key === key) return;
  paintMany.key = key;
  const focused = document.activeElement?.closest?.("#many li")?.dataset.id;
  const place = [...$("many").children].findIndex((item) => item.dataset.id === focused);
  $("many").replaceChildren(...shown.map((one) => {
    const ratio = Math.min(100, Math.max(8, Math.round((20 * (one.width || 1)) / (one.height || 1))));
    const item = element("li", `tile a${ratio} v-review`);
    item.dataset.id = one.image_id;
    const button = element("button", "");
    button.type = "button";
    button.setAttribute("aria-label", `${visible(one.name)}. ${one.reasons.map(visible).join(" ")}`);
    const caption = element("span", "cap");
    caption.append(element("bdi", "", visible(one.name.split("/").pop())));
    button.append(thumbnail(one), caption);
    button.onfocus = () => { at = queue.indexOf(one); paint(); };
    button.ondblclick = () => { location.assign(`/images/${one.image_id}`); };
    item.append(button);
    return item;
  }));
  if (place >= 0) $("many").children[Math.min(place, shown.length - 1)]?.firstChild.focus();
}

function thumbnail(one) {
  const image = new Image();
  image.alt = "";
  if (one.thumbnail) image.src = one.thumbnail;
  renewing(image, one.image_id, "thumbnail");
  return image;
}

function element(name, className, text = "") {
  const made = document.createElement(name);
  made.className = className;
  made.textContent = text;
  return made;
}

// Characters that hide or reorder others are written out, as the server does.
function visible(text) {
  return text.replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, (c) => `⟨U+${c.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}⟩`);
}

// --- the image that it is a duplicate of, in its place: what differs jumps to the eye ---

const VERDICTS = { accept: "accepted", reject: "rejected", review: "for review" };

function compare(on = !$("other")) {
  $("other")?.remove();
  const earlier = on ? current()?.earlier : null;
  $("earlier").ariaPressed = String(Boolean(earlier));
  if (!earlier) return;
  fit();
  const other = new Image();
  other.id = "other";
  other.alt = `The earlier image, ${visible(earlier.name)}`;
  other.src = earlier.preview;
  viewer.append(other);
}

// --- zoom ---

function fit() {
  zoomed = false;
  for (const picture of pictures.values()) picture.style.transform = "";
  viewer.classList.remove("zoomed");
}
function zoom(event) {
  if (zoomed || !$("picture") || $("other")) return fit();
  const box = viewer.getBoundingClientRect();
  const x = event ? event.clientX - box.left : box.width / 2, y = event ? event.clientY - box.top : box.height / 2;
  zoomed = true;
  viewer.classList.add("zoomed");
  $("picture").style.transform = `translate(${-1.5 * x}px, ${-1.5 * y}px) scale(2.5)`;
}
viewer.addEventListener("click", zoom);

// --- keys ---

const DO = { accept: (shift) => decide("accept", shift), reject: (shift) => decide("reject", shift), skip, undo, back: () => step(-1), on: () => step(1), grid: toggle, compare: () => compare() };
const KEYS = { a: DO.accept, r: DO.reject, s: skip, u: undo, z: () => zoom(), ArrowLeft: () => step(-1), ArrowRight: () => step(1), n: () => $("note").focus(), g: toggle, c: () => compare() };

function toggle() {
  grid = !grid;
  paintMany.key = null;
  claim();
  paint();
  if (grid) $("many").querySelector("button")?.focus();
}

document.addEventListener("keydown", (event) => {
  if (event.metaKey || event.ctrlKey || event.altKey) return;
  if (event.target.matches("textarea, input, select")) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  const act = KEYS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (!act) return;
  event.preventDefault();
  if (event.repeat && !event.key.startsWith("Arrow")) return; // a key that is held down decides once
  if (grid && event.key.startsWith("Arrow")) {
    const tiles = [...$("many").querySelectorAll("button")];
    const here = tiles.indexOf(document.activeElement);
    tiles[Math.max(0, Math.min(tiles.length - 1, here + (event.key === "ArrowLeft" ? -1 : 1)))]?.focus();
    return;
  }
  act(event.shiftKey);
});
document.addEventListener("click", (event) => DO[event.target.closest("[data-do]")?.dataset.do]?.(event.shiftKey));
$("alone").addEventListener("change", paint);
document.querySelector(".queue").addEventListener("change", (event) => event.target.form.requestSubmit());

claim();
