// The overview stays up to date by itself, and says when it cannot.

const page = document.getElementById("main");
const every = Number(page.dataset.every);

async function refresh() {
  try {
    const answer = await fetch("/?part=1", { signal: AbortSignal.timeout(20000) });
    if (!answer.ok) throw new Error(answer.status);
    page.innerHTML = await answer.text();
  } catch {
    const stale = document.getElementById("stale");
    stale.classList.add("shown");
    stale.textContent = "No answer: these numbers are old.";
  }
  setTimeout(refresh, every);
}
setTimeout(refresh, every);
