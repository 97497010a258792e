// The form that begins a release.
import { send } from "./desk.js";

const form = document.getElementById("release");

form?.addEventListener("submit", async (event) => {
  event.preventDefault();
  const told = document.getElementById("told");
  const button = form.querySelector("button");
  button.disabled = true;
  told.textContent = "Choosing the images …";
  try {
    const answer = await send("/api/v1/releases", Object.fromEntries(new FormData(form)));
    const body = await answer.json();
    if (!answer.ok) {
      told.textContent = typeof body.detail === "string" ? body.detail : "This cannot be released.";
      return;
    }
    const left = Object.entries(body.left_out).map(([why, n]) => `, ${n} left out: ${why}`).join("");
    const what = body.new ? "is begun" : "is that release already";
    told.textContent = `${body.release} ${what}: ${body.images} images${left}. Files: ${body.place}`;
  } catch {
    told.textContent = "The desk does not answer. Try again.";
  } finally {
    button.disabled = false;
  }
});
