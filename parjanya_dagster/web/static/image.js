// One image: zoom and pan, the original where it is worth it, steps by keyboard, twins laid over,
// boxes of text.

import { renewing, send } from "./desk.js";

const viewer = document.getElementById("viewer");
const picture = document.getElementById("picture");
const boxes = document.getElementById("boxes");
const MOST = 16;
let scale = 1, x = 0, y = 0; // x, y: where the picture's corner lies, from where it lies unzoomed

function place() {
  picture.style.transform = scale === 1 ? "" : `translate(${x}px, ${y}px) scale(${scale})`;
  if (boxes) boxes.style.transform = picture.style.transform;
  viewer.classList.toggle("zoomed", scale > 1);
  const wide = Math.min(picture.clientWidth, (picture.clientHeight * picture.naturalWidth) / picture.naturalHeight);
  viewer.classList.toggle("sharp", scale * wide > 3 * picture.naturalWidth);
  if (scale > 1.2 && picture.dataset.original && picture.src === new URL(picture.dataset.preview, location).href) {
    const whole = new Image();
    whole.onload = () => { picture.src = whole.src; };
    whole.src = picture.dataset.original;
  }
}

function zoom(factor, atX, atY) {
  if (viewer.classList.contains("halved")) return; // each has its half
  const before = scale;
  scale = Math.min(MOST, Math.max(1, scale * factor));
  const box = viewer.getBoundingClientRect();
  const px = (atX ?? box.left + box.width / 2) - box.left, py = (atY ?? box.top + box.height / 2) - box.top;
  x = px - (px - x) * (scale / before);
  y = py - (py - y) * (scale / before);
  if (scale === 1) x = y = 0;
  place();
}

function fit() {
  scale = 1;
  x = y = 0;
  place();
}

if (viewer && picture) {
  const measure = () => picture.classList.toggle("small", Math.max(picture.naturalWidth, picture.naturalHeight) < 700);
  picture.addEventListener("load", measure);
  if (picture.complete) measure();
  renewing(picture, location.pathname.split("/").pop(), "preview");
  const fingers = new Map();
  let moved = false, apart = 0;
  viewer.addEventListener("wheel", (event) => {
    event.preventDefault();
    zoom(Math.exp(-event.deltaY * 0.0022), event.clientX, event.clientY);
  }, { passive: false });
  viewer.addEventListener("pointerdown", (event) => {
    viewer.setPointerCapture(event.pointerId);
    fingers.set(event.pointerId, event);
    moved = false;
    apart = 0;
  });
  viewer.addEventListener("pointermove", (event) => {
    const before = fingers.get(event.pointerId);
    if (!before) return;
    fingers.set(event.pointerId, event);
    if (fingers.size === 2) {
      const [a, b] = [...fingers.values()];
      const now = Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY);
      if (apart) zoom(now / apart, (a.clientX + b.clientX) / 2, (a.clientY + b.clientY) / 2);
      apart = now;
      moved = true;
    } else if (scale > 1) {
      x += event.clientX - before.clientX;
      y += event.clientY - before.clientY;
      moved ||= Math.hypot(event.movementX, event.movementY) > 2;
      viewer.classList.add("drag");
      place();
    }
  });
  for (const end of ["pointerup", "pointercancel"]) {
    viewer.addEventListener(end, (event) => {
      fingers.delete(event.pointerId);
      viewer.classList.remove("drag");
      if (end === "pointerup" && !moved && event.button === 0) {
        scale > 1 ? fit() : zoom(2.5, event.clientX, event.clientY);
      }
    });
  }
  document.addEventListener("click", (event) => {
    const kind = event.target.closest("[data-zoom]")?.dataset.zoom;
    if (kind) ({ in: () => zoom(1.6), out: () => zoom(1 / 1.6), fit })[kind]();
  });
}

// where text was found: what is chosen holds for the next images of this visit too
function showBoxes(shown) {
  if (!boxes) return;
  boxes.hidden = !shown;
  document.getElementById("boxing").setAttribute("aria-pressed", String(shown));
  sessionStorage.setItem("boxes", shown ? "shown" : "");
}
document.getElementById("boxing")?.addEventListener("click", () => showBoxes(boxes.hidden));
if (sessionStorage.getItem("boxes")) showBoxes(true);

// a twin beside it, or the difference to it
document.addEventListener("click", (event) => {
  const button = event.target.closest(".compare");
  if (!button) return;
  const on = button.getAttribute("aria-pressed") !== "true";
  document.querySelectorAll(".compare").forEach((one) => one.setAttribute("aria-pressed", "false"));
  viewer.querySelector(".twin")?.remove();
  viewer.classList.remove("halved");
  fit();
  if (!on) return;
  button.setAttribute("aria-pressed", "true");
  const { how, source } = button.dataset;
  const twin = new Image();
  twin.className = `twin ${how}`;
  twin.alt = how === "over" ? "The difference to the other image: what is black is equal" : "The other image";
  twin.src = source;
  viewer.classList.toggle("halved", how === "beside");
  viewer.append(twin);
  viewer.scrollIntoView({ block: "nearest" }); // on a phone it lies above
});

// deciding: what was shown is named, so a page that is old overwrites nothing

async function decide(action) {
  const box = document.getElementById("decide");
  if (!box || box.dataset.busy) return;
  box.dataset.busy = "1";
  const { id, seen, evidence } = box.dataset;
  const note = document.getElementById("note").value.trim();
  const refuse = (text) => {
    const refusal = document.getElementById("refusal");
    refusal.hidden = false;
    refusal.textContent = text;
  };
  box.dataset.request ??= crypto.randomUUID();
  try {
    const asked = { action, note, seen: Number(seen), evidence: JSON.parse(evidence), request_id: `${box.dataset.request} ${action}` };
    const answer = await send(`/api/v1/images/${id}/review`, asked);
    const body = await answer.json();
    if (answer.ok) return location.reload();
    const newer = body.newer ? ` ${body.newer.who} decided: ${body.newer.action}.` : "";
    refuse(`${body.says ?? body.detail}${newer} Your ${action} was not recorded. Load the page again to see it as it is now.`);
  } catch {
    refuse("There is no connection. Try again: it will count once.");
  }
  delete box.dataset.busy;
}
document.addEventListener("click", (event) => {
  const action = event.target.closest("#decide [data-do]")?.dataset.do;
  if (action) decide(action);
});

document.addEventListener("keydown", (event) => {
  if (event.target.closest("input, textarea, select") || event.metaKey || event.ctrlKey || event.altKey) return;
  const go = (selector) => document.querySelector(selector)?.click();
  const keys = {
    ArrowLeft: () => go(".before"), ArrowRight: () => go(".after"), Escape: () => go("#back"),
    "+": () => zoom(1.6), "=": () => zoom(1.6), "-": () => zoom(1 / 1.6), "0": fit, a: () => decide("accept"), r: () => decide("reject"), u: () => document.querySelector('#decide [data-do="undo"]') && decide("undo"), n: () => document.getElementById("note")?.focus(), z: () => (scale > 1 ? fit() : zoom(2.5)), t: () => showBoxes(boxes?.hidden),
  };
  if (keys[event.key]) {
    event.preventDefault();
    keys[event.key]();
  }
});

// What looks like this image comes after the page: the first question of all reads every vector.
const like = document.querySelector("[data-similar]");
if (like) {
  const none = (why) => { like.outerHTML = `<p class="dim">${why}</p>`; };
  fetch(`/similar?image=${like.dataset.similar}&part=tiles`).then(async (answer) => {
    const tiles = answer.ok ? (await answer.text()).trim() : "";
    if (!tiles) return none("Nothing to compare it with yet.");
    like.innerHTML = tiles;
    like.removeAttribute("aria-busy");
    return undefined;
  }).catch(() => none("The desk does not answer."));
}
