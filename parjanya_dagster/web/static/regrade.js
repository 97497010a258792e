// Regrade: the page looks again while something is made, and launches what was previewed.

import { localTimes, send } from "./desk.js";

const answer = document.getElementById("answer");
const EVERY = 1500; // milliseconds between two looks
const requestId = crypto.randomUUID(); // of this page: sent twice, it is one regrade

let shown = "";
async function again() {
  const place = answer.querySelector("[data-again]");
  if (!place) return;
  try {
    const got = await fetch(place.dataset.again);
    if (got.ok) {
      const text = await got.text();
      if (text !== shown) { // screen readers read what is replaced
        answer.innerHTML = shown = text;
        localTimes(answer);
      }
    } else if (got.status < 500) {
      location.reload(); // the session has ended, or it is no longer ours
      return;
    }
  } catch { /* there is no connection: the next look will tell */ }
  setTimeout(again, EVERY);
}
setTimeout(again, EVERY);

answer.addEventListener("click", async (event) => {
  const what = event.target.closest("[data-launch]")?.dataset.launch;
  const box = document.getElementById("launch");
  if (!what || !box) return;
  const sure = box.querySelector(".sure");
  const refusal = box.querySelector(".refusal");
  const first = box.querySelector('[data-launch="ask"]');
  sure.hidden = what === "no";
  first.hidden = what !== "no";
  if (what === "ask") box.querySelector('[data-launch="do"]').focus();
  if (what === "no") first.focus();
  if (what !== "do") return;
  const { policy, since, until } = box.dataset;
  const body = { policy, since, until, tenants: JSON.parse(box.dataset.tenants), request_id: requestId };
  event.target.disabled = true;
  refusal.hidden = true;
  try {
    const got = await send("/api/v1/regrades", body);
    const said = await got.json().catch(() => ({}));
    if (got.ok) {
      location.assign(`/regrade/${said.replay_id}`);
      return;
    }
    refusal.textContent = typeof said.detail === "string" ? said.detail : `The desk answered ${got.status}.`;
  } catch {
    refusal.textContent = "There is no connection. Try again: it is recorded once.";
  }
  refusal.hidden = false;
  event.target.disabled = false;
});
