// The form that begins a release, how many images its view has, and the list while files are written.

import { localTimes, send } from "./desk.js";

const EVERY = 3000; // milliseconds between two looks at releases that are being written
const form = document.getElementById("release");

form?.addEventListener("submit", async (event) => {
  event.preventDefault();
  const told = document.getElementById("told");
  const button = form.querySelector("button");
  const { format, ...asked } = Object.fromEntries(new FormData(form));
  const say = (text, wrong = false) => {
    told.hidden = false;
    told.className = wrong ? "beside refusal" : "beside";
    told.textContent = text;
  };
  if (!format) return say("Choose a format at least.", true);
  asked.formats = new FormData(form).getAll("format").join(",");
  button.disabled = true;
  say("The images are chosen …");
  try {
    const answer = await send("/api/v1/releases", asked);
    const body = await answer.json();
    if (!answer.ok) return say(typeof body.detail === "string" ? body.detail : "This cannot be released.", true);
    const left = Object.entries(body.left_out).map(([why, n]) => ` ${n} left out: ${why}.`).join("");
    const what = body.new ? "is begun, and Dagster writes its files" : "is that release already";
    say(`${body.release} ${what}: ${body.images} ${body.images === 1 ? "image" : "images"}.${left} Its place: ${body.place}`);
    await again();
  } catch {
    say("The desk does not answer. Try again: equal images and options are one release.", true);
  } finally {
    button.disabled = false;
  }
});

// how many images there are in the view, as the catalog counts them

let counting = 0;
async function count() {
  const mine = ++counting;
  const { tenant, where } = Object.fromEntries(new FormData(form));
  const view = new URLSearchParams(where.slice(where.indexOf("?") + 1));
  for (const aside of ["tenant", "sort", "after"]) view.delete(aside);
  if (!view.has("verdict")) view.set("verdict", "accept");
  view.set("tenant", tenant);
  const place = document.getElementById("count");
  try {
    const answer = await fetch(`/api/v1/images?limit=1&${view}`);
    const body = await answer.json();
    if (mine !== counting) return;
    if (!answer.ok) throw new Error(body.detail);
    const link = document.createElement("a");
    link.href = `/images?${view}`;
    link.textContent = `${body.total.toLocaleString()} ${body.total === 1 ? "image" : "images"}`;
    place.replaceChildren(link, ` of ${tenant}.${where.includes("verdict=") ? "" : " Without a verdict: accepted ones."}`);
  } catch {
    if (mine === counting) place.textContent = "This view cannot be counted.";
  }
}
if (form) {
  let typing = 0;
  form.addEventListener("input", (event) => {
    if (!event.target.matches("[name=tenant], [name=where]")) return;
    clearTimeout(typing);
    typing = setTimeout(count, 250);
  });
  count();
}

// the list, until all is written

async function again() {
  try {
    const answer = await fetch(location.href);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = answer.ok && page.getElementById("releases");
    if (!fresh) return;
    localTimes(fresh);
    document.getElementById("releases").replaceWith(fresh);
  } catch { /* there is no connection: the next look will tell */ }
}
setInterval(() => {
  if (!document.hidden && document.querySelector("#releases[data-writing]")) again();
}, EVERY);
