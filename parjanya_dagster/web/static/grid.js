// The grid: more images as one scrolls, filters without loading a page, and the selection.

import { renewing, send } from "./desk.js";

const CHOSEN = new Set();
let order = 0; // of the last navigation: an answer that is overtaken is dropped

const $ = (id) => document.getElementById(id);
const tiles = () => [...document.querySelectorAll(".tile")];

// --- more as one scrolls ---

const watching = new IntersectionObserver(
  (seen) => seen.filter((one) => one.isIntersecting).forEach((one) => more(one.target)),
  { rootMargin: "1200px" },
);

async function more(item) {
  watching.unobserve(item);
  const mine = order;
  const address = new URL(item.querySelector("a").href);
  address.searchParams.set("part", "tiles");
  try {
    const answer = await fetch(address);
    if (!answer.ok) throw new Error(answer.status);
    const text = await answer.text();
    if (mine !== order) return;
    const there = new Set(tiles().map((tile) => tile.dataset.id));
    const part = document.createElement("template");
    part.innerHTML = text;
    for (const tile of part.content.querySelectorAll(".tile")) {
      if (there.has(tile.dataset.id)) tile.remove(); // it moved in the order meanwhile
    }
    item.replaceWith(part.content);
    prepare();
  } catch {
    item.querySelector("a").textContent = "More could not be loaded. Try again";
  }
}

// --- views: the address is the view ---

async function show(address, push = true) {
  order += 1;
  const mine = order;
  $("view").classList.add("loading");
  try {
    const answer = await fetch(address);
    if (!answer.ok) throw new Error(answer.status);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (mine !== order) return;
    const open = new Map([...document.querySelectorAll(".facet")].map((one) => [one.dataset.facet, one.open]));
    const scrolled = document.querySelector(".rail").scrollTop;
    const focused = document.activeElement?.closest(".value")?.getAttribute("href");
    for (const facet of page.querySelectorAll(".facet")) {
      if (open.has(facet.dataset.facet)) facet.open = open.get(facet.dataset.facet);
    }
    if (push) history.pushState(null, "", address);
    $("view").replaceWith(page.getElementById("view"));
    const search = document.querySelector(".search");
    const typed = search.q.value;
    if (document.activeElement !== search.q) search.replaceWith(page.querySelector(".search"));
    else syncHidden(search, page.querySelector(".search"), typed);
    document.querySelector(".rail").scrollTop = scrolled;
    if (focused) [...document.querySelectorAll(".value")].find((one) => one.search === new URL(address, location).search)?.focus();
    CHOSEN.clear();
    window.scrollTo(0, 0);
    prepare();
  } catch {
    location.assign(address);
  }
}

function syncHidden(form, fresh, typed) {
  for (const one of form.querySelectorAll("input[type=hidden]")) one.remove();
  for (const one of [...fresh.querySelectorAll("input[type=hidden]")]) form.prepend(one);
  form.q.value = typed;
}

function formAddress(form) {
  const pairs = [...new FormData(form)].filter(([, value]) => value !== "");
  const query = new URLSearchParams(pairs).toString();
  return query ? `/images?${query}` : "/images";
}

document.addEventListener("click", (event) => {
  const link = event.target.closest(".value, .chips a, .nothing a[href^='/images']");
  if (!link || event.metaKey || event.ctrlKey || event.shiftKey || event.button) return;
  event.preventDefault();
  show(link.href);
});
document.addEventListener("keydown", (event) => {
  const value = event.target.closest?.(".value");
  if (value && event.key === " ") {
    event.preventDefault();
    value.click();
  }
  if (event.key === "/" && !event.target.closest?.("input, select, textarea")) {
    event.preventDefault();
    document.querySelector(".search input[type=search]").focus();
  }
  if (event.key === "Escape") choose([...CHOSEN], false);
});
document.addEventListener("change", (event) => {
  if (event.target.matches(".order select")) show(formAddress(event.target.form));
  if (event.target.matches(".pick")) {
    choose([event.target.closest(".tile").dataset.id], event.target.checked);
  }
});
document.addEventListener("submit", (event) => {
  if (!event.target.matches(".search, .order")) return;
  event.preventDefault();
  show(formAddress(event.target));
});
let typing = 0;
document.addEventListener("input", (event) => {
  if (event.target.matches("#size")) return resize(event.target.value);
  if (!event.target.matches(".search input[type=search]")) return;
  clearTimeout(typing);
  typing = setTimeout(() => show(formAddress(event.target.form)), 250);
});
addEventListener("popstate", () => show(location.href, false));

// --- sizes ---

function resize(height) {
  $("grid")?.style.setProperty("--h", `${height}px`);
  localStorage.setItem("tile", height);
}

// --- selection ---

let last = null; // the tile that was chosen last: shift chooses up to it

document.addEventListener("click", (event) => {
  const pick = event.target.closest(".pick");
  if (!pick) return;
  const tile = pick.closest(".tile");
  if (event.shiftKey && last?.isConnected) {
    const every = tiles();
    const [from, to] = [every.indexOf(last), every.indexOf(tile)].sort((a, b) => a - b);
    choose(every.slice(from, to + 1).map((one) => one.dataset.id), pick.checked);
  }
  last = tile;
});

function choose(ids, on) {
  for (const id of ids) on ? CHOSEN.add(id) : CHOSEN.delete(id);
  for (const tile of tiles()) {
    const chosen = CHOSEN.has(tile.dataset.id);
    tile.classList.toggle("on", chosen);
    tile.querySelector(".pick").checked = chosen;
  }
  $("chosen").hidden = CHOSEN.size === 0;
  $("chosen-n").textContent = CHOSEN.size;
  document.body.classList.toggle("choosing", CHOSEN.size > 0);
}

export const chosen = () => [...CHOSEN];
export const clearChosen = () => choose([...CHOSEN], false);

$("chosen-all").addEventListener("click", () => choose(tiles().map((tile) => tile.dataset.id), true));
$("chosen-none").addEventListener("click", clearChosen);

// --- deciding about the selection ---

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-decide]");
  if (!button || button.disabled) return;
  const action = button.dataset.decide;
  const chosenTiles = tiles().filter((tile) => CHOSEN.has(tile.dataset.id));
  const decisions = chosenTiles.map((tile) => ({
    image_id: tile.dataset.id, action, seen: Number(tile.dataset.seen),
    request_id: (tile.dataset.request ??= crypto.randomUUID()) + action,
  }));
  document.querySelectorAll("[data-decide]").forEach((one) => { one.disabled = true; });
  const told = [];
  try {
    for (let from = 0; from < decisions.length; from += 500) {
      const answer = await send("/api/v1/reviews", { decisions: decisions.slice(from, from + 500) });
      if (!answer.ok) throw new Error(answer.status);
      told.push(...(await answer.json()).decisions);
    }
    const bad = told.filter((one) => !one.good);
    const by = new Map(told.map((one) => [one.image_id ?? one.image, one]));
    for (const tile of chosenTiles) {
      const one = by.get(tile.dataset.id);
      if (!one?.good) continue;
      tile.className = tile.className.replace(/\bv-\w+/, `v-${one.effective_verdict}`);
      tile.dataset.seen = one.reviews;
      delete tile.dataset.request;
      choose([tile.dataset.id], false);
    }
    say(`${told.length - bad.length} decided.` + (bad.length ? ` ${bad.length} not, and still selected: ${bad[0].says}` : ""));
  } catch {
    say("There is no connection. Try again: each decision counts once.");
  } finally {
    document.querySelectorAll("[data-decide]").forEach((one) => { one.disabled = false; });
  }
});

let saying = 0;
function say(text) {
  $("told").hidden = false;
  $("told").textContent = text;
  clearTimeout(saying);
  saying = setTimeout(() => { $("told").hidden = true; }, 8000);
}

// --- what is new on the page ---

function prepare() {
  for (const item of document.querySelectorAll(".more")) watching.observe(item);
  for (const image of document.querySelectorAll(".tile img:not([data-known])")) {
    image.dataset.known = "1";
    renewing(image, image.closest(".tile").dataset.id, "thumbnail");
  }
  const height = localStorage.getItem("tile");
  const size = $("size");
  if (height && size) {
    size.value = height;
    resize(height);
  }
  const filters = document.querySelector(".filters");
  filters.onclick = () => {
    filters.setAttribute("aria-expanded", String($("view").classList.toggle("filtering")));
    window.scrollTo(0, 0); // they are above the pictures
  };
  choose([], true);
}

prepare();
