// Shows a picture to the desk, and what looks like it. The picture is not kept.

import { formToken } from "./desk.js";

const form = document.getElementById("show");
const grid = document.getElementById("grid");
const told = document.getElementById("told");

async function look(file) {
  told.textContent = `Comparing ${file.name} …`;
  grid.replaceChildren();
  const tenant = encodeURIComponent(form.elements.tenant.value);
  try {
    const answer = await fetch(`/similar/content?tenant=${tenant}`, {
      method: "POST", headers: { "X-Form": formToken, "Content-Type": "application/octet-stream" }, body: file,
    });
    if (!answer.ok) {
      const body = await answer.json().catch(() => ({}));
      told.textContent = typeof body.detail === "string" ? body.detail : "This picture cannot be compared.";
      return;
    }
    grid.innerHTML = await answer.text();
    const n = grid.querySelectorAll(".tile").length;
    told.textContent = n ? `Most like ${file.name}, the nearest first` : "Nothing to compare it with yet.";
  } catch {
    told.textContent = "The desk does not answer. Try again.";
  }
}

form?.elements.picture.addEventListener("change", (event) => {
  if (event.target.files[0]) look(event.target.files[0]);
});
form?.addEventListener("submit", (event) => {
  event.preventDefault();
  if (form.elements.picture.files[0]) look(form.elements.picture.files[0]);
});
addEventListener("dragover", (event) => event.preventDefault());
addEventListener("drop", (event) => {
  event.preventDefault();
  if (form && event.dataTransfer.files[0]) look(event.dataTransfer.files[0]);
});
